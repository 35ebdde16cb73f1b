"""The code that people would write instead: the old client's way, and the usual way with to_dict, json and requests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd
import requests

HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer token"}
CHUNK_ROWS = 500


def fit(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert the cells of the full frame that the standard library's json refuses."""
    if frame["day"].dtype != object:
        return frame  # the plain frame needs no conversion
    out = frame.copy()
    out["amount"] = out["amount"].map(lambda value: None if value is None else float(value))
    out["day"] = out["day"].map(lambda day: None if day is None else day.isoformat())
    out["at"] = out["at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return out.astype(object).where(out.notna(), None)


def encode_cells(frame: pd.DataFrame) -> Iterator[bytes]:
    """Write a list of cells for each row, all rows in one body: the old client's way."""
    rows = fit(frame).to_dict("index")
    data = [[{"column": name, "value": value} for name, value in row.items()] for row in rows.values()]
    yield json.dumps({"data": data}).encode()


def encode_objects(frame: pd.DataFrame) -> Iterator[bytes]:
    """Write an object for each row, chunk by chunk: the usual way."""
    for start in range(0, len(frame), CHUNK_ROWS):
        yield json.dumps({"data": fit(frame.iloc[start : start + CHUNK_ROWS]).to_dict("records")}).encode()


def decode(bodies: Iterable[bytes]) -> pd.DataFrame:
    """Parse each page for its rows and again for its flag, and copy the list of rows each time."""
    data: list[Any] = []
    for body in bodies:
        data = data + json.loads(body)["data"]
        json.loads(body).get("has_more_data")
    return pd.DataFrame(data)


def append(frame: pd.DataFrame, url: str, dialect: str) -> None:
    """Send each body over a connection of its own."""
    legacy = dialect == "legacy"
    path = "/data/1/row" if legacy else "/data/1/insert?api_version=2022.01"
    for body in encode_cells(frame) if legacy else encode_objects(frame):
        requests.post(url + path, data=body, headers=HEADERS, timeout=600).raise_for_status()


def read(url: str, dialect: str) -> pd.DataFrame:
    """Get each page over a connection of its own, and copy the list of rows each time."""
    legacy = dialect == "legacy"
    query = "" if legacy else "&page_size=1000&api_version=2022.01"
    data: list[Any] = []
    number, more = 1, True
    while more:
        response = requests.get(f"{url}/data/1?page={number}{query}", headers=HEADERS, timeout=600)
        data = data + response.json()["data" if legacy else "result"]
        page = response.json()
        more = page["has_more_data"] if legacy else page["pagination"]["has_more_results"]
        number += 1
    return pd.DataFrame(data)
