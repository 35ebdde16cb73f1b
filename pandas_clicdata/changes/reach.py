"""Find filters that reach given rows of a data set, and the other rows that they reach too. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from pandas_clicdata.changes.compare import Change, cells_of, null_rows
from pandas_clicdata.frames import match
from pandas_clicdata.frames.columns import pc
from pandas_clicdata.frames.rows import Rows
from pandas_clicdata.uploads.change import parse_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def deletes_by(there: Rows, places: Any, on: Sequence[str]) -> tuple[list[Change], Any]:
    """Return one delete for each distinct key of these rows of the data set, and the rows that no filter reaches."""
    unreachable = np.intersect1d(places, null_rows(there, on))
    first_of = match.match(there, there, on, wide=False).local
    groups: dict[int, list[int]] = {}
    for place in np.setdiff1d(places, unreachable).tolist():
        groups.setdefault(int(first_of[place]), []).append(place)
    finds = (cells_of(raw, on) for raw in there.raw(groups))
    return [Change(find, -1, group) for find, group in zip(finds, groups.values(), strict=True)], unreachable


def deletes_of_all(there: Rows) -> tuple[list[Change], Any]:
    """Return a few deletes that reach every row, each by one column, and the rows that no filter reaches."""
    left, deletes = np.arange(there.count), list[Change]()
    values = {name: match.match(there, there, [name], wide=False).local for name in there.names}
    for trusted in _by_trust(there):
        usable = {name: np.setdiff1d(np.arange(there.count), null_rows(there, [name])) for name in trusted}
        while len(left):
            covered = {name: np.intersect1d(left, usable[name]) for name in trusted}
            rows_a_request = {
                name: len(rows) / len(np.unique(values[name][rows])) for name, rows in covered.items() if len(rows)
            }
            if not rows_a_request:
                break
            best = max(rows_a_request, key=lambda name: rows_a_request[name])
            deletes += deletes_by(there, covered[best], [best])[0]
            left = np.setdiff1d(left, covered[best])
    return deletes, left


def deletes_of_rows(there: Rows, places: Any) -> tuple[list[Change], Any]:
    """Return deletes of rows by all their cells, and the rows that no filter reaches. Deletes may reach other rows."""
    deletes, taken = list[Change](), np.empty(0, np.int64)
    [sure, unsure] = _by_trust(there)
    is_null = {name: _flags(there.count, null_rows(there, [name])) for name in there.names}
    patterns: dict[tuple[str, ...], list[int]] = {}
    for place in places.tolist():
        usable = [name for name in sure if not is_null[name][place]] or [
            name for name in unsure if not is_null[name][place]
        ]
        patterns.setdefault(tuple(usable), []).append(place)
    unreachable = patterns.pop((), [])
    for names, rows in patterns.items():
        groups = match.match(there, there, names, wide=True).local
        reached = np.flatnonzero(np.isin(groups, groups[rows]))
        deletes += deletes_by(there, np.setdiff1d(reached, taken), names)[0]
        taken = np.union1d(taken, reached)
    return deletes, np.array(unreachable, np.int64)


def still_there(there: Rows, places: Iterable[int], changes: dict[int, Change]) -> set[int]:
    """Return which of these changes, by their number, have a filter that reaches one of these rows."""
    rows, found = list(places), set[int]()
    by_columns: dict[tuple[str, ...], list[int]] = {}
    for at, change in changes.items():
        by_columns.setdefault(tuple(cell.column for cell in parse_filter(change.find)), []).append(at)
    for names, numbers in by_columns.items():
        probe = Rows(there.exact, all_digits=there.all_digits)
        cells = [{cell.column: cell.value for cell in parse_filter(changes[at].find)} for at in numbers]
        probe.add(msgspec.json.encode(cells))
        reached = match.match(probe, there, names, wide=True)
        present = {*reached.remote[rows].tolist()}
        found |= {at for at, first in zip(numbers, reached.local.tolist(), strict=True) if first in present}
    return found


def _flags(count: int, rows: Any) -> Any:
    flags = np.zeros(count, bool)
    flags[rows] = True
    return flags


def _by_trust(there: Rows) -> list[list[str]]:
    """Return the columns by which a filter reaches rows for certain, and the others.

    It isn't known how the service compares a timestamp, or a number with a fraction, with a cell of a filter (O4).
    """
    sure = [name for name in there.names if is_sure(there, name)]
    return [sure, [name for name in there.names if name not in sure]]


def is_sure(there: Rows, name: str) -> bool:
    """Whether a filter by a column reaches its rows for certain."""
    cells = there.cells(name)
    if isinstance(cells, list) or not match.key_kinds(there, name) <= {"text", "number", "boolean"}:
        return False
    return cells.type != pa.float64() or bool(pc.all(pc.equal(cells, pc.floor(cells))).as_py())
