"""Asking ahead: as many as were said, or a window that opens; nothing for which somebody would have to wait."""

from __future__ import annotations

import gc
import json
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from pandas_clicdata import Session, read_clicdata
from pandas_clicdata.session import pages
from pandas_clicdata.session.ahead import Ahead
from pandas_clicdata.session.pages import Follower, followed
from pandas_clicdata.session.wire import Answer, Dialect, Reply, Request, get, judge
from scripted import Says, ScriptedServer, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 10


def legacy(number: int, pages: int) -> Any:
    return {"data": rows(number, pages), "has_more_data": number < pages}


def modern(number: int, pages: int) -> Any:
    told = {"result_total_count": pages * SIZE, "has_more_results": number < pages}
    return {"success": True, "result": rows(number, pages), "pagination": told}


def rows(number: int, pages: int) -> list[Any]:
    return [{"n": n} for n in range((number - 1) * SIZE, number * SIZE)] if number <= pages else []


class Service:
    """A data set of some pages. Beyond them it answers an error, or with ``hangs`` not at all."""

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

    def follower(self, workers: int, **more: Any) -> Follower:
        request = get("read rows", "/data/5", key="data")
        return Follower(self.call, lambda n: request.with_query(("page", str(n))), workers=workers, **more)


def numbers_in(service: Service, workers: int, **more: Any) -> list[int]:
    return [row["n"] for page in service.follower(workers, **more) for row in json.loads(page.rows)]


JUDGED_OR_DECODED = pytest.mark.parametrize("decode", [None], ids=["judged"])


@JUDGED_OR_DECODED
@pytest.mark.parametrize("shape", [legacy, modern])
@pytest.mark.parametrize("workers", [1, 2, 8, 32])
@pytest.mark.parametrize("pages", [1, 2, 3, 7, 40])
def test_every_row_comes_once_and_in_order(shape: Any, workers: int, pages: int, decode: Any) -> None:
    service = Service(shape, pages)
    assert numbers_in(service, workers) == list(range(pages * SIZE))
    assert sorted(service.asked)[:pages] == list(range(1, pages + 1))
    assert len(set(service.asked)) == len(service.asked), "no page is asked for twice"
    assert workers > 1 or len(service.asked) == pages, "one worker asks for none beyond the end"
    assert service.most_at_once <= workers


@pytest.mark.parametrize("shape", [legacy, modern])
def test_a_data_set_of_one_page_is_one_request(shape: Any) -> None:
    service = Service(shape, 1)
    numbers_in(service, 32)
    assert service.asked == [1]


@JUDGED_OR_DECODED
@pytest.mark.parametrize("workers", [1, 2, 8, 32])
def test_where_it_is_said_how_many_there_are_no_other_is_asked_for(workers: int, decode: Any) -> None:
    service = Service(modern, 21)
    numbers_in(service, workers)
    assert sorted(service.asked) == list(range(1, 22))


def test_where_it_is_not_said_the_window_opens_from_one() -> None:
    service = Service(legacy, 100)
    for number, page in zip(range(1, 30), service.follower(8), strict=False):
        assert page.number == number
        assert max(service.asked) <= number + min(8, 3**number)


class Held(Service):
    """Holds every request until it is let go."""

    def __init__(self, shape: Callable[[int, int], Any], pages: int) -> None:
        super().__init__(shape, pages)
        self._turn = threading.Condition()
        self._held = 0
        self._let_go = 0
        self.waiting: list[str] = []

    def call(self, request: Request) -> Reply:
        with self._turn:
            self.waiting.append(dict(request.query)["page"])
            self._held += 1
            ticket = self._held
            self._turn.notify_all()
            assert self._turn.wait_for(lambda: ticket <= self._let_go, 20)
        return super().call(request)

    def let_go(self, held: int) -> None:
        """Let go what is held, as soon as it is that many requests."""
        with self._turn:
            assert self._turn.wait_for(lambda: self._held - self._let_go == held, 20), self._held
            self._let_go = self._held
            self._turn.notify_all()

    def open(self) -> None:
        with self._turn:
            self._let_go = 1 << 30
            self._turn.notify_all()


def assert_read_in_rounds(service: Held, workers: int, rounds: list[int], **more: Any) -> None:
    """All comes, and so many requests are under way at a time."""
    found = list[int]()
    reader = threading.Thread(target=lambda: found.extend(numbers_in(service, workers, **more)), daemon=True)
    reader.start()
    try:
        for held in rounds:
            service.let_go(held)
        reader.join(20)
        assert found == list(range(service.pages * SIZE))
    finally:
        service.open()


@pytest.mark.parametrize(("workers", "rounds"), [(1, [1] * 100), (4, [1, 3] + [4] * 24), (8, [1, 3] + [8] * 12)])
def test_where_it_is_not_said_all_workers_have_work_from_the_third_round_on(workers: int, rounds: list[int]) -> None:
    assert_read_in_rounds(Held(legacy, 100), workers, rounds)


