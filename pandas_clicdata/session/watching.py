"""A record of each attempt of a request, for a function of the user."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pandas_clicdata.errors import ClicDataError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.session.wire import Answer, Reply, Request

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallRecord:
    """One attempt of a request, after its end. It holds no secret and no cell.

    Attributes
    ----------
    operation : str
        The purpose of the request, as errors name it: ``"append rows"``, ``"log in"``.
    method, path : str
        The HTTP method, and the path without its query.
    status : int or None
        The HTTP status of the response; None if no complete response came.
    attempt : int
        1 for the first attempt of the request, 2 for its first repeat.
    seconds : float
        The time from the beginning of the attempt to the end of the response, or to the error.
    bytes_sent, bytes_received : int
        The sizes of both bodies: as sent, and after decompression. The body of a log-in counts as 0.
    error : str or None
        The name of the class in `pandas_clicdata.errors`, if the attempt failed, which is possible with status 200.

    Examples
    --------
    >>> calls = []
    >>> with sandbox.session(on_call=calls.append) as watched:
    ...     df = read_clicdata(rec_id, session=watched)
    >>> [(call.operation, call.path, call.status) for call in calls]
    [('log in', '/oauth20/token', 200), ('read rows', '/data/1001', 200)]
    """

    operation: str
    method: str
    path: str
    status: int | None
    attempt: int
    seconds: float
    bytes_sent: int
    bytes_received: int
    error: str | None = None


class Watcher:
    """Calls the function of the user. Its errors stop nothing, and only the first one is logged."""

    def __init__(self, on_call: Callable[[CallRecord], object] | None) -> None:
        if on_call is not None and not callable(on_call):
            raise InputError("on_call must be a function that takes a CallRecord")
        self._on_call = on_call
        self._failed = threading.Event()

    def note(
        self,
        request: Request,
        attempt: int,
        answer: Answer | ClicDataError,
        result: Reply | ClicDataError,
        seconds: float,
    ) -> None:
        """Report the end of an attempt."""
        if self._on_call is None:
            return
        came = None if isinstance(answer, ClicDataError) else answer
        record = CallRecord(
            request.operation,
            request.method,
            request.path,
            came.status if came else None,
            attempt,
            seconds,
            len(request.body or b""),
            len(came.body) if came else 0,
            type(result).__name__ if isinstance(result, ClicDataError) else None,
        )
        try:
            self._on_call(record)
        except Exception as error:  # noqa: BLE001  # of the user's function
            if not self._failed.is_set():
                self._failed.set()
                _log.warning("on_call failed with %r; further errors of it are not logged", error)
