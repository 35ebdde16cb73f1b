"""Compare the columns of a frame with the columns of a data set, before a row is sent.

ClicData doesn't return the types of columns. They are known from the creation, or from the cells of the first rows.
"""

from __future__ import annotations

from decimal import Decimal
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.cells import DATETIME, NUMBER, find_problem, infer_type, is_missing, show
from pandas_clicdata.frames.types import TIMES, join_names, notes_of
from pandas_clicdata.frames.unify import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pandas_clicdata.frames.columns import Column
    from pandas_clicdata.frames.encode import FrameEncoder
    from pandas_clicdata.frames.rows import Rows

SEEN_ROWS = 1_000  # the most rows of a page to examine
MOST_ROWS = 5  # the most rows at fault to name

_WORDS = {
    "text": "text",
    "number": "numbers",
    "checkbox": "true and false",
    "date": "dates",
    "datetime": "dates with times",
    "time": "times",
}
_ALIKE = {"dropdown": "text", "percentage": "number", "money": "number", "id": "number"}
_OF_JSON = {bool: "checkbox", int: "number", float: "number", Decimal: "number", str: "text"}
_COLLECTS = 'errors="collect" stores the other rows, and lists the rows that ClicData refuses.'
# Other types that a column takes. A numeral is text that is a number. A date is sent as midnight.
_TAKES = {
    "text": {"text", "time"},
    "numeral": {"number"},
    "time": {"time", "text"},
    "datetime": {"datetime", "date"},
}


class Known(NamedTuple):
    """The types of the cells of each column of a data set, by name; empty if no cell shows a type.

    ``rows`` is the number of rows that showed the types: 0 if it is not known, None if the data set was created with
    these types. ``dates`` are the columns that were created or read as dates or datetimes.
    """

    holds: Mapping[str, Sequence[str]]
    rows: int | None = None
    dates: frozenset[str] = frozenset()


def columns_created(types: Mapping[str, str]) -> Known:
    """Return the columns of a data set that was created with these types."""
    holds = {str.__str__(name): [_ALIKE.get(of, of)] for name, of in types.items()}
    return Known(holds, dates=frozenset(name for name, [of] in holds.items() if of in TIMES))


def columns_seen(first: Mapping[Any, Sequence[Any]], before: Known | None = None) -> Known | None:
    """Return the types that the cells of the first rows show; None if the columns have no names.

    The types of a creation are sure: they stay while the columns have the same names. Known date columns stay known.
    """
    if not all(isinstance(name, str) for name in first):
        return None
    if before is not None and before.rows is None and [*before.holds] == [*first]:
        return before
    holds = {name: _kinds_in([cells]) for name, cells in first.items()}
    dates = frozenset() if before is None else before.dates
    return Known(holds, max(map(len, first.values()), default=0), dates)


def columns_read(rows: Rows) -> Known | None:
    """Return what all rows of a data set show, by column; None if there are none. Numerals are text."""
    holds = {name: _kinds_in(parts_of(rows.cells(name))) for name in rows.names}
    return as_text(Known(holds, rows.count)) if holds else None


def as_text(known: Known | None) -> Known | None:
    """Return columns without numerals: no number may be written over their text."""
    if known is None:
        return None
    return known._replace(holds={name: [of for of in held if of != "numeral"] for name, held in known.holds.items()})


def _kinds_in(parts: Iterable[Sequence[Any]]) -> list[str]:
    """Return the kinds of the cells of a column. If it has several parts, all its cells are of one type."""
    kinds, forms, longest = set[str](), [DATETIME, NUMBER], 0
    for cells in parts:
        kinds |= {_OF_JSON.get(of, "other") for of in set(map(type, cells)) - {type(None)}}
        texts = [cell for cell in cells if isinstance(cell, str)] if "text" in kinds else []
        forms = [form for form in forms if all(map(form.fullmatch, texts))]
        longest = max([longest, *map(len, texts)])
        if not forms:
            break
    if "text" in kinds and DATETIME in forms:
        # C: that rows give a date without a time (O4)
        kinds = kinds - {"text"} | {"date" if longest == len("2024-01-31") else "datetime"}
    elif "text" in kinds and forms:
        kinds.add("numeral")
    return [] if "other" in kinds else sorted(kinds)


