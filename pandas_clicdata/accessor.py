"""``df.clicdata``: append, create, push, delete and update with one frame."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

import pandas as pd

from pandas_clicdata.arguments import check_choice, check_flag, check_name
from pandas_clicdata.changes.appends import append_plan
from pandas_clicdata.changes.on_frame import FrameChanges
from pandas_clicdata.endpoints.data import Data, create_and_append, id_named
from pandas_clicdata.endpoints.plans import create_plan, push_plan
from pandas_clicdata.errors import InputError, public_methods
from pandas_clicdata.frames.types import clicdata_types
from pandas_clicdata.names import DATA_SET, find_id
from pandas_clicdata.session import manager
from pandas_clicdata.uploads.append import Append, AppendOptions
from pandas_clicdata.uploads.resume import append_once

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from pandas_clicdata.changes.arguments import (
        AppendArguments,
        NewArguments,
        PushArguments,
        Types,
    )
    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.changes.sync_receipt import SyncReceipt
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt import AppendReceipt

IF_EXISTS = ("fail", "append", "replace", "delete_rows")


@pd.api.extensions.register_dataframe_accessor("clicdata")
class ClicDataAccessor(FrameChanges):
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
        names = [*vars(ClicDataAccessor), *vars(FrameChanges)]
        verbs = ", ".join(name for name in names if not name.startswith("_"))
        return f"<df.clicdata of {rows:,} x {columns:,} cells: {verbs}>"

    @overload
    def append(
        self, rec_id: int | str, *, dry_run: Literal[False] = ..., **arguments: Unpack[AppendArguments]
    ) -> AppendReceipt: ...

    @overload
    def append(self, rec_id: int | str, *, dry_run: Literal[True], **arguments: Unpack[AppendArguments]) -> Plan: ...

    def append(
        self,
        rec_id: int | str,
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
        dry_run: bool = False,
        append_id: str | None = None,
        session: Session | None = None,
    ) -> AppendReceipt | Plan:
        """Append the rows to a data set.

        The whole frame is checked before the first request. A chunk whose response is lost is not sent again, unless
        ``verify`` finds it missing. A datetime is sent as ``2024-01-31 23:59:59``, an aware one in UTC; text in any
        other spelling is sent as it is.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name. Its columns are matched by name.
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
        dry_run : bool, default False
            Whether to write nothing, and return the plan: ``.columns`` compares the columns of both sides, as far as
            those of the data set are known without a request; with ``check=True`` page 1 is requested. ``.problems``
            says why it would be refused, and ``.apply()`` carries it out, once.
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
        AppendReceipt, or Plan with ``dry_run``
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

        Notes
        -----
        ``POST /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/insert``.

        Examples
        --------
        >>> df = pd.DataFrame({"shop": ["01", "02"], "visits": [17, 4]})
        >>> rec_id = df.clicdata.create_table("Visits")
        >>> df.clicdata.append(rec_id)
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
        >>> df.assign(visits=["17", "many"]).clicdata.append(rec_id, dry_run=True).columns[["holds", "verdict"]]
                 holds     verdict
        column
        shop      text        same
        visits  number  other kind
        """
        options = AppendOptions(
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
        dry = check_flag("dry_run", dry_run)
        session = manager.current(session)
        rec_id = find_id(DATA_SET, rec_id, session)
        if dry:
            append = Append(session, self._frame, options, rec_id)
            return append_plan(session, "append", append, rec_id, partial(append.send_to, rec_id))
        return append_once(session, self._frame, options, rec_id)

    @overload
    def create_table(
        self,
        name: str,
        desc: str = ...,
        types: Types = ...,
        *,
        dry_run: Literal[False] = ...,
        **arguments: Unpack[NewArguments],
    ) -> int: ...

    @overload
    def create_table(
        self,
        name: str,
        desc: str = ...,
        types: Types = ...,
        *,
        dry_run: Literal[True],
        **arguments: Unpack[NewArguments],
    ) -> Plan: ...

    def create_table(
        self,
        name: str,
        desc: str = "",
        types: Mapping[str, str] | None = None,
        *,
        index: bool | None = None,
        dry_run: bool = False,
        session: Session | None = None,
    ) -> int | Plan:
        """Create an empty table with this frame's columns and types.

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
        dry_run : bool, default False
            Whether to write nothing, and return the plan: ``.columns`` has the ClicData types in ``sent_as``. The data
            sets are listed, to see whether the name is new.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        int, or Plan with ``dry_run``
            The ``rec_id`` of the new table.

        Raises
        ------
        InputError
            A column has no ClicData type; every such column is named, and nothing was sent.
        Conflict
            There is a data set of that name.
        CreateAmbiguous
            The response was lost, and looking for the table didn't show whether it was created.

        Notes
        -----
        ``POST /data``.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"day": ["2026-11-24"], "share": [0.5]}).clicdata.create_table(
        ...     "Shares", types={"day": "date", "share": "percentage"}
        ... )
        >>> pd.read_clicdata(rec_id).empty
        True
        """
        session = manager.current(session)
        if check_flag("dry_run", dry_run):
            options = AppendOptions(types=types, index=index)
            return create_plan(Data(session=session), check_name("name", name), self._frame, desc, options)
        column_types = clicdata_types(self._frame, types, index=check_flag("index", index))
        if not column_types:
            raise InputError("the frame has no columns: a data set needs one at least")
        return Data(session=session).create_data(name, column_types, desc)

    @overload
    def push(
        self,
        name: str,
        desc: str = ...,
        if_exists: Literal["fail", "append"] = ...,
        types: Types = ...,
        *,
        dry_run: Literal[False] = ...,
        **arguments: Unpack[PushArguments],
    ) -> AppendReceipt: ...

    @overload
    def push(
        self,
        name: str,
        desc: str = ...,
        *,
        if_exists: Literal["replace", "delete_rows"],
        types: Types = ...,
        dry_run: Literal[False] = ...,
        **arguments: Unpack[PushArguments],
    ) -> AppendReceipt | SyncReceipt: ...

    @overload
    def push(
        self,
        name: str,
        desc: str = ...,
        if_exists: Literal["fail", "append", "replace", "delete_rows"] = ...,
        types: Types = ...,
        *,
        dry_run: Literal[True],
        **arguments: Unpack[PushArguments],
    ) -> Plan: ...

    def push(
        self,
        name: str,
        desc: str = "",
        if_exists: Literal["fail", "append", "replace", "delete_rows"] = "fail",
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
        dry_run: bool = False,
        append_id: str | None = None,
        session: Session | None = None,
    ) -> AppendReceipt | SyncReceipt | Plan:
        """Create a table with this frame's columns and append the rows.

        Parameters
        ----------
        name : str
            Its name.
        desc : str, default ""
            A description.
        if_exists : {"fail", "append", "replace", "delete_rows"}, default "fail"
            What to do if there is a table of that name: raise `Conflict`, append to it, or delete its rows first as
            `replace` does (``"replace"`` and ``"delete_rows"`` are the same: the columns stay).
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
        dry_run : bool, default False
            Whether to write nothing, and return the plan, as in `append` and `create_table`.

        Returns
        -------
        AppendReceipt, SyncReceipt where rows were replaced, or Plan with ``dry_run``
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

        Notes
        -----
        ``POST /data``, then as `append`.

        Examples
        --------
        >>> df = pd.DataFrame({"day": pd.to_datetime(["2026-11-23", "2026-11-24"]), "mm": [0.5, 2.25]})
        >>> receipt = df.clicdata.push("Rainfall")
        >>> df.clicdata.push("Rainfall", if_exists="append").rec_id == receipt.rec_id
        True
        """
        check_name("name", name)
        check_choice("if_exists", if_exists, IF_EXISTS)
        options = AppendOptions(
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
        data, may_exist = Data(session=manager.current(session)), if_exists == "append"
        dry = bool(check_flag("dry_run", dry_run))
        if if_exists in ("replace", "delete_rows"):
            if verify or tag_column or exclusive or errors != "raise" or audit or append_id:
                raise InputError(
                    f"if_exists={if_exists!r} takes no verify, exclusive, tag_column, errors, audit or append_id"
                )
            replace: Any = self.replace
            if (found := id_named(data, name)) is not None:
                replaced: AppendReceipt | SyncReceipt | Plan = replace(
                    found,
                    types=types,
                    chunksize=chunksize,
                    index=index,
                    workers=workers,
                    compress=compress,
                    progress=progress,
                    journal=journal,
                    dry_run=dry,
                    session=data.session,
                )
                return replaced
        if dry:
            return push_plan(data, name, self._frame, desc, options, may_exist=may_exist)
        return create_and_append(data, name, self._frame, desc, options, may_exist=may_exist)


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
