"""Requests and replies in either dialect, and the rule that decides which responses are errors.

Pure: no I/O, no clock.
"""

from __future__ import annotations

import enum
import json
import math
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pandas_clicdata.errors import (
    ApiError,
    ApiVersionError,
    AuthError,
    BadCredentials,
    ClicDataError,
    Conflict,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    RedirectRefused,
    TooLarge,
    TransportError,
    UsageError,
    server_text,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

FIRST_MODERN = "2022.01"  # C: the version to use when the service requires one
TABLE_VERSION = "2025.3"  # the only version in which /table is seen
LOG_IN = "log in"  # the operation of each request to the token endpoint, and of its errors
OF_EACH_ACCOUNT = (LOG_IN, "connect", "check the connection")  # if one of them is not found, the URL is wrong
PROXY_LOGIN = "the proxy requires a user name and password, or refused these"  # the reason of a `TransportError`

Query = tuple[tuple[str, str], ...]


class Dialect(enum.Enum):
    """The two dialects of the service: without ``api_version``, and with one."""

    LEGACY = "legacy"
    MODERN = "modern"


class Replay(enum.Enum):
    """When a request may be sent again. This depends on the operation, not on the HTTP verb."""

    FREELY = "freely"
    IF_NOTHING_WAS_DONE = "if nothing was done"


class DialectChanged(UsageError):  # private: never leaves the package
    """The session speaks another dialect than the request was built for. The request was not sent."""


@dataclass(frozen=True)
class Request:
    """One call, without the token and the time of an attempt.

    ``key`` names the requested list in a legacy response. ``dialect`` is the dialect that path and body were built for,
    None if they are the same in both. ``in_text``: the response may be bare text. ``fresh``: it must not come from a
    cache. ``compressed``: the body is gzip. Once ``cancelled`` is set, no further attempt is made.
    """

    operation: str
    method: str
    path: str
    query: Query = ()
    body: bytes | None = None
    key: str | None = None
    replay: Replay = Replay.IF_NOTHING_WAS_DONE
    api_version: str | None = None
    dialect: Dialect | None = None
    in_text: bool = False
    fresh: bool = False
    compressed: bool = False
    cancelled: threading.Event | None = None


@dataclass(frozen=True)
class Answer:
    """A response that `judge` has not checked yet. Header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """A response that is not an error.

    ``payload`` is the requested JSON (or text) without its envelope, ``fields`` are its other fields, each as JSON.
    """

    request: Request
    payload: bytes
    fields: Mapping[str, bytes]
    status: int = 200

    def value(self) -> Any:
        """Parse the payload; integers keep all their digits."""
        try:
            return parsed(self.payload, self.request.operation)
        except ProtocolError as error:
            error.in_doubt = self.request.replay is not Replay.FREELY  # a write may have been applied
            raise

    def field(self, name: str) -> Any:
        """Parse a field of the envelope; None if it is missing."""
        return parsed(self.fields[name], self.request.operation) if name in self.fields else None


class Caller(Protocol):
    """The part of a session that endpoints use."""

    last_receipt: Any  # of the last write of rows
    refused_page_size: tuple[int, int | None] | None  # the smallest refused one, and the size used instead
    columns: dict[int, Any]  # the columns of data sets, by rec_id, if they are known
    modern_delete: tuple[str, str] | None  # the method and path of row deletes that worked
    responses: int  # the number of responses so far
    seconds: float  # the sum of their response times

    @property
    def dialect(self) -> Dialect:
        """The current dialect."""
        ...

    def call(self, request: Request) -> Reply:
        """Send a request and return its reply, or raise a `ClicDataError`."""
        ...


def call_in_dialect(caller: Caller, build: Callable[[Dialect], Request]) -> Reply:
    """Build a request for the current dialect and call it; build it again if the dialect changes meanwhile."""
    while True:
        dialect = caller.dialect
        try:
            return caller.call(replace(build(dialect), dialect=dialect))
        except DialectChanged:
            if caller.dialect is dialect:
                raise


def get(operation: str, path: str, *, key: str | None = None, query: Query = (), **more: Any) -> Request:
    """Return a GET request, which may be repeated freely."""
    return Request(operation, "GET", path, query=query, key=key, replay=Replay.FREELY, **more)


def json_body(value: object) -> bytes:
    """Return a small body as JSON."""
    return msgspec.json.encode(value)


def parsed(text: bytes, operation: str | None = None) -> Any:
    """Parse JSON, or raise a `ProtocolError`. A number beyond float64 is a `Decimal`."""
    prefix = f"{operation}: " if operation else ""
    what = "something that is not valid JSON"
    try:
        try:
            return msgspec.json.decode(text)
        except msgspec.ValidationError:  # a number that float64 can't hold
            return _exact.decode(text)
    except InvalidOperation:
        what = "a number beyond the range of Decimal"
    except NOT_JSON:
        pass
    raise ProtocolError(f"{prefix}ClicData answered with {what}", operation=operation)


def query_of(**filters: str | bool | int | None) -> Query:
    """Return the query for the filters that are not None."""
    return tuple(
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in filters.items()
        if value is not None
    )


# ---------------------------------------------------------------------------------------------------------
# JSON whose values stay JSON

NOT_JSON = (msgspec.DecodeError, RecursionError, ValueError)
_exact = msgspec.json.Decoder(float_hook=lambda text: float(text) if math.isfinite(float(text)) else Decimal(text))
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder(msgspec.Raw)


def _fields_of(text: bytes) -> dict[str, bytes] | None:
    """Return the fields of a JSON object, each as JSON; None if the text is something else."""
    if not text.startswith(b"{"):
        return None
    try:
        return {name: bytes(value) for name, value in _fields.decode(text).items()}
    except NOT_JSON:
        return None


def _check_distinct(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")


# ---------------------------------------------------------------------------------------------------------
# The judge

_LONGEST_PAGE_CHECKED = 1 << 16  # bytes; a longer read is not checked for repeated keys: that is slow
_LONGEST_OUTCOME = 1 << 20  # bytes of the response to a write
_LONGEST_TEXT = 1024  # bytes of a response that is not JSON, to show in an error
_LONGEST_DESCRIPTION = 100_000  # characters of a text in which secrets are hidden, before it is cut further


def judge(request: Request, answer: Answer, hide: Callable[[str], str] = str) -> Reply:
    """Return the reply in a response, or raise its error.

    A response is an error if its status is not 2xx, if ``success`` is false, or if it has an ``error``, with any
    status. ``success`` may be missing: the legacy dialect never sends it. ``hide`` removes secrets from errors.
    """
    if 300 <= answer.status < 400:
        raise RedirectRefused(
            f"{request.operation}: the service answered with a redirect (status {answer.status}), which is "
            "never followed. Check url=: it must name the API itself.",
            operation=request.operation,
        )
    if answer.status == 407:
        raise TransportError(
            f"{request.operation}: {PROXY_LOGIN} (status 407). Nothing reached ClicData. Check HTTPS_PROXY.",
            sent="no",
            operation=request.operation,
            reason=PROXY_LOGIN,
        )
    body = answer.body.removeprefix(b"\xef\xbb\xbf").strip()
    if not 200 <= answer.status < 300:
        raise _refusal(request, answer, _fields_of(body) or {}, body, hide)
    fields = _fields_of(body)
    if fields is None:
        if not request.in_text or body.startswith(b"{"):
            _check_json(request, answer, body)
        return Reply(request, body, {}, answer.status)
    _check_keys(request, answer, body)
    success = fields.get("success", b"true")
    if success not in (b"true", b"false"):
        raise _unclear(request, answer, f'"success": {server_text(hide(success.decode("utf-8", "replace")))}')
    error = parsed(fields["error"]) if "error" in fields else None
    if success == b"false" or error or error == {}:
        raise _refusal(request, answer, fields, body, hide)
    return _unwrap(request, answer, body, fields)


def _unwrap(request: Request, answer: Answer, body: bytes, fields: dict[str, bytes]) -> Reply:
    """Return the payload without its envelope: ``result`` or the whole body, or in these the list of the key."""
    payload = fields.pop("result", body)
    inner = dict(fields) if payload is body else _fields_of(payload)
    if request.key is not None and inner is not None:
        lists = [request.key]
        if request.key not in inner:  # then the only list is meant
            lists = [name for name, value in inner.items() if value.startswith(b"[")]
        if len(lists) == 1:
            payload = inner.pop(lists[0])
            fields.pop(lists[0], None)
            fields |= inner
    return Reply(request, payload, fields, answer.status)


def _check_json(request: Request, answer: Answer, body: bytes) -> None:
    """Raise if a 2xx response is not JSON: HTML, cut off, or empty."""
    try:
        _anything.decode(body)
        if not body.startswith(b"{"):
            return
    except NOT_JSON:
        pass
    kind = answer.headers.get("content-type", "")
    if not body:
        what, repeat = "with nothing", 1
    elif body.startswith(b"<") or "html" in kind:
        what, repeat = "with a web page instead of data (a login page, a proxy or maintenance?)", 1
    elif body[:1] in b'{["':
        what, repeat = "with JSON that is cut off or broken", 3
    else:
        what, repeat = "with something that is not JSON", 1
    raise ProtocolError(
        f"{request.operation}: ClicData answered status {answer.status} {what}",
        status=answer.status,
        operation=request.operation,
        repeat=repeat,
    )


def _check_keys(request: Request, answer: Answer, body: bytes) -> None:
    """Raise if a key repeats: one parser might then read success, and another one failure."""
    if request.replay is Replay.FREELY and len(body) > _LONGEST_PAGE_CHECKED:
        return
    try:
        if len(body) <= _LONGEST_OUTCOME:
            json.loads(body, object_pairs_hook=_check_distinct, parse_int=len, parse_float=len)
            return
    except (ValueError, RecursionError):
        pass
    raise _unclear(request, answer, "a repeated key or text that isn't UTF-8, or is too long or nested too deeply")


def _unclear(request: Request, answer: Answer, what: str) -> ProtocolError:
    return ProtocolError(
        f"{request.operation}: ClicData's response has {what}: it shows neither success nor failure",
        status=answer.status,
        operation=request.operation,
    )


def _stated_error(
    fields: Mapping[str, bytes], body: bytes, hide: Callable[[str], str]
) -> tuple[str | None, str | None]:
    """Return the code and the description in the response of an error."""

    def text(value: object) -> str | None:
        return None if value in (None, "") else server_text(hide(str(value)[:_LONGEST_DESCRIPTION]))

    def code_of(value: object) -> str | None:
        plain = _plain(str(value))
        known = plain in _BY_CODE or (len(str(value)) <= 4 and plain.isdecimal())
        return str(value) if known else text(value)  # a known code is no secret

    values = {name: parsed(fields[name]) for name in ("error", "error_description") if name in fields}
    error = values.get("error")
    if isinstance(error, dict):
        return code_of(error.get("code")), text(error.get("description") or error.get("message"))
    if error:  # OAuth: the code is the error itself, and its description another field
        return code_of(error), text(values.get("error_description"))
    plain = fields.get("message") or fields.get("description")
    if plain is not None:
        return None, text(parsed(plain))
    if not fields and not body.startswith(b"<"):
        return None, text(body[:_LONGEST_TEXT].decode("utf-8", "replace"))
    return None, None


# ---------------------------------------------------------------------------------------------------------
# Errors of the service as errors of this package

_BY_STATUS: dict[int, type[ApiError | AuthError]] = {
    401: BadCredentials,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: RateLimited,
}
# C: only the first two and "unauthorized" were seen. Compared without case, blanks and dashes.
_CODES: dict[type[ApiError | AuthError], str] = {
    ApiVersionError: "apiversionrequired invalidversion",
    PermissionDenied: "unauthorized forbidden insufficientscope",
    BadCredentials: "invalidclient invalidgrant invalidtoken unsupportedgranttype unauthorizedclient",
    NotFound: "notfound",
    Conflict: "conflict duplicatename alreadyexists",
    TooLarge: "toolarge",
    RateLimited: "toomanyrequests ratelimited ratelimitexceeded quotaexceeded",
    ApiError: "badrequest validation validationerror validationfailed invalidrequest invalidinput toomanyrows",
}
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
_STATUSES: dict[object, int] = {ApiError: 400, **{kind: status for status, kind in _BY_STATUS.items()}}
_REFUSING = frozenset({400, 401, 403, 404, 405, 406, 409, 411, 413, 414, 415, 422, 429})


def _plain(code: str | None) -> str:
    """Return a code in lower case, without blanks and dashes."""
    return "".join(c for c in (code or "").lower() if c.isalnum())


def nothing_was_done(error: ApiError | AuthError) -> bool:
    """Return whether an error of the service also means that it did nothing."""
    if error.status is not None and not 200 <= error.status < 300:
        return error.status in _REFUSING
    code = _plain(error.code)
    return code in _BY_CODE or (code.isdecimal() and int(code[:4]) in _REFUSING)


def means(error: ClicDataError, *statuses: int | None) -> bool:
    """Return whether an error of the service means one of these statuses; None is an unknown code with status 2xx.

    With status 2xx, only its code decides. With any other status, its code must not mean a different one.
    """
    if not isinstance(error, ApiError) or isinstance(error, ApiVersionError) or error.status is None:
        return False
    code = _plain(error.code)
    stated = int(code) if code.isdecimal() and len(code) == 3 else _STATUSES.get(_BY_CODE.get(code))
    if 200 <= error.status < 300:
        return stated in statuses
    return error.status in statuses and (stated is None or stated in statuses)


def _kind(status: int, code: str | None) -> type[ApiError | AuthError]:
    plain = _plain(code)
    if _BY_CODE.get(plain) is ApiVersionError:
        return ApiVersionError
    if 200 <= status < 300:
        if plain.isdecimal():
            return _BY_STATUS.get(int(plain[:4]), ApiError)
        return _BY_CODE.get(plain, ApiError)
    if status == 400 and _BY_CODE.get(plain) is BadCredentials:
        return BadCredentials
    return _BY_STATUS.get(status, ApiError)


_ADVICE: dict[type, str] = {
    BadCredentials: "Check the client id and secret, the user name and password, or the key.",
    PermissionDenied: "The credentials are good but lack the right for this call: see the app's scopes.",
    NotFound: "Check the id: Data().get_data() lists the data sets this account can see.",
    RateLimited: "Wait, or make fewer calls.",
}


def _refusal(
    request: Request, answer: Answer, fields: Mapping[str, bytes], body: bytes, hide: Callable[[str], str]
) -> ApiError | AuthError:
    code, description = _stated_error(fields, body, hide)
    kind = _kind(answer.status, code)
    text = (description or code or f"status {answer.status}").rstrip(".")
    named = f" ({code})" if code and description else ""
    status = "" if 200 <= answer.status < 300 else f" [status {answer.status}]"
    message = f"{request.operation}: ClicData refused: {text}{named}{status}"
    data_set, _, version = request.path.removeprefix("/data/").partition("/v/")
    versions = f"Data().get_data_history({data_set}) lists the stored versions of that data set."
    if kind in _ADVICE and (kind is not NotFound or request.path.startswith(("/data", "/table"))):
        message = f"{message}. {versions if kind is NotFound and version else _ADVICE[kind]}"
    elif kind is NotFound and request.operation in OF_EACH_ACCOUNT:
        message = f"{message}. Perhaps url= names another server."
    return kind(message, status=answer.status, code=code, description=description, operation=request.operation)
