"""Appending and reading over loopback, with and without latency."""

from __future__ import annotations

import tempfile
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sample_frames
from equality import read_well, rows_of, sent_well
from measure import Timing, Variant, interleaved
from pages import PAGE_ROWS, columns_of, row_pages
from server import Server
from transport_peers import OLD_READ, OLD_SEND, PATHS, READERS, SENDERS, USUAL_SEND

import pandas_clicdata
from pandas_clicdata import Session
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.uploads.cutting import bounds, cut_for, request, row_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

WINDOWS = (1, 4, 8)
CHUNK = 500  # rows a request of the peers, and of ours where latency is measured
CHECKED = 20_000  # rows that are held against the frame
VERSIONS = {"legacy": None, "modern": "2022.01"}


def _named(workers: int) -> str:
    return f"pandas_clicdata, workers={workers}"


FIRST = f"{_named(WINDOWS[-1])}, for the first time"
WORKERS = {_named(workers): workers for workers in WINDOWS} | {FIRST: WINDOWS[-1]}
JOURNALLED = "pandas_clicdata, workers=1, with a journal"
UNGUARDED = "the same requests, unguarded (limit)"


def opened(server: Server, dialect: str) -> Session:
    """A session that has logged in and holds a connection, as it has in the middle of a day's work."""
    session = Session(
        url=server.url,
        auth_method="client_credentials",
        client_id="id",
        client_secret="secret",  # of nobody
        api_version=VERSIONS[dialect],
        deadline=3600,
    )
    pandas_clicdata.read_clicdata(1, nrows=1, session=session)
    return session


def _ours_appending(session: Session, frame: pd.DataFrame, workers: int, chunk: int | None) -> None:
    frame.clicdata.append(1, workers=workers, chunksize=chunk, progress=False, session=session)


def _ours_with_a_journal(session: Session, frame: pd.DataFrame, chunk: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder, "journal")
        frame.clicdata.append(1, chunksize=chunk, journal=journal, progress=False, session=session)


def _unguarded(session: Session, frame: pd.DataFrame, chunk: int | None) -> None:
    """The same requests, and nothing that would say afterwards what is stored."""
    encoder = FrameEncoder(frame)
    cut = bounds(encoder, cut_for(session.dialect, chunk), [range(encoder.rows)])
    for body in encoder.bodies(row_format(session.dialect), cut):
        session.call(request(1, session.dialect, body))


def _ours_reading(session: Session, workers: int) -> pd.DataFrame:
    return pandas_clicdata.read_clicdata(1, workers=workers, progress=False, session=session)


def _ours_reading_first(session: Session, workers: int) -> pd.DataFrame:
    """As a session does that has not read the data set before, and so doesn't know how long it is."""
    session._lengths.clear()
    return _ours_reading(session, workers)


# ------------------------------------------------------------ append


def _append_checked(server: Server, dialect: str, frame: pd.DataFrame, send: Callable[[pd.DataFrame], object]) -> str:
    head = frame.iloc[:CHECKED]
    server.begin(keep=True)
    send(head)
    rows = rows_of(server.received()["kept"], cells=dialect == "legacy")
    order = {row["order_id"]: n for n, row in enumerate(rows)}
    if len(order) == len(head):  # several at a time may come in another order
        rows = [rows[order[key]] for key in head["order_id"].tolist()]
    return sent_well(head, rows)


def _appends(
    server: Server, session: Session, dialect: str, frame: pd.DataFrame, windows: dict[str, Any], peers: list[str]
) -> list[Variant]:
    ways: list[tuple[str, Any, Callable[[pd.DataFrame], object]]] = [
        (name, "ours", partial(lambda part, workers, chunk: _ours_appending(session, part, workers, chunk), **options))
        for name, options in windows.items()
    ]
    each = next(iter(windows.values()))["chunk"]
    ways += [
        (JOURNALLED, "ours", partial(lambda part, chunk: _ours_with_a_journal(session, part, chunk), chunk=each)),
        (UNGUARDED, "limit", partial(lambda part, chunk: _unguarded(session, part, chunk), chunk=each)),
    ]
    url = server.url + PATHS[dialect]
    chunk = 5_000 if dialect == "legacy" and not peers else CHUNK
    ways += [
        (name, "peer", partial(lambda part, send: send(part, url, chunk), send=send))
        for name, send in SENDERS[dialect].items()
        if not peers or name in peers
    ]
    return [
        Variant(
            name,
            kind,
            partial(way, frame),
            partial(_append_checked, server, dialect, frame, way),
        )
        for name, kind, way in ways
    ]


def append(rows: int, rounds: int, budget: float) -> list[Timing]:
    """The plain frame, sent as each would send it, without latency."""
    frame = sample_frames.plain(rows)
    timings = []
    with Server([]) as server:
        for dialect in VERSIONS:
            table = f"append, {dialect}, 0 ms"
            print(f"{table}, {rows} rows", flush=True)
            windows = {_named(w): {"workers": w, "chunk": None} for w in WINDOWS}
            with opened(server, dialect) as session:
                variants = _appends(server, session, dialect, frame, windows, [])
                found = interleaved(table, rows, variants, rounds=rounds, budget=budget, checked=server.begin)
                _all_arrived(server, found)
                timings += found
    return timings


