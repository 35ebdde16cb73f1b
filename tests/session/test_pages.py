"""Reading pages: every row once, or an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pandas_clicdata.errors import NotFound, PagingLoop, ProtocolError, SchemaDrift, TornRead
from pandas_clicdata.session import pages
from pandas_clicdata.session.pages import iter_pages, page_query, records, retry_while_changing
from pandas_clicdata.session.wire import Answer, Dialect, Reply, Request, get, judge

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [{"a": n} for n in range(25)]
READ = get("read rows", "/data/5", key="data")


class Service:
    """Answers each page with what ``body`` gives for its number, and remembers what it was asked."""

    dialect = Dialect.LEGACY
    last_receipt = None

    def __init__(self, body: Callable[[int], Any]) -> None:
        self.body = body
        self.asked: list[int] = []

    def call(self, request: Request) -> Reply:
        number = int(dict(request.query).get("page", 1))
        self.asked.append(number)
        body = self.body(number)
        return judge(request, body if isinstance(body, Answer) else Answer(200, json.dumps(body).encode()))


def read(service: Service) -> list[dict[str, int]]:
    found: list[dict[str, int]] = []
    for page in iter_pages(service, READ):
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


def test_a_page_without_any_flag_is_the_last() -> None:
    service = Service(lambda n: {"data": part(n)})
    assert read(service) == ROWS[:10]
    assert service.asked == [1]


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
        # Beyond the end the last page comes again: two pages taken for one would look like a loop.
        service = Service(lambda n, rows=rows: {"data": rows[min(n, 3) - 1], "has_more_data": n < 3})
        assert read(service) == [row for page in rows for row in page]
        assert sorted(service.asked) == [1, 2, 3]


@pytest.mark.fault(39)
@pytest.mark.parametrize("width", [1, 9, 24, 56, 509])  # of text; with the rest of a row some make whole words
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
    with pytest.raises(PagingLoop, match="more is promised after page 50"):
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


def test_a_list_of_something_else_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="not an object"):
        records(Service(lambda n: {"data": [1, 2]}).call, get("list data sets", "/data", key="data"))


def test_the_page_size_is_the_callers_in_the_modern_dialect_only() -> None:
    assert page_query(Dialect.LEGACY, 2, 500) == (("page", "2"),)
    assert page_query(Dialect.MODERN, 2, 500) == (("page", "2"), ("page_size", "500"))
    assert page_query(Dialect.MODERN, 2) == (("page", "2"),)