@pytest.mark.parametrize(
    ("shape", "workers", "expected", "rounds"),
    [
        (legacy, 8, 100, [8] * 13),
        (modern, 8, 100, [8] * 12 + [4]),
        (modern, 4, 100, [4] * 25),
        (legacy, 8, 2, [2] + [8] * 13),
        (legacy, 8, 500, [8] * 13),
        (modern, 1, 100, [1] * 100),
    ],
)
def test_what_was_read_before_is_asked_for_by_all_workers_at_once(
    shape: Any, workers: int, expected: int, rounds: list[int]
) -> None:
    assert_read_in_rounds(Held(shape, 100), workers, rounds, expected=Length(expected, SIZE))


@JUDGED_OR_DECODED
@pytest.mark.parametrize("shape", [legacy, modern])
@pytest.mark.parametrize("pages", [1, 3, 40])
def test_what_is_shorter_or_longer_than_it_was_is_read_whole(shape: Any, pages: int, decode: Any) -> None:
    for expected in (1, 2, 20, 1000):
        service = Service(shape, pages, hangs=True)
        try:
            assert numbers_in(service, 8, expected=Length(expected, SIZE)) == list(range(pages * SIZE))
            assert service.most_at_once <= 8
        finally:
            service.over.set()


@pytest.mark.parametrize(("wanted", "asked"), [(5, [1]), (25, [1, 2, 3]), (None, [1, 2, 3, 4])])
def test_no_more_of_what_was_read_before_is_asked_for_than_is_wanted(wanted: int | None, asked: list[int]) -> None:
    service = Held(modern, 100)
    follower = iter(service.follower(4, wanted=lambda: wanted, expected=Length(100, SIZE)))
    first = threading.Thread(target=lambda: next(follower), daemon=True)
    first.start()
    try:
        service.let_go(len(asked))
        assert sorted(map(int, service.waiting[: len(asked)])) == asked
        first.join(20)
        assert not first.is_alive()
    finally:
        service.open()


class Remembering(Held):
    """A session, as far as it takes to follow pages."""

    dialect = Dialect.LEGACY
    last_receipt = None

    def __init__(self, pages: int) -> None:
        super().__init__(legacy, pages)
        self._lengths: dict[Any, Length] = {}

    def read(self, path: str, *rounds: int, size: int | None = None, total: int | None = None) -> None:
        """Read all; at first so many requests are to be under way, then so many, then as many as there are."""
        asked, numbers = get("read rows", path, key="data"), list[int]()
        others = set(threading.enumerate())
        followed_pages = followed(self, asked, size, workers=8, total=total)
        reader = threading.Thread(target=lambda: numbers.extend(page.number for page in followed_pages), daemon=True)
        reader.start()
        for held in rounds:
            self.let_go(held)
        self.open()
        reader.join(20)
        assert numbers == list(range(1, self.pages + 1))
        for thread in set(threading.enumerate()) - others:
            thread.join(20)
        self._let_go = self._held


