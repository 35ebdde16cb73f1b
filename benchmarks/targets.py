"""What the package is held to, and whether this run met it. Ratios, so that another machine can tell too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import decode_peers
import decoding
import encode_peers
import encoding
from memory import MIB
from transport import JOURNALLED, UNGUARDED
from transport_peers import OLD_READ, OLD_SEND, USUAL_SEND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from measure import Timing

SEQUENTIAL = "pandas_clicdata, workers=1"
JUDGED = 100_000  # rows, at least: below that the fixed costs are what is measured
BOUND = {50: 1.15, 200: 1.08}  # times the least that a window can take
LEAST = {"bound": "ceil(N/w)", "first": "(1 + ceil((N-1)/w))"}  # the other where nobody knows that there is a page 2


@dataclass
class Target:
    """One promise, and how it stands."""

    what: str
    wanted: str
    measured: str
    met: bool


class Ratio(NamedTuple):
    """How long one thing takes beside another."""

    clock: float
    busy: float | None = None  # the same in time of the processor


class Run:
    """All timings of a run, to be asked for."""

    def __init__(self, timings: Iterable[Timing]) -> None:
        self.timings = list(timings)

    def large(self) -> Run:
        """Those that are worth judging."""
        return Run(t for t in self.timings if t.rows >= JUDGED or t.table == "import" or t.table.startswith("cliffs"))

    def sizes(self, table: str) -> list[int]:
        return sorted({t.rows for t in self.timings if t.table == table})

    def of(self, table: str, rows: int | None = None) -> list[Timing]:
        return [t for t in self.timings if t.table == table and rows in (None, t.rows)]

    def median(self, table: str, rows: int, variant: str) -> float | None:
        return next((t.median for t in self.of(table, rows) if t.variant == variant), None)

    def ratio(self, table: str, rows: int, over: str, under: str) -> Ratio | None:
        found = {t.variant: t for t in self.of(table, rows) if t.median and t.busy}
        if over not in found or under not in found:
            return None
        one, other = found[over], found[under]
        return Ratio(one.median / other.median, one.busy / other.busy)


def judged(run: Run) -> list[Target]:
    """Every target that this run can say something about."""
    parts = (_encode, _decode, _near, _far, _ahead, _safety, _memory, _cliffs, _import)
    large = run.large()
    return [target for part in parts for target in part(large)] + list(_equal(run))


def _at_least(what: str, ratio: Ratio | None, wanted: float) -> Iterator[Target]:
    if ratio is not None:
        yield Target(what, f"at least {wanted:g} times as fast", _told(ratio, 1), ratio.clock >= wanted)


def _at_most(what: str, ratio: Ratio | None, wanted: float, of: str) -> Iterator[Target]:
    if ratio is not None:
        yield Target(what, f"at most {wanted:g} times {of}", _told(ratio, 2), ratio.clock <= wanted)


def _told(ratio: Ratio, digits: int) -> str:
    busy = "" if ratio.busy is None else f" ({ratio.busy:.{digits}f})"
    return f"{ratio.clock:.{digits}f}{busy}"


def _encode(run: Run) -> Iterator[Target]:
    ours, limit = encoding.OURS, encoding.LIMIT
    for rows in run.sizes("encode plain to cells"):
        table = "encode plain to cells"
        old = run.ratio(table, rows, encode_peers.OLD_CELLS, ours)
        yield from _at_least(f"{table}, {rows:,} rows: the old client's way", old, 50 if rows >= 10**6 else 30)
        yield from _at_most(f"{table}, {rows:,} rows", run.ratio(table, rows, ours, limit), 1, "orjson's writing alone")
    # Who sends objects chunk by chunk makes them fit chunk by chunk: all at once is faster, and takes the memory of a
    # second frame. The tables have both.
    for name, usual in (("cells", encode_peers.OLD_CELLS), ("objects", encode_peers.CHUNKED_OBJECTS)):
        for rows in run.sizes(f"encode full to {name}"):
            table = f"encode full to {name}"
            yield from _at_least(f"{table}, {rows:,} rows: {usual}", run.ratio(table, rows, usual, ours), 25)


def _decode(run: Run) -> Iterator[Target]:
    for dialect in decoding.KEYS:
        table = f"decode {dialect} pages"
        for rows in run.sizes(table):
            old = run.ratio(table, rows, decode_peers.OLD, decoding.OURS)
            yield from _at_least(f"{table}, {rows:,} rows: the old client's way", old, 15 if rows >= 10**6 else 4)
            for which in (decoding.ASSEMBLED, decoding.JUDGED, decoding.OURS):
                loads = run.ratio(table, rows, which, decoding.LIMIT)
                yield from _at_most(f"{table}, {rows:,} rows: {which}", loads, 2.2, "orjson.loads alone")
            for which, tenth in decoding.TENTHS.items():
                grown = run.ratio(table, rows, which, tenth)
                yield from _at_most(f"{table}, {rows:,} rows: {which}, growth", grown, 11, "a tenth of them")


def _near(run: Run) -> Iterator[Target]:
    ours = SEQUENTIAL
    for dialect, usual in (("legacy", OLD_SEND), ("modern", USUAL_SEND)):
        for verb, peer, wanted in (("append", usual, 8), ("read", OLD_READ, 4)):
            table = f"{verb}, {dialect}, 0 ms"
            for rows in run.sizes(table):
                ratio = run.ratio(table, rows, peer, ours)
                yield from _at_least(f"{table}, {rows:,} rows: {peer}", ratio, wanted)


def _far(run: Run) -> Iterator[Target]:
    for timing in run.timings:
        for least, told in LEAST.items():
            if least in timing.facts and timing.median:
                wanted = BOUND.get(int(timing.table.split()[-2]), 1.15)
                what = f"{timing.table}, {timing.rows:,} rows, {timing.variant.removeprefix('pandas_clicdata, ')}"
                yield from _at_most(what, Ratio(timing.median / timing.facts[least]), wanted, f"{told} x latency")


def _ahead(run: Run) -> Iterator[Target]:
    for ms in BOUND:
        table = f"read, legacy, {ms} ms"
        for rows in run.sizes(table):
            ratio = run.ratio(table, rows, SEQUENTIAL, "pandas_clicdata, workers=8")
            ratio = ratio and Ratio(ratio.clock)  # what is saved is waiting, not work
            yield from _at_least(f"{table}, {rows:,} rows: workers=8 beside workers=1", ratio, 5)


def _safety(run: Run) -> Iterator[Target]:
    for table in sorted({t.table for t in run.timings if t.table.startswith("append")}):
        wanted = 1.1 if table.endswith(" 0 ms") else 1.01
        for rows in run.sizes(table):
            for which in (SEQUENTIAL, JOURNALLED):
                cost = run.ratio(table, rows, which, UNGUARDED)
                cost = cost and Ratio(cost.clock)
                yield from _at_most(f"{table}, {rows:,} rows: {which}", cost, wanted, "its requests, unguarded")


def _memory(run: Run) -> Iterator[Target]:
    for timing in run.timings:
        peak = timing.facts.get("peak")
        if peak is None or timing.kind != "ours":
            continue
        what = f"{timing.table}, {timing.rows:,} rows, {timing.variant}"
        if "append" in timing.table:
            yield Target(what, "at most 64 MiB beyond the frame", f"{peak / MIB:.0f} MiB", peak <= 64 * MIB)
        elif timing.rows >= 10**6:  # below, what a page takes weighs more than the rows
            each = peak / timing.rows
            yield Target(what, "at most 300 B a row in all", f"{each:.0f} B", each <= 300)


def _cliffs(run: Run) -> Iterator[Target]:
    for table in sorted({t.table for t in run.timings if t.table.startswith("cliffs")}):
        full, *odd = run.of(table)
        for timing in odd:
            if timing.median and full.median:
                sizes = full.facts["bytes"] / timing.facts["bytes"]
                ratio = Ratio(timing.median / full.median * sizes, timing.busy / full.busy * sizes)
                yield from _at_most(f"{table}: {timing.variant}", ratio, 4, "the full frame's cost a byte")


def _import(run: Run) -> Iterator[Target]:
    for timing in run.of("import"):
        ms = 1e3 * (timing.median or 0)
        yield Target("import, beyond pandas and requests", "at most 150 ms of the processor", f"{ms:.0f} ms", ms <= 150)


def _equal(run: Run) -> Iterator[Target]:
    checked = [t for t in run.timings if t.kind == "ours" and t.verdict != "-"]
    if checked:
        wrong = [f"{t.table}: {t.variant}" for t in checked if t.verdict != "equal"]
        told = "; ".join(wrong) or f"all {len(checked)} equal"
        yield Target("values of all that the package made here", "equal", told, not wrong)
