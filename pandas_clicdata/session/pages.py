"""Following pages in either dialect: every page once, or an error; never a part as the whole.

Pure but for the call it is given.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pandas_clicdata.errors import ApiError, PagingLoop, ProtocolError, SchemaDrift, TornRead
from pandas_clicdata.session.ahead import Ahead
from pandas_clicdata.session.wire import (
    MOST_CELLS,
    Dialect,
    DialectChanged,
    Query,
    Reply,
    Request,
    holds_too_many_cells,
    list_length,
    parsed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sized
    from concurrent.futures import Future

    from pandas_clicdata.session.wire import Caller

PAGE_SIZE = 1000  # C: rows a page to ask for in the modern dialect; 100 is seen, the maximum is unknown
MOST_PAGES = 10_000_000  # of one read; a service that goes on promising more has lost count
REREADS = 2  # how often a read is begun anew when the data set changed while it was read
_MOST_LENGTHS = 1000  # that a session remembers
_FAR = 1_000_000_000  # a page that no data set has
# Seconds that a page which came waits for the requests after it to be sent. Whoever takes it apart would keep Python
# from sending them meanwhile, and each would be late by as much.
_UNTIL_GONE = 0.005
# By how much the window opens from page to page. By two, 100 pages would take 8 workers a round more; by four, one more
# page would be asked for in vain where there are two.
_WIDENED = 3
# A page that comes sooner than one thread wakes another, such as from this machine, is better asked for when it is
# wanted. Asked for by another thread it seems to take longer than it does: that one waits for Python too.
_AT_ONCE = 0.001  # seconds
_SOON = 0.005
_SURE = 16  # such pages in a row before that is believed, and for each that is late after that

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """The rows of one answer, as a JSON array, and whether there are more (None: it doesn't say).

    ``decoded`` is what the follower's ``decode`` made of the rows, if anything. ``torn`` says why this page and those
    before it are not one state of the data set, where that is known and was to be told instead of raised.
    """

    number: int
    rows: bytes
    count: int
    more: bool | None
    total: int | None
    decoded: Any = field(default=None, compare=False, repr=False)
    torn: str | None = None


class Length(NamedTuple):
    """How long something is, as last read or counted: a hint, on which nothing but the time of a read depends."""

    pages: int
    size: int  # rows of the fullest page

    @classmethod
    def of(cls, rows: int, size: int) -> Length:
        """How long so many rows are, in pages of that size."""
        return cls(-(-rows // size), size)


def page_query(dialect: Dialect, number: int, size: int | None = None) -> Query:
    """How a page is asked for."""
    query: Query = (("page", str(number)),)
    if dialect is Dialect.MODERN and size is not None:
        query += (("page_size", str(size)),)
    return query


def page_of(reply: Reply, number: int) -> Page:
    """The page in a reply.

    Raises
    ------
    ProtocolError
        The rows are not a list or are too many, or the flags that say whether there are more are not flags.
    """
    operation = reply.request.operation
    if reply.count is None and holds_too_many_cells(reply.payload):
        raise ProtocolError(f"{operation}: page {number} holds more than {MOST_CELLS:,} cells", operation=operation)
    count = reply.count if reply.count is not None else list_length(reply.payload)
    if count is None:
        raise ProtocolError(f"{operation}: page {number} holds no list of rows", operation=operation)
    return Page(number, reply.payload, count, *_more(reply, operation))


def _more(reply: Reply, operation: str) -> tuple[bool | None, int | None]:
    """Whether there are more pages, and how many rows there are in all; None where the answer doesn't say."""
    flags = reply.field("pagination") or {}
    if not isinstance(flags, dict):
        raise ProtocolError(f"{operation}: the pagination of the answer is not an object", operation=operation)
    flags = {
        **{name: reply.field(name) for name in ("has_more_data", "count") if name in reply.fields},
        **flags,
    }
    total = _whole(flags, "result_total_count")
    # C: the order in which the flags are believed.
    if "has_more_data" in flags:
        return _flag(flags, "has_more_data", operation), total
    if flags.get("has_more_results") is not None:
        return _flag(flags, "has_more_results", operation), total
    if flags.get("last_page") is not None:
        return not _flag(flags, "last_page", operation), total
    current, size = _whole(flags, "current_page"), _whole(flags, "page_size")
    if current is not None and size is not None and total is not None:
        return current * size < total, total
    return None, _whole(flags, "count")


def _flag(flags: dict[str, Any], name: str, operation: str) -> bool:
    if not isinstance(flags[name], bool):
        raise ProtocolError(f"{operation}: {name} is neither true nor false", operation=operation)
    return bool(flags[name])


def _whole(flags: dict[str, Any], name: str) -> int | None:
    value = flags.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


# ---------------------------------------------------------------------------------------------------------
# Following


class _Pace:
    """Whether pages come at once when they are asked for, so that asking ahead would only take longer."""

    def __init__(self) -> None:
        self._soon = 0

    @property
    def at_once(self) -> bool:
        return self._soon >= _SURE

    def note(self, seconds: float, *, ahead: bool) -> None:
        """How long a page took, asked for ahead by another thread or not."""
        if seconds < (_SOON if ahead else _AT_ONCE):
            self._soon = min(self._soon + 1, 2 * _SURE)
        else:
            self._soon = max(self._soon - _SURE, 0)


class Follower:
    """Goes from page to page, and stops with an error where that would lose or double rows.

    The next page is on its way while one is being used; one worker leaves that where pages come at once whenever they
    are asked for. With more than one, so are those after it: as many as the service says there are, each worker going
    from one to the next by itself; where it doesn't say, a window that opens from 1, so that a short data set wastes
    little, or from as many pages as there were when it was read before. What comes for a page beyond the end is never
    looked at and never waited for.

    Parameters
    ----------
    call : callable
        Sends a `Request` and gives its `Reply`.
    request : callable
        Makes the request of a page from its number.
    workers : int, default 1
        Pages asked for at once.
    wanted : callable, optional
        Gives the number of rows that are still wanted, None for all of them. No page is asked for ahead that would
        go beyond it.
    total : int, optional
        How many rows the service said beforehand that there are.
    tell_torn : bool, default False
        Whether a data set that changes while it is read is told by the ``torn`` of its pages instead of raised.
    decode : callable, optional
        Makes of the rows of a page after the first one what is to be its ``decoded``, or None of what it does not
        understand. What it understands is JSON, so that nobody need look at it twice.
    digest : callable, default hash
        Makes of the rows of a page what pages of the same rows share. Should others ever share it, one of them is asked
        for once more.
    expected : Length, optional
        How long it was when it was read before.

    Attributes
    ----------
    length : Length or None
        How long it is, as soon as that is known.
    """

    def __init__(
        self,
        call: Callable[[Request], Reply],
        request: Callable[[int], Request],
        *,
        workers: int = 1,
        wanted: Callable[[], int | None] | None = None,
        total: int | None = None,
        tell_torn: bool = False,
        decode: Callable[[bytes], Sized | None] | None = None,
        digest: Callable[[bytes], int] = hash,
        expected: Length | None = None,
    ) -> None:
        self._call = call
        self._request = request
        self._workers = workers
        self._wanted = wanted or (lambda: None)
        self._seen: dict[tuple[int, int], int] = {}
        self._honoured = False  # whether the service is known to look at the page's number
        self._rows = 0
        self._total = total
        self._tell_torn = tell_torn
        self._decode = decode
        self._digest = digest
        self._torn: str | None = None
        self._flagged = False  # whether a page said whether there are more
        self._size = 0  # rows of the fullest page so far
        self._expected = expected
        self._pace = _Pace()
        self.length: Length | None = None

    def __iter__(self) -> Iterator[Page]:
        asked: dict[int, Future[Reply]] = {}
        with Ahead(self._workers) as ahead:
            for number in range(2, 1 + self._expected_at_once()):
                asked[number] = ahead.submit(partial(self._reply, number, ahead=True))
            window = 1 + len(asked)
            page = self._checked(self.ask(1))
            while True:
                window = min(_WIDENED * window, self._workers)
                self._ask_ahead(self._worth_asking(page, self._rows, window), asked, ahead)
                yield page
                if not page.more:
                    return
                number = page.number + 1
                coming = asked.pop(number, None)
                reply = self._reply(number) if coming is None else coming.result()
                if reply.unread:
                    # It is likely as full as the others.
                    page = Page(number, reply.payload, self._size, *_more(reply, reply.request.operation))
                    self._ask_ahead(self._worth_asking(page, self._rows + page.count, window), asked, ahead)
                    page = self._read(page)
                else:
                    page = page_of(reply, number)
                page = self._checked(page)

    def _expected_at_once(self) -> int:
        """The pages that may be asked for at once before the first one has come."""
        if self._expected is None:
            return 1
        pages, size = self._expected
        wanted = self._wanted()
        return min(self._workers, pages if wanted is None else min(pages, -(-wanted // size)))

    def _ask_ahead(self, numbers: range, asked: dict[int, Future[Reply]], ahead: Ahead) -> None:
        gone = {number: Event() for number in numbers if number not in asked}
        for number, event in gone.items():
            asked[number] = ahead.submit(partial(self._asked_for, number, event))
        if len(asked) <= self._workers:  # else a worker gets to them by itself
            for event in gone.values():
                event.wait(_UNTIL_GONE)

    def _worth_asking(self, page: Page, rows: int, window: int) -> range:
        """The numbers of the pages to be asked for before this one is used, up to which there are so many rows."""
        pages = window if page.more and not (self._workers == 1 and self._pace.at_once) else 0
        if pages and page.total is not None and self._size:
            # Twice as many as there are workers, so that none of them waits until a page was taken apart.
            most = self._workers if self._workers == 1 else 2 * self._workers
            pages = min(most, -(-(page.total - rows) // self._size))
        wanted = self._wanted()
        if wanted is not None:
            pages = min(pages, -(-(wanted - page.count) // max(1, self._size)))
        return range(page.number + 1, page.number + 1 + max(0, pages))

    def ask(self, number: int, **more: Any) -> Page:
        """One page, as the service gives it."""
        return page_of(self._call(replace(self._request(number), **more)), number)

    def _asked_for(self, number: int, gone: Event) -> Reply:
        try:
            return self._reply(number, ahead=True, gone=gone.set)
        finally:
            gone.set()

    def _reply(self, number: int, *, ahead: bool = False, **more: Any) -> Reply:
        """The answer for a page, its rows unread if they are to be decoded."""
        began = time.perf_counter()
        reply = self._call(replace(self._request(number), unread=self._decode is not None, **more))
        self._pace.note(time.perf_counter() - began, ahead=ahead)
        return reply

    def _read(self, page: Page) -> Page:
        """A page with its rows decoded and counted, which nobody has done yet."""
        decoded = None if self._decode is None else self._decode(page.rows)
        count = list_length(page.rows) if decoded is None else len(decoded)
        if count is None:  # it is no JSON: whoever judges it as a whole knows what to do about it
            return self.ask(page.number)
        return replace(page, count=count, decoded=decoded)

    def _checked(self, page: Page) -> Page:
        page = self._settled(page)
        if self._suspicious(page):
            page = self._asked_again(page.number)
        self._rows += page.count
        self._size = max(self._size, page.count)
        self._check_total(page)
        if not page.more:
            self.length = Length(page.number, max(1, self._size))
        elif page.total is not None:
            self.length = Length.of(page.total, self._size)
        if page.more and page.number >= MOST_PAGES:
            raise PagingLoop(f"{self._named(page)}: more is promised after page {page.number:,}")
        return page if self._torn is None else replace(page, torn=self._torn)

    def _settled(self, page: Page) -> Page:
        """Whether there are more, where the answer itself only counts how many there are in all."""
        if page.more is not None:
            self._flagged = True
            return page
        if self._flagged:
            operation = self._named(page)
            raise ProtocolError(
                f"{operation}: page {page.number} doesn't say whether there are more, as the others did",
                operation=operation,
            )
        return replace(page, more=page.total is not None and self._rows + page.count < page.total)

    def _named(self, page: Page) -> str:
        return self._request(page.number).operation

    def _suspicious(self, page: Page) -> bool:
        if page.count == 0:
            return bool(page.more)
        return not self._honoured and self._seen.setdefault(self._key(page), page.number) != page.number

    def _key(self, page: Page) -> tuple[int, int]:
        return len(page.rows), self._digest(page.rows)

    def _asked_again(self, number: int) -> Page:
        """A page that came before, or is empty though more are promised: a glitch, a loop, or true."""
        page = self._settled(self.ask(number, fresh=True))
        if not self._suspicious(page):
            return page
        if page.count and self._beyond_is_empty():
            self._honoured = True  # the data set does hold the same rows twice
            return page
        if page.count:
            what = f"page {number} repeats page {self._seen[self._key(page)]}, and so does one far beyond the end"
        else:
            what = f"page {number} is empty, yet more pages are promised"
        raise PagingLoop(
            f"{self._request(number).operation}: {what}. The rows read so far were thrown away: they would "
            "not be the whole data set. Try again; if it stays so, the service has a fault."
        )

    def _beyond_is_empty(self) -> bool:
        """Whether a page that can't exist comes empty or is refused: then page numbers are honoured."""
        try:
            return self.ask(_FAR).count == 0
        except ApiError as error:
            return error.status is None or error.status < 500

    def _check_total(self, page: Page) -> None:
        """Hold the rows that came, and what the service counts now, against what it counted at first."""
        if self._total is None:
            self._total = page.total
        if self._total is None:
            return
        now = self._total if page.total is None else page.total
        if now == self._total and (self._rows <= now if page.more else self._rows == now):
            return
        self._torn = (
            f"{self._named(page)}: {self._rows:,} rows came; ClicData counted {self._total:,} at first and {now:,} at "
            f"page {page.number}. The data set changed while it was read, or rows are missing."
        )
        if not self._tell_torn or (page.more and self._rows > 2 * max(now, self._total) + self._size):
            raise TornRead(f'{self._torn} Read it again, or a stored version: ver_id="latest".')


def followed(
    caller: Caller, asked: Request, page_size: int | None, *, total: int | None = None, **more: Any
) -> Generator[Page, None, None]:
    """Every page of one read, in one dialect and one page size: to change them midway would shift the rows.

    Parameters
    ----------
    caller : Session
        What asks.
    asked : Request
        The request, without a page.
    page_size : int or None
        Rows a page to ask for in the modern dialect; None leaves it to the service.
    total : int, optional
        How many rows the service said beforehand that there are.
    **more
        As for `Follower`.

    Raises
    ------
    TornRead
        The dialect changed midway; and all that a `Follower` raises.
    """
    begun = False
    while True:
        dialect = caller.dialect

        def request(number: int, dialect: Dialect = dialect, size: int | None = page_size) -> Request:
            return replace(asked, query=page_query(dialect, number, size), dialect=dialect)

        lengths: dict[Any, Length] = getattr(caller, "_lengths", {})  # a fake has none
        key = (asked.path, asked.query, dialect, page_size)
        expected = lengths.get(key)
        if expected is None and total is not None:
            expected = Length.of(total, page_size or PAGE_SIZE)
        follower = Follower(caller.call, request, expected=expected, total=total, **more)
        try:
            for page in follower:
                begun = True
                if follower.length is not None:
                    if key not in lengths and len(lengths) >= _MOST_LENGTHS:
                        lengths.clear()
                    lengths[key] = follower.length
                yield page
        except DialectChanged:
            if begun:
                raise TornRead(f"{asked.operation}: the service changed its dialect midway; read again") from None
        except ApiError as error:
            # C: the largest page_size is unknown; one that is refused is left to the service.
            if begun or page_size is None or dialect is Dialect.LEGACY or error.status not in (400, 422):
                raise
            page_size = None
        else:
            return


def whole(read: Callable[[bool], _T]) -> _T:
    """What a read gives, begun anew where the data set changed under it.

    Parameters
    ----------
    read : callable
        Reads all, and is told whether this is its last chance.

    Raises
    ------
    ReadError
        It changed under the last read too.
    """
    for _ in range(REREADS):
        try:
            return read(False)
        except (TornRead, SchemaDrift) as error:
            _log.info("read anew: %s", error)
    return read(True)


def records(call: Callable[[Request], Reply], request: Request) -> list[dict[str, Any]]:
    """The objects of a short list (data sets, versions, ...), however many pages it takes.

    Raises
    ------
    ProtocolError
        The answer is not a list of objects.
    """

    def asked(number: int) -> Request:
        # C: nobody was ever seen to page a list; its first page is asked for without a number.
        return request if number == 1 else request.with_query(("page", str(number)))

    listed: list[dict[str, Any]] = []
    for page in Follower(call, asked):
        for item in parsed(page.rows, request.operation):
            if not isinstance(item, dict):
                raise ProtocolError(
                    f"{request.operation}: the list holds something that is not an object",
                    operation=request.operation,
                )
            listed.append(item)
    return listed
