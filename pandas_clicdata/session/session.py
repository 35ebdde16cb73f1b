"""One connection to one account: authorise, send, wait, repeat.

The only module that imports requests, and the only one in which a byte leaves or arrives.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
import threading
import time
import weakref
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter

from pandas_clicdata.errors import (
    ApiError,
    ApiVersionError,
    AuthError,
    BadCredentials,
    ClicDataError,
    DeadlineExceeded,
    InputError,
    NotConnected,
    ProtocolError,
    RateLimited,
    TlsError,
    TransportError,
)
from pandas_clicdata.session import connection, retry, wire
from pandas_clicdata.session.ahead import MOST_WORKERS
from pandas_clicdata.session.credentials import (
    Credentials,
    Secret,
    Token,
    TokenAnswer,
    credentials_of,
    hider,
    token_answer,
)
from pandas_clicdata.session.wire import Answer, Dialect, DialectChanged, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3.response import BaseHTTPResponse

    from pandas_clicdata.uploads.receipt import AppendReceipt

LONGEST_BODY = 64 << 20  # bytes of one answer, after decompression
_MOST_OF_A_PIECE = 1 << 18  # bytes of a body that are read in one go
_MOST_RECEIVED = 2 * LONGEST_BODY  # bytes of one answer as it comes: chunks and their lengths count too

_log = logging.getLogger(__name__)


def package_version() -> str:
    """The version of this package, as it was installed."""
    try:
        return version("pandas-clicdata")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"


class _Adapter(HTTPAdapter):
    """Requests' way to the wire over connections that keep `connection.Attempt` up to date."""

    def __init__(self, attempt: connection.Attempt) -> None:
        self._pools = connection.timed_pools(attempt)
        super().__init__(pool_maxsize=MOST_WORKERS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Way:
    """The way to the service: connections, and what the environment says about proxies and certificates.

    Requests is asked for both once, and for no request again: all go to one service, and what it does for each costs
    more than the encoding of the rows. All of it is held in closures, where no ``vars()`` or dump of attributes shows a
    proxy's password.
    """

    __slots__ = ("close", "send")

    def __init__(self, url: str, verify: str | bool, attempt: connection.Attempt) -> None:
        adapter = _Adapter(attempt)
        # Asked of a session that is thrown away, so that no netrc and no cookie is ever kept.
        with requests.Session() as environment:
            settings: dict[str, Any] = dict(environment.merge_environment_settings(url, {}, True, verify, None))
        verify, cert, proxies = settings["verify"], settings["cert"], settings["proxies"]
        if _is_loopback(urlsplit(url).hostname or ""):
            proxies = {}  # what is for this machine must not leave it
        pool: Any = adapter.get_connection_with_tls_context(
            requests.Request("GET", url).prepare(), verify, proxies, cert
        )
        adapter.cert_verify(pool, url, verify, cert)  # type: ignore[no-untyped-call]
        connection.share_certificates(pool)

        def send(written: connection.Written, limits: tuple[float, float]) -> BaseHTTPResponse:
            return connection.sent(pool, written, limits)

        def close() -> None:
            pool.close()  # urllib3 leaves that until nothing knows of it any more, such as no traceback
            adapter.close()

        self.send: Callable[[connection.Written, tuple[float, float]], BaseHTTPResponse] = send
        self.close: Callable[[], None] = close


class Session:
    """One connection to one account of ClicData.

    It is safe to use from several threads, and in a forked child. It refuses to be pickled.

    Parameters
    ----------
    auth_method : {"client_credentials", "basic", "api_key", "authorization_code"}, optional
        How to log in. Not given, the credentials given decide.
    client_id, client_secret : str, optional
        Of an API app, from ClicData's *Account > API Apps*.
    username, password : str, optional
        Of a user, for ``"basic"`` (with ``client_id``).
    api_key : str, optional
        For ``"api_key"``.
    refresh_token : str, optional
        For ``"authorization_code"`` (with ``client_id`` and ``client_secret``). It is replaced at each
        renewal.
    url : str, default "https://api.clicdata.com/"
        Where the service is. ``http://`` is accepted for this machine only.
    api_version : str or None, default "auto"
        ``"auto"`` speaks the dialect without version, and changes to ``"2022.01"`` when the service asks for
        one (an API key starts there). None pins the dialect without version, any other text that version.
    timeout : float or (float, float), default (5, 60)
        Seconds to connect, and seconds that each step of sending and reading may take, of one attempt.
    deadline : float, default 300
        Seconds that one call may take with all its attempts and pauses.
    max_retries : int, default 3
        Attempts after the first. A write whose fate is unknown is never sent again, whatever this says.
    ca_bundle : str or path, optional
        A file or folder of certificates to trust instead of the usual ones.
    on_new_refresh_token : callable, optional
        Is handed each new refresh token (a str), to store it.

    Raises
    ------
    InputError
        An argument can't be used, or credentials are missing.

    Examples
    --------
    >>> with Session(api_key=sandbox.credentials.api_key, url=sandbox.url) as session:
    ...     len(Data(session=session).get_data())
    3
    """

    # What a session that is still being made is shown by.
    _credentials: Credentials | None = None
    _url = _auth_method = "?"
    _version: str | None = None

    def __init__(
        self,
        auth_method: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        username: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        refresh_token: str | None = None,
        url: str = "https://api.clicdata.com/",
        api_version: str | None = "auto",
        timeout: float | tuple[float, float] = (5, 60),
        deadline: float = 300,
        max_retries: int = 3,
        ca_bundle: str | os.PathLike[str] | None = None,
        on_new_refresh_token: Callable[[str], object] | None = None,
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
        try:
            credentials, checked_url = credentials_of(auth_method, given), _checked_url(url)
        except InputError as error:
            credentials, checked_url = error.with_traceback(None), ""
        # A traceback shows the variables of its frames; from here on no secret is among them.
        del given, client_secret, password, api_key, refresh_token, url
        if isinstance(credentials, ClicDataError):
            raise credentials
        self._credentials = credentials
        self._auth_method = credentials.method
        self._url = checked_url
        self._prefix = urlsplit(checked_url).path
        self._account = _fingerprint(self._url, credentials)
        self._auto = api_version == "auto"
        self._version = _first_version(api_version, self._auth_method)
        self._connect, self._read = _checked_timeout(timeout)
        self._deadline = _seconds("deadline", deadline)
        self._attempts = 1 + _checked_retries(max_retries)
        self._verify = _checked_bundle(ca_bundle)
        if on_new_refresh_token is not None and not callable(on_new_refresh_token):
            raise InputError("on_new_refresh_token must be a function that takes the new token")
        self._on_new_refresh_token = on_new_refresh_token
        self._user_agent = f"pandas-clicdata/{package_version()}"  # and nothing about the user
        self._token: Token | None = None
        self.last_receipt: AppendReceipt | None = None  # of the append begun last, whatever became of it
        self._clock: Callable[[], float] = time.monotonic
        self._sleep: Callable[[float], object] = time.sleep
        self._random: Callable[[], float] = random.random
        self._begin()
        _sessions.add(self)

    def _begin(self) -> None:
        """Start with fresh locks and no connection: at first, and in a forked child."""
        self._lock = threading.Lock()
        self._renewal: _Renewal | None = None
        self._attempt = connection.Attempt()
        self._budget = retry.Budget()
        self._way: _Way | None = None

    # -----------------------------------------------------------------------------------------------------
    # What it is

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._url + "/"

    @property
    def auth_method(self) -> str:
        """How it logs in."""
        return self._auth_method

    @property
    def api_version(self) -> str | None:
        """The version it speaks now; None is the dialect without version."""
        return self._version

    @property
    def dialect(self) -> Dialect:
        """The dialect it speaks now."""
        return Dialect.LEGACY if self._version is None else Dialect.MODERN

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._credentials is None

    @property
    def account(self) -> str:
        """A fingerprint of the service and of who logs in, which tells accounts apart and gives nothing away."""
        return self._account

    @property
    def read_timeout(self) -> float:
        """Seconds that each step of reading an answer may take."""
        return self._read

    def now(self) -> float:
        """The second on its clock, which never goes back."""
        return self._clock()

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass on its clock."""
        self._sleep(seconds)

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"<Session {self.url} auth_method={self._auth_method!r} api_version={self._version!r}{state}>"

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Session can't be pickled or copied: open one in the process that uses it")

    def close(self) -> None:
        """Close the connections and forget token and secrets. It can't be used afterwards."""
        with self._lock:
            way, self._way = self._way, None
            self._credentials = self._token = None
        if way is not None:
            way.close()

    # -----------------------------------------------------------------------------------------------------
    # Calling

    def call(self, request: Request) -> Reply:
        """Send a request, and again where that is safe and may help.

        Parameters
        ----------
        request : Request
            What to ask.

        Returns
        -------
        Reply
            The answer, freed of its envelope.

        Raises
        ------
        ClicDataError
            Whatever came of the last attempt; ``.in_doubt`` when a write may have been applied.
        """
        deadline = self._clock() + self._deadline
        self._attempt.sent = False
        try:
            return self._repeated(request, deadline)
        except ClicDataError as error:
            unknown = retry.outcome(error) is retry.Outcome.UNKNOWN
            error.in_doubt = unknown and request.replay is not wire.Replay.FREELY
            raise
        except (KeyboardInterrupt, SystemExit) as interrupt:
            interrupt.sent = self._attempt.sent  # type: ignore[union-attr]  # for whoever keeps a receipt
            raise

    def _repeated(self, request: Request, deadline: float) -> Reply:
        renewed = False
        attempt = 1
        while True:
            token = self._authorised(deadline)
            version = self._version_for(request)
            outcome = self._tried(request, version, self._credentials, token, deadline)
            if isinstance(outcome, Reply):
                if attempt == 1:
                    self._budget.earn()
                return outcome
            if isinstance(outcome, BadCredentials) and token is not None and not renewed:
                renewed = True
                self._forget(token)
            elif isinstance(outcome, ApiVersionError):
                self._change_version(outcome, version, request)
            else:
                self._wait(request, outcome, attempt, deadline)
                attempt += 1

    def _wait(self, request: Request, error: ClicDataError, attempt: int, deadline: float) -> None:
        """Sleep until the next attempt, or raise the error when there is to be none."""
        seconds = retry.pause(request, error, attempt, self._random)
        if seconds is None or attempt >= self._attempts or self._clock() + seconds >= deadline:
            raise error
        if not self._budget.spend(error):
            _log.info("%s: not tried again, as too many calls of this session failed lately", request.operation)
            raise error
        _log.info(
            "%s: attempt %d failed (%s), again in %.1f s",
            request.operation,
            attempt,
            type(error).__name__,
            seconds,
        )
        self._attempt.sent = False  # a write comes here only when nothing of it was done
        self._sleep(seconds)

    def _version_for(self, request: Request) -> str | None:
        version = request.api_version or self._version
        spoken = Dialect.LEGACY if version is None else Dialect.MODERN
        if request.dialect not in (None, spoken):
            raise DialectChanged(f"{request.operation}: made for the other dialect")
        return version

    def _change_version(self, error: ApiVersionError, version: str | None, request: Request) -> None:
        """Speak the modern dialect from now on, or say which argument would."""
        if self._auto and version is None and _asks_for_version(error):
            self._version = wire.FIRST_MODERN  # nothing was done, so that asking again is safe
            return
        pinned = "api_version" if request.api_version is None else "the package's version of /table"
        error.args = (
            f"{error.args[0]}. This call was made with api_version={version!r}: give {pinned} another value, "
            f'such as connect(..., api_version="{wire.FIRST_MODERN}") or api_version="auto".',
        )
        raise error

    # -----------------------------------------------------------------------------------------------------
    # Authorising

    def _authorised(self, deadline: float) -> Token | None:
        """A token that is good for a minute at least, asked for once however many threads want it."""
        credentials = self._credentials
        if credentials is None:
            raise NotConnected("this session was closed: open another with pandas_clicdata.connect(...)")
        if not credentials.needs_token:
            return None
        with self._lock:
            token = self._token
            if token is not None and token.fresh(self._clock()):
                return token
            mine = self._renewal is None
            renewal = self._renewal = self._renewal or _Renewal()
        if mine:
            self._renew(renewal, credentials, deadline)
        return renewal.result(max(0.0, deadline - self._clock()))

    def _renew(self, renewal: _Renewal, credentials: Credentials, deadline: float) -> None:
        try:
            renewal.token = self._new_token(credentials, deadline)
        except ClicDataError as error:
            token = self._token
            if token is not None and token.alive(self._clock()) and not isinstance(error, AuthError):
                renewal.token = token  # renewing ahead of time must not fail a call that can be made
            else:
                error._while_logging_in = True
                renewal.error = error
        finally:
            self._attempt.sent = False  # what was sent was the login, and not the call that it is for
            with self._lock:
                self._renewal = None
                if renewal.token is None and renewal.error is None:
                    renewal.token = self._token  # the user's callback raised, but the token came
            renewal.done.set()

    def _new_token(self, credentials: Credentials, deadline: float) -> Token:
        answer = self._logged_in(credentials, deadline)
        with self._lock:
            self._token = token = answer.token(self._clock())
            if self._credentials is not None:
                self._credentials = credentials.renewed(answer)
        if answer.refresh is not None and self._on_new_refresh_token is not None:
            self._on_new_refresh_token(answer.refresh.reveal())
        return token

    def _logged_in(self, credentials: Credentials, deadline: float) -> TokenAnswer:
        # Its body is not here, where a traceback might show it: see _written.
        request = Request("log in", "POST", "/oauth20/token", replay=wire.Replay.FREELY)
        attempt = 1
        while True:
            outcome = self._tried(request, None, credentials, None, deadline)
            if isinstance(outcome, Reply):
                return token_answer(outcome.value())
            self._wait(request, _login_error(outcome, credentials), attempt, deadline)
            attempt += 1

    def _forget(self, token: Token) -> None:
        with self._lock:
            if self._token is token:
                self._token = None

    # -----------------------------------------------------------------------------------------------------
    # Sending

    def _tried(
        self,
        request: Request,
        api_version: str | None,
        credentials: Credentials | None,
        token: Token | None,
        deadline: float,
    ) -> Reply | ClicDataError:
        """One attempt and what came of it.

        Errors are returned, not raised, so that no traceback leads to the frames that held the secrets.
        """
        began = self._clock()
        if credentials is None or self.closed:
            return NotConnected(f"{request.operation}: the session was closed meanwhile. Nothing was sent.")
        answer = self._sent(request, api_version, credentials, token, deadline)
        if isinstance(answer, ClicDataError):
            _log.debug("%s %s: %s", request.method, request.path, type(answer).__name__)
            return answer
        _log.debug(
            "%s %s: status %d, %.0f ms",
            request.method,
            request.path,
            answer.status,
            1e3 * (self._clock() - began),
        )
        try:
            return wire.judge(request, answer, hider(credentials, token))
        except ClicDataError as error:
            if isinstance(error, ApiError):
                error.retry_after = retry.retry_after(answer.headers, time.time())
            return error.with_traceback(None)

    def _sent(
        self,
        request: Request,
        api_version: str | None,
        credentials: Credentials,
        token: Token | None,
        deadline: float,
    ) -> Answer | ClicDataError:
        """Send a request once, and keep nothing of what the libraries below raise."""
        left = deadline - self._clock()
        if left <= 0:
            return self._late(request, sent=False)
        self._attempt.begin(time.monotonic() + left, self._read, _MOST_RECEIVED)
        problem: BaseException
        try:
            return self._exchanged(request, api_version, credentials, token, left)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes one of our errors
            problem = error.with_traceback(None)
        except BaseException as interrupt:  # noqa: BLE001  # Ctrl-C goes on, without the frames that hold the headers
            interrupt.__cause__ = interrupt.__context__ = None
            raise interrupt.with_traceback(None) from None
        return self._failure(request, problem, deadline)

    def _exchanged(
        self,
        request: Request,
        api_version: str | None,
        credentials: Credentials,
        token: Token | None,
        left: float,
    ) -> Answer | ClicDataError:
        """The one place where bytes leave and arrive."""
        written = self._written(request, api_version, credentials, token)
        response = self._transport().send(written, (min(self._connect, left), min(self._read, left)))
        try:
            received = self._body(request, response)
        finally:
            response.close()  # a connection on which something is left: that must not be taken for the next answer
        if isinstance(received, ClicDataError):
            return received
        return Answer(response.status, received, {name.lower(): value for name, value in response.headers.items()})

    def _written(
        self, request: Request, api_version: str | None, credentials: Credentials, token: Token | None
    ) -> connection.Written:
        target = self._prefix + request.path
        if query := urlencode((*request.query, *wire.version_query(api_version))):
            target += f"?{query}"
        headers = {
            "User-Agent": self._user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
        }
        body = request.body
        if request.fresh:
            headers["Cache-Control"] = "no-cache"
        if request.operation == "log in":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(credentials.form()).encode()
        else:
            headers |= credentials.headers(token)
            if body is not None:
                headers["Content-Type"] = "application/json"
            if request.compressed:
                headers["Content-Encoding"] = "gzip"
        return connection.Written(request.method, target, body, headers)

    def _body(self, request: Request, response: BaseHTTPResponse) -> bytes | ClicDataError:
        """The answer's decoded body, read piece by piece so that neither size nor time can run away."""
        pieces: list[bytes] = []
        size, most = 0, _MOST_OF_A_PIECE
        if response.length_remaining and "content-encoding" not in response.headers:
            most = min(most, response.length_remaining)  # urllib3 copies what is less
        for piece in response.stream(most, decode_content=True):
            size += len(piece)
            if size > LONGEST_BODY:
                return _too_long(request)
            pieces.append(piece)
        return b"".join(pieces)

    def _transport(self) -> _Way:
        with self._lock:
            if self._way is None:
                self._way = _Way(self._url, self._verify, self._attempt)
            return self._way

    def _failure(self, request: Request, problem: BaseException, deadline: float) -> ClicDataError:
        """One of our errors for one of requests', urllib3's or Python's. It keeps nothing of it."""
        sent = self._attempt.sent
        reason = connection.plain_reason(problem)
        where = urlsplit(self._url).netloc
        if not sent and connection.is_tls_failure(problem):
            return TlsError(
                f"{request.operation}: no secure connection to {where}: {reason}. Nothing was sent. If your "
                "network has a certificate of its own, name its file with ca_bundle=.",
                sent="no",
                operation=request.operation,
                reason=reason,
            )
        if connection.is_timeout(problem) and time.monotonic() >= self._attempt.deadline:
            return self._late(request, sent=sent)
        if sent and connection.is_too_long(problem):
            return _too_long(request)
        if sent and connection.is_not_http(problem):
            return ProtocolError(
                f"{request.operation}: what came from {where} is no answer of a web server",
                operation=request.operation,
                repeat=1,
            )
        if sent and connection.is_broken_body(problem):
            return ProtocolError(
                f"{request.operation}: the answer can't be decompressed or is cut off",
                operation=request.operation,
                repeat=3,
            )
        if not sent:
            return TransportError(
                f"{request.operation}: no connection to {where}: {reason}. Nothing was sent.",
                sent="no",
                operation=request.operation,
                reason=reason,
            )
        return TransportError(
            f"{request.operation}: no complete answer from {where}: {reason}",
            operation=request.operation,
            reason=reason,
        )

    def _late(self, request: Request, *, sent: bool) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"{request.operation}: not done within {self._deadline:g} s (deadline=)",
            sent="unknown" if sent else "no",
            operation=request.operation,
        )


def _too_long(request: Request) -> ProtocolError:
    return ProtocolError(
        f"{request.operation}: the answer is larger than {LONGEST_BODY >> 20} MiB, or its head is endless",
        operation=request.operation,
    )


class _Renewal:
    """A token that one thread asks for and others wait for."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.token: Token | None = None
        self.error: ClicDataError | None = None

    def result(self, seconds: float) -> Token:
        if not self.done.wait(seconds):
            raise DeadlineExceeded("log in: no token within deadline= seconds", sent="no", operation="log in")
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self.token is None:
            raise TransportError("log in: given up by the thread that did it", sent="no", operation="log in")
        return self.token


_REFUSED_LOGIN = frozenset({200, 400, 401, 403, 422})  # C: how the token endpoint says no


def _login_error(error: ClicDataError, credentials: Credentials) -> ClicDataError:
    """A refusal of the token endpoint is one of the credentials, whatever status it came with."""
    if isinstance(error, TransportError):
        error.sent = "no"  # of the work that the token was for
    stated = isinstance(error, (ApiError, AuthError)) and not isinstance(error, (RateLimited, ApiVersionError))
    if not stated or not isinstance(error, (ApiError, AuthError)) or error.status not in _REFUSED_LOGIN:
        return error
    said = (error.description or error.code or f"status {error.status}").rstrip(".")
    return BadCredentials(
        f"log in: ClicData refused the credentials: {said}. Check those given for auth_method={credentials.method!r}.",
        status=error.status,
        code=error.code,
        description=error.description,
        operation="log in",
    )


def _asks_for_version(error: ApiVersionError) -> bool:
    return (error.code or "").lower() == "apiversionrequired"


# ---------------------------------------------------------------------------------------------------------
# Arguments


def _checked_url(url: object) -> str:
    if not isinstance(url, str):
        raise InputError(f"url must be text, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InputError("url is not a URL: it must look like https://api.clicdata.com/") from None
    if parts.scheme not in ("https", "http") or not host or any(not c.isprintable() or c in " \\" for c in url):
        raise InputError("url is not a URL: it must look like https://api.clicdata.com/")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError("url must hold neither credentials nor a query: give those as arguments")
    if parts.scheme == "http" and not _is_loopback(host):
        raise InputError("url starts with http://, which sends secrets in clear; only this machine may be reached so")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    octets = host.split(".")
    in_127 = len(octets) == 4 and octets[0] == "127" and all(o.isdigit() and int(o) < 256 for o in octets)
    return host in ("localhost", "::1") or in_127


def _first_version(api_version: object, method: str) -> str | None:
    if api_version == "auto":
        return wire.FIRST_MODERN if method == "api_key" else None
    if api_version is None:
        return None
    if isinstance(api_version, str) and api_version and api_version.isascii() and api_version.isprintable():
        return api_version
    raise InputError(
        f'api_version must be "auto", None or text such as "{wire.FIRST_MODERN}", not {type(api_version).__name__}'
    )


def _fingerprint(url: str, credentials: Credentials) -> str:
    """A digest of what stays the same for an account: no password, no secret and no token is in it, but an API key."""
    held = vars(credentials)
    known = [held[name] for name in ("client_id", "username", "api_key") if name in held]
    texts = [one.reveal() if isinstance(one, Secret) else one for one in known]
    return hashlib.sha256("\0".join(("pandas_clicdata account", url, *texts)).encode()).hexdigest()[:16]


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e7:
        raise InputError(f"{name} must be a number of seconds above 0")
    return float(value)


def _checked_timeout(timeout: object) -> tuple[float, float]:
    if isinstance(timeout, (tuple, list)):
        if len(timeout) != 2:
            raise InputError("timeout must be seconds, or a pair of them: (connect, read)")
        return _seconds("timeout (connect)", timeout[0]), _seconds("timeout (read)", timeout[1])
    return _seconds("timeout", timeout), _seconds("timeout", timeout)


def _checked_retries(max_retries: object) -> int:
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or not 0 <= max_retries <= 10:
        raise InputError("max_retries must be a whole number from 0 to 10")
    return max_retries


def _checked_bundle(ca_bundle: str | os.PathLike[str] | None) -> str | bool:
    if ca_bundle is None:
        return True
    path = os.fspath(ca_bundle)
    if not os.path.exists(path):  # noqa: PTH110  # a path as the caller gave it
        raise InputError(f"ca_bundle: there is no {path}")
    return path


# ---------------------------------------------------------------------------------------------------------
# Forking

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """Give each session connections of its own: two processes on one connection get each other's answers."""
    for session in list(_sessions):
        with contextlib.suppress(AttributeError):  # one that was just being made
            session._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
