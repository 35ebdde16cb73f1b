"""The base class of `Data`, `Account`, `Dashboard`, `Schedule`, `Team` and `User`: it holds the session."""

from __future__ import annotations

import time
from copy import copy
from typing import TYPE_CHECKING, Any

from pandas_clicdata.endpoints.answers import parse_result
from pandas_clicdata.errors import InputError, public, public_methods
from pandas_clicdata.names import find_id
from pandas_clicdata.session import manager
from pandas_clicdata.session.wire import Request, json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from pandas_clicdata.names import Kind
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.session.wire import Reply


class Endpoint:
    """One part of the API, called through a session."""

    _session: Session | None = None  # so that repr works while __init__ runs
    _sleep: Callable[[float], object] = staticmethod(time.sleep)
    _clock: Callable[[], float] = staticmethod(time.monotonic)

    def __init_subclass__(cls) -> None:
        """Let the traceback of an error end at the user's line."""
        public_methods(cls)

    @public
    def __init__(self, session: Session | None = None, **connection_params: Any) -> None:
        """Choose the session to call through.

        Parameters
        ----------
        session : Session, optional
            The session. Without it, each call uses the session that is the default at that time.
        **connection_params
            The parameters of `Session`, to open a session for this object only (a second account).

        Raises
        ------
        InputError
            Both were given, or the parameters can't be used.
        """
        if session is not None and connection_params:
            connection_params.clear()  # a traceback can show local variables, and these hold secrets
            raise InputError("give session= or connection parameters, not both")
        self._session = manager.opened(connection_params, "session") if connection_params else session

    @property
    def session(self) -> Session:
        """The session that a call would use now."""
        return manager.current(self._session)

    def _find(self, kind: Kind, value: int | str) -> tuple[Self, int]:
        """Return this endpoint, and the id that was given or that belongs to an exact name.

        With a name, return a copy of the endpoint that keeps one session: the id is valid in no other account, and
        another thread may change the default session meanwhile.
        """
        if not isinstance(value, str):
            return self, find_id(kind, value)
        held = copy(self)
        held._session = self.session
        return held, find_id(kind, value, held._session)

    def _call(self, request: Request) -> Reply:
        return self.session.call(request)

    def _write(self, operation: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        request = Request(operation, method, path, body=None if body is None else json_body(body))
        return parse_result(self._call(request))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__()} - {"ids_named", "pages"})  # for this package only

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._session is None else f'session={self._session!r}'})"
