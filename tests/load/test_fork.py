"""A session that is used in forked children (C17): each side gets its own answers over its own connections.

``CLICDATA_CALLS`` is how many calls each thread makes, and each child half as many again: 300 for ``--long``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import totals
from scripted import Says, ScriptedServer, Seen

CHILDREN = 8
CALLS = int(os.environ.get("CLICDATA_CALLS", "16")) * 3 // 2
PROGRAM = Path(__file__).with_name("forked.py")


class Echo:
    """Answers with the number and the process of the request; its tokens expire all the time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens = 0

    def __call__(self, seen: Seen) -> Says:
        if seen.path == "/oauth20/token":
            with self._lock:
                self._tokens += 1
                return Says({"access_token": f"token-{self._tokens}", "expires_in": 60.05})
        return Says({"data": [{"id": int(seen.path.rsplit("/", 1)[1]), "pid": int(seen.query["pid"])}]})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_children_get_their_own_answers() -> None:
    """C17: 8 children with 300 requests each from a warm session, while 4 threads of the parent call and log in."""
    with ScriptedServer(Echo()) as server:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", str(PROGRAM), server.url]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROGRAM.parents[2]), *sys.path])}
        command += [str(CHILDREN), str(CALLS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        processes: dict[int, set[str]] = {}
        for seen in server.seen:
            if seen.path != "/oauth20/token":
                processes.setdefault(seen.connection, set()).add(seen.query["pid"])
    assert found["children"] == [0] * CHILDREN, done.stderr
    assert found["parent"] == 0
    assert found["calls"] > 5, "the parent called too"
    assert len({pid for pids in processes.values() for pid in pids}) == 1 + CHILDREN
    assert all(len(pids) == 1 for pids in processes.values()), "two processes on one connection"
    totals.add("calls on both sides of a fork", found["calls"] + CHILDREN * CALLS)