def test_a_session_remembers_how_long_it_was_what_it_has_read(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Remembering(10)
    session.read("/data/5", 1, 3)
    session.read("/data/5", 8)
    session.read("/data/6", 1, 3)
    session.read("/data/5", 1, 3, size=100)  # pages of another size are others
    session.pages = 2
    session.read("/data/5", 8)
    session.read("/data/5", 2)
    monkeypatch.setattr(pages, "_MOST_LENGTHS", 3)
    session.read("/data/7", 1)
    assert len(session._lengths) == 1


@pytest.mark.parametrize(("pages", "size", "first"), [(10, SIZE, 8), (3, SIZE, 3), (10, 2 * SIZE, 5), (3, None, 1)])
def test_what_is_known_to_have_so_many_rows_is_asked_for_by_all_workers_at_once(
    pages: int, size: int | None, first: int
) -> None:
    session = Remembering(pages)
    session.read("/data/5/v/2", first, size=size, total=pages * SIZE)
    assert sorted(map(int, session.waiting[:first])) == list(range(1, first + 1))


def test_a_session_reads_again_what_it_knows_in_fewer_rounds(clicdata_sandbox: Any, clicdata_session: Session) -> None:
    frame = pd.DataFrame({"n": range(5)})
    rec_id = frame.clicdata.push("Remembered", session=clicdata_session).rec_id
    for _ in range(2):
        pd.testing.assert_frame_equal(pd.read_clicdata(rec_id, workers=4, session=clicdata_session), frame)
    frame.clicdata.append(rec_id, session=clicdata_session)
    twice = pd.concat([frame, frame], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_clicdata(rec_id, workers=4, session=clicdata_session), twice)


@pytest.mark.parametrize("pages", [2, 5, 40])
def test_what_is_asked_for_beyond_the_end_is_neither_waited_for_nor_looked_at(pages: int) -> None:
    service = Service(legacy, pages, hangs=True)
    try:
        assert numbers_in(service, 8) == list(range(pages * SIZE))
        assert max(service.asked) <= pages + 8
    finally:
        service.over.set()


@JUDGED_OR_DECODED
@pytest.mark.parametrize("shape", [legacy, modern])
def test_no_page_is_asked_for_beyond_the_rows_that_are_wanted(shape: Any, decode: Any) -> None:
    service, left = Service(shape, 100), [55]
    for page in service.follower(8, wanted=lambda: left[0]):
        left[0] -= page.count
        if left[0] <= 0:
            break
    assert sorted(service.asked) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("shape", [legacy, modern])
@pytest.mark.parametrize("workers", [1, 4])
def test_the_next_page_is_asked_for_before_the_rows_of_one_are_read(shape: Any, workers: int) -> None:
    service = Service(shape, 9)
    missed = []

    def decode(page: bytes) -> list[Any]:
        rows: list[Any] = json.loads(page)
        following = rows[-1]["n"] // SIZE + 2
        until = time.monotonic() + 10
        while following <= service.pages and following not in service.asked:
            if time.monotonic() > until:
                missed.append(following)
                break
            time.sleep(0.001)
        return rows

    assert numbers_in(service, workers) == list(range(9 * SIZE))
    assert not missed


def asked_by_itself(
    monkeypatch: pytest.MonkeyPatch, seconds: Callable[[int], float], workers: int = 1, **more: Any
) -> list[int]:
    """The pages that whoever wants them asks for, and no other thread, if they take so many seconds."""
    now = 0.0
    found = []
    service = Service(legacy, 100)

    def call(request: Request) -> Reply:
        nonlocal now
        number = int(dict(request.query)["page"])
        now += seconds(number)
        if threading.current_thread() is threading.main_thread():
            found.append(number)
        return Service.call(service, request)

    monkeypatch.setattr(service, "call", call)
    monkeypatch.setattr(pages, "time", SimpleNamespace(perf_counter=lambda: now))
    assert numbers_in(service, workers, **more) == list(range(1000))
    return found


@JUDGED_OR_DECODED
def test_pages_that_come_at_once_are_asked_for_when_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch, decode: Any
) -> None:
    assert asked_by_itself(monkeypatch, lambda _: 0.0) == [1, *range(18, 101)]
    assert asked_by_itself(monkeypatch, lambda n: 0.1 * (n == 50)) == [1, *range(18, 101)], "one may be late"


@JUDGED_OR_DECODED
def test_where_they_no_longer_come_at_once_the_next_page_is_asked_for_ahead_again(
    monkeypatch: pytest.MonkeyPatch, decode: Any
) -> None:
    late = {50, 51}
    found = asked_by_itself(monkeypatch, lambda n: 0.1 * (n in late))
    assert found == [1, *range(18, 52), *range(68, 101)]


def test_pages_that_only_seem_to_come_at_once_are_asked_for_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_by_itself(monkeypatch, lambda _: 0.002) == [1, *range(18, 101, 17)], "one in 17 is a try"
    assert asked_by_itself(monkeypatch, lambda _: 0.01) == [1]


def test_several_workers_ask_ahead_however_soon_pages_come(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_by_itself(monkeypatch, lambda _: 0.0, workers=2) == [1]


@JUDGED_OR_DECODED
def test_pages_are_asked_for_no_further_ahead_than_is_useful(decode: Any) -> None:
    service = Service(modern, 100)
    for page in service.follower(4):
        assert max(service.asked) <= page.number + 8
    assert service.most_at_once <= 4


def test_what_was_not_begun_when_all_is_over_is_left() -> None:
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


def test_threads_that_nobody_told_to_end_do_so_when_they_are_forgotten() -> None:
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


def test_it_is_told_that_a_request_is_gone_before_it_is_answered() -> None:
    """The service answers only when it was told: else the call would time out."""
    gone = threading.Event()

    def script(_: Any) -> Says:
        return Says({"data": [], "told": gone.wait(10)})

    with ScriptedServer(script) as server, Session(api_key="k", url=server.url, timeout=20) as session:
        reply = session.call(get("read rows", "/data/5", key="data", gone=gone.set))
    assert reply.field("told") is True


@pytest.mark.parametrize("pages", [1, 2, 3, 30])
def test_a_service_that_looks_at_one_connection_at_a_time_is_read_whole(pages: int) -> None:
    """One that nobody asks anything on would be waited for while the others ask."""

    def script(seen: Seen) -> Says:
        return Says(legacy(int(seen.query["page"]), pages))

    with (
        ScriptedServer(script, one_at_a_time=True) as server,
        Session(api_key="k", url=server.url, timeout=5) as session,
    ):
        frame = read_clicdata(5, workers=8, session=session, progress=False)
    assert frame["n"].tolist() == list(range(pages * SIZE))
