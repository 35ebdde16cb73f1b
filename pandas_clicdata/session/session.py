"""A session with one account. Each call logs in, sends a request, judges the response, and repeats if needed."""

from __future__ import annotations

import html
import logging
import math
import os
import random
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

from pandas_clicdata.errors import (
    ApiError,
    ApiVersionError,
    BadCredentials,
    ClicDataError,
    InputError,
    NotConnected,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    RedirectRefused,
    TransportError,
    UsageError,
    public,
    server_text,
)
from pandas_clicdata.session import arguments, profiles, retry, wire
from pandas_clicdata.session.credentials import Credentials, Token, credentials_of, hide, login_error, token_of
from pandas_clicdata.session.tokens import Tokens
from pandas_clicdata.session.transport import HttpRequest, Limits, Transport
from pandas_clicdata.session.watching import Watcher
from pandas_clicdata.session.wire import LOG_IN, Answer, Dialect, DialectChanged, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.session.watching import CallRecord

_log = logging.getLogger(__name__)


@cache
def package_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("pandas-clicdata")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0+unknown"


@dataclass
class _Call:
    """One call under way."""

    request: Request
    deadline: float  # the second at which the call must end
    attempt: int = 1
    sent: bool = False  # whether the service may have done something


class Session:
    """One connection to one account of ClicData.

    A session is safe to use from several threads, and in a forked child. It can't be pickled.

    Parameters
    ----------
    auth_method : {"client_credentials", "basic", "api_key", "authorization_code"}, optional
        How to log in. By default, the credentials that are given decide.
    client_id, client_secret : str, optional
        The id and the secret of an API app, from ClicData's *Account > API Apps*.
    username, password : str, optional
        The name and the password of a user, for ``"basic"`` (with ``client_id``).
    api_key : str, optional
        The key, for ``"api_key"``.
    refresh_token : str, optional
        The token, for ``"authorization_code"`` (with ``client_id`` and ``client_secret``). Each renewal replaces it.
    url : str, default "https://api.clicdata.com/"
        The URL of the service. ``http://`` is accepted for this machine only.
    api_version : str or None, default "auto"
        ``"auto"`` uses the legacy dialect, without a version, and changes to ``"2022.01"`` when the service requires a
        version. An API key starts with ``"2022.01"``. None always uses the legacy dialect. Any other text always uses
        that version, which must not be below 2022.01.
    timeout : float or (float, float), default (5, 60)
        The seconds to connect, and the seconds that each step of sending and reading may take, in one attempt.
    deadline : float, default 300
        The seconds that one request may take, with all its attempts and pauses. A read or an append sends many.
    max_retries : int, default 3
        The number of attempts after the first. A write whose outcome is unknown is never sent again.
    ca_bundle : str or path, optional
        A file or folder of certificates to trust instead of the usual ones.
    on_new_refresh_token : callable, optional
        A function that is called with each new refresh token (a str), to store it.
    profile : str, optional
        The name of a profile in the user's file, which holds the credentials; don't give others. ``url``,
        ``api_version`` and ``ca_bundle`` of the profile are defaults. A new refresh token is written to the profile.
    on_call : callable, optional
        A function that is called with a `CallRecord` after each attempt of each request, also of log-ins. The record
        holds no secret. Several threads may call the function at the same time. An attempt that Ctrl-C interrupts is
        not reported. An error of the function doesn't stop the call: the first one is logged as a warning.

    Raises
    ------
    InputError
        An argument can't be used, or credentials are missing.
    NotConnected
        The profile can't be used.

    Examples
    --------
    >>> with Session(api_key=sandbox.credentials.api_key, url=sandbox.url) as session:
    ...     len(Data(session=session).get_data())
    3
    """

    # Defaults, so that repr works while __init__ runs.
    _url = _auth_method = "?"
    _version: str | None = None

    @public
    @arguments.refuse_unknown
    def __init__(
        self,
        auth_method: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        username: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        refresh_token: str | None = None,
        url: str = arguments.DEFAULT_URL,
        api_version: str | None = arguments.AUTO,
        timeout: float | tuple[float, float] = (5, 60),
        deadline: float = 300,
        max_retries: int = 3,
        ca_bundle: str | os.PathLike[str] | None = None,
        on_new_refresh_token: Callable[[str], object] | None = None,
        *,
        profile: str | None = None,
        on_call: Callable[[CallRecord], object] | None = None,
    ) -> None:
        given = {
            "client_id": client_id,
            "client_secret": client_secret,
            "username": username,
            "password": password,
            "api_key": api_key,
            "refresh_token": refresh_token,
        }
        credentials: Credentials | ClicDataError
        store, checked_url = None, ""
        try:
            if profile is None:
                credentials = credentials_of(auth_method, given)
            else:
                held = profiles.load(profile, auth_method, given)
                credentials, store = held.credentials, held.store
                url, api_version, ca_bundle = held.completed(url, api_version, ca_bundle)
            checked_url = arguments.check_url(url)
        except UsageError as error:
            credentials = error.with_traceback(None)
        # A traceback shows the variables of its frames: no secret may be among them.
        del given, client_secret, password, api_key, refresh_token, url
        if isinstance(credentials, ClicDataError):
            raise credentials
        self._auth_method = credentials.method
        self._url = checked_url
        self._account = arguments.fingerprint(checked_url, credentials)
        self._auto = api_version == "auto"
        self._version = arguments.check_version(api_version, credentials.method)
        self._connect, self._read = arguments.check_timeout(timeout)
        self._deadline = arguments.check_seconds("deadline", deadline)
        self._attempts = 1 + arguments.check_retries(max_retries)
        self._verify = arguments.check_bundle(ca_bundle)
        if on_new_refresh_token is not None and not callable(on_new_refresh_token):
            raise InputError("on_new_refresh_token must be a function that takes the new token")
        self._watcher = Watcher(on_call)
        self._tokens = Tokens(credentials, on_new_refresh_token, store)
        self._answered = False  # whether the service accepted a request, so that the URL is right
        self._user_agent = f"pandas-clicdata/{package_version()}"  # and nothing about the user
        self.last_receipt: Any = None  # of the last write of rows, also of one that failed
        # The smallest page size that was refused, and the size used instead. Threads replace the tuple.
        self.refused_page_size: tuple[int, int | None] | None = None
        self.columns: dict[int, Any] = {}  # the known columns of data sets, by rec_id
        self.modern_delete: tuple[str, str] | None = None  # the method and path of row deletes that worked
        self.responses, self.seconds = 0, 0.0  # how many came, and their waiting times added up
        self._clock: Callable[[], float] = time.monotonic
        self._sleep: Callable[[float], object] = time.sleep
        self._random: Callable[[], float] = random.SystemRandom().random  # not the sequence that the caller seeds
        self._begin()
        _sessions.add(self)

    def _begin(self) -> None:
        """Make new locks and connections, for a new session and in a forked child."""
        self._budget = retry.Budget()
        self._counting = threading.Lock()
        self._transport = Transport(self._url, self._verify)
        self._tokens.renew_locks()

    # -----------------------------------------------------------------------------------------------------
    # Properties

    @property
    def url(self) -> str:
        """The URL of the service."""
        return self._url + "/"

    @property
    def auth_method(self) -> str:
        """The way to log in."""
        return self._auth_method

    @property
    def api_version(self) -> str | None:
        """The current version; None in the legacy dialect."""
        return self._version

    @property
    def dialect(self) -> Dialect:
        """The current dialect."""
        return Dialect.LEGACY if self._version is None else Dialect.MODERN

    @property
    def closed(self) -> bool:
        """Whether the session was closed."""
        return getattr(getattr(self, "_tokens", None), "credentials", None) is None

    @property
    def account(self) -> str:
        """A hash of the service and the user, from which neither can be found."""
        return self._account

    @property
    def username(self) -> str | None:
        """The user, if the session logs in with a password; else None."""
        return getattr(self._tokens.credentials, "username", None)

    @property
    def client_id(self) -> str | None:
        """The id of the API app; None if the session logs in with an API key."""
        return getattr(self._tokens.credentials, "client_id", None)

    @property
    def read_timeout(self) -> float:
        """Seconds that one step of reading a response may take."""
        return self._read

    def now(self) -> float:
        """Return the seconds of a clock that never goes back."""
        return self._clock()

    def sleep(self, seconds: float) -> None:
        """Sleep for these seconds of the same clock."""
        self._sleep(seconds)

    def __repr__(self) -> str:
        return f"<Session {self.url}, {self._in_words()}>"

    def _repr_html_(self) -> str:
        return f"<p>Session: {html.escape(self.url)}, {html.escape(self._in_words())}</p>"

    def _in_words(self) -> str:
        spoken = "API without a version number" if self._version is None else f"API version {self._version}"
        return f"login by {self._auth_method}, {spoken}{', closed' if self.closed else ''}"

    def __dir__(self) -> list[str]:
        inner = (  # for this package only
            "account call client_id columns dialect modern_delete now read_timeout refused_page_size responses seconds "
            "sleep token_for username"
        )
        return sorted({*super().__dir__()} - {*inner.split()})

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Session can't be pickled or copied: open one in the process that uses it")

    def close(self) -> None:
        """Close the connections and forget token and secrets. The session can't be used afterwards."""
        self._tokens.close()
        self._transport.close()

    # -----------------------------------------------------------------------------------------------------
    # Calling

    def call(self, request: Request) -> Reply:
        """Send a request, and repeat it if that is safe and may help.

        Parameters
        ----------
        request : Request
            The request.

        Returns
        -------
        Reply
            The response without its envelope.

        Raises
        ------
        ClicDataError
            The error of the last attempt; ``.in_doubt`` if a write may have been applied.
        """
        call = _Call(request, self._clock() + self._deadline)
        try:
            return self._repeat(call)
        except ClicDataError as error:
            unknown = retry.outcome(error) is retry.Outcome.UNKNOWN
            error.in_doubt = unknown and request.replay is not wire.Replay.FREELY
            if not isinstance(error, UsageError) and (doubt := self._doubt_url()):
                _advise(error, f"But first check url=: {doubt}")
            raise
        except (KeyboardInterrupt, SystemExit) as interrupt:
            sent = interrupt.sent = call.sent and getattr(interrupt, "sent", True)  # type: ignore[union-attr]
            interrupt.in_doubt = sent and request.replay is not wire.Replay.FREELY  # type: ignore[union-attr]
            raise

    def check(self) -> dict[str, str | None]:
        """Log in, and return which account and user the session is connected with.

        Returns
        -------
        dict
            ``url``, ``auth_method`` and ``dialect``. ``account`` and ``domain``: names of the account, None if ClicData
            doesn't return them to this user. ``user`` and ``client_id``, None if this way to log in doesn't use them.

        Raises
        ------
        ClicDataError
            There is no connection, or ClicData refused the credentials.

        Notes
        -----
        ``GET /account``.

        Examples
        --------
        >>> session.check()["account"]
        'Sandbox Trading'
        """
        found: Any = {}
        try:
            with suppress(PermissionDenied):  # the credentials are valid, without the right to read the account
                found = self.call(wire.get("check the connection", "/account")).value()
        except (ProtocolError, TransportError) as error:
            if not isinstance(error, RedirectRefused) and not self._doubt_url():  # these messages name url= already
                _advise(error, f"Check url= ({self.url}), the network and its proxy.")
            raise
        found = found.get("account", found) if isinstance(found, dict) else {}
        found = found if isinstance(found, dict) else {}
        version = self._version
        return {
            "account": server_text(found["name"]) if found.get("name") else None,
            "domain": server_text(found["domain"]) if found.get("domain") else None,
            "user": self.username,
            "client_id": self.client_id,
            "url": self.url,
            "auth_method": self._auth_method,
            "dialect": "legacy, without api_version" if version is None else f"modern, api_version {version}",
        }

    def _doubt_url(self) -> str | None:
        """Return why the URL may be wrong; None if there is no such reason, or the service accepted a request."""
        return None if self._answered else arguments.doubt_url(self._url)

    def _repeat(self, call: _Call) -> Reply:
        renewed = False
        while True:
            token = self._tokens.get(self._log_in, self._clock, call.deadline)
            api_version = call.request.api_version or self._version
            dialect = Dialect.LEGACY if api_version is None else Dialect.MODERN
            if call.request.dialect not in (None, dialect):
                raise DialectChanged(f"{call.request.operation}: made for the other dialect")
            call.sent = True
            result = self._try(call, api_version, self._tokens.credentials, token)
            if isinstance(result, Reply):
                if call.attempt == 1 and self._budget.left < self._budget.full:
                    self._budget.earn()
                return result
            call.sent = retry.outcome(result) is retry.Outcome.UNKNOWN
            if isinstance(result, BadCredentials) and token is not None and not renewed:
                renewed = True
                self._tokens.forget(token)
            elif isinstance(result, ApiVersionError):
                self._change_version(result, api_version, call.request)
            else:
                self._wait(call, result)

    def _wait(self, call: _Call, error: ClicDataError) -> None:
        """Sleep until the next attempt, or raise the error if no attempt may follow."""
        operation = call.request.operation
        seconds = retry.pause(call.request, error, call.attempt, self._random)
        if seconds is None or call.attempt >= self._attempts or self._clock() + seconds >= call.deadline:
            raise error
        if not self._budget.spend(error):
            _log.info("%s: not sent again, as too many calls of this session failed recently", operation)
            raise error
        _log.info("%s: attempt %d failed (%s), again in %.1f s", operation, call.attempt, type(error).__name__, seconds)
        self._sleep(seconds)
        call.attempt += 1

    def _change_version(self, error: ApiVersionError, api_version: str | None, request: Request) -> None:
        """Use the modern dialect from now on, or raise with the argument to change."""
        required = (error.code or "").lower() == "apiversionrequired"
        if self._auto and api_version is None and required:
            self._version = wire.FIRST_MODERN
            return
        pinned = "api_version" if request.api_version is None else "the package's version of /table"
        error.args = (
            f"{error.args[0]}. This call was made with api_version={api_version!r}: give {pinned} another value "
            f"({arguments.VERSIONS}).",
        )
        raise error

    def token_for(self, credentials: Credentials) -> Token:
        """Return a token for other credentials than those of the session."""
        return self._log_in(credentials, self._clock() + self._deadline)

    def _log_in(self, credentials: Credentials, deadline: float) -> Token:
        # The body is added in _http_request, where no traceback shows its secrets.
        call = _Call(Request(LOG_IN, "POST", "/oauth20/token", replay=wire.Replay.FREELY), deadline)
        while True:
            result = self._try(call, None, credentials, None)
            if isinstance(result, Reply):
                return token_of(result.value(), self._clock())
            self._wait(call, login_error(result, credentials))

    # -----------------------------------------------------------------------------------------------------
    # One attempt

    def _try(
        self, call: _Call, api_version: str | None, credentials: Credentials | None, token: Token | None
    ) -> Reply | ClicDataError:
        """Make one attempt. Errors are returned: a traceback would lead to frames that hold secrets."""
        request = call.request
        if credentials is None or self._tokens.credentials is None:
            return NotConnected(f"{request.operation}: the session was closed meanwhile. Nothing was sent.")
        if request.cancelled is not None and request.cancelled.is_set():
            return NotConnected(f"{request.operation}: cancelled. Nothing was sent.")
        began = self._clock()
        answer = self._send(request, api_version, credentials, token, call.deadline - began)
        seconds = self._clock() - began
        result = self._judge(request, answer, seconds, partial(hide, credentials, token))
        self._watcher.note(request, call.attempt, answer, result, seconds)
        return result

    def _judge(
        self, request: Request, answer: Answer | ClicDataError, seconds: float, hidden: Callable[[str], str]
    ) -> Reply | ClicDataError:
        """Count a response, log it, and return its reply or its error."""
        if isinstance(answer, ClicDataError):
            _log.debug("%s %s: %s", request.method, request.path, type(answer).__name__)
            return answer
        with self._counting:
            self.responses, self.seconds = self.responses + 1, self.seconds + seconds
        _log.debug("%s %s: status %d, %.0f ms", request.method, request.path, answer.status, 1e3 * seconds)
        try:
            reply = wire.judge(request, answer, hidden)
            self._answered = True
            return reply
        except ClicDataError as error:
            if isinstance(error, ApiError):
                error.retry_after = wait = retry.retry_after(answer.headers, time.time())
                if isinstance(error, RateLimited) and wait and wait < math.inf:
                    _advise(error, f"ClicData asks to wait {wait:,.0f} s.")
            return error.with_traceback(None)

    def _send(
        self, request: Request, api_version: str | None, credentials: Credentials, token: Token | None, left: float
    ) -> Answer | ClicDataError:
        """Send a request once. An interrupt is raised again without the frames that hold secrets."""
        limits = Limits(self._connect, self._read, self._deadline, left)
        try:
            return self._transport.send(self._http_request(request, api_version, credentials, token), limits)
        except BaseException as interrupt:  # noqa: BLE001  # Ctrl-C
            interrupt.__cause__ = interrupt.__context__ = None
            raise interrupt.with_traceback(None) from None

    def _http_request(
        self, request: Request, api_version: str | None, credentials: Credentials, token: Token | None
    ) -> HttpRequest:
        url = self._url + request.path
        query = request.query if api_version is None else (*request.query, ("api_version", api_version))
        if query:
            url += f"?{urlencode(query)}"
        headers = {"User-Agent": self._user_agent, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        body = request.body
        if request.fresh:
            headers["Cache-Control"] = "no-cache"
        if request.operation == LOG_IN:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(credentials.form()).encode()
        else:
            headers |= credentials.headers(token)
            if body is not None:
                headers["Content-Type"] = "application/json"
            if request.compressed:
                headers["Content-Encoding"] = "gzip"
        return HttpRequest(request.operation, request.method, url, headers, body)


def _advise(error: ClicDataError, advice: str) -> None:
    """Add advice to the message of an error, once: threads that wait for the same log-in get the same error."""
    if advice not in error.args[0]:
        error.args = (f"{error.args[0].rstrip('.')}. {advice}",)


# ---------------------------------------------------------------------------------------------------------
# Forking

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """Give each session its own connections: two processes on one connection get each other's responses."""
    for session in list(_sessions):
        session._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
