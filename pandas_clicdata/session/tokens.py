"""The access token of a session: one thread renews it, and all others wait for the new one."""

from __future__ import annotations

import concurrent.futures
import threading
from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from pandas_clicdata.errors import (
    AuthError,
    BadCredentials,
    ClicDataError,
    DeadlineExceeded,
    NotConnected,
    TransportError,
)
from pandas_clicdata.session.credentials import AuthorizationCode
from pandas_clicdata.session.wire import LOG_IN

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.session.credentials import Credentials, Token
    from pandas_clicdata.session.profiles import RefreshTokens

    LogIn = Callable[[Credentials, float], Token]


class Tokens:
    """The credentials of a session, and its token. Thread-safe."""

    def __init__(
        self,
        credentials: Credentials,
        on_new_refresh_token: Callable[[str], object] | None,
        store: RefreshTokens | None = None,
    ) -> None:
        self.credentials: Credentials | None = credentials  # None: the session was closed
        self._store = store
        self.token: Token | None = None
        self._on_new_refresh_token = on_new_refresh_token
        self.renew_locks()

    def renew_locks(self) -> None:
        """Use new locks: in a forked child, a thread of the parent may hold the old ones for ever."""
        self._lock = threading.Lock()
        self._renewal: Future[Token] | None = None

    def close(self) -> None:
        """Forget the credentials and the token."""
        with self._lock:
            self.credentials = self.token = None

    def forget(self, token: Token) -> None:
        """Forget a token that the service refused, unless it was replaced already."""
        with self._lock:
            if self.token is token:
                self.token = None

    def get(self, log_in: LogIn, clock: Callable[[], float], deadline: float) -> Token | None:
        """Return a token that is valid for at least a minute; None if the credentials need no token.

        If another thread is logging in, wait for its token, or raise its error.
        """
        with self._lock:
            credentials, token = self.credentials, self.token
            if credentials is None:
                raise NotConnected("this session was closed: open another with pandas_clicdata.connect(...)")
            if not credentials.needs_token:
                return None
            if token is not None and token.fresh(clock()):
                return token
            mine = self._renewal is None
            renewal = self._renewal = self._renewal or Future()
        if mine:
            self._renew(renewal, lambda: self._log_in(log_in, credentials, deadline, clock), clock)
        with suppress(concurrent.futures.TimeoutError):
            if (error := renewal.exception(max(0.0, deadline - clock()))) is None:
                return renewal.result()
            raise copy(error) from error.__cause__  # other threads wait for it too, and each adds a receipt of its own
        raise DeadlineExceeded(f"{LOG_IN}: no token within deadline= seconds", sent="no", operation=LOG_IN)

    def _log_in(self, log_in: LogIn, credentials: Credentials, deadline: float, clock: Callable[[], float]) -> Token:
        """Log in. With a store, use its newest refresh token, and write the new one before the session uses it."""
        if self._store is None or not isinstance(credentials, AuthorizationCode):
            return log_in(credentials, deadline)
        with self._store.locked(deadline - clock()) as newest:
            try:
                token = log_in(replace(credentials, refresh_token=newest), deadline)
            except BadCredentials as error:
                error.args = (f"{error.args[0]} {self._store.advice}",)
                raise
            if token.refresh is not None:
                self._store.write(token.refresh)
        return token

    def _renew(self, renewal: Future[Token], log_in: Callable[[], Token], clock: Callable[[], float]) -> None:
        try:
            renewal.set_result(self._replace(log_in()))
        except ClicDataError as error:
            token = self.token
            if token is not None and token.alive(clock()) and not isinstance(error, AuthError):
                renewal.set_result(token)  # the token is still valid, so an early renewal must not fail the call
            else:
                renewal.set_exception(error.with_traceback(None))  # the frames of the log-in hold the token
        except (KeyboardInterrupt, SystemExit) as interrupt:
            raise interrupt.with_traceback(None) from None
        finally:
            with self._lock:
                self._renewal = None
            if not renewal.done() and self.token is not None:  # the callback raised, but the token came
                renewal.set_result(self.token)
            elif not renewal.done():
                message = f"{LOG_IN}: the thread that was logging in stopped"
                renewal.set_exception(TransportError(message, sent="no", operation=LOG_IN))

    def _replace(self, token: Token) -> Token:
        with self._lock:
            if self.credentials is not None:
                self.token = token
                self.credentials = self.credentials.renewed(token)
        if token.refresh is not None and self._on_new_refresh_token is not None:
            self._on_new_refresh_token(token.refresh.reveal())
        return token
