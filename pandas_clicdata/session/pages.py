"""Read all pages in either dialect: each page once, or an error. A part is never returned as the whole.

Pure, except for the session that sends the requests.
"""

from __future__ import annotations

import logging
import re
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import msgspec

from pandas_clicdata.errors import ApiError, PagingLoop, ProtocolError, SchemaDrift, TornRead
from pandas_clicdata.session.ahead import Ahead
from pandas_clicdata.session.wire import NOT_JSON, Dialect, DialectChanged, Query, Reply, Request, means, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future
    from threading import Event

    from pandas_clicdata.session.wire import Caller

PAGE_SIZE = 1000  # C: rows of a page to request in the modern dialect; the maximum is unknown (O1)
SEEN_PAGE_SIZE = 100  # C: the page size to request if another is refused; no other was ever seen (O1)
MOST_PAGES = 10_000_000  # pages of one read; a service that promises more has a fault
MOST_CELLS = 5_000_000  # cells of one page: ten million tiny ones fit into one response, but not into memory
FIRST_WINDOW = 3  # pages to request after the first; 2 costs a round trip at 8 workers, 4 wastes a page more
REREADS = 2  # reads after the first one, if the data set changes while it is read
_FAR = 2_000_000  # a page number beyond the end of any data set; 1,000 times this number still fits into 32 bits

OnTorn: TypeAlias = Literal["raise", "warn"]
_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_array = msgspec.json.Decoder(list[msgspec.Raw])

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """The rows of one response as a JSON array.

    ``more`` is whether more pages follow, ``total`` the rows of all pages; None if the response doesn't say. ``torn``
    says why this page and the pages before it are not one state of the data set. ``repeating`` marks a page without
    rows: it ends a read because the service returns the same rows for each further page number.
    """

    number: int
    rows: bytes
    count: int
    more: bool | None
    total: int | None
    torn: str | None = None
    repeating: bool = False


@dataclass(frozen=True)
class Part:
    """A part of a read: the pages ``first`` to ``last``. All pages before ``first`` have ``size`` rows each."""

    first: int
    last: int
    size: int  # rows of each page, except the last page of the data set


_WHOLE = Part(1, MOST_PAGES, 0)


def page_query(dialect: Dialect | None, number: int, size: int | None = None) -> Query:
    """Return the query for a page."""
    query: Query = (("page", str(number)),)
    if dialect is Dialect.MODERN and size is not None:
        query += (("page_size", str(size)),)
    return query


def page_of(reply: Reply, number: int) -> Page:
    """Return the page in a reply, or raise a `ProtocolError`."""
    rows, operation = reply.payload, reply.request.operation
    if rows.count(b",") > MOST_CELLS and _TEXTS.sub(b"", rows).count(b",") > MOST_CELLS:
        raise ProtocolError(f"{operation}: page {number} holds more than {MOST_CELLS:,} cells", operation=operation)
    try:
        count = len(_array.decode(rows))
    except NOT_JSON:
        raise ProtocolError(f"{operation}: page {number} holds no list of rows", operation=operation) from None
    return Page(number, rows, count, *_more(reply, operation, count))


def _more(reply: Reply, operation: str, rows: int) -> tuple[bool | None, int | None]:
    """Return whether there are more pages, and the total of rows; None if the response doesn't say."""
    flags = reply.field("pagination") or {}
    if not isinstance(flags, dict):
        raise ProtocolError(f"{operation}: the pagination of the response is not an object", operation=operation)
    flags = {name: reply.field(name) for name in ("has_more_data", "count") if name in reply.fields} | flags
    total = _number(flags, "result_total_count")
    # C: the order of the flags. Only has_more_data is never null.
    for name in ("has_more_data", "has_more_results", "last_page"):
        flag = flags.get(name)
        if isinstance(flag, bool):
            return flag is not (name == "last_page"), total
        if flag is not None or (name in flags and name == "has_more_data"):
            raise ProtocolError(f"{operation}: {name} is neither true nor false", operation=operation)
    if total is None:
        total = _number(flags, "count")
        # C: count is of all items of a list (O18); of rows, it may be of this page only (O1).
        if total == rows and reply.request.dialect is not None:
            total = None
    return None, total


