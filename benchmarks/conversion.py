"""A frame to request bodies, and pages to a frame, without any network."""

from __future__ import annotations

from functools import partial

import ours
import peers
import sample_frames
from equality import sent_rows, wrong_read, wrong_sent
from measure import Line, at_least, at_most, medians
from server import PAGE_ROWS, page_bodies

CHECKED = 20_000  # rows that are compared, value by value
OLD, USUAL = "the old client's way", "the usual way"


def encode() -> list[Line]:
    """Encode both frames, beside the old client's way and the usual way."""
    return [
        _encoded("plain", "cells", 100_000, 15),
        _encoded("plain", "cells", 1_000_000, 25),
        _encoded("full", "cells", 100_000, 12),
        _encoded("full", "objects", 100_000, 12),
    ]


def _encoded(which: str, row_format: str, rows: int, factor: float) -> Line:
    frame = getattr(sample_frames, which)(rows)
    peer, beside = (peers.encode_cells, OLD) if row_format == "cells" else (peers.encode_objects, USUAL)
    head = frame.iloc[:CHECKED]
    assert not wrong_sent(head, sent_rows(ours.encode(head, row_format)))
    beside = described(beside if which == "plain" else f"{beside} made fit", wrong_sent(head, sent_rows(peer(head))))
    seconds = medians(
        {
            "ours": lambda: sum(map(len, ours.encode(frame, row_format))),
            "peer": lambda: sum(map(len, peer(frame))),
        },
        rounds=5,
    )
    return at_least(factor, f"encode {which} to {row_format}, {rows:,} rows", *seconds, beside)


def decode() -> list[Line]:
    """Decode pages of the full frame, beside the old client's way and beside a tenth of the pages."""
    bodies = page_bodies(sample_frames.full(1_000_000), "legacy")
    few, tenth = bodies[: CHECKED // PAGE_ROWS], bodies[: len(bodies) // 10]
    assert not wrong_read(ours.decode(few), few)
    beside = described(OLD, wrong_read(peers.decode(few), few))
    ours_tenth, peer_tenth, ours_all, peer_all = medians(
        {
            "ours, a tenth": partial(ours.decode, tenth),
            "peer, a tenth": partial(peers.decode, tenth),
            "ours": partial(ours.decode, bodies),
            "peer": partial(peers.decode, bodies),
        },
        rounds=5,
    )
    return [
        at_least(2.5, "decode 100,000 rows", ours_tenth, peer_tenth, beside),
        at_least(8, "decode 1,000,000 rows", ours_all, peer_all, beside),
        at_most(1.1, "decode 1,000,000 rows", ours_all, 10 * ours_tenth, "ten times those of 100,000"),
    ]


def described(name: str, wrong: list[str]) -> str:
    """Name another way, with the columns that it gets wrong."""
    return f"{name} (wrong: {', '.join(wrong)})" if wrong else name
