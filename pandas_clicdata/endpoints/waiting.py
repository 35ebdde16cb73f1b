"""Wait for the end of a run at the service: read its state repeatedly."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

from pandas_clicdata.errors import ClicDataError, DeadlineExceeded, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.endpoints.endpoint import Endpoint

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds between two requests for the state of a run

_State = TypeVar("_State")


def check_timeout(timeout: Any) -> float:
    """Return a number of seconds, or raise an `InputError`."""
    try:
        seconds = float(timeout) if isinstance(timeout, Real) and not isinstance(timeout, bool) else 0.0
    except OverflowError:
        seconds = math.inf
    if not 0 < seconds < math.inf:
        raise InputError(f"timeout must be a number of seconds above 0, not {timeout!r}")
    return seconds


def wait_until(
    is_over: Callable[[_State], bool],
    read: Callable[[], _State],
    endpoint: Endpoint,
    timeout: float,
    show: Callable[[float], object],
    operation: str,
    too_late: str,
    goes_on: str,
) -> _State:
    """Read a state until it is over, and return it.

    After ``timeout`` seconds, raise a `DeadlineExceeded` with the text ``too_late``. ``goes_on`` ends each message.
    """
    now = endpoint._clock()
    end = now + timeout
    pause = FIRST_PAUSE
    try:
        while True:
            endpoint._sleep(min(pause, max(0.0, end - now)))
            pause = min(LONGEST_PAUSE, 1.5 * pause)
            state = read()
            show(endpoint._clock() - now)
            now = endpoint._clock()
            if is_over(state):
                return state
            if now >= end:
                raise DeadlineExceeded(f"{operation}: {too_late}", operation=operation)
    except ClicDataError as error:
        error.args = (f"{error.args[0].rstrip('.')}. {goes_on}",)
        error._goes_on = True
        raise
