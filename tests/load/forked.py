"""A process that forks children while it makes calls; the process and its children use the same session.

Run as a program: URL, children, calls of each. It prints a line of JSON with the wrong answers of each side.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from pandas_clicdata import Session
from pandas_clicdata.session.wire import get

THREADS = 4  # of the parent, so that calls are under way at each fork


def wrong(session: Session, first: int, calls: int) -> int:
    """Return the number of calls that get the answer of another call."""
    missed = 0
    for number in range(first, first + calls):
        asked = get("echo", f"/data/{number}", key="data", query=(("pid", str(os.getpid())),))
        missed += session.call(asked).value() != [{"id": number, "pid": os.getpid()}]
    return missed


def child(session: Session, first: int, calls: int) -> None:
    """Call from two threads, return problems as the exit status, and end without the cleanup of the parent."""
    status = 255
    try:
        found: list[int] = []
        other = threading.Thread(target=lambda: found.append(wrong(session, first, calls // 2)))
        other.start()
        found.append(wrong(session, first + calls // 2, calls - calls // 2))
        other.join(60)
        status = min(sum(found), 200) if len(found) == 2 else 254
    finally:
        os._exit(status)


def main() -> None:
    url, children, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    session = Session(client_id="one", client_secret="s", url=url)
    mine = [wrong(session, 1, 5)]
    over = threading.Event()

    def go_on(first: int) -> None:
        number = first
        while not over.is_set():
            mine.append(wrong(session, number, 5))
            number += 5

    threads = [threading.Thread(target=go_on, args=(10**6 * (n + 1),)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    pids = []
    for n in range(children):
        pid = os.fork()
        if not pid:
            child(session, 10**7 * (n + 1), calls)
        pids.append(pid)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    over.set()
    for thread in threads:
        thread.join(60)
    sys.stdout.write(json.dumps({"children": statuses, "parent": sum(mine), "calls": 5 * len(mine)}))


if __name__ == "__main__":
    main()
