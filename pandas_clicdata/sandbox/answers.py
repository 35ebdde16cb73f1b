"""The call that an endpoint gets, and the response that it returns, in either dialect."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from werkzeug.routing import Rule

from pandas_clicdata.sandbox.switches import Switches

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from werkzeug.datastructures import MultiDict

T = TypeVar("T")
JSON = "application/json; charset=utf-8"


class Refusal(Exception):
    """The sandbox refuses a request, for the reason in ``description``."""

    def __init__(self, status: int, code: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description
        self.headers = dict(headers or {})

    def answer(self, version: str | None) -> Answer:
        """Return the response."""
        error = {"code": self.code, "description": self.description}
        # The errors about versions are known to come under 200 and without "success".
        bare = version is None or self.code in ("APIVersionRequired", "InvalidVersion")
        body = {"error": error} if bare else {"success": False, "error": error}
        return Answer(self.status, to_json(body), headers=self.headers)


def invalid(description: str) -> Refusal:
    """Return a 400: the endpoint does not accept the request."""
    return Refusal(400, "ValidationError", description)


def not_found(what: str) -> Refusal:
    """Return a 404: this thing doesn't exist."""
    return Refusal(404, "NotFound", f"There is no {what}.")


@dataclass
class Answer:
    """A response before it is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    # A fault's own way to send head and body; the connection is closed afterwards.
    delivery: Callable[[socket.socket, bytes, bytes], None] | None = None


@dataclass
class Settings:
    """The arguments of `start` that say how the sandbox behaves."""

    page_size: int = 1000
    max_page_size: int = 10_000
    require_version: bool = False
    token_lifetime: int = 3600
    latency: float = 0.0
    history: bool = True
    insert_limit: int = 500
    row_limit: int | None = None
    refresh_limit: int | None = None
    requests_per_minute: int | None = None
    schedule_seconds: float = 2.0
    record: bool = True
    switches: Switches = field(default_factory=Switches)


@dataclass(frozen=True)
class Caller:
    """How a caller logged in, its scopes (None: all), and its user, if it is a user."""

    way: str
    scopes: frozenset[str] | None = None
    username: str | None = None

    def check(self, scope: str) -> None:
        """Refuse a caller whose token was requested without this scope."""
        if self.scopes is not None and scope not in self.scopes:
            raise Refusal(403, "InsufficientScope", f"This call needs the scope {scope}.")


@dataclass
class Call:
    """One request of a caller that is logged in."""

    args: MultiDict[str, str]
    body: bytes
    content_type: str
    version: str | None
    caller: Caller
    settings: Settings

    @property
    def modern(self) -> bool:
        """Whether the caller named an ``api_version``."""
        return self.version is not None

    @property
    def has_filters(self) -> bool:
        """Whether updates and deletes take a modern filter: from version 2022.01 on."""
        return self.version is not None and tuple(map(int, self.version.split("."))) >= (2022, 1)

    def text(self, name: str) -> str | None:
        """Return a parameter of the query; None if it is empty."""
        return self.args.get(name) or None

    def flag(self, name: str) -> bool | None:
        """Return a boolean of the query, in upper or lower case."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false"):
            raise invalid(f"{name} is true or false, not {value!r}.")
        return value.lower() == "true"

    def number(self, name: str, default: int) -> int:
        """Return a count of the query, from 1."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 13 and int(value) > 0):
            raise invalid(f"{name} is an integer from 1, not {value!r}.")
        return int(value)

    def json_body(self) -> bytes:
        """Return the body if it was sent as JSON in UTF-8."""
        if self.content_type.split(";")[0].strip().lower() != "application/json":
            raise Refusal(
                415, "UnsupportedMediaType", f"The body must be application/json, not {self.content_type or 'untyped'}."
            )
        try:
            self.body.decode()
        except UnicodeDecodeError as error:
            raise Refusal(400, "InvalidJson", f"The body is not UTF-8: {error}.") from None
        return self.body

    def decoded(self, kind: type[T]) -> T:
        """Return the body as this type, or refuse it."""
        return decoded(msgspec.json.Decoder(kind), self.json_body())


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """Return JSON as the decoder's type, or raise a 400 that names the first problem."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(f"{error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refusal(400, "InvalidJson", f"The body is not JSON: {error}.") from None


