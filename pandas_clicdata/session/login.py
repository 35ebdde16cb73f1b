"""Log in by an authorization code: the browser is redirected to this machine, or the user pastes the code."""

from __future__ import annotations

import os
import queue
import secrets
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from pandas_clicdata.errors import BadCredentials, DeadlineExceeded, InputError, ProtocolError, server_text
from pandas_clicdata.session.credentials import ClientCredentials, Code, Secret
from pandas_clicdata.session.wire import LOG_IN

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from pandas_clicdata.session.session import Session

NOWHERE = "http://127.0.0.1/"  # nothing listens there: the browser shows an error, and an address with the code

_PAGE = "<!doctype html><html lang=en><meta charset=utf-8><title>ClicData</title><p>{}</p></html>"


def refresh_token_by_browser(
    app: Session, open_page: Callable[[str], object], *, scope: str | None = None, port: int = 0, seconds: float = 300
) -> Secret:
    """Return the refresh token of the user who logs in on a page of ClicData.

    Parameters
    ----------
    app : Session
        A session of the API app, by client credentials.
    open_page : callable
        Called with the address of the page. It shows the page to the user, in a browser on this machine.
    scope : str, optional
        The rights of the token: names, with a blank between each two.
    port : int, default 0
        The port of this machine to which the browser is redirected; 0 takes any free port.
    seconds : float, default 300
        How long to wait for the user.

    Raises
    ------
    BadCredentials
        The user or ClicData refused.
    DeadlineExceeded
        The browser was not redirected in time.
    """
    state = secrets.token_urlsafe(24)
    with _Door(state, port) as door:
        open_page(page_of(app, door.redirect_uri, state, scope))
        code = door.wait(seconds)
    return _exchange(app, code, door.redirect_uri)


def refresh_token_by_paste(
    app: Session, ask: Callable[[str], str], *, scope: str | None = None, redirect_uri: str = NOWHERE
) -> Secret:
    """Return the refresh token of a user who pastes the code, such as on a machine without a browser.

    ``ask`` is called with the address of the page. It returns the code, or the whole address to which the browser was
    redirected. ``redirect_uri`` is this address without the code; the API app must allow it.
    """
    state = secrets.token_urlsafe(24)
    return _exchange(app, code_of(ask(page_of(app, redirect_uri, state, scope)), state), redirect_uri)


def page_of(app: Session, redirect_uri: str, state: str, scope: str | None) -> str:
    """Return the address of the page on which a user grants access to the API app."""
    query = {"response_type": "code", "client_id": app.client_id, "redirect_uri": redirect_uri, "state": state}
    query |= {"scope": scope} if scope else {}
    return f"{app.url}oauth20/authorize?{urlencode(query)}"  # C: a port of this machine, and the state (O21)


def code_of(pasted: str, state: str) -> Secret:
    """Return the code from the text that a user pasted: the code itself, or an address with the code."""
    pasted = pasted.strip()
    if "=" not in pasted:
        if not pasted or not pasted.isprintable():
            raise InputError("log in: no code was pasted")
        return Secret(pasted)
    found = _code_in(pasted, state, is_pasted=True)
    if found is None:
        raise InputError("log in: the address is of another log-in: paste the one that the browser shows now")
    return found


def _code_in(address: str, state: str, *, is_pasted: bool = False) -> Secret | None:
    """Return the code in an address; None if it has the state of another log-in. Raise if the log-in was refused."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    is_refusal = is_pasted and "error" in query and "state" not in query
    if not is_refusal and not secrets.compare_digest(query.get("state", "").encode(), state.encode()):
        return None
    if query.get("code"):
        return Secret(query["code"])
    reason = server_text(query.get("error_description") or query.get("error") or "no code came")
    query.clear()
    raise BadCredentials(f"{LOG_IN}: ClicData or its user refused: {reason}", operation=LOG_IN)


def _exchange(app: Session, code: Secret, redirect_uri: str) -> Secret:
    held = app._tokens.credentials
    assert isinstance(held, ClientCredentials)
    token = app.token_for(Code(held.client_id, held.client_secret, code, redirect_uri))
    if token.refresh is None:
        raise ProtocolError(f"{LOG_IN}: ClicData gave no refresh token for the code", operation=LOG_IN)
    return token.refresh


class _Door:
    """A port of this machine that accepts one redirect of a browser: the first one with the right state."""

    def __init__(self, state: str, port: int) -> None:
        found: queue.SimpleQueue[Secret | BadCredentials] = queue.SimpleQueue()
        first = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # browsers open connections ahead of time
            server_version, sys_version = "pandas-clicdata", ""

            def do_GET(self) -> None:
                came: Secret | BadCredentials | None
                try:
                    came = _code_in(self.path, state)
                except BadCredentials as error:
                    came = error.with_traceback(None)
                if came is None or not first.acquire(blocking=False):
                    self.answer(404, "There is nothing here.")
                    return
                done = "You are logged in." if isinstance(came, Secret) else "The log-in was refused."
                self.answer(200, f"{done} You can close this window.")
                found.put(came)

            def answer(self, status: int, words: str) -> None:
                body = _PAGE.format(words).encode()
                self.send_response(status)
                headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))}
                headers |= {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Connection": "close"}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Log nothing: the path has the code."""

        class Server(ThreadingHTTPServer):
            allow_reuse_address = os.name == "posix"  # on Windows, another program could take the port too

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Print nothing: the browser may hang up at any time."""

        try:
            self._server = Server(("127.0.0.1", port), Handler)
        except OSError as error:
            raise InputError(f"{LOG_IN}: port {port} of this machine can't be used: {error.strerror}") from None
        self._found = found
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, seconds: float) -> Secret:
        """Wait for the code, and return it."""
        came: Secret | BadCredentials | None = None
        with suppress(queue.Empty):
            came = self._found.get(timeout=seconds)
        if came is None:
            message = f"{LOG_IN}: the browser did not come back within {seconds:g} seconds"
            raise DeadlineExceeded(message, sent="no", operation=LOG_IN)
        if isinstance(came, BadCredentials):
            raise came
        return came
