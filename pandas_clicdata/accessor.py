"""``df.clicdata``: append, create, push, delete and update with one frame."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar, overload

import pandas as pd

from pandas_clicdata import writer
from pandas_clicdata.arguments import check_count, check_flag, check_id
from pandas_clicdata.changes import verbs
from pandas_clicdata.changes.arguments import change_options, sync_options
from pandas_clicdata.changes.change_receipt import ChangeReceipt
from pandas_clicdata.changes.sync_receipt import SyncReceipt
from pandas_clicdata.changes.verbs import Source
from pandas_clicdata.endpoints.data import Data
from pandas_clicdata.errors import InputError, public_methods
from pandas_clicdata.frames.types import clicdata_types
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    from typing_extensions import Unpack

    from pandas_clicdata.changes.arguments import (
        ChangeArguments,
        Names,
        SyncArguments,
        UpdateArguments,
        UpsertArguments,
    )
    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.session.pages import Page
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt import AppendReceipt

_Receipt = TypeVar("_Receipt")


@pd.api.extensions.register_dataframe_accessor("clicdata")
class ClicDataAccessor:
    """This frame and ClicData.

    Parameters
    ----------
    frame : DataFrame
        The frame. It is never changed.
    """

    # The session is looked up at each call, not here: pandas 2 keeps an accessor with its frame.
    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        rows, columns = self._frame.shape
        verbs = ", ".join(name for name in vars(type(self)) if not name.startswith("_"))
        return f"<df.clicdata of {rows:,} x {columns:,} cells: {verbs}>"

    def append(
        self,
        rec_id: int,
        *,
        types: Mapping[str, str] | None = None,
        chunksize: int | None = None,
        index: bool | None = None,
        workers: int = 1,
        compress: bool = False,
        progress: bool | None = None,
        journal: str | os.PathLike[str] | None = None,
        verify: Literal["count", "tag"] | None = None,
        exclusive: bool = False,
        tag_column: str | None = None,
        errors: Literal["raise", "collect"] = "raise",
        audit: bool | None = None,
        check: bool | None = None,
        append_id: str | None = None,
        session: Session | None = None,
    ) -> AppendReceipt:
        """Append the rows to a data set.

        ``POST /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/insert``. The whole frame is checked
        before the first request. A chunk whose response is lost is not sent again, unless ``verify`` finds it missing.
        A datetime is sent as ``2024-01-31 23:59:59``, an aware one in UTC; text in any other spelling is sent as it is.

        Parameters
        ----------
        rec_id : int
            The data set. Its columns are matched by name.
        types : mapping of str to str, optional
            ClicData types of columns that shall have another type than their own: ``{"day": "date"}``. They are
            those of `Data.create_data`, ``"money"`` and ``"time"`` among them. Dates of a frame that was read from
            this data set go back as they came, by ``df.attrs["clicdata"]``.
        chunksize : int, optional
            Rows of a request at most. By default 5,000 rows or 4 MB in the legacy dialect, which states no limit,
            and 500, the service's limit, from version 2022.01 on.
        index : bool, optional
            Whether the levels of the index are sent, as the first columns. By default those with a name are; an
            unnamed index of integers is positions and is not, and any other one is refused.
        workers : int, default 1
            Chunks on the wire at once, 32 at most. With one worker the rows are stored in the frame's order; with
            more, the chunks are stored in any order.
        compress : bool, default False
            Whether to send the rows compressed (gzip). It is not known whether the service takes that.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        journal : str or path, optional
            A new file for each append (such as one with the date in its name), in a folder of your own, in which each
            chunk is written before it is sent (positions, digests
            and states; no cell and no secret). `resume_append` goes on from it, even if the process was killed. After
            a kill or a loss of power, at most the chunks that were on the wire are in doubt: one for each worker. It
            is an SQLite file; a file ``-journal`` that is left beside it after a kill belongs to it.
        verify : {"count", "tag"}, optional
            What to do if the response to a chunk was lost. By default: stop, and say which rows are in doubt.
            Otherwise wait (half a minute, the read timeout, or three times the slowest response, whichever is longest),
            count until two counts are equal, and send the chunk again only if none of its rows is stored. ``"count"``
            counts the rows of the data set: a request before, two if in doubt and one at the end from version 2022.01
            on; in the legacy dialect a request for each page instead of one, but at most three at the end. ``"tag"``
            counts the rows with the chunk's stamp: a request for each page of the data set, twice if in doubt and once
            at the end.
        exclusive : bool, default False
            For ``verify="count"``: your promise that nobody else writes to the data set meanwhile.
        tag_column : str, optional
            For ``verify="tag"``: a text column of the data set that the frame does not have; it gets the stamp of each
            row: the id of the append, the positions of the rows of its chunk, and the digest of these.
        errors : {"raise", "collect"}, default "raise"
            What to do if the service refuses rows: stop, or halve the chunk down to the rows at fault, put these into
            ``receipt.refused`` and store the others. A row at fault costs some twenty requests; after 100 refused rows
            in a row it stops all the same. A chunk that is too large is halved in any case.
        audit : bool, optional
            Whether to count the rows at the end; by default with ``verify``.
        check : bool, optional
            Whether to compare the columns with those of the data set before the first row is sent, and refuse a name
            that the data set lacks, a column of another kind than it holds there, and one that mixes kinds. Columns of
            the data set that the frame lacks are named in the receipt, and get null. By default the columns are those
            that the session knows (it created or read the data set), or that `read_clicdata` noted in ``df.attrs``;
            only if neither does, and the frame has more rows than a request takes, page 1 is requested. True requests
            it always, False compares nothing. ClicData states no types: what a column holds is what the data set was
            created with in this session, else what the first 1,000 rows show.
        append_id : str, optional
            Your own id of this append, for a call that may be made again, such as by a scheduler: the same id with the
            same rows is done once, also by another process after a kill. 1 to 100 letters, digits and ``._:@+=~-``.
            With ``journal``, the call goes on from that file if it exists, and sends nothing if all rows are stored.
            With ``verify="tag"`` and no such file, it waits (as for a chunk in doubt) and looks for rows with stamps
            of this id: twice as many requests as the data set has pages. Rows that are stored under the id and are
            others than these raise `JournalMismatch`. Two such calls must not run at once without a common journal.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        AppendReceipt
            Every row appended (with ``errors="collect"``: or refused). If the frame has no rows, nothing is sent.
            A data set with a unique key may leave out rows whose key exists: ``.rows_found`` is their number where
            the service counts them, which is from version 2022.01 on. In the legacy dialect it says nothing of them,
            and only ``verify`` or a count of your own finds that they are missing.

        Raises
        ------
        InputError
            The frame can't be sent, or its columns are not those of the data set; every problem is named, and nothing
            was sent.
        AppendInterrupted, AppendAmbiguous
            It stopped midway: ``.receipt`` says which rows are stored, which are not, and which are in doubt. Go on
            with `resume_append`.
        NotFound, ApiError, AuthError, TransportError
            No row was stored.

        Examples
        --------
        >>> df = pd.DataFrame({"shop": ["01", "02"], "visits": [17, 4]})
        >>> rec_id = df.clicdata.create_table("Visits")
        >>> df.clicdata.append(rec_id)
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
        """
        return Data(session=session).append_data(
            rec_id,
            self._frame,
            types=types,
            chunksize=chunksize,
            index=index,
            workers=workers,
            compress=compress,
            progress=progress,
            journal=journal,
            verify=verify,
            exclusive=exclusive,
            tag_column=tag_column,
            errors=errors,
            audit=audit,
            check=check,
            append_id=append_id,
        )

    def create_table(
        self,
        name: str,
        desc: str = "",
        types: Mapping[str, str] | None = None,
        *,
        index: bool | None = None,
        session: Session | None = None,
    ) -> int:
        """Create an empty table with this frame's columns and types.

        ``POST /data``

        Parameters
        ----------
        name : str
            Its name, which must be new in the account.
        desc : str, default ""
            A description.
        types : mapping of str to str, optional
            ClicData type of columns whose own would not do: ``{"share": "percentage", "opens": "time"}``.
        index : bool, optional
            Whether the levels of the index make columns too, the first ones; by default as in `append`.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        int
            The ``rec_id`` of the new table.

        Raises
        ------
        InputError
            A column has no ClicData type; every such column is named, and nothing was sent.
        Conflict
            There is a data set of that name.
        CreateAmbiguous
            The response was lost, and looking for the table didn't show whether it was created.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"day": ["2026-11-24"], "share": [0.5]}).clicdata.create_table(
        ...     "Shares", types={"day": "date", "share": "percentage"}
        ... )
        >>> pd.read_clicdata(rec_id).empty
        True
        """
        session = manager.current(session)
        column_types = clicdata_types(self._frame, types, index=check_flag("index", index))
        if not column_types:
            raise InputError("the frame has no columns: a data set needs one at least")
        return Data(session=session).create_data(name, column_types, desc)

    def push(
        self,
        name: str,
        desc: str = "",
        if_exists: Literal["fail", "append"] = "fail",
        types: Mapping[str, str] | None = None,
        *,
        chunksize: int | None = None,
        index: bool | None = None,
        workers: int = 1,
        compress: bool = False,
        progress: bool | None = None,
        journal: str | os.PathLike[str] | None = None,
        verify: Literal["count", "tag"] | None = None,
        exclusive: bool = False,
        tag_column: str | None = None,
        errors: Literal["raise", "collect"] = "raise",
        audit: bool | None = None,
        check: bool | None = None,
        append_id: str | None = None,
        session: Session | None = None,
    ) -> AppendReceipt:
        """Create a table with this frame's columns and append the rows.

        ``POST /data``, then as `append`.

        Parameters
        ----------
        name : str
            Its name.
        desc : str, default ""
            A description.
        if_exists : {"fail", "append"}, default "fail"
            What to do if there is a table of that name: raise `Conflict`, or append to it.
        types : mapping of str to str, optional
            ClicData types of columns that shall have another type than their own: ``{"fee": "money"}``.
        chunksize, index, workers, compress, progress, journal, verify, exclusive, tag_column, errors, check, session
            As in `append`. A new table has a column for the stamps too.
        append_id : str, optional
            As in `append`. Without a journal, a second call needs ``if_exists="append"`` to find the table.
        audit : bool, optional
            Whether to count the rows at the end; by default if the table is new, or with ``verify``. It is a request
            from version 2022.01 on, two at most in the legacy dialect, and all pages only if these find another
            number; with ``verify="tag"`` it is all pages.

        Returns
        -------
        AppendReceipt
            Every row appended; ``.rec_id`` is the table.

        Raises
        ------
        InputError
            The frame can't be sent; every problem is named, and nothing was sent.
        Conflict
            There is a table of that name, with ``if_exists="fail"``.
        CreateAmbiguous
            The response was lost, and looking for the table didn't show whether it was created.
        WriteError
            The append stopped: ``.receipt`` says which rows are stored, which are not, and which are in doubt.

        Examples
        --------
        >>> df = pd.DataFrame({"day": pd.to_datetime(["2026-11-23", "2026-11-24"]), "mm": [0.5, 2.25]})
        >>> receipt = df.clicdata.push("Rainfall")
        >>> df.clicdata.push("Rainfall", if_exists="append").rec_id == receipt.rec_id
        True
        """
        return writer.push(
            self._frame,
            name,
            desc,
            if_exists,
            types=types,
            chunksize=chunksize,
            index=index,
            workers=workers,
            compress=compress,
            progress=progress,
            journal=journal,
            verify=verify,
            exclusive=exclusive,
            tag_column=tag_column,
            errors=errors,
            audit=audit,
            check=check,
            append_id=append_id,
            session=session,
        )

    @overload
    def delete_rows(
        self, rec_id: int, on: Names, *, dry_run: Literal[False] = ..., **arguments: Unpack[ChangeArguments]
    ) -> ChangeReceipt: ...

    @overload
    def delete_rows(
        self, rec_id: int, on: Names, *, dry_run: Literal[True], **arguments: Unpack[ChangeArguments]
    ) -> Plan: ...

    def delete_rows(
        self,
        rec_id: int,
        on: str | Sequence[str],
        *,
        multiple_rows: Literal["all", "first"] = "all",
        match: Literal["exact", "wide"] | None = None,
        types: Mapping[str, str] | None = None,
        index: bool | None = None,
        dry_run: bool = False,
        keep: bool = True,
        unmatched: Literal["ignore", "raise"] = "ignore",
        max_rows: int | None = None,
        workers: int = 1,
        progress: bool | None = None,
        session: Session | None = None,
    ) -> ChangeReceipt | Plan:
        """Delete the rows of a data set that equal a row of this frame in the columns ``on``.

        The data set is read before (a request per page; not with ``keep=False``), and the rows that match are kept.
        Then it is one request per distinct key that has rows. A row matches if all cells of a key are equal, numbers as
        numbers, timestamps as instants. It isn't known how ClicData compares text: if it may delete rows that are equal
        to a key but for letter case or trailing blanks, nothing is deleted unless ``match`` decides. Another writer may
        come between the reading and the deleting: rows written meanwhile are deleted if they match, but neither shown
        nor kept. If ClicData counts more rows for a key than were kept, no further key is deleted. A reader of a
        dashboard sees fewer rows with each key.

        Parameters
        ----------
        rec_id : int
            The data set.
        on : str or sequence of str
            The key columns, or levels of the index. Missing values in them are refused.
        multiple_rows : {"all", "first"}, default "all"
            Whether all rows that match a key are deleted, or the first.
        match : {"exact", "wide"}, optional
            Which rows match where some differ from a key only in letter case, trailing blanks, or the form of a letter.
            ``"exact"``: only equal ones, as you know that ClicData compares text exactly. ``"wide"``: these too (in
            ``rows_in_doubt`` if ClicData doesn't count rows); not with ``multiple_rows="first"``, where it isn't
            known which row is the first.
        types : mapping of str to str, optional
            ClicData types of columns, as in `append`.
        index : bool, optional
            Whether the levels of the index are columns, as in `append`.
        dry_run : bool, default False
            Whether to delete nothing, and return the plan: ``.deletes`` are the rows that would go, ``.problems`` why
            it would be refused, and ``.apply()`` carries it out.
        keep : bool, default True
            Whether the result holds the deleted rows, so that ``result.rows.clicdata.append(rec_id)`` puts them back,
            at the end of the data set. False skips the reading of the whole data set: nothing can be put back, and keys
            that match no row are sent too.
        unmatched : {"ignore", "raise"}, default "ignore"
            Whether to refuse keys that match no row. "raise" reads the data set.
        max_rows : int, optional
            Delete nothing if more rows than this match. The data set is read for it, also with ``keep=False``.
        workers : int, default 1
            Requests at once, 32 at most; only with ``multiple_rows="all"``.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        ChangeReceipt, or Plan with ``dry_run``
            The state of each key: ``.keys`` is a frame, and so is ``.rows`` if the rows were kept; then keys that match
            no row are not sent, and ``.unmatched`` names them.

        Raises
        ------
        InputError
            The keys can't be used, more than ``max_rows`` rows would be deleted, or it is not known which and ``match``
            doesn't decide; nothing was deleted.
        ReadError
            The data set could not be read as a whole; nothing was deleted.
        DeleteAmbiguous
            The response to a key was lost: ``.receipt`` says which, and what was done before.
        WriteError
            It stopped after some keys, or ClicData counts more rows than were kept: ``.receipt``.

        Notes
        -----
        ``DELETE /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/delete``, or the former where ClicData
        lacks that.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b", "c"], "left": [1, 2, 3]})
        >>> rec_id = df.clicdata.push("Shelf").rec_id
        >>> sold = df[df["left"] < 3]
        >>> sold.clicdata.delete_rows(rec_id, on=["item"], dry_run=True).deletes
          item  left
        0    a     1
        1    b     2
        >>> result = sold.clicdata.delete_rows(rec_id, on=["item"], max_rows=10)
        >>> result
        <ChangeReceipt: delete rows of data set ..., 2 keys: 2 rows deleted (copy in .rows)>
        >>> pd.read_clicdata(rec_id)["item"].tolist()
        ['c']
        >>> _ = result.rows.clicdata.append(rec_id)
        >>> pd.read_clicdata(rec_id)["item"].tolist()
        ['c', 'a', 'b']
        """
        dry, most = (
            bool(check_flag("dry_run", dry_run)),
            None if max_rows is None else check_count("max_rows", max_rows),
        )
        options, read_before = change_options(multiple_rows, match, unmatched, workers, progress, keep, most)
        session, pages = self._reader(rec_id, session)
        source = Source(self._frame, rec_id, index=check_flag("index", index), types=types, on=on)
        plan = verbs.delete_rows(session, rec_id, source, options, pages if read_before or dry else None)
        return _planned(plan, ChangeReceipt, dry_run=dry)

    @overload
    def update_rows(
        self, rec_id: int, on: Names, *, dry_run: Literal[False] = ..., **arguments: Unpack[UpdateArguments]
    ) -> ChangeReceipt: ...

    @overload
    def update_rows(
        self, rec_id: int, on: Names, *, dry_run: Literal[True], **arguments: Unpack[UpdateArguments]
    ) -> Plan: ...

    def update_rows(
        self,
        rec_id: int,
        on: str | Sequence[str],
        *,
        columns: Sequence[str] | None = None,
        multiple_rows: Literal["all", "first"] = "all",
        match: Literal["exact", "wide"] | None = None,
        types: Mapping[str, str] | None = None,
        index: bool | None = None,
        dry_run: bool = False,
        keep: bool = True,
        unmatched: Literal["ignore", "raise"] = "ignore",
        max_rows: int | None = None,
        workers: int = 1,
        progress: bool | None = None,
        session: Session | None = None,
    ) -> ChangeReceipt | Plan:
        """Set the other columns of the rows that equal a row of this frame in the columns ``on``.

        The data set is read before (a request per page; not with ``keep=False``). Then it is one request per distinct
        key whose cells differ: keys that match no row are not sent, and neither are cells that are equal already. It
        isn't known how ClicData compares text: if it may set rows that equal a key but for letter case or trailing
        blanks, nothing is set unless ``match`` decides. A reader of a dashboard sees the new cells key by key.

        Parameters
        ----------
        rec_id : int
            The data set.
        on : str or sequence of str
            The key columns, or levels of the index. Missing values in them are refused, and so are two rows of a key
            that differ.
        columns : sequence of str, optional
            The columns to set; by default all others.
        multiple_rows : {"all", "first"}, default "all"
            Whether all rows that match a key are set, or the first.
        match : {"exact", "wide"}, optional
            As in `delete_rows`. ``"exact"`` also permits keys that differ only in letter case, trailing blanks, or the
            form of a letter to have other values.
        types : mapping of str to str, optional
            ClicData types of columns, as in `append`.
        index : bool, optional
            Whether the levels of the index are columns, as in `append`. One that is not in ``on`` is set too.
        dry_run : bool, default False
            Whether to set nothing, and return the plan: ``.updates`` has a row per cell that would change, and
            ``.apply()`` carries it out.
        keep : bool, default True
            Whether to read the data set before, and keep the old cells. With False each key is sent, and where ClicData
            counts no rows, it isn't known whether a key has any.
        unmatched : {"ignore", "raise"}, default "ignore"
            Whether to refuse keys that match no row. "raise" reads the data set.
        max_rows : int, optional
            Set nothing if more rows than this would change. The data set is read for it, also with ``keep=False``.
        workers : int, default 1
            Requests at once, 32 at most; only with ``multiple_rows="all"``.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        ChangeReceipt, or Plan with ``dry_run``
            The state of each key: ``.keys`` is a frame. Keys that are *applied* reached rows, ``.unmatched`` ones
            none. With ``keep=False``, of *accepted* ones ClicData doesn't say how many: in the legacy dialect it counts
            no rows.

        Raises
        ------
        InputError
            The keys or values can't be used, or it isn't known which rows would be set; nothing was sent.
        ReadError
            The data set could not be read as a whole; nothing was sent.
        UpdateAmbiguous
            The response to a key was lost: ``.receipt`` says which, and what was done before.
        WriteError
            It stopped after some keys, or ClicData counts more rows than were known: ``.receipt``.

        Notes
        -----
        ``PUT /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/update``.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})
        >>> rec_id = df.clicdata.push("Store room").rec_id
        >>> df.assign(left=[0, 2]).clicdata.update_rows(rec_id, on="item")
        <ChangeReceipt: update rows of data set ..., 2 keys: 1 row updated (old cells in .rows); 1 unchanged>
        >>> pd.read_clicdata(rec_id)["left"].tolist()
        [0, 2]
        """
        dry, most = (
            bool(check_flag("dry_run", dry_run)),
            None if max_rows is None else check_count("max_rows", max_rows),
        )
        options, read_before = change_options(multiple_rows, match, unmatched, workers, progress, keep, most)
        session, pages = self._reader(rec_id, session)
        source = Source(self._frame, rec_id, index=check_flag("index", index), types=types, on=on, columns=columns)
        plan = verbs.update_rows(session, rec_id, source, options, pages if read_before or dry else None)
        return _planned(plan, ChangeReceipt, dry_run=dry)

    @overload
    def upsert(
        self, rec_id: int, on: Names, *, dry_run: Literal[False] = ..., **arguments: Unpack[UpsertArguments]
    ) -> SyncReceipt: ...

    @overload
    def upsert(
        self, rec_id: int, on: Names, *, dry_run: Literal[True], **arguments: Unpack[UpsertArguments]
    ) -> Plan: ...

    def upsert(
        self,
        rec_id: int,
        on: str | Sequence[str],
        *,
        columns: Sequence[str] | None = None,
        missing: Literal["set", "keep"] = "set",
        duplicates: Literal["raise", "all"] = "raise",
        tolerance: Mapping[str, float | timedelta] | None = None,
        types: Mapping[str, str] | None = None,
        index: bool | None = None,
        match: Literal["exact", "wide"] | None = None,
        max_updates: int | None = None,
        recheck: bool | None = None,
        keep: bool = True,
        dry_run: bool = False,
        chunksize: int | None = None,
        workers: int = 1,
        compress: bool = False,
        progress: bool | None = None,
        session: Session | None = None,
    ) -> SyncReceipt | Plan:
        """Update the rows whose key is in this frame, and append the rows whose key is new.

        The data set is read before (a request per page). Only cells that differ are sent: a request per key that
        differs, and one per chunk of new rows, which come first. Rows of the data set whose key is not in the frame
        stay. Called again after any end, it reads the data set and does what is left. A reader of a dashboard sees the
        new rows first, then the new cells key by key.

        Parameters
        ----------
        rec_id : int
            The data set.
        on : str or sequence of str
            The key columns, or levels of the index, without missing values. A key twice in the frame with other cells
            is refused. So is a key of another kind than the data set's: no key would match, and every row look new.
        columns : sequence of str, optional
            The columns to compare and set; by default all others. New rows have only these and the key.
        missing : {"set", "keep"}, default "set"
            Whether a missing cell of the frame clears the cell of the data set, or leaves it.
        duplicates : {"raise", "all"}, default "raise"
            What to do with a key that several rows of the data set have: refuse it, or set all of them.
        tolerance : mapping of str to float or timedelta, optional
            The difference of a column up to which cells count as equal, for a service that keeps fewer digits.
        types : mapping of str to str, optional
            ClicData types of columns, as in `append`.
        index : bool, optional
            Whether the levels of the index are columns, as in `append`.
        match : {"exact", "wide"}, optional
            Whether keys that differ only in letter case, trailing blanks, or the form of a letter are different keys,
            or the same. By default such keys are refused.
        max_updates : int, optional
            Do nothing if more keys than this would be updated.
        recheck : bool, optional
            Whether to read the data set once more at the end, and compare all rows; by default if a response was lost.
        keep : bool, default True
            Whether the receipt keeps the old rows: ``.updated.rows``, and ``.deleted.rows`` of a `sync`.
        dry_run : bool, default False
            Whether to write nothing, and return the plan.
        chunksize, compress
            As in `append`, for the new rows.
        workers : int, default 1
            Requests at once, 32 at most.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            What was appended, updated, and unchanged.

        Raises
        ------
        InputError
            The keys or cells can't be used, or it isn't known which rows they are; nothing was written.
        ReadError
            The data set could not be read as a whole; nothing was written.
        SyncInterrupted
            It stopped midway, with nothing in doubt: ``.receipt``.
        SyncAmbiguous
            Responses were lost, and reading the data set three times did not settle it: ``.receipt``.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})
        >>> rec_id = df.clicdata.push("Larder").rec_id
        >>> today = pd.DataFrame({"item": ["b", "c"], "left": [5, 9]})
        >>> today.clicdata.upsert(rec_id, on="item", dry_run=True).updates
          item column old new
        0    b   left   2   5
        >>> today.clicdata.upsert(rec_id, on="item").complete
        True
        >>> pd.read_clicdata(rec_id)
          item  left
        0    a     1
        1    b     5
        2    c     9
        """
        dry = bool(check_flag("dry_run", dry_run))
        options = sync_options(
            missing, duplicates, tolerance, match, max_updates, recheck, keep, chunksize, workers, compress, progress
        )
        session, pages = self._reader(rec_id, session)
        source = Source(self._frame, rec_id, index=check_flag("index", index), types=types, on=on, columns=columns)
        return _planned(verbs.upsert(session, rec_id, source, options, pages), SyncReceipt, dry_run=dry)

    @overload
    def sync(
        self, rec_id: int, on: Names, *, dry_run: Literal[False] = ..., **arguments: Unpack[SyncArguments]
    ) -> SyncReceipt: ...

    @overload
    def sync(self, rec_id: int, on: Names, *, dry_run: Literal[True], **arguments: Unpack[SyncArguments]) -> Plan: ...

    def sync(
        self,
        rec_id: int,
        on: str | Sequence[str],
        *,
        max_deletes: float | None = None,
        columns: Sequence[str] | None = None,
        missing: Literal["set", "keep"] = "set",
        duplicates: Literal["raise", "all"] = "raise",
        tolerance: Mapping[str, float | timedelta] | None = None,
        types: Mapping[str, str] | None = None,
        index: bool | None = None,
        match: Literal["exact", "wide"] | None = None,
        max_updates: int | None = None,
        recheck: bool | None = None,
        keep: bool = True,
        dry_run: bool = False,
        chunksize: int | None = None,
        workers: int = 1,
        compress: bool = False,
        progress: bool | None = None,
        session: Session | None = None,
    ) -> SyncReceipt | Plan:
        """Make a data set hold the rows of this frame: `upsert`, then delete the rows whose key the frame lacks.

        The deletes go last, one request per key.

        Parameters
        ----------
        rec_id : int
            The data set.
        on : str or sequence of str
            The key columns, as in `upsert`.
        max_deletes : int or float, optional
            The most rows that may go, as a number or, as a float, as a share of the data set (0.1). By default more
            than ten rows that are more than a tenth are refused. An empty frame is always refused.
        columns, missing, duplicates, tolerance, types, index, match, max_updates, recheck, keep, dry_run, chunksize
            As in `upsert`.
        workers, compress, progress, session
            As in `upsert`.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            What was appended, updated, deleted, and unchanged.

        Raises
        ------
        InputError
            As in `upsert`, or more rows would go than may; nothing was written.
        ReadError, SyncInterrupted, SyncAmbiguous
            As in `upsert`.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})
        >>> rec_id = df.clicdata.push("Cellar").rec_id
        >>> receipt = df.iloc[1:].clicdata.sync(rec_id, on="item")
        >>> receipt.deleted.rows
          item  left
        0    a     1
        """
        dry = bool(check_flag("dry_run", dry_run))
        options = sync_options(
            missing, duplicates, tolerance, match, max_updates, recheck, keep, chunksize, workers, compress, progress
        )
        options.max_deletes = max_deletes
        session, pages = self._reader(rec_id, session)
        source = Source(self._frame, rec_id, index=check_flag("index", index), types=types, on=on, columns=columns)
        return _planned(verbs.sync(session, rec_id, source, options, pages), SyncReceipt, dry_run=dry)

    def diff(
        self,
        rec_id: int,
        on: str | Sequence[str],
        *,
        columns: Sequence[str] | None = None,
        tolerance: Mapping[str, float | timedelta] | None = None,
        types: Mapping[str, str] | None = None,
        index: bool | None = None,
        match: Literal["exact", "wide"] | None = None,
        progress: bool | None = None,
        session: Session | None = None,
    ) -> Plan:
        """Compare this frame with a data set: what `sync` would do, to look at.

        The data set is read, a request per page. Nothing is written.

        Parameters
        ----------
        rec_id : int
            The data set.
        on : str or sequence of str
            The key columns, as in `upsert`.
        columns, tolerance, types, index, match, progress, session
            As in `upsert`.

        Returns
        -------
        Plan
            ``.inserts``, ``.updates`` and ``.deletes`` are frames.

        Raises
        ------
        InputError
            The keys or cells can't be used.
        ReadError
            The data set could not be read as a whole.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})
        >>> rec_id = df.clicdata.push("Attic").rec_id
        >>> df.assign(left=[1, 3]).clicdata.diff(rec_id, on="item").updates
          item column old new
        1    b   left   2   3
        """
        return self.sync(
            rec_id,
            on,
            max_deletes=1.0,
            columns=columns,
            tolerance=tolerance,
            types=types,
            index=index,
            match=match,
            progress=progress,
            session=session,
            dry_run=True,
        )

    def _reader(self, rec_id: int, session: Session | None) -> tuple[Session, Callable[[], Iterable[Page]]]:
        session = manager.current(session)
        return session, partial(Data(session=session).pages, check_id("rec_id", rec_id))


def _planned(plan: Plan, kind: type[_Receipt], *, dry_run: bool) -> _Receipt | Plan:
    """Return the plan, or carry it out and return its receipt, of this class."""
    if dry_run:
        return plan
    plan.check()
    receipt = plan.do(plan)
    assert isinstance(receipt, kind)
    return receipt


public_methods(ClicDataAccessor)

if TYPE_CHECKING:

    class DataFrame(pd.DataFrame):
        """A DataFrame whose accessor editors and type checkers know. At run time it is pandas' own."""

        @property
        def clicdata(self) -> ClicDataAccessor:
            """This frame and ClicData."""
            ...

else:
    DataFrame = pd.DataFrame