class Route(NamedTuple):
    """The method that answers a path, with the scope that the caller needs, and whether it needs a version.

    ``owner`` is the class of the method: all sandboxes share the routes, and each has its own instance.
    """

    owner: type
    answer: Callable[..., Answer]
    scope: str
    needs_version: bool = False


def rule(owner: type, method: str, path: str, answer: Callable[..., Answer], scope: str, **needs: bool) -> Rule:
    """Return Werkzeug's rule for a path; ``{name}`` in it is an id."""
    pattern = re.sub(r"{(\w+)}", r"<int(max=9223372036854775807):\1>", path)
    return Rule(pattern, methods=[method], endpoint=Route(owner, answer, scope, **needs))


def to_json(value: object) -> bytes:
    """Return a small value as JSON."""
    return msgspec.json.encode(value)


# ---------------------------------------------------------------------------------------------------------
# Envelopes


def done(call: Call) -> Answer:
    """Return the response of a write that has no result."""
    return value(call, {"success": True})


def value(call: Call, legacy: object, modern: object = msgspec.UNSET) -> Answer:
    """Return one value; the modern dialect wraps ``modern`` (by default ``legacy``) in its envelope."""
    if not call.modern:
        return Answer(body=to_json(legacy))
    result = legacy if modern is msgspec.UNSET else modern
    return Answer(body=to_json({"success": True, "result": result}))


def listing(call: Call, key: str, items: Sequence[Mapping[str, Any]], *, counted: bool) -> Answer:
    """Return a short list: all of it in the legacy dialect, with a count if ``counted``; a page in the modern one."""
    if not call.modern:
        count = {"count": len(items)} if counted else {}
        return Answer(body=to_json({**count, key: items}))
    page = Page.asked(call)
    shown = items[page.start : page.start + page.size]
    return page.answer(call, key, map(to_json, shown), len(shown), len(items))


@dataclass(frozen=True)
class Page:
    """The part of a list that is requested."""

    number: int
    size: int

    @classmethod
    def asked(cls, call: Call) -> Page:
        """Return the page of the query; only the modern dialect lets the caller choose a size."""
        settings = call.settings
        switches = settings.switches
        chosen = call.modern and switches.large_page_size != "ignored"
        size = call.number("page_size", settings.page_size) if chosen else settings.page_size
        if size > settings.max_page_size and switches.large_page_size in ("refused", "error"):
            status = 400 if switches.large_page_size == "refused" else 200
            raise Refusal(status, "ValidationError", f"page_size is at most {settings.max_page_size}.")
        number = call.number("page", 1) if switches.page_number == "honoured" else 1
        return cls(number, min(size, settings.max_page_size))  # C: the service's own maximum

    @property
    def start(self) -> int:
        """The number of items before this page."""
        return (self.number - 1) * self.size

    def answer(self, call: Call, key: str, items: Iterable[bytes], count: int, total: int) -> Answer:
        """Return these items, each as JSON, in the caller's dialect."""
        more = self.start + count < total and count > 0
        said = call.settings.switches.paging
        flags: dict[str, object]
        if not call.modern:
            flags = {"has_more_data": more} if said == "flags" else {"count": total} if said == "total" else {}
            tail = b"".join(b",%b:%b" % (to_json(name), to_json(flag)) for name, flag in flags.items())
            return Answer(body=b'{"%b":[%b]%b}' % (key.encode(), b",".join(items), tail))
        flags = {
            "result_count": count,
            "result_total_count": total,
            "current_page": self.number,
            "page_size": self.size,
            "has_more_results": more,
            "last_page": not more,
        }
        if said == "total":
            del flags["has_more_results"], flags["last_page"]
        tail = b"" if said == "none" else b',"pagination":%b' % to_json(flags)
        return Answer(body=b'{"success":true,"result":[%b]%b}' % (b",".join(items), tail))
