"""The default session, and sessions from the environment."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import InputError, NotConnected, public
from pandas_clicdata.session.credentials import GIVEN, NEEDS
from pandas_clicdata.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

# No refresh token: it changes at each use, so a variable would be good only once.
ENVIRONMENT = {
    "api_key": "CLICDATA_API_KEY",
    "client_id": "CLICDATA_CLIENT_ID",
    "client_secret": "CLICDATA_CLIENT_SECRET",
    "username": "CLICDATA_USERNAME",
    "password": "CLICDATA_PASSWORD",
    "url": "CLICDATA_URL",
    "api_version": "CLICDATA_API_VERSION",
}

_lock = threading.RLock()
_default: Session | None = None


@public
def connect(**connection_params: Any) -> Session:
    """Open a session and make it the one that every call without ``session=`` uses.

    Parameters
    ----------
    **connection_params
        Those of `Session`. Without any credentials among them, these are read from the environment:
        ``CLICDATA_API_KEY``; or ``CLICDATA_CLIENT_ID`` with ``CLICDATA_USERNAME`` and
        ``CLICDATA_PASSWORD``, or with ``CLICDATA_CLIENT_SECRET``; and then, where they are not given,
        ``CLICDATA_URL`` and ``CLICDATA_API_VERSION`` too.

    Returns
    -------
    Session
        The open session. No request was sent: the first call logs in.

    Raises
    ------
    NotConnected
        No credentials were given and there are none in the environment.
    InputError
        An argument can't be used.

    Examples
    --------
    >>> session = pandas_clicdata.connect(**credentials)
    >>> SessionManager.get_session() is session
    True
    """
    return _connect(connection_params)


def _connect(connection_params: dict[str, Any]) -> Session:
    named = any(connection_params.get(name) is not None for name in GIVEN)
    session = opened(connection_params) if named else _from_environment(connection_params)
    make_default(session)
    return session


def opened(connection_params: dict[str, Any]) -> Session:
    """Open a session. If that fails, clear the parameters, so that no traceback shows them."""
    try:
        return Session(**connection_params)
    except InputError as error:
        problem = error.with_traceback(None)
    connection_params.clear()
    raise problem


def make_default(session: Session) -> None:
    """Make a session the default of every call without ``session=``."""
    global _default
    with _lock:
        _default = session


def current(session: Session | None = None) -> Session:
    """Return the given session, else the default one, else one from the environment, or raise `NotConnected`."""
    if session is not None:
        if not callable(getattr(session, "call", None)):
            raise InputError(f"session must be a Session, not {type(session).__name__}")
        return session
    with _lock:
        if _default is None:
            return connect()
        if _default.closed:
            raise NotConnected(
                "the default session was closed: open another with pandas_clicdata.connect(...), or name one "
                "with session="
            )
        return _default


class SessionManager:
    """Opens a session and makes it the one that every call without ``session=`` uses.

    Parameters
    ----------
    **connection_params
        Those of `Session`; without credentials among them the environment is read, as `connect` does.

    Examples
    --------
    >>> manager = SessionManager(**credentials)
    >>> manager.session is SessionManager.get_session()
    True
    """

    @public
    def __init__(self, **connection_params: Any) -> None:
        self.session = _connect(connection_params)

    @staticmethod
    def get_session() -> Session:
        """The session that calls without ``session=`` use.

        Raises
        ------
        NotConnected
            There is none, and no credentials in the environment.
        """
        return current()

    def __repr__(self) -> str:
        return f"SessionManager({getattr(self, 'session', None)!r})"


# ---------------------------------------------------------------------------------------------------------
# The environment


def environment_sources(environ: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """Return the first way to log in whose variables are all set (None: no way), and a sentence for each way.

    An empty variable is not set.
    """
    method, found = None, []
    for candidate in ("api_key", "basic", "client_credentials"):
        names = [ENVIRONMENT[name] for name in NEEDS[candidate]]
        missing = [name for name in names if not environ.get(name)]
        if not missing:
            method = method or candidate
            found.append(f"{' + '.join(names)} ({candidate}): set")
        else:
            found.append(f"{' + '.join(names)} ({candidate}): {' and '.join(missing)} not set")
    return method, found


def environment_params(environ: Mapping[str, str], method: str) -> dict[str, Any]:
    """Return the arguments of a `Session` from the environment."""
    names = (*NEEDS[method], "url", "api_version")
    found: dict[str, Any] = {name: environ[ENVIRONMENT[name]] for name in names if environ.get(ENVIRONMENT[name])}
    if found.get("api_version", "").lower() == "none":
        found["api_version"] = None
    return {"auth_method": method, **found}


def _from_environment(params: Mapping[str, Any]) -> Session:
    method, found = environment_sources(os.environ)
    given = params.get("auth_method")
    if given in NEEDS and all(name in ENVIRONMENT and os.environ.get(ENVIRONMENT[name]) for name in NEEDS[given]):
        method = given
    elif given is not None:
        method = None
    if method is None:
        tried = "".join(f"\n  - {line}" for line in ("session= of the call, connect(...): not given", *found))
        raise NotConnected(
            "no connection to ClicData. Looked for credentials in:"
            f"{tried}\nCall pandas_clicdata.connect(client_id=..., client_secret=...) or set these variables; "
            "without an account, try pandas_clicdata.sandbox.start().session()."
        )
    return opened({**environment_params(os.environ, method), **params})
