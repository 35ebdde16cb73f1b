"""Finding out what became of rows in doubt, by counting; and the audit in the end."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from pandas_clicdata.errors import ApiError, ClicDataError, ReadError
from pandas_clicdata.frames.stamps import stamp, tally
from pandas_clicdata.session.pages import PAGE_SIZE, Page, iter_pages, page_of, page_query
from pandas_clicdata.session.wire import Dialect, DialectChanged, Request, get
from pandas_clicdata.uploads.receipt import STORED, AppendReceipt, Chunk, State, ambiguous

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.uploads.choices import Sender
    from pandas_clicdata.uploads.ledger import Ledger

SETTLE = 30.0  # seconds, at least, in which a request that was given up may still be applied
LONGEST_SETTLE = 600.0
APART = 5.0  # seconds between two readings that have to be equal
MOST_READINGS = 8

_log = logging.getLogger(__name__)


def patience(caller: Sender, slowest: float) -> float:
    """Seconds to wait before what is not stored is taken for never to be: ``slowest`` is an answer's."""
    return max(SETTLE, caller.read_timeout, min(3 * slowest, LONGEST_SETTLE))


# ---------------------------------------------------------------------------------------------------------
# Counting


def count_rows(caller: Sender, rec_id: int) -> int:
    """The rows of a data set: a request where the service counts them, else one for each page."""
    page = _first_page(caller, rec_id, 1) if caller.dialect is Dialect.MODERN else None
    if page is not None and page.more is not None and page.total is not None:
        return page.total
    return sum(page.count for page in _pages(caller, rec_id))


