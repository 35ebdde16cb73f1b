"""Request, Answer, Reply: what goes over the wire in either dialect, and the rule for what is an error.

Pure: no I/O, no clock.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pandas_clicdata.errors import (
    ApiError,
    ApiVersionError,
    AuthError,
    BadCredentials,
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
    from collections.abc import Callable, Iterable, Mapping

    from pandas_clicdata.uploads.receipt import AppendReceipt

FIRST_MODERN = "2022.01"  # C: the version to speak when the service wants one
TABLE_VERSION = "2025.3"  # the only version in which /table is seen
PROXY_LOGIN = "the proxy wants a user name and password, or others than these"  # the reason of a `TransportError`

Query = tuple[tuple[str, str], ...]


class Dialect(enum.Enum):
    """The two ways the service speaks: without ``api_version``, and with one."""

    LEGACY = "legacy"
    MODERN = "modern"


class Replay(enum.Enum):
    """When the same request may be sent a second time. A fact of the operation, not of the verb."""

    FREELY = "freely"
    IF_NOTHING_WAS_DONE = "if nothing was done"


class DialectChanged(UsageError):  # private: never leaves the package
    """The session speaks another dialect than the one this request was built for. It was not sent."""


@dataclass(frozen=True)
class Request:
    """One call, before anybody knows when and with which token it is sent.

    ``key`` is the name under which the legacy dialect hands out the list that is asked for. ``dialect`` is
    the one the path and body were made for, None where they are the same in both. ``in_text`` says
    that the answer may be bare text instead of JSON, ``fresh`` that no cache may answer, ``compressed`` that the
    body is gzip.
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

    def with_query(self, *more: tuple[str, str]) -> Request:
        """The same request with more in its query."""
        return replace(self, query=self.query + more)


@dataclass(frozen=True)
class Answer:
    """What came back, before anybody has judged it. Header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """An answer that is not an error.

    ``payload`` is the JSON (or text) that was asked for, freed of its envelope; ``fields`` are the parts
    of the envelope that stood beside it, each as JSON.
    """

    request: Request
    payload: bytes
    fields: Mapping[str, bytes]
    status: int = 200

    def value(self) -> Any:
        """The payload as Python objects; integers keep all their digits."""
        try:
            return parsed(self.payload, self.request.operation)
        except ProtocolError as error:
            error.in_doubt = self.request.replay is not Replay.FREELY  # nobody can say what became of a write
            raise

    def field(self, name: str) -> Any:
        """A part of the envelope as Python objects, None when it is not there."""
        return parsed(self.fields[name], self.request.operation) if name in self.fields else None


class Caller(Protocol):
    """What an endpoint needs of a session; a fake has it too."""

    last_receipt: AppendReceipt | None

    @property
    def dialect(self) -> Dialect:
        """The dialect that is spoken now."""
        ...

    def call(self, request: Request) -> Reply:
        """Send a request and give what was asked for, or raise a `ClicDataError`."""
        ...


def call_in_dialect(caller: Caller, build: Callable[[Dialect], Request]) -> Reply:
    """Call with the request that fits the dialect, built anew should the session change it meanwhile."""
    while True:
        dialect = caller.dialect
        try:
            return caller.call(replace(build(dialect), dialect=dialect))
        except DialectChanged:
            if caller.dialect is dialect:
                raise


def get(operation: str, path: str, *, key: str | None = None, query: Query = (), **more: Any) -> Request:
    """A request that changes nothing and may be repeated freely."""
    return Request(operation, "GET", path, query=query, key=key, replay=Replay.FREELY, **more)


def json_body(value: object) -> bytes:
    """A small body, written by the rules of JSON."""
    return msgspec.json.encode(value)


def parsed(text: bytes, operation: str | None = None) -> Any:
    """JSON to Python objects, or a `ProtocolError`."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        pass
    raise ProtocolError(
        f"{_said(operation)}ClicData answered with something that is not valid JSON", operation=operation
    )


def query_of(**filters: str | bool | int | None) -> Query:
    """The query of a call: what is None is left out, booleans go as ``true`` and ``false``."""
    return tuple(
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in filters.items()
        if value is not None
    )


def _said(operation: str | None) -> str:
    return f"{operation}: " if operation else ""


# ---------------------------------------------------------------------------------------------------------
# The judge


