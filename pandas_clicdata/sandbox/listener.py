"""The loopback socket: HTTP/1.1 connections that are kept alive until the sandbox closes."""

from __future__ import annotations

import errno
import logging
import socket
import struct
import threading
from contextlib import suppress
from http.client import responses
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from werkzeug.datastructures import Headers
from werkzeug.serving import DechunkedInput, WSGIRequestHandler, make_server

from pandas_clicdata.sandbox.faults import Exchange, Hangup, Received

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from pandas_clicdata.sandbox.answers import Answer
    from pandas_clicdata.sandbox.service import Service

_log = logging.getLogger(__name__)
HOST = "127.0.0.1"
_POLL = 0.5  # seconds between checks whether to stop, if the wake-up connection fails


class Listener:
    """A listening socket, its thread, and one thread for each connection."""

    def __init__(self, port: int, service: Service) -> None:
        self.closing = threading.Event()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        with _bound(port) as bound:
            self.port: int = bound.getsockname()[1]
            handler = type("_Handler", (_Connection,), {"service": service, "listener": self})
            self._server = make_server(
                HOST, self.port, _no_wsgi, threaded=True, request_handler=handler, fd=bound.fileno()
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name=f"clicdata sandbox {self.port}", daemon=True
        )
        self._thread.start()

    def opened(self, connection: socket.socket) -> None:
        """Register the connection of this thread."""
        with self._lock:
            self._connections[threading.current_thread()] = connection

    def closed(self) -> None:
        """Forget the connection of this thread."""
        with self._lock:
            self._connections.pop(threading.current_thread(), None)

    def close(self) -> None:
        """Stop listening, end every connection, and wait for their threads."""
        self.closing.set()
        stopping = threading.Thread(target=self._server.shutdown)
        stopping.start()
        while stopping.is_alive():  # each new connection makes the server check whether to stop
            with suppress(Exception):  # a test may have blocked the network
                socket.create_connection((HOST, self.port), 0.1).close()
            stopping.join(0.01)
        self._thread.join()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections:
            thread.join(2)


class _Connection(WSGIRequestHandler):
    """One connection: request after request, until either side closes it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: ClassVar[Service]
    listener: ClassVar[Listener]

    def setup(self) -> None:
        super().setup()
        self.listener.opened(self.connection)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.listener.closed()

    def run_wsgi(self) -> None:
        """Handle one request. Werkzeug's own method closes the connection after each."""
        url = urlsplit(self.path)
        received = Received(
            method=self.command,
            path=unquote(url.path),
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers=Headers(self.headers.items()),
        )
        exchange = Exchange(received, self.connection, self.rfile, self.listener.closing)
        try:
            self.service.arrival(exchange)
            received.body = self._body()
            self._send(self.service.answer(exchange))
        except Hangup as hangup:
            self.close_connection = True
            _hang_up(self.connection, reset=hangup.reset)
        except OSError:  # the caller hung up
            self.close_connection = True
        except Exception:  # noqa: BLE001 - a bug here, or in the function of a fault
            _log.exception("%s %s", received.method, received.path)
            self.close_connection = True

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return DechunkedInput(cast("IO[bytes]", self.rfile)).readall() or b""
        length = self.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()):
            raise Hangup(reset=False)
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # the caller hung up
            raise Hangup(reset=False)
        return body

    def _send(self, answer: Answer) -> None:
        self.close_connection = self.close_connection or answer.delivery is not None
        head = self._head(answer)
        body = b"" if self.command == "HEAD" or answer.status in (204, 304) else answer.body
        if answer.delivery is None:
            self.connection.sendall(head + body)
        else:
            answer.delivery(self.connection, head, body)

    def _head(self, answer: Answer) -> bytes:
        fields = {
            "Server": "clicdata-sandbox",
            "Date": self.date_time_string(),
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
            **({"Connection": "close"} if self.close_connection else {}),
            **answer.headers,
        }
        lines = [
            f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}",
            *(f"{name}: {value}" for name, value in fields.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - Werkzeug's name
        """Print nothing: ``Sandbox.requests`` has every request."""


def _hang_up(connection: socket.socket, *, reset: bool) -> None:
    """Close a connection whose file objects are still open; a reset is sent without a FIN before it."""
    with suppress(OSError):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(connection.detach())
        else:
            connection.shutdown(socket.SHUT_WR)


def _bound(port: int) -> socket.socket:
    """Return a listening socket. Werkzeug's own socket would exit the process if the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # On Windows, SO_REUSEADDR would let two programs listen on the port.
        option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        listening.setsockopt(socket.SOL_SOCKET, option, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                errno.EADDRINUSE, f"Port {port} is taken; choose another, or port=0 for any free one"
            ) from None
        raise
    except BaseException:
        listening.close()
        raise
    return listening


def _no_wsgi(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
    raise RuntimeError("requests are handled by run_wsgi")
