"""The results as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

import decode_peers
import encode_peers
from decoding import ASSEMBLED, TENTHS
from matplotlib import pyplot as plt
from targets import Run
from transport_peers import OLD_READ, OLD_SEND

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from matplotlib.axes import Axes
    from measure import Timing

COLOURS = {"ours": "#0b6e99", "peer": "#b8bec4", "limit": "#e3a857"}
LEFT_OUT = {ASSEMBLED, *TENTHS.values(), "pandas_clicdata, bodies of 500 rows", "pandas_clicdata, workers=4"}
PANELS = (
    ("encode plain to cells", encode_peers.OLD_CELLS, "Encode to cells"),
    ("encode full to objects", encode_peers.OLD_OBJECTS, "Encode to objects"),
    ("decode legacy pages", decode_peers.OLD, "Decode pages"),
    ("append, legacy, 0 ms", OLD_SEND, "Append over loopback"),
    ("read, legacy, 0 ms", OLD_READ, "Read over loopback"),
    ("read, legacy, 50 ms", OLD_READ, "Read at 50 ms a request"),
)


def draw(timings: Iterable[Timing], path: Path) -> None:
    """A panel for each kind of work that was measured."""
    run = Run(timings)
    panels = [(run.of(table, _most(run, table, reference)), *rest) for table, reference, *rest in _known(run)]
    if not panels:
        return
    lines = -(-len(panels) // 2)
    figure, axes = plt.subplots(lines, min(2, len(panels)), figsize=(13, 0.6 + 2.75 * lines), squeeze=False)
    for place in axes.flat[len(panels) :]:
        place.axis("off")
    for place, (found, reference, title) in zip(axes.flat, panels, strict=False):
        _panel(place, found, reference, f"{title}, {found[0].rows:,} rows")
    _explained(figure)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _known(run: Run) -> list[tuple[str, str, str, str]]:
    return [(table, reference, reference, title) for table, reference, title in PANELS if run.sizes(table)]


def _most(run: Run, table: str, reference: str) -> int | None:
    """The largest size at which there is something to compare with."""
    return max((rows for rows in run.sizes(table) if run.median(table, rows, reference)), default=None)


def _panel(place: Axes, timings: list[Timing], reference: str, title: str) -> None:
    shown = [t for t in timings if t.median and t.variant not in LEFT_OUT]
    shown.sort(key=lambda timing: timing.median or 0, reverse=True)
    base = next((t.median for t in shown if t.variant == reference), None) or shown[0].median or 1
    ratios = [base / (timing.median or base) for timing in shown]
    bars = place.barh([_label(t) for t in shown], ratios, color=[COLOURS[t.kind] for t in shown], height=0.72)
    place.bar_label(bars, [f"{ratio:.1f}x" for ratio in ratios], padding=3, fontsize=8)
    place.set_xlim(0, max(ratios) * 1.12)
    place.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}x"))
    place.set_title(title, loc="right", fontsize=10.5, fontweight="bold")
    place.tick_params(axis="y", length=0, labelsize=8.5)
    place.tick_params(axis="x", labelsize=8)
    place.spines[["top", "right", "left"]].set_visible(False)
    for label, timing in zip(place.get_yticklabels(), shown, strict=True):
        label.set_fontweight("bold" if timing.kind == "ours" else "normal")


def _label(timing: Timing) -> str:
    wrong = " *" if timing.verdict.startswith("NO") else ""
    return timing.variant.removesuffix(" (limit)") + wrong


def _explained(figure: Any) -> None:
    names = {
        "ours": "pandas_clicdata",
        "peer": "what one would write instead",
        "limit": "a limit: part of the work only",
    }
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[kind]) for kind in names]
    figure.legend(handles, names.values(), loc="upper right", ncols=3, frameon=False, fontsize=9)
    figure.text(0.012, 0.985, "How many times as fast", va="top", fontsize=13, fontweight="bold")
    figure.text(0.012, 0.008, "* some values come out wrong: see results.md", fontsize=8.5, color="#555555")
    figure.tight_layout(rect=(0, 0.02, 1, 0.965), h_pad=1.6, w_pad=2)
