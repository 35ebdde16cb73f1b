"""The checks of a session's arguments. Pure, except that the file of ``ca_bundle`` must exist."""

from __future__ import annotations

import functools
import hashlib
import inspect
import numbers
import os
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from pandas_clicdata.errors import InputError
from pandas_clicdata.session.credentials import Secret
from pandas_clicdata.session.wire import FIRST_MODERN, TABLE_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pandas_clicdata.session.credentials import Credentials

P = ParamSpec("P")
R = TypeVar("R")


class Default(str):
    """A default value. ``is`` distinguishes it from an equal text that the caller gave."""

    __slots__ = ()


DEFAULT_URL = Default("https://api.clicdata.com/")  # C: the host and no path
AUTO = Default("auto")
LONGEST = 2_000_000  # seconds; Windows can't wait for 25 days

VERSIONS = (
    f'"{FIRST_MODERN}" and "{TABLE_VERSION}" are known to work, "auto" uses what the service requires, '
    "and None is the dialect without version"
)
_YEAR_AND_NUMBER = re.compile(r"(\d{4})\.(\d{1,2})")


def refuse_unknown(call: Callable[P, R]) -> Callable[P, R]:
    """Decorate a call: its error for an unknown argument suggests a known one. No traceback shows the arguments."""
    known = inspect.signature(call).parameters

    @functools.wraps(call)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            check_names(kwargs, known)
            return call(*args, **kwargs)
        finally:
            kwargs.clear()
            del args

    return checked


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise `InputError` if an argument is given that isn't known."""
    names = [name for name in known if name != "self"]
    problems = [f"there is no argument {name}=: {_nearest(name, names)}" for name in given if name not in names]
    if problems:
        raise InputError(problems)


def _nearest(name: str, names: list[str]) -> str:
    close = get_close_matches(name.lower(), names, 1)
    return f"did you mean {close[0]}=?" if close else f"the arguments are {', '.join(names)}"


def doubt_url(url: str) -> str | None:
    """Return why a URL may not be the URL of the API; None if there is no such reason."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if f".{host}".endswith(".clicdata.com") and host != urlsplit(DEFAULT_URL).hostname:
        return f"it names the host {host}, and the API is at {DEFAULT_URL}"
    if parts.path.strip("/"):
        return f"it has the path {parts.path.rstrip('/')}, and the API is at the root: try {parts.scheme}://{parts.netloc}/"
    return None


def check_url(url: object) -> str:
    """Return a URL without its last slash, or raise `InputError`."""
    if not isinstance(url, str):
        raise InputError(f"url must be text, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        if parts.scheme not in ("https", "http") or not host or any(not c.isprintable() or c in " \\" for c in url):
            raise ValueError
    except ValueError:
        raise InputError("url is not a URL: it must look like https://api.clicdata.com/") from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError("url must hold neither credentials nor a query: give those as arguments")
    if parts.scheme == "http" and not is_loopback(host):
        raise InputError("url starts with http://, which sends secrets unencrypted: use it for this machine only")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    octets = host.split(".") if host.isascii() else []
    in_127 = len(octets) == 4 and octets[0] == "127" and all(o.isdigit() and int(o) < 256 for o in octets)
    return host in ("localhost", "::1") or in_127


def check_version(api_version: object, method: str) -> str | None:
    """Return the version to begin with, None for the dialect without version, or raise `InputError`."""
    if api_version == "auto":
        return FIRST_MODERN if method == "api_key" else None
    if api_version is None:
        return None
    if not (isinstance(api_version, str) and api_version and api_version.isascii() and api_version.isprintable()):
        raise InputError(f"api_version must be text or None, not {type(api_version).__name__}: {VERSIONS}")
    release = _YEAR_AND_NUMBER.fullmatch(api_version)  # a version of any other form can't be compared
    if release and [*map(int, release.groups())] < [*map(int, FIRST_MODERN.split("."))]:
        raise InputError(
            f"api_version {api_version!r} is too old: a version below {FIRST_MODERN} supports neither dialect fully. "
            f"Give another to api_version= or CLICDATA_API_VERSION: {VERSIONS}"
        )
    return api_version


def check_seconds(name: str, value: object) -> float:
    """Return a number of seconds, or raise `InputError`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not value < LONGEST or value <= 0:
        raise InputError(f"{name} must be a number of seconds above 0 and below {LONGEST:,}")
    return float(value)


def check_timeout(timeout: object) -> tuple[float, float]:
    """Return the seconds to connect and to read, or raise `InputError`."""
    if isinstance(timeout, (tuple, list)):
        if len(timeout) != 2:
            raise InputError("timeout must be seconds, or a pair of them: (connect, read)")
        return check_seconds("timeout (connect)", timeout[0]), check_seconds("timeout (read)", timeout[1])
    return check_seconds("timeout", timeout), check_seconds("timeout", timeout)


def check_retries(max_retries: object) -> int:
    """Return a number of retries, or raise `InputError`."""
    number = int(max_retries) if isinstance(max_retries, numbers.Integral) else -1
    if isinstance(max_retries, bool) or not 0 <= number <= 10:
        raise InputError("max_retries must be a whole number from 0 to 10")
    return number


def check_bundle(ca_bundle: str | os.PathLike[str] | None) -> str | bool:
    """Return the path of the certificates to trust, True for the usual ones, or raise `InputError`."""
    if ca_bundle is None:
        return True
    path = os.fspath(ca_bundle)
    if not os.path.exists(path):  # noqa: PTH110  # a path as the caller gave it
        raise InputError(f"ca_bundle: there is no {path}")
    return path


def fingerprint(url: str, credentials: Credentials) -> str:
    """Return a hash of the URL and of the client id, user name or API key. It covers no password, secret or token."""
    known = [getattr(credentials, name) for name in ("client_id", "username", "api_key") if hasattr(credentials, name)]
    texts = [one.reveal() if isinstance(one, Secret) else one for one in known]
    return hashlib.sha256("\0".join(("pandas_clicdata account", url, *texts)).encode()).hexdigest()[:16]
