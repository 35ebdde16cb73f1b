"""Find the rows of a frame and of a data set with the same key, and the cells that differ between them. No I/O.

Numbers are compared by value, texts letter by letter. A boolean or null equals only itself. If both columns hold
only timestamps, these are compared by their time in UTC, however they are written.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.frames.columns import TEXT, pc
from pandas_clicdata.frames.unify import python_cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas_clicdata.frames.rows import Rows
    from pandas_clicdata.frames.unify import Cells

_INTEGERS = (pa.int64(), pa.uint64())
_NUMBERS = (*_INTEGERS, pa.float64())
_EXACT_INTEGER = 2**53  # float64 holds every integer up to it
_BLOCK_PAIRS = 100_000  # of cells that are compared at once


class Matched(NamedTuple):
    """For each row of the frame and of the data set: the first row of the frame with the same key (-1: none)."""

    local: Any
    remote: Any


def match(frame: Rows, there: Rows, on: Sequence[str], *, wide: bool) -> Matched:
    """Return which rows have the same key. With ``wide``, texts with the same `fold` are equal too."""
    codes = None
    for name in on:
        of_column = _codes(frame.cells(name), there.cells(name), wide)
        if codes is not None:
            of_column = pd.factorize(codes * (int(of_column.max(initial=0)) + 1) + of_column)[0].astype(np.int64)
        codes = of_column
    if codes is None:
        codes = np.zeros(frame.count + there.count, np.int64)
    mine, theirs = codes[: frame.count], codes[frame.count :]
    first = np.full(int(codes.max(initial=-1)) + 1, -1, np.int32)
    first[mine[::-1]] = np.arange(frame.count - 1, -1, -1, dtype=np.int32)
    return Matched(first[mine], first[theirs])


def _codes(mine: Cells, theirs: Cells, wide: bool) -> Any:
    """Return a number for each cell of both columns: the same for equal cells."""
    first, second = _comparable(mine, theirs)
    if isinstance(first, list) or isinstance(second, list):
        values = [_exact(cell) for cell in [*python_cells(first), *python_cells(second)]]
        if wide:
            values = [(kind, fold(value)) if kind == "text" else (kind, value) for kind, value in values]
        known: dict[Any, int] = {}
        return np.fromiter((known.setdefault(value, len(known)) for value in values), np.int64, len(values))
    if first.type == pa.float64():  # 0.0 and -0.0 are equal
        first, second = pc.add(first, 0.0), pc.add(second, 0.0)
    if first.type in _INTEGERS and not first.null_count and not second.null_count:  # pandas needs less memory
        return pd.factorize(np.concatenate([first.to_numpy(), second.to_numpy()]))[0].astype(np.int64, copy=False)
    encoded = pa.chunked_array([*first.chunks, *second.chunks], first.type).combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    codes += 1
    if wide and encoded.type.value_type == TEXT:
        folded = pd.factorize(np.array([0, *map(fold, encoded.dictionary.to_pylist())], object))[0]
        codes = folded[codes]
    return codes


def _comparable(mine: Cells, theirs: Cells) -> tuple[Cells, Cells]:
    """Convert two columns so that equal cells have equal values: both to one Arrow type, or both to lists."""
    if is_timestamps(mine) and is_timestamps(theirs):
        return _instants(mine, theirs)
    if isinstance(mine, list) or isinstance(theirs, list):
        return python_cells(mine), python_cells(theirs)
    types = {cells.type for cells in (mine, theirs)} - {pa.null()}
    if len(types) > 1:
        if not types <= set(_NUMBERS):
            return mine.to_pylist(), theirs.to_pylist()
        if not all(map(_is_exact_as_float, (mine, theirs))):
            return mine.to_pylist(), theirs.to_pylist()
        types = {pa.float64()}
    kind = next(iter(types), pa.null())
    return mine.cast(kind), theirs.cast(kind)


def _is_exact_as_float(cells: pa.ChunkedArray) -> bool:
    if cells.type not in _INTEGERS or not len(cells):
        return True
    bounds = pc.min_max(cells)
    return all(abs(bounds[end].as_py() or 0) <= _EXACT_INTEGER for end in ("min", "max"))


def _exact(cell: Any) -> tuple[str, Any]:
    """Return the kind and the value of a cell. Equal cells have equal kinds and values."""
    if cell is None:
        return "null", None
    if isinstance(cell, bool):
        return "boolean", cell
    if isinstance(cell, (int, float, Decimal)):
        return "number", Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell)
    if isinstance(cell, str):
        return "text", cell
    return "other", msgspec.json.encode(cell, order="deterministic")


# ---------------------------------------------------------------------------------------------------------
# Cells that differ


def changed(
    frame: Rows,
    there: Rows,
    rows: Any,
    places: Any,
    columns: Sequence[str],
    *,
    tolerance: Mapping[str, float | timedelta] | None = None,
    keep_missing: bool = False,
) -> dict[str, Any]:
    """Return for each column which pairs of cells differ. Pairs are ``rows`` of the frame, ``places`` of the data set.

    With ``keep_missing``, a null of the frame never differs. A difference within the column's tolerance is ignored.
    """
    limits = tolerance or {}
    return {
        name: _differs(frame.cells(name), there.cells(name), rows, places, limits.get(name), keep_missing)
        for name in columns
    }


def _differs(mine: Cells, theirs: Cells, rows: Any, places: Any, limit: Any, keep_missing: bool) -> Any:
    if not isinstance(mine, list) and not isinstance(theirs, list) and mine.type == theirs.type == TEXT:
        differs = _unequal(mine, theirs, rows, places)  # equal texts are equal timestamps
        if differs.any() and is_timestamps(mine) and is_timestamps(theirs):
            doubtful = np.flatnonzero(differs)
            pairs = np.arange(len(doubtful))
            times = _instants(mine.take(pa.array(rows[doubtful])), theirs.take(pa.array(places[doubtful])))
            differs[doubtful] = _unequal(*times, pairs, pairs)
    else:
        differs = _unequal(*_comparable(mine, theirs), rows, places)
    if keep_missing or limit is not None:
        for at in np.flatnonzero(differs).tolist():
            own_cell, other_cell = _cell(mine, rows[at]), _cell(theirs, places[at])
            is_kept = keep_missing and own_cell is None
            differs[at] = not (is_kept or (limit is not None and _within(own_cell, other_cell, limit)))
    return differs


def _unequal(first: Cells, second: Cells, rows: Any, places: Any) -> Any:
    """Return which pairs of comparable cells differ."""
    if isinstance(first, list) or isinstance(second, list):
        own, other = python_cells(first), python_cells(second)
        pairs = zip(map(own.__getitem__, rows.tolist()), map(other.__getitem__, places.tolist()), strict=True)
        return np.fromiter((_exact(one) != _exact(another) for one, another in pairs), bool, len(rows))
    differs = np.zeros(len(rows), bool)
    if (np.diff(places) < 0).any():
        second = second.combine_chunks()  # once, and not for each block
    for at in range(0, len(rows), _BLOCK_PAIRS):
        block = slice(at, at + _BLOCK_PAIRS)
        one, another = _taken(first, rows[block]), _taken(second, places[block])
        differs[block] = pc.xor(pc.is_null(one), pc.is_null(another)).to_numpy(zero_copy_only=False)
        if one.type != pa.null():
            differs[block] |= pc.fill_null(pc.not_equal(one, another), False).to_numpy(zero_copy_only=False)
    return differs


def _taken(cells: Any, places: Any) -> Any:
    """Return the cells at these places, without a copy if the places are consecutive."""
    low, count = int(places.min()), int(np.ptp(places)) + 1
    part = cells.slice(low, count)
    if count == len(places) and (np.diff(places) == 1).all():
        return part
    return part.take(pa.array(places - low))


def _cell(cells: Cells, place: int) -> Any:
    return cells[place] if isinstance(cells, list) else cells[place].as_py()


def _within(one: Any, another: Any, limit: Any) -> bool:
    """Whether two cells differ by the limit at most."""
    if isinstance(limit, timedelta):
        times = [found for found in (_timestamp(one), _timestamp(another)) if found is not None]
        seconds = Decimal(limit.days * 86_400 + limit.seconds) + Decimal(limit.microseconds) / 1_000_000
        return len(times) == 2 and abs(_seconds(times[0]) - _seconds(times[1])) <= seconds
    first, second = _exact(one), _exact(another)
    if first[0] == second[0] == "number":
        return bool(abs(first[1] - second[1]) <= Decimal(repr(limit) if isinstance(limit, float) else limit))
    return False


def _seconds(timestamp: tuple[datetime, str]) -> Decimal:
    whole = (timestamp[0] - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(seconds=1)
    return Decimal(f"{whole}") + Decimal(f"0.{timestamp[1] or 0}")


# ---------------------------------------------------------------------------------------------------------
# Kinds of cells


NAIVE, AWARE = "timestamp", "timestamp with an offset"


def key_kinds(rows: Rows, name: str) -> set[str]:
    """Return the kinds of cells in a column: text, number, boolean, timestamp, or timestamp with an offset.

    Aware times of a frame are timestamps with an offset. If a read noted their type, they are of both kinds.
    """
    cells = rows.cells(name)
    if isinstance(cells, list):
        return {_exact(cell)[0] for cell in cells} - {"null"}
    if is_timestamps(cells):
        if name in rows.aware:
            return {NAIVE, AWARE} if name in rows.noted else {AWARE}
        with_offset = pc.any(pc.match_substring_regex(cells, r"(?:[zZ]|[-+][0-9]{2}:?[0-9]{2}) *$")).as_py()
        return {AWARE if with_offset else NAIVE}
    kinds = {TEXT: "text", pa.bool_(): "boolean", **dict.fromkeys(_NUMBERS, "number")}
    return {kinds[cells.type]} if cells.type in kinds else set()


def has_fractions(rows: Rows, name: str) -> bool:
    """Return whether a column holds numbers with a fraction."""
    cells = rows.cells(name)
    if isinstance(cells, list):
        numbers = (Decimal(cell) for cell in cells if isinstance(cell, (float, Decimal)))
        return any(number != number.to_integral_value() for number in numbers)
    return bool(cells.type == pa.float64() and pc.any(pc.not_equal(cells, pc.floor(cells))).as_py())


# C: how the service writes a date, or a date and time (O4).
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[t ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:z|([-+][0-9]{2}):?([0-9]{2}))?)?"
)
_ARROW_TIMESTAMP = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[tT ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(?:[zZ]|[-+][0-9]{2}:?[0-9]{2})?)? *$"
)


def _timestamp(text: Any) -> tuple[datetime, str] | None:
    """Return a timestamp in whole seconds, and its fraction; None for other cells. Without an offset, it is in UTC."""
    # Folded, so that texts that match widely are the same timestamp, or are all no timestamp.
    written = _TIMESTAMP.fullmatch(fold(text)) if isinstance(text, str) else None
    if written is None:
        return None
    day, time, fraction, hours, minutes = written.groups()
    try:
        timestamp = datetime.fromisoformat(f"{day} {time or '00:00:00'}{hours or '+00'}:{minutes or '00'}")
    except ValueError:
        return None
    return timestamp, (fraction or "").rstrip("0")


def is_timestamps(cells: Cells) -> bool:
    """Whether a column holds timestamps and nothing else."""
    if isinstance(cells, list) or cells.type != TEXT or cells.null_count == len(cells):
        return False
    first = cells.slice(pc.index(pc.is_valid(cells), True).as_py(), 1).to_pylist()[0]
    if _timestamp(first) is None:  # a quick end for most columns of text
        return False
    if not pc.all(pc.match_substring_regex(cells, _ARROW_TIMESTAMP)).as_py():
        return False
    return _as_instants(cells) is not None or all(map(_timestamp, pc.unique(cells.drop_null()).to_pylist()))


def _as_instants(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return timestamps as numbers, if Arrow can parse them all."""
    for zone in (None, "UTC"):  # all without an offset, or all with one
        with suppress(pa.ArrowInvalid):
            return cells.cast(pa.timestamp("us", zone)).cast(pa.int64())
    return None


