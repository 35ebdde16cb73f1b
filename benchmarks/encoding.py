"""A frame to request bodies, in both row formats."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import encode_peers
import orjson
import sample_frames
from equality import rows_of, sent_well
from measure import Timing, Variant, interleaved

from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.session.wire import Dialect
from pandas_clicdata.uploads.cutting import bounds, cut_for, row_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

CHECKED = 20_000  # rows that are held against the frame
READY_MADE = 100_000  # objects that are kept ready-made; more rows dump them several times
CHUNK = {Dialect.LEGACY: 5_000, Dialect.MODERN: 500}  # the package's own
OURS, LIMIT = "pandas_clicdata", "orjson, ready-made objects (limit)"
FORMATS = {"cells": Dialect.LEGACY, "objects": Dialect.MODERN}


def ours(frame: pd.DataFrame, chunk: int | None, dialect: Dialect) -> Iterator[bytes]:
    """All that an append does before anything is sent."""
    encoder = FrameEncoder(frame)
    cut = bounds(encoder, cut_for(dialect, chunk), [range(encoder.rows)])
    return encoder.bodies(row_format(dialect), cut)


def size_of(bodies: Iterable[bytes]) -> int:
    return sum(map(len, bodies))


def ready_made(frame: pd.DataFrame, chunk: int, dialect: Dialect) -> list[Any]:
    """The objects of bodies, with floats for decimals, which orjson can't write."""
    return [json.loads(body) for body in ours(frame.iloc[:READY_MADE], chunk, dialect)]


def dumped(bodies: list[Any], times: int) -> int:
    return sum(len(orjson.dumps(body)) for _ in range(times) for body in bodies)


def _variants(frame: pd.DataFrame, name: str) -> list[Variant]:
    dialect, cells = FORMATS[name], name == "cells"
    chunk = CHUNK[dialect]
    peers = encode_peers.CELLS if cells else encode_peers.OBJECTS
    made = ready_made(frame, chunk, dialect)
    head = frame.iloc[:CHECKED]

    def variant(title: str, kind: Any, encode: Callable[[pd.DataFrame], Iterable[bytes]]) -> Variant:
        return Variant(
            title,
            kind,
            lambda: size_of(encode(frame)),
            lambda: sent_well(head, rows_of(encode(head), cells=cells)),
        )

    found = [variant(OURS, "ours", lambda part: ours(part, None, dialect))]
    if cells:
        found.append(variant(f"{OURS}, bodies of 500 rows", "ours", lambda part: ours(part, 500, dialect)))
    found += [
        variant(title, "peer", lambda part, encode=encode: encode(part, chunk)) for title, encode in peers.items()
    ]
    times = max(1, len(frame) // READY_MADE)
    return [*found, Variant(LIMIT, "limit", partial(dumped, made, times))]


def run(rows: int, rounds: int, budget: float) -> list[Timing]:
    """Both frames in both formats."""
    timings = []
    for which, make in (("plain", sample_frames.plain), ("full", sample_frames.full)):
        frame = make(rows)
        for name in FORMATS:
            table = f"encode {which} to {name}"
            print(f"{table}, {rows} rows", flush=True)
            found = interleaved(table, rows, _variants(frame, name), rounds=rounds, budget=budget)
            size = size_of(ours(frame, None, FORMATS[name]))
            for timing in found:
                timing.facts["bytes"] = size
            timings += found
    return timings


# ------------------------------------------------------------ no cliff


def cliffs(rounds: int, budget: float) -> list[Timing]:
    """Odd frames beside the full one: what counts is the time a byte."""
    shapes = {"full": sample_frames.full(100_000), **sample_frames.odd(500_000)}
    timings = []
    for name, dialect in FORMATS.items():
        print(f"cliffs, encode to {name}", flush=True)
        variants = [
            Variant(
                shape,
                "ours",
                partial(lambda frame, dialect: size_of(ours(frame, None, dialect)), frame, dialect),
                partial(_checked, frame, name),
            )
            for shape, frame in shapes.items()
        ]
        found = interleaved(f"cliffs: encode to {name}", 0, variants, rounds=rounds, budget=budget)
        for timing, frame in zip(found, shapes.values(), strict=True):
            timing.rows = len(frame)
            timing.facts["bytes"] = size_of(ours(frame, None, dialect))
        timings += found
    return timings


def _checked(frame: pd.DataFrame, name: str) -> str:
    head = frame.iloc[:20_000]
    return sent_well(head, rows_of(ours(head, None, FORMATS[name]), cells=name == "cells"))
