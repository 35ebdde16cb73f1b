"""A call as the endpoints see it, and the answer they give, in either dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from werkzeug.datastructures import MultiDict

    from pandas_clicdata.sandbox.logins import Caller

T = TypeVar("T")
JSON = "application/json; charset=utf-8"


class Refusal(Exception):
    """The sandbox says no, and why."""

    def __init__(self, status: int, code: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description
        self.headers = dict(headers or {})

    def answer(self, version: str | None) -> Answer:
        """This refusal as it goes over the wire."""
        error = {"code": self.code, "description": self.description}
        # The answer about versions is known to come under 200 and without "success".
        silent = version is None or self.code in ("APIVersionRequired", "InvalidVersion")
        body = {"error": error} if silent else {"success": False, "error": error}
        return Answer(self.status, to_json(body), headers=self.headers)


def invalid(description: str) -> Refusal:
    """A 400: the request is not what the endpoint takes."""
    return Refusal(400, "ValidationError", description)


def not_found(what: str) -> Refusal:
    """A 404 for one thing."""
    return Refusal(404, "NotFound", f"There is no {what}.")


@dataclass
class Answer:
    """An answer before it goes out."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    # How a fault puts the bytes (head and body) on the socket instead of just sending them; the connection
    # is closed afterwards.
    delivery: Callable[[socket.socket, bytes, bytes], None] | None = None


@dataclass
class Settings:
    """How this sandbox behaves, all of it `start`'s arguments."""

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


@dataclass
class Call:
    """One request that was let through."""

    method: str
    args: MultiDict[str, str]
    body: bytes
    content_type: str
    version: str | None
    caller: Caller

    @property
    def modern(self) -> bool:
        """Whether the caller named an ``api_version``."""
        return self.version is not None

    def text(self, name: str) -> str | None:
        """A parameter of the query; an empty one is none."""
        return self.args.get(name) or None

    def flag(self, name: str) -> bool | None:
        """A boolean of the query, in any case of letters."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false"):
            raise invalid(f"{name} is true or false, not {value!r}.")
        return value.lower() == "true"

    def number(self, name: str, default: int) -> int:
        """A count of the query, from 1."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 13 and int(value) > 0):
            raise invalid(f"{name} is an integer from 1, not {value!r}.")
        return int(value)

    def json_body(self) -> bytes:
        """The body, known to be JSON in UTF-8."""
        if self.content_type.split(";")[0].strip().lower() != "application/json":
            raise Refusal(
                415,
                "UnsupportedMediaType",
                f"The body must be application/json, not {self.content_type or 'untyped'}.",
            )
        try:
            self.body.decode()
        except UnicodeDecodeError as error:
            raise Refusal(400, "InvalidJson", f"The body is not UTF-8: {error}.") from None
        return self.body

    def decoded(self, decoder: msgspec.json.Decoder[T]) -> T:
        """The body as the decoder's type."""
        return decoded(decoder, self.json_body())


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """JSON as the decoder's type, or a 400 that says where it is not."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(f"{error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refusal(400, "InvalidJson", f"The body is not JSON: {error}.") from None


def to_json(value: object) -> bytes:
    """Any small value as JSON."""
    return msgspec.json.encode(value)


# ---------------------------------------------------------------------------------------------------------
# Envelopes


def done(call: Call) -> Answer:
    """A write that has nothing to tell."""
    return value(call, {"success": True})


def value(call: Call, legacy: object, modern: object = msgspec.UNSET) -> Answer:
    """One thing; the modern dialect wraps it (or something else) in its envelope."""
    if not call.modern:
        return Answer(body=to_json(legacy))
    result = legacy if modern is msgspec.UNSET else modern
    return Answer(body=to_json({"success": True, "result": result}))


def listing(call: Call, key: str, items: Sequence[Mapping[str, Any]], settings: Settings, *, counted: bool) -> Answer:
    """A short list: whole in the legacy dialect, ``counted`` or not; by pages in the modern one."""
    if not call.modern:
        count = {"count": len(items)} if counted else {}
        return Answer(body=to_json({**count, key: items}))
    page = Page.asked(call, settings)
    shown = items[page.start : page.start + page.size]
    return page.modern_answer(map(to_json, shown), len(shown), len(items))


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for."""

    number: int
    size: int

    @classmethod
    def asked(cls, call: Call, settings: Settings) -> Page:
        """The page of the query; only the modern dialect lets the caller choose a size."""
        size = call.number("page_size", settings.page_size) if call.modern else settings.page_size
        return cls(call.number("page", 1), min(size, settings.max_page_size))  # C: the service's own maximum

    @property
    def start(self) -> int:
        """How many items stand before this page."""
        return (self.number - 1) * self.size

    def answer(self, call: Call, key: str, items: Iterable[bytes], count: int, total: int) -> Answer:
        """These items, each as JSON, in the caller's dialect."""
        if call.modern:
            return self.modern_answer(items, count, total)
        more = b"true" if self.start + count < total and count else b"false"
        return Answer(body=b'{"%b":[%b],"has_more_data":%b}' % (key.encode(), b",".join(items), more))

    def modern_answer(self, items: Iterable[bytes], count: int, total: int) -> Answer:
        """These items with their ``pagination``."""
        more = self.start + count < total and count > 0
        pagination = {
            "result_count": count,
            "result_total_count": total,
            "current_page": self.number,
            "page_size": self.size,
            "has_more_results": more,
            "last_page": not more,
        }
        return Answer(body=b'{"success":true,"result":[%b],"pagination":%b}' % (b",".join(items), to_json(pagination)))
