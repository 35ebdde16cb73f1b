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

    from pandas_clicdata.changes.arguments import AppendArguments, NewArguments, PushArguments, Types
    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.changes.sync_receipt import SyncReceipt
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt import AppendReceipt

IF_EXISTS = ("fail", "append", "replace", "delete_rows")


@pd.api.extensions.register_dataframe_accessor("clicdata")
class ClicDataAccessor(FrameChanges):
    """The verbs that write this frame to ClicData, or compare it with a data set.

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
        ``verify`` finds that its rows are missing. A datetime is sent as ``2024-01-31 23:59:59``, an aware one in UTC.
        Text in any other format is sent unchanged.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name. Its columns are matched by name.
        types : mapping of str to str, optional
            The ClicData types of columns that should not get the type of their dtype: ``{"day": "date"}``.
            `Data.create_data` lists all types, such as ``"money"`` and ``"time"``. Dates of a frame that was read from
            this data set are written in the same format as they were read, by ``df.attrs["clicdata"]``.
        chunksize : int, optional
            The most rows of a request. By default 5,000 rows or 4 MB in the legacy dialect, which states no limit,
            and 500, the service's limit, from version 2022.01 on.
        index : bool, optional
            Whether to send the levels of the index, as the first columns. By default, levels with a name are sent. An
            unnamed index of integers counts as positions, and is not sent. Any other unnamed index is refused.
        workers : int, default 1
            Chunks that are sent at once, 32 at most. With one worker, the rows are stored in the frame's order. With
            more workers, the chunks are stored in any order. ``verify="count"`` needs one worker.
        compress : bool, default False
            Whether to send the rows compressed (gzip). It is not known whether the service accepts this.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        journal : str or path, optional
            A new file for each append, in a folder of your own. Its name may have the date, for example. Each chunk is
            noted there before it is sent: positions, digests and states, but no cell and no secret. `resume_append`
            continues from the file, even if the process was killed. After a kill or a loss of power, only the chunks
            that were being sent are in doubt: at most one per worker. The file is an SQLite database. A file
            ``-journal`` that is left beside it after a kill belongs to it.
        verify : {"count", "tag"}, optional
            What to do if the response to a chunk was lost. By default, the append stops and says which rows are in
            doubt. Otherwise it waits for the longest of half a minute, the read timeout, and three times the slowest
            response. Then it counts until two counts are equal. It sends the chunk again only if none of its rows is
            stored. ``"count"`` counts the rows of the data set. From version 2022.01 on, this is one request before,
            two if in doubt, and one at the end. In the legacy dialect, it is a request per page instead of one, but at
            most three at the end. ``"tag"`` counts the rows with the chunk's stamp: it requests all pages, twice if
            in doubt, and once at the end.
        exclusive : bool, default False
            Your promise that nobody else writes to the data set meanwhile. ``verify="count"`` needs it.
        tag_column : str, optional
            For ``verify="tag"``: a text column of the data set that the frame does not have. It gets the stamp of each
            row: the id of the append, and the positions and the digest of the rows of its chunk.
        errors : {"raise", "collect"}, default "raise"
            What to do if the service refuses rows. ``"raise"`` stops. ``"collect"`` halves the chunk until it has the
            refused rows alone, puts these into ``receipt.refused``, and stores the others. It costs about 20 requests
            per refused row, and stops after 100 of them in sequence. Too large chunks are halved in any case.
        audit : bool, optional
            Whether to count the rows at the end; by default with ``verify``. True needs ``verify``.
        check : bool, optional
            Whether to compare the columns with those of the data set before the first row is sent. It refuses a name
            that the data set lacks, a column of another type than there, and a column that mixes types. Columns that
            only the data set has get null, and the receipt names them. By default, the columns come from the
            session, if it created or read the data set, or from ``df.attrs``, where `read_clicdata` notes them. If
            neither has them, page 1 is requested, but only if the frame needs more than one request. True always
            requests page 1; False compares nothing. ClicData sends no types of columns. If this session created the
            data set, its types are known. Otherwise, the first 1,000 rows show them.
        dry_run : bool, default False
            Whether to write nothing, and return the plan. ``.columns`` compares the columns of both sides, if those of
            the data set are known without a request; with ``check=True``, page 1 is requested. ``.problems`` says why
            the append would be refused. ``.apply()`` carries the plan out, once.
        append_id : str, optional
            Your own id of this append, for a call that may be repeated, such as by a scheduler. It needs ``journal`` or
            ``verify="tag"``. The same rows with the same id are appended once, even if another process repeats the call
            after a kill. It has 1 to 100 letters, digits and ``._:@+=~-``. With ``journal``, the call continues from
            that file if it exists, and sends nothing if all rows are stored. With ``verify="tag"`` and no such file, it
            waits as for a chunk in doubt. Then it looks for rows with stamps of this id, by two requests per page of
            the data set. If other rows are stored under the id, it raises `JournalMismatch`. Two such calls must not
            run at once without a common journal.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        AppendReceipt, or Plan with ``dry_run``
            Every row was appended; or refused, with ``errors="collect"``. If the frame has no rows, nothing is sent.
            A data set with a unique key may skip rows whose key exists. From version 2022.01 on, the service counts
            them, and ``.rows_found`` is their number. The legacy dialect does not report them: only ``verify`` or your
            own count shows that they are missing.

        Raises
        ------
        InputError
            The frame can't be sent, or its columns are not those of the data set. The message names every problem, and
            nothing was sent.
        AppendInterrupted, AppendAmbiguous
            The append stopped midway: ``.receipt`` says which rows are stored, which are not, and which are in doubt.
            Continue with `resume_append`.
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
        """Create an empty data set with this frame's columns and types.

        Parameters
        ----------
        name : str
            Its name, which must be new in the account.
        desc : str, default ""
            A description.
        types : mapping of str to str, optional
            The ClicData types of columns that should not get the type of their dtype: ``{"share": "percentage",
            "opens": "time"}``.
        index : bool, optional
            Whether the levels of the index become the first columns; by default as in `append`.
        dry_run : bool, default False
            Whether to write nothing, and return the plan: ``.columns`` has the ClicData types in ``sent_as``. The data
            sets are listed, to see whether the name is new.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        int, or Plan with ``dry_run``
            The ``rec_id`` of the new data set.

        Raises
        ------
        InputError
            A column has no ClicData type. The message names every such column, and nothing was sent.
        Conflict
            A data set of that name exists.
        CreateAmbiguous
            The response was lost, and the list of data sets didn't show whether it was created.

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
        """Create a data set with this frame's columns and append the rows.

        Parameters
        ----------
        name : str
            Its name.
        desc : str, default ""
            A description.
        if_exists : {"fail", "append", "replace", "delete_rows"}, default "fail"
            What to do if a data set of that name exists: raise `Conflict`, append to it, or first delete its rows as
            `replace` does. The last two are the same: the columns stay, ``desc`` and ``check`` are not used, and
            ``verify``, ``exclusive``, ``tag_column``, ``errors``, ``audit`` and ``append_id`` are refused.
        types : mapping of str to str, optional
            The ClicData types of columns that should not get the type of their dtype: ``{"fee": "money"}``.
        chunksize, index, workers, compress, progress, journal, verify, exclusive, tag_column, errors, check, session
            As in `append`. A new data set gets the column ``tag_column`` too.
        append_id : str, optional
            As in `append`. Without a journal, a second call needs ``if_exists="append"`` to find the data set.
        audit : bool, optional
            Whether to count the rows at the end; by default if the data set is new, or with ``verify``. This is one
            request from version 2022.01 on, and at most three in the legacy dialect. All pages are read only if these
            find another number, or with ``verify="tag"``.
        dry_run : bool, default False
            Whether to write nothing, and return the plan, as in `append` and `create_table`.

        Returns
        -------
        AppendReceipt, SyncReceipt where rows were replaced, or Plan with ``dry_run``
            Every row was appended; ``.rec_id`` is the data set.

        Raises
        ------
        InputError
            The frame can't be sent. The message names every problem, and nothing was sent.
        Conflict
            With ``if_exists="fail"``: a data set of that name exists.
        CreateAmbiguous
            The response was lost, and the list of data sets didn't show whether it was created.
        WriteError
            The append stopped: ``.receipt`` says which rows are stored, which are not, and which are in doubt.
        ApiError, AuthError, TransportError
            No row was stored. If the error has a ``.receipt``, the data set was created: ``.receipt.rec_id``.

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
        shared: dict[str, Any] = {
            "types": types,
            "chunksize": chunksize,
            "index": index,
            "workers": workers,
            "compress": compress,
            "progress": progress,
            "journal": journal,
        }
        options = AppendOptions(
            **shared,
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
            if (found := id_named(data, name)) is not None:
                shared |= {"dry_run": dry, "session": data.session}
                replaced: SyncReceipt | Plan = self.replace(found, **shared)
                return replaced
        if dry:
            return push_plan(data, name, self._frame, desc, options, may_exist=may_exist)
        return create_and_append(data, name, self._frame, desc, options, may_exist=may_exist)


public_methods(ClicDataAccessor)

if TYPE_CHECKING:

    class DataFrame(pd.DataFrame):
        """A DataFrame whose accessor is known to editors and type checkers. At run time, it is pandas' own class."""

        @property
        def clicdata(self) -> ClicDataAccessor:
            """The verbs that write this frame to ClicData, or compare it with a data set."""
            ...

else:
    DataFrame = pd.DataFrame