def append_far(rows: int, latency: float, rounds: int, budget: float, *, peers: bool) -> list[Timing]:
    """Bodies of 500 rows at a latency, beside the least time that so many requests take.

    Without the peers just with the widest window.
    """
    frame = sample_frames.plain(rows)
    requests = ceil(len(frame) / CHUNK)
    timings = []
    with Server([]) as server:
        for dialect in VERSIONS:
            table = f"append, {dialect}, {latency * 1e3:.0f} ms"
            print(f"{table}, {rows} rows", flush=True)
            windows = {_named(w): {"workers": w, "chunk": CHUNK} for w in WINDOWS}
            windows |= (
                {f"{_named(1)}, as it cuts by itself": {"workers": 1, "chunk": None}} if dialect == "legacy" else {}
            )
            with opened(server, dialect) as session:
                variants = _appends(server, session, dialect, frame, windows, [OLD_SEND, USUAL_SEND])
                if not peers:
                    variants = _widest(variants)
                found = _far(server, table, len(frame), variants, latency, requests, rounds, budget)
                _all_arrived(server, found)
                timings += found
    return timings


def _all_arrived(server: Server, timings: list[Timing]) -> None:
    arrived, sent = server.received()["rows"], sum(len(timing.seconds) * timing.rows for timing in timings)
    if arrived != sent:
        raise AssertionError(f"{arrived} rows of {sent} arrived")


# ------------------------------------------------------------ read


def _reads(
    server: Server, session: Session, dialect: str, wanted: Any, peers: list[str], *, first: bool
) -> list[Variant]:
    ways: list[tuple[str, Any, Callable[[], pd.DataFrame]]] = [
        (_named(w), "ours", partial(_ours_reading, session, w)) for w in WINDOWS
    ]
    if first:
        ways.append((FIRST, "ours", partial(_ours_reading_first, session, WINDOWS[-1])))
    ways += [(name, "peer", partial(read, server.url, dialect)) for name, read in READERS.items() if name in peers]
    return [Variant(name, kind, way, partial(_read_checked, wanted, way)) for name, kind, way in ways]


def _read_checked(wanted: dict[str, list[Any]], read: Callable[[], pd.DataFrame]) -> str:
    return read_well(wanted, read())


def _serving(rows: int) -> Iterator[tuple[Server, Session, str, dict[str, list[Any]]]]:
    pages = row_pages(sample_frames.full(rows))
    wanted = columns_of(pages)
    with Server(pages) as server:
        for dialect in VERSIONS:
            with opened(server, dialect) as session:
                yield server, session, dialect, wanted


def read(rows: int, rounds: int, budget: float) -> list[Timing]:
    """The full frame, read as each would read it, without latency."""
    timings = []
    for server, session, dialect, wanted in _serving(rows):
        table = f"read, {dialect}, 0 ms"
        print(f"{table}, {rows} rows", flush=True)
        variants = _reads(server, session, dialect, wanted, list(READERS), first=False)
        timings += interleaved(table, rows, variants, rounds=rounds, budget=budget)
    return timings


def read_far(rows: int, latency: float, rounds: int, budget: float, *, peers: bool) -> list[Timing]:
    """Pages of 1000 rows at a latency; without the peers just with the widest window."""
    timings = []
    for server, session, dialect, wanted in _serving(rows):
        table = f"read, {dialect}, {latency * 1e3:.0f} ms"
        print(f"{table}, {rows} rows", flush=True)
        variants = _reads(server, session, dialect, wanted, [OLD_READ], first=True)
        if not peers:
            variants = _widest(variants)
        timings += _far(server, table, rows, variants, latency, ceil(rows / PAGE_ROWS), rounds, budget)
    return timings


# ------------------------------------------------------------ both


def _widest(variants: list[Variant]) -> list[Variant]:
    return [variant for variant in variants if variant.name in (_named(WINDOWS[-1]), FIRST)]


def _far(
    server: Server,
    table: str,
    rows: int,
    variants: list[Variant],
    latency: float,
    requests: int,
    rounds: int,
    budget: float,
) -> list[Timing]:
    """Checked without latency, timed with it."""
    server.begin()
    slow = partial(server.begin, latency=latency)
    found = interleaved(table, rows, variants, rounds=rounds, budget=budget, checked=slow)
    for timing in found:
        if timing.variant in WORKERS:
            workers = WORKERS[timing.variant]
            timing.facts["bound"] = ceil(requests / workers) * latency
            if timing.variant == FIRST:
                timing.facts["first"] = (1 + ceil((requests - 1) / workers)) * latency
    return found
