"""The default session, and sessions from the environment."""

from __future__ import annotations

import inspect
import os
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import InputError, NotConnected, public
from pandas_clicdata.session import profiles
from pandas_clicdata.session.arguments import AUTO, DEFAULT_URL, check_names, refuse_unknown
from pandas_clicdata.session.credentials import GIVEN, NEEDS
from pandas_clicdata.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pandas_clicdata.session.watching import CallRecord

# No refresh token: it changes at each use, so a variable would work only once.
ENVIRONMENT = {
    "api_key": "CLICDATA_API_KEY",
    "client_id": "CLICDATA_CLIENT_ID",
    "client_secret": "CLICDATA_CLIENT_SECRET",
    "username": "CLICDATA_USERNAME",
    "password": "CLICDATA_PASSWORD",
    "url": "CLICDATA_URL",
    "api_version": "CLICDATA_API_VERSION",
}
OWNERS = {"client_secret": "client_id", "password": "username"}  # whose secret it is

PROFILE = "CLICDATA_PROFILE"  # the variable that names a profile

_PREFIX = "CLICDATA_"

_lock = threading.RLock()
_default: Session | None = None
_used: ContextVar[Session | None] = ContextVar("clicdata_session", default=None)
if hasattr(os, "register_at_fork"):  # a thread of the parent may hold the lock for ever
    os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.RLock()))


@public
@refuse_unknown
def connect(
    auth_method: str | None = None,
    client_id: str | None = None,
    client_secret: str | None = None,
    username: str | None = None,
    password: str | None = None,
    api_key: str | None = None,
    refresh_token: str | None = None,
    url: str = DEFAULT_URL,
    api_version: str | None = AUTO,
    timeout: float | tuple[float, float] = (5, 60),
    deadline: float = 300,
    max_retries: int = 3,
    ca_bundle: str | os.PathLike[str] | None = None,
    on_new_refresh_token: Callable[[str], object] | None = None,
    *,
    profile: str | None = None,
    on_call: Callable[[CallRecord], object] | None = None,
    check: bool = False,
) -> Session:
    """Open a session and make it the one that every call without ``session=`` uses.

    The first of these sources that has credentials is used: the arguments, the profile that ``profile`` or
    ``CLICDATA_PROFILE`` names, the environment, the profile ``default``.

    The environment has ``CLICDATA_API_KEY``; or ``CLICDATA_CLIENT_ID`` with ``CLICDATA_USERNAME`` and
    ``CLICDATA_PASSWORD``, or with ``CLICDATA_CLIENT_SECRET``. Then ``CLICDATA_URL`` and ``CLICDATA_API_VERSION`` are
    read too. If only some credentials are given, the environment supplies the others. It supplies no secret if the
    given id or user differs from its own. If all credentials are given, the environment is not read.

    Profiles are tables of a TOML file: ``clicdata/config.toml`` in the user's folder for configuration, or the file
    that ``CLICDATA_CONFIG`` names. A profile must have all credentials: no other source completes it.

    Parameters
    ----------
    auth_method, client_id, client_secret, username, password, api_key, refresh_token
        As `Session` takes them.
    url, api_version, timeout, deadline, max_retries, ca_bundle, on_new_refresh_token, profile, on_call
        As `Session` takes them.
    check : bool, default False
        Log in at once, by `Session.check`. Otherwise no request is sent, and the first call logs in.

    Returns
    -------
    Session
        The open session.

    Raises
    ------
    NotConnected
        No source has credentials, or the profile can't be used. The message lists each source, and why it was skipped.
    InputError
        An argument can't be used, or credentials are missing.
    ClicDataError
        With ``check``: no connection, or refused credentials. The session is closed. The default one stays as it was.

    Examples
    --------
    >>> session = pandas_clicdata.connect(**credentials)
    >>> SessionManager.get_session() is session
    True
    """
    params = {
        name: value
        for name, value in locals().items()
        if value is not DEFAULT_URL and value is not AUTO and (value is not None or name == "api_version")
        if name != "check"
    }
    del client_secret, password, api_key, refresh_token, url  # a traceback shows the variables of its frames
    try:
        session = opened(_completed(params))
    except NotConnected as error:
        raise _unconnected(params.get("auth_method"), str(error), is_given="profile" in params) from None
    finally:
        params.clear()
    try:
        if check:
            session.check()
    except BaseException:
        session.close()
        raise
    make_default(session)
    return session


