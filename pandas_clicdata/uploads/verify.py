"""Count rows, to find out which chunks in doubt are stored, and whether an append is stored as a whole."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pandas_clicdata.errors import ApiError, ClicDataError, PagingLoop, ReadError
from pandas_clicdata.session.pages import PAGE_SIZE, Page, iter_pages, page_of, page_query
from pandas_clicdata.session.wire import Dialect, Request, get, means
from pandas_clicdata.uploads.receipt import STORED, AppendReceipt, Chunk, State, ambiguous_error
from pandas_clicdata.uploads.stamps import parse_stamp, stamp, tally

if TYPE_CHECKING:
    from collections.abc import Generator

    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt_writer import ReceiptWriter

MIN_WAIT = 30.0  # seconds in which the service may still store an abandoned request
MAX_WAIT = 600.0  # seconds, however slow the responses were
APART = 5.0  # seconds between two counts that have to be equal
MAX_COUNTS = 8
DATA_SET = -1  # instead of a chunk's number: the data set as a whole

_log = logging.getLogger(__name__)


def wait(session: Session, slowest: float) -> None:
    """Wait until the service can't store missing rows any more; ``slowest``: seconds of the slowest response."""
    seconds = max(MIN_WAIT, session.read_timeout, min(3 * slowest, MAX_WAIT))
    _log.info("waiting %.0f s before counting rows", seconds)
    session.sleep(seconds)


# ---------------------------------------------------------------------------------------------------------
# Counting


def count_rows(session: Session, rec_id: int) -> int:
    """Count the rows of a data set: one request if the service counts them, else at least one for each page."""
    if session.dialect is Dialect.MODERN:
        with closing(iter_pages(session, _rows_request(rec_id), 1, wanted=lambda: 1)) as pages:
            total = next(pages).total
        if total is not None:
            return total
    rows = 0
    with closing(_pages(session, rec_id)) as pages:
        for page in pages:
            if page.total is not None:
                return page.total
            rows += page.count
    return rows


