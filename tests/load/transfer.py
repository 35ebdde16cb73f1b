"""A process that appends or reads many rows on a service without cost, and prints the memory that it took.

Run as a program: ``append ROWS CHUNK VERSION`` or ``read ROWS VERSION``. It prints a line of JSON. Linux only.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pandas_clicdata import Session, read_clicdata
from pandas_clicdata.session.wire import Answer, Request

PAGE = 1000  # rows
STATUS = Path("/proc/self/status")
ROW = '{"n":%d,"a":12.5,"b":-3,"c":"a text of some length","d":"é","e":true,"f":null,"g":1e-3,"h":"2026-11-25","i":"x"}'


def frame_of(rows: int) -> pd.DataFrame:
    """Ten columns."""
    numbers = np.arange(rows)
    floats = {f"f{i}": numbers / (i + 7) for i in range(4)}
    texts = {f"t{i}": pd.Series(numbers % (1000 + i)).astype(str) + " a text" for i in range(3)}
    days = {"day": numbers.astype("M8[s]"), "flag": numbers % 2 == 0}
    return pd.DataFrame({"n": numbers, **floats, **texts, **days})


def held(what: str) -> int:
    """Return the bytes of the process, by the count of the system."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


def trim() -> None:
    """Give unused memory back to the system."""
    ctypes.CDLL(None).malloc_trim(0)


def fresh() -> int:
    """Give unused memory back, count from here, and return the bytes in use."""
    gc.collect()
    trim()
    Path("/proc/self/clear_refs").write_text("5")
    return held("VmRSS")


class Service(Session):
    """A session with a service in this process. It accepts every row, and has the number of rows that the test sets."""

    def __init__(self, api_version: str | None, rows: int = 0) -> None:
        super().__init__(api_key="k", url="https://api.clicdata.test/", api_version=api_version)
        self.rows = rows
        self.chunks = 0
        self.resident: dict[int, int] = {}  # bytes, at some chunks
        self._same = ",".join([ROW % -1] * (PAGE - 1))

    def _send(self, request: Request, *_: Any) -> Answer:
        if request.method == "GET":
            return Answer(200, self.page(int(dict(request.query)["page"])))
        self.chunks += 1
        if self.chunks % 10 == 0:
            trim()
            self.resident[self.chunks] = held("VmRSS")
        return Answer(200, b'{"success":true,"result":{"success":true}}')

    def page(self, number: int) -> bytes:
        more = json.dumps(number * PAGE < self.rows)
        rows = f"[{ROW % number},{self._same}]" if self.rows else "[]"
        if self.api_version is None:
            return f'{{"data":{rows},"has_more_data":{more}}}'.encode()
        found = f'{{"has_more_results":{more},"result_total_count":{self.rows}}}'
        return f'{{"success":true,"result":{rows},"pagination":{found}}}'.encode()


def appended(rows: int, chunk: int, api_version: str | None) -> dict[str, Any]:
    frame = frame_of(rows)
    frame_of(1000).clicdata.append(5, session=Service(api_version), chunksize=chunk, progress=False)
    service = Service(api_version)
    before = fresh()
    receipt = frame.clicdata.append(5, session=service, chunksize=chunk, progress=False)
    assert receipt.complete
    return {"resident": service.resident, "peak": held("VmHWM") - before, "chunks": service.chunks}


def read(rows: int, api_version: str | None) -> dict[str, Any]:
    def read_rows(count: int) -> pd.DataFrame:
        frame = read_clicdata(5, session=Service(api_version, count), progress=False)
        assert len(frame) == count
        return frame

    read_rows(3 * PAGE)
    before = fresh()
    frame = read_rows(rows)
    return {"peak": held("VmHWM") - before, "frame": int(frame.memory_usage(deep=True).sum())}


def main() -> None:
    way, numbers = sys.argv[1], [int(text) for text in sys.argv[2:-1]]
    api_version = None if sys.argv[-1] == "legacy" else sys.argv[-1]
    found = appended(*numbers, api_version) if way == "append" else read(*numbers, api_version)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
