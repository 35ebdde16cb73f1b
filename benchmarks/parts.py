"""The parts of the benchmark, each run in a process of its own: ``python parts.py PLAN FILE``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from measure import Timing


class Plan(msgspec.Struct):
    """One part: what to measure, of how many rows, how often, and how many seconds a variant may use."""

    part: str
    rows: int = 0
    rounds: int = 1
    budget: float = 60
    latency: float = 0.0
    peers: bool = True


def measured(plan: Plan) -> list[Timing]:
    """Import what the part needs, and nothing else, and run it."""
    rows, rounds, budget = plan.rows, plan.rounds, plan.budget
    if plan.part == "import":
        import importing

        return importing.run(rounds)
    if plan.part == "memory":
        import memory

        return memory.run(rows, slow=plan.peers)
    if plan.part in ("encode", "decode", "cliffs"):
        import decoding
        import encoding

        if plan.part == "cliffs":
            return encoding.cliffs(rounds, budget) + decoding.cliffs(rounds, budget)
        return (encoding if plan.part == "encode" else decoding).run(rows, rounds, budget)
    import transport

    if plan.part == "append":
        if plan.latency:
            return transport.append_far(rows, plan.latency, rounds, budget, peers=plan.peers)
        return transport.append(rows, rounds, budget)
    if plan.latency:
        return transport.read_far(rows, plan.latency, rounds, budget, peers=plan.peers)
    return transport.read(rows, rounds, budget)


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.argv[1], type=Plan)
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(measured(wanted)))
