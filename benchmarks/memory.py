"""Peak memory, each way in a fresh process: what it takes beyond what was there before. Linux only.

``python memory.py WAY URL FILE`` prints the bytes; the file is the pickled frame of an append.
"""

from __future__ import annotations

import ctypes
import gc
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import sample_frames
from measure import Timing
from pages import row_pages
from server import Server
from transport import opened
from transport_peers import OLD_READ, OLD_SEND, PATHS, READERS, SENDERS, USUAL_SEND

import pandas_clicdata

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
APPENDS = {"legacy": OLD_SEND, "modern": f"{USUAL_SEND}.Session"}
OURS = "pandas_clicdata"


def run(rows: int, *, slow: bool) -> list[Timing]:
    """Appends and reads of so many rows; ``slow`` with those of the peers."""
    if not _RESET.exists():
        print("memory: skipped, it needs /proc")
        return []
    timings = _measured("append", rows, sample_frames.plain(rows), slow=slow)
    return timings + _measured("read", rows, sample_frames.full(rows), slow=slow)


def _measured(verb: str, rows: int, frame: object, *, slow: bool) -> list[Timing]:
    timings = []
    pages = row_pages(frame) if verb == "read" else []
    with tempfile.TemporaryDirectory() as folder, Server(pages) as server:
        file = Path(folder, "frame")
        file.write_bytes(pickle.dumps(frame if verb == "append" else None))
        for dialect, peer in APPENDS.items():
            ways = [OURS, f"{OURS}, workers=8"] + ([peer if verb == "append" else OLD_READ] if slow else [])
            for way in ways:
                peak = _peak_of(f"{verb} {dialect} {way}", server.url, file)
                timing = Timing(f"memory: {verb}, {dialect}", way, "ours" if OURS in way else "peer", rows, "-")
                timing.facts["peak"] = peak
                timings.append(timing)
                print(f"  {timing.table}, {rows} rows: {way:<36} {peak / MIB:8.1f} MiB", flush=True)
    return timings


def _peak_of(way: str, url: str, file: Path) -> int:
    command = [sys.executable, __file__, way, url, str(file)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak(work: Callable[[], object]) -> int:
    """The most memory that was held while the work was done, beyond what was held before."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what loading the frame left behind is given back
    before = _held("VmRSS")
    _RESET.write_text("5")
    result = work()
    peak = _held("VmHWM") - before
    del result
    return peak


def _held(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def _work(way: str, url: str, file: Path) -> Callable[[], object]:
    verb, dialect, name = way.split(" ", 2)
    frame = pickle.loads(file.read_bytes())
    if not name.startswith(OURS):
        if verb == "read":
            return lambda: READERS[name](url, dialect)
        return lambda: SENDERS[dialect][name](frame, url + PATHS[dialect], 500)
    session = opened(SimpleNamespace(url=url), dialect)
    workers = int(name.partition("=")[2] or 1)
    if verb == "read":
        return lambda: pandas_clicdata.read_clicdata(1, workers=workers, progress=False, session=session)
    return lambda: frame.clicdata.append(1, workers=workers, progress=False, session=session)


if __name__ == "__main__":
    print(_peak(_work(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
