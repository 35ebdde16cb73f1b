"""What importing the package costs beyond importing pandas and requests, in time of the processor."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from measure import Timing

_ELSEWHERE = tempfile.gettempdir()  # where no module lies that could be imported instead
_TIMED = """
import time, pandas, requests
clock, processor = time.perf_counter(), time.process_time()
import pandas_clicdata
print(time.process_time() - processor, time.perf_counter() - clock)
"""


def run(rounds: int) -> list[Timing]:
    timing = Timing("import", "pandas_clicdata, after pandas and requests", "ours", 0, "-")
    # As installed packages are: compiled already.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _TIMED]
    clock = []
    for turn in range(rounds + 1):
        printed = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment, cwd=_ELSEWHERE
        ).stdout
        if turn:  # the first one may compile
            processor, wall = map(float, printed.split())
            timing.seconds.append(processor)
            clock.append(wall)
    timing.facts["clock"] = statistics.median(clock)
    print(f"  {timing.variant}: {1e3 * (timing.median or 0):.0f} ms", flush=True)
    return [timing]