def opened(connection_params: dict[str, Any], *also: str) -> Session:
    """Open a session. If that fails, clear the parameters, so that no traceback shows them.

    ``also`` names further arguments of the call, which the error for a misspelled one may suggest.
    """
    try:
        check_names(connection_params, (*inspect.signature(Session).parameters, *also))
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


@public
def use(session: Session) -> AbstractContextManager[Session]:
    """Use a session, such as one of a second account, for all calls without ``session=`` in a block.

    The session is in a context variable: only this thread or asyncio task uses it, and the tasks that it starts in the
    block. A thread that you start in the block uses the default session, unless you run it in the context by
    ``contextvars.copy_context().run``. The threads that a call of this package starts use the session of the call.
    A call that returns an iterator keeps the session with which it began.

    Parameters
    ----------
    session : Session
        The session. It stays open after the block.

    Returns
    -------
    context manager
        For ``with``, which gives the session. Blocks can be nested.

    Raises
    ------
    InputError
        ``session`` is not a session.

    Examples
    --------
    >>> other = Session(api_key=sandbox.credentials.api_key, url=sandbox.url)
    >>> with pandas_clicdata.use(other):
    ...     len(pandas_clicdata.read_clicdata(rec_id))
    10
    >>> SessionManager.get_session() is other
    False
    """
    return _using(_checked(session))


@contextmanager
def _using(session: Session) -> Iterator[Session]:
    token = _used.set(session)
    try:
        yield session
    finally:
        _used.reset(token)


def _checked(session: Any) -> Session:
    if not callable(getattr(session, "call", None)):
        raise InputError(f"session must be a Session, not {type(session).__name__}")
    return session  # type: ignore[no-any-return]


def current(session: Session | None = None) -> Session:
    """Return the given session, else that of `use`, else the default one, else a new one, or raise `NotConnected`."""
    if session is not None:
        return _checked(session)
    if (used := _used.get()) is not None:
        return used
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
        The arguments of `connect`.

    Examples
    --------
    >>> manager = SessionManager(**credentials)
    >>> manager.session is SessionManager.get_session()
    True
    """

    @public
    def __init__(self, **connection_params: Any) -> None:
        try:
            self.session = connect(**connection_params)
        finally:
            connection_params.clear()  # a traceback shows the variables of its frames

    @staticmethod
    def get_session() -> Session:
        """Return the session that calls without ``session=`` use here: that of `use`, else the default one.

        Raises
        ------
        NotConnected
            There is no session, and no credentials in the environment or the profile ``default``.
        """
        return current()

    def __repr__(self) -> str:
        return f"SessionManager({getattr(self, 'session', None)!r})"


# ---------------------------------------------------------------------------------------------------------
# Sources of credentials


def sources(environ: Mapping[str, str], asked: str | None = None) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the arguments of a session from the first source that has credentials, and a sentence for each source.

    Without such a source, the arguments are None. If ``asked`` is given, only this way to log in is accepted. If a
    profile is named and can't be used, no later source replaces it. No secret is looked up.
    """
    named = environ.get(PROFILE) or ""
    problem = profiles.problem(named, asked) if named else "not set"
    method, ways = environment_sources(environ)
    if asked is not None:
        method = asked if asked in NEEDS and not _missing(NEEDS[asked], environ) else None
    last = profiles.problem(profiles.DEFAULT, asked)
    found: dict[str, Any] | None = None
    if named:
        found = None if problem else {"profile": named}
    elif method is not None:
        found = environment_params(environ, method)
    elif last is None:
        found = {"profile": profiles.DEFAULT}
    chosen = f"{PROFILE}: {f'{named}, ' if named else ''}{problem or 'ready'}"
    return found, [chosen, *ways, f"profile {profiles.DEFAULT}: {last or 'ready'}"]


