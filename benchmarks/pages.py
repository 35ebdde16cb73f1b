"""A frame as the pages that the service would answer with, in either dialect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from pandas_clicdata.frames.encode import FrameEncoder, RowFormat

if TYPE_CHECKING:
    import pandas as pd

PAGE_ROWS = 1000


def row_pages(frame: pd.DataFrame, size: int = PAGE_ROWS) -> list[bytes]:
    """The rows of each page as a JSON array of objects."""
    encoder = FrameEncoder(frame)
    bounds = encoder.cut(RowFormat.OBJECTS, max_rows=size, max_bytes=1 << 40)
    return [body.removeprefix(b'{"data":').removesuffix(b"}") for body in encoder.bodies(RowFormat.OBJECTS, bounds)]


def legacy_page(rows: bytes, *, more: bool) -> bytes:
    return b'{"data":' + rows + b',"has_more_data":' + (b"true" if more else b"false") + b"}"


def modern_page(rows: bytes, number: int, count: int, total: int, size: int = PAGE_ROWS) -> bytes:
    """``count`` is of this page, ``total`` of all."""
    told = {
        "result_count": count,
        "result_total_count": total,
        "current_page": number,
        "page_size": size,
        "has_more_results": number * size < total,
    }
    return b'{"success":true,"result":' + rows + b',"pagination":' + msgspec.json.encode(told) + b"}"


def columns_of(pages: list[bytes]) -> dict[str, list[Any]]:
    """What the pages hold, by the standard library's reckoning."""
    columns: dict[str, list[Any]] = {}
    for page in pages:
        for row in json.loads(page):
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
    return columns
