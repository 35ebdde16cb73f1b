"""Prefetching: the pages that the service counts, or a window that doubles; no call waits for an extra page."""

from __future__ import annotations

import gc
import json
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pandas_clicdata import Session, errors, read_clicdata
from pandas_clicdata.session.ahead import Ahead, checked_workers
from pandas_clicdata.session.pages import Page, iter_pages
from pandas_clicdata.session.wire import Answer, Dialect, Reply, Request, get, judge
from scripted import Says, ScriptedServer, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

SIZE = 10


def legacy(number: int, pages: int) -> Any:
    return {"data": rows(number, pages), "has_more_data": number < pages}


def modern(number: int, pages: int) -> Any:
    flags = {"result_total_count": pages * SIZE, "has_more_results": number < pages}
    return {"success": True, "result": rows(number, pages), "pagination": flags}


def rows(number: int, pages: int) -> list[Any]:
    return [{"n": n} for n in range((number - 1) * SIZE, number * SIZE)] if number <= pages else []


class Service:
    """A data set of some pages. A request beyond them gets an error, or no answer with ``hangs``."""

    dialect = Dialect.LEGACY
    last_receipt = None
    refused_page_size: tuple[int, int | None] | None = None

    def __init__(self, shape: Callable[[int, int], Any], pages: int, *, hangs: bool = False) -> None:
        self.shape, self.pages, self.hangs = shape, pages, hangs
        self.asked: list[int] = []
        self.over = threading.Event()
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def call(self, request: Request) -> Reply:
        number = int(dict(request.query)["page"])
        with self._lock:
            self.asked.append(number)
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            if number > self.pages:
                if self.hangs:
                    self.over.wait(20)
                return judge(request, Answer(404, b""))
            return judge(request, Answer(200, json.dumps(self.shape(number, self.pages)).encode()))
        finally:
            with self._lock:
                self.at_once -= 1

    def read(self, workers: int, **more: Any) -> Generator[Page, None, None]:
        return iter_pages(self, get("read rows", "/data/5", key="data"), workers=workers, **more)


def numbers_in(service: Service, workers: int, **more: Any) -> list[int]:
    return [row["n"] for page in service.read(workers, **more) for row in json.loads(page.rows)]


@pytest.mark.parametrize("shape", [legacy, modern])
@pytest.mark.parametrize("workers", [1, 2, 8, 32])
@pytest.mark.parametrize("pages", [1, 2, 3, 7, 40])
def test_every_row_comes_once_and_in_order(shape: Any, workers: int, pages: int) -> None:
    service = Service(shape, pages)
    assert numbers_in(service, workers) == list(range(pages * SIZE))
    assert sorted(service.asked)[:pages] == list(range(1, pages + 1))
    assert len(set(service.asked)) == len(service.asked), "no page is requested twice"
    assert workers > 1 or len(service.asked) == pages, "one worker requests no page beyond the end"
    assert service.most_at_once <= workers


@pytest.mark.parametrize("shape", [legacy, modern])
def test_a_data_set_of_one_page_is_one_request(shape: Any) -> None:
    service = Service(shape, 1)
    numbers_in(service, 32)
    assert service.asked == [1]


@pytest.mark.parametrize("workers", [1, 2, 8, 32])
def test_no_page_is_requested_beyond_the_total(workers: int) -> None:
    service = Service(modern, 21)
    numbers_in(service, workers)
    assert sorted(service.asked) == list(range(1, 22))


def test_without_a_total_the_window_opens_from_three_pages() -> None:
    service = Service(legacy, 100)
    for number, page in zip(range(1, 30), service.read(8), strict=False):
        assert page.number == number
        assert max(service.asked) <= number + min(8, 3 * 2 ** (number - 1))


class Held(Service):
    """Holds every request until the test releases it."""

    def __init__(self, shape: Callable[[int, int], Any], pages: int) -> None:
        super().__init__(shape, pages)
        self._turn = threading.Condition()
        self._held = 0
        self._released = 0

    def call(self, request: Request) -> Reply:
        with self._turn:
            self._held += 1
            ticket = self._held
            self._turn.notify_all()
            assert self._turn.wait_for(lambda: ticket <= self._released, 20)
        return super().call(request)

    def release(self, held: int) -> None:
        """Release all requests when this number of requests has come."""
        with self._turn:
            assert self._turn.wait_for(lambda: self._held - self._released == held, 20), self._held
            self._released = self._held
            self._turn.notify_all()

    def open(self) -> None:
        with self._turn:
            self._released = 1 << 30
            self._turn.notify_all()


