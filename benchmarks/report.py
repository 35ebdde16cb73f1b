"""The results as a page of tables."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

import decode_peers
import encode_peers
from memory import MIB
from targets import Run, judged
from transport_peers import OLD_READ, OLD_SEND, USUAL_SEND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from measure import Timing

LIBRARIES = ("pandas", "pyarrow", "numpy", "orjson", "msgspec", "requests", "urllib3", "polars", "duckdb", "httpx")
REFERENCES = {encode_peers.OLD_CELLS, encode_peers.OLD_OBJECTS, decode_peers.OLD, OLD_SEND, USUAL_SEND, OLD_READ}


def page(timings: Iterable[Timing], command: str) -> str:
    """The whole page."""
    run = Run(timings)
    lines = [*_head(command), *_targets(run)]
    for name in dict.fromkeys(timing.table for timing in run.timings):
        for rows in [None] if name.startswith("cliffs") else run.sizes(name):
            lines += _table(name, run.of(name, rows), rows)
    return "\n".join(lines) + "\n"


def _head(command: str) -> list[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        "# Benchmark results",
        "",
        f"{dt.date.today().isoformat()}, `{command}`  ",
        f"Python {platform.python_version()}, {os.cpu_count()} cores; {versions}.",
        "",
        "Medians of interleaved rounds. Compare within a table; absolute times are those of one machine on one day.",
        "[How to read this](README.md).",
        "",
        "![The results as a picture](results.png)",
    ]


def _targets(run: Run) -> list[str]:
    targets = judged(run)
    rows = [(t.what, t.wanted, t.measured, "yes" if t.met else "**no**") for t in targets]
    told = "In brackets the same in time of the processor, which other work on the machine disturbs less."
    return ["", "## Targets", "", told, "", *_markdown(("what", "wanted", "measured", "met"), rows)]


def _table(name: str, timings: list[Timing], rows: int | None) -> list[str]:
    title = f"{name}, {rows:,} rows" if rows else name
    if "peak" in timings[0].facts:
        head, cells = ("way", "peak", "B a row"), map(_peak, timings)
    elif name.startswith("cliffs"):
        head, cells = ("frame", "rows", "ns a byte", "times the full frame", "values"), _cliff(timings)
    elif name == "import":
        head, cells = ("import", "ms of the processor", "ms on the clock", "rounds", "spread"), map(_imported, timings)
    else:
        head = ("way", "ns a row", "of the processor", "times as fast", "rounds", "spread", "values")
        bound = any("bound" in t.facts for t in timings)
        cells = _compared(timings, bound=bound)
        head = (*head[:4], "times the bound", *head[4:]) if bound else head
    return [
        "",
        f"## {title[0].upper()}{title[1:]}",
        "",
        *_markdown(head, list(cells)),
    ]


def _compared(timings: list[Timing], *, bound: bool) -> Iterator[tuple[str, ...]]:
    reference = next((t for t in timings if t.variant in REFERENCES and t.median), None)
    for timing in timings:
        median = timing.median
        name = f"**{timing.variant}**" if timing.kind == "ours" else timing.variant
        if median is None:
            cells = [name, *["-"] * 6, timing.verdict]
        else:
            faster = f"{reference.median / median:.1f}" if reference and reference.median else "-"
            least = timing.facts.get("bound")
            each = [f"{1e9 * seconds / timing.rows:,.0f}" for seconds in (median, timing.busy or 0)]
            cells = [name, *each, faster, f"{median / least:.2f}" if least else "-"]
            cells += [str(len(timing.seconds)), _spread(timing), timing.verdict]
        yield tuple(cells if bound else cells[:4] + cells[5:])


def _spread(timing: Timing) -> str:
    median = timing.median or 1
    return f"{min(timing.seconds) / median:.2f}-{max(timing.seconds) / median:.2f}"


def _cliff(timings: list[Timing]) -> Iterator[tuple[str, ...]]:
    each = [(timing.median or 0) / timing.facts["bytes"] for timing in timings]
    for timing, seconds in zip(timings, each, strict=True):
        times = f"{seconds / each[0]:.2f}"
        yield timing.variant, f"{timing.rows:,}", f"{1e9 * seconds:.2f}", times, timing.verdict


def _peak(timing: Timing) -> tuple[str, ...]:
    peak = timing.facts["peak"]
    name = f"**{timing.variant}**" if timing.kind == "ours" else timing.variant
    return name, f"{peak / MIB:,.1f} MiB", f"{peak / timing.rows:,.0f}"


def _imported(timing: Timing) -> tuple[str, ...]:
    processor, clock = timing.median or 0, timing.facts["clock"]
    return timing.variant, f"{1e3 * processor:.0f}", f"{1e3 * clock:.0f}", str(len(timing.seconds)), _spread(timing)


_WORDS = {"what", "wanted", "met", "way", "frame", "import", "values"}  # columns of words; the others hold numbers


def _markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    rule = ["---" if name in _WORDS else "---:" for name in head]
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]
