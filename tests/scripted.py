"""A server on a real socket whose answers a test defines."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Seen:
    """A received request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Says:
    """An answer. If ``raw`` is given, it is called with the socket instead."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0
    raw: Callable[[socket.socket], None] | None = None

    def text(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


TOKEN = Says({"access_token": "token-1", "expires_in": 3600})


class ScriptedServer:
    """Answers each request with what ``script`` returns for it, and records it.

    With ``one_at_a_time``, connections are served one after another, and each ends after one answer.
    """

    def __init__(self, script: Callable[[Seen], Says], *, one_at_a_time: bool = False) -> None:
        self.seen: list[Seen] = []
        self.script = script
        self.released = threading.Event()
        connections = iter(range(1_000_000))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0" if one_at_a_time else "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                self.number = next(connections)

            def log_message(self, *_: object) -> None:
                pass

            def _any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(
                    self.command,
                    parts.path,
                    dict(parse_qsl(parts.query)),
                    headers,
                    self.rfile.read(length),
                    self.number,
                )
                outer.seen.append(seen)
                outer._answer(self, outer.script(seen))

            do_GET = do_POST = do_PUT = do_DELETE = _any

        class Server(HTTPServer if one_at_a_time else ThreadingHTTPServer):  # type: ignore[misc]
            daemon_threads = True
            request_queue_size = 32

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _answer(self, handler: BaseHTTPRequestHandler, says: Says) -> None:
        if says.after:
            self.released.wait(says.after)
        if says.raw is not None:
            with suppress(OSError):
                says.raw(handler.connection)
            handler.close_connection = True
            with suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)
            return
        text = says.text()
        with suppress(OSError):
            handler.send_response(says.status)
            for name, value in {"Content-Type": "application/json", **says.headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)

    def paths(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def in_turn(*answers: Says) -> Callable[[Seen], Says]:
    """Return a script of these answers; the last one is repeated."""
    waiting = list(answers)

    def script(_: Seen) -> Says:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return script


def reset(connection: socket.socket) -> None:
    """Reset the connection without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()


def drip(seconds: float, text: bytes) -> Callable[[socket.socket], None]:
    """Send a byte, wait, send the next."""

    def send(connection: socket.socket) -> None:
        for byte in text:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)

    return send
