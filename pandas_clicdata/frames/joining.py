"""Rows of JSON out of the texts of their cells, by one join for a block of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from pandas_clicdata.frames.arrow import TEXT, Array, Separated, joined, pc
from pandas_clicdata.frames.printing import Picks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas_clicdata.frames.printing import Printer

_RUN_BYTES = 1 << 16  # of the texts to pick from, with what follows them

# A cell's position and what follows it, or the keys of two runs.
_RunKey: TypeAlias = "tuple[int, str] | tuple[_RunKey, _RunKey]"


class Rows(NamedTuple):
    """Rows one after the other, which are ``text[bounds[i]:bounds[i + 1]]`` but for their ends.

    What opens a row is the same for all, and so is what closes it: both are joined at the same end of it, its last
    one or its first one, next to those of its neighbour.
    """

    start: int
    stop: int
    text: memoryview
    bounds: Array
    opening: bytes
    closing: bytes  # without the comma between two rows
    closed_first: bool  # whether what closes the row before it, and opens it, is joined at its beginning

    def slice(self, start: int, stop: int) -> tuple[bytes, memoryview, bytes]:
        """Return rows, separated by commas, in three pieces."""
        first, last = self.bounds[start - self.start], self.bounds[stop - self.start]
        joint = len(self.closing) + 1 + len(self.opening)
        text = self.text[first + joint : last] if self.closed_first else self.text[first : last - joint]
        return self.opening, text, self.closing


class _Between(NamedTuple):
    """What stands between two cells: one text, or one of two or four, as those cells are there or missing."""

    texts: list[str]
    there: tuple[pa.BooleanArray, ...] = ()

    def led_by(self, text: str) -> _Between:
        return _Between([text + own for own in self.texts], self.there)

    def led_by_quote(self, there: tuple[pa.BooleanArray, ...]) -> _Between:
        with_quote = ['"' + own for own in self.texts]
        return _Between(with_quote + self.texts if there else with_quote, there + self.there)

    def part(self) -> Any:
        return _chosen(self.texts, self.there)


_NOTHING = _Between([""])


def _chosen(texts: list[str], there: tuple[pa.BooleanArray, ...]) -> Any:
    if not there:
        return pa.scalar(texts[0], TEXT)
    half = len(texts) // 2
    return pc.if_else(there[0], _chosen(texts[:half], there[1:]), _chosen(texts[half:], there[1:]))


class _Whole(NamedTuple):
    """Whole cells, and what stands before and after them."""

    cells: Separated
    after: str
    before: str = ""

    def led_by(self, text: str) -> _Whole:
        return self._replace(before=text)

    def texts(self) -> pa.LargeStringArray:
        return self.cells.texts(before=self.before.encode(), after=self.after.encode())


class _Run(NamedTuple):
    """Cells next to each other, and what follows them, all picked in one go."""

    key: _RunKey
    picks: Picks

    def texts(self) -> pa.LargeStringArray:
        return self.picks.taken()


class Joiner:
    """Columns that are to be joined to rows.

    Parameters
    ----------
    printers : sequence of Printer
        The columns.
    literals : sequence of str
        What opens a row, what stands between its cells, and what closes it; the comma after it too.
    """

    def __init__(self, printers: Sequence[Printer], literals: Sequence[str]) -> None:
        self._printers = printers
        self._opening, *betweens, self._closing = literals
        self._afters = [*betweens, self._closing + self._opening]
        self._run_texts: dict[_RunKey, pa.LargeStringArray] = {}

    def rows(self, start: int, stop: int) -> Rows:
        """Print a block of rows."""
        # From the last cell to the first, since what follows a cell may be printed with it.
        parts: list[Any] = []
        opened = _NOTHING  # what opens the cell after this one
        for position in reversed(range(len(self._printers))):
            printer, after = self._printers[position], opened.led_by(self._afters[position])
            opened = _NOTHING
            whole = None if after.there else self._with_what_follows(position, start, stop, after.texts[0], parts)
            if whole is not None:
                parts.append(whole)
                continue
            texts, bare = printer.texts(start, stop)
            if bare:
                there = (texts.is_valid(),) if texts.null_count else ()
                after = after.led_by_quote(there)
                opened = _Between(['"', ""] if there else ['"'], there)
            if parts and isinstance(parts[-1], _Whole) and not after.there:
                parts[-1] = parts[-1].led_by(after.texts[0])
            else:
                parts.append(after.part())
            parts.append(texts)
        if opened is not _NOTHING:
            parts.append(opened.part())
        closed_first = isinstance(parts[-1], _Whole) and isinstance(parts[0], pa.Scalar)
        closing = self._closing
        if closed_first:
            last = parts.pop(0).as_py()
            parts[-1] = parts[-1].led_by(last)
            closing = last[: -len(self._opening)]
        pieces = [part.texts() if isinstance(part, (_Whole, _Run)) else part for part in reversed(parts)]
        rows = pc.binary_join_element_wise(
            *pieces, pa.scalar("", TEXT), null_handling="replace", null_replacement="null"
        )
        _, bounds, text = rows.buffers()
        ends = np.frombuffer(bounds, np.int64, stop - start + 1)
        return Rows(start, stop, memoryview(text), ends, self._opening.encode(), closing[:-1].encode(), closed_first)

    def _with_what_follows(
        self, position: int, start: int, stop: int, after: str, parts: list[Any]
    ) -> _Whole | _Run | None:
        """Return cells with what follows them, that of a run that is next among it; None if that is not worth it."""
        picks = self._printers[position].picks(start, stop)
        if picks is None:
            cells = self._printers[position].separated(start, stop)
            return None if cells is None else _Whole(cells, after)
        run = self._run(position, picks, after)
        if run is not None and parts and isinstance(parts[-1], _Run):
            longer = self._longer_run(run, parts[-1])
            if longer is not None:
                parts.pop()
                return longer
        return run

    def _run(self, position: int, picks: Picks, after: str) -> _Run | None:
        """Return cells with what follows them; None if their texts are too many bytes."""
        if picks.texts.nbytes + len(picks.texts) * len(after) > _RUN_BYTES:
            return None
        key = (position, after)
        if key not in self._run_texts:
            self._run_texts[key] = joined([picks.texts, pa.scalar(after, TEXT)])
        return _Run(key, Picks(self._run_texts[key], picks.which))

    def _longer_run(self, run: _Run, following: _Run) -> _Run | None:
        """Return two runs as one; None if there were more texts than rows, or too many bytes of them."""
        (texts, which), (others, which_other) = run.picks, following.picks
        many = len(texts) * len(others) > len(which)
        if many or texts.nbytes * len(others) + others.nbytes * len(texts) > _RUN_BYTES:
            return None
        key = (run.key, following.key)
        if key not in self._run_texts:
            first, second = np.divmod(np.arange(len(texts) * len(others)), len(others))
            self._run_texts[key] = joined([texts.take(pa.array(first)), others.take(pa.array(second))])
        return _Run(key, Picks(self._run_texts[key], which.astype(np.int64) * len(others) + which_other))
