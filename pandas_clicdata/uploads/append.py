"""An append: check the rows, cut them into chunks, send them, resolve doubt, count at the end."""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pandas_clicdata.arguments import check_count, check_flag
from pandas_clicdata.errors import (
    AppendAmbiguous,
    ClicDataError,
    InputError,
    JournalBusy,
    PermissionDenied,
    ProtocolError,
    ReadError,
    WriteError,
)
from pandas_clicdata.frames.compare import columns_noted, columns_seen, compare, times_held
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.types import noted_types
from pandas_clicdata.progress import bar
from pandas_clicdata.session.ahead import Ahead, checked_workers
from pandas_clicdata.session.pages import PAGE_SIZE, iter_pages
from pandas_clicdata.session.wire import DialectChanged, get
from pandas_clicdata.uploads import verify
from pandas_clicdata.uploads.chunk import ChunkSender, interrupted_error, most_rows
from pandas_clicdata.uploads.job import Job, Replaced
from pandas_clicdata.uploads.receipt import (
    DOUBTFUL,
    STORED,
    AppendReceipt,
    Chunk,
    ReceiptWriter,
    State,
    receipt_on_interrupt,
    run_alone,
)
from pandas_clicdata.uploads.stamps import encoder_of, fingerprint, verify_problems

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd
    from typing_extensions import Self

    from pandas_clicdata.frames.compare import Known
    from pandas_clicdata.frames.encode import FrameEncoder
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.journal import Journal

