"""How the sandbox handles a request: record it, apply faults, log in, route, respond."""

from __future__ import annotations

import logging
import math
import threading
import time
import zlib
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map

from pandas_clicdata.sandbox import account_calls, data_calls, people_calls
from pandas_clicdata.sandbox.answers import Answer, Call, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas_clicdata.sandbox.answers import Caller, Route, Settings
    from pandas_clicdata.sandbox.faults import Exchange, Faults, Received
    from pandas_clicdata.sandbox.logins import Logins

_LARGEST_BODY = 256 << 20  # bytes, unpacked
KNOWN_VERSIONS = ("2021.08", "2022.01", "2025.3")
_ROUTES = Map(
    [*data_calls.RULES, *account_calls.RULES, *people_calls.RULES],
    strict_slashes=False,
    merge_slashes=False,
    redirect_defaults=False,
)
_log = logging.getLogger(__name__)


class Service:
    """Handles every request, from the moment its head is read."""

    def __init__(self, endpoints: Sequence[object], logins: Logins, faults: Faults, settings: Settings) -> None:
        self.requests: list[Received] = []
        self._logins = logins
        self._faults = faults
        self.settings = settings
        self._endpoints = {type(endpoint): endpoint for endpoint in endpoints}
        self._routes = _ROUTES.bind("127.0.0.1")
        self._recent: deque[float] = deque()
        self._lock = threading.Lock()

    def arrival(self, exchange: Exchange) -> None:
        """Record a request whose body is not read yet, and apply its fault."""
        request = exchange.request
        if self.settings.record:
            self.requests.append(request)
        if self.settings.latency:
            exchange.wait(self.settings.latency)
        if fault := self._faults.due("arrival", request.method, request.path):
            fault.act(exchange)

    def answer(self, exchange: Exchange) -> Answer:
        """Return the response to a request, or the response of a fault."""
        request = exchange.request
        answer: Answer
        if fault := self._faults.due("instead", request.method, request.path):
            answer = fault.act(exchange, self._respond)
        else:
            answer = self._respond(request)
            if fault := self._faults.due("answer", request.method, request.path):
                answer = fault.act(answer)
        request.status = answer.status
        return answer

    def _respond(self, request: Received) -> Answer:
        version = request.query.get("api_version")
        try:
            return self._handle(request, version)
        except Refusal as refusal:
            return refusal.answer(version)
        except Exception as error:  # noqa: BLE001 - a bug of the sandbox: log it and respond
            _log.exception("%s %s", request.method, request.path)
            return Refusal(500, "SandboxError", f"A bug of the sandbox: {error!r}").answer(version)

    def _handle(self, request: Received, version: str | None) -> Answer:
        path = request.path.rstrip("/")
        if path == "/oauth20/token":
            return self._token(request)
        if path == "/oauth20/authorize":
            _check_verb(request, "GET")
            return self._logins.authorize(MultiDict(request.query))
        self._check_rate()
        caller = self._logins.caller(request.headers)
        self._check_version(caller, version)
        route, arguments = self._route(request)
        if route.needs_version and version is None:
            raise _version_required()
        caller.check(route.scope)
        call = Call(
            args=MultiDict(request.query),
            body=_unpacked(request),
            content_type=request.headers.get("Content-Type", ""),
            version=version,
            caller=caller,
            settings=self.settings,
        )
        return route.answer(self._endpoints[route.owner], call, **arguments)

    def _token(self, request: Received) -> Answer:
        _check_verb(request, "POST")
        kind = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise Refusal(415, "UnsupportedMediaType", "The token endpoint takes a form, url-encoded.")
        form = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        return self._logins.token(MultiDict(form))

    def _check_version(self, caller: Caller, version: str | None) -> None:
        if version is None:
            if caller.way == "api_key" or self.settings.require_version:
                raise _version_required()
        elif version not in KNOWN_VERSIONS:
            raise Refusal(
                200, "InvalidVersion", f"There is no api_version {version!r}; there are {', '.join(KNOWN_VERSIONS)}."
            )

    def _route(self, request: Received) -> tuple[Route, dict[str, int]]:
        try:
            route, arguments = self._routes.match(request.path, method=request.method)
        except MethodNotAllowed as error:
            allowed = ", ".join(sorted(error.valid_methods or ()))
            raise Refusal(
                405,
                "MethodNotAllowed",
                f"{request.path} does not take {request.method}; it takes {allowed}.",
                {"Allow": allowed},
            ) from None
        except NotFound:
            raise Refusal(404, "NotFound", f"There is no {request.path}.") from None
        return route, dict(arguments)

    def _check_rate(self) -> None:
        limit = self.settings.requests_per_minute
        if limit is None:
            return
        now = time.monotonic()
        with self._lock:
            while self._recent and self._recent[0] <= now - 60:
                self._recent.popleft()
            if len(self._recent) < limit:
                self._recent.append(now)
                return
            wait = math.ceil(self._recent[0] + 60 - now) if self._recent else 60
        raise Refusal(
            429, "RateLimitExceeded", f"At most {limit} requests a minute.", {"Retry-After": str(max(wait, 1))}
        )


def _unpacked(request: Received) -> bytes:
    """Return the body without its compression.

    C: whether the service accepts compressed bodies is not known; the sandbox accepts gzip.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return request.body
    if encoding != "gzip":
        raise Refusal(415, "UnsupportedMediaType", f"The body is encoded as {encoding}, not gzip.")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(request.body, _LARGEST_BODY)
    except zlib.error:
        raise Refusal(400, "BadRequest", "The body is not gzip, as its header says.") from None
    if not unpacker.eof:
        raise Refusal(413, "TooLarge", f"The body is cut off, or larger than {_LARGEST_BODY} bytes unpacked.")
    return body


def _check_verb(request: Received, verb: str) -> None:
    if request.method != verb:
        raise Refusal(405, "MethodNotAllowed", f"{request.path} takes {verb}.", {"Allow": verb})


def _version_required() -> Refusal:
    return Refusal(200, "APIVersionRequired", "This call needs an api_version in its query.")
