"""A dashboard's chart: sums over the data sets, drawn with Pillow as bars or lines."""

from __future__ import annotations

import io
import json
import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from pandas_clicdata.sandbox.store import Store

_FINE = 2  # scale of the drawing, which is then reduced so that slanted lines look smooth
_PAPER, _INK, _FAINT, _GRID = "#ffffff", "#1f2a37", "#6b7686", "#e4e8ee"
_COLOURS = ("#2a6fdb", "#f0883e", "#2da58e")
_MOST_LABELS = 12


@dataclass(frozen=True)
class Series:
    """One value for each label of the chart."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """The data of one drawing."""

    kind: Literal["bars", "rows", "lines"]
    title: str
    unit: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]


def chart_of(store: Store, title: str, wanted: dict[str, Any]) -> Chart:
    """Return the figures of a chart.

    ``wanted`` has ``kind``, ``unit`` and ``series``: each with ``name``, ``rec_id``, ``group`` (a column),
    ``prefix`` (how many of its characters count) and ``product`` (the columns to multiply before summing up).
    """
    sums = [_sums(store, one) for one in wanted["series"]]
    labels = sorted({label for found in sums for label in found})
    if wanted["kind"] == "rows":
        labels.sort(key=lambda label: -sums[0].get(label, 0.0))
    labels = labels[:_MOST_LABELS]
    series = tuple(
        Series(one["name"], tuple(found.get(label, 0.0) for label in labels))
        for one, found in zip(wanted["series"], sums, strict=True)
    )
    return Chart(wanted["kind"], title, wanted["unit"], tuple(labels), series)


def _sums(store: Store, wanted: dict[str, Any]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for text in store.rows(wanted["rec_id"])[0]:
        row = json.loads(text)
        values = [row[column] for column in wanted["product"]]
        if row[wanted["group"]] is None or None in values:
            continue
        label = str(row[wanted["group"]])[: wanted["prefix"]]
        sums[label] = sums.get(label, 0.0) + float(math.prod(values))
    return sums


def draw(chart: Chart, width: int, height: int) -> bytes:
    """Return the chart as a PNG."""
    drawing = _Drawing(chart, width * _FINE, height * _FINE)
    drawing.all()
    picture = drawing.picture.resize((width, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def ticks(top: float) -> list[float]:
    """Return three to six round numbers from 0 to at least the top."""
    if top <= 0:
        return [0.0, 1.0]
    rough = top / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(step * magnitude for step in (1, 2, 2.5, 5, 10) if step * magnitude >= rough * 0.999999)
    return [step * n for n in range(math.ceil(top / step - 1e-9) + 1)]


class _Drawing:
    """A chart on a picture. Every measure follows from the picture's height."""

    def __init__(self, chart: Chart, width: int, height: int) -> None:
        self._chart = chart
        self.picture = Image.new("RGB", (width, height), _PAPER)
        self._pen = ImageDraw.Draw(self.picture)
        self._em = max(9 * _FINE, height / 32)
        self._font = ImageFont.load_default(self._em)
        self._title_font = ImageFont.load_default(self._em * 1.5)
        self._ticks = ticks(max((max(series.values, default=0) for series in chart.series), default=0))
        self._labels = [_drawable(label) for label in chart.labels]
        self._left = self._em * 1.2 + max(self._font.getlength(text) for text in self._beside())
        self._right = width - self._em * 1.5
        self._top = self._em * (6.2 if len(chart.series) > 1 else 4.8)
        self._bottom = height - self._em * 2.8

    def all(self) -> None:
        """Draw the whole chart."""
        pen, em = self._pen, self._em
        pen.text((em, em * 0.8), self._chart.title, _INK, self._title_font)
        pen.text((em, em * 2.6), self._chart.unit, _FAINT, self._font)
        if len(self._chart.series) > 1:
            self._legend()
        self._grid()
        if self._chart.kind == "rows":
            self._rows()
        else:
            self._labels_below()
            (self._bars if self._chart.kind == "bars" else self._lines)()

    def _beside(self) -> list[str]:
        """The texts left of the axis."""
        if self._chart.kind == "rows":
            return [*self._labels, ""]
        return [_number(tick) for tick in self._ticks]

    def _legend(self) -> None:
        x, y = self._left, self._em * 4.3
        for series, colour in zip(self._chart.series, _COLOURS, strict=False):
            self._pen.rectangle((x, y + self._em * 0.2, x + self._em * 0.8, y + self._em), colour)
            self._pen.text((x + self._em * 1.2, y), series.name, _INK, self._font)
            x += self._font.getlength(series.name) + self._em * 2.4

    def _grid(self) -> None:
        thin = max(1, round(self._em / 14))
        for tick in self._ticks:
            if self._chart.kind == "rows":
                x = self._across(tick)
                self._pen.line((x, self._top, x, self._bottom), _GRID, thin)
                self._pen.text((x, self._bottom + self._em * 0.4), _number(tick), _FAINT, self._font, "ma")
            else:
                y = self._up(tick)
                self._pen.line((self._left, y, self._right, y), _GRID, thin)
                self._pen.text((self._left - self._em * 0.4, y), _number(tick), _FAINT, self._font, "rm")
        corner = (self._left, self._bottom)
        end = (self._left, self._top) if self._chart.kind == "rows" else (self._right, self._bottom)
        self._pen.line((corner, end), _INK, 2 * thin)

    def _labels_below(self) -> None:
        """Draw as many labels as fit."""
        room = self._slot()
        widest = max((self._font.getlength(label) for label in self._labels), default=0) + self._em * 0.5
        every = max(1, math.ceil(widest / room))
        for place, label in enumerate(self._labels):
            if place % every == 0:
                x = self._middle(place)
                self._pen.text((x, self._bottom + self._em * 0.5), label, _FAINT, self._font, "ma")

    def _bars(self) -> None:
        wide = self._slot() * 0.72 / len(self._chart.series)
        for number, (series, colour) in enumerate(zip(self._chart.series, _COLOURS, strict=False)):
            for place, value in enumerate(series.values):
                x = self._middle(place) - self._slot() * 0.36 + number * wide
                self._pen.rectangle((x, self._up(value), x + wide, self._bottom), colour)

    def _rows(self) -> None:
        room = (self._bottom - self._top) / max(1, len(self._labels))
        for place, (label, value) in enumerate(zip(self._labels, self._chart.series[0].values, strict=True)):
            y = self._top + room * (place + 0.5)
            self._pen.rectangle((self._left, y - room * 0.34, self._across(value), y + room * 0.34), _COLOURS[0])
            self._pen.text((self._left - self._em * 0.5, y), label, _INK, self._font, "rm")

    def _lines(self) -> None:
        thick = max(2, round(self._em / 5))
        for series, colour in zip(self._chart.series, _COLOURS, strict=False):
            points = [(self._middle(place), self._up(value)) for place, value in enumerate(series.values)]
            self._pen.line(points, colour, thick, joint="curve")
            for x, y in points:
                self._pen.ellipse((x - thick, y - thick, x + thick, y + thick), colour)

    def _slot(self) -> float:
        return (self._right - self._left) / max(1, len(self._labels))

    def _middle(self, place: int) -> float:
        return self._left + self._slot() * (place + 0.5)

    def _up(self, value: float) -> float:
        return self._bottom - (self._bottom - self._top) * max(0.0, value) / self._ticks[-1]

    def _across(self, value: float) -> float:
        return self._left + (self._right - self._left) * max(0.0, value) / self._ticks[-1]


def _number(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"


def _drawable(label: str) -> str:
    """Return a short label in ASCII, since Pillow's own font has no other letters."""
    plain = unicodedata.normalize("NFKD", label.replace("–", "-")).encode("ascii", "ignore").decode()  # noqa: RUF001
    text = " ".join(plain.split())
    return text if len(text) <= 22 else f"{text[:20].rstrip()}..."
