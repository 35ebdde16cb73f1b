"""A new append: its options, the check of its rows, and the comparison of its columns with the data set."""

from __future__ import annotations

import re
import uuid
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from pandas_clicdata.arguments import check_count, check_flag
from pandas_clicdata.errors import InputError, JournalBusy, PermissionDenied, ProtocolError, ReadError
from pandas_clicdata.frames.compare import columns_noted, columns_seen, compare, times_held
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.pieces import frames_of
from pandas_clicdata.frames.types import noted_types
from pandas_clicdata.session.ahead import checked_workers
from pandas_clicdata.session.pages import PAGE_SIZE, iter_pages
from pandas_clicdata.session.wire import get
from pandas_clicdata.uploads import verify
from pandas_clicdata.uploads.chunk import most_rows
from pandas_clicdata.uploads.job import Job, Replaced
from pandas_clicdata.uploads.pieces import Pieces
from pandas_clicdata.uploads.receipt import DOUBTFUL, AppendReceipt, Piece, State, receipt_on_interrupt
from pandas_clicdata.uploads.receipt_writer import ReceiptWriter, run_alone
from pandas_clicdata.uploads.run import Run
from pandas_clicdata.uploads.stamps import encoder_of, fingerprint, verify_problems

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    import pandas as pd
    from typing_extensions import Self

    from pandas_clicdata.frames.compare import Known
    from pandas_clicdata.frames.encode import FrameEncoder
    from pandas_clicdata.frames.pieces import Rows
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.journal import Journal

LAST_RECEIPT = "session.last_receipt"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,99}")


class SendArguments(TypedDict, total=False):
    """The arguments of `AppendOptions` except ``types``, for editors."""

    chunksize: int | None
    index: bool | None
    workers: int
    compress: bool
    progress: bool | None
    journal: str | os.PathLike[str] | None
    verify: Literal["count", "tag"] | None
    exclusive: bool
    tag_column: str | None
    errors: Literal["raise", "collect"]
    audit: bool | None
    check: bool | None
    append_id: str | None


class AppendArguments(SendArguments, total=False):
    """The arguments of `AppendOptions`, for editors."""

    types: Mapping[str, str] | None


@dataclass(kw_only=True)
class AppendOptions:
    """The arguments of ``df.clicdata.append``, checked.

    ``audit=None`` counts at the end if ``verify`` is given or the data set was created for the rows.
    """

    types: Mapping[str, str] | None = None
    chunksize: int | None = None
    index: bool | None = None
    workers: int = 1
    compress: bool = False
    progress: bool | None = None
    journal: str | os.PathLike[str] | None = None
    verify: str | None = None
    exclusive: bool = False
    tag_column: str | None = None
    errors: str = "raise"
    audit: bool | None = None
    check: bool | None = None
    append_id: str | None = None

    def __post_init__(self) -> None:
        if self.chunksize is not None:
            self.chunksize = check_count("chunksize", self.chunksize, least=1)
        checked_workers(self.workers)
        self.index = check_flag("index", self.index)
        self.compress = bool(check_flag("compress", self.compress))
        self.progress = check_flag("progress", self.progress)
        self.audit = check_flag("audit", self.audit)
        self.check = check_flag("check", self.check)
        problems = verify_problems(self.verify, self.exclusive, self.workers)
        if self.verify == "tag" and (not isinstance(self.tag_column, str) or not self.tag_column.strip()):
            problems.append(
                'verify="tag" needs tag_column="...": the name of a text column of the data set, for the stamps'
            )
        if self.verify != "tag" and self.tag_column is not None:
            problems.append('tag_column= goes with verify="tag"')
        if self.errors not in ("raise", "collect"):
            problems.append(f'errors must be "raise" or "collect", not {self.errors!r}')
        if self.append_id is not None:
            if not isinstance(self.append_id, str) or not _ID.fullmatch(self.append_id):
                problems.append(
                    "append_id must be 1 to 100 letters, digits and ._:@+=~-, beginning with a letter or digit, not "
                    f"{self.append_id!r}"
                )
            if self.journal is None and self.verify != "tag":
                problems.append('append_id= needs journal= or verify="tag", to find an earlier run')
        if problems:
            raise InputError(problems)
        if self.journal is not None:
            from pandas_clicdata.uploads.journal import checked_path  # imports sqlite3, which only a journal needs

            self.journal = checked_path(self.journal)


