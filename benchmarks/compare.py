"""Compare a frame with the rows of a data set, and send the keys that differ, beside the round trips."""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import Any

import numpy as np
import ours
import pandas as pd
import sample_frames
from footprint import MIB, line_of, peak_of
from measure import Line, at_most, in_new_process, medians, within
from server import PAGE_ROWS, Server, page_bodies

KEY, CHANGED = "order_id", "qty"
LEFT_OUT = ["amount", "region"]  # of the ten columns
SECONDS = {100_000: 0.5, 1_000_000: 6.0}
KEYS, WORKERS, LATENCY = 1_200, 8, 0.05


def compare() -> list[Line]:
    """Compare 100,000 and 1,000,000 rows, where one in a hundred differs, and send 1,200 keys that differ."""
    lines = []
    for rows, bound in SECONDS.items():
        frame, pages = _sides(rows)
        work = f"compare {rows:,} rows of 8 columns"
        [seconds] = medians({"ours": partial(_compared, frame, pages)}, rounds=5)
        lines.append(within(bound, work, seconds, "encode, parse both sides, match, compare"))
        peak, size = in_new_process(_memory, frame, pages)
        lines.append(line_of(work, "beyond frame and read", peak / MIB, "MiB", round(size / MIB)))
    return [*lines, *map(_far, ours.API_VERSIONS)]


def _compared(frame: pd.DataFrame, pages: list[bytes]) -> None:
    """Parse and compare, and check what is found."""
    work = ours.work_of(frame, ours.rows_of(pages, KEY), KEY)
    assert [change.columns for change in work.updates] == [(CHANGED,)] * ceil(len(frame) / 100)
    assert not len(work.inserts)


def _sides(rows: int) -> tuple[pd.DataFrame, list[bytes]]:
    """Return a frame, and the pages of a data set that differs in one column of one row in a hundred."""
    frame = sample_frames.plain(rows).drop(columns=LEFT_OUT)
    frame[KEY] = np.random.default_rng(2).permutation(rows) + 1
    frame["at"] = pd.to_datetime(frame["at"])
    there = frame.assign(**{CHANGED: frame[CHANGED] + (np.arange(rows) % 100 == 0)})
    return frame, [body[len(b'{"data":') : -1] for body in ours.encode(there, "objects", PAGE_ROWS)]


def _memory(frame: pd.DataFrame, pages: list[bytes]) -> tuple[int, int]:
    """Return the peak of a comparison beyond the frame and the rows that were read, and the size of the frame."""
    read = ours.rows_of(pages, KEY)
    few = ours.rows_of(pages[:1], KEY)

    def work(rows: int | None = None) -> Any:
        return ours.work_of(frame.iloc[:rows], read if rows is None else few, KEY)

    return peak_of(work), int(frame.memory_usage(deep=True).sum())


def _far(dialect: str) -> Line:
    """Set 1,200 keys at 50 ms a request. The data set is read before, without latency; that time doesn't count."""
    frame = sample_frames.plain(KEYS).drop(columns=LEFT_OUT)
    frame[KEY] = np.arange(KEYS)
    with Server({1: page_bodies(frame, dialect)}) as server, ours.connect(server.url, dialect) as session:
        wanted = frame.assign(**{CHANGED: frame[CHANGED] + 1})

        def send() -> None:
            receipt = wanted.clicdata.update_rows(
                1, on=KEY, columns=[CHANGED], keep=False, workers=WORKERS, progress=False, session=session
            )
            assert len(receipt.keys) == KEYS

        send()
        server.begin(latency=LATENCY)
        [seconds] = medians({"ours": send}, rounds=3)
    trips = ceil(KEYS / WORKERS) * LATENCY
    work = f"set {KEYS:,} keys, {dialect}, {1000 * LATENCY:.0f} ms, {WORKERS} at a time"
    return at_most(1.2, work, seconds, trips, "ceil(N / w) x latency")
