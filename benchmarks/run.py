"""Measure the package beside the code that people would write instead: ``python benchmarks/run.py``."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import compare
import conversion
import footprint
import parallel
import transfer
from measure import Line, in_new_process

RESULTS = Path(__file__).with_name("results.md")
LIBRARIES = ("pandas", "pyarrow", "numpy", "msgspec", "orjson", "requests", "urllib3")
PARTS = (
    *(conversion.encode, conversion.decode),
    *(transfer.append, transfer.read, transfer.latency, transfer.journal),
    parallel.dask_read,
    *(footprint.memory, footprint.import_time),
    compare.compare,
)


def main() -> None:
    """Measure each part in a new process; write the results of a whole run, print those of a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [part.__name__ for part in PARTS]
    parser.add_argument("--only", choices=names, metavar="NAME", help=f"one part, only printed: {', '.join(names)}")
    only = parser.parse_args().only
    start = time.monotonic()
    lines: list[Line] = []
    for part in PARTS:
        if only not in (None, part.__name__):
            continue
        print(f"{part.__name__} ...", flush=True)
        measured = in_new_process(part)
        print("\n".join(table(measured)), flush=True)
        lines += measured
    minutes = (time.monotonic() - start) / 60
    print(f"{minutes:.1f} minutes")
    if not only:
        RESULTS.write_text("\n".join([*head(minutes), *table(lines)]) + "\n", encoding="utf-8")


def head(minutes: float) -> list[str]:
    """State where and when the results were measured."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        "# Benchmark results",
        "",
        f"{dt.date.today().isoformat()}, `python benchmarks/run.py`, {minutes:.0f} minutes.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {versions}.",
        "",
        "Medians of interleaved rounds. Read differences below a third as ties. [How to read this](README.md).",
        "",
    ]


def table(lines: Iterable[Line]) -> list[str]:
    """Return the lines as a Markdown table."""
    rows = [[*line[:-1], "yes" if line.met else "**no**"] for line in lines]
    titles = ["work", "pandas_clicdata", "beside", "ratio", "bound", "met"]
    return ["| " + " | ".join(row) + " |" for row in [titles, ["---", "---:", "---", "---:", "---:", "---"], *rows]]


if __name__ == "__main__":
    main()
