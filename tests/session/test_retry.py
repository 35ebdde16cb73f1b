"""Which failure of which operation is repeated, and when."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from pandas_clicdata import errors
from pandas_clicdata.session import retry
from pandas_clicdata.session.retry import Outcome
from pandas_clicdata.session.wire import PROXY_LOGIN, Request, get

READ = get("read rows", "/data/5")
WRITE = Request("append rows", "POST", "/data/5/row")


def api(status: int, code: str | None = None, retry_after: float | None = None) -> errors.ApiError:
    kind = errors.RateLimited if status == 429 else errors.ApiError
    error = kind("no", status=status, code=code)
    error.retry_after = retry_after
    return error


NOT_SENT = errors.TransportError("refused", sent="no")
LOST = errors.TransportError("reset", sent="unknown")

# the error, its outcome, whether a read is repeated, whether an append is
TABLE = [
    (NOT_SENT, Outcome.NOT_SENT, True, True),
    (LOST, Outcome.UNKNOWN, True, False),
    (errors.TlsError("certificate", sent="no"), Outcome.NOT_SENT, False, False),
    (errors.RedirectRefused("moved"), Outcome.UNKNOWN, False, False),
    (errors.DeadlineExceeded("late", sent="unknown"), Outcome.UNKNOWN, False, False),
    (errors.InputError("bad"), Outcome.NOT_SENT, False, False),
    (errors.BadCredentials("no", status=401), Outcome.REFUSED, False, False),
    (errors.PermissionDenied("no", status=403), Outcome.REFUSED, False, False),
    (errors.PermissionDenied("no", status=200, code="unauthorized"), Outcome.REFUSED, False, False),
    (api(429), Outcome.REFUSED, True, True),
    (api(429, retry_after=7), Outcome.REFUSED, True, True),
    (api(429, retry_after=121), Outcome.REFUSED, False, False),
    (api(429, retry_after=math.inf), Outcome.REFUSED, False, False),
    (api(500), Outcome.UNKNOWN, True, False),
    (api(502), Outcome.UNKNOWN, True, False),
    (api(503), Outcome.UNKNOWN, True, False),
    (api(503, retry_after=5), Outcome.UNKNOWN, True, False),
    (api(504), Outcome.UNKNOWN, True, False),
    (api(408), Outcome.UNKNOWN, True, False),
    *[(api(status), Outcome.REFUSED, False, False) for status in (400, 405, 406, 411, 413, 414, 415, 422)],
    (api(418), Outcome.UNKNOWN, False, False),
    (api(200, code="validation"), Outcome.REFUSED, False, False),
    (api(200, code="never heard of"), Outcome.UNKNOWN, False, False),
    (api(200), Outcome.UNKNOWN, False, False),
    (errors.ProtocolError("cut JSON", repeat=3), Outcome.UNKNOWN, True, False),
    (errors.ProtocolError("odd"), Outcome.UNKNOWN, False, False),
]


@pytest.mark.fault(16, 18, 19)
@pytest.mark.parametrize(("error", "known", "read", "write"), TABLE)
def test_which_errors_are_retried(error: errors.ClicDataError, known: Outcome, read: bool, write: bool) -> None:
    assert retry.outcome(error) is known
    assert (retry.pause(READ, error, 1, lambda: 0.5) is not None) is read
    assert (retry.pause(WRITE, error, 1, lambda: 0.5) is not None) is write


TIMED_OUT = errors.TransportError("late", reason=retry.TIMED_OUT)
PROXY = errors.TransportError("proxy", sent="no", reason=PROXY_LOGIN)


def test_wrong_credentials_for_a_proxy_are_not_tried_again() -> None:
    assert retry.outcome(PROXY) is Outcome.NOT_SENT
    assert retry.pause(READ, PROXY, 1, lambda: 0.5) is None


@pytest.mark.parametrize(
    ("error", "price"),
    [
        (LOST, 5),
        (NOT_SENT, 5),
        (api(500), 5),
        (api(503, retry_after=5), 5),
        (errors.ProtocolError("cut JSON", repeat=3), 5),
        (TIMED_OUT, 10),
        (api(504), 10),
        (api(408), 10),
        (api(429), 5),
        (api(429, retry_after=0), 5),
        (api(429, retry_after=7), 0),
    ],
)
def test_the_price_of_a_retry(error: errors.ClicDataError, price: int) -> None:
    budget = retry.Budget()
    assert budget.spend(error)
    assert budget.left == 100 - price


def test_a_budget_is_spent_to_the_end_and_earned_back_one_by_one() -> None:
    budget = retry.Budget()
    assert [budget.spend(LOST) for _ in range(22)] == [True] * 20 + [False] * 2
    assert budget.left == 0
    for _ in range(4):
        budget.earn()
    assert not budget.spend(LOST)
    budget.earn()
    assert budget.spend(LOST)
    for _ in range(500):
        budget.earn()
    assert budget.left == 100


def test_threads_cannot_spend_the_same_token_twice() -> None:
    budget = retry.Budget(1000)
    with ThreadPoolExecutor(16) as pool:
        spent = sum(pool.map(lambda _: budget.spend(LOST), range(2000)))
        assert (spent, budget.left) == (200, 0)
        list(pool.map(lambda _: budget.earn(), range(700)))
    assert budget.left == 700


def test_a_web_page_instead_of_data_is_retried_once() -> None:
    page = errors.ProtocolError("a web page", repeat=1)
    assert retry.pause(READ, page, 1, lambda: 0.5) is not None
    assert retry.pause(READ, page, 2, lambda: 0.5) is None


def test_pauses_are_random_up_to_a_bound_that_doubles() -> None:
    bounds = [retry.pause(READ, LOST, attempt, lambda: 1.0) for attempt in range(1, 9)]
    assert bounds == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert retry.pause(READ, LOST, 3, lambda: 0.0) == 0


def test_a_pause_is_never_shorter_than_retry_after() -> None:
    for dice in (0.0, 0.5, 0.999):
        waited = retry.pause(WRITE, api(429, retry_after=7), 1, lambda dice=dice: dice)
        assert waited is not None
        assert 7 <= waited <= 8
    assert retry.pause(READ, api(503, retry_after=0), 1, lambda: 0.0) == 0


NOW = 1_795_000_000.0  # Wed, 18 Nov 2026 11:06:40 GMT


@pytest.mark.fault(12, 13)
@pytest.mark.parametrize(
    ("seconds", "value"),
    [
        (7, "7"),
        (7, " 7 "),
        (0, "0"),
        (120, "120"),
        (math.inf, "9" * 400),
        (20, "Wed, 18 Nov 2026 11:07:00 GMT"),
        (0, "Wed, 18 Nov 2026 00:00:00 GMT"),
        (None, ""),
        (None, "-3"),
        (None, "1.5"),
        (None, "soon"),
        (None, "nan"),
        (None, "inf"),
        (None, "٧"),
        (None, "Thu, 99 Nov 2026 00:27:00 GMT"),
        (None, "Thu, 19 Nov 999999999 00:27:00 GMT"),
        (None, "7, 8"),
    ],
)
def test_retry_after_in_both_spellings_and_junk(seconds: float | None, value: str) -> None:
    assert retry.retry_after({"retry-after": value}, NOW) == seconds


@pytest.mark.fault(12)
def test_a_clock_that_is_off_does_not_matter() -> None:
    headers = {"retry-after": "Thu, 19 Nov 2026 00:27:00 GMT", "date": "Thu, 19 Nov 2026 00:26:30 GMT"}
    assert retry.retry_after(headers, NOW + 86_400) == 30


def test_without_the_header_there_is_no_wait() -> None:
    assert retry.retry_after({}, NOW) is None