def environment_sources(environ: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """Return the first way to log in whose variables are all set (None: no way), and a sentence for each way.

    An empty variable counts as not set. The last sentences name unknown variables that begin with ``CLICDATA_``.
    """
    method, found = None, []
    for candidate in ("api_key", "basic", "client_credentials"):
        missing = _missing(NEEDS[candidate], environ)
        method = method or (None if missing else candidate)
        states = [f"{ENVIRONMENT[name]} {'not set' if name in missing else 'set'}" for name in NEEDS[candidate]]
        found.append(f"{candidate}: {', '.join(states)}")
    known = [name.removeprefix(_PREFIX) for name in (*ENVIRONMENT.values(), PROFILE, profiles.CONFIG)]
    others = {name.removeprefix(_PREFIX) for name in environ if name.startswith(_PREFIX)} - {*known}
    for name in sorted(others):
        close = get_close_matches(name, known, 1)
        advice = f" (did you mean {_PREFIX}{close[0]}?)" if close else ""
        found.append(f"{_PREFIX}{name}: set, but never read{advice}")
    return method, found


def environment_params(environ: Mapping[str, str], method: str) -> dict[str, Any]:
    """Return the arguments of a `Session` from the environment."""
    names = (*NEEDS[method], "url", "api_version")
    found: dict[str, Any] = {name: environ[ENVIRONMENT[name]] for name in names if not _missing([name], environ)}
    if found.get("api_version", "").lower() == "none":
        found["api_version"] = None
    return {"auth_method": method, **found}


def _missing(names: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    return [name for name in names if not environ.get(ENVIRONMENT.get(name, ""))]


def _unconnected(asked: str | None, problem: str, *, is_given: bool) -> NotConnected:
    """Return the error that lists each source. ``problem`` is that of the profile, if one was chosen or given."""
    found, ways = sources(os.environ, asked)
    is_named = is_given or bool(os.environ.get(PROFILE))
    if found is not None and not is_given:
        ways[0 if is_named else -1] = f"{PROFILE}: {problem}" if is_named else problem
    if is_named:
        ways[-1] = f"profile {profiles.DEFAULT}: not used, as no other source replaces a profile that is named"
    first = problem if is_given else "session= of the call, connect(...): not given"
    tried = "".join(f"\n  - {line}" for line in (first, *ways))
    return NotConnected(
        "no connection to ClicData. Looked for credentials in:"
        f"{tried}\nCall pandas_clicdata.connect(client_id=..., client_secret=...), set these variables or write "
        "a profile with clicdata login; without an account, try pandas_clicdata.sandbox.start().session()."
    )


def _completed(params: dict[str, Any]) -> dict[str, Any]:
    """Return the given arguments of a session, and add missing credentials from other sources."""
    if "profile" in params:
        return params
    given = {name for name in GIVEN if params.get(name) is not None}
    asked = params.get("auth_method")
    if not given:
        found, _ = sources(os.environ, asked)
        if found is None:
            raise NotConnected("no source has credentials")
        return {**found, **params}
    lacks = {
        method: [name for name in names if name not in given]
        for method, names in NEEDS.items()
        if asked in (None, method) and (given <= set(names) or given >= set(names))
    }
    if not lacks or not all(lacks.values()):
        return params  # they are complete, or `Session` raises
    complete = [method for method, names in lacks.items() if not _missing(names, os.environ)]
    if not complete:
        ways = "; or ".join(f"{method} lacks {_described(names)}" for method, names in lacks.items())
        raise InputError(f"credentials are missing. Given: only {' and '.join(sorted(given))}; {ways}")
    if len(complete) > 1:
        ways = " and ".join(complete)
        raise InputError(f"with those of the environment, the credentials fit {ways}: say which one with auth_method=")
    method = complete[0]
    for secret, owner in OWNERS.items():
        foreign = owner in given and os.environ.get(ENVIRONMENT[owner]) not in (None, "", params[owner])
        if foreign and secret in lacks[method]:
            raise InputError(
                f"{owner} is given, but {ENVIRONMENT[secret]} belongs to another one, which {ENVIRONMENT[owner]} "
                f"names: give {secret}= too"
            )
    return {**environment_params(os.environ, method), **params}


def _described(names: list[str]) -> str:
    """Return each credential with the state of its variable."""
    states = {name: "not set" if _missing([name], os.environ) else "set" for name in names}
    return " and ".join(
        f"{name} ({ENVIRONMENT[name]}: {state})" if name in ENVIRONMENT else name for name, state in states.items()
    )
