"""Pages to a frame."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import orjson
import sample_frames
from decode_peers import DECODERS
from equality import read_well
from measure import Timing, Variant, interleaved
from pages import PAGE_ROWS, columns_of, legacy_page, modern_page, row_pages

from pandas_clicdata.frames.decode import Assembler
from pandas_clicdata.frames.digest import digest
from pandas_clicdata.session.pages import Follower
from pandas_clicdata.session.wire import Answer, Reply, Request, get, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

CHECKED = 20_000  # rows that are held against the pages
OURS, ASSEMBLED = "pandas_clicdata", "pandas_clicdata, its decoder alone"
JUDGED = "pandas_clicdata, page after page in one thread"
LIMIT = "orjson.loads, dropped (limit)"
TENTHS = {which: f"{which}, a tenth of the pages" for which in (OURS, JUDGED)}
KEYS = {"legacy": "data", "modern": "result"}


def ours(bodies: Sequence[bytes]) -> pd.DataFrame:
    """All that a read does but for the socket: judge, follow, check, take apart, settle types."""
    assembler = Assembler()

    def call(request: Request) -> Reply:
        return judge(request, Answer(200, bodies[int(dict(request.query)["page"]) - 1]))

    for page in Follower(call, asked_for, decode=assembler.decode, digest=digest):
        assembler.add(page.rows, page.decoded)
    return assembler.take()


def judged(bodies: Sequence[bytes]) -> pd.DataFrame:
    """What the others do: judge, take apart, settle types; nothing is asked for ahead, nor held against other pages."""
    assembler = Assembler()
    for number, body in enumerate(bodies, 1):
        reply = judge(replace(asked_for(number), unread=True), Answer(200, body))
        assembler.add(reply.payload, assembler.decode(reply.payload))
    return assembler.take()


def asked_for(number: int) -> Request:
    return get("read rows", "/data/1", key="data", query=(("page", str(number)),))


def assembled(pages: Sequence[bytes]) -> pd.DataFrame:
    assembler = Assembler()
    for page in pages:
        assembler.add(page)
    return assembler.take()


def loaded(bodies: Sequence[bytes]) -> None:
    for body in bodies:
        orjson.loads(body)


def bodies_of(pages: list[bytes], rows: int, dialect: str) -> list[bytes]:
    """The pages with the dialect's envelope."""
    last = len(pages)
    if dialect == "legacy":
        return [legacy_page(page, more=n < last) for n, page in enumerate(pages, 1)]
    counts = [PAGE_ROWS] * (last - 1) + [rows - PAGE_ROWS * (last - 1)]
    return [modern_page(page, n, count, rows) for n, (page, count) in enumerate(zip(pages, counts, strict=True), 1)]


def _variants(pages: list[bytes], rows: int, dialect: str) -> list[Variant]:
    bodies, key = bodies_of(pages, rows, dialect), KEYS[dialect]
    few = pages[: CHECKED // PAGE_ROWS]
    head = bodies_of(few, min(rows, CHECKED), dialect)
    wanted = columns_of(few)
    found = [
        Variant(OURS, "ours", partial(ours, bodies), lambda: read_well(wanted, ours(head))),
        Variant(JUDGED, "ours", partial(judged, bodies), lambda: read_well(wanted, judged(head))),
        Variant(ASSEMBLED, "ours", partial(assembled, pages), lambda: read_well(wanted, assembled(few))),
    ]
    if rows >= 10**6:
        tenth = bodies_of(pages[: len(pages) // 10], rows // 10, dialect)
        found += [
            Variant(TENTHS[which], "ours", partial(decode, tenth)) for which, decode in ((OURS, ours), (JUDGED, judged))
        ]
    found += [
        Variant(
            name,
            "peer",
            partial(decode, bodies, key),
            partial(lambda decode: read_well(wanted, decode(head, key)), decode),
        )
        for name, decode in DECODERS.items()
    ]
    return [*found, Variant(LIMIT, "limit", partial(loaded, bodies))]


def run(rows: int, rounds: int, budget: float) -> list[Timing]:
    """The full frame's pages, in both dialects."""
    pages = row_pages(sample_frames.full(rows))
    timings = []
    for dialect in KEYS:
        table = f"decode {dialect} pages"
        print(f"{table}, {rows} rows", flush=True)
        found = interleaved(table, rows, _variants(pages, rows, dialect), rounds=rounds, budget=budget)
        for timing in found:
            timing.facts["bytes"] = sum(map(len, pages))
        timings += found
    return timings


def cliffs(rounds: int, budget: float) -> list[Timing]:
    """Odd frames beside the full one: what counts is the time a byte."""
    shapes = {"full": sample_frames.full(100_000), **sample_frames.odd(500_000)}
    shaped = {shape: row_pages(frame) for shape, frame in shapes.items()}
    variants = [
        Variant(
            shape,
            "ours",
            partial(assembled, pages),
            partial(lambda pages: read_well(columns_of(pages), assembled(pages)), pages[:20]),
        )
        for shape, pages in shaped.items()
    ]
    print("cliffs, decode", flush=True)
    found = interleaved("cliffs: decode", 0, variants, rounds=rounds, budget=budget)
    for timing, frame, pages in zip(found, shapes.values(), shaped.values(), strict=True):
        timing.rows, timing.facts["bytes"] = len(frame), sum(map(len, pages))
    return found
