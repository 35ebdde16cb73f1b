"""Following pages in either dialect: every page once, or an error; never a part as the whole.

Pure but for the call it is given.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

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
_FAR = 1_000_000_000  # a page that no data set has

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """The rows of one answer, as a JSON array, and whether there are more (None: it doesn't say).

    ``torn`` says why this page and those before it are not one state of the data set, where that was to be told
    instead of raised.
    """

    number: int
    rows: bytes
    count: int
    more: bool | None
    total: int | None
    torn: str | None = None


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


class Follower:
    """Goes from page to page, and stops with an error where that would lose or double rows.

    Pages after the one that is being used are asked for ahead: as many as there are workers, but none beyond what the
    service counts; where it doesn't count, first one, then twice as many from page to page, so that a short data set
    wastes little. What comes for a page beyond the end is never looked at and never waited for.

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
    ) -> None:
        self._call = call
        self._request = request
        self._workers = workers
        self._wanted = wanted or (lambda: None)
        self._total = total
        self._tell_torn = tell_torn
        self._last: Page | None = None
        self._honoured = False  # whether the service is known to look at the page's number
        self._flagged = False  # whether a page said whether there are more
        self._rows = 0
        self._size = 0  # rows of the fullest page so far
        self._torn: str | None = None

    def __iter__(self) -> Iterator[Page]:
        asked: dict[int, Future[Page]] = {}
        window = 1
        with Ahead(self._workers) as ahead:
            page = self._checked(self.ask(1))
            while True:
                for number in self._worth_asking(page, window):
                    if number not in asked:
                        asked[number] = ahead.submit(partial(self.ask, number))
                yield page
                if not page.more:
                    return
                window = min(2 * window, self._workers)
                number = page.number + 1
                page = self._checked(asked.pop(number).result() if number in asked else self.ask(number))

    def _worth_asking(self, page: Page, window: int) -> range:
        """The pages to be asked for before this one is used."""
        pages = window if page.more else 0
        if page.total is not None and self._size:
            pages = min(self._workers, -(-(page.total - self._rows) // self._size))
        wanted = self._wanted()
        if wanted is not None:
            pages = min(pages, -(-(wanted - page.count) // max(1, self._size)))
        return range(page.number + 1, page.number + 1 + max(0, pages))

    def ask(self, number: int, **more: Any) -> Page:
        """One page, as the service gives it."""
        return page_of(self._call(replace(self._request(number), **more)), number)

    def _checked(self, page: Page) -> Page:
        page = self._settled(page)
        if self._suspicious(page):
            page = self._asked_again(page.number)
        self._rows += page.count
        self._size = max(self._size, page.count)
        self._last = page
        self._check_total(page)
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
        """Whether it is empty though more are promised, or the same as the one before."""
        if page.count == 0:
            return bool(page.more)
        return not self._honoured and self._last is not None and page.rows == self._last.rows

    def _asked_again(self, number: int) -> Page:
        """A page that came before, or is empty though more are promised: a glitch, a loop, or true."""
        page = self._settled(self.ask(number, fresh=True))
        if not self._suspicious(page):
            return page
        if page.count and self._beyond_is_empty():
            self._honoured = True  # the data set does hold the same rows twice
            return page
        if page.count:
            what = f"page {number} repeats page {number - 1}, and so does one far beyond the end"
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
    caller: Caller, asked: Request, page_size: int | None, **more: Any
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

        try:
            for page in Follower(caller.call, request, **more):
                begun = True
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
