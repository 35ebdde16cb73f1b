"""Whether to repeat a request, after how long, and how often in all.

Pure: clock and random numbers are arguments.
"""

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
from pandas_clicdata.session.wire import LOG_IN, PROXY_LOGIN, Replay, Request, nothing_was_done

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BASE = 0.5  # seconds, doubled at each attempt
CAP = 20.0  # seconds, the longest pause unless the service asks for more
LONGEST_RETRY_AFTER = 120.0  # seconds; a longer wait raises at once
_LONGEST_DATE = 64  # characters; the longest date format of HTTP has 33
TIMED_OUT = "no response in time"  # the reason of a `TransportError` after a timeout

# Each retry costs a part of the budget. So a service that is down gets few repeated requests.
FULL_BUDGET = 100
RETRY_PRICE = 5
TIMEOUT_PRICE = 10  # a request that times out keeps a connection of the service busy for long
EARNED = 1  # for a call whose first attempt succeeds


class Outcome(enum.Enum):
    """What is known about the service's state after a failed attempt."""

    NOT_SENT = "not sent"  # nothing reached the service
    REFUSED = "refused"  # the service said that it did nothing
    UNKNOWN = "unknown"  # it may have been applied


def outcome(error: BaseException) -> Outcome:
    """Return what an error or an interrupt of a call says about the service's state."""
    if not isinstance(error, ClicDataError):  # the session sets `sent` of an interrupt
        return Outcome.UNKNOWN if getattr(error, "sent", True) else Outcome.NOT_SENT
    if getattr(error, "operation", None) == LOG_IN:  # the log-in failed, before the call itself was sent
        return Outcome.NOT_SENT
    return outcome_of_attempt(error)


def outcome_of_attempt(error: ClicDataError) -> Outcome:
    """Return what an error of one request, which may be a log-in, says about the service's state."""
    if isinstance(error, UsageError):
        return Outcome.NOT_SENT
    if isinstance(error, TransportError):
        return Outcome.NOT_SENT if error.sent == "no" else Outcome.UNKNOWN
    if isinstance(error, (ApiError, AuthError)) and nothing_was_done(error):
        return Outcome.REFUSED
    return Outcome.UNKNOWN


def pause(request: Request, error: ClicDataError, attempt: int, random: Callable[[], float]) -> float | None:
    """Return the seconds between attempt number ``attempt`` and the next; None if there must be no next one."""
    if not _may_repeat(request, error, attempt):
        return None
    seconds = error.retry_after if isinstance(error, ApiError) else None
    if seconds is None:
        return random() * min(CAP, BASE * 2.0 ** (attempt - 1))
    if seconds > LONGEST_RETRY_AFTER:
        return None
    # Jitter upward only: a request that comes early is refused again.
    return seconds + random() * min(1.0, 0.1 * seconds + BASE / 5)


def _may_repeat(request: Request, error: ClicDataError, attempt: int) -> bool:
    known = outcome_of_attempt(error)
    if isinstance(error, (TlsError, RedirectRefused, DeadlineExceeded, UsageError)):
        return False
    if isinstance(error, TransportError) and error.reason == PROXY_LOGIN:
        return False
    if known is Outcome.NOT_SENT or isinstance(error, RateLimited):
        return True
    if known is Outcome.REFUSED or request.replay is not Replay.FREELY:
        return False
    if isinstance(error, ProtocolError):
        return attempt <= error._repeat
    if isinstance(error, ApiError):
        return error.status is not None and (error.status == 408 or error.status >= 500)
    return isinstance(error, TransportError)


class Budget:
    """The tokens that a session can still spend on retries, at most as many as at first. Thread-safe."""

    def __init__(self, tokens: int = FULL_BUDGET) -> None:
        self.full = self.left = tokens
        self._lock = threading.Lock()

    def spend(self, error: ClicDataError) -> bool:
        """Pay for a retry after this error; return False if too few tokens are left."""
        price = _price(error)
        with self._lock:
            if price > self.left:
                return False
            self.left -= price
        return True

    def earn(self) -> None:
        """Earn a token, for a call whose first attempt succeeded."""
        with self._lock:
            self.left = min(self.full, self.left + EARNED)


def _price(error: ClicDataError) -> int:
    if isinstance(error, RateLimited) and error.retry_after:
        return 0  # the service works, and states when to repeat
    timed_out = isinstance(error, TransportError) and error.reason == TIMED_OUT
    if timed_out or (isinstance(error, ApiError) and error.status in (408, 504)):
        return TIMEOUT_PRICE
    return RETRY_PRICE


def retry_after(headers: Mapping[str, str], wall_clock: float) -> float | None:
    """Parse a ``Retry-After`` header into seconds; None if it is missing or invalid.

    A date is compared with the response's own ``Date``, so that a wrong local clock does not matter. If that header is
    missing, ``wall_clock``, in seconds since 1970, is used. Names of headers are in lower case.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value) if len(value) <= 9 else math.inf
    then = _timestamp(value)
    if then is None:
        return None
    now = _timestamp(headers.get("date", ""))
    return max(0.0, then - (wall_clock if now is None else now))


def _timestamp(http_date: str) -> float | None:
    if len(http_date) > _LONGEST_DATE:
        return None  # the parser is slow on hostile texts
    try:
        moment = parsedate_to_datetime(http_date.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
