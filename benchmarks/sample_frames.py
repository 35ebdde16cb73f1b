"""The two frames that are measured: ten columns of the dtypes that people send."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd

WORDS = ["north", "south", "delivered", "late", "paid", "open", "two boxes", "left at the door", "call back", "gift"]
SPECIAL = ['said "now"', "path C:\\data", "one\ntwo", "déjà payé", "日本語 ok", "smile 😀", "tab\there", "bell\x07"]
REGIONS = ["North", "South", "East", "West", 'Centre "old"']
LARGE_INTS = [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
ODD_FLOATS = [5e-324, 1.7976931348623157e308, -0.0, 1e16, 0.1 + 0.2]


def full(rows: int) -> pd.DataFrame:
    """Ten columns of the usual dtypes, with missing values, escapes, large integers and exact decimals."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "order_id": _with(rng.integers(1, 2**40, rows), LARGE_INTS),
            "sku": pd.Series([f"SKU-{n:06d}" for n in rng.integers(0, 10**6, rows)], dtype="str"),
            "note": pd.Series(_holes(rng, _notes(rng, rows)), dtype="str"),
            "qty": pd.Series(pd.array(_holes(rng, _with(rng.integers(0, 500, rows), LARGE_INTS)), dtype="Int64")),
            "price": _with(np.where(rng.random(rows) < 0.05, np.nan, rng.gamma(2, 40, rows)), ODD_FLOATS),
            "amount": pd.Series(_holes(rng, _decimals(rng, rows)), dtype=object),
            "ok": pd.Series(pd.array(_holes(rng, rng.random(rows) < 0.7), dtype="boolean")),
            "region": pd.Categorical.from_codes(rng.integers(-1, len(REGIONS), rows), REGIONS),
            "day": pd.Series(_holes(rng, _days(rng, rows)), dtype=object),
            "at": pd.Series(_moments(rng, rows)).mask(rng.random(rows) < 0.05),
        }
    )


def plain(rows: int) -> pd.DataFrame:
    """The same columns as the old client's way can send them: nothing missing, dates as text, amounts as floats."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "order_id": rng.integers(1, 2**40, rows),
            "sku": pd.Series([f"SKU-{n:06d}" for n in rng.integers(0, 10**6, rows)], dtype="str"),
            "note": pd.Series(_notes(rng, rows), dtype="str"),
            "qty": rng.integers(0, 500, rows),
            "price": rng.gamma(2, 40, rows),
            "amount": rng.integers(0, 10**7, rows) / 100,
            "ok": rng.random(rows) < 0.7,
            "region": pd.Categorical.from_codes(rng.integers(0, len(REGIONS), rows), REGIONS),
            "day": pd.Series([day.isoformat() for day in _days(rng, rows)], dtype="str"),
            "at": pd.Series(np.datetime_as_string(_moments(rng, rows)), dtype="str"),
        }
    )


def _with(values: np.ndarray, edges: list) -> np.ndarray:
    """The values. About one in a thousand is an edge case."""
    for n, edge in enumerate(edges):
        values[n * 37 :: 4001] = edge
    return values


def _holes(rng: np.random.Generator, values) -> list:
    missing = rng.random(len(values)) < 0.05
    return [None if hole else value for hole, value in zip(missing, values, strict=True)]


def _notes(rng: np.random.Generator, rows: int) -> list[str]:
    words = rng.integers(0, len(WORDS), (rows, 3))
    special = rng.random(rows) < 0.3
    which = rng.integers(0, len(SPECIAL), rows)
    return [
        f"{WORDS[a]}, {WORDS[b]}, {SPECIAL[w] if s else WORDS[c]}"
        for (a, b, c), s, w in zip(words.tolist(), special.tolist(), which.tolist(), strict=True)
    ]


def _decimals(rng: np.random.Generator, rows: int) -> list[Decimal]:
    """Amounts with two digits after the point; one in fifty has more digits than a float can hold."""
    units, long = rng.integers(0, 10**8, rows).tolist(), (rng.random(rows) < 0.02).tolist()
    return [
        Decimal(f"{unit}00000000000000.{unit % 100:02d}" if is_long else f"{unit // 100}.{unit % 100:02d}")
        for unit, is_long in zip(units, long, strict=True)
    ]


def _days(rng: np.random.Generator, rows: int) -> list[dt.date]:
    return (np.datetime64("2015-01-01") + rng.integers(0, 4000, rows)).tolist()


def _moments(rng: np.random.Generator, rows: int) -> np.ndarray:
    return np.datetime64("2015-01-01", "us") + rng.integers(0, 4000 * 86400 * 10**6, rows)
