"""What every noun of the API has: a session, and arguments that are checked before any request."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.cells import is_unicode
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.session.wire import Reply, Request

_LARGEST_ID = 2**53  # beyond it a number isn't told from its neighbours by every JSON reader

_MOST_DIGITS = 19  # of an id: more hold no id, and Python refuses some thousands


class Noun:
    """One noun of the API.

    Parameters
    ----------
    session : Session, optional
        What to call through. Not given, it is the default session at the time of each call.
    **connection_params
        Those of `Session`, for a session of its own (a second account).

    Raises
    ------
    InputError
        Both were given, or the parameters can't be used.
    """

    _session: Session | None = None  # what one that is still being made is shown by

    def __init__(self, session: Session | None = None, **connection_params: Any) -> None:
        if session is not None and connection_params:
            connection_params.clear()  # a traceback shows the variables of its frames
            raise InputError("give session= or connection parameters, not both")
        self._session = manager.opened(connection_params) if connection_params else session

    @property
    def session(self) -> Session:
        """The session that a call made now would use."""
        return manager.current(self._session)

    def _call(self, request: Request) -> Reply:
        return self.session.call(request)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._session is None else f'session={self._session!r}'})"


def whole_id(name: str, value: Any) -> int:
    """An id as an int: any kind of whole number above 0, numpy's too, but no text, float or bool.

    Raises
    ------
    InputError
        It is not an id.
    """
    kind = type(value).__name__
    if isinstance(value, bool) or kind in ("bool_", "bool"):
        raise InputError(f"{name} must be a whole number, not a bool ({value!r})")
    try:
        number = operator.index(value)
    except TypeError:
        advice = f": give {name}={value}" if isinstance(value, str) and value.isdigit() else ""
        raise InputError(f"{name} must be a whole number, not {value!r} ({kind}){advice}") from None
    if not 0 < number <= _LARGEST_ID:
        raise InputError(f"{name} must be above 0 and at most 2**53, not {number}")
    return number


def whole_count(name: str, value: Any, *, least: int = 0) -> int:
    """A number of rows as an int.

    Raises
    ------
    InputError
        It is none, or smaller than the least.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise InputError(f"{name} must be a whole number of rows, {least} at least, not {value!r}")
    return number


def checked_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of the choices.

    Raises
    ------
    InputError
        It is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise InputError(f"{name} must be one of {listed}, not {value!r}")
    return value


def checked_text(name: str, value: Any, *, empty: bool = False) -> str:
    """A text that can be sent.

    Raises
    ------
    InputError
        It is no text, or blank where that is not allowed, or can't be encoded.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, not {value!r} ({type(value).__name__})")
    if not empty and not value.strip():
        raise InputError(f"{name} must not be empty")
    if "\0" in value or not is_unicode(value):
        raise InputError(f"{name} has characters that can't be sent")
    return value


def checked_flag(name: str, value: Any) -> bool | None:
    """True, False, or None for neither.

    Raises
    ------
    InputError
        It is something else.
    """
    if value is None or isinstance(value, bool):
        return value
    if type(value).__name__ in ("bool_", "bool"):  # numpy's
        return bool(value)
    raise InputError(f"{name} must be True, False or None, not {value!r}")


def new_id(reply: Reply) -> int | None:
    """The id of what was made, in whichever way the answer gives it; None when it doesn't."""
    value = reply.value()
    if isinstance(value, dict):
        value = next((value[name] for name in ("id", "rec_id", "RecId") if name in value), None)
    number = whole_number(value.strip() if isinstance(value, str) else value)
    return number if number is not None and number > 0 else None


def whole_number(value: object) -> int | None:
    """A number of the service's that may come as its digits; None when it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
