"""Resume an append, or a replace, that stopped, in this process or another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from pandas_clicdata.changes.replace import Resumed, replace_source, rule_of
from pandas_clicdata.changes.sync_receipt import SyncReceipt
from pandas_clicdata.changes.verbs import pages_of
from pandas_clicdata.errors import InputError, public
from pandas_clicdata.session import manager
from pandas_clicdata.uploads import resume
from pandas_clicdata.uploads.receipt import AppendReceipt

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pandas_clicdata.frames.pieces import Rows
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.resume import Fate


@public
def resume_append(
    data: Rows,
    path_or_receipt: str | os.PathLike[str] | AppendReceipt | SyncReceipt,
    *,
    session: Session | None = None,
    progress: bool | None = None,
    workers: int = 1,
    verify: Literal["count", "tag"] | None = None,
    exclusive: bool = False,
    in_doubt: Fate | Mapping[int, Fate] | None = None,
    audit: bool | None = None,
    rec_id: int | str | None = None,
    chunksize: int | None = None,
) -> AppendReceipt:
    """Resume an append, or a replace, that stopped: skip the stored rows, resolve doubt, send the rest.

    First, frame and account are compared with those of the append. Rows that were sent must fit the digests of their
    chunks. The frame must fit its own digest (of 1,000 evenly spaced rows if it has more). Otherwise nothing is sent.
    Of several pieces, each is compared before its rows are sent.

    Parameters
    ----------
    data : DataFrame, or other rows as in `append`
        The frame that was appended; or all pieces again, from the first piece on, in the same order.
        Of a replace, the DataFrame of its call.
    path_or_receipt : str, path, AppendReceipt or SyncReceipt
        The journal of the append or replace, or its receipt (of the error, or ``session.last_receipt``).
    session : Session, optional
        The session to send through; the default session if not given.
    progress : bool, optional
        Whether to show a bar; by default in a notebook, and if stderr is a terminal.
    workers : int, default 1
        Chunks on the wire at once, 32 at most.
    verify : {"count", "tag"}, optional
        How to find out which rows in doubt are stored, as in ``df.clicdata.append``. By default by stamps if the rows
        have stamps; without stamps, rows in doubt raise an error. ``"count"`` needs an append that began with it, or
        that created its data set.
    exclusive : bool, default False
        For ``verify="count"``: your promise that nobody else wrote to the data set since the append began.
    in_doubt : {"stored", "missing"} or mapping of int to these, optional
        Whether the rows in doubt are stored, if you looked yourself: for all chunks, or by the ``start`` of each chunk.
        Missing rows are sent again.
    audit : bool, optional
        Whether to count the rows at the end; by default with ``verify``, or if the append created its data set.
    rec_id : int or str, optional
    chunksize : int, optional
        Values that must equal those of the append, which the journal holds. ``rec_id`` may be a name.

    Returns
    -------
    AppendReceipt
        The receipt, with every row appended. If all rows were stored before, nothing is sent.

    Raises
    ------
    JournalMismatch
        Frame, account, ``rec_id`` or ``chunksize`` are not those of the append; nothing was sent.
    JournalBusy
        Another process, or another call, writes to the journal; nothing was sent.
    InputError
        The journal or an argument can't be used; nothing was sent.
    AppendAmbiguous
        Rows are in doubt, and there is no way to find out which are stored, or this failed; nothing was sent. Or the
        response to a chunk was lost again.
    SyncInterrupted, WriteError
        Of a `replace`: deleted rows are still there, or rows that it didn't send; nothing more was sent.
    AppendInterrupted
        It stopped again. This error and `AppendAmbiguous` have ``.receipt``.

    Examples
    --------
    >>> sandbox.faults.status(403, method="POST", after=2)
    Fault(...)
    >>> df = pd.DataFrame({"n": range(1000)})
    >>> try:
    ...     df.clicdata.push("Numbers", chunksize=500)
    ... except errors.AppendInterrupted as error:
    ...     receipt = error.receipt
    >>> receipt
    <AppendReceipt: 500 of 1,000 rows appended to data set ... in 2 chunks; 500 not stored: .remaining(df); ...>
    >>> resume_append(df, receipt)
    <AppendReceipt: 1,000 of 1,000 rows appended to data set ... in 2 chunks>
    """
    how: Any = {
        "session": session,
        "progress": progress,
        "workers": workers,
        "verify": verify,
        "exclusive": exclusive,
        "in_doubt": in_doubt,
        "audit": audit,
        "rec_id": rec_id,
        "chunksize": chunksize,
    }
    if isinstance(path_or_receipt, SyncReceipt):
        if path_or_receipt.appended is None:
            raise InputError("this receipt has no rows to append: receipt.resume(df) continues")
        path_or_receipt = path_or_receipt.appended
    receipt = path_or_receipt if isinstance(path_or_receipt, AppendReceipt) else AppendReceipt.load(path_or_receipt)
    replaced = receipt.job.replaces
    if replaced is None:
        return resume.go_on(data, path_or_receipt, **how)
    if replaced.groups is not None:
        raise InputError(
            "the rows of this replace came in pieces: to continue, call ddf.clicdata.replace again with this journal= "
            f"and append_id={receipt.append_id!r}. Nothing was sent"
        )
    session = manager.current(session)
    rule = rule_of(replaced)
    if not isinstance(data, pd.DataFrame):
        raise InputError("a replace continues only with the DataFrame of its call")
    source = replace_source(
        data, receipt.rec_id, replaced.by or None, rule, types=receipt.job.types, stamp=replaced.stamp
    )
    pages = pages_of(session, receipt.rec_id)
    return resume.go_on(
        source.frame, path_or_receipt, **how, around=lambda found: Resumed(session, source, found, pages)
    )
