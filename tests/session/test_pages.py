"""Reading pages: every row once, or an error."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pandas_clicdata.errors import ApiError, AuthError, NotFound, PagingLoop, ProtocolError, SchemaDrift, TornRead
from pandas_clicdata.session import pages
from pandas_clicdata.session.pages import iter_pages, page_query, records, retry_while_changing
from pandas_clicdata.session.wire import Answer, Dialect, Reply, Request, get, judge

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [{"a": n} for n in range(25)]
READ = get("read rows", "/data/5", key="data")


class Service:
    """Answers each page with the result of ``body`` for its number, and records the requests."""

    last_receipt = None
    refused_page_size: tuple[int, int | None] | None = None

    def __init__(self, body: Callable[[int], Any], dialect: Dialect = Dialect.LEGACY) -> None:
        self.body = body
        self.dialect = dialect
        self.asked: list[int] = []
        self.sizes: list[int | None] = []  # the arguments of the request for page 1
        self.takes: Callable[[int | None], Answer | None] = lambda size: None  # the refusal of a page size, or None

    def call(self, request: Request) -> Reply:
        query = dict(request.query)
        number = int(query.get("page", 1))
        self.asked.append(number)
        size = int(query["page_size"]) if "page_size" in query else None
        if number == 1:
            self.sizes.append(size)
        body = self.takes(size) or self.body(number)
        return judge(request, body if isinstance(body, Answer) else Answer(200, json.dumps(body).encode()))


def read(service: Service, **how: Any) -> list[dict[str, int]]:
    found: list[dict[str, int]] = []
    for page in iter_pages(service, READ, **how):
        found += json.loads(page.rows)
        assert page.count == len(json.loads(page.rows))
    return found


def part(number: int, size: int = 10, rows: list[Any] = ROWS) -> list[Any]:
    return rows[(number - 1) * size : number * size]


SHAPES: dict[str, Callable[[int], Any]] = {
    "legacy": lambda n: {"data": part(n), "has_more_data": n < 3},
    "modern, has_more_results": lambda n: {"result": part(n), "pagination": {"has_more_results": n < 3}},
    "modern, last_page": lambda n: {"result": part(n), "pagination": {"last_page": n == 3}},
    "modern, counted": lambda n: {
        "result": part(n),
        "pagination": {"current_page": n, "page_size": 10, "result_total_count": 25, "result_count": len(part(n))},
    },
    "modern around legacy": lambda n: {"success": True, "result": {"data": part(n), "has_more_data": n < 3}},
    "ends with an empty page": lambda n: {"data": part(n), "has_more_data": n < 4},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_comes_once_in_every_shape(shape: str) -> None:
    service = Service(SHAPES[shape])
    assert read(service) == ROWS
    assert service.asked in ([1, 2, 3], [1, 2, 3, 4])


def under_200(code: str) -> Answer:
    return Answer(200, json.dumps({"success": False, "error": {"code": code, "description": "no"}}).encode())


# ---------------------------------------------------------------------------------------------------------
# Without a flag: the next page shows whether there is one

EMPTY: Any = {"data": []}
BEYOND = {
    "404": Answer(404, b""),
    "400": Answer(400, b'{"error": {"code": "7", "description": "no such page"}}'),
    "NotFound under 200": under_200("NotFound"),
    "404 under 200": under_200("404"),
    "400 under 200": under_200("400"),
    "validation under 200": under_200("ValidationError"),
}


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("key", ["data", "result"])
@pytest.mark.parametrize("pages", [1, 3])
def test_without_flags_an_empty_page_is_the_end(key: str, workers: int, pages: int) -> None:
    rows = ROWS[: 10 * pages]
    service = Service(lambda n: {key: part(n, rows=rows)})
    assert read(service, workers=workers) == rows
    asked = [1, 2] if pages == 1 else [1, 1, 2, 3, 4]  # page 1 again: whether it was full
    assert sorted(service.asked)[: len(asked)] == asked
    assert workers > 1 or len(service.asked) == len(asked)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("beyond", BEYOND)
def test_without_flags_a_refused_page_is_the_end_if_the_last_one_is_still_there(beyond: str, workers: int) -> None:
    service = Service(lambda n: {"data": part(n)} if n < 4 else BEYOND[beyond])
    assert read(service, workers=workers) == ROWS
    assert sorted(n for n in service.asked if n < 4) == [1, 1, 2, 3, 3]


@pytest.mark.parametrize(
    "refusal",
    [
        *(Answer(status, b"") for status in (401, 403, 405, 409, 422, 429, 500, 503)),
        *(under_200(code) for code in ("unauthorized", "401", "403", "429", "500", "Oddity", "RateLimited")),
        Answer(400, b'{"error": {"code": "TooManyRequests", "description": "wait"}}'),
        Answer(404, b'{"error": {"code": "unauthorized", "description": "scope"}}'),
        Answer(500, b'{"error": {"code": "NotFound", "description": "oops"}}'),
    ],
)
def test_any_other_refusal_of_the_next_page_is_an_error(refusal: Answer) -> None:
    with pytest.raises((ApiError, AuthError)):
        read(Service(lambda n: {"data": part(n)} if n < 3 else refusal))


def test_a_first_page_that_is_refused_is_an_error() -> None:
    with pytest.raises(NotFound):
        read(Service(lambda n: Answer(404, b"")))


@pytest.mark.parametrize(("now", "error"), [(Answer(404, b""), NotFound), ({"data": part(2)}, TornRead)])
def test_a_data_set_that_is_deleted_or_changed_midway_does_not_end_there(now: Any, error: type[Exception]) -> None:
    first = iter([{"data": part(1)}])
    with pytest.raises(error):
        read(Service(lambda n: next(first, now) if n == 1 else Answer(404, b"")))


def test_a_shorter_page_ends_nothing() -> None:
    ends = [0, 10, 13, 23, 25]
    service = Service(lambda n: {"data": ROWS[ends[n - 1] : ends[n]] if n < 5 else []})
    assert read(service) == ROWS


def test_a_shorter_page_that_grew_before_the_next_one_came_is_a_torn_read() -> None:
    before = iter([{"data": ROWS[:3]}])
    with pytest.raises(TornRead, match="page 2 has other rows now"):
        read(Service(lambda n: next(before, {"data": part(2)}) if n == 2 else {"data": part(n)}))
    first = iter([{"data": ROWS[:8]}])  # page 2 is shorter still
    with pytest.raises(TornRead, match="page 1 has other rows now"):
        read(Service(lambda n: next(first, {"data": part(1)}) if n == 1 else {"data": part(n, rows=ROWS[:14])}))


def test_a_first_page_that_is_as_long_as_requested_is_full() -> None:
    for size, asked in ((10, [1, 2, 3, 4]), (1000, [1, 2, 3, 1, 4])):
        service = Service(lambda n: {"result": part(n)}, Dialect.MODERN)
        assert read(service, page_size=size, workers=1) == ROWS
        assert sorted(service.asked) == sorted(asked)


@pytest.mark.parametrize("workers", [1, 8])
def test_the_same_rows_for_every_page_number_are_the_whole(workers: int) -> None:
    service = Service(lambda n: {"data": ROWS})
    pages_ = list(iter_pages(service, READ, workers=workers))
    assert [(page.count, page.repeating) for page in pages_] == [(25, False), (0, True)]
    assert len(service.asked) == 3  # with any number of workers: each response may be the whole data set


@pytest.mark.parametrize("beyond", [EMPTY, *BEYOND.values()])
def test_without_flags_equal_pages_are_rows_that_are_equal(beyond: Any) -> None:
    same = [{"a": 1}] * 30
    service = Service(lambda n: {"data": part(n, rows=same)} if n < 4 else beyond)
    assert read(service) == same
    other = ROWS[:10] * 2 + ROWS
    assert read(Service(lambda n: {"data": part(n, rows=other)} if n < 6 else beyond)) == other


def test_without_flags_a_page_repeated_by_a_cache_is_requested_again() -> None:
    cached = iter([1])
    service = Service(lambda n: {"data": part(next(cached, n) if n == 2 else n)})
    assert read(service) == ROWS


@pytest.mark.parametrize("refusal", [Answer(500, b""), Answer(429, b""), under_200("Oddity")])
def test_a_page_far_beyond_the_end_that_fails_shows_nothing(refusal: Answer) -> None:
    with pytest.raises(ApiError):
        read(Service(lambda n: {"data": part(1) if n < 4 else []} if n < 100 else refusal))


def test_without_flags_a_far_page_with_other_rows_is_a_torn_read() -> None:
    with pytest.raises(TornRead, match="page 2 repeats page 1"):
        read(Service(lambda n: {"data": part(1 if n < 3 else 2)}))


def test_the_last_page_for_every_number_beyond_the_end_is_the_end() -> None:
    service = Service(lambda n: {"data": part(min(n, 3))})
    pages_ = list(iter_pages(service, READ))
    assert [(page.count, page.repeating) for page in pages_] == [(10, False), (10, False), (5, False), (0, True)]


def test_a_data_set_that_changes_is_not_read_twice_where_the_page_number_is_ignored() -> None:
    before = iter([ROWS[:-1]])
    with pytest.raises(TornRead, match="page 1 again"):
        read(Service(lambda n: {"data": next(before, ROWS)}))


@pytest.mark.parametrize(("size", "whole"), [(25, False), (24, True), (26, True), (1000, True)])
def test_as_many_rows_as_requested_for_every_page_number_are_a_loop(size: int, whole: bool) -> None:
    service = Service(lambda n: {"result": ROWS}, Dialect.MODERN)
    if whole:
        assert read(service, page_size=size) == ROWS
    else:
        with pytest.raises(PagingLoop, match="as many rows as requested"):
            read(service, page_size=size)
    assert read(Service(lambda n: {"data": ROWS}), page_size=size) == ROWS  # the legacy dialect has no size


def test_new_rows_without_end_are_a_loop_without_flags_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_PAGES", 50)
    with pytest.raises(PagingLoop):
        read(Service(lambda n: {"data": [{"a": n}]}))


def test_no_page_beyond_the_second_is_requested_before_the_second_is_known() -> None:
    service = Service(lambda n: {"data": part(n)})
    reading = iter_pages(service, READ, workers=8)
    next(reading)
    while len(service.asked) < 2:
        time.sleep(0.001)
    reading.close()
    assert service.asked == [1, 2]


def test_without_flags_no_page_beyond_the_rows_wanted_is_requested() -> None:
    service, left = Service(lambda n: {"data": part(n)}), [20]
    with closing(iter_pages(service, READ, workers=4, wanted=lambda: left[0])) as reading:
        for page in reading:
            left[0] -= page.count
            if not left[0]:
                break
    assert service.asked == [1, 2]


# ---------------------------------------------------------------------------------------------------------
# Totals


@pytest.mark.parametrize("field", ["count", "result_total_count"])
def test_a_total_that_is_reached_is_the_end(field: str) -> None:
    service = Service(lambda n: {"result": part(n), "pagination": {field: 25}})
    assert read(service) == ROWS
    assert service.asked == [1, 2, 3]


def test_a_total_is_no_less_for_a_page_size_that_was_capped_in_silence() -> None:
    flags = {"page_size": 1000, "result_total_count": 25}
    service = Service(lambda n: {"result": part(n), "pagination": {"current_page": n, **flags}})
    assert read(service) == ROWS


def test_a_count_of_the_rows_of_a_page_is_no_total() -> None:
    service = Service(lambda n: {"data": part(n), "count": len(part(n))})
    assert read(service) == ROWS


def test_a_total_of_a_service_that_ignores_the_page_number_is_a_loop() -> None:
    for total in (20, 25):
        with pytest.raises(PagingLoop, match="repeats page 1"):
            read(Service(lambda n, total=total: {"result": part(1), "pagination": {"result_total_count": total}}))


def test_a_total_known_before_the_read_does_not_end_it() -> None:
    service = Service(lambda n: {"data": part(n)})
    assert sum(page.count for page in iter_pages(service, READ, total=25)) == 25
    with pytest.raises(TornRead):
        list(iter_pages(service, READ, total=20))


# ---------------------------------------------------------------------------------------------------------
# A refused page size

SIZE_REFUSALS = {
    "400": Answer(400, b'{"error": {"code": "ValidationError", "description": "page_size"}}'),
    "422": Answer(422, b""),
    "a known code under 200": under_200("ValidationError"),
    "an unknown code under 200": under_200("PageSizeTooLarge"),
    "422 under 200": under_200("422"),
}


def sized(refuses: Callable[[int], bool], refusal: Answer = SIZE_REFUSALS["400"], *, without: bool = True) -> Service:
    """A service that refuses some page sizes; with ``without`` False, it also refuses a request without a size."""
    service = Service(SHAPES["modern, last_page"], Dialect.MODERN)
    service.takes = lambda size: refusal if (not without if size is None else refuses(size)) else None
    return service


@pytest.mark.parametrize("refusal", SIZE_REFUSALS)
def test_a_refused_page_size_is_replaced_by_100_and_remembered(refusal: str) -> None:
    service = sized(lambda size: size > 100, SIZE_REFUSALS[refusal])
    for size in (1000, 1000, 2000, 999, 999, 50):
        assert read(service, page_size=size) == ROWS
    # Once 1000 is refused, larger ones are not tried; a smaller one is.
    assert service.sizes == [1000, 100, 100, 100, 999, 100, 100, 50]


@pytest.mark.parametrize("refusal", SIZE_REFUSALS)
def test_where_100_is_refused_too_the_service_decides(refusal: str) -> None:
    service = sized(lambda size: True, SIZE_REFUSALS[refusal])
    for size in (1000, 1000):
        assert read(service, page_size=size) == ROWS
    assert read(service, page_size=1) == ROWS
    assert service.sizes == [1000, 100, None, None, 1, None]


def test_where_every_size_is_refused_the_first_error_is_raised() -> None:
    service = sized(lambda size: True, without=False)
    first = Answer(422, b'{"error": {"code": "x", "description": "1000 is too much"}}')
    takes = service.takes
    service.takes = lambda size: first if size == 1000 else takes(size)
    with pytest.raises(ApiError, match="1000 is too much"):
        read(service, page_size=1000)
    assert service.sizes == [1000, 100, None]
    assert service.refused_page_size is None


def test_a_remembered_size_that_is_refused_later_is_replaced_too() -> None:
    service = sized(lambda size: True)
    service.refused_page_size = (500, 100)
    assert read(service, page_size=1000) == ROWS
    assert service.sizes == [100, None]


def test_a_refusal_after_the_size_is_left_out_is_raised() -> None:
    service = sized(lambda size: True)
    service.body = lambda n: Answer(404, b"")
    with pytest.raises(NotFound):
        read(service, page_size=1000)


@pytest.mark.parametrize(
    "refusal",
    [
        *(Answer(status, b"") for status in (401, 403, 404, 405, 409, 413, 429, 500)),
        *(under_200(code) for code in ("NotFound", "404", "unauthorized", "401", "TooManyRequests", "InvalidVersion")),
        Answer(400, b'{"error": {"code": "InvalidVersion", "description": "no"}}'),
    ],
)
def test_a_refusal_that_means_something_else_is_raised_at_once(refusal: Answer) -> None:
    service = sized(lambda size: True, refusal)
    with pytest.raises((ApiError, AuthError)):
        read(service, page_size=1000)
    assert service.sizes == [1000]


def test_the_legacy_dialect_has_no_page_size_to_leave_out() -> None:
    service = Service(lambda n: SIZE_REFUSALS["400"])
    with pytest.raises(ApiError):
        read(service, page_size=1000)
    assert service.sizes == [None]


# ---------------------------------------------------------------------------------------------------------
# With flags


@pytest.mark.fault(38)
@pytest.mark.parametrize("flag", [1, "true", None, [], 0])
def test_a_flag_that_is_no_boolean_is_an_error(flag: object) -> None:
    with pytest.raises(ProtocolError, match="has_more_data"):
        read(Service(lambda n: {"data": part(n), "has_more_data": flag}))


@pytest.mark.parametrize("body", [{"data": {"a": 1}}, {"data": None}, {"data": "x"}, 5, {"success": True}])
def test_rows_that_are_no_list_are_an_error(body: object) -> None:
    with pytest.raises(ProtocolError):
        read(Service(lambda n: body))


def test_an_error_on_a_later_page_gives_no_rows_at_all() -> None:
    service = Service(lambda n: {"data": part(n), "has_more_data": True} if n < 3 else Answer(404, b""))
    with pytest.raises(NotFound):
        read(service)


@pytest.mark.fault(22)
def test_rows_that_are_no_json_are_an_error() -> None:
    broken = Answer(200, b'{"data":[{"a":10},{"a":}],"has_more_data":true}')
    service = Service(lambda n: broken if n == 2 else SHAPES["legacy"](n))
    with pytest.raises(ProtocolError, match="cut off or broken"):
        read(service)
    assert service.asked[:2] == [1, 2]


@pytest.mark.fault(37, 39)
def test_a_service_that_ignores_the_page_number_is_a_loop() -> None:
    with pytest.raises(PagingLoop, match="repeats page 1"):
        read(Service(lambda n: {"data": part(1), "has_more_data": True}))


def test_a_service_that_clamps_the_page_number_is_a_loop() -> None:
    with pytest.raises(PagingLoop, match="repeats page 3"):
        read(Service(lambda n: {"data": part(min(n, 3)), "has_more_data": True}))


@pytest.mark.fault(37)
def test_empty_pages_without_end_are_a_loop() -> None:
    with pytest.raises(PagingLoop, match="page 4 is empty"):
        read(Service(lambda n: {"data": part(n), "has_more_data": True}))


@pytest.mark.fault(39)
def test_a_page_repeated_by_a_cache_is_requested_again() -> None:
    cached = iter([1])
    service = Service(lambda n: {"data": part(next(cached, n) if n == 2 else n), "has_more_data": n < 3})
    assert read(service) == ROWS
    assert sorted(service.asked) == [1, 2, 2, 3]


@pytest.mark.fault(39)
@pytest.mark.parametrize("beyond", [{"data": [], "has_more_data": False}, Answer(404, b"")])
def test_a_data_set_that_holds_the_same_rows_twice_is_read_whole(beyond: object) -> None:
    twice = ROWS[:10] * 2 + ROWS
    body = lambda n: {"data": part(n, rows=twice), "has_more_data": n < 5} if n < 6 else beyond  # noqa: E731
    assert read(Service(body)) == twice


@pytest.mark.fault(39)
@pytest.mark.parametrize("size", [1, 511, 512, 4_061, 4_062, 4_063, 8_134, 8_191, 8_192, 8_703, 100_000])
def test_pages_that_differ_in_one_byte_are_two_pages(size: int) -> None:
    text = "x" * size
    for at in {0, 1, size // 3, size // 2, 600, size - 1} & set(range(size)):
        rows = [[{"a": text}], [{"a": text[:at] + "y" + text[at + 1 :]}], [{"a": "end"}]]
        # Beyond the end, the last page is repeated: two equal pages would look like a loop.
        service = Service(lambda n, rows=rows: {"data": rows[min(n, 3) - 1], "has_more_data": n < 3})
        assert read(service) == [row for page in rows for row in page]
        assert sorted(service.asked) == [1, 2, 3]


@pytest.mark.fault(39)
@pytest.mark.parametrize("width", [1, 9, 24, 56, 509])  # of text; some rows are then whole words of 8 bytes
@pytest.mark.parametrize("padding", range(8))
def test_pages_with_the_same_rows_in_another_order_are_two_pages(width: int, padding: int) -> None:
    one, other = ({"a": letter * width + "." * padding} for letter in "xy")
    orders = [[one, other] * 500, [other, one] * 500, [one] * 500 + [other] * 500, [other, *[one, other] * 499, one]]
    for first, second in ((0, 1), (0, 2), (1, 2), (2, 3)):
        rows = [orders[first], orders[second], [{"a": "end"}]]
        service = Service(lambda n, rows=rows: {"data": rows[min(n, 3) - 1], "has_more_data": n < 3})
        assert read(service) == [row for page in rows for row in page]
        assert sorted(service.asked) == [1, 2, 3]


@pytest.mark.fault(40)
@pytest.mark.parametrize("totals", [(25, 25, 26), (25, 24, 24), (26, 26, 25), (30, 30, 30)])
def test_rows_that_differ_from_the_total_are_a_torn_read(totals: tuple[int, ...]) -> None:
    def body(n: int) -> object:
        flags = {"has_more_results": n < 3, "result_total_count": totals[n - 1]}
        return {"result": part(n), "pagination": flags}

    with pytest.raises(TornRead):
        read(Service(body))


def counted(n: int, totals: tuple[int, ...]) -> object:
    return {"result": part(n), "pagination": {"has_more_results": n < 3, "result_total_count": totals[n - 1]}}


@pytest.mark.fault(41)
def test_a_total_that_changes_is_noticed_at_once() -> None:
    service = Service(lambda n: counted(n, (25, 24, 25)))
    with pytest.raises(TornRead, match="25 at first and 24 at page 2"):
        read(service)
    assert service.asked[:2] == [1, 2]


def test_rows_are_compared_with_a_total_known_before_the_read() -> None:
    request = get("read a version", "/data/5/v/7", key="data")
    service = Service(SHAPES["legacy"])

    def count(total: int) -> int:
        return sum(page.count for page in iter_pages(service, request, total=total))

    assert count(25) == 25
    for wrong in (24, 26, 0):
        with pytest.raises(TornRead):
            count(wrong)


def test_a_torn_read_goes_on_with_on_torn_warn() -> None:
    service = Service(lambda n: counted(n, (25, 26, 25)))
    found = list(iter_pages(service, READ, on_torn="warn"))
    assert [page.torn is not None for page in found] == [False, True, True]
    assert sum(page.count for page in found) == 25
    assert "25 at first and 26" in str(found[1].torn)


def test_a_torn_read_without_end_raises_in_any_case() -> None:
    more = {"has_more_results": True, "result_total_count": 25}
    service = Service(lambda n: {"result": [{"a": 10 * n + i} for i in range(10)], "pagination": more})
    with pytest.raises(TornRead):
        list(iter_pages(service, READ, on_torn="warn"))
    assert len(service.asked) < 12


@pytest.mark.fault(37)
def test_new_rows_without_end_are_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_PAGES", 50)
    service = Service(lambda n: {"data": [{"a": n}], "has_more_data": True})
    with pytest.raises(PagingLoop, match="more pages are promised after page 50"):
        read(service)
    assert len(service.asked) <= 52


@pytest.mark.fault(38)
@pytest.mark.parametrize("shape", ["legacy", "modern, last_page"])
def test_a_flag_missing_on_a_later_page_is_an_error(shape: str) -> None:
    def body(n: int) -> Any:
        whole_answer = SHAPES[shape](n)
        if n == 2:
            whole_answer.pop("has_more_data", None)
            whole_answer.pop("pagination", None)
        return whole_answer

    with pytest.raises(ProtocolError, match="page 2 doesn't say whether there are more"):
        read(Service(body))


@pytest.mark.parametrize("kind", [TornRead, SchemaDrift])
@pytest.mark.parametrize("bad", [0, 1, 2, 3])
@pytest.mark.parametrize("lenient", [False, True])
def test_a_read_is_made_three_times_at_most_while_the_data_set_changes(
    kind: type[Exception], bad: int, lenient: bool
) -> None:
    attempts: list[str] = []

    def read(how: str = "strict") -> str:
        attempts.append(how)
        if len(attempts) <= bad:
            raise kind("changed")
        return "all"

    last = (lambda: read("lenient")) if lenient else None
    if bad < 3:
        assert retry_while_changing(read, last=last) == "all"
    else:
        with pytest.raises(kind):
            retry_while_changing(read, last=last)
    assert attempts == ["strict", "strict", "lenient" if lenient else "strict"][: bad + 1]


def test_a_read_that_fails_otherwise_is_not_repeated() -> None:
    attempts: list[int] = []

    def read() -> None:
        attempts.append(1)
        raise PagingLoop("loop")

    with pytest.raises(PagingLoop):
        retry_while_changing(read)
    assert attempts == [1]


def test_a_short_list_is_one_request_without_a_page() -> None:
    service = Service(lambda n: {"count": 25, "data": ROWS})
    assert records(service.call, get("list data sets", "/data", key="data")) == ROWS
    assert service.asked == [1]


def test_a_list_that_counts_more_than_it_holds_has_more_pages() -> None:
    service = Service(lambda n: {"count": 25, "data": part(n)})
    assert records(service.call, get("list data sets", "/data", key="data")) == ROWS
    assert service.asked == [1, 2, 3]


@pytest.mark.parametrize(("beyond", "asked"), [(EMPTY, [1, 2, 3, 1, 4]), (BEYOND["404"], [1, 2, 3, 1, 4, 3])])
def test_a_list_without_a_count_has_as_many_pages_as_come(beyond: Any, asked: list[int]) -> None:
    service = Service(lambda n: {"data": part(n)} if n < 4 else beyond)
    assert records(service.call, get("list dashboards", "/dashboard", key="data")) == ROWS
    assert service.asked == asked


def test_a_list_that_comes_for_every_page_number_is_whole() -> None:
    service = Service(lambda n: {"data": ROWS})
    assert records(service.call, get("list dashboards", "/dashboard", key="data")) == ROWS
    assert service.asked == [1, 2, pages._FAR]


def test_a_list_that_changes_meanwhile_is_read_again() -> None:
    before = iter([ROWS[:-1]])
    service = Service(lambda n: {"data": next(before, ROWS)})
    assert records(service.call, get("list dashboards", "/dashboard", key="data")) == ROWS


def test_a_list_of_something_else_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="not an object"):
        records(Service(lambda n: {"data": [1, 2]}).call, get("list data sets", "/data", key="data"))


def test_the_page_size_is_the_callers_in_the_modern_dialect_only() -> None:
    assert page_query(Dialect.LEGACY, 2, 500) == (("page", "2"),)
    assert page_query(Dialect.MODERN, 2, 500) == (("page", "2"), ("page_size", "500"))
    assert page_query(Dialect.MODERN, 2) == (("page", "2"),)
