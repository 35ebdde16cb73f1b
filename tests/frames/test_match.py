"""Matched keys and compared cells, against plain Python that works row by row."""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pandas_clicdata.frames import match
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.frames.rows import FrameRows, Rows

# ---------------------------------------------------------------------------------------------------------
# The oracle

TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?)?")


def instant(cell: Any) -> Any:
    """Return a timestamp as seconds and the digits of the fraction; None for any other cell."""
    found = TIME.fullmatch(cell) if isinstance(cell, str) else None
    if found is None:
        return None
    day, time, digits, offset = found.groups()
    whole = dt.datetime.fromisoformat(f"{day}T{time or '00:00:00'}{(offset or 'Z').replace('Z', '+00:00')}")
    return whole.timestamp(), (digits or "").rstrip("0")


def value(cell: Any) -> Any:
    """Return a value that is equal for equal cells: booleans are no numbers, and numbers keep every digit."""
    if cell is None or isinstance(cell, (bool, str)):
        return type(cell).__name__, cell
    return "number", Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell)


def wide(text: str) -> str:
    """Return a value that is equal for texts that a service may treat as equal."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold().upper().casefold())
    return re.sub("i\u0307+", "i", folded).rstrip()


def values(mine: list[Any], theirs: list[Any], *, folds: bool = False) -> tuple[list[Any], list[Any]]:
    """Return both columns so that equal cells are equal: as timestamps if both hold only timestamps."""
    if all(any(cells) and all(cell is None or instant(cell) for cell in cells) for cells in (mine, theirs)):
        return tuple([None if cell is None else instant(cell) for cell in cells] for cells in (mine, theirs))  # type: ignore[return-value]
    compared = [[value(cell) for cell in cells] for cells in (mine, theirs)]
    if folds:
        compared = [[(kind, wide(one) if kind == "str" else one) for kind, one in cells] for cells in compared]
    return compared[0], compared[1]


def first_equal(mine: list[Any], cells: list[Any]) -> list[int]:
    return [next((at for at, one in enumerate(mine) if one == cell), -1) for cell in cells]


# ---------------------------------------------------------------------------------------------------------
# Cells

WHOLE = st.sampled_from([0, 1, -1, 2, 10, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, 10**30])
FLOATS = st.sampled_from([0.0, -0.0, 1.0, 0.1, 0.5, -1.5, 1e300, 5e-324, float(2**53), float(2**63), 1e16, 0.1 + 0.2])
LETTERS = st.sampled_from("aAäÄßsSıIi\u0307\u0130ſK\u212a\u00c5\u212b 01")
ODD_TEXTS = ["", " ", "a ", "A", "a\u0308", "null", "1", "1.0", "true", "\U0001f600"]
TEXTS = st.text(LETTERS, max_size=3) | st.sampled_from(ODD_TEXTS)
TIMES = [
    *("2026-03-29", "2026-03-29 00:00:00", "2026-03-29T00:00:00", "2026-03-29T00:00:00Z", "2026-03-29 02:00:00+02:00"),
    *("2026-03-29 00:00:00.5", "2026-03-29T00:00:00.500", "2026-03-29 00:00:00.0000001", "2026-03-28T19:00:00-05:00"),
]
KINDS: list[st.SearchStrategy[Any]] = [
    st.sampled_from([0, 1, 2, 3, 10**6]),
    WHOLE,
    FLOATS,
    WHOLE | FLOATS,
    TEXTS,
    st.booleans(),
    st.sampled_from(TIMES),
    st.sampled_from([*TIMES, "soon"]),
    st.booleans() | st.sampled_from([0, 1, 1.0, "1", "true"]),
    WHOLE | FLOATS | TEXTS | st.booleans(),
]


@st.composite
def two_columns(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Draw two columns with nulls, of the same type or of two types."""
    kind = draw(st.sampled_from(KINDS))
    other = kind if draw(st.booleans()) else draw(st.sampled_from(KINDS))
    sides = [draw(st.lists(st.none() | of if draw(st.booleans()) else of, max_size=12)) for of in (kind, other)]
    return sides[0], sides[1]


def rows_of(columns: dict[str, list[Any]], page_rows: int = 4, exact: tuple[str, ...] = ()) -> Rows:
    """Rows as a service sends them, page by page."""
    rows = Rows(exact)
    records = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    for start in range(0, len(records), page_rows):
        rows.add(json.dumps(records[start : start + page_rows]).encode())
    return rows


# ---------------------------------------------------------------------------------------------------------
# Keys


