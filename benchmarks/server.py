"""A source and sink of rows in a process of its own: as little work as can be, so that the client is what is measured.

Pages are kept ready-made; rows that are sent are counted, not parsed. ``python server.py FILE`` prints its port; the
file is a msgpack list of the rows of each page.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import requests
from pages import PAGE_ROWS, legacy_page, modern_page

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"
_CELL_ROW, _OBJECT_ROW = b'[{"column"', b'{"order_id":'  # neither can stand in a text: its quotes are escaped


class State:
    """What the server has, and what it was sent."""

    def __init__(self, pages: list[bytes]) -> None:
        total = sum(page.count(_OBJECT_ROW) for page in pages)
        last = len(pages)
        self.legacy = [legacy_page(page, more=n < last) for n, page in enumerate(pages, 1)]
        self.modern = [
            modern_page(page, n, page.count(_OBJECT_ROW), total, PAGE_ROWS) for n, page in enumerate(pages, 1)
        ]
        self.total = total
        self.latency = 0.0
        self.keep = False
        self.kept: list[bytes] = []
        self.rows = self.requests = 0

    def answer(self, method: str, target: str, body: bytes) -> tuple[bytes, float]:
        """What to answer, and after how many seconds."""
        url = urlsplit(target)
        query = parse_qs(url.query)
        if url.path == "/control":
            return self._controlled(method, body), 0.0
        if url.path == "/oauth20/token":
            return b'{"access_token":"token","expires_in":86400}', self.latency
        self.requests += 1
        modern = "api_version" in query
        if method == "GET":
            return self._page(int(query["page"][0]), modern=modern), self.latency
        rows = body.count(_OBJECT_ROW if modern else _CELL_ROW)
        self.rows += rows
        if self.keep:
            self.kept.append(body)
        return (
            b'{"success":true,"result":{"rows_inserted":%d}}' % rows if modern else b'{"success":true}'
        ), self.latency

    def _page(self, number: int, *, modern: bool) -> bytes:
        if number > len(self.legacy):
            return modern_page(b"[]", number, 0, self.total) if modern else legacy_page(b"[]", more=False)
        return (self.modern if modern else self.legacy)[number - 1]

    def _controlled(self, method: str, body: bytes) -> bytes:
        if method == "GET":
            return msgspec.msgpack.encode({"rows": self.rows, "requests": self.requests, "kept": self.kept})
        told = msgspec.json.decode(body)
        self.latency, self.keep = told["latency"], told["keep"]
        self.rows = self.requests = 0
        self.kept = []
        return b"{}"


class Connection(asyncio.Protocol):
    """HTTP/1.1, kept alive; bodies by Content-Length only."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._pieces: list[bytes] = []
        self._held = 0
        self._needed = 0  # bytes of the whole request, 0 while its head is not there
        self._head = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if not self._needed:
            joined = b"".join(self._pieces)
            self._pieces = [joined]
            end = joined.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = joined[:end]
            self._needed = end + 4 + _content_length(self._head)
        if self._held >= self._needed:
            self._whole(b"".join(self._pieces))

    def _whole(self, request: bytes) -> None:
        method, target, _ = self._head.split(b"\r\n", 1)[0].decode().split(" ")
        body = request[len(self._head) + 4 :]
        self._pieces, self._held, self._needed = [], 0, 0
        answer, seconds = self._state.answer(method, target, body)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._transport.write, head + answer)
        else:
            self._transport.writelines([head, answer])


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve(state: State) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(state), HOST, 0, backlog=128)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Server:
    """A running server, to be used in a ``with`` block."""

    def __init__(self, pages: list[bytes]) -> None:
        self._pages = pages

    def __enter__(self) -> Server:
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name, "pages")
        file.write_bytes(msgspec.msgpack.encode(self._pages))
        command = [sys.executable, __file__, str(file)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://{HOST}:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def begin(self, *, latency: float = 0.0, keep: bool = False) -> None:
        """Start to count anew."""
        requests.post(f"{self.url}/control", json={"latency": latency, "keep": keep}, timeout=60)

    def received(self) -> dict[str, Any]:
        """``rows``, ``requests``, and ``kept``: the bodies."""
        return msgspec.msgpack.decode(requests.get(f"{self.url}/control", timeout=600).content)


if __name__ == "__main__":
    asyncio.run(_serve(State(msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes()))))