def judge(request: Request, answer: Answer, hide: Callable[[str], str] = str) -> Reply:
    """The reply in an answer, or the error that the answer is.

    An answer is an error when its status is not 2xx, when it has ``success`` false, or when it has an
    ``error``; whatever the status says. Success need not be stated: the legacy dialect never does.

    Parameters
    ----------
    request : Request
        What was asked.
    answer : Answer
        What came.
    hide : callable, optional
        Takes out of a text what must not be shown. Whatever an error repeats of the answer goes through it.

    Raises
    ------
    ApiError, AuthError
        ClicData said no.
    RedirectRefused
        The answer points elsewhere.
    ProtocolError
        The answer can't be understood.
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
        code, description, _ = _stated_error(_object(body) or {}, body, hide)
        raise _refusal(request, answer, code, description)
    return _unwrapped(request, answer, body, hide)


def _unwrapped(request: Request, answer: Answer, body: bytes, hide: Callable[[str], str]) -> Reply:
    if request.in_text and not body.startswith(b"{"):
        return Reply(request, body, {}, answer.status)
    fields = _object(body)
    if fields is None:
        _check_json(request, answer, body)
        return Reply(request, body, {}, answer.status)
    _check_keys(request, answer, fields, body)
    _check_success(request, answer, fields, body, hide)
    payload: bytes = body
    if "result" in fields:
        payload = fields.pop("result")
        inner = _object(payload)
        if inner is not None:
            _check_keys(request, answer, inner, payload)
    else:
        inner = dict(fields)
    if request.key is not None and inner is not None:
        found = _named_list(inner, request.key)
        if found is not None:
            name, payload = found
            fields |= {n: v for n, v in inner.items() if n != name}
    return Reply(request, payload, fields, answer.status)


def _named_list(fields: Mapping[str, bytes], key: str) -> tuple[str, bytes] | None:
    """The list among the fields: the one of that name, else the only one there is."""
    if key in fields:
        return key, fields[key]
    lists = [(name, value) for name, value in fields.items() if value.startswith(b"[")]
    return lists[0] if len(lists) == 1 else None


MOST_CELLS = 5_000_000  # of one page: tiny ones, which fit into an answer by the ten million, would fill the memory
_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def holds_too_many_cells(rows: bytes) -> bool:
    """Whether there are too many cells, empty rows included, found without making anything of them."""
    if len(rows) <= MOST_CELLS:  # the usual page is not even so many bytes
        return False
    return rows.count(b",") > MOST_CELLS and _TEXTS.sub(b"", rows).count(b",") > MOST_CELLS


def list_length(text: bytes) -> int | None:
    """How many elements a JSON array has; None if it is something else."""
    try:
        return len(_array.decode(text))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder(msgspec.Raw)


def _object(body: bytes) -> dict[str, bytes] | None:
    """The members of a JSON object, each still as JSON; None when it is something else."""
    if not body.startswith(b"{"):
        return None
    try:
        return {name: bytes(value) for name, value in _fields.decode(body).items()}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _check_json(request: Request, answer: Answer, body: bytes) -> None:
    """Refuse a 2xx answer that is not JSON: HTML, cut off, or empty."""
    try:
        _anything.decode(body)
        if not body.startswith(b"{"):
            return
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
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


def _check_keys(request: Request, answer: Answer, fields: Mapping[str, bytes], body: bytes) -> None:
    """Refuse an envelope in which a key stands twice: its readers would differ, and some would read a yes."""
    rest = _without_long_values(body, fields)
    if len(rest) > _LONGEST_ENVELOPE or _repeats_a_key(rest):
        raise _odd(request, answer, "a key that stands twice, or more around its data than an envelope has")


def _check_success(
    request: Request, answer: Answer, fields: Mapping[str, bytes], body: bytes, hide: Callable[[str], str]
) -> None:
    code, description, stated = _stated_error(fields, body, hide)
    success = fields.get("success", b"true")
    if success not in (b"true", b"false"):
        raise _odd(request, answer, f'"success": {server_text(hide(success.decode("utf-8", "replace")))}')
    if success == b"false" or stated:
        raise _refusal(request, answer, code, description)


def _odd(request: Request, answer: Answer, what: str) -> ProtocolError:
    return ProtocolError(
        f"{request.operation}: ClicData's answer has {what}: neither a clear yes nor a clear no",
        status=answer.status,
        operation=request.operation,
    )


_LONG_VALUE = 1024  # bytes
_LONGEST_SAID = 100_000  # characters of a text that are looked at before it is cut
_LONGEST_ENVELOPE = 1 << 20  # bytes


def _without_long_values(body: bytes, fields: Mapping[str, bytes]) -> bytes:
    """An object with a 0 in the place of each long value; what the fields don't hold stays."""
    kept, position = [], 0
    for value in fields.values():  # in the order in which they stand, unless a key stands twice
        if len(value) <= _LONG_VALUE:
            continue
        at = body.find(value[:_LONG_VALUE], position)
        while at >= 0 and not body.startswith(value, at):  # in two steps, as to search for all of it takes longer
            at = body.find(value[:_LONG_VALUE], at + 1)
        if at >= 0:
            kept += [body[position:at], b"0"]
            position = at + len(value)
    return b"".join([*kept, body[position:]])