def _instants(mine: pa.ChunkedArray, theirs: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Convert two columns of timestamps so that equal times have equal values."""
    first, second = _as_instants(mine), _as_instants(theirs)
    if first is None or second is None:
        first, second = (_spelled_alike(cells) for cells in (mine, theirs))
    return first, second


def _spelled_alike(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    encoded = cells.combine_chunks().dictionary_encode()
    spelled = pa.array([None if text is None else _canonical(text) for text in encoded.dictionary.to_pylist()], TEXT)
    return pa.chunked_array([spelled.take(encoded.indices)])


def _canonical(text: str) -> str:
    found = _timestamp(text)
    if found is None:
        return text
    return str(_seconds(found).normalize())


# ---------------------------------------------------------------------------------------------------------
# Text


# C: the service never finds texts equal that `fold` distinguishes (O2).
def fold(text: str) -> str:
    """Return a text that is the same for texts that differ only in case, trailing blanks, or the form of a letter."""
    if text.isascii():
        return text.lower().rstrip()
    cased = _decomposed(text).casefold().upper().casefold()  # the upper case of a dotless i is I
    return _DOTTED.sub("i", _decomposed(cased)).rstrip()  # a dotted I leaves its dot


_DOTTED = re.compile("i\u0307+")


def _decomposed(text: str) -> str:
    # Letter by letter: to normalize a whole text takes quadratic time.
    return "".join(unicodedata.normalize("NFKD", letter) for letter in text)
