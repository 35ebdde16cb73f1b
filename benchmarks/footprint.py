"""Memory and import time, each in a new process."""

from __future__ import annotations

import ctypes
import gc
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ours
import pandas as pd
import pyarrow as pa
import sample_frames
from measure import Line, in_new_process
from server import Server, page_bodies

import pandas_clicdata

MIB = 1 << 20
WORKERS = 8  # eight workers hold the most memory
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_IMPORT = """
import time, pandas, requests
start = time.process_time()
import pandas_clicdata
print(time.process_time() - start)
"""


def memory() -> list[Line]:
    """Measure the peak of an append beyond the frame, and that of a read in all. Linux only."""
    lines = []
    for rows in (100_000, 1_000_000):
        frame = sample_frames.plain(rows)
        for dialect in ours.API_VERSIONS:
            with Server() as server:
                peak = in_new_process(_peak, server.url, dialect, frame) / MIB
            work = f"append {rows:,} rows, {dialect}, {WORKERS} at a time"
            lines.append(line_of(work, "beyond the frame", peak, "MiB", 64))
    frame = sample_frames.full(1_000_000)
    for dialect in ours.API_VERSIONS:
        with Server({1: page_bodies(frame, dialect)}) as server:
            peak = in_new_process(_peak, server.url, dialect) / len(frame)
        work = f"read {len(frame):,} rows, {dialect}, {WORKERS} at a time"
        lines.append(line_of(work, "in all", peak, "B a row", 300))
    return lines


def line_of(work: str, beside: str, peak: float, unit: str, limit: int) -> Line:
    """Compare memory, or the time of the import, with its bound."""
    return Line(work, f"{peak:.0f} {unit}", beside, "", f"at most {limit} {unit}", peak <= limit)


def _peak(url: str, dialect: str, frame: pd.DataFrame | None = None) -> int:
    """Append the frame, or read; return the peak of memory in bytes, beyond the memory held before."""
    with ours.connect(url, dialect) as session:
        options = {"workers": WORKERS, "progress": False, "session": session}

        def work(rows: int | None = None) -> object:
            if frame is None:
                return pandas_clicdata.read_clicdata(1, nrows=rows, **options)
            return frame.iloc[:rows].clicdata.append(1, **options)

        return peak_of(work)


def peak_of(work: Callable[[int | None], object]) -> int:
    """Return the peak of memory during the work in bytes, beyond the memory held before."""
    work(1)  # imports what the work needs
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)  # free memory would hide a part of the memory of the work
    before = _status("VmRSS")
    _RESET.write_text("5")
    result = work(None)
    peak = _status("VmHWM") - before
    del result
    return peak


def _status(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def import_time() -> list[Line]:
    """Measure the import in CPU time, which other processes disturb least."""
    command = [sys.executable, "-c", _IMPORT]
    printed = [subprocess.run(command, check=True, capture_output=True).stdout for _ in range(12)]
    ms = 1000 * statistics.median(map(float, printed[1:]))  # the first one may compile
    return [line_of("import", "beyond pandas and requests", ms, "ms", 150)]