def times_held(known: Known | None, noted: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that hold dates or datetimes, with their types.

    The notes of a frame come from all rows of a read. They override the first rows; the types of a creation override
    the notes.
    """
    holds = {} if known is None else known.holds
    held = {name: kinds[0] for name, kinds in holds.items() if len(kinds) == 1 and kinds[0] in TIMES}
    return {**noted, **held} if known is not None and known.rows is None else {**held, **noted}


def columns_noted(attrs: Mapping[Any, Any], rec_id: int) -> Known | None:
    """Return the columns that `read_clicdata` noted in the ``attrs`` of a frame, if it read this data set."""
    notes = notes_of(attrs, rec_id) or {}
    columns = notes.get("columns") if notes.get("ver_id") is None else None
    if not isinstance(columns, dict) or not all(isinstance(kinds, list) for kinds in columns.values()):
        return None
    return Known(columns, 0) if columns else None


def compare(encoder: FrameEncoder, rec_id: int, known: Known | None, *, collect: bool) -> list[str]:
    """Return the columns of the data set that the frame leaves empty.

    Raises an `InputError` that names each column that the data set lacks, each column of another type than the data set
    holds, and the first text that is no date in a column of dates. With ``collect``, a column may mix types or hold
    such text: ClicData refuses these rows.
    """
    problems = [*column_problems(encoder, rec_id, known, collect=collect).values()]
    if problems:
        if known is not None:
            problems[-1] += " (check=True reads the columns again, check=False skips the comparison.)"
        raise InputError(problems)
    return _missing(encoder, known)


def _missing(encoder: FrameEncoder, known: Known | None) -> list[str]:
    return [name for name in (known.holds if known is not None else ()) if name not in encoder.columns]


def column_problems(encoder: FrameEncoder, rec_id: int, known: Known | None, *, collect: bool | None) -> dict[str, str]:
    """Return the problem of each column that can't be sent to this data set.

    ``collect`` is None for verbs that can't leave rows out.
    """
    holds, missing = {} if known is None else known.holds, _missing(encoder, known)
    problems = {}
    if known is not None:
        unknown = [name for name in encoder.columns if name not in holds]
        problems = {name: _unknown_name(name, holds, missing, rec_id, encoder.constants) for name in unknown}
    for column in encoder._columns:
        held = set(holds.get(column.name, ()))
        kinds = {_ALIKE.get(of, of) for of in ([column.column_type] if column.column_type else column.cell_types)}
        is_text = held <= TIMES and (encoder.types or {}).get(column.name) == "text"  # as the caller says
        if not column.cell_types or column.name in problems or is_text:
            continue
        may_be_dates = kinds == {"text"} and not column.converts and held and held <= TIMES
        if (column.column_type is None or may_be_dates) and not collect:
            row = next(_misfits(column, held, 0, encoder.rows) if held else _odd_ones(column), None)
            if row is not None:
                what = _mixed(column, row, encoder.frame.index, held, rec_id, known)
                problems[column.name] = f"{what}." if collect is None else f"{what}; {_COLLECTS}"
        elif held and not kinds & held and not _fits(column, kinds, held, known, collect) and not is_empty(column):
            problems[column.name] = _other_kind(column, kinds, held, rec_id, known)
    stamps = {name: set(holds[name]) for name in encoder.constants if name in holds}
    return problems | {
        name: _stamps(name, of, rec_id, known) for name, of in stamps.items() if of and not of & {"text", "time"}
    }


def columns_coarser(encoder: FrameEncoder, known: Known | None) -> list[str]:
    """Return the columns of datetimes that keep only their dates in the data set, if its types are known."""
    held = {} if known is None else known.holds
    sent = {column.name: column for column in encoder._columns}
    lost = {name for name in sent if sent[name].column_type == "datetime" and [*held.get(name, ())] == ["date"]}
    return [name for name in sent if name in lost or (sent[name].is_aware and sent[name].column_type == "date")]


def rows_at_fault(encoder: FrameEncoder, known: Known | None, name: str) -> list[int]:
    """Return the positions of the first cells of a column that the data set can't hold unchanged."""
    column = next((column for column in encoder._columns if column.name == name), None)
    held = None if known is None else known.holds.get(name)
    if column is None or (known is not None and held is None):
        return []
    if column.column_type == "datetime" and held == ["date"]:
        odd: Iterator[int] = (at for at, cell in enumerate(column.array) if find_problem(cell, "date"))
    elif column.converts:
        odd = iter(())
    else:
        odd = _misfits(column, {*held}, 0, encoder.rows) if held else _odd_ones(column)
    return [*islice(odd, MOST_ROWS)] or np.flatnonzero(pd.notna(column.array))[:MOST_ROWS].tolist()


def find_misfit(encoder: FrameEncoder, known: Known | None, start: int, stop: int) -> tuple[int, str] | None:
    """Return the position and the column of the first cell in these rows whose type the data set doesn't hold."""
    found = []
    for column in encoder._columns:
        held = set(known.holds.get(column.name, ())) if known is not None else set()
        bounds = (start - encoder.first, stop - encoder.first)
        row = next(_misfits(column, held, *bounds), None) if held and not column.converts else None
        found += [] if row is None else [(row + encoder.first, column.name)]
    return min(found, default=None)


def name_row(encoder: FrameEncoder, position: int) -> str:
    """Return a row of the frame, for messages: its position and its label."""
    at = position - encoder.first
    [label] = encoder.frame.index[at : at + 1]  # a Python number, not one of numpy
    return f"row {position} of {'all' if encoder.first else 'the frame'} (label {label!r})"


def show_cell(encoder: FrameEncoder, position: int, name: str) -> str:
    """Return a cell, for messages."""
    cells = [column.array[position - encoder.first] for column in encoder._columns if column.name == name]
    return show(cells[0]) if cells else "the stamp"


# ---------------------------------------------------------------- types of cells


def is_empty(column: Column) -> bool:
    """Return whether all cells of a column are missing, so that it has no type."""
    return pd.Series(column.array, copy=False).first_valid_index() is None


def _taken(held: set[str], known: Known | None) -> set[str]:
    taken = held.union(*(_TAKES.get(kind, ()) for kind in held))
    if "date" in held and known is not None and known.rows is not None:
        taken.add("datetime")  # later rows may have times, and ``types=`` decides
    return taken


def _fits(column: Column, kinds: set[str], held: set[str], known: Known | None, collect: bool | None) -> bool:
    """Return whether any cell may be of a type that the data set holds: text may be a date or, in appends, a number."""
    if kinds == {"text"}:
        texts = [cell for cell in column.array if isinstance(cell, str)]
        if any(map(DATETIME.fullmatch, texts)):
            kinds = kinds | TIMES
        elif collect is not None and known and known.rows is not None and any(map(NUMBER.fullmatch, texts)):
            kinds = kinds | {"number"}  # a column that was created for numbers, or was read whole, takes no numerals
    return bool(kinds & _taken(held, known))


def _misfits(column: Column, held: set[str], start: int, stop: int) -> Iterator[int]:
    """Yield the positions of the cells whose type the data set doesn't hold."""
    taken, date = _taken(held, None), "date" if held == {"date"} else "ISO 8601"
    for position, cell in enumerate(column.array[start:stop], start):
        kind = _kind(cell)
        is_date = held & TIMES and isinstance(cell, str) and find_problem(cell, date) is None
        if kind is not None and kind not in taken and not is_date:
            yield position


def _kind(cell: Any) -> str | None:
    return None if cell is None or is_missing(cell) else infer_type(cell)


def _odd_ones(column: Column) -> Iterator[int]:
    """Yield the positions of the cells of the rarest type."""
    kinds = list(map(_kind, column.array))
    _, _, rarest = min((kinds.count(kind), kinds.index(kind), kind) for kind in set(kinds) - {None})
    return (position for position, kind in enumerate(kinds) if kind == rarest)


# ---------------------------------------------------------------- problems


def _unknown_name(name: str, holds: Mapping[str, Any], missing: list[str], rec_id: int, stamps: Iterable[str]) -> str:
    what = f"Column {name!r} is not in data set {rec_id}"
    if meant := ask_name(name, holds, missing):
        return f"{what}: {meant}"
    advice = "the stamps need a text column that is there" if name in stamps else "leave it out, or rename it"
    return f"{what}, which has {join_names(map(repr, holds))}: {advice}."


def ask_name(name: Any, names: Iterable[Any], free: Iterable[Any]) -> str:
    """Ask whether one of ``names``, or a similar one of the ``free`` names, is meant; "" if there is none."""
    if not isinstance(name, str):
        return ""
    folded = "".join(name.split()).casefold()
    same = [other for other in names if isinstance(other, str) and "".join(other.split()).casefold() == folded]
    if same:
        return f"did you mean {same[0]!r}? It differs in letter case or blanks only, but names must be equal."
    close = get_close_matches(name, [other for other in free if isinstance(other, str)], 1)
    return f"did you mean {close[0]!r}?" if close else ""


def describe_kinds(kinds: Iterable[str]) -> str:
    """Return words for these types of cells."""
    words = [word for kind, word in _WORDS.items() if kind in set(kinds)]
    return " and ".join(words)


def _held(held: set[str], rec_id: int, known: Known | None) -> str:
    if known is None or known.rows is None:
        return f"data set {rec_id} was created for {describe_kinds(held)} there"
    seen = f"{known.rows:,} rows" if known.rows > 1 else "row" if known.rows else "rows"
    return f"data set {rec_id} holds {describe_kinds(held)} there, in the {seen} seen"


def _other_kind(column: Column, kinds: set[str], held: set[str], rec_id: int, known: Known | None) -> str:
    wanted = next(kind for kind in _WORDS if kind in held)
    return (
        f"Column {column.name!r} has {describe_kinds(kinds)}, and {_held(held, rec_id, known)}: "
        f"types={{{column.name!r}: {wanted!r}}} sends {_WORDS[wanted]}, if every cell can be converted."
    )


def _stamps(name: str, held: set[str], rec_id: int, known: Known | None) -> str:
    return f"tag_column: stamps are text, and {_held(held, rec_id, known)}: name a text column ({name!r} is none)."


def _mixed(column: Column, row: int, index: pd.Index[Any], held: set[str], rec_id: int, known: Known | None) -> str:
    kinds = {_ALIKE.get(of, of) for of in column.cell_types}
    [label] = index[row : row + 1]
    what = f"mixes {describe_kinds(kinds)}" if len(kinds) > 1 else "has text that is no date"
    what = f"Column {column.name!r} {what} at row {row} (label {label!r}), which holds {show(column.array[row])}"
    what += f", and {_held(held, rec_id, known) if held else f'it is not known what data set {rec_id} takes there'}."
    if held and held <= TIMES:
        what += " Correct the cell, or convert the column with pd.to_datetime"
        if len(kinds) == 1:
            what += f"; if it is text that only looks like dates, types={{{column.name!r}: 'text'}} sends it"
    else:
        what += f" types={{{column.name!r}: 'text'}} sends text" if not held or "text" in held else " Correct the cell"
    return what
