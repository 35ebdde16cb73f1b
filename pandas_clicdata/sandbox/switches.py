"""The open questions about the service, and the answer of the sandbox to each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints


@dataclass(frozen=True)
class Switches:
    """One field for each open question; the default is the most likely answer."""

    paging: Literal["flags", "none", "total"] = "flags"
    """O1: what a page says about the pages after it."""
    page_number: Literal["honoured", "ignored"] = "honoured"
    """O1: whether ``page`` chooses the page, or each response is the first page."""
    large_page_size: Literal["capped", "refused", "error", "ignored"] = "capped"
    """O1: a ``page_size`` above the maximum: capped, a 400, an error under 200; or every ``page_size`` ignored."""
    deletes: Literal["both", "/delete", "DELETE /row"] = "both"
    """O3: the path of a modern row delete."""
    text_comparison: Literal["exact", "sql_server"] = "exact"
    """O2: whether filters and keys see letter case and trailing blanks."""
    datetimes: Literal["as sent", "iso"] = "as sent"
    """O4: how a read writes a datetime: as it was sent, or with a ``T`` between date and time."""
    existing_keys: Literal["store", "skip"] = "store"
    """O5: whether an append stores or skips a row whose key exists."""
    unknown_columns: Literal["refuse", "drop"] = "refuse"
    """O10: whether an append with a column that the data set lacks is refused, or loses its cells."""
    ids: Literal["both", "id", "rec_id"] = "both"
    """O18: the key of the id in lists of data sets."""
    shapes: Literal["plain", "rich"] = "plain"
    """O7, O18: whether schedules, versions and users have the keys that are known from the product only."""

    def __post_init__(self) -> None:
        kinds = get_type_hints(Switches)
        for one in fields(self):
            choices = get_args(kinds[one.name])
            if getattr(self, one.name) not in choices:
                raise ValueError(
                    f"{one.name} is one of {', '.join(map(repr, choices))}, not {getattr(self, one.name)!r}."
                )
