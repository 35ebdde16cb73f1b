"""The open questions of the service: which of its possible answers the sandbox gives."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints


@dataclass(frozen=True)
class Switches:
    """One field for each open question; the default is what is most likely."""

    paging: Literal["flags", "none", "total"] = "flags"
    """O1: what a page says about the pages after it."""
    page_number: Literal["honoured", "ignored"] = "honoured"
    """O1: whether ``page`` chooses the page, or each answer is the first page."""
    large_page_size: Literal["capped", "refused", "error", "ignored"] = "capped"
    """O1: a ``page_size`` above the maximum: capped, a 400, an error under 200; or every ``page_size`` ignored."""
    deletes: Literal["both", "/delete", "DELETE /row"] = "both"
    """O3: the path of a modern row delete."""
    text_comparison: Literal["exact", "sql_server"] = "exact"
    """O2: whether filters and keys see letter case and trailing blanks."""
    datetimes: Literal["as sent", "iso"] = "as sent"
    """O4: how a read spells date and time: as it was sent, or with a ``T`` between them."""
    existing_keys: Literal["store", "skip"] = "store"
    """O5: whether an append stores or skips a row whose key exists."""
    unknown_columns: Literal["refuse", "drop"] = "refuse"
    """O10: whether an append with a column that the data set lacks is refused, or loses its cells."""
    ids: Literal["both", "id", "rec_id"] = "both"
    """O18: how lists of data sets name the identifier."""
    shapes: Literal["plain", "rich"] = "plain"
    """O7, O18: whether schedules, versions and users have the keys that only the product is known to show."""

    def __post_init__(self) -> None:
        kinds = get_type_hints(Switches)
        for one in fields(self):
            choices = get_args(kinds[one.name])
            if getattr(self, one.name) not in choices:
                raise ValueError(
                    f"{one.name} is one of {', '.join(map(repr, choices))}, not {getattr(self, one.name)!r}."
                )
