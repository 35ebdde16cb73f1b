"""The ways to log in, tokens, and hiding secrets. Pure: no I/O, no clock."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn
from urllib.parse import quote, quote_plus

from pandas_clicdata.errors import (
    ApiError,
    ApiVersionError,
    AuthError,
    BadCredentials,
    ClicDataError,
    InputError,
    ProtocolError,
    RateLimited,
    TransportError,
)
from pandas_clicdata.session.wire import LOG_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MARGIN = 60.0  # seconds; a token is renewed this long before it expires
ASSUMED_LIFETIME = 300.0  # seconds, if the response states no lifetime

_LONGEST_LIFETIME = 10 * 365 * 86400.0


class Secret:
    """A text that is never shown: each of its text forms is ``***``."""

    __slots__ = ("reveal",)

    def __init__(self, text: str) -> None:
        def reveal() -> str:  # a closure: no vars() or dump of attributes shows the text
            return text

        self.reveal: Callable[[], str] = reveal

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled or copied; log in again in the other process")


@dataclass(frozen=True)
class Token:
    """An access token, the second of a monotonic clock at which it expires, and the refresh token of its response."""

    value: Secret
    ends: float
    refresh: Secret | None = None

    def fresh(self, now: float) -> bool:
        """Return whether the token is valid for longer than the margin."""
        return now < self.ends - MARGIN

    def alive(self, now: float) -> bool:
        """Return whether the token has not expired."""
        return now < self.ends


@dataclass(frozen=True)
class Credentials:
    """One way to log in. Subclasses define its headers or its form for the token endpoint."""

    method: ClassVar[str]
    needs_token: ClassVar[bool] = False

    def form(self) -> dict[str, str]:
        """Return the form for the token endpoint."""
        raise TypeError(f"{self.method} asks for no token")

    def headers(self, token: Token | None) -> dict[str, str]:
        """Return the headers that authorise a call."""
        assert token is not None
        return {"Authorization": f"Bearer {token.value.reveal()}"}

    def secrets(self) -> list[Secret]:
        """Return the secrets to hide."""
        return [held for held in vars(self).values() if isinstance(held, Secret)]

    def renewed(self, token: Token) -> Credentials:
        """Return the credentials for the next log-in."""
        return self


@dataclass(frozen=True)
class ClientCredentials(Credentials):
    """OAuth2 client credentials: an app's id and secret."""

    client_id: str
    client_secret: Secret
    method: ClassVar[str] = "client_credentials"
    needs_token: ClassVar[bool] = True

    def form(self) -> dict[str, str]:
        """Return the form, without a ``scope``: no client that is known to work sends one."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal(),
        }


@dataclass(frozen=True)
class AuthorizationCode(Credentials):
    """OAuth2 with a refresh token, which is replaced at each renewal."""

    client_id: str
    client_secret: Secret
    refresh_token: Secret
    method: ClassVar[str] = "authorization_code"
    needs_token: ClassVar[bool] = True

    def form(self) -> dict[str, str]:
        """Return the form of the refresh grant."""
        return {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token.reveal(),
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal(),
        }

    def renewed(self, token: Token) -> AuthorizationCode:
        """Return the same with the new refresh token, if there is one."""
        return self if token.refresh is None else replace(self, refresh_token=token.refresh)


@dataclass(frozen=True)
class Code(Credentials):
    """OAuth2 with a code that works once. The response to it has a refresh token."""

    client_id: str
    client_secret: Secret
    code: Secret
    redirect_uri: str  # the address to which the browser was redirected with the code
    method: ClassVar[str] = "authorization_code"

    def form(self) -> dict[str, str]:
        """Return the form for the code."""
        return {
            "grant_type": "authorization_code",
            "code": self.code.reveal(),
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal(),
            "redirect_uri": self.redirect_uri,
        }


@dataclass(frozen=True)
class Basic(Credentials):
    """An app's id with a user's name and password."""

    client_id: str
    username: str
    password: Secret
    method: ClassVar[str] = "basic"

    def headers(self, token: Token | None) -> dict[str, str]:
        """Return Basic authentication inside Basic authentication: ``id:base64(user:password)``."""
        return {"Authorization": f"Basic {_base64(f'{self.client_id}:{self._inner()}')}"}

    def secrets(self) -> list[Secret]:
        """Return the password in each form in which it is sent."""
        return [self.password, Secret(self._inner()), Secret(_base64(f"{self.client_id}:{self._inner()}"))]

    def _inner(self) -> str:
        return _base64(f"{self.username}:{self.password.reveal()}")


@dataclass(frozen=True)
class ApiKey(Credentials):
    """An API key in its own header, without an ``Authorization`` header."""

    api_key: Secret
    method: ClassVar[str] = "api_key"

    def headers(self, token: Token | None) -> dict[str, str]:
        """Return the header with the key."""
        return {"CLICDATA-API-KEY": self.api_key.reveal()}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


# ---------------------------------------------------------------------------------------------------------
# Hiding


def hide(credentials: Credentials, token: Token | None, text: str) -> str:
    """Return a text without the secrets, in plain form and as URLs, forms, JSON and base64 write them."""
    secrets = [*credentials.secrets(), *([token.value] if token else [])]
    spellings = {spelling for secret in secrets for spelling in _spellings(secret.reveal())}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = without(spelling, text)
    return text


# Usual in messages: stars in place of such a word would show that it is the secret.
_is_usual = re.compile(
    "access|account|api|app|authentication|authorization|client|credentials?|data|denied|error|expired|failed|id|invalid|"
    "key|login|name|not|password|refresh|refused|secret|the|token|unauthorized|unknown|user|username|wrong",
    re.IGNORECASE,
).fullmatch
_LONGEST_WORD = 8  # letters of a secret that may occur within longer words by chance


def without(secret: str, text: str) -> str:
    """Return a text without a secret. A short word is hidden as a whole word only, a usual word as a value only."""
    if _is_usual(secret):  # a value follows one of = : < or an opening quote or bracket
        return re.sub(rf"""([=:"'`(\[{{<]\s*){re.escape(secret)}(?!\w)""", r"\1***", text)
    if secret.isalpha() and len(secret) <= _LONGEST_WORD:
        return re.sub(rf"(?<![^\W\d_]){re.escape(secret)}(?![^\W\d_])", "***", text)
    return text.replace(secret, "***")


_SHORTEST_IN_BASE64 = 6  # characters of a secret; the base64 of a shorter one may occur in any text by chance


def _spellings(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (repr(secret)[1:-1], repr(secret.encode())[2:-1])
    yield from (json.dumps(secret, ensure_ascii=escaped)[1:-1] for escaped in (True, False))
    if len(secret) >= _SHORTEST_IN_BASE64:
        for before in range(3):
            # The first and last characters depend on the neighbouring bytes.
            encoded = base64.b64encode(b"\0" * before + secret.encode())
            core = encoded.rstrip(b"=").decode("ascii")[(8 * before + 5) // 6 : -1]
            yield from (core, core.replace("+", "-").replace("/", "_"))


# ---------------------------------------------------------------------------------------------------------
# From arguments to credentials

_KINDS: dict[str, Any] = {kind.method: kind for kind in (ApiKey, AuthorizationCode, Basic, ClientCredentials)}
NEEDS = {method: tuple(field.name for field in fields(kind)) for method, kind in _KINDS.items()}
_IN_CLEAR = ("client_id", "username")
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
GIVEN = ("client_id", "client_secret", "username", "password", "api_key", "refresh_token")


def credentials_of(auth_method: str | None, given: Mapping[str, Any]) -> Credentials:
    """Return the credentials among the arguments of a `Session`, or raise `InputError`.

    ``given`` has every name of `GIVEN`. Without ``auth_method``, the names that have a value decide the way to log in.
    """
    texts = {name: value for name, value in given.items() if value is not None}
    problems = [problem for name, value in texts.items() if (problem := _problem(name, value))]
    if problems:
        raise InputError(problems)
    method = auth_method or _choose_method(texts)
    if method not in NEEDS:
        raise InputError(f"auth_method must be one of {', '.join(sorted(NEEDS))}, not {auth_method!r}")
    missing = [name for name in NEEDS[method] if name not in texts]
    if missing:
        raise InputError(f"auth_method {method!r} also needs {' and '.join(missing)}")
    kept = {name: texts[name] if name in _IN_CLEAR else Secret(texts[name]) for name in NEEDS[method]}
    return _KINDS[method](**kept)  # type: ignore[no-any-return]


def _choose_method(texts: Mapping[str, str]) -> str:
    """Return the only way to log in for which all arguments are given."""
    complete = [method for method, names in NEEDS.items() if all(name in texts for name in names)]
    if "authorization_code" in complete and "client_credentials" in complete:
        complete.remove("client_credentials")  # a refresh token is only given for the other one
    if len(complete) == 1:
        return complete[0]
    if complete:
        raise InputError(f"the credentials given fit {' and '.join(complete)}: say which one with auth_method=")
    wanted = "; ".join(f"{method}: {', '.join(names)}" for method, names in NEEDS.items())
    have = f"only {' and '.join(texts)}" if texts else "nothing"
    raise InputError(f"credentials are missing. Given: {have}. Each way to log in needs: {wanted}")


def _problem(name: str, value: object) -> str | None:
    """Return why a value can't be a credential, without the value; None if it can."""
    if not isinstance(value, str):
        return f"{name} must be text, not {type(value).__name__}"
    if not value.strip():
        return f"{name} is empty"
    if any(c in value for c in "\r\n\0"):
        return f"{name} has a line break or a NUL in it"
    if name != "password" and value != value.strip():
        return f"{name} has white space around it: remove it"
    if name != "password" and value[0] in _QUOTES and value[-1] in _QUOTES:
        return f"{name} has quotation marks around it: remove them"
    if name == "api_key" and not value.isascii():
        return f"{name} has characters that an HTTP header can't hold"
    if name in ("client_id", "username") and ":" in value:
        return f"{name} has a colon, which Basic authentication doesn't allow"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"{name} has characters that can't be encoded"
    return None


# ---------------------------------------------------------------------------------------------------------
# Responses of the token endpoint


def token_of(members: object, now: float) -> Token:
    """Return the token of a response that arrived at second ``now``. No error shows a text of the response."""
    if isinstance(members, dict):
        access, refresh = members.get("access_token"), members.get("refresh_token")
        if isinstance(access, str) and access and access.isascii() and access.isprintable():
            new = Secret(refresh) if isinstance(refresh, str) and refresh else None
            return Token(Secret(access), now + _lifetime(members.get("expires_in")), new)
    raise ProtocolError("log in: the token endpoint answered without an access token", operation="log in")


_REFUSED_LOGIN = frozenset({200, 400, 401, 403, 422})  # C: the statuses of the token endpoint for wrong credentials


def login_error(error: ClicDataError, credentials: Credentials) -> ClicDataError:
    """Return the error of a call whose log-in failed: `BadCredentials` if the credentials were refused."""
    if isinstance(error, TransportError):
        error.sent = "no"  # the call that needs the token was not sent
    if not isinstance(error, (ApiError, AuthError)) or isinstance(error, (RateLimited, ApiVersionError)):
        return error
    if error.status not in _REFUSED_LOGIN:
        return error
    text = (error.description or error.code or f"status {error.status}").rstrip(".")
    return BadCredentials(
        f"{LOG_IN}: ClicData refused the credentials: {text}. "
        f"Check those given for auth_method={credentials.method!r}.",
        status=error.status,
        code=error.code,
        description=error.description,
        operation=LOG_IN,
    )


def _lifetime(stated: object) -> float:
    """Return a lifetime in seconds, at least 0; the assumed one if it is missing or not a number."""
    if isinstance(stated, bool) or not isinstance(stated, (int, float, str)):
        return ASSUMED_LIFETIME
    try:
        seconds = float(stated)
    except (ValueError, OverflowError):
        return ASSUMED_LIFETIME
    return ASSUMED_LIFETIME if math.isnan(seconds) else max(0.0, min(seconds, _LONGEST_LIFETIME))
