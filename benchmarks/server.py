"""A local server with ready pages, in a process of its own. On request it keeps the bodies that it gets."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ours
import pandas as pd

PAGE_ROWS = 1_000
_ROW_START = b'{"order_id":'  # of an object; no text holds it, since quotes in texts are escaped


def page_bodies(frame: pd.DataFrame, dialect: str) -> list[bytes]:
    """Return the response bodies of all pages, and that of an empty page after them."""
    bodies = [body[len(b'{"data":') : -1] for body in ours.encode(frame, "objects", PAGE_ROWS)]
    total, last = len(frame), len(bodies)
    pages = []
    for number, rows in enumerate([*bodies, b"[]"], 1):
        more = number < last
        if dialect == "legacy":
            pages.append(b'{"data":' + rows + b',"has_more_data":' + json.dumps(more).encode() + b"}")
        else:
            counts = {"result_total_count": total, "current_page": number, "page_size": PAGE_ROWS}
            pagination = json.dumps({**counts, "has_more_results": more}).encode()
            pages.append(b'{"success":true,"result":' + rows + b',"pagination":' + pagination + b"}")
    return pages


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    data_sets: dict[int, list[bytes]]
    latency = 0.0
    keep = False
    bodies: list[bytes]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        # An append looks at page 1 first: a data set of no pages is empty.
        empty = [b'{"success":true,"data":[],"has_more_data":false}']
        pages = self.data_sets.get(int(url.path.rpartition("/")[2]), empty)
        self._respond(pages[min(int(parse_qs(url.query)["page"][0]), len(pages)) - 1])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/oauth20/token"):
            self._respond(b'{"access_token":"token","expires_in":86400}')
            return
        if self.keep:
            self.bodies.append(body)
        counted = b',"result":{"rows_inserted":%d}' % body.count(_ROW_START)
        self._respond(b'{"success":true' + (b"" if "/row" in self.path else counted) + b"}")

    do_PUT = do_POST  # noqa: N815

    def _respond(self, body: bytes) -> None:
        time.sleep(self.latency)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.wfile.write(head % len(body) + body)

    def log_message(self, *_: Any) -> None:
        pass


def _serve(data_sets: dict[int, list[bytes]], pipe: Any) -> None:
    _Handler.data_sets, _Handler.bodies = data_sets, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    while True:
        latency, keep = pipe.recv()
        pipe.send(_Handler.bodies)
        _Handler.latency, _Handler.keep, _Handler.bodies = latency, keep, []


class Server:
    """A running server, for a ``with`` block. Each data set is a list of page bodies."""

    def __init__(self, data_sets: dict[int, list[bytes]] | None = None) -> None:
        self._pipe, their_pipe = get_context("spawn").Pipe()
        self._process = get_context("spawn").Process(target=_serve, args=(data_sets or {}, their_pipe), daemon=True)

    def __enter__(self) -> Server:
        self._process.start()
        self.url = f"http://127.0.0.1:{self._pipe.recv()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def begin(self, latency: float = 0.0, *, keep: bool = False) -> list[bytes]:
        """Set the latency in seconds; return the request bodies kept since the last call."""
        self._pipe.send((latency, keep))
        return self._pipe.recv()
