"""Every login: OAuth2 in three grants, Basic with its nested secret, the API key."""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from pandas_clicdata.sandbox.answers import Answer, Caller, Refusal, Settings, to_json

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers, MultiDict

    from pandas_clicdata.sandbox.people import People

# C: all except account_read, data_read, data_write, table_read and table_write.
SCOPES = frozenset(
    {"account_read", "dashboard_read"}
    | {f"{noun}_{verb}" for noun in ("data", "table", "schedule", "team", "user") for verb in ("read", "write")}
)
_CODE_LIFETIME = 600  # seconds
_SAME_LOGIN = 60


@dataclass(frozen=True)
class Credentials:
    """The credentials that the sandbox accepts. They are fake, and the same in every sandbox."""

    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"  # noqa: S105 - fake, and documented
    username: str = "jane@example.com"
    password: str = "sandbox-password"  # noqa: S105 - fake, and documented
    api_key: str = "sandbox-api-key"
    refresh_token: str = "sandbox-refresh-token"  # noqa: S105 - fake, and documented


@dataclass(frozen=True)
class _Grant:
    """A token or code that was issued."""

    caller: Caller
    expires: float = float("inf")
    redirect_uri: str = ""


class Logins:
    """The credentials and tokens that are valid now."""

    def __init__(self, credentials: Credentials, people: People, settings: Settings) -> None:
        self._known = credentials
        self._people = people
        self._settings = settings
        self._lock = threading.Lock()
        self._tokens: dict[str, _Grant] = {}
        self._codes: dict[str, _Grant] = {}
        self._as_user = Caller("authorization_code", username=credentials.username)
        self._refresh = {credentials.refresh_token: _Grant(self._as_user)}
        self._basic_seen: dict[str, float] = {}

    def expire_tokens(self) -> None:
        """Expire every access token now."""
        with self._lock:
            self._tokens.clear()

    def new_refresh_token(self) -> str:
        """Return a new refresh token, as a login in a browser would."""
        return self._issue_refresh_token(self._as_user)

    # -- each request -----------------------------------------------------------------

    def caller(self, headers: Headers) -> Caller:
        """Return the caller of a request, or raise a 401."""
        authorization, key = headers.get("Authorization"), headers.get("CLICDATA-API-KEY")
        if authorization is not None and key is not None:
            raise _unauthorized("An API key must be sent without an Authorization header.")
        if key is not None:
            if not _same(key, self._known.api_key):
                raise _unauthorized("The API key is not known.")
            return Caller("api_key")
        if authorization is None:
            raise _unauthorized("This call needs credentials.")
        way, _, token = authorization.partition(" ")
        if way.lower() == "bearer":
            return self._bearer(token.strip())
        if way.lower() == "basic":
            return self._basic(token.strip())
        raise _unauthorized("Authorization is Bearer or Basic.")

    def _bearer(self, token: str) -> Caller:
        with self._lock:
            grant = self._tokens.get(token)
        if grant is None or grant.expires <= time.monotonic():
            raise _unauthorized("The access token is not known, or has expired.")
        return grant.caller

    def _basic(self, token: str) -> Caller:
        client_id, colon, inner = _from_base64(token).partition(":")
        username, inner_colon, password = _from_base64(inner).partition(":")
        if not (colon and inner_colon):
            raise _unauthorized("Basic needs base64(client_id:base64(user:password)).")
        if not _same(client_id, self._known.client_id) or not self._people.has_password(username, password):
            raise _unauthorized("The client id, user name or password is wrong.")
        self._record_basic(username)
        return Caller("basic", username=username)

    def _record_basic(self, username: str) -> None:
        """Record a login by Basic; calls within a minute count as one login."""
        now = time.monotonic()
        with self._lock:
            last = self._basic_seen.get(username)
            self._basic_seen[username] = now
        if last is None or now - last > _SAME_LOGIN:
            self._people.record(username, "login", login=True)

    # -- the token endpoint -----------------------------------------------------------

    def token(self, form: MultiDict[str, str]) -> Answer:
        """``POST /oauth20/token``; unknown fields are ignored, as by the service."""
        grant_type = form.get("grant_type", "")
        ways = {
            "client_credentials": self._by_client,
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh_token,
        }
        if grant_type not in ways:
            return _oauth_error(400, "unsupported_grant_type", f"There is no grant type {grant_type!r}.")
        if not _same(form.get("client_id", ""), self._known.client_id) or not _same(
            form.get("client_secret", ""), self._known.client_secret
        ):
            return _oauth_error(401, "invalid_client", "The client id or the client secret is wrong.")
        return ways[grant_type](form)

    def _by_client(self, form: MultiDict[str, str]) -> Answer:
        scopes = _scopes(form.get("scope"))
        if scopes is not None and not scopes <= SCOPES:
            return _oauth_error(400, "invalid_scope", f"Unknown: {' '.join(sorted(scopes - SCOPES))}.")
        return self._token_answer(Caller("client_credentials", scopes), refresh=False)

    def _by_code(self, form: MultiDict[str, str]) -> Answer:
        with self._lock:
            grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or grant.expires <= time.monotonic():
            return _oauth_error(400, "invalid_grant", "The code is not known, was used, or has expired.")
        if form.get("redirect_uri") != grant.redirect_uri:
            return _oauth_error(400, "invalid_grant", "redirect_uri is not the address to which the code was sent.")
        return self._token_answer(grant.caller, refresh=True)

    def _by_refresh_token(self, form: MultiDict[str, str]) -> Answer:
        with self._lock:
            grant = self._refresh.pop(form.get("refresh_token", ""), None)
        if grant is None:
            return _oauth_error(400, "invalid_grant", "The refresh token is not known, or was used already.")
        return self._token_answer(grant.caller, refresh=True)

    def _token_answer(self, caller: Caller, *, refresh: bool) -> Answer:
        if caller.username is not None:
            self._people.record(caller.username, "login", login=True)
        lifetime = self._settings.token_lifetime
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = _Grant(caller, time.monotonic() + lifetime)
        body: dict[str, object] = {"access_token": token, "token_type": "bearer", "expires_in": lifetime}
        if caller.scopes is not None:
            body["scope"] = " ".join(sorted(caller.scopes))
        if refresh:
            body["refresh_token"] = self._issue_refresh_token(caller)
        return Answer(body=to_json(body), headers={"Cache-Control": "no-store"})

    def _issue_refresh_token(self, caller: Caller) -> str:
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._refresh[token] = _Grant(caller)
        return token

    # -- the login in a browser -------------------------------------------------------

    def authorize(self, args: MultiDict[str, str]) -> Answer:
        """``GET /oauth20/authorize``: redirect back with a code, as if the user agreed at once."""
        target = args.get("redirect_uri", "")
        if urlsplit(target).scheme not in ("http", "https"):
            return _oauth_error(400, "invalid_request", "redirect_uri is missing, or not a web address.")
        if not _same(args.get("client_id", ""), self._known.client_id):
            return _oauth_error(401, "invalid_client", "The client id is not known.")
        scopes = _scopes(args.get("scope"))
        answer: dict[str, str]
        if args.get("response_type") != "code":
            answer = {"error": "unsupported_response_type"}
        elif scopes is not None and not scopes <= SCOPES:
            answer = {"error": "invalid_scope"}
        else:
            answer = {"code": str(uuid.uuid4())}
            grant = _Grant(
                replace(self._as_user, scopes=scopes), time.monotonic() + _CODE_LIFETIME, redirect_uri=target
            )
            with self._lock:
                self._codes[answer["code"]] = grant
        if "state" in args:
            answer["state"] = args["state"]
        glue = "&" if urlsplit(target).query else "?"
        return Answer(302, headers={"Location": f"{target}{glue}{urlencode(answer)}"})


def _scopes(text: str | None) -> frozenset[str] | None:
    return frozenset(text.split()) if text else None


def _same(given: str, known: str) -> bool:
    return secrets.compare_digest(given.encode(), known.encode())


def _from_base64(text: str) -> str:
    """Decode base64 strictly: the standard alphabet, with padding, and UTF-8 inside."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise _unauthorized("Basic needs base64(client_id:base64(user:password)).") from None


def _unauthorized(description: str) -> Refusal:
    return Refusal(401, "Unauthorized", description, {"WWW-Authenticate": "Bearer"})


def _oauth_error(status: int, code: str, description: str) -> Answer:
    return Answer(status, to_json({"error": code, "error_description": description}))
