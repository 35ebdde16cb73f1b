"""Append and read over loopback, with and without latency, through the public functions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from math import ceil
from operator import itemgetter
from pathlib import Path
from typing import Any

import ours
import pandas as pd
import peers
import sample_frames
from conversion import CHECKED, OLD, USUAL, described
from equality import sent_rows, wrong_read, wrong_sent
from measure import Line, at_least, at_most, medians
from server import PAGE_ROWS, Server, page_bodies

import pandas_clicdata

CHUNK_ROWS = 500
NEAR_ROWS = 200_000
FAR_ROWS = {1: 25_000, 8: 100_000}  # by workers
BOUNDS = {50: 1.15, 200: 1.08}  # by milliseconds of latency


def append() -> list[Line]:
    """Append without latency, beside the usual way."""
    frame = sample_frames.plain(NEAR_ROWS)
    lines = []
    for dialect, beside in (("legacy", f"{OLD}, one body"), ("modern", f"{USUAL}, 500 rows a request")):
        with Server() as server, ours.connect(server.url, dialect) as session:
            send = partial(_append, session=session)
            usual = partial(peers.append, url=server.url, dialect=dialect)
            assert not _wrong_appended(server, send, frame)
            beside = described(beside, _wrong_appended(server, usual, frame))
            seconds = medians({"ours": partial(send, frame), "peer": partial(usual, frame)}, rounds=5)
            lines.append(at_least(5, f"append {NEAR_ROWS:,} rows, {dialect}, no latency", *seconds, beside))
    return lines


def read() -> list[Line]:
    """Read without latency, beside the old client's way."""
    lines = []
    for dialect in ours.API_VERSIONS:
        bodies = page_bodies(sample_frames.full(NEAR_ROWS), dialect)
        with Server({1: bodies}) as server, ours.connect(server.url, dialect) as session:
            usual = partial(peers.read, server.url, dialect)
            assert not wrong_read(_read(session), bodies)
            beside = described(OLD, wrong_read(usual(), bodies))
            seconds = medians({"ours": partial(_read, session), "peer": usual}, rounds=5)
            lines.append(at_least(2.5, f"read {NEAR_ROWS:,} rows, {dialect}, no latency", *seconds, beside))
    return lines


def latency() -> list[Line]:
    """Append and read with latency, beside the time of the round trips alone."""
    return [line for dialect in ours.API_VERSIONS for line in _far(dialect)]


def _far(dialect: str) -> list[Line]:
    pages = {workers: page_bodies(sample_frames.full(rows), dialect) for workers, rows in FAR_ROWS.items()}
    lines, ways, trips = [], {}, {}
    with Server(pages) as server, ours.connect(server.url, dialect) as session:
        for workers, rows in FAR_ROWS.items():
            frame = sample_frames.plain(rows)
            send = partial(_append, session=session, workers=workers, chunksize=CHUNK_ROWS)
            assert not _wrong_appended(server, send, frame)
            ways["append", workers] = partial(send, frame)
            trips["append", workers] = ceil(rows / CHUNK_ROWS / workers), "ceil(N / w)"
            ways["read", workers] = partial(_read, session, workers, workers=workers)
            assert not wrong_read(ways["read", workers](), pages[workers])
            # The second page can't be requested ahead: only the first one says whether there is another.
            trips["read", workers] = 1 + ceil((rows / PAGE_ROWS - 1) / workers), "(1 + ceil((N - 1) / w))"
        for ms, factor in BOUNDS.items():
            server.begin(latency=ms / 1000)
            for (way, (count, formula)), seconds in zip(trips.items(), medians(ways, rounds=3), strict=True):
                verb, workers = way
                work = f"{verb} {FAR_ROWS[workers]:,} rows, {dialect}, {ms} ms, {workers} at a time"
                lines.append(at_most(factor, work, seconds, count * ms / 1000, f"{formula} x latency"))
    return sorted(lines, key=lambda line: line.work.split()[0])


def journal() -> list[Line]:
    """Append with and without a journal, at 50 ms a request."""
    frame = sample_frames.plain(FAR_ROWS[1])
    lines = []
    for dialect in ours.API_VERSIONS:
        with Server() as server, ours.connect(server.url, dialect) as session:
            ways = {
                "with": partial(_append_with_journal, session=session),
                "without": partial(_append, session=session, chunksize=CHUNK_ROWS),
            }
            assert not any(_wrong_appended(server, way, frame) for way in ways.values())
            server.begin(latency=0.05)
            seconds = medians({name: partial(way, frame) for name, way in ways.items()}, rounds=5)
            lines.append(at_most(1.05, f"append with a journal, {dialect}, 50 ms", *seconds, "without a journal"))
    return lines


def _append(frame: pd.DataFrame, session: pandas_clicdata.Session, **options: Any) -> None:
    frame.clicdata.append(1, progress=False, session=session, **options)


def _append_with_journal(frame: pd.DataFrame, session: pandas_clicdata.Session) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _append(frame, session, chunksize=CHUNK_ROWS, journal=Path(folder, "journal"))


def _read(session: pandas_clicdata.Session, rec_id: int = 1, workers: int = 1) -> pd.DataFrame:
    return pandas_clicdata.read_clicdata(rec_id, workers=workers, progress=False, session=session)


def _wrong_appended(server: Server, send: Callable[[pd.DataFrame], None], frame: pd.DataFrame) -> list[str]:
    """Send the first rows, and return the names of the columns whose cells did not arrive as they are."""
    head = frame.iloc[:CHECKED]
    server.begin(keep=True)
    send(head)
    rows = sorted(sent_rows(server.begin()), key=itemgetter("order_id"))  # chunks may overtake each other
    return wrong_sent(head.sort_values("order_id"), rows)
