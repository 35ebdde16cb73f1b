"""Copies of the data sets of a real account, for tests on the shapes of real data."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pandas_clicdata.sandbox.cells import problem
from pandas_clicdata.sandbox.rows import Column, raw_values, row_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas_clicdata import Data, Session

_GUESSES = ("checkbox", "number", "date", "datetime")  # C: no response names the types
_LARGEST_PAGE = 1000
_rows = msgspec.json.Decoder(list[msgspec.Raw])


class Copy(NamedTuple):
    """One data set as it was read. A row is JSON text, with unchanged cells."""

    rec_id: int
    name: str
    description: str
    columns: list[Column]
    rows: list[bytes]


def copies_of(session: Session, rec_ids: int | str | Iterable[int | str], rows: int) -> list[Copy]:
    """Read the first rows of data sets, by ids or exact names. Nothing is written."""
    from pandas_clicdata import Data  # the sandbox works without the client

    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise ValueError(f"rows must be an integer from 1, not {rows!r}")
    data = Data(session=session)
    listed = data.get_data()[["rec_id", "name", "description"]].fillna("").to_dict("records")
    found = []
    for wanted in rec_ids if isinstance(rec_ids, Iterable) and not isinstance(rec_ids, str) else [rec_ids]:
        fitting = [one for one in listed if wanted == one["name" if isinstance(wanted, str) else "rec_id"]]
        if len(fitting) != 1:
            known = ", ".join(f"{one['rec_id']} ({one['name']!r})" for one in (fitting or listed)[:20])
            several = f"several of the {len(listed)} data sets of the account are {wanted!r}, give an id: {known}"
            none = f"none of the {len(listed)} data sets of the account is {wanted!r}: {known}"
            raise LookupError(several if fitting else none)
        found += [one for one in fitting if one not in found]
    return [_copy(data, rows, **{str(key): value for key, value in one.items()}) for one in found]


def _copy(data: Data, most: int, rec_id: int, name: str, description: str) -> Copy:
    texts: list[msgspec.Raw] = []
    pages = data.pages(
        rec_id, page_size=min(most, _LARGEST_PAGE), wanted=lambda: most - len(texts), on_torn="warn"
    )  # rows of two states of the data set do no harm here
    with closing(pages):
        for page in pages:
            texts += _rows.decode(page.rows)
            if len(texts) >= most:
                break
    try:
        rows = [raw_values(bytes(text)) for text in texts[:most]]
    except msgspec.ValidationError:
        raise ValueError(f"data set {rec_id} can't be copied: its rows don't name their columns") from None
    columns = [
        Column(key, _type_of([row[key] for row in rows if key in row]))
        for key in dict.fromkeys(key for row in rows for key in row)
    ]
    stored = [row_text({key: bytes(cell) for key, cell in row.items()}, columns) for row in rows]
    return Copy(rec_id, name, description, columns, stored)


def _type_of(cells: Sequence[msgspec.Raw]) -> str:
    """Return the first type that all cells fit; text if there are none, or no other type fits."""
    held = [cell for cell in cells if bytes(cell) != b"null"]
    return next((name for name in _GUESSES if held and problem(name, held) is None), "text")