def holds(caller: Sender, rec_id: int, rows: int) -> bool:
    """Whether a data set seems to have so many rows: three requests at most.

    Where the service doesn't count, the page on which the last row should stand has to end there.
    """
    if caller.dialect is Dialect.MODERN:
        return count_rows(caller, rec_id) == rows
    first = page_of(caller.call(_asked(caller.dialect, rec_id, 1)), 1)
    if not first.more or not 0 < first.count < rows:
        return not first.more and first.count == rows
    number = -(-rows // first.count)  # C: that each page but the last is as long as the first
    last = page_of(caller.call(_asked(caller.dialect, rec_id, number)), number)
    return not last.more and (number - 1) * first.count + last.count == rows


def _rows_of(rec_id: int) -> Request:
    return get("count rows", f"/data/{rec_id}", key="data", fresh=True)


def _asked(dialect: Dialect, rec_id: int, number: int, size: int | None = None) -> Request:
    return replace(_rows_of(rec_id), query=page_query(dialect, number, size), dialect=dialect)


def _first_page(caller: Sender, rec_id: int, size: int) -> Page | None:
    """The first page in that size, None where the service refuses it."""
    try:
        return page_of(caller.call(_asked(caller.dialect, rec_id, 1, size)), 1)
    except ApiError as error:
        if error.status not in (400, 422):
            raise
    except DialectChanged:
        pass
    return None


def _pages(caller: Sender, rec_id: int) -> Iterator[Page]:
    """Every page, in a page size that the service takes."""
    return iter_pages(caller, _rows_of(rec_id), PAGE_SIZE)


# ---------------------------------------------------------------------------------------------------------
# What the counts say


class Evidence(Protocol):
    """A way to count what is stored."""

    def reading(self) -> Any:
        """What is counted now."""
        ...

    def found(self, chunks: list[Chunk], reading: Any) -> list[int | None]:
        """How many rows of each chunk in doubt are stored, None where that can't be told."""
        ...

    def passes(self) -> bool:
        """Whether all is stored as it should be, as far as a quick look can tell."""
        ...

    def wrong(self, reading: Any) -> dict[int, int]:
        """Rows too many or (below 0) too few: of each chunk by its number, or of all under -1."""
        ...


class RowCount:
    """The rows of the data set, which nobody else writes to."""

    def __init__(self, caller: Sender, receipt: AppendReceipt, rows_before: int) -> None:
        self._caller = caller
        self._receipt = receipt
        self._before = rows_before

    def reading(self) -> int:
        """How many rows there are."""
        return count_rows(self._caller, self._receipt.rec_id)

    def found(self, chunks: list[Chunk], reading: int) -> list[int | None]:
        """All rows of all chunks, or none; of a single chunk some."""
        more = reading - self._expected()
        if len(chunks) == 1:
            return [more if more <= chunks[0].rows else None]
        if more == sum(chunk.rows for chunk in chunks):
            return [chunk.rows for chunk in chunks]
        return [None if more else 0] * len(chunks)

    def passes(self) -> bool:
        """Whether there are as many rows as there should be."""
        return holds(self._caller, self._receipt.rec_id, self._expected())

    def wrong(self, reading: int) -> dict[int, int]:
        """The rows too many or too few, of whichever chunk."""
        return {-1: reading - self._expected()} if reading != self._expected() else {}

    def _expected(self) -> int:
        return self._before + self._receipt.rows_appended


class StampCount:
    """The rows that bear a stamp of this append."""

    def __init__(self, caller: Sender, receipt: AppendReceipt, column: str) -> None:
        self._caller = caller
        self._receipt = receipt
        self._column = column

    def reading(self) -> Counter[str]:
        """How many rows bear each stamp."""
        mine: Counter[str] = Counter()
        for page in _pages(self._caller, self._receipt.rec_id):
            counted = tally(page.rows, self._column) if page.count else {}
            mine.update({text: n for text, n in counted.items() if text.startswith(self._receipt.append_id)})
        return mine

    def found(self, chunks: list[Chunk], reading: Counter[str]) -> list[int | None]:
        """The rows with the stamp of each."""
        return [reading[self._stamp(chunk.number)] for chunk in chunks]

    def passes(self) -> bool:
        """Whether each stamp stands as often as it should."""
        return not self.wrong(self.reading())

    def wrong(self, reading: Counter[str]) -> dict[int, int]:
        """The rows too many or too few of each chunk; those of no chunk that there is are under -1."""
        chunks = self._receipt.chunks_in()
        expected = {chunk.number: chunk.rows if chunk.state in STORED else 0 for chunk in chunks}
        off = {number: reading[self._stamp(number)] - rows for number, rows in expected.items()}
        stray = reading.total() - sum(reading[self._stamp(number)] for number in expected)
        return {number: rows for number, rows in {**off, -1: stray}.items() if rows}

    def _stamp(self, number: int) -> str:
        return stamp(self._receipt.append_id, number)


def evidence_of(caller: Sender, receipt: AppendReceipt, verify: str | None) -> Evidence | None:
    """The way to count that is meant, None if there is none."""
    job = receipt.job
    if verify == "tag" and job.tag_column is not None:
        return StampCount(caller, receipt, job.tag_column)
    if verify == "count" and job.rows_before is not None:
        return RowCount(caller, receipt, job.rows_before)
    return None


# ---------------------------------------------------------------------------------------------------------
# Settling


def settle(caller: Sender, ledger: Ledger, evidence: Evidence, seconds: float) -> None:
    """Find out what became of the chunks in doubt: each is verified, or to be sent again.

    Parameters
    ----------
    caller : Session
        What counts.
    ledger : Ledger
        Where it is entered.
    evidence : Evidence
        How to count.
    seconds : float
        How long to wait before.

    Raises
    ------
    AppendAmbiguous
        It can't be found out, or something else was found.
    """
    chunks = ledger.receipt.doubtful()
    _log.info("waiting %.0f s before counting what became of %d chunks in doubt", seconds, len(chunks))
    caller.sleep(seconds)
    reading = _at_rest(caller, ledger.receipt, evidence)
    for chunk, found in zip(chunks, evidence.found(chunks, reading), strict=True):
        _enter(ledger, chunk, found)
    left = ledger.receipt.doubtful()
    if left:
        told = "; ".join(f"{chunk.named}: {chunk.error}" for chunk in left[:10])
        raise ambiguous(ledger.receipt, f"what became of the rows in doubt could not be settled: {told}")


def _enter(ledger: Ledger, chunk: Chunk, found: int | None) -> None:
    reason = f"{found} of {chunk.rows} rows were found"
    if found == chunk.rows:
        ledger.become(chunk, State.VERIFIED, reason=reason)
    elif found == 0:
        ledger.become(chunk, State.PENDING, reason=reason)
    elif found is None or found < 0:
        seen = "others write to the data set, or several chunks share them" if found is None else "rows disappeared"
        ledger.become(chunk, State.IN_DOUBT, reason=f"the rows found fit no chunk: {seen}")
    else:
        ledger.become(chunk, State.PARTIAL if found < chunk.rows else State.DOUBLED, reason=reason)


def _at_rest(caller: Sender, receipt: AppendReceipt, evidence: Evidence) -> Any:
    """What is counted twice in a row."""
    failure: ClicDataError | None = None
    before = None
    for _ in range(MOST_READINGS):
        reading = None
        try:
            reading = evidence.reading()
            failure = None
        except ReadError as error:  # the data set is changing
            failure = error
        except ClicDataError as error:
            failure = error
            break
        if reading is not None and reading == before:
            return reading
        before = reading
        caller.sleep(APART)
    why = f"they could not be counted ({failure})" if failure else "their number does not come to rest"
    raise ambiguous(receipt, f"some rows may be stored or not, and {why}") from failure


def expect_none(
    caller: Sender, receipt: AppendReceipt, evidence: Evidence, chunks: list[Chunk], seconds: float
) -> None:
    """See to it that no row of some chunks is stored.

    Raises
    ------
    AppendAmbiguous
        Some are, or it can't be told.
    """
    caller.sleep(seconds)
    found = evidence.found(chunks, _at_rest(caller, receipt, evidence))
    if any(found):
        raise ambiguous(receipt, f"{sum(filter(None, found)):,} rows are still there after they were deleted")


# ---------------------------------------------------------------------------------------------------------
# The audit


def audit(caller: Sender, ledger: Ledger, evidence: Evidence, seconds: float) -> None:
    """Count in the end whether all that is said to be stored is, each row once.

    Parameters
    ----------
    caller : Session
        What counts.
    ledger : Ledger
        Where it is entered.
    evidence : Evidence
        How to count.
    seconds : float
        How long to wait before a number that is wrong is believed.

    Raises
    ------
    AppendAmbiguous
        The number is wrong; or it can't be counted, and rows were sent a second time.
    """
    receipt = ledger.receipt
    try:
        wrong: dict[int, int] = {}
        if not evidence.passes():
            caller.sleep(seconds)
            wrong = evidence.wrong(_at_rest(caller, receipt, evidence))
    except ClicDataError as error:
        _uncounted(ledger, error)
        return
    ledger.audited(passed=not wrong)
    if wrong:
        _blame(ledger, wrong)
        told = ", ".join(f"{n:+,} in {_named(receipt, number)}" for number, n in list(wrong.items())[:10])
        raise ambiguous(receipt, f"every chunk was answered for, yet the rows counted in the end are not those: {told}")


def _uncounted(ledger: Ledger, error: ClicDataError) -> None:
    """Go without an audit, unless rows were sent twice: then only the audit could tell that they are there once."""
    doubted = [chunk for chunk in ledger.receipt.chunks_in(*STORED) if chunk.doubted]
    if not doubted:
        _log.warning("the rows appended to data set %d could not be counted: %s", ledger.receipt.rec_id, error)
        return
    for chunk in doubted:
        ledger.become(
            chunk, State.IN_DOUBT, reason="sent a second time, and it could not be counted how often it is there"
        )
    raise ambiguous(ledger.receipt, f"rows were sent a second time, and could not be counted ({error})") from error


def _blame(ledger: Ledger, wrong: dict[int, int]) -> None:
    for chunk in ledger.receipt.chunks_in(*STORED):
        found = chunk.rows + wrong.get(chunk.number, 0)
        reason = f"the audit found {found} of {chunk.rows} rows"
        if found != chunk.rows:
            state = State.DOUBLED if found > chunk.rows else State.PARTIAL if found else State.IN_DOUBT
            ledger.become(chunk, state, rows_inserted=chunk.rows_inserted, reason=reason)
        elif -1 in wrong and chunk.doubted:
            ledger.become(chunk, State.IN_DOUBT, reason=f"sent a second time, and the audit found {wrong[-1]:+} rows")


def _named(receipt: AppendReceipt, number: int) -> str:
    chunk = next((chunk for chunk in receipt.chunks_in() if chunk.number == number), None)
    return "the data set" if chunk is None else chunk.named