@example(([0.0, -0.0], [-0.0, 0.5]), False, ())
@example(([2**53, 2**53 + 1], [float(2**53), 0.5]), False, ())
@given(two_columns(), st.booleans(), st.sampled_from([(), ("k",)]))
def test_rows_match_where_their_keys_are_equal(
    sides: tuple[list[Any], list[Any]], folds: bool, exact: tuple[str, ...]
) -> None:
    mine, theirs = values(*sides, folds=folds)
    found = match.match(*(rows_of({"k": cells}, exact=exact) for cells in sides), ["k"], wide=folds)
    assert found.local.tolist() == first_equal(mine, mine)
    assert found.remote.tolist() == first_equal(mine, theirs)


@given(two_columns(), two_columns())
def test_rows_match_where_both_key_columns_are_equal(
    first: tuple[list[Any], list[Any]], second: tuple[list[Any], list[Any]]
) -> None:
    sides = [
        {name: cells[: min(len(one), len(another))] for name, cells in (("k", one), ("l", another))}
        for one, another in zip(first, second, strict=True)
    ]
    pairs = [values(sides[0][name], sides[1][name]) for name in ("k", "l")]
    mine, theirs = ([*zip(pairs[0][side], pairs[1][side], strict=True)] for side in (0, 1))
    found = match.match(*map(rows_of, sides), ["k", "l"], wide=False)
    assert found.local.tolist() == first_equal(mine, mine)
    assert found.remote.tolist() == first_equal(mine, theirs)


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=5), min_size=2, max_size=2))
def test_a_fold_is_that_of_the_whole_text(texts: list[list[str]]) -> None:
    for text in [*texts[0], *texts[1]]:
        assert match.fold(text) == match.fold(match.fold(text))
        assert {match.fold(text), match.fold(text.upper()), match.fold(f"{text}  ")} == {match.fold(text)}


# ---------------------------------------------------------------------------------------------------------
# Cells that differ


@given(two_columns(), st.data(), st.booleans())
def test_cells_differ_where_their_values_do(
    sides: tuple[list[Any], list[Any]], data: st.DataObject, keep_missing: bool
) -> None:
    mine, theirs = values(*sides)
    at = st.tuples(st.integers(0, len(mine) - 1), st.integers(0, len(theirs) - 1))
    pairs = data.draw(st.lists(at, max_size=12)) if mine and theirs else []
    rows, places = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    found = match.changed(*(rows_of({"v": cells}) for cells in sides), rows, places, ["v"], keep_missing=keep_missing)[
        "v"
    ]
    wanted = [
        mine[row] != theirs[place] and not (keep_missing and sides[0][row] is None)
        for row, place in zip(rows.tolist(), places.tolist(), strict=True)
    ]
    assert found.tolist() == wanted


@given(st.lists(st.tuples(WHOLE | FLOATS, WHOLE | FLOATS), max_size=9), st.sampled_from([0, 1, 0.1, 1.5]))
def test_numbers_up_to_the_tolerance_do_not_differ(pairs: list[tuple[Any, Any]], limit: float) -> None:
    sides = [rows_of({"v": [pair[side] for pair in pairs]}) for side in (0, 1)]
    order = np.arange(len(pairs))
    found = match.changed(*sides, order, order, ["v"], tolerance={"v": limit})["v"]
    exact = [abs(value(one)[1] - value(another)[1]) for one, another in pairs]
    assert found.tolist() == [distance > Decimal(repr(limit)) for distance in exact]


# ---------------------------------------------------------------------------------------------------------
# Kinds


@example([1e300, None])
@example([1e300, 0.5])
@given(st.sampled_from(KINDS).flatmap(lambda kind: st.lists(st.none() | kind, max_size=9)))
def test_the_kinds_of_a_key_are_those_of_its_cells(cells: list[Any]) -> None:
    names = {"bool": "boolean", "str": "text", "number": "number"}
    present = [cell for cell in cells if cell is not None]
    wanted = {names[value(cell)[0]] for cell in present}
    if present and all(map(instant, present)):
        offsets = [cell[10:].endswith("Z") or bool(re.search("[+-]", cell[10:])) for cell in present]
        wanted = {"timestamp with an offset" if any(offsets) else "timestamp"}
    assert match.key_kinds(rows_of({"k": cells}), "k") == wanted
    fractions = [type(cell) is float and not cell.is_integer() for cell in cells]
    for exact in ((), ("k",)):
        assert match.has_fractions(rows_of({"k": cells}, exact=exact), "k") is any(fractions)


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("noted", [(), ("t",)])
def test_times_of_a_frame_have_the_offset_that_they_have_there(zone: str | None, noted: tuple[str, ...]) -> None:
    frame = pd.DataFrame({"t": pd.Series(pd.to_datetime(["2026-03-29", None])).dt.tz_localize(zone)})
    rows = FrameRows(FrameEncoder(frame), noted=noted)
    naive, aware = {"timestamp"}, {"timestamp with an offset"}
    assert match.key_kinds(rows, "t") == (naive if zone is None else aware | naive if noted else aware)
