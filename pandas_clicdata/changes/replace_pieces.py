"""Replace by rows that come in pieces. The groups of all pieces are known before."""

from __future__ import annotations

import os
from dataclasses import replace as copy
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from pandas_clicdata.changes.compare import Work, null_rows
from pandas_clicdata.changes.plan import Plan
from pandas_clicdata.changes.replace import Replacer, replace, replace_source, scope_of
from pandas_clicdata.errors import InputError, JournalMismatch, WriteError
from pandas_clicdata.frames.encode import RowFormat
from pandas_clicdata.frames.rows import Rows
from pandas_clicdata.session.pages import retry_while_changing
from pandas_clicdata.uploads.append import Append
from pandas_clicdata.uploads.job import Replaced
from pandas_clicdata.uploads.pieces import mismatch
from pandas_clicdata.uploads.receipt import AppendReceipt
from pandas_clicdata.uploads.resume import resume_same
from pandas_clicdata.uploads.stamps import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from pandas_clicdata.changes.replace import ReplaceOptions
    from pandas_clicdata.changes.sync_receipt import SyncReceipt
    from pandas_clicdata.changes.verbs import Pages, Source
    from pandas_clicdata.errors import ClicDataError
    from pandas_clicdata.session.session import Session


def check_columns(session: Session, rec_id: int, empty: pd.DataFrame, options: ReplaceOptions) -> Mapping[str, str]:
    """Compare the columns of all pieces with those of the data set, and return the given or noted types."""
    append = Append(session, iter([empty]), options.append, rec_id)
    append._compare(rec_id)
    return append._encoder.types or {}


def replace_pieces(
    session: Session,
    rec_id: int,
    pieces: Iterator[pd.DataFrame],
    groups: pd.DataFrame,
    by: Sequence[str] | None,
    options: ReplaceOptions,
    types: Mapping[str, str],
    pages: Pages,
) -> SyncReceipt:
    """Delete the rows of these groups, and append the pieces. Without ``by``, delete all rows; ``groups`` has no row.

    No row is sent before the journal says that the old rows are deleted. So a call that resumes from it only appends.
    """
    own = {name: of for name, of in types.items() if name in groups.columns}
    source = replace_source(groups, rec_id, by, options, types=own)
    rows = sorted(source.encoder.rows_as(RowFormat.OBJECTS)) if by else []
    replaced = Replaced(by=source.on, match=options.match, groups=digest(b"\n".join(rows), ""))
    is_begun = _is_begun(session, rec_id, options, replaced)
    if by:
        pieces = _checked(pieces, groups, source.on)
    elif not options.allow_empty and not is_begun:
        pieces = _not_empty(pieces)
    if is_begun:
        plan = Plan(session, "replace", rec_id, source.encoder, Work(), do=lambda _: None, on=source.on)
    else:
        plan = replace(session, rec_id, source, copy(options, allow_empty=True), pages)
        plan.check()
        plan.work.inserts = plan.work.inserts[:0]  # the rows of the groups are not sent
    return PieceReplacer(session, plan, source, options, pages, pieces, replaced, is_begun=is_begun).run()


def _is_begun(session: Session, rec_id: int, options: ReplaceOptions, replaced: Replaced) -> bool:
    """Return whether a journal of the same groups can be resumed. A journal without sent rows is removed."""
    path = options.append.journal
    if path is None or not os.path.exists(path):  # noqa: PTH110
        return False
    from pandas_clicdata.uploads.journal import discard, discard_empty, load  # imports sqlite3, which only some need

    if discard_empty(str(path)) or options.append.append_id is None:
        return False
    job = load(path).job
    found = (job.append_id, job.rec_id, job.account)
    if found != (options.append.append_id, rec_id, session.account):
        raise mismatch(f"the journal {path} has another append_id, data set or account")
    if job.replaces is None or msgspec.structs.replace(job.replaces, deleted=False) != replaced:
        raise mismatch(f"the journal {path} is of a replace of other groups, or of an append")
    if not job.replaces.deleted:
        discard(str(path))
    return job.replaces.deleted


def _checked(pieces: Iterator[pd.DataFrame], groups: pd.DataFrame, by: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Return the pieces. A piece with a row of another group is an error, and so is a group without rows."""
    left = known = _groups_in(groups, by)
    for piece in pieces:
        found = _groups_in(piece, by)
        if others := found - known:
            raise JournalMismatch(
                f"its rows have values of {list(by)} that were not there when the old rows were deleted, such as "
                f"{min(others, key=repr)}: the frame was different when it was computed again"
            )
        left = left - found
        yield piece
    if left:
        raise JournalMismatch(
            f"no row has the values {min(left, key=repr)} of {list(by)}, whose old rows were deleted: the frame "
            "was different when it was computed again"
        )


def _groups_in(frame: pd.DataFrame, by: Sequence[str]) -> set[tuple[object, ...]]:
    return set(frame[[*by]].drop_duplicates().itertuples(index=False, name=None))


def _not_empty(pieces: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Read the pieces up to the first that has rows, and return all; an `InputError` if none has."""
    begun = []
    for piece in pieces:
        begun.append(piece)
        if len(piece):
            return chain(begun, pieces)
    raise InputError(
        "the frame is empty, and every row would be deleted: allow_empty=True permits it. Nothing was written"
    )


class PieceReplacer(Replacer):
    """Carries out a replace in pieces. Only stamps can show which rows in doubt are stored."""

    _advice = "It is safe to call it again without this journal: it deletes and appends again"

    def __init__(
        self,
        session: Session,
        plan: Plan,
        source: Source,
        options: ReplaceOptions,
        pages: Pages,
        pieces: Iterator[pd.DataFrame],
        replaced: Replaced,
        *,
        is_begun: bool,
    ) -> None:
        super().__init__(session, plan, source, options, pages)
        self._options, self._rows = options.append, pieces
        self._replaced, self._is_begun = replaced, is_begun
        self.receipt.come_in_pieces()

    def _open(self) -> None:
        if self._append is None and not self._is_begun:
            append = Append(self._session, self._rows, self._options, self.receipt.rec_id)
            self._append = append.__enter__()
            append.prepare(self.receipt.rec_id, replaces=self._replaced)
            self.receipt.appended, self._session.last_receipt = append.receipt, self.receipt

    def _insert(self) -> None:
        try:
            if self._append is None:
                rec_id = self.receipt.rec_id
                self.receipt.appended = resume_same(self._session, self._rows, self._options, rec_id)
            else:
                self._append.run()
        except WriteError as error:
            if isinstance(error.receipt, AppendReceipt):
                self.receipt.appended = error.receipt
            raise
        finally:
            self._session.last_receipt = self.receipt

    def _rows_there(self) -> Rows:
        """Read the data set page by page. Keep the rows that must be deleted, and rows that show the kinds of keys."""

        def read() -> Rows:
            rows, exact = Rows(self._source.rows.exact), self._source.rows.exact
            for page in self._pages():
                part = Rows(exact)
                part.add(page.rows)
                present = [np.setdiff1d(np.arange(part.count), null_rows(part, [name]))[:1] for name in self._source.on]
                kept = np.unique(np.concatenate([scope_of(self._source, part, self._rule)[0], *present]))
                rows.add(b"[%b]" % b",".join(part.raw(kept)))
            return rows

        return retry_while_changing(read)

    def _look(self, failure: ClicDataError | None) -> None:
        if self._has_deleted:
            raise self._ambiguous("rows may be stored or not", failure) from failure
        super()._look(failure)