def _number(flags: dict[str, Any], name: str) -> int | None:
    value = flags.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


# ---------------------------------------------------------------------------------------------------------
# Reading all pages


def iter_pages(
    caller: Caller,
    request: Request,
    page_size: int | None = None,
    *,
    workers: int = 1,
    wanted: Callable[[], int | None] | None = None,
    total: int | None = None,
    on_torn: OnTorn = "raise",
    part: Part = _WHOLE,
) -> Generator[Page, None, None]:
    """Yield every page of a read once and in order, all in one dialect and one page size.

    The ``request`` has no page number yet. ``page_size`` matters in the modern dialect only; by default the service
    decides. If it is refused, `SEEN_PAGE_SIZE` is requested, then no size, and the session remembers the accepted one.
    ``workers`` pages are requested at once, but none beyond the rows that ``wanted`` returns (None: all).
    ``total`` is how many rows the service counted before the read. If the data set changes while it is read, this
    raises `TornRead`, or sets `Page.torn` with ``on_torn="warn"``. With a ``part``, only its pages are requested.

    If a response doesn't say whether more pages follow, the next page is requested. If that page is empty, refused, or
    the same as each further page, the read ends. Then the last page that is yielded has no rows.
    """
    begun, next_size = False, page_size
    refused: dict[int, ApiError] = {}  # by page size
    while True:
        dialect = caller.dialect
        size = next_size if dialect is Dialect.MODERN else None
        if size is not None and caller.refused_page_size is not None:
            least, taken = caller.refused_page_size
            size = taken if size >= least else size
        reading = _Reading(caller.call, replace(request, dialect=dialect), size, total, on_torn, part)
        try:
            with closing(_prefetch(reading, workers, wanted)) as pages:  # else a Ctrl-C meanwhile is lost
                for page in pages:
                    if refused and not begun:
                        caller.refused_page_size = (min(refused), size)
                    begun = True
                    yield page
        except DialectChanged:
            if begun:
                raise TornRead(f"{request.operation}: the service changed its dialect midway; read again") from None
        except ApiError as error:
            # C: how a size is refused: with 400, with 422, or with 200 and an unknown code (O1).
            if begun or not means(error, 400, 422, None):
                raise
            if size is None:
                raise next(iter(refused.values()), error) from None
            refused[size] = error
            next_size = None if SEEN_PAGE_SIZE in refused else SEEN_PAGE_SIZE
        else:
            return


def records(call: Callable[[Request], Reply], request: Request) -> list[dict[str, Any]]:
    """Return the objects of a short list (data sets, versions, ...), from all its pages."""

    def read() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = []
        for page in _prefetch(_Reading(call, request), workers=0):  # the second page is seldom needed
            for item in parsed(page.rows, request.operation):
                if not isinstance(item, dict):
                    raise ProtocolError(
                        f"{request.operation}: the list holds something that is not an object",
                        operation=request.operation,
                    )
                listed.append(item)
        return listed

    return retry_while_changing(read)


def retry_while_changing(read: Callable[[], _T], last: Callable[[], _T] | None = None) -> _T:
    """Call ``read``; repeat it twice at most if the data set changes meanwhile. ``last`` replaces the third read."""
    for _ in range(REREADS):
        try:
            return read()
        except (TornRead, SchemaDrift) as error:
            _log.info("read again: %s", error)
    return (last or read)()


