"""Whether to repeat a call, after how long, and how often in all. Pure: the clock and the dice are handed in."""

from __future__ import annotations

import enum
import math
import threading
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pandas_clicdata.errors import (
    ApiError,
    AuthError,
    ClicDataError,
    DeadlineExceeded,
    ProtocolError,
    RateLimited,
    RedirectRefused,
    TlsError,
    TransportError,
    UsageError,
)
from pandas_clicdata.session.wire import PROXY_LOGIN, Replay, Request, nothing_was_done

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BASE = 0.5  # seconds, doubled at each attempt
CAP = 20.0  # seconds, the longest pause of our own
LONGEST_RETRY_AFTER = 120.0  # seconds; who is asked to wait longer is told so at once
TIMED_OUT = "no answer in time"  # the reason of a `TransportError` that time brought about

# A session pays for each repetition, so that a service that is down gets few more requests than calls.
FULL_BUDGET = 100
REPEATING = 5
REPEATING_AFTER_A_TIMEOUT = 10  # each keeps a connection of the service busy for long
EARNED = 1  # by a call that went well at once


class Outcome(enum.Enum):
    """What can be known about the service's state after an attempt that failed."""

    NOT_SENT = "not sent"  # nothing reached the service
    REFUSED = "refused"  # the service said that it did nothing
    UNKNOWN = "unknown"  # it may have been applied


def outcome(error: BaseException) -> Outcome:
    """What an error, or an interrupt, says about the service's state."""
    if not isinstance(error, ClicDataError):  # the session notes on an interrupt whether anything was sent
        return Outcome.UNKNOWN if getattr(error, "sent", True) else Outcome.NOT_SENT
    if isinstance(error, UsageError) or error._while_logging_in:
        return Outcome.NOT_SENT
    if isinstance(error, TransportError):
        return Outcome.NOT_SENT if error.sent == "no" else Outcome.UNKNOWN
    if isinstance(error, (ApiError, AuthError)) and nothing_was_done(error):
        return Outcome.REFUSED
    return Outcome.UNKNOWN


def pause(request: Request, error: ClicDataError, attempt: int, random: Callable[[], float]) -> float | None:
    """Seconds to wait before the next attempt, or None when there must be none.

    Parameters
    ----------
    request : Request
        What was asked.
    error : ClicDataError
        What came of it.
    attempt : int
        The number of the attempt that failed, from 1.
    random : callable
        Gives a float in [0, 1).
    """
    if not _may_repeat(request, error, attempt):
        return None
    wanted = error.retry_after if isinstance(error, ApiError) else None
    if wanted is None:
        return random() * min(CAP, BASE * 2.0 ** (attempt - 1))
    if wanted > LONGEST_RETRY_AFTER:
        return None
    # Upward only: to come early would be to ask for the next refusal.
    return wanted + random() * min(1.0, 0.1 * wanted + BASE / 5)


def _may_repeat(request: Request, error: ClicDataError, attempt: int) -> bool:
    what = outcome(error)
    if isinstance(error, (TlsError, RedirectRefused, DeadlineExceeded, UsageError)):
        return False
    if isinstance(error, TransportError) and error.reason == PROXY_LOGIN:
        return False
    if what is Outcome.NOT_SENT or isinstance(error, RateLimited):
        return True
    if what is Outcome.REFUSED or request.replay is not Replay.FREELY:
        return False
    if isinstance(error, ProtocolError):
        return attempt <= error._repeat
    if isinstance(error, ApiError):
        return error.status is not None and (error.status == 408 or error.status >= 500)
    return isinstance(error, TransportError)


class Budget:
    """What a session can still spend on repeating calls. Safe to use from several threads.

    Parameters
    ----------
    tokens : int, default 100
        What it begins with, and the most that it ever holds.
    """

    def __init__(self, tokens: int = FULL_BUDGET) -> None:
        self._full = self._left = tokens
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """What it holds now."""
        return self._left

    def spend(self, error: ClicDataError) -> bool:
        """Pay for a repetition after this error; False when it can't be paid."""
        price = _price(error)
        with self._lock:
            if price > self._left:
                return False
            self._left -= price
        return True

    def earn(self) -> None:
        """Note a call that went well at once."""
        if self._left < self._full:
            with self._lock:
                self._left = min(self._full, self._left + EARNED)


def _price(error: ClicDataError) -> int:
    if isinstance(error, RateLimited) and error.retry_after:
        return 0  # it is up, and said when to come again
    timed_out = isinstance(error, TransportError) and error.reason == TIMED_OUT
    if timed_out or (isinstance(error, ApiError) and error.status in (408, 504)):
        return REPEATING_AFTER_A_TIMEOUT
    return REPEATING


def retry_after(headers: Mapping[str, str], wall_clock: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for; None when it is absent or makes no sense.

    A date is read against the answer's own ``Date``, so that a clock that is off does not matter.

    Parameters
    ----------
    headers : mapping
        The answer's headers, names in lower case.
    wall_clock : float
        Seconds since 1970, for an answer without a date.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value) if len(value) <= 9 else math.inf
    then = _timestamp(value)
    if then is None:
        return None
    now = _timestamp(headers.get("date", ""))
    return max(0.0, then - (wall_clock if now is None else now))


_LONGEST_DATE = 64  # characters; the longest of HTTP's forms has 33


def _timestamp(http_date: str) -> float | None:
    if len(http_date) > _LONGEST_DATE:
        return None  # what reads dates takes its time over hostile ones
    try:
        moment = parsedate_to_datetime(http_date.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
