"""The verbs of ``df.clicdata`` that change rows of a data set to fit the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from pandas_clicdata.arguments import check_count, check_flag
from pandas_clicdata.changes import verbs
from pandas_clicdata.changes.arguments import change_options, checked_share, replace_options, sync_options
from pandas_clicdata.changes.change_receipt import ChangeReceipt
from pandas_clicdata.changes.compare import warn_of_fractions
from pandas_clicdata.changes.plan import planned
from pandas_clicdata.changes.replace import replace, replace_source
from pandas_clicdata.changes.sync_receipt import SyncReceipt
from pandas_clicdata.changes.verbs import Source, pages_of
from pandas_clicdata.errors import public_methods
from pandas_clicdata.names import DATA_SET, find_id
from pandas_clicdata.session import manager
from pandas_clicdata.uploads.append import AppendOptions

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    import pandas as pd
    from typing_extensions import Unpack

    from pandas_clicdata.changes.arguments import (
        ChangeArguments,
        Names,
        ReplaceArguments,
        SyncArguments,
        UpdateArguments,
        UpsertArguments,
    )
    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.session.pages import Page
    from pandas_clicdata.session.session import Session


class FrameChanges:
    """A part of ``df.clicdata``."""

    _frame: pd.DataFrame

    @overload
    def delete_rows(
        self, rec_id: int | str, on: Names, *, dry_run: Literal[False] = ..., **arguments: Unpack[ChangeArguments]
    ) -> ChangeReceipt: ...

    @overload
    def delete_rows(
        self, rec_id: int | str, on: Names, *, dry_run: Literal[True], **arguments: Unpack[ChangeArguments]
    ) -> Plan: ...

    def delete_rows(
        self,
        rec_id: int | str,
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

        The data set is read first (a request per page; not with ``keep=False``), and the rows that match are kept. Then
        each distinct key that has rows is one request. A row matches if all cells of the key are equal: numbers by
        value, timestamps by their time in UTC. It isn't known how ClicData compares text. If it may delete rows that
        differ from a key only in letter case or trailing blanks, nothing is deleted unless ``match`` decides. Another
        writer may add rows between the read and the deletes: if they match, they are deleted, but neither shown nor
        kept. If ClicData counts more rows for a key than were kept, no further key is deleted. A reader of a dashboard
        sees fewer rows with each key.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        on : str or sequence of str
            The key columns, or levels of the index. Missing values in them are refused.
        multiple_rows : {"all", "first"}, default "all"
            Whether all rows that match a key are deleted, or the first.
        match : {"exact", "wide"}, optional
            Whether rows match that differ from a key only in letter case, trailing blanks, or the form of a letter.
            ``"exact"``: only equal rows match; you know that ClicData compares text exactly. ``"wide"``: such rows
            match too (in ``rows_in_doubt`` if ClicData doesn't count rows); not with ``multiple_rows="first"``,
            because it isn't known which row is the first.
        types : mapping of str to str, optional
            ClicData types of columns, as in `append`.
        index : bool, optional
            Whether the levels of the index are columns, as in `append`.
        dry_run : bool, default False
            Whether to delete nothing, and return the plan: ``.deletes`` are the rows that would be deleted,
            ``.problems`` are reasons to refuse it, and ``.apply()`` carries it out.
        keep : bool, default True
            Whether the result holds the deleted rows, so that ``result.rows.clicdata.append(rec_id)`` puts them back,
            at the end of the data set. With False, the data set is not read: nothing can be put back, and keys that
            match no row are sent too.
        unmatched : {"ignore", "raise"}, default "ignore"
            Whether to refuse keys that match no row. "raise" reads the data set.
        max_rows : int, optional
            Delete nothing if more rows than this match. The data set is read for this, also with ``keep=False``.
        workers : int, default 1
            Requests at once, 32 at most; only with ``multiple_rows="all"``.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        ChangeReceipt, or Plan with ``dry_run``
            The state of each key, in the frame ``.keys``. If the rows were kept, they are in the frame ``.rows``; then
            keys that match no row are not sent, and ``.unmatched`` names these keys.

        Raises
        ------
        InputError
            The keys can't be used, or are of another type than in the data set; more than ``max_rows`` rows would be
            deleted; or it is not known which rows would be, and ``match`` doesn't decide. Nothing was deleted.
        ReadError
            The data set could not be read as a whole; nothing was deleted.
        DeleteAmbiguous
            The response to a key was lost: ``.receipt`` says which key, and which keys were done before.
        WriteError
            It stopped after some keys, or ClicData counts more rows than were kept: see ``.receipt``.

        Notes
        -----
        ``DELETE /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/delete``, or the first one if ClicData
        lacks the second.

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
        session, rec_id, pages = self._reader(rec_id, session)
        source = Source(self._frame, rec_id, index=check_flag("index", index), types=types, on=on)
        plan = verbs.delete_rows(session, rec_id, source, options, pages if read_before or dry else None)
        return planned(plan, ChangeReceipt, dry_run=dry)

    @overload
    def update_rows(
        self, rec_id: int | str, on: Names, *, dry_run: Literal[False] = ..., **arguments: Unpack[UpdateArguments]
    ) -> ChangeReceipt: ...

    @overload
    def update_rows(
        self, rec_id: int | str, on: Names, *, dry_run: Literal[True], **arguments: Unpack[UpdateArguments]
    ) -> Plan: ...

    def update_rows(
        self,
        rec_id: int | str,
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
        """Update the rows of a data set that equal a row of this frame in the columns ``on``: set their other columns.

        The data set is read first (a request per page; not with ``keep=False``). Then each distinct key whose cells
        differ is one request. Keys that match no row are not sent, and cells that are equal already are not sent
        either. It isn't known how ClicData compares text. If it may set rows that differ from a key only in letter case
        or trailing blanks, nothing is set unless ``match`` decides. A dashboard shows the new cells key by key.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        on : str or sequence of str
            The key columns, or levels of the index. Missing values in them are refused, and so are two different rows
            with the same key.
        columns : sequence of str, optional
            The columns to set; by default all others.
        multiple_rows : {"all", "first"}, default "all"
            Whether all rows that match a key are set, or the first.
        match : {"exact", "wide"}, optional
            As in `delete_rows`. ``"exact"`` also permits different values for keys that differ only in letter case,
            trailing blanks, or the form of a letter.
        types : mapping of str to str, optional
            ClicData types of columns, as in `append`.
        index : bool, optional
            Whether the levels of the index are columns, as in `append`. A level that is not in ``on`` is set too.
        dry_run : bool, default False
            Whether to set nothing, and return the plan: ``.updates`` has a row per cell that would change, and
            ``.apply()`` carries it out.
        keep : bool, default True
            Whether to read the data set first, and keep the old cells. With False, each key is sent. If ClicData counts
            no rows, it isn't known whether a key has any.
        unmatched : {"ignore", "raise"}, default "ignore"
            Whether to refuse keys that match no row. "raise" reads the data set.
        max_rows : int, optional
            Set nothing if more rows than this would change. The data set is read for this, also with ``keep=False``.
        workers : int, default 1
            Requests at once, 32 at most; only with ``multiple_rows="all"``.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        ChangeReceipt, or Plan with ``dry_run``
            The state of each key, in the frame ``.keys``. *Applied* keys reached rows, ``.unmatched`` keys reached
            none. With ``keep=False``, ClicData doesn't say how many rows *accepted* keys reached: in the legacy dialect
            it counts no rows.

        Raises
        ------
        InputError
            The keys or values can't be used, or it isn't known which rows would be set; nothing was sent.
        ReadError
            The data set could not be read as a whole; nothing was sent.
        UpdateAmbiguous
            The response to a key was lost: ``.receipt`` says which key, and which keys were done before.
        WriteError
            It stopped after some keys, or ClicData counts more rows than were known: see ``.receipt``.

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
        session, rec_id, pages = self._reader(rec_id, session)
        source = Source(self._frame, rec_id, index=check_flag("index", index), types=types, on=on, columns=columns)
        plan = verbs.update_rows(session, rec_id, source, options, pages if read_before or dry else None)
        return planned(plan, ChangeReceipt, dry_run=dry)

    @overload
    def upsert(
        self, rec_id: int | str, on: Names, *, dry_run: Literal[False] = ..., **arguments: Unpack[UpsertArguments]
    ) -> SyncReceipt: ...

    @overload
    def upsert(
        self, rec_id: int | str, on: Names, *, dry_run: Literal[True], **arguments: Unpack[UpsertArguments]
    ) -> Plan: ...

    def upsert(
        self,
        rec_id: int | str,
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

        The data set is read first (a request per page). Then new rows are appended, one request per chunk. Then cells
        that differ are sent, one request per key. Rows of the data set whose key is not in the frame stay. The call can
        be made again after any end: it reads the data set and makes the missing changes. A reader of a dashboard sees
        the new rows first, then the new cells key by key.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        on : str or sequence of str
            The key columns, or levels of the index, without missing values. Two different rows with the same key are
            refused. So are keys of another type than the data set's: no key would match, every row would look new.
        columns : sequence of str, optional
            The columns to compare and set; by default all others. New rows have only these and the key.
        missing : {"set", "keep"}, default "set"
            Whether a missing cell of the frame clears the cell of the data set, or leaves it.
        duplicates : {"raise", "all"}, default "raise"
            Whether to refuse a key that is in several rows of the data set, or to set all of these rows.
        tolerance : mapping of str to float or timedelta, optional
            The largest difference at which cells of a column count as equal, for a service that keeps fewer digits.
        types : mapping of str to str, optional
            ClicData types of columns, as in `append`.
        index : bool, optional
            Whether the levels of the index are columns, as in `append`.
        match : {"exact", "wide"}, optional
            Whether keys that differ only in letter case, trailing blanks, or the form of a letter are different keys
            (exact), or the same key (wide). By default such keys are refused.
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
            The rows that were appended, and the keys that were updated or unchanged.

        Raises
        ------
        InputError
            The keys or cells can't be used, or it isn't known which rows the keys reach; nothing was written.
        ReadError
            The data set could not be read as a whole; nothing was written.
        SyncInterrupted
            It stopped midway, with nothing in doubt: see ``.receipt``.
        SyncAmbiguous
            Responses were lost, and three reads of the data set did not show their effect: see ``.receipt``.

        Notes
        -----
        ``GET /data/{id}``; then as `append` for new rows, and as `update_rows` for the others.

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
        session, rec_id, pages = self._reader(rec_id, session)
        source = Source(self._frame, rec_id, index=check_flag("index", index), types=types, on=on, columns=columns)
        warn_of_fractions(source.rows, source.on)
        return planned(verbs.upsert(session, rec_id, source, options, pages), SyncReceipt, dry_run=dry)

    @overload
    def sync(
        self, rec_id: int | str, on: Names, *, dry_run: Literal[False] = ..., **arguments: Unpack[SyncArguments]
    ) -> SyncReceipt: ...

    @overload
    def sync(
        self, rec_id: int | str, on: Names, *, dry_run: Literal[True], **arguments: Unpack[SyncArguments]
    ) -> Plan: ...

    def sync(
        self,
        rec_id: int | str,
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

        The deletes come last, one request per key.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        on : str or sequence of str
            The key columns, as in `upsert`.
        max_deletes : int or float, optional
            The most rows that may be deleted: an int is a number of rows, a float is a share of the data set (0.1). By
            default ten rows, or a tenth of the data set if that is more. An empty frame is always refused.
        columns, missing, duplicates, tolerance, types, index, match, max_updates, recheck, keep, dry_run, chunksize
            As in `upsert`.
        workers, compress, progress, session
            As in `upsert`.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            The rows that were appended, and the keys that were updated, deleted or unchanged.

        Raises
        ------
        InputError
            As in `upsert`, or more rows would be deleted than ``max_deletes``; nothing was written.
        ReadError, SyncInterrupted, SyncAmbiguous
            As in `upsert`.

        Notes
        -----
        As `upsert`, then as `delete_rows`.

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
        options.max_deletes = checked_share("max_deletes", max_deletes)
        session, rec_id, pages = self._reader(rec_id, session)
        source = Source(self._frame, rec_id, index=check_flag("index", index), types=types, on=on, columns=columns)
        warn_of_fractions(source.rows, source.on)
        return planned(verbs.sync(session, rec_id, source, options, pages), SyncReceipt, dry_run=dry)

    @overload
    def replace(
        self,
        rec_id: int | str,
        by: Names | None = ...,
        *,
        dry_run: Literal[False] = ...,
        **arguments: Unpack[ReplaceArguments],
    ) -> SyncReceipt: ...

    @overload
    def replace(
        self,
        rec_id: int | str,
        by: Names | None = ...,
        *,
        dry_run: Literal[True],
        **arguments: Unpack[ReplaceArguments],
    ) -> Plan: ...

    def replace(
        self,
        rec_id: int | str,
        by: str | Sequence[str] | None = None,
        *,
        order: Literal["delete_first", "append_first"] = "delete_first",
        batch_column: str | None = None,
        allow_empty: bool = False,
        max_deleted: float | None = None,
        keep: bool = True,
        types: Mapping[str, str] | None = None,
        index: bool | None = None,
        match: Literal["exact", "wide"] | None = None,
        dry_run: bool = False,
        journal: str | os.PathLike[str] | None = None,
        chunksize: int | None = None,
        workers: int = 1,
        compress: bool = False,
        progress: bool | None = None,
        session: Session | None = None,
    ) -> SyncReceipt | Plan:
        """Delete the rows of a data set that this frame replaces, and append the frame. For example, reload a month.

        With ``by``, the rows whose values in these columns occur in the frame are deleted, one request per distinct
        group of values. Without ``by``, all rows are deleted, by filters that need few requests. Then the data set
        holds only this frame. Its columns stay: the API can't add, change or drop a column. A frame with a column that
        the data set lacks is refused.

        With ``order="delete_first"``, a reader of a dashboard sees fewer rows for a while. With ``"append_first"``, the
        reader sees old and new rows together for a while, and never fewer rows. Choose it if missing rows do harm, and
        if sums that are too high for a minute don't.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        by : str or sequence of str, optional
            The columns, or levels of the index, that name the groups: ``"month"``. Without missing values, and of the
            same type as in the data set: 12 matches no row with ``"12"``, so it is refused.
        order : {"delete_first", "append_first"}, default "delete_first"
            Whether old rows are deleted before new ones are appended. No new row is sent before the data set or the
            responses show that the old ones are deleted.
        batch_column : str, optional
            For ``"append_first"``: a text column of the data set that the frame lacks. It gets one stamp per run, so
            that the rows of earlier runs can be distinguished from the new rows.
        allow_empty : bool, default False
            Whether an empty frame without ``by`` may empty the data set.
        max_deleted : int or float, optional
            Do nothing if more rows would be deleted: an int is a number of rows, a float is a share of the data set.
        keep : bool, default True
            Whether to read the data set first, a request per page, and keep the deleted rows, for ``.undo()``. With
            False and ``by``, the data set is read only if the responses count no rows, or none for a group.
        types : mapping of str to str, optional
            ClicData types of columns, as in `append`.
        index : bool, optional
            Whether the levels of the index are columns, as in `append`.
        match : {"exact", "wide"}, optional
            Whether groups that differ only in letter case, trailing blanks, or the form of a letter are different, as
            in `upsert`.
        dry_run : bool, default False
            Whether to write nothing, and return the plan.
        journal : str or path, optional
            A new file, as in `append`: `resume_append` continues from it if the process is killed.
        chunksize, compress
            As in `append`.
        workers : int, default 1
            Requests at once, 32 at most.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            The rows that were deleted and appended. ``.undo()`` restores the old rows.

        Raises
        ------
        InputError
            The frame can't be sent, or it isn't known which rows would be deleted; nothing was written.
        ReadError
            The data set could not be read as a whole; nothing was written.
        SyncInterrupted
            It stopped midway, with nothing in doubt: ``.receipt`` says which rows are deleted and appended. Its
            ``.resume(df)`` continues, and its ``.undo()`` restores the old rows.
        SyncAmbiguous
            Responses were lost, and the rows of the data set don't show their effect: see ``.receipt``.

        Notes
        -----
        ``GET /data/{id}``; then as `delete_rows`, and as `append`.

        Examples
        --------
        >>> df = pd.DataFrame({"month": ["Jan", "Jan", "Feb"], "sold": [1, 2, 3]})
        >>> rec_id = df.clicdata.push("Sales").rec_id
        >>> january = pd.DataFrame({"month": ["Jan"], "sold": [4]})
        >>> january.clicdata.replace(rec_id, by="month")
        <SyncReceipt: replace of data set ...: 1 of 1 row appended ...; ... 2 rows deleted (copy in .rows)>
        >>> pd.read_clicdata(rec_id)
          month  sold
        0   Feb     3
        1   Jan     4
        """
        options = replace_options(
            order,
            batch_column,
            allow_empty=allow_empty,
            max_deleted=max_deleted,
            match=match,
            keep=keep,
            index=index,
            append=AppendOptions(
                journal=journal,
                chunksize=chunksize,
                workers=workers,
                compress=compress,
                progress=progress,
                index=False,
                check=False,
            ),
        )
        dry = bool(check_flag("dry_run", dry_run))
        session, rec_id, pages = self._reader(rec_id, session)
        source = replace_source(self._frame, rec_id, by, options, types=types)
        return planned(replace(session, rec_id, source, options, pages), SyncReceipt, dry_run=dry)

    def diff(
        self,
        rec_id: int | str,
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
        """Compare this frame with a data set, and return the changes that `sync` would make.

        The data set is read, a request per page. Nothing is written.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
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

    def _reader(self, rec_id: int | str, session: Session | None) -> tuple[Session, int, Callable[[], Iterable[Page]]]:
        session = manager.current(session)
        found = find_id(DATA_SET, rec_id, session)
        return session, found, pages_of(session, found)


public_methods(FrameChanges)
