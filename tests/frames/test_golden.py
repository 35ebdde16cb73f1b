"""The body of every family in both row formats must keep the bytes that the first release of the package wrote.

``golden_bodies.json`` holds the text of short bodies and the SHA-256 of
long ones. orjson writes an exponent as ``1e16`` or, from 3.11 on, as ``1e+16``.
"""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frames.families import families
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden_bodies.json").read_text(encoding="utf-8"))


def usual_columns(rows: int = 500) -> pd.DataFrame:
    """Return a frame of usual columns, with missing cells, escapes, large integers and exact decimals."""
    numbers = np.arange(rows)
    words = ["north", 'said "now"', "path C:\\data", "two\nlines", "déjà", "日本語", "bell\x07", None]
    minutes = np.datetime64("2015-01-01", "us") + numbers * np.timedelta64(86_399_000_001, "us")
    return pd.DataFrame(
        {
            "id": numbers * 2**53 + 1,
            "code": pd.Series([f"SKU-{number:06}" for number in numbers], dtype="str"),
            "note": pd.Series([words[number % 8] for number in numbers], dtype="str"),
            "quantity": pd.array([None if number % 20 == 3 else number**4 for number in range(rows)], dtype="Int64"),
            "price": np.where(numbers % 21 == 5, np.nan, numbers / 7),
            "amount": pd.Series(
                [Decimal(number) / 100 if number % 9 else None for number in range(rows)], dtype=object
            ),
            "ok": pd.array([(True, False, None)[number % 3] for number in range(rows)], dtype="boolean"),
            "region": pd.Categorical.from_codes(numbers % 6 - 1, ["North", "South", "East", "West", 'Centre "old"']),
            "day": pd.Series([minute.item().date() for minute in minutes], dtype=object),
            "at": pd.Series(minutes).mask(numbers % 19 == 2),
            "paid": pd.Series(minutes).dt.tz_localize("UTC").dt.tz_convert("America/Lima"),
        }
    )


def frames() -> dict[str, pd.DataFrame]:
    found = {name: pd.DataFrame({"a": series}) for name, series in families().items()}
    found["every family"] = pd.DataFrame({name: series.iloc[:2] for name, series in families().items()})
    found["usual columns"] = usual_columns()
    return found


FRAMES = frames()


def shortened(body: bytes) -> str:
    """A body as the file holds it."""
    body = re.sub(rb"(\d)e\+(\d)", rb"\1e\2", body)
    return body.decode() if len(body) <= 500 else hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("row_format", RowFormat, ids=lambda row_format: row_format.value)
@pytest.mark.parametrize("name", FRAMES)
def test_every_family_is_written_as_its_stored_body(name: str, row_format: RowFormat) -> None:
    encoder = FrameEncoder(FRAMES[name])
    (body,) = encoder.chunks(row_format, 0, encoder.rows, max_rows=encoder.rows, max_bytes=10**9)
    assert shortened(body.text) in GOLDEN[name][row_format.value]


def test_every_family_has_a_stored_body() -> None:
    assert set(GOLDEN) == set(FRAMES)
