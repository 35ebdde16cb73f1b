"""The memory of an append and of a read of many rows, each in its own process (C12, C13).

``CLICDATA_ROWS`` is how many: 100,000 if it isn't set, a million for ``--long``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import totals

ROWS = int(os.environ.get("CLICDATA_ROWS", "100000"))
MIB = 1 << 20
CHUNKS = 2000
PROGRAM = Path(__file__).with_name("transfer.py")

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc")


def measured(*what: object) -> dict[str, Any]:
    # Memory that allocators reserve doesn't count.
    plain = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    environment = {**os.environ, **plain, "PYTHONPATH": os.pathsep.join([str(PROGRAM.parents[2]), *sys.path])}
    command = [sys.executable, str(PROGRAM), *map(str, what)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    sys.stderr.write(f"{what}: {done.stdout[-300:]}\n")  # shown if it fails
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.wide(2)
@pytest.mark.parametrize("version", ["legacy", "2022.01"])
def test_the_memory_of_an_append_does_not_grow(version: str) -> None:
    """C12: a million rows in 2,000 chunks: 64 MiB over the frame at most; no growth from chunk 100 to 2,000 (2 MiB).

    Several chunks are encoded at a time, so the memory at one chunk varies: medians are compared.
    """
    found = measured("append", ROWS, ROWS // CHUNKS, version)
    assert found["chunks"] == CHUNKS
    assert found["peak"] <= 64 * MIB
    resident = {int(chunk): held for chunk, held in found["resident"].items()}
    early = median(held for chunk, held in resident.items() if 100 <= chunk < 300)
    late = median(held for chunk, held in resident.items() if chunk > CHUNKS - 200)
    assert late - early <= 2 * MIB
    sys.stderr.write(f"{(late - early) / MIB:.2f} MiB more at the end\n")
    totals.add("rows through one call", ROWS)


@pytest.mark.wide(2)
@pytest.mark.parametrize("version", ["legacy", "2022.01"])
def test_a_read_holds_no_more_than_three_frames(version: str) -> None:
    """C13: a million rows in pages of 1,000: 3 times the frame at the most."""
    found = measured("read", ROWS, version)
    assert 0 < found["peak"] <= 3 * found["frame"]
    totals.add("rows through one call", ROWS)
