"""What a dashboard's chart shows: figures summed up from the data sets as they are now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pandas_clicdata.sandbox.store import Store

_MOST_LABELS = 12


@dataclass(frozen=True)
class Series:
    """One value for each label of the chart."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """All that is needed to draw one."""

    kind: Literal["bars", "rows", "lines"]
    title: str
    unit: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]


def chart_of(store: Store, title: str, wanted: dict[str, Any]) -> Chart:
    """The figures a chart asks for.

    ``wanted`` has ``kind``, ``unit`` and ``series``: each with ``name``, ``rec_id``, ``group`` (a column),
    ``prefix`` (how many letters of it count) and ``product`` (the columns to multiply before summing up).
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
        sums[label] = sums.get(label, 0.0) + float(prod(values))
    return sums