def _prefetch(
    reading: _Reading, workers: int, wanted: Callable[[], int | None] | None = None
) -> Generator[Page, None, None]:
    """Yield the pages. While one is used, the next ones are requested: 3, 6, 12, ..., never more than ``workers``."""
    requested: dict[int, Future[Page]] = {}
    window = min(FIRST_WINDOW, workers)
    with Ahead(workers) as ahead:
        first, last = reading.part.first, reading.part.last
        page = reading.take(first, partial(reading.request, first))
        while True:
            for number in reading.numbers_ahead(page, window, workers, wanted and wanted()):
                if number not in requested and number <= last:
                    requested[number] = ahead.submit(partial(reading.request, number, cancelled=ahead.over))
            yield page
            if page.more is False or page.number == last:
                return
            window = min(2 * window, workers)
            number = page.number + 1
            ahead_of_it = requested.pop(number, None)
            page = reading.take(number, ahead_of_it.result if ahead_of_it else partial(reading.request, number))


class _Reading:
    """The checks of one read: no page comes twice, and the rows of all pages add up to the total.

    A page is requested again if it repeats the page before it, or if it is empty though more pages are promised.
    """

    def __init__(
        self,
        call: Callable[[Request], Reply],
        request: Request,
        page_size: int | None = None,
        total: int | None = None,
        on_torn: OnTorn = "raise",
        part: Part = _WHOLE,
    ) -> None:
        self.part = part
        self._call = call
        self._request = request
        self._page_size = page_size
        self._operation = request.operation
        self._total = total
        self._on_torn = on_torn
        self._first: Page | None = None
        self._last: Page | None = None
        self._repeats = False  # whether the data set really has the same page twice
        self._flagged = False  # whether a page stated if more pages follow
        self._rows = (part.first - 1) * part.size  # of all pages so far
        self._size = part.size  # rows of the largest page
        self._torn: str | None = None

    def request(self, number: int, *, fresh: bool = False, cancelled: Event | None = None) -> Page:
        """Request a page. Any thread may do so."""
        query = self._request.query
        # C: no list with pages was ever seen, so the first request of a list has no page number.
        if number > 1 or self._request.dialect is not None:
            query += page_query(self._request.dialect, number, self._page_size)
        return page_of(self._call(replace(self._request, query=query, fresh=fresh, cancelled=cancelled)), number)

    def numbers_ahead(self, page: Page, window: int, workers: int, wanted: int | None) -> range:
        """Return the pages to request while this page is used: the pages that the service counts, else the window."""
        pages = 0 if page.more is False else window
        if page.total is not None and self._size:
            pages = min(workers, -(-(page.total - self._rows) // self._size))
        elif page.more is None and page.number == 1:
            pages = min(pages, 1)  # the service may give the whole data set for each page number
        if wanted is not None:
            pages = min(pages, -(-(wanted - page.count) // max(1, self._size)))
        return range(page.number + 1, page.number + 1 + max(0, pages))

    def take(self, number: int, ask: Callable[[], Page]) -> Page:
        """Return the page that follows the last one; raise if a check fails."""
        try:
            page = self._with_more(ask())
            if self._is_suspicious(page):
                page = self._look_again(page)
        except ApiError as error:
            # C: a page beyond the end is refused with 400 or 404, or with a code that means one of them (O1).
            if self._last is None or self._last.more is not None or not means(error, 400, 404):
                raise
            # If the data set was deleted meanwhile, its last page is refused too.
            self._check_unchanged(self._last, f"page {number} is refused")
            page = Page(number, b"[]", 0, more=False, total=None)
        if self._last is not None and self._last.more is None:
            self._check_was_full(page, self._last)
        self._rows += page.count
        self._size = max(self._size, page.count)
        self._first, self._last = self._first or page, page
        self._check_total(page)
        if page.more is not False and page.number >= MOST_PAGES:
            raise PagingLoop(f"{self._operation}: more pages are promised after page {page.number:,}")
        return page if self._torn is None else replace(page, torn=self._torn)

    def _with_more(self, page: Page) -> Page:
        """Decide whether there are more pages, if the response only counts all rows or says nothing."""
        if page.more is not None:
            self._flagged = True
            return page
        if self._flagged:
            raise ProtocolError(
                f"{self._operation}: page {page.number} doesn't say whether there are more pages, unlike others",
                operation=self._operation,
            )
        if page.total is not None:
            return replace(page, more=self._rows + page.count < page.total)
        return page if page.count else replace(page, more=False)

    def _is_suspicious(self, page: Page) -> bool:
        if page.count == 0:
            return bool(page.more)
        return not self._repeats and self._last is not None and page.rows == self._last.rows

    def _look_again(self, page: Page) -> Page:
        """Decide on a suspicious page: a cache may have answered, the service may loop, or the page is right."""
        number, far = page.number, None
        if page.more is None:
            far = self._far_page()
            if far.rows == page.rows:
                return self._end_at_repetition(page)
        page = self._with_more(self.request(number, fresh=True))
        if not self._is_suspicious(page):
            return page
        if not page.count:
            what = f"page {number} is empty, yet more pages are promised"
        elif (far or self._far_page()).count == 0:
            self._repeats = True
            return page
        elif page.more is None:
            raise self._changed(f"page {number} repeats page {number - 1}, and a page far beyond the end differs")
        else:
            what = f"page {number} repeats page {number - 1}, and so does a page far beyond the end"
        raise self._loop(what)

    def _far_page(self) -> Page:
        """Return a page far beyond the end. It has no rows if the service uses page numbers."""
        try:
            return self.request(_FAR, fresh=True)
        except ApiError as error:
            if not means(error, 400, 404):
                raise
            return Page(_FAR, b"[]", 0, None, None)

    def _end_at_repetition(self, page: Page) -> Page:
        """Return the page that ends a read whose further pages are all the same, or raise if rows are missing."""
        if page.count == self._page_size:
            raise self._loop(f"page 1 has as many rows as requested, {page.count:,}, and any further page is the same")
        if page.number > 2 and self.request(1, fresh=True).rows == page.rows:
            raise self._changed(f"page {page.number} is page 1 again")
        return Page(page.number, b"[]", 0, more=False, total=None, repeating=True)

    def _check_was_full(self, page: Page, last: Page) -> None:
        """Raise if rows were added to a short page before the next page came; no flag showed that it was short."""
        if page.count and last.count < self._size:
            self._check_unchanged(last, f"page {page.number} follows a page that was shorter than others")
        # Only page 1 shows how long a page is. It is checked if more than two pages are read.
        if page.number == 3 and self._first is not None and self._first.count != self._page_size:
            self._check_unchanged(self._first, "more pages came")

    def _check_unchanged(self, last: Page, what: str) -> None:
        """Request a page again, and raise if it has other rows now."""
        if self.request(last.number, fresh=True).rows != last.rows:
            raise self._changed(f"{what}, and page {last.number} has other rows now")

    def _loop(self, what: str) -> PagingLoop:
        return PagingLoop(
            f"{self._operation}: {what}. The rows read so far were dropped: they are not the "
            "whole data set. Try again; if the error stays, the service has a fault."
        )

    def _changed(self, what: str) -> TornRead:
        return TornRead(f"{self._operation}: {what}. Something changed while it was read: read it again.")

    def _check_total(self, page: Page) -> None:
        """Compare the rows so far, and the total that the service counts now, with the first total."""
        if self._total is None:
            self._total = page.total
        if self._total is None:
            return
        now = self._total if page.total is None else page.total
        ends = page.more is False
        if now == self._total and (self._rows == now if ends else self._rows <= now):
            return
        self._torn = (
            f"{self._operation}: {self._rows:,} rows came; ClicData counted {self._total:,} at first and {now:,} at "
            f"page {page.number}. The data set changed while it was read, or rows are missing."
        )
        endless = not ends and self._rows > 2 * max(now, self._total) + self._size
        if self._on_torn == "raise" or endless:
            raise TornRead(f'{self._torn} Read it again, or a stored version: ver_id="latest".')
