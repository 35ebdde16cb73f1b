"""A process with pandas that forks children. Each child writes rows, and may be killed at any point.

It reads a line of JSON for each child: what to append, and where to die. Run as a program; tests use `Kennel`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from pandas_clicdata.sandbox import Sandbox

PACKAGE = Path(__file__).parents[2]


def frame_of(rows: int) -> Any:
    import pandas as pd

    return pd.DataFrame({"n": range(rows), "t": [f"row {n}" for n in range(rows)]})


def slow_pieces(sizes: list[int], seconds: float) -> Iterator[Any]:
    """Give a frame of ``sum(sizes)`` rows in pieces of these sizes, each after ``seconds``."""
    frame, start = frame_of(sum(sizes)), 0
    for size in sizes:
        time.sleep(seconds)
        yield frame[start : start + size]
        start += size


# ---------------------------------------------------------------------------------------------------------
# In the tests


class Kennel:
    """Forks processes that append."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{PACKAGE}{os.pathsep}{PACKAGE / 'tests'}"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a process with a limit of bytes would cut a module in the cache
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def start(self, sandbox: Sandbox, rec_id: int, rows: int, report: Path, **more: Any) -> int:
        """Begin an append, or another ``verb``, and return its process.

        ``die`` is the place where it kills itself, ``limit`` the largest size of a file in bytes, ``pieces`` the
        sizes of the pieces that the rows come in.
        """
        known = sandbox.credentials
        session = {"url": sandbox.url, "client_id": known.client_id, "client_secret": known.client_secret}
        session["api_version"] = more.pop("api_version", None)
        job = {"session": session, "rec_id": rec_id, "rows": rows, "report": str(report), **more}
        return int(self._ask({"start": job}))

    def wait(self, process: int) -> int:
        """Return 0, or the signal that ended the process."""
        return int(self._ask({"wait": process}))

    def _ask(self, what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


# ---------------------------------------------------------------------------------------------------------
# In the process that forks


def main() -> None:
    import pandas_clicdata  # noqa: F401  # once, for all that are forked

    frame_of(1)
    for line in sys.stdin:
        what = json.loads(line)
        if "start" in what:
            answer = os.fork()
            if not answer:
                appended(what["start"])
        else:
            _, status = os.waitpid(what["wait"], 0)
            answer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class Interrupts:
    """Raises a KeyboardInterrupt at the first SIGINT, and none once ``over`` is set."""

    def __init__(self) -> None:
        self.over = False
        signal.signal(signal.SIGINT, self)

    def __call__(self, *_: object) -> None:
        if not self.over:
            self.over = True
            raise KeyboardInterrupt


def appended(job: dict[str, Any]) -> None:
    """Append in a process of its own, and end it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    found: dict[str, Any] = {}
    try:
        found = _append(job)
    except BaseException as error:  # noqa: BLE001  # reported
        found = {"error": f"{type(error).__name__}: {error}"}
    finally:
        with contextlib.suppress(OSError):
            Path(job["report"]).write_text(json.dumps(found))
        os._exit(0)


def _append(job: dict[str, Any]) -> dict[str, Any]:
    from pandas_clicdata import Session, append

    if job.get("die"):
        _die_at(*job["die"])
    interrupts = Interrupts()
    Path(job["report"]).write_text("begun")
    if job.get("limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], resource.RLIM_INFINITY))
    session = Session(**job["session"])
    found: dict[str, Any] = {}
    try:
        how = {"rec_id": job["rec_id"], "session": session, "progress": False, **job.get("how", {})}
        if "pieces" in job:
            append(slow_pieces(job["pieces"], 0.01), **how)
        elif "verb" in job:
            getattr(frame_of(job["rows"]).clicdata, job["verb"])(**how)
        else:
            frame_of(job["rows"]).clicdata.append(check=False, **how)
        interrupts.over = True
    except BaseException as error:  # noqa: BLE001  # reported
        interrupts.over = True
        found = {"error": type(error).__name__, "text": str(error), "at": time.monotonic()}
        # The interrupt may also come between two lines here. Then the session has the receipt.
        found["has_receipt"] = getattr(error, "receipt", session.last_receipt) is session.last_receipt
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    receipt = session.last_receipt
    if receipt is not None and "verb" not in job:
        found["chunks"] = [[chunk.start, chunk.stop, chunk.state.value] for chunk in receipt.chunks_in()]
    return found


def _die_at(where: str, number: int, moment: str) -> None:
    """Kill this process at the ``number``th call of a method of the journal, or of ``execute`` of its database."""
    import sqlite3

    from pandas_clicdata.uploads import journal

    seen = iter(range(1_000_000))

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    def dying(method: Any) -> Any:
        def call(*arguments: Any) -> Any:
            now = next(seen) == number
            if now and moment == "before":
                die()
            result = method(*arguments)
            if now:
                die()
            return result

        return call

    if where == "execute":

        class Dying(sqlite3.Connection):
            execute = dying(sqlite3.Connection.execute)
            commit = dying(sqlite3.Connection.commit)

        connect = sqlite3.connect
        sqlite3.connect = lambda *a, **how: connect(*a, factory=Dying, **how)  # type: ignore[assignment]
    else:
        setattr(journal.Journal, where, dying(getattr(journal.Journal, where)))


if __name__ == "__main__":
    main()
