"""A process that works for a while on a service with faults, and prints the resources that it held meanwhile.

Run as a program: URL, seconds. It prints a line of JSON.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from pandas_clicdata import Data, Session, errors, read_clicdata, resume_append
from pandas_clicdata.session.wire import get

LOOKS = 12  # at the resources of the process; it works between two looks
STEPS = 40  # between two looks, at least: a slow machine must not see less
BRIEF = 0.2  # seconds of the read timeout; a fault of the service is silent for longer
AT_ONCE = 8  # calls at the same time, at most; afterwards the pool keeps as many connections
# Each call gets a copy: for a while, pandas keeps a reference to each view of a frame.
FRAME = pd.DataFrame({"n": range(40), "t": [f"row {n}" for n in range(40)]})


class Worker:
    """Makes the calls of users in random order, through sessions in both dialects."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._dice = random.Random(15)
        self._numbers = iter(range(1 << 60))
        self.done: Counter[str] = Counter()
        self.sessions = [self._opened(None), self._opened("2022.01")]

    def _opened(self, api_version: str | None) -> Session:
        session = Session(
            client_id="i", client_secret="s", url=self._url, api_version=api_version, timeout=(2, BRIEF), deadline=20
        )
        session._sleep = lambda seconds: None
        return session

    def step(self) -> None:
        """Make a random call, and ignore its errors."""
        session = self._dice.choice(self.sessions)
        work = self._dice.choice([self.read, self.read_side_by_side, self.append, self.change, self.list, self.reopen])
        try:
            work(session)
        except errors.ClicDataError as error:
            self.done[type(error).__name__] += 1
        else:
            self.done[work.__name__] += 1

    def read(self, session: Session) -> None:
        assert len(read_clicdata(5, session=session, progress=False)) == 30

    def read_side_by_side(self, session: Session) -> None:
        assert len(read_clicdata(5, session=session, progress=False, workers=4)) == 30

    def append(self, session: Session) -> None:
        path = self._folder / str(next(self._numbers))
        how: dict[str, Any] = {"chunksize": 10, "progress": False, "session": session}
        how["workers"] = self._dice.choice([1, 4])
        try:
            FRAME.copy().clicdata.append(5, journal=path, **how)
        except errors.AppendAmbiguous:
            if session.last_receipt is not None and session.last_receipt.rows_in_doubt == 10:
                resume_append(FRAME.copy(), path, in_doubt="missing", session=session, progress=False)
        finally:
            path.unlink(missing_ok=True)

    def change(self, session: Session) -> None:
        FRAME.copy().head(3).clicdata.delete_rows(5, on="n", keep=False, session=session, progress=False)

    def list(self, session: Session) -> None:
        Data(session=session).get_data()

    def reopen(self, session: Session) -> None:
        """A session that lives for a call only."""
        with self._opened(session.api_version) as brief:
            Data(session=brief).get_data()

    def settle(self) -> int:
        """Wait for all threads, open the largest number of connections, and return the number of requests."""
        _alone()
        for session in self.sessions:
            session._read = 60  # a machine with other work may need more than BRIEF seconds
            problems: list[BaseException] = []
            threads = [threading.Thread(target=_together, args=(session, problems)) for _ in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if problems:
                raise problems[0]
            requests = session.call(get("count requests", "/requests", key="data")).value()[0]
            session._read = BRIEF
        _alone()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        return int(requests)


def _together(session: Session, problems: list[BaseException]) -> None:
    """Make one of the calls that the service answers only when all of them have come."""
    try:
        session.call(get("meet", "/meet", key="data"))
    except BaseException as error:  # noqa: BLE001  # raised by the thread that waits
        problems.append(error)


def _alone() -> None:
    """Wait for the threads of abandoned calls."""
    end = time.monotonic() + 20
    while threading.active_count() > 1 and time.monotonic() < end:
        time.sleep(0.005)


def held() -> dict[str, int]:
    """Return the resources that this process holds now, by the count of the system."""
    links = []
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208  # names, no paths
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115
        except OSError:  # the file that the listing itself opened
            continue
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "sockets": sum(link.startswith("socket:") for link in links),
        "files": len(links),
        "threads": int(status["Threads"]),
        "resident": int(status["VmRSS"].split()[0]) * 1024,
    }


def main() -> None:
    url, seconds = sys.argv[1], float(sys.argv[2])
    warnings.simplefilter("error")
    samples: list[dict[str, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(url, Path(folder))
        for _ in range(600):  # caches and objects that are made once are filled here
            worker.step()
        for _ in range(LOOKS):
            requests = worker.settle()
            time.sleep(0.05)  # the system ends a thread a moment after Python has joined it
            samples.append({"requests": requests, **held()})
            pause, steps = time.monotonic() + seconds / LOOKS, 0
            while time.monotonic() < pause or steps < STEPS:
                worker.step()
                steps += 1
        for session in worker.sessions:
            session.close()
        _alone()
        gc.collect()
        after = held()
    sys.stdout.write(json.dumps({"samples": samples, "closed": after, "done": worker.done}))


if __name__ == "__main__":
    main()
