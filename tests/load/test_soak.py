"""A long run with 5 % faults, after which the process holds no more resources than before (C15).

It takes a minute with ``--long``, and with ``--soak MINUTES`` as long as that says (30 is what a night is for); a plain
run is too short for it. What is held is read from ``/proc/self`` of a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter, deque
from pathlib import Path
from typing import Any

import pytest

import totals
from load.soaker import AT_ONCE
from scripted import Says, ScriptedServer, Seen, drip, reset

SECONDS = float(os.environ.get("CLICDATA_SOAK", "0"))
FAULTED = 0.05
MIB = 1 << 20
PROGRAM = Path(__file__).with_name("soaker.py")
OK = b"HTTP/1.1 200 OK\r\n"

FAULTS: dict[str, Says] = {
    "reset": Says(raw=reset),
    "closed": Says(raw=lambda _: None),
    "cut": Says(raw=lambda c: c.sendall(OK + b'Content-Length: 90\r\n\r\n{"data": [')),
    "bad chunk": Says(raw=lambda c: c.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")),
    "bad gzip": Says(b"no", headers={"Content-Encoding": "gzip"}),
    "no HTTP": Says(raw=lambda c: c.sendall(b"SSH-2.0\r\n")),
    "silence": Says({"data": []}, after=0.3),
    "drip": Says(raw=lambda c: [c.sendall(OK + b"Content-Length: 9\r\n\r\n")] and drip(0.01, b"1234567")(c)),
    "a web page": Says(b"<html>"),
    "nothing": Says(b""),
    "unclear": Says({"success": "maybe"}),
    "refused under 200": Says({"success": False, "error": {"code": "validation"}}),
    "redirect": Says(b"", 302, {"Location": "http://127.0.0.1:9/"}),
    "cookie and 500": Says(b"", 500, {"Set-Cookie": "a=b"}),
    **{str(status): Says(b"", status, {"Retry-After": "0"}) for status in (401, 403, 404, 408, 429, 502, 503, 504)},
}


class Service:
    """A service with a constant table. One in twenty of its answers has a fault."""

    def __init__(self) -> None:
        self.requests = 0
        self.faults: Counter[str] = Counter()
        self._dice = random.Random(15)
        self._together = threading.Barrier(AT_ONCE)
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> Says:
        with self._lock:
            self.requests += 1
            fault = self._dice.choice(list(FAULTS)) if self._dice.random() < FAULTED else None
        if seen.path == "/meet":
            self._together.wait(20)
            return Says({"data": []})
        if seen.path == "/requests":
            return Says({"data": [self.requests]})
        if fault is not None:
            self.faults[fault] += 1
            return FAULTS[fault]
        return self._answer(seen)

    def _answer(self, seen: Seen) -> Says:
        modern = "api_version" in seen.query
        if seen.path == "/oauth20/token":
            return Says({"access_token": f"token-{self.requests}", "expires_in": 62})
        if seen.path == "/data":
            return Says({"data": [{"id": 5, "name": "Always the same"}], "count": 1})
        if seen.method == "GET":
            number = int(seen.query["page"])
            rows = [{"n": n, "t": f"row {n}"} for n in range(10 * number - 10, 10 * number)]
            if not modern:
                return Says({"data": rows, "has_more_data": number < 3})
            flags = {"has_more_results": number < 3, "result_total_count": 30}
            return Says({"success": True, "result": rows, "pagination": flags})
        if modern:
            count = len(json.loads(seen.body).get("data", [0]))
            return Says({"success": True, "result": {"rows_inserted": count, "rows_found": 1}})
        return Says({"success": True})


def soaked(seconds: float) -> tuple[dict[str, Any], Service]:
    service = Service()
    with ScriptedServer(service) as server:
        server.seen = deque(maxlen=10)  # type: ignore[assignment]  # it is only appended to
        # Memory that allocators reserve for each thread doesn't count.
        plain = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        environment = {**os.environ, **plain, "PYTHONPATH": os.pathsep.join([str(PROGRAM.parents[2]), *sys.path])}
        command = [sys.executable, str(PROGRAM), server.url, str(seconds)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 100, env=environment, check=False
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), service


def slope(samples: list[dict[str, int]], name: str) -> float:
    """Return the growth in bytes for each request, by least squares."""
    count = len(samples)
    x, y = [one["requests"] for one in samples], [one[name] for one in samples]
    mean_x, mean_y = sum(x) / count, sum(y) / count
    over = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return over / sum((a - mean_x) ** 2 for a in x)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.skipif(not SECONDS, reason="with --long")
@pytest.mark.timeout(SECONDS + 200)
def test_a_long_run_leaks_no_memory_socket_file_or_thread() -> None:
    """C15: sockets, files and threads the same at each look, memory no steeper than 1 MiB in 10,000 requests."""
    found, service = soaked(SECONDS)
    samples = found["samples"]
    sys.stderr.write(f"{service.requests} requests, {service.faults.total()} faults, {found}\n")  # shown if it fails
    assert len(samples) >= 8
    for name in ("sockets", "files", "threads"):
        assert {one[name] for one in samples} == {samples[0][name]}, name
    assert samples[0]["sockets"] == 2 * AT_ONCE, "as many connections as there were calls at once, in each session"
    assert found["closed"]["sockets"] == 0
    assert found["closed"]["files"] == samples[0]["files"] - 2 * AT_ONCE
    steeper = slope(samples[len(samples) // 3 :], "resident")
    assert steeper * 10_000 <= MIB
    assert service.faults.total() > 0.03 * service.requests
    totals.add("requests of the soak", service.requests)
    totals.add("faults of the soak", service.faults.total())
