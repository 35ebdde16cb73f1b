"""Faults that only these tests use, made from the sandbox's faults. Each takes the sandbox's ``faults``."""

from __future__ import annotations

import json
import re
import select
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pandas_clicdata.sandbox.faults import Hangup

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pandas_clicdata.sandbox import Fault, Faults, Received


def keep_rows(faults: Faults, count: int, **where: Any) -> Fault:
    """Store only the first rows of a request, and say so where the response has a count."""

    def first_rows(request: Received) -> Received:
        rows = json.loads(request.body)["data"]
        return replace(request, body=json.dumps({"data": rows[:count]}).encode())

    return faults.edit_request(first_rows, **where)


def repeat_page(faults: Faults, **where: Any) -> Fault:
    """Return the page before the one that was requested."""

    def page_before(request: Received) -> Received:
        page = max(1, int(request.query.get("page", "1")) - 1)
        return replace(request, query={**request.query, "page": str(page)})

    return faults.edit_request(page_before, **where)


def endless_pages(faults: Faults, **where: Any) -> Fault:
    """Say on each page that more pages follow."""

    def promise_more(fields: dict[str, Any]) -> None:
        if "has_more_data" in fields:
            fields["has_more_data"] = True
        if "pagination" in fields:
            fields["pagination"] |= {"has_more_results": True, "last_page": False}

    return faults.edit(_of_fields(promise_more), **where)


def without_paging(faults: Faults, **where: Any) -> Fault:
    """Leave out every field that says whether more pages follow."""

    def remove_paging(fields: dict[str, Any]) -> None:
        fields.pop("has_more_data", None)
        fields.pop("pagination", None)

    return faults.edit(_of_fields(remove_paging), **where)


def _of_fields(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def edited(body: bytes) -> bytes:
        fields = json.loads(body)
        change(fields)
        return json.dumps(fields).encode()

    return edited


def cut(faults: Faults, keep: float = 0.5, *, reset: bool = False, **where: Any) -> Fault:
    """Send this part of the body under the length of the whole body, then close the connection."""

    def send_part(connection: socket.socket, head: bytes, body: bytes) -> None:
        connection.sendall(head + body[: int(len(body) * keep)])
        if reset:
            raise Hangup(reset=True)

    return faults.deliver(send_part, **where)


def drip(faults: Faults, seconds: float, *, size: int = 1, **where: Any) -> Fault:
    """Send the body ``size`` bytes at a time, each after so many seconds, until either side closes."""

    def send_slowly(connection: socket.socket, head: bytes, body: bytes) -> None:
        connection.sendall(head)
        for start in range(0, len(body), size):
            if select.select([connection], [], [], seconds)[0]:
                return
            connection.sendall(body[start : start + size])

    return faults.deliver(send_slowly, **where)


def bad_chunk(faults: Faults, **where: Any) -> Fault:
    """Send the body in chunks, the second with a length that is no number."""

    def send_chunks(connection: socket.socket, head: bytes, body: bytes) -> None:
        head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
        half = len(body) // 2
        connection.sendall(head + b"%x\r\n%b\r\nzz\r\n%b\r\n" % (half, body[:half], body[half:]))

    return faults.deliver(send_chunks, **where)


def gzip_bomb(faults: Faults, megabytes: int = 256, **where: Any) -> Fault:
    """Respond with a small body that unpacks to so many megabytes of valid JSON."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(b'{"data":[')]
    parts += [packer.compress(b" " * 1_048_576) for _ in range(megabytes)]
    parts += [packer.compress(b'],"has_more_data":false}'), packer.flush()]
    return faults.answer(b"".join(parts), headers={"Content-Encoding": "gzip"}, applied=True, **where)


OWN = (keep_rows, repeat_page, endless_pages, without_paging, cut, drip, bad_chunk, gzip_bomb)


def add(faults: Faults, kind: str, **how: Any) -> Fault:
    """Add a fault by its name: one of this module or of the sandbox."""
    by_name = {function.__name__: function for function in OWN}
    return by_name[kind](faults, **how) if kind in by_name else getattr(faults, kind)(**how)