class Append:
    """A new append: its rows are checked, and its journal is open until the end of the ``with`` statement."""

    def __init__(
        self,
        session: Session,
        data: Rows,
        options: AppendOptions,
        rec_id: int | None = None,
        *,
        need_types: bool = False,
    ) -> None:
        self._session = session
        self._options = options
        self._id = options.append_id or str(uuid.uuid4())
        self._journal: Journal | None = None
        self._writer: ReceiptWriter | None = None
        self.receipt: AppendReceipt | None = None
        self.left_empty: list[str] = []  # columns of the data set that the frame lacks
        self._need_types = need_types
        self._known: Known | None = None
        frames = frames_of(data)
        self._in_memory, self._frames = isinstance(frames, list), iter(frames)
        frame = next(self._frames)
        self._attrs: dict[Any, Any] = frame.attrs
        self._encoder = self._encode(frame, noted_types(self._attrs, rec_id) if self._attrs else None)
        tag = options.tag_column
        if need_types and not self._encoder.columns:
            raise InputError("the frame has no columns: a data set needs one at least")
        self.column_types = {**self._encoder.column_types, **({} if tag is None else {tag: "text"})}

    def _encode(self, frame: pd.DataFrame, noted: Mapping[str, str] | None) -> FrameEncoder:
        return encoder_of(
            frame,
            self._id,
            self._options.tag_column,
            types=self._options.types,
            index=self._options.index,
            need_types=self._need_types,
            noted=noted,
        )

    def __enter__(self) -> Self:
        if self._options.journal is not None:
            from pandas_clicdata.uploads.journal import Journal

            self._journal = Journal.create(str(self._options.journal))
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.ended.set()
        if self._journal is not None:
            self._journal.close()

    def send_to(self, rec_id: int, *, made: bool = False, has_key: bool = False) -> AppendReceipt:
        """Append the rows to a data set: `prepare`, then `run`."""
        self.prepare(rec_id, made=made, has_key=has_key)
        return self.run()

    def prepare(
        self, rec_id: int, *, made: bool = False, has_key: bool = False, replaces: Replaced | None = None
    ) -> None:
        """Compare the columns with the data set, and make the receipt. If rows are replaced, begin the journal too.

        ``made`` says that the data set was created for the rows, ``has_key`` that it has a unique key.
        """
        left_empty = [] if made else [*self.left_empty, *self._compare(rec_id)]
        options, encoder = self._options, self._encoder
        if problems := self.option_problems(made=made):
            raise InputError(problems)
        rows_before = 0 if made else None
        if options.verify == "count" and not made and (encoder.rows or not self._in_memory):
            rows_before = verify.count_rows(self._session, rec_id)
        job = Job(
            append_id=self._id,
            rec_id=rec_id,
            columns=encoder.columns,
            types=encoder.types,
            index=encoder.index,
            levels_left_out=[str(name) for name in encoder.levels_left_out],
            account=self._session.account,
            chunksize=options.chunksize,
            compress=options.compress,
            errors=options.errors,
            tag_column=options.tag_column,
            rows_before=rows_before,
            made=made,
            check=options.check,
            left_empty=left_empty,
            has_key=has_key,
            replaces=replaces,
        )
        receipt = AppendReceipt(job, [Piece(0, encoder.rows, fingerprint(encoder))], ended=self._in_memory)
        self._writer = ReceiptWriter(receipt, self._journal)
        self._session.last_receipt = self.receipt = receipt
        if replaces is not None:
            self._writer.begin()

    def run(self, is_stored: Callable[[int], bool] | None = None) -> AppendReceipt:
        """Append the rows that are pending. After a stop, this continues.

        ``is_stored(position)`` says whether a row that isn't known to be stored is stored by now.
        """
        writer = self._writer
        assert writer is not None
        receipt = writer.receipt
        if writer.ended.is_set() and is_stored is not None:
            writer = self._reopen(receipt)
            for chunk in receipt.chunks_in(*DOUBTFUL, State.REFUSED, State.PENDING):
                stored = [is_stored(position) for position in chunk.span]
                if any(stored) or chunk.state is not State.PENDING:
                    stops = [chunk.start + at for at in range(1, chunk.rows) if stored[at] != stored[at - 1]]
                    for part in writer.split(chunk, [*stops, chunk.stop]):
                        writer.note(part, State.VERIFIED if stored[part.start - chunk.start] else State.PENDING)
        with run_alone(receipt.job), receipt_on_interrupt(receipt, LAST_RECEIPT):
            if self._options.append_id is not None and self._options.verify == "tag" and not receipt.job.made:
                verify.find_chunks(self._session, receipt)
                writer = ReceiptWriter(receipt, self._journal)  # new chunks get numbers after the found ones
            rest = [] if self._in_memory else self._frames
            known = self._known or self._session.columns.get(receipt.rec_id)
            pieces = Pieces(receipt, rest, self._encoder, known=known)
            writer.begin()
            return Run(self._session, pieces, writer, self._options).run()

    def _reopen(self, receipt: AppendReceipt) -> ReceiptWriter:
        """Begin another run. Open the journal again, which the end of the last run closed."""
        if self._journal is not None:
            self._journal, found = self._journal.reopen(self._journal.path)
            if found.run != receipt.run:
                raise JournalBusy("another call continued this append since: its journal says what is stored")
        self._writer = ReceiptWriter(receipt, self._journal)
        self._writer.begin()
        return self._writer

    def option_problems(self, *, made: bool) -> list[str]:
        """Return problems of options that need others; ``made`` says that the data set is created for the rows."""
        if self._options.audit and self._options.verify is None and not made:
            return ["audit=True needs verify=, which says how to count these rows among others"]
        return []

    def look(self, rec_id: int, *, ask: bool = True) -> Known | None:
        """Return the known columns of a data set; None if nothing is known.

        Page 1 is requested with ``check=True``, and with ``ask`` also if nothing is known and the rows are many.
        """
        options, session = self._options, self._session
        if options.check is not None:
            return ask_columns(session, rec_id, needed=True) if options.check else None
        known = session.columns.get(rec_id) or columns_noted(self._attrs, rec_id)
        is_long = not self._in_memory or self._encoder.rows > most_rows(session.dialect, options.chunksize)
        return ask_columns(session, rec_id, needed=False) if known is None and ask and is_long else known

    def encode_for(self, rec_id: int, known: Known | None) -> None:
        """Encode dates and datetimes as the data set holds them."""
        encoder = self._encoder
        noted = times_held(known, (self._attrs and noted_types(self._attrs, rec_id)) or {})
        if any(name in encoder.columns and encoder.column_types.get(name) != of for name, of in noted.items()):
            self._encoder = self._encode(encoder.frame, noted)

    def _compare(self, rec_id: int) -> list[str]:
        """Compare the columns with the known ones of the data set, and return the columns that are left empty."""
        self._known, options = self.look(rec_id), self._options
        self.encode_for(rec_id, self._known)
        if options.check is False:
            return []
        return compare(self._encoder, rec_id, self._known, collect=options.errors == "collect")


def ask_columns(session: Session, rec_id: int, *, needed: bool) -> Known | None:
    """Read the columns of a data set from page 1, in one request; None if it has no rows.

    A page that can't be used, or a missing permission to read, is an error only if the columns are ``needed``.
    """
    request = get("read the columns", f"/data/{rec_id}", key="data")
    builder = FrameBuilder()
    try:
        with closing(iter_pages(session, request, PAGE_SIZE, workers=0)) as pages:
            builder.add(next(pages).rows)
    except (ProtocolError, ReadError, PermissionDenied):
        if needed:
            raise
    before = session.columns.get(rec_id)
    known = columns_seen(builder.first, before and before._replace(rows=0)) if builder.first else None
    if known is not None:
        session.columns[rec_id] = known
    return known