def has_rows(session: Session, rec_id: int, rows: int) -> bool:
    """Whether a data set seems to have this number of rows. In the legacy dialect, three requests are usually enough.

    If the service doesn't count, the page with the last row must end with that row, and must be the last page. If the
    page doesn't say whether it is the last, the next page must be empty; else all rows are counted.
    """
    if session.dialect is Dialect.MODERN:
        return count_rows(session, rec_id) == rows
    first = last = _page(session, rec_id, 1)
    if first.total is not None:
        return first.total == rows
    if first.more is not False and 0 < first.count < rows:
        number = -(-rows // first.count)  # C: that each page but the last is as long as the first (O1)
        last = _page(session, rec_id, number)
    if (last.number - 1) * first.count + last.count != rows:
        return False
    if last.more is not None or not last.count:
        return not last.more
    try:
        beyond = _page(session, rec_id, last.number + 1)
    except ApiError as error:
        if not means(error, 400, 404):
            raise
        return True
    return beyond.count == 0 or count_rows(session, rec_id) == rows


def _rows_request(rec_id: int) -> Request:
    return get("count rows", f"/data/{rec_id}", key="data", fresh=True)


def _page(session: Session, rec_id: int, number: int) -> Page:
    request = replace(_rows_request(rec_id), query=page_query(session.dialect, number), dialect=session.dialect)
    return page_of(session.call(request), number)


def _pages(session: Session, rec_id: int) -> Generator[Page, None, None]:
    for page in iter_pages(session, _rows_request(rec_id), PAGE_SIZE):
        if page.repeating:
            # Rows beyond such a page look as if they were not stored: they would be sent again.
            raise PagingLoop(
                "count rows: ClicData gives the same rows for any page number, and doesn't count them: if there are "
                "further rows, they can't be counted. Append without verify=."
            )
        yield page


# ---------------------------------------------------------------------------------------------------------
# Evidence: counts, and the chunks that they show to be stored


class RowCount:
    """The number of rows of the data set, while nobody else writes to it."""

    def __init__(self, session: Session, receipt: AppendReceipt) -> None:
        self._session = session
        self._receipt = receipt

    def count(self) -> int:
        """Count the rows."""
        return count_rows(self._session, self._receipt.rec_id)

    def rows_found(self, chunks: list[Chunk], counted: int) -> list[int | None]:
        """Return the stored rows of each chunk, or None. Of several chunks, all rows or none must be stored."""
        more = counted - self._expected()
        if len(chunks) == 1:
            return [more if more <= chunks[0].rows else None]
        if more == sum(chunk.rows for chunk in chunks):
            return [chunk.rows for chunk in chunks]
        return [None if more else 0] * len(chunks)

    def passes(self) -> bool:
        """Whether the data set has as many rows as it should."""
        return has_rows(self._session, self._receipt.rec_id, self._expected())

    def differences(self, counted: int) -> dict[int, int]:
        """Return how many rows are too many or too few in the data set; their chunks are unknown."""
        difference = counted - self._expected()
        return {DATA_SET: difference} if difference else {}

    def _expected(self) -> int:
        assert self._receipt.job.rows_before is not None
        return self._receipt.job.rows_before + self._receipt.rows_appended


class StampCount:
    """The number of rows with each stamp of this append."""

    def __init__(self, session: Session, receipt: AppendReceipt) -> None:
        self._session = session
        self._receipt = receipt

    def count(self) -> Counter[str]:
        """Count the rows with each stamp."""
        stamps: Counter[str] = Counter()
        column = self._receipt.job.tag_column
        assert column is not None
        for page in _pages(self._session, self._receipt.rec_id):
            counted = tally(page.rows, column) if page.count else {}
            stamps.update({text: n for text, n in counted.items() if text.startswith(f"{self._receipt.append_id}/")})
        return stamps

    def rows_found(self, chunks: list[Chunk], counted: Counter[str]) -> list[int | None]:
        """Return the rows with the stamp of each chunk."""
        return [counted[self._stamp(chunk)] for chunk in chunks]

    def passes(self) -> bool:
        """Whether each stamp has the right number of rows."""
        return not self.differences(self.count())

    def differences(self, counted: Counter[str]) -> dict[int, int]:
        """Return how many rows of each chunk are too many or too few; `DATA_SET` has the rows of unknown chunks."""
        sent = [chunk for chunk in self._receipt.chunks_in() if chunk.sha256]
        found = {chunk.number: counted[self._stamp(chunk)] for chunk in sent}
        off = {c.number: found[c.number] - (c.rows - c.rows_found if c.state in STORED else 0) for c in sent}
        stray = counted.total() - sum(found.values())
        return {number: rows for number, rows in {**off, DATA_SET: stray}.items() if rows}

    def _stamp(self, chunk: Chunk) -> str:
        return stamp(self._receipt.append_id, chunk)


Evidence: TypeAlias = RowCount | StampCount


def _evidence(session: Session, receipt: AppendReceipt, verify: str) -> Evidence:
    return StampCount(session, receipt) if verify == "tag" else RowCount(session, receipt)


# ---------------------------------------------------------------------------------------------------------
# Chunks of an earlier run


def find_chunks(session: Session, receipt: AppendReceipt) -> None:
    """Wait, since an earlier run of this id may have ended just now, then find its stored chunks by their stamps."""
    wait(session, 0.0)
    counted = _steady_count(session, receipt, StampCount(session, receipt))
    parsed = sorted((parse_stamp(text, receipt.append_id), rows) for text, rows in counted.items())
    chunks: dict[int, Chunk] = {}
    end = 0
    for number, (fields, rows) in enumerate(parsed):
        if fields is None or fields[0] < end:
            raise ambiguous_error(
                receipt,
                f"rows with stamps of the append {receipt.append_id!r} are stored, some perhaps twice: two calls "
                "ran at once, or another version of this package wrote them",
            )
        start, end, row_format, sha256 = fields
        chunks[number] = Chunk(number, start, end, State.FOUND, row_format, sha256, rows_inserted=rows)
    receipt.table = chunks


# ---------------------------------------------------------------------------------------------------------
# Chunks in doubt


def resolve_doubt(session: Session, writer: ReceiptWriter, verify: str, slowest: float) -> None:
    """Wait, then count which chunks in doubt are stored. Each becomes verified or pending; remaining doubt raises."""
    receipt = writer.receipt
    evidence = _evidence(session, receipt, verify)
    chunks = receipt.doubtful()
    wait(session, slowest)
    counted = _steady_count(session, receipt, evidence)
    for chunk, found in zip(chunks, evidence.rows_found(chunks, counted), strict=True):
        note_found(writer, chunk, found)
    left = receipt.doubtful()
    if left:
        listed = "; ".join(f"{chunk.label}: {chunk.reason}" for chunk in left[:10])
        raise ambiguous_error(receipt, f"counting could not settle which rows in doubt are stored: {listed}")


def note_found(writer: ReceiptWriter, chunk: Chunk, found: int | None) -> None:
    """Note how many rows of a chunk were found stored."""
    reason = f"{found} of {chunk.rows} rows were found"
    if found == chunk.rows:
        state = State.VERIFIED
    elif found == 0:
        state = State.PENDING
    elif found is None or found < 0:
        why = "others write to the data set, or several chunks share them" if found is None else "rows disappeared"
        state, reason = State.IN_DOUBT, f"the rows found fit no chunk: {why}"
    else:
        state = State.PARTIAL if found < chunk.rows else State.DOUBLED
    writer.note(chunk, state, reason=reason)


def _steady_count(session: Session, receipt: AppendReceipt, evidence: Evidence) -> Any:
    """Count until two counts in a row are equal."""
    failure: ClicDataError | None = None
    before = None
    for _ in range(MAX_COUNTS):
        try:
            counted, failure = evidence.count(), None
        except ClicDataError as error:
            counted, failure = None, error
            if not isinstance(error, ReadError):  # a data set that changes is counted again
                break
        if counted is not None and counted == before:
            return counted
        before = counted
        session.sleep(APART)
    if failure and len(receipt.chunks_in(State.PENDING)) == len(receipt.chunks_in()):
        raise failure  # nothing was sent
    why = f"they could not be counted ({failure})" if failure else "their number keeps changing"
    raise ambiguous_error(receipt, f"some rows may be stored or not, and {why}") from failure


def check_deleted(session: Session, receipt: AppendReceipt, chunks: list[Chunk]) -> None:
    """Wait, then count that no row of these chunks is stored. Raises AppendAmbiguous if some rows are."""
    wait(session, 0.0)
    evidence = StampCount(session, receipt)
    found = evidence.rows_found(chunks, _steady_count(session, receipt, evidence))
    if any(found):
        raise ambiguous_error(receipt, f"{sum(filter(None, found)):,} rows are still there after they were deleted")


# ---------------------------------------------------------------------------------------------------------
# The audit


def audit(session: Session, writer: ReceiptWriter, verify: str, slowest: float) -> None:
    """Count at the end whether all rows of the receipt are stored once. A wrong count is repeated after a wait."""
    receipt = writer.receipt
    if verify == "count" and receipt.job.rows_before is None:  # an append that was resumed
        return
    evidence = _evidence(session, receipt, verify)
    try:
        wrong: dict[int, int] = {}
        if not evidence.passes():
            wait(session, slowest)
            wrong = evidence.differences(_steady_count(session, receipt, evidence))
    except ClicDataError as error:
        _note_uncounted(writer, error)
        return
    receipt.audited = not wrong
    if wrong:
        _note_wrong(writer, wrong)
        listed = ", ".join(f"{n:+,} in {_label(receipt, number)}" for number, n in list(wrong.items())[:10])
        raise ambiguous_error(
            receipt,
            f"the service answered every chunk with success, but the final count is wrong: {listed}",
            "A data set with a unique key may leave out rows whose key exists." if sum(wrong.values()) < 0 else "",
        )


def _note_uncounted(writer: ReceiptWriter, error: ClicDataError) -> None:
    """Log that the audit failed. If rows were sent twice, raise: only an audit can show that they are stored once."""
    receipt = writer.receipt
    doubted = [chunk for chunk in receipt.chunks_in(*STORED) if chunk.doubted]
    if not doubted:
        _log.warning("the rows appended to data set %d could not be counted: %s", receipt.rec_id, error)
        return
    for chunk in doubted:
        writer.note(chunk, State.IN_DOUBT, reason="sent a second time, and the copies could not be counted")
    raise ambiguous_error(receipt, f"rows were sent a second time, and could not be counted ({error})") from error


def _note_wrong(writer: ReceiptWriter, wrong: dict[int, int]) -> None:
    for chunk in writer.receipt.chunks_in(*STORED):
        found = chunk.rows - chunk.rows_found + wrong.get(chunk.number, 0)
        if chunk.number in wrong:
            state = State.DOUBLED if found > chunk.rows else State.PARTIAL if 0 < found < chunk.rows else State.IN_DOUBT
            reason = f"the audit found {found} of {chunk.rows} rows"
            writer.note(chunk, state, rows_inserted=chunk.rows_inserted, reason=reason)
        elif DATA_SET in wrong and chunk.doubted:
            reason = f"sent a second time, and the audit found {wrong[DATA_SET]:+} rows"
            writer.note(chunk, State.IN_DOUBT, reason=reason)


def _label(receipt: AppendReceipt, number: int) -> str:
    chunk = receipt.table.get(number)
    return "the data set" if chunk is None else chunk.label
