"""``doctor``: show the settings, try a call, and advise what to change."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from pandas_clicdata.commands.outcome import Exit, exit_of
from pandas_clicdata.errors import (
    ApiVersionError,
    AuthError,
    BadCredentials,
    ClicDataError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RedirectRefused,
    TlsError,
    TransportError,
    UsageError,
)
from pandas_clicdata.session import manager, profiles
from pandas_clicdata.session.arguments import DEFAULT_URL, VERSIONS, doubt_url
from pandas_clicdata.session.session import Session, package_version
from pandas_clicdata.session.wire import get

SECRETS = ("client_secret", "password", "api_key")
RIGHTS = {"data sets": "/data", "account": "/account", "dashboards": "/dashboard", "schedules": "/schedule"}
_NO_RIGHTS = "the credentials have none of these rights: see the scopes of the API app in ClicData, Account > API Apps."


def doctor() -> int:
    """Print the settings and the result of a call.

    Returns
    -------
    int
        0 if a call succeeds, else the exit code for the error: 4 for wrong credentials, or for none of the rights.
    """
    print(f"pandas_clicdata {package_version()}\n\nSettings")
    for name, variable in manager.ENVIRONMENT.items():
        _print_line(variable, _describe(name, os.environ.get(variable)))
    _print_line(manager.PROFILE, os.environ.get(manager.PROFILE) or "not set")
    _print_line(profiles.CONFIG, os.environ.get(profiles.CONFIG) or f"not set ({profiles.path_of_config()})")
    params, found = manager.sources(os.environ)
    print("\nWays to log in")
    for line in found:
        print(f"  {line}")
    if params is None:
        print("\nNo complete set of credentials. Set CLICDATA_CLIENT_ID and CLICDATA_CLIENT_SECRET (from ClicData,")
        print("Account > API Apps), or CLICDATA_API_KEY, or write a profile: clicdata login. Without an account:")
        print("python -m pandas_clicdata demo")
        return Exit.CREDENTIALS
    print(f"\nUsed: {'the environment' if 'profile' not in params else 'the profile ' + params['profile']}")
    try:
        session = Session(**params)
    except UsageError as error:
        print(f"\nA setting can't be used: {error}")
        return exit_of(error)
    with session:
        return _try_session(session)


def _try_session(session: Session) -> int:
    print("\nConnection")
    _print_line("url", session.url)
    _print_line("log in by", session.auth_method)
    try:
        session.call(get("connect", "/account"))
    except PermissionDenied:
        pass  # the credentials are valid; the rights are checked below
    except ClicDataError as error:
        _print_line("result", f"no: {error}")
        print(f"\nWhat to change: {_advise(error, session.url)}")
        return Exit.REFUSED if doubt_url(session.url) is not None else exit_of(error)
    _print_line("credentials", "accepted")
    _print_line("api_version", session.api_version or "none (the dialect without version)")
    print("\nRights")
    tried = {name: _find_error(session, path) for name, path in RIGHTS.items()}
    for name, failure in tried.items():
        _print_line(name, _describe_right(failure))
    failures = sorted(filter(None, tried.values()), key=lambda one: not isinstance(one, AuthError))
    if len(failures) < len(tried):
        return Exit.DONE
    first = failures[0]
    print(f"\nWhat to change: {_NO_RIGHTS if isinstance(first, AuthError) else _advise(first, session.url)}")
    return exit_of(first)


def _find_error(session: Session, path: str) -> ClicDataError | None:
    try:
        session.call(get("look", path))
    except ClicDataError as error:
        return error
    return None


def _describe_right(error: ClicDataError | None) -> str:
    if isinstance(error, AuthError):
        return f"no: {error.description or error.code or 'refused'}"
    return "yes" if error is None else f"not known: {error}"


def _advise(error: ClicDataError, url: str) -> str:
    """Return what to change after an error."""
    host = urlsplit(url).hostname or ""
    doubt = doubt_url(url)
    if doubt and not isinstance(error, (ApiVersionError, TlsError)):
        return f"CLICDATA_URL: {doubt}"
    if isinstance(error, BadCredentials):
        return "the id, secret, password or key is wrong or revoked. Copy it again from ClicData, Account > API Apps."
    if isinstance(error, ApiVersionError):
        return f"the API version, CLICDATA_API_VERSION: {VERSIONS}."
    if isinstance(error, TlsError):
        return "the server's certificate is not trusted. Behind a company proxy, name its certificates with ca_bundle=."
    if isinstance(error, (RedirectRefused, ProtocolError, NotFound)):
        return f"CLICDATA_URL: the server at {url} is not the API. Without CLICDATA_URL it is {DEFAULT_URL}"
    if isinstance(error, TransportError):
        return _advise_on_network(error, url, host)
    return "nothing here: the service itself has a fault. Try again later."


def _advise_on_network(error: TransportError, url: str, host: str) -> str:
    reason = error.reason or ""
    if "can't be found" in reason:
        usual = urlsplit(DEFAULT_URL).hostname or ""
        if host != usual and _can_resolve(usual):
            return f"CLICDATA_URL: there is no host {host}, while {usual} is found."
        return "the network: no host name can be looked up. Is this machine connected (cable, Wi-Fi, VPN, DNS)?"
    if "refused" in reason:
        return f"CLICDATA_URL: nothing listens at {url}. Check host and port."
    if "unreachable" in reason or "no route" in reason or "down" in reason:
        return "the network: the host can't be reached from this machine (cable, Wi-Fi, VPN)."
    if "proxy" in reason:
        return "the proxy settings (HTTPS_PROXY): the proxy refused or can't be reached."
    return f"the network or CLICDATA_URL: {url} gives no complete response. A firewall may be in between."


def _can_resolve(host: str) -> bool:
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def _describe(name: str, value: str | None) -> str:
    if not value:
        return "not set" if name not in ("url", "api_version") else f"not set ({_default(name)})"
    return "set: ***" if name in SECRETS else f"set: {value}"


def _default(name: str) -> str:
    return DEFAULT_URL if name == "url" else "auto"


def _print_line(name: str, text: str) -> None:
    print(f"  {name:<24} {text}")