LAST_RECEIPT = "session.last_receipt"
MAX_TRIES = 4  # that a chunk is sent, in doubt and found missing


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
        frame: pd.DataFrame,
        options: AppendOptions,
        rec_id: int | None = None,
        *,
        need_types: bool = False,
    ) -> None:
        self._session = session
        self._options = options
        self._id = str(uuid.uuid4())
        self._journal: Journal | None = None
        self._writer: ReceiptWriter | None = None
        self.receipt: AppendReceipt | None = None
        self._attrs = getattr(frame, "attrs", {})
        self._need_types = need_types
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
        if self._journal is not None:
            self._journal.close()

    def send_to(self, rec_id: int, *, made: bool = False, has_key: bool = False) -> AppendReceipt:
        """Append the rows to a data set, as `prepare` and `run` say."""
        self.prepare(rec_id, made=made, has_key=has_key)
        return self.run()

    def prepare(
        self, rec_id: int, *, made: bool = False, has_key: bool = False, replaces: Replaced | None = None
    ) -> None:
        """Compare with the data set, and make the receipt; with rows to replace, begin the journal too.

        The data set was created for the rows (``made``), or may have a unique key (``has_key``).
        """
        options, left_empty = self._options, [] if made else self._compare(rec_id)
        encoder = self._encoder
        if problems := self.option_problems(made=made):
            raise InputError(problems)
        rows_before = 0 if made else None
        if options.verify == "count" and encoder.rows and not made:
            rows_before = verify.count_rows(self._session, rec_id)
        job = Job(
            append_id=self._id,
            rec_id=rec_id,
            rows=encoder.rows,
            columns=encoder.columns,
            types=encoder.types,
            index=encoder.index,
            levels_left_out=[
                str(name)
                for name in encoder.frame.index.names
                if name is not None and not encoder.index and name not in encoder.columns
            ],
            account=self._session.account,
            fingerprint=fingerprint(encoder),
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
        self._writer = ReceiptWriter(AppendReceipt(job), self._journal)
        self._session.last_receipt = self.receipt = self._writer.receipt
        if replaces is not None:
            self._writer.begin()

    def run(self) -> AppendReceipt:
        """Append the rows that are pending."""
        writer = self._writer
        assert writer is not None
        with run_alone(self._id), receipt_on_interrupt(writer.receipt, LAST_RECEIPT):
            writer.begin()
            return Run(self._session, self._encoder, writer, self._options).run()

    def go_on(self, is_stored: Callable[[int], bool]) -> AppendReceipt:
        """Go on after a stop, with refused rows too. The caller knows which rows in doubt are stored, by position."""
        writer = self._reopen()
        for chunk in writer.receipt.chunks_in(*DOUBTFUL, State.REFUSED):
            stored = [is_stored(position) for position in chunk.span]
            stops = [chunk.start + at for at in range(1, chunk.rows) if stored[at] != stored[at - 1]]
            for part in writer.split(chunk, [*stops, chunk.stop]):
                state = State.VERIFIED if stored[part.start - chunk.start] else State.PENDING
                writer.note(part, state)
        return self.run()

    def _reopen(self) -> ReceiptWriter:
        """Begin another run, and open the journal again, which the last one closed."""
        receipt = self.receipt
        assert receipt is not None
        if self._journal is not None:
            self._journal.close()
            self._journal, found = self._journal.reopen(self._journal.path)
            if found.run != receipt.run:
                raise JournalBusy("another call went on with this append since: its journal says what is stored")
        self._writer = ReceiptWriter(receipt, self._journal)
        self._writer.begin()
        return self._writer

    def option_problems(self, *, made: bool) -> list[str]:
        """Return which options don't go together; ``made`` is whether the data set is created for the rows."""
        if self._options.audit and self._options.verify is None and not made:
            return ["audit=True needs verify=, which says how to count these rows among others"]
        return []

    def look(self, rec_id: int, *, ask: bool = True) -> Known | None:
        """Return what is known of the columns of a data set.

        Page 1 is requested with ``check=True``, and with ``ask`` also if the rows are many.
        """
        options, session = self._options, self._session
        if options.check is not None:
            return ask_columns(session, rec_id, needed=True) if options.check else None
        known = dict(session.columns).get(rec_id) or columns_noted(self._attrs, rec_id)
        if known is None and ask and self._encoder.rows > most_rows(session.dialect, options.chunksize):
            return ask_columns(session, rec_id, needed=False)
        return known

    def encode_for(self, rec_id: int, known: Known | None) -> None:
        """Encode dates and datetimes as the data set holds them."""
        encoder = self._encoder
        noted = times_held(known, (self._attrs and noted_types(self._attrs, rec_id)) or {})
        if any(name in encoder.columns and encoder.column_types.get(name) != of for name, of in noted.items()):
            self._encoder = self._encode(encoder.frame, noted)

    def _compare(self, rec_id: int) -> list[str]:
        """Compare the columns with those of the data set, where these are known, and return those left empty."""
        known, options = self.look(rec_id), self._options
        self.encode_for(rec_id, known)
        if options.check is False:
            return []
        return compare(self._encoder, rec_id, known, collect=options.errors == "collect")


def ask_columns(session: Session, rec_id: int, *, needed: bool) -> Known | None:
    """Return what page 1 of a data set shows of its columns: one request; None if it has no rows.

    A page that can't be used, and a user who may not read, are errors only if the columns are ``needed``.
    """
    request = get("read the columns", f"/data/{rec_id}", key="data")
    builder = FrameBuilder()
    try:
        with closing(iter_pages(session, request, PAGE_SIZE, workers=0)) as pages:
            builder.add(next(pages).rows)
    except (ProtocolError, ReadError, PermissionDenied):
        if needed:
            raise
    known = columns_seen(builder.first) if builder.first else None
    if known is not None:
        session.columns.append((rec_id, known))
    return known


class Run:
    """One run over the rows of an append that are not stored yet; over those of ``only``, if given.

    Of the options it uses ``workers``, ``progress``, ``verify`` and ``audit``; the others are in the receipt's job.
    """

    def __init__(
        self,
        session: Session,
        encoder: FrameEncoder,
        writer: ReceiptWriter,
        options: AppendOptions,
        *,
        only: list[range] | None = None,
    ) -> None:
        self._session = session
        self._encoder = encoder
        self._writer = writer
        self._receipt = writer.receipt
        self._options = options
        self._only = only
        self._sender = ChunkSender(session, encoder, writer)
        self._doubts: Counter[int] = Counter()  # how often each chunk was in doubt

    def run(self) -> AppendReceipt:
        """Send the pending rows, resolve doubt, and count at the end."""
        receipt = self._receipt
        try:
            what, rows = f"append to {receipt.rec_id}", receipt.rows_total
            with bar(self._options.progress, what, rows, session=self._session, result=receipt.summary) as shown:
                if receipt.doubtful():
                    self._resolve_doubt()
                shown.update(receipt.rows_in(*STORED))
                while not self._send_pending(shown):
                    pass
                self._writer.save()
                self._audit()
        finally:
            self._writer.close()
            receipt.keep_refused(self._encoder.frame)
        return receipt

    def _resolve_doubt(self) -> None:
        assert self._options.verify is not None
        verify.resolve_doubt(self._session, self._writer, self._options.verify, self._sender.slowest)

    def _send_pending(self, shown: Any) -> bool:
        """Send the pending chunks; return whether these were all."""
        self._sender.use_dialect()
        pending = self._receipt.chunks_in(State.PENDING)
        if self._only is not None:
            pending = [chunk for chunk in pending if any(chunk.start in span for span in self._only)]
        bodies = self._sender.bodies(pending)
        try:
            for chunk in self._one_by_one(bodies) if self._options.workers == 1 else self._side_by_side(bodies):
                shown.update(chunk.rows)
        except DialectChanged:  # the chunk was not sent
            return False
        except AppendAmbiguous as failure:
            if not self._may_resolve():
                raise
            self._writer.save()
            stored = self._receipt.rows_in(*STORED)
            try:
                self._resolve_doubt()
            except AppendAmbiguous as error:
                raise error from failure.__cause__
            shown.update(self._receipt.rows_in(*STORED) - stored)
            return False
        return True

    def _one_by_one(self, bodies: Iterator[tuple[Chunk, bytes]]) -> Iterator[Chunk]:
        """Send each chunk while another thread writes the next body."""
        write_next = partial(next, bodies, None)
        with Ahead(1) as ahead:
            written = write_next()
            while written is not None:
                coming = ahead.submit(write_next)
                self._sender.send(*written)
                yield written[0]
                written = coming.result()

    def _side_by_side(self, bodies: Iterator[tuple[Chunk, bytes]]) -> Iterator[Chunk]:
        """Keep a chunk for each worker on the wire; after a failure, wait for the others."""
        done: SimpleQueue[tuple[Chunk, BaseException | None]] = SimpleQueue()
        failures: list[BaseException] = []
        on_the_wire = 0

        def send(chunk: Chunk, body: bytes) -> None:
            failure: BaseException | None = None
            try:
                self._sender.send(chunk, body)
            except BaseException as error:  # noqa: BLE001  # raised below, in the thread of the caller
                failure = error
            done.put((chunk, failure))

        with Ahead(self._options.workers) as ahead:
            written = next(bodies, None)
            while on_the_wire or (written is not None and not failures):
                if written is not None and not failures and on_the_wire < self._options.workers:
                    ahead.submit(partial(send, *written))
                    on_the_wire += 1
                    written = next(bodies, None)
                    continue
                chunk, failure = done.get()
                on_the_wire -= 1
                if failure is None:
                    yield chunk
                else:
                    failures.append(failure)
        if failures:
            raise self._worst(failures)

    def _worst(self, failures: list[BaseException]) -> BaseException:
        """Return the failure to raise: one with rows in doubt before others, with all that is stored by now."""
        worst = min(failures, key=lambda e: (isinstance(e, DialectChanged), not isinstance(e, AppendAmbiguous)))
        if isinstance(worst, DialectChanged):
            return worst
        if isinstance(worst, ClicDataError) and not isinstance(worst, WriteError):
            return interrupted_error(self._receipt, worst)
        if len(failures) > 1 or isinstance(worst, AppendAmbiguous):
            summary = self._receipt.summary()
            worst.args = (worst.args[0] if summary in worst.args[0] else f"{worst.args[0]} In the end: {summary}.",)
        return worst

    def _may_resolve(self) -> bool:
        doubtful = self._receipt.doubtful()
        self._doubts.update(chunk.number for chunk in doubtful)
        return self._options.verify is not None and all(self._doubts[chunk.number] < MAX_TRIES for chunk in doubtful)

    def _audit(self) -> None:
        wanted = self._options.audit
        if wanted is None:
            wanted = self._options.verify is not None or self._receipt.job.made
        if wanted and self._receipt.rows_in(*STORED):
            verify.audit(self._session, self._writer, self._options.verify or "count", self._sender.slowest)
