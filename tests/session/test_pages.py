"""Following pages: every row once, or an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pandas_clicdata.errors import NotFound, PagingLoop, ProtocolError, TornRead
from pandas_clicdata.session.pages import Follower, page_query, records
from pandas_clicdata.session.wire import Answer, Dialect, Reply, Request, get, judge

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [{"a": n} for n in range(25)]


class Service:
    """Answers each page with what ``body`` gives for its number, and remembers what it was asked."""

    def __init__(self, body: Callable[[int], Any]) -> None:
        self.body = body
        self.asked: list[int] = []

    def call(self, request: Request) -> Reply:
        number = int(dict(request.query).get("page", 1))
        self.asked.append(number)
        body = self.body(number)
        return judge(request, body if isinstance(body, Answer) else Answer(200, json.dumps(body).encode()))


def read(service: Service) -> list[dict[str, int]]:
    request = get("read rows", "/data/5", key="data")
    follower = Follower(service.call, lambda n: request.with_query(("page", str(n))))
    return [row for page in follower for row in json.loads(page.rows)]


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


def test_a_missing_flag_ends_the_reading() -> None:
    service = Service(lambda n: {"data": part(n)})
    assert read(service) == ROWS[:10]
    assert service.asked == [1]


@pytest.mark.parametrize("flag", [1, "true", None, [], 0])
def test_a_flag_that_is_none_is_an_error(flag: object) -> None:
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


def test_a_service_that_ignores_the_page_number_is_a_loop() -> None:
    with pytest.raises(PagingLoop, match="repeats page 1"):
        read(Service(lambda n: {"data": part(1), "has_more_data": True}))


def test_a_service_that_clamps_the_page_number_is_a_loop() -> None:
    with pytest.raises(PagingLoop, match="repeats page 3"):
        read(Service(lambda n: {"data": part(min(n, 3)), "has_more_data": True}))


def test_empty_pages_without_end_are_a_loop() -> None:
    with pytest.raises(PagingLoop, match="page 4 is empty"):
        read(Service(lambda n: {"data": part(n), "has_more_data": True}))


def test_a_page_that_was_repeated_by_a_cache_is_asked_for_again() -> None:
    pages = iter([1, 1, 2, 3])
    service = Service(lambda n: {"data": part(next(pages)), "has_more_data": n < 3})
    assert read(service) == ROWS
    assert service.asked == [1, 2, 2, 3]


@pytest.mark.parametrize("beyond", [{"data": [], "has_more_data": False}, Answer(404, b"")])
def test_a_data_set_that_holds_the_same_rows_twice_is_read_whole(beyond: object) -> None:
    twice = ROWS[:10] * 2 + ROWS
    body = lambda n: {"data": part(n, rows=twice), "has_more_data": n < 5} if n < 6 else beyond  # noqa: E731
    assert read(Service(body)) == twice


@pytest.mark.parametrize("totals", [(25, 25, 26), (25, 24, 24), (26, 26, 25), (30, 30, 30)])
def test_a_total_that_the_rows_do_not_come_to_is_a_torn_read(totals: tuple[int, ...]) -> None:
    def body(n: int) -> object:
        flags = {"has_more_results": n < 3, "result_total_count": totals[n - 1]}
        return {"result": part(n), "pagination": flags}

    with pytest.raises(TornRead):
        read(Service(body))


def test_a_short_list_is_one_request_without_a_page() -> None:
    service = Service(lambda n: {"count": 25, "data": ROWS})
    assert records(service.call, get("list data sets", "/data", key="data")) == ROWS
    assert service.asked == [1]


def test_a_list_that_counts_more_than_it_holds_is_followed() -> None:
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
