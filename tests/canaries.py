"""Secrets that must never be shown, and the places to search for them."""

from __future__ import annotations

import base64
import functools
import json
import pickle
import secrets
import traceback
import types
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pandas_clicdata
from pandas_clicdata.session.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE = pandas_clicdata.__path__[0]


def canary(name: str, odd: str = "") -> Any:
    """Return a new secret; ``odd`` are characters that URLs, JSON and repr escape."""
    return field(default_factory=lambda: f"{name}-{odd}{secrets.token_hex(9)}{odd}-{name}")


@dataclass(frozen=True)
class Canaries:
    """Twelve secrets. Two of them are derived: those that Basic authentication sends."""

    client_secret: str = canary("ClientSecret", 'ü/+%"')
    access_token: str = canary("AccessToken", "/+=.~")
    refresh_token: str = canary("RefreshToken", "/+=&")
    api_key: str = canary("ApiKey", "/+=%")
    password: str = canary("Password", "é \\'\"&")
    proxy_password: str = canary("ProxyPassword")
    netrc_password: str = canary("NetrcPassword")
    cell: str = canary("Cell", '"\\é')
    owner: str = canary("Owner")
    other_secret: str = canary("OtherSecret", "/+")
    client_id: str = "an-app"
    username: str = "jane@example.com"

    @property
    def inner(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def basic(self) -> str:
        return base64.b64encode(f"{self.client_id}:{self.inner}".encode()).decode()

    def all(self) -> dict[str, str]:
        """Return the secrets by name."""
        known = {one.name: getattr(self, one.name) for one in fields(self)}
        del known["client_id"], known["username"]
        return {**known, "inner": self.inner, "basic": self.basic}

    def login(self, method: str) -> dict[str, Any]:
        """Return the arguments of a session."""
        texts = {
            "client_credentials": ("client_id", "client_secret"),
            "basic": ("client_id", "username", "password"),
            "api_key": ("api_key",),
            "authorization_code": ("client_id", "client_secret", "refresh_token"),
        }[method]
        return {"auth_method": method, **{name: getattr(self, name) for name in texts}}

    def sightings(self, *texts: str | bytes, but: Iterable[str] = ()) -> list[str]:
        """Return the secrets found in the texts, and how they are spelled."""
        raw = b"\0\0".join(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text for text in texts)
        return [f"{name} ({how})" for name, how, needle in _needles(self) if name not in but and needle in raw]


@functools.cache
def _needles(known: Canaries) -> list[tuple[str, str, bytes]]:
    return [
        (name, how, spelling.encode()) for name, secret in known.all().items() for how, spelling in spellings(secret)
    ]


def spellings(secret: str) -> Iterator[tuple[str, str]]:
    """Yield the spellings of a text, by name."""
    yield "raw", secret
    yield "URL", quote(secret, safe="")
    yield "path", quote(secret)
    yield "form", quote_plus(secret)
    yield "repr", repr(secret)[1:-1]
    yield "repr of bytes", repr(secret.encode())[2:-1]
    yield "JSON", json.dumps(secret)[1:-1]
    yield "JSON, not escaped", json.dumps(secret, ensure_ascii=False)[1:-1]
    for before in range(3):
        # The first and last characters depend on the neighbouring bytes.
        letters = base64.b64encode(b"." * before + secret.encode()).decode().rstrip("=")
        core = letters[-(-8 * before // 6) : -1]
        yield f"base64, {before} on", core
        yield f"base64 of URLs, {before} on", core.replace("+", "-").replace("/", "_")


# ---------------------------------------------------------------------------------------------------------
# Places to search


def chain(error: BaseException) -> list[BaseException]:
    """Return an error, its causes and its contexts."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__]
    return found


def own_frames(error: BaseException) -> Iterator[types.FrameType]:
    """Yield the frames of a traceback that run code of the package."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(PACKAGE):
            yield trace.tb_frame
        trace = trace.tb_next


def texts_of(error: BaseException) -> Iterator[tuple[str, str | bytes]]:
    """Yield the texts of an error that may be printed, logged or stored, by name."""
    for one in chain(error):
        kind = type(one).__name__
        yield f"str({kind})", str(one)
        yield f"repr({kind})", repr(one)
        yield f"{kind}.args", "\n".join(map(str, one.args)) + repr(one.args)
        yield f"vars({kind})", repr(vars(one))
        yield f"{kind}.__notes__", repr(getattr(one, "__notes__", None))
    yield "traceback", "".join(traceback.format_exception(error))


def pickles_of(error: BaseException) -> Iterator[tuple[str, bytes]]:
    """Yield each error of the package as another process gets it, with the receipt."""
    for one in chain(error):
        if type(one).__module__.startswith("pandas_clicdata"):
            yield f"{type(one).__name__}, pickled", pickle.dumps(one)


def locals_of(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield the local variables of our frames, as a dump shows them."""
    for one in chain(error):
        for frame in own_frames(one):
            for name, value in frame.f_locals.items():
                yield f"{frame.f_code.co_name}: {name}", repr(value)


_LEAVES = (
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    type,
    Secret,
    int,
    float,
    complex,
    type(None),
)
_MOST = 50_000


def reachable(error: BaseException) -> Iterator[tuple[str, str | bytes]]:
    """Yield every text that can be reached from an error by attributes, items and our frames' variables.

    The search ends at a `Secret`: it holds its text in a closure, which no dump of attributes enters.
    """
    seen: set[int] = set()
    kept: list[object] = []  # so that no id is used twice
    waiting: list[tuple[str, object]] = [("error", error)]
    while waiting:
        path, one = waiting.pop()
        if id(one) in seen or isinstance(one, _LEAVES):
            continue
        seen.add(id(one))
        kept.append(one)
        assert len(kept) < _MOST, f"too much can be reached from an error: {path}"
        if isinstance(one, (str, bytes, bytearray)):
            yield path, bytes(one) if isinstance(one, bytearray) else one
        else:
            waiting += [(f"{path}{step}", value) for step, value in _parts(one)]


def _parts(one: object) -> Iterator[tuple[str, object]]:
    if isinstance(one, dict):
        for key, value in one.items():
            yield ".key", key
            yield f"[{key!r}]"[:40], value
    elif isinstance(one, (list, tuple, set, frozenset)):
        for place, value in enumerate(one):
            yield f"[{place}]", value
    elif isinstance(one, types.MethodType):
        yield ".__self__", one.__self__
    if isinstance(one, BaseException):
        for name in ("args", "__cause__", "__context__", "__notes__"):
            yield f".{name}", getattr(one, name, None)
        for frame in own_frames(one):
            yield f"<{frame.f_code.co_name}>", dict(frame.f_locals)
    yield ".__dict__", getattr(one, "__dict__", None)
    for kind in type(one).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            yield f".{name}", getattr(one, name, None)


def shown_by(one: object) -> Iterator[tuple[str, str]]:
    """Yield the text forms of an object, its attributes, and its vars()."""
    kind = type(one).__name__
    for how, text in (("str", str(one)), ("repr", repr(one)), ("format", f"{one}"), ("%s", "%s" % one)):  # noqa: UP031
        yield f"{how}({kind})", text
    yield f"vars({kind})", repr(getattr(one, "__dict__", None))
    as_html = getattr(one, "_repr_html_", None)
    yield f"{kind}._repr_html_", as_html() if callable(as_html) else ""
    for name in dir(one):
        if not name.startswith("__"):
            try:
                value = getattr(one, name)
            except Exception as error:  # noqa: BLE001  # its text is searched too
                value = error
            yield f"{kind}.{name}", repr(value)
