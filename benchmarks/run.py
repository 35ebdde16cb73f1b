"""Measure the package beside what one would write instead, and beside the limits: ``python benchmarks/run.py``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from measure import Timing
from parts import Plan

HERE = Path(__file__).resolve().parent
PARTS = ("encode", "decode", "append", "read", "memory", "import")


def main() -> None:
    """Run the parts, each in a process of its own, and write what is known after each."""
    chosen = _arguments()
    import picture  # both need the peers, which are an extra
    import report

    chosen.out.mkdir(parents=True, exist_ok=True)
    command = " ".join(["python benchmarks/run.py", *_shown(sys.argv[1:])])
    timings: list[Timing] = []
    failed = False
    for plan in _plans(chosen):
        found = _measured(plan)
        failed |= found is None
        timings += found or []
        (chosen.out / "results.md").write_text(report.page(timings, command), encoding="utf-8")
        picture.draw(timings, chosen.out / "results.png")
    print("written: results.md and results.png")
    if failed:
        sys.exit("Not every part could be measured.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 rows at most, fewer rounds, 50 ms only")
    parser.add_argument("--only", choices=PARTS, action="append", help="just this part; may be given several times")
    parser.add_argument("--rows", type=int, action="append", help="instead of 100,000 and 1,000,000 rows")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder to write into; benchmarks/ by default")
    return parser.parse_args()


def _plans(chosen: argparse.Namespace) -> list[Plan]:
    quick = chosen.quick
    sizes = chosen.rows or ([100_000] if quick else [100_000, 1_000_000])
    near = sizes[0]
    delays = (0.05,) if quick else (0.05, 0.2)
    few, many = (2, 3) if quick else (5, 9)
    budget = 10 if quick else 30
    plans = [Plan(part, rows, many if rows < 10**6 else few, budget) for part in ("encode", "decode") for rows in sizes]
    plans.append(Plan("cliffs", rounds=many, budget=budget))
    plans.append(Plan("append", near if quick else 2 * near, many, budget))
    plans += [Plan("append", rows, few, budget) for rows in sizes[1:]]
    read = sizes if quick else [near, 2 * near, *sizes[1:]]
    plans += [Plan("read", rows, many if rows < 10**6 else few, budget) for rows in read]
    plans += [  # waiting spreads less than work
        Plan(part, rows, min(few, 3), budget / 2, latency, rows == near)
        for latency in delays
        for part in ("append", "read")
        for rows in sizes
    ]
    plans += [Plan("memory", rows, peers=rows == sizes[-1]) for rows in sizes]
    plans.append(Plan("import", rounds=3 * few))
    plans.sort(key=lambda plan: (plan.rows >= 10**6, plan.latency))  # the long ones last
    only = chosen.only or PARTS
    return [plan for plan in plans if plan.part in only or (plan.part == "cliffs" and {"encode", "decode"} & {*only})]


def _measured(plan: Plan) -> list[Timing] | None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "timings")
        command = [sys.executable, str(HERE / "parts.py"), msgspec.json.encode(plan).decode(), str(file)]
        search = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(HERE.parent)]))
        if subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": search}).returncode:
            print(f"FAILED: {plan.part}, {plan.rows} rows; it is left out of the results", flush=True)
            return None
        return msgspec.json.decode(file.read_bytes(), type=list[Timing])


def _shown(arguments: list[str]) -> list[str]:
    """The command, without the folder that it writes into: that is nobody's business."""
    at = arguments.index("--out") if "--out" in arguments else len(arguments)
    return arguments[:at] + arguments[at + 2 :]


if __name__ == "__main__":
    main()