def _repeats_a_key(text: bytes) -> bool:
    """Whether an object in a JSON text has a key twice; True too for what is no JSON any more."""

    def repeated(pairs: list[tuple[str, Any]]) -> bool:
        names = {name for name, _ in pairs}
        if len(names) < len(pairs):
            raise _Repeated
        return False

    try:
        json.loads(text, object_pairs_hook=repeated, parse_int=len, parse_float=len)
    except (_Repeated, ValueError, RecursionError):
        return True
    return False


class _Repeated(Exception):
    """A key stands twice."""


def _stated_error(
    fields: Mapping[str, bytes], body: bytes, hide: Callable[[str], str]
) -> tuple[str | None, str | None, bool]:
    """Code, description, and whether an error is stated at all."""

    def text(value: object) -> str | None:
        return None if value in (None, "") else server_text(hide(str(value)[:_LONGEST_SAID]))

    def code_of(value: object) -> str | None:
        return str(value) if _is_known(str(value)) else text(value)  # a known word is no secret

    error = parsed(fields["error"]) if "error" in fields else None
    if isinstance(error, dict):
        return code_of(error.get("code")), text(error.get("description") or error.get("message")), True
    if error:  # OAuth answers carry the code as text, its description beside it
        beside = fields.get("error_description")
        return code_of(error), text(parsed(beside)) if beside else None, True
    plain = fields.get("message") or fields.get("description")
    if plain is not None:
        return None, text(parsed(plain)), False
    if body and not fields and not body.startswith(b"<"):
        return None, text(body[:_LONG_VALUE].decode("utf-8", "replace")), False
    return None, None, False


# ---------------------------------------------------------------------------------------------------------
# From what the service said to one of our errors

_BY_STATUS: dict[int, type[ApiError | AuthError]] = {
    401: BadCredentials,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: RateLimited,
}
# C: apart from the first three and "unauthorized" no code is known; spelled without case, blanks and dashes.
_BY_CODE: dict[str, type[ApiError | AuthError]] = {
    "apiversionrequired": ApiVersionError,
    "invalidversion": ApiVersionError,
    "unauthorized": PermissionDenied,
    "forbidden": PermissionDenied,
    "insufficientscope": PermissionDenied,
    "invalidclient": BadCredentials,
    "invalidgrant": BadCredentials,
    "invalidtoken": BadCredentials,
    "unsupportedgranttype": BadCredentials,
    "unauthorizedclient": BadCredentials,
    "notfound": NotFound,
    "conflict": Conflict,
    "duplicatename": Conflict,
    "alreadyexists": Conflict,
    "toolarge": TooLarge,
    "toomanyrequests": RateLimited,
    "ratelimited": RateLimited,
    "ratelimitexceeded": RateLimited,
    "quotaexceeded": RateLimited,
    "badrequest": ApiError,
    "validation": ApiError,
    "validationerror": ApiError,
    "validationfailed": ApiError,
    "invalidrequest": ApiError,
    "invalidinput": ApiError,
    "toomanyrows": ApiError,
}
_REFUSING = frozenset({400, 401, 403, 404, 405, 406, 409, 411, 413, 414, 415, 422, 429})


def _plain(code: str | None) -> str:
    return "".join(c for c in (code or "").lower() if c.isalnum())


def nothing_was_done(error: ApiError | AuthError) -> bool:
    """Whether the service, in saying no, also said that it did nothing."""
    if error.status is not None and not 200 <= error.status < 300:
        return error.status in _REFUSING
    code = _plain(error.code)
    return code in _BY_CODE or (code.isdigit() and int(code[:4]) in _REFUSING)


def _is_known(code: str) -> bool:
    plain = _plain(code)
    return plain in _BY_CODE or (len(code) <= 4 and plain.isdigit())


def _kind(status: int, code: str | None) -> type[ApiError | AuthError]:
    plain = _plain(code)
    if _BY_CODE.get(plain) is ApiVersionError:
        return ApiVersionError
    if 200 <= status < 300:
        if plain.isdigit():
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


def _refusal(request: Request, answer: Answer, code: str | None, description: str | None) -> ApiError | AuthError:
    kind = _kind(answer.status, code)
    said = (description or code or f"status {answer.status}").rstrip(".")
    named = f" ({code})" if code and description else ""
    status = "" if 200 <= answer.status < 300 else f" [status {answer.status}]"
    message = f"{request.operation}: ClicData said no: {said}{named}{status}"
    if kind in _ADVICE and (kind is not NotFound or request.path.startswith(("/data", "/table"))):
        message = f"{message}. {_ADVICE[kind]}"
    raise kind(message, status=answer.status, code=code, description=description, operation=request.operation)


def version_query(version: str | None) -> Iterable[tuple[str, str]]:
    """How the dialect is chosen: always in the query, on every verb, never as a number."""
    return () if version is None else (("api_version", version),)