@pytest.mark.parametrize(
    ("shape", "workers", "rounds"),
    [
        (legacy, 1, [1] * 100),
        (legacy, 4, [1, 3] + [4] * 24),
        (legacy, 8, [1, 3] + [8] * 12),
        (modern, 1, [1] * 100),
        (modern, 4, [1] + [4] * 24 + [3]),
        (modern, 8, [1] + [8] * 12 + [3]),
    ],
)
def test_all_workers_have_work_once_the_window_is_open(shape: Any, workers: int, rounds: list[int]) -> None:
    service, found = Held(shape, 100), list[int]()
    reader = threading.Thread(target=lambda: found.extend(numbers_in(service, workers)), daemon=True)
    reader.start()
    try:
        for held in rounds:
            service.release(held)
        service.open()
        reader.join(20)
        assert found == list(range(100 * SIZE))
    finally:
        service.open()


@pytest.mark.parametrize("pages", [2, 5, 40])
def test_pages_requested_beyond_the_end_are_neither_waited_for_nor_read(pages: int) -> None:
    service = Service(legacy, pages, hangs=True)
    try:
        assert numbers_in(service, 8) == list(range(pages * SIZE))
        assert max(service.asked) <= pages + 8
    finally:
        service.over.set()


@pytest.mark.parametrize("shape", [legacy, modern])
def test_no_page_is_requested_beyond_the_rows_that_are_wanted(shape: Any) -> None:
    service, left = Service(shape, 100), [55]
    with closing(service.read(8, wanted=lambda: left[0])) as pages:
        for page in pages:
            left[0] -= page.count
            if left[0] <= 0:
                break
    assert sorted(service.asked) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("shape", [legacy, modern])
@pytest.mark.parametrize("workers", [1, 4])
def test_the_next_page_is_requested_while_a_page_is_used(shape: Any, workers: int) -> None:
    service = Service(shape, 9)
    for page in service.read(workers):
        until = time.monotonic() + 10
        while page.number < service.pages and page.number + 1 not in service.asked:
            assert time.monotonic() < until, f"page {page.number + 1} was not requested"
            time.sleep(0.001)


def test_pages_are_requested_no_further_ahead_than_there_are_workers() -> None:
    service = Service(modern, 100)
    for page in service.read(4):
        assert max(service.asked) <= page.number + 4
    assert service.most_at_once <= 4


def test_work_not_begun_is_dropped_at_the_end() -> None:
    begun, done, go_on = [], [], threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        go_on.wait(20)
        done.append(number)

    first, others = threading.Event(), set(threading.enumerate())
    with Ahead(1) as ahead:
        ahead.submit(lambda: (first.set(), work(0)))
        for number in range(1, 5):
            ahead.submit(lambda number=number: work(number))  # type: ignore[misc]
        assert first.wait(20)
    go_on.set()
    for thread in set(threading.enumerate()) - others:
        thread.join(20)
    assert begun == done == [0]


def test_threads_end_when_their_pool_is_garbage() -> None:
    others = set(threading.enumerate())
    ahead = Ahead(2)
    assert [ahead.submit(lambda number=number: number).result(20) for number in range(3)] == [0, 1, 2]  # type: ignore[misc]
    threads = set(threading.enumerate()) - others
    assert len(threads) == 2
    del ahead
    gc.collect()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("pages", [1, 2, 3, 30])
def test_a_service_with_one_connection_at_a_time_is_read_whole(pages: int) -> None:
    def script(seen: Seen) -> Says:
        return Says(legacy(int(seen.query["page"]), pages))

    with (
        ScriptedServer(script, one_at_a_time=True) as server,
        Session(api_key="k", url=server.url, timeout=5) as session,
    ):
        frame = read_clicdata(5, workers=8, session=session, progress=False)
    assert frame["n"].tolist() == list(range(pages * SIZE))


def test_a_page_ahead_is_not_requested_again_once_the_read_has_ended() -> None:
    def script(seen: Seen) -> Says:
        return Says(legacy(1, 9)) if seen.query["page"] == "1" else Says(b"", 503)

    others, failed, go_on = set(threading.enumerate()), threading.Event(), threading.Event()
    with ScriptedServer(script) as server, Session(api_key="k", url=server.url) as session:
        session._sleep = lambda _: (failed.set(), go_on.wait(20))
        with closing(iter_pages(session, get("read rows", "/data/5", key="data"), workers=1)) as pages:
            assert next(pages).number == 1
            assert failed.wait(20)
        go_on.set()
        for thread in set(threading.enumerate()) - others:
            if thread.name.startswith("clicdata-"):
                thread.join(20)
        assert [seen.query["page"] for seen in server.seen] == ["1", "2"]


@pytest.mark.parametrize("workers", [2, np.int64(2), np.uint8(32)])
def test_workers_are_any_integer(workers: Any) -> None:
    assert checked_workers(workers) == int(workers)


@pytest.mark.parametrize("workers", [True, np.True_, 2.0, np.float64(2), "2", None, 0, 33, -1])
def test_other_workers_are_refused(workers: Any) -> None:
    with pytest.raises(errors.InputError, match="whole number from 1 to 32"):
        checked_workers(workers)
