"""Compare the cells that were sent or read with the values that they should have, column by column."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pandas as pd


def sent_rows(bodies: Iterable[bytes]) -> list[dict[str, Any]]:
    """Parse the rows of request bodies in either format, with every digit of their numbers."""
    rows = [row for body in bodies for row in json.loads(body, parse_float=Decimal)["data"]]
    return [{cell["column"]: cell["value"] for cell in row} if isinstance(row, list) else row for row in rows]


def wrong_sent(frame: pd.DataFrame, rows: list[dict[str, Any]]) -> list[str]:
    """Return the names of the columns whose cells were not sent as they are."""
    assert [len(rows), *rows[0]] == [len(frame), *frame.columns]
    return [name for name in frame if not _all(_is_sent, frame[name].astype(object), [row[name] for row in rows])]


def wrong_read(frame: pd.DataFrame, bodies: Iterable[bytes]) -> list[str]:
    """Return the names of the columns that hold other cells than the pages."""
    rows = [row for body in bodies for page in [json.loads(body)] for row in page.get("data", page.get("result"))]
    assert [len(frame), *frame.columns] == [len(rows), *rows[0]]
    return [name for name in frame if not _all(_is_read, [row[name] for row in rows], frame[name].astype(object))]


def _all(same: Callable[[Any, Any], bool], wanted: Iterable[Any], cells: Iterable[Any]) -> bool:
    return all(same(value, cell) for value, cell in zip(wanted, cells, strict=True))


def _is_sent(value: Any, cell: Any) -> bool:
    if pd.isna(value):
        return cell is None
    if isinstance(value, (bool, str)):
        return type(cell) is type(value) and cell == value
    if isinstance(value, pd.Timestamp):  # ISO 8601 has several texts for one timestamp
        return isinstance(cell, str) and pd.Timestamp(cell) == value
    if isinstance(value, dt.date):
        return bool(cell == value.isoformat())
    if type(cell) not in (int, Decimal):
        return False
    if isinstance(value, float):
        return repr(float(cell)) == repr(float(value))  # -0.0 differs from 0.0
    return bool(cell == value)


def _is_read(value: Any, cell: Any) -> bool:
    if value is None:
        return bool(pd.isna(cell))
    return bool(value == cell) and isinstance(value, str) is isinstance(cell, str)
