"""Data sets: list, read, create, append, update, delete, history, refresh."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.arguments import (
    Output,
    check_cells,
    check_choice,
    check_columns,
    check_count,
    check_filters,
    check_flag,
    check_id,
    check_name,
    check_output,
    check_text,
)
from pandas_clicdata.endpoints.answers import (
    Version,
    has_unique_key,
    only_id_of,
    parse_data_set,
    parse_data_set_id,
    parse_new_id,
    parse_result,
)
from pandas_clicdata.endpoints.data_changes import DataChanges
from pandas_clicdata.endpoints.data_overview import DataOverview
from pandas_clicdata.endpoints.refresh import refresh
from pandas_clicdata.endpoints.user import User
from pandas_clicdata.endpoints.versions import check_version, list_versions, rows_request, stored_version
from pandas_clicdata.errors import ClicDataError, Conflict, CreateAmbiguous, InputError, ProtocolError
from pandas_clicdata.frames.compare import columns_created, columns_seen
from pandas_clicdata.frames.decode import FrameBuilder, frame_of_records
from pandas_clicdata.frames.encode import cells
from pandas_clicdata.names import DATA_SET
from pandas_clicdata.session import wire
from pandas_clicdata.session.pages import PAGE_SIZE, iter_pages, page_of, page_query, records, retry_while_changing
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.session.wire import Request, call_in_dialect, get, query_of
from pandas_clicdata.uploads import change
from pandas_clicdata.uploads.append import Append, AppendOptions
from pandas_clicdata.uploads.resume import append_once, resume_same

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Mapping

    import pandas as pd

    from pandas_clicdata.accessor import DataFrame
    from pandas_clicdata.frames.pieces import Rows
    from pandas_clicdata.session.pages import OnTorn, Page
    from pandas_clicdata.session.wire import Reply
    from pandas_clicdata.uploads.receipt import AppendReceipt

_log = logging.getLogger(__name__)

DATA_SETS = {"rec_id": "integer", **dict.fromkeys(("name", "description", "source"), "text")}
DATA_SETS |= dict.fromkeys(("creation_date", "last_data_update_date"), "datetime")
VERSIONS = {"version": "integer", "date": "datetime", "row_count": "integer"}  # C: every key (O7)


class Data(DataChanges, DataOverview):
    """The data sets of an account."""

    # -----------------------------------------------------------------------------------------------------
    # Reading

    @overload
    def get_data(
        self,
        rec_id: int | str | None = ...,
        output: Literal["df"] = ...,
        *,
        name: str | None = ...,
        unique_key_available: bool | None = ...,
        refresh: bool | None = ...,
    ) -> DataFrame: ...

    @overload
    def get_data(
        self,
        rec_id: int | str | None = ...,
        *,
        output: Literal["dict"],
        name: str | None = ...,
        unique_key_available: bool | None = ...,
        refresh: bool | None = ...,
    ) -> list[dict[str, Any]]: ...

    @overload
    def get_data(self, rec_id: int | str | None, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    def get_data(
        self,
        rec_id: int | str | None = None,
        output: Output = "df",
        *,
        name: str | None = None,
        unique_key_available: bool | None = None,
        refresh: bool | None = None,
    ) -> DataFrame | list[dict[str, Any]]:
        """List the data sets, or read one with all its pages.

        Parameters
        ----------
        rec_id : int or str, optional
            The data set to read, by its id or exact name. Without it, the data sets are listed.
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData sent them.
        name : str, optional
            List only data sets with this text in their name.
        unique_key_available : bool, optional
            List only data sets with (True) or without (False) a unique key.
        refresh : bool, optional
            List only data sets that can (True) or can't (False) be refreshed from a source.

        Returns
        -------
        DataFrame or list of dict
            The list: a row per data set with ``rec_id`` (Int64), ``name``, ``description``, ``source`` (text),
            ``creation_date``, ``last_data_update_date`` (datetime, UTC), and any other key that ClicData sends.
            One data set: its rows, with the dtypes that `read_clicdata` gives.

        Raises
        ------
        InputError
            An argument can't be used, or a filter was given together with ``rec_id``.
        NotFound
            There is no such data set.
        ReadError
            The rows that were read are not the whole data set.

        Notes
        -----
        ``GET /data``; ``GET /data/{id}``.

        Examples
        --------
        >>> Data().get_data(name="shop")["name"].tolist()
        ['Shops']
        """
        check_output(output)
        filters = query_of(
            name=None if name is None else check_name("name", name),
            uniquekeyavailable=check_flag("unique_key_available", unique_key_available),
            refresh=check_flag("refresh", refresh),
        )
        if rec_id is None:
            listed = records(self._call, get("list data sets", "/data", key="data", query=filters))
            if output == "dict":
                return listed
            return frame_of_records([parse_data_set(record) for record in listed], DATA_SETS)
        if filters:
            raise InputError("name, unique_key_available and refresh filter the list: leave them out with rec_id")
        data, rec_id = self._find(DATA_SET, rec_id)
        return data._read(output, rec_id)

    @overload
    def get_data_history(
        self, rec_id: int | str, ver_id: int | Literal["latest"] | None = ..., output: Literal["df"] = ...
    ) -> DataFrame: ...

    @overload
    def get_data_history(
        self, rec_id: int | str, ver_id: int | Literal["latest"] | None = ..., *, output: Literal["dict"]
    ) -> list[dict[str, Any]]: ...

    @overload
    def get_data_history(
        self, rec_id: int | str, ver_id: int | Literal["latest"] | None, output: Literal["dict"]
    ) -> list[dict[str, Any]]: ...

    def get_data_history(
        self, rec_id: int | str, ver_id: int | Literal["latest"] | None = None, output: Output = "df"
    ) -> DataFrame | list[dict[str, Any]]:
        """List the stored versions of a data set, or read one of them.

        Data History must be switched on for the data set.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        ver_id : int or "latest", optional
            The version to read, or the newest one. Without it, the versions are listed.
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData sent them.

        Returns
        -------
        DataFrame or list of dict
            The list: a row per version with ``version`` (Int64), ``date`` (datetime, UTC), ``row_count`` (Int64),
            and any other key that ClicData sends. One version: its rows.

        Raises
        ------
        InputError
            An argument can't be used.
        NotFound
            There is no such data set or version.
        ReadError
            The rows that were read are not the whole version.

        Notes
        -----
        ``GET /data/{id}/versions``; ``GET /data/{id}/v/{ver}``.

        Examples
        --------
        >>> Data().get_data_history(rec_id).columns.tolist()
        ['version', 'date', 'row_count']
        """
        check_output(output)
        ver_id = None if ver_id is None else check_version(ver_id)
        data, rec_id = self._find(DATA_SET, rec_id)
        if ver_id is not None:
            return data._read(output, rec_id, stored_version(data.session, rec_id, ver_id))
        listed = list_versions(data.session, rec_id)
        return listed if output == "dict" else frame_of_records(listed, VERSIONS)

    def pages(
        self,
        rec_id: int | str,
        ver_id: int | None = None,
        *,
        page_size: int = PAGE_SIZE,
        workers: int = 1,
        wanted: Callable[[], int | None] | None = None,
        total: int | None = None,
        on_torn: OnTorn = "raise",
    ) -> Generator[Page, None, None]:
        """Return the pages of a data set or of one of its versions, each once and in order.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        ver_id : int, optional
            A stored version of it.
        page_size : int, default 1000
            Rows of a page. The legacy dialect ignores it. If ClicData refuses it, 100 is requested, then no size.
        workers : int, default 1
            Requests at the same time.
        wanted : callable, optional
            Returns how many more rows the caller needs; no page beyond these rows is requested early.
        total : int, optional
            The number of rows, if known from the list of versions.
        on_torn : {"raise", "warn"}, default "raise"
            Whether to raise `TornRead` if the data set changes meanwhile, or to set ``torn`` of the pages.

        Yields
        ------
        Page
            Rows as JSON, and whether more pages follow. This is None if ClicData doesn't say: then a last page without
            rows shows that no page follows.

        Raises
        ------
        InputError
            An id can't be used.
        ReadError
            The pages are not the whole data set.
        """
        version = None if ver_id is None else check_id("ver_id", ver_id)
        size = check_count("page_size", page_size, least=1)
        data, rec_id = self._find(DATA_SET, rec_id)
        request = rows_request(rec_id, version)
        return iter_pages(data.session, request, size, workers=workers, wanted=wanted, total=total, on_torn=on_torn)

    def _read(self, output: Output, rec_id: int, version: Version | None = None) -> DataFrame | list[dict[str, Any]]:
        number, total = version or (None, None)

        def read() -> DataFrame | list[dict[str, Any]]:
            if output == "dict":
                pages = self.pages(rec_id, number, total=total)
                return [row for page in pages for row in wire.parsed(page.rows, "read rows")]
            builder = FrameBuilder()
            for page in self.pages(rec_id, number, total=total):
                builder.add(page.rows)
            if version is None and builder.first:
                known = columns_seen(builder.first, self.session.columns.get(rec_id))
                self.session.columns[rec_id] = known
            return builder.take()

        return retry_while_changing(read)

    # -----------------------------------------------------------------------------------------------------
    # Creating and appending

    def create_data(self, name: str, cols: Mapping[str, str], desc: str = "") -> int:
        """Create an empty data set.

        Parameters
        ----------
        name : str
            Its name. No other data set of the account may have it.
        cols : mapping of str to str
            The ClicData type of each column: ``"text"``, ``"number"``, ``"datetime"``, ``"date"``,
            ``"time"``, ``"money"``, ``"percentage"``, ``"checkbox"``, ``"dropdown"`` or ``"id"``.
        desc : str, default ""
            A description.

        Returns
        -------
        int
            The new ``rec_id``.

        Raises
        ------
        InputError
            A name or type can't be used.
        Conflict
            A data set of that name exists.
        CreateAmbiguous
            The response was lost, and the list of data sets didn't show whether the data set was created.

        Notes
        -----
        ``POST /data``.

        Examples
        --------
        >>> rec_id = Data().create_data("Prices", {"item": "text", "price": "number"})
        >>> Data().get_data(rec_id).empty
        True
        """
        body = {
            "name": check_name("name", name),
            "description": check_text("desc", desc, empty=True),
            "columns": check_columns(cols),
        }
        request = Request("create a data set", "POST", "/data", body=wire.json_body(body))
        try:
            new_id = parse_new_id(self._call(request))
            if new_id is not None:
                self.session.columns[new_id] = columns_created(cols)
                return new_id
            failure: ClicDataError = ProtocolError("create a data set: ClicData's response has no id")
        except Conflict as error:
            raise self._name_existing(name, error) from None
        except ClicDataError as error:
            if outcome(error) is not Outcome.UNKNOWN:
                raise
            failure = error
        return self._find_created(name, failure)

    def _name_existing(self, name: str, error: Conflict) -> Conflict:
        """Add to the message the id of the data set that has the name already."""
        try:
            existing = self.ids_named(name)
        except ClicDataError:
            existing = []
        if existing:
            listed = " and ".join(map(str, existing))
            error.args = (f'{error.args[0]}. It is data set {listed}: push(..., if_exists="append") appends to it.',)
        return error.with_traceback(None)

    def _find_created(self, name: str, failure: ClicDataError) -> int:
        """Return the id of a data set whose create response was lost: the only one of its name, if it is empty.

        Raises `CreateAmbiguous` if there is no such data set.
        """
        try:
            found = self.ids_named(name)
            if len(found) == 1 and self._is_empty(found[0]):
                _log.warning("the response to the create of %r was lost, but data set %d was created", name, found[0])
                return found[0]
            state = f"data set {found[0]} has that name and holds rows" if found else "no data set has that name now"
        except ClicDataError as error:
            state = f"and the search for it failed too ({str(error).rstrip('.')})"
        raise CreateAmbiguous(
            f"create a data set: the response was lost ({failure}); {state}. Look with "
            f"Data().get_data(name={name!r}) before you create it again."
        ) from failure

    def ids_named(self, name: str) -> list[int]:
        """Return the ``rec_id`` of each data set of exactly this name.

        Parameters
        ----------
        name : str
            The name.

        Returns
        -------
        list of int
            The ids: none, one, or several if the service allows that.

        Notes
        -----
        ``GET /data``.

        Examples
        --------
        >>> Data().ids_named("Shops")
        [1001]
        """
        return [parse_data_set_id(record) for record in self._named(name)]

    def _named(self, name: str) -> list[dict[str, Any]]:
        return [record for record in self.get_data(name=name, output="dict") if record.get("name") == name]

    def _is_empty(self, rec_id: int) -> bool:
        request = rows_request(rec_id, None)
        reply = call_in_dialect(self.session, lambda dialect: replace(request, query=page_query(dialect, 1)))
        return page_of(reply, 1).count == 0

    def append_data(
        self,
        rec_id: int | str,
        data: Rows,
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
    ) -> AppendReceipt:
        """Append the rows of a frame to a data set.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name. Its columns are matched by name.
        data : DataFrame, or any rows that `pandas_clicdata.append` takes
            The rows. They are not changed.
        types, chunksize, index, workers, compress, progress, journal, verify, exclusive, tag_column, errors, audit
            As in `df.clicdata.append`.
        check : bool, optional
            As in `df.clicdata.append`.
        append_id : str, optional
            As in `df.clicdata.append`.

        Returns
        -------
        AppendReceipt
            Every row was appended; or refused, with ``errors="collect"``. If the frame has no rows, nothing is sent.

        Raises
        ------
        InputError
            The frame can't be sent. The message names every problem, and nothing was sent.
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
        >>> rec_id = Data().create_data("Visits", {"shop": "text", "visits": "number"})
        >>> Data().append_data(rec_id, pd.DataFrame({"shop": ["01", "02"], "visits": [17, 4]}))
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
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
        held, rec_id = self._find(DATA_SET, rec_id)
        return append_once(held.session, data, options, rec_id)

    def static_send_data(
        self,
        name: str,
        data: Rows,
        desc: str = "",
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
    ) -> AppendReceipt:
        """Create a data set with a frame's columns and append its rows.

        Parameters
        ----------
        name : str
            Its name, which must be new in the account.
        data : DataFrame, or any rows that `pandas_clicdata.append` takes
            The rows. They are not changed.
        desc : str, default ""
            A description.
        types : mapping of str to str, optional
            The ClicData types of columns that should not get the type of their dtype: ``{"fee": "money"}``.
        chunksize, index, workers, compress, progress, journal, verify, exclusive, tag_column, errors
            As in `df.clicdata.append`. The new data set gets the column ``tag_column`` too.
        audit : bool, optional
            Whether to count the rows at the end; by default they are counted, as in `df.clicdata.push`.

        Returns
        -------
        AppendReceipt
            ``.rec_id`` is the new data set.

        Raises
        ------
        InputError
            The frame can't be sent; nothing was sent.
        Conflict
            A data set of that name exists.
        CreateAmbiguous
            The response was lost, and the list of data sets didn't show whether the data set was created.
        WriteError
            The data set was created, but the append stopped: see ``.receipt``.

        Notes
        -----
        ``POST /data``, then as `append_data`.

        Examples
        --------
        >>> Data().static_send_data("Rain", pd.DataFrame({"mm": [0.5, 2.25]})).rows_appended
        2
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
        )
        return create_and_append(self, name, data, desc, options)

    # -----------------------------------------------------------------------------------------------------
    # Changing rows

    def update_data(
        self,
        rec_id: int | str,
        filters: Mapping[str, Any],
        values: Mapping[str, Any],
        multiple_rows: Literal["all", "first"] = "all",
    ) -> dict[str, Any]:
        """Set columns of the rows that match.

        It isn't known how ClicData compares text: it may also change rows that differ from the filters only in letter
        case or trailing blanks.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        filters : mapping
            A value for each column. A row matches if all values match. It can't be empty, and no value may be missing.
        values : mapping
            The new value for each column.
        multiple_rows : {"all", "first"}, default "all"
            Whether to change all rows that match, or the first one.

        Returns
        -------
        dict
            The response of ClicData, with the numbers of rows that it states.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        UpdateAmbiguous
            The response was lost: the rows may be changed or not. The request was not sent again.
        WriteError
            With ``"first"``, ClicData counted more than one row.

        Notes
        -----
        ``PUT /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/update``.

        Examples
        --------
        >>> rec_id = Data().static_send_data("Stock", pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})).rec_id
        >>> _ = Data().update_data(rec_id, {"item": "b"}, {"left": 0})
        >>> Data().get_data(rec_id)["left"].tolist()
        [1, 0]
        """
        find, data = cells(check_filters(filters)), cells(check_cells("values", values))
        check_choice("multiple_rows", multiple_rows, change.MULTIPLE_ROWS)
        held, rec_id = self._find(DATA_SET, rec_id)
        return held._change("update rows", multiple_rows, change.send_update, rec_id, find, data)

    def delete_data(
        self, rec_id: int | str, filters: Mapping[str, Any], multiple_rows: Literal["all", "first"] = "all"
    ) -> dict[str, Any]:
        """Delete the rows that match.

        It isn't known how ClicData compares text: it may also delete rows that differ from the filters only in letter
        case or trailing blanks. The plan of `df.clicdata.delete_rows` shows these rows first.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        filters : mapping
            A value for each column. A row matches if all values match. It can't be empty, and no value may be missing.
        multiple_rows : {"all", "first"}, default "all"
            Whether to delete all rows that match, or the first one.

        Returns
        -------
        dict
            The response of ClicData, with the numbers of rows that it states.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        DeleteAmbiguous
            The response was lost: the rows may be deleted or not. The request was not sent again.
        WriteError
            With ``"first"``, ClicData counted more than one row.

        Notes
        -----
        ``DELETE /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/delete``. If ClicData has no such path,
        ``DELETE /data/{id}/row`` is sent instead.

        Examples
        --------
        >>> rec_id = Data().static_send_data("Queue", pd.DataFrame({"job": [1, 2, 2]})).rec_id
        >>> _ = Data().delete_data(rec_id, {"job": 2})
        >>> Data().get_data(rec_id)["job"].tolist()
        [1]
        """
        find = cells(check_filters(filters))
        check_choice("multiple_rows", multiple_rows, change.MULTIPLE_ROWS)
        held, rec_id = self._find(DATA_SET, rec_id)
        return held._change("delete rows", multiple_rows, change.send_delete, rec_id, find)

    def _change(self, operation: str, multiple_rows: str, send: Callable[..., Reply], *what: Any) -> dict[str, Any]:
        try:
            reply = send(self.session, *what, multiple_rows)
            result, counts = parse_result(reply), change.counts_of(reply)
        except ClicDataError as error:
            if outcome(error) is not Outcome.UNKNOWN:
                raise
            failure = error
        else:
            change.check_first(operation, counts, multiple_rows)
            return result
        raise change.lost_error(operation, failure, repeatable=multiple_rows == "all") from failure

    def rebuild_data(
        self,
        rec_id: int | str,
        method: Literal["reload", "recreate", "update", "append", "updateappend"] = "reload",
        wait: bool = False,
        timeout: float = 600,
        *,
        progress: bool | None = None,
    ) -> dict[str, Any]:
        """Refresh a data set from its source.

        The request is never repeated.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        method : {"reload", "recreate", "update", "append", "updateappend"}, default "reload"
            ``"reload"`` replaces the rows, ``"recreate"`` replaces the columns too. ``"update"`` changes the rows
            whose unique key matches, ``"append"`` adds all rows, ``"updateappend"`` does both.
        wait : bool, default False
            Whether to wait for the end of the refresh. Until then, the list of data sets is read repeatedly.
        timeout : float, default 600
            Seconds to wait at most.
        progress : bool, optional
            Whether to show a bar while it waits; by default in a notebook, and if stderr is a terminal.

        Returns
        -------
        dict
            The response of ClicData; with ``wait``, the record of the data set in the list after the refresh.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such data set.
        ApiError
            ClicData refused the request.
        DeadlineExceeded
            The list showed no end of the refresh within ``timeout`` seconds. The refresh may continue at the service.
        TransportError
            No response came; ``.in_doubt`` is True if the refresh may have begun.

        Notes
        -----
        ``POST /data/{id}/rebuild`` (reload), ``/recreate``, ``/update``, ``/append``, ``/updateappend``; from version
        2022.01 on ``POST /table/{id}/refresh``. With ``wait`` also ``GET /data``.

        The refresh has ended when the list has a new ``last_data_update_date``. Any other write to the data set looks
        the same. A refresh never changes this date of a data set without a source, so the call waits until ``timeout``.

        Examples
        --------
        >>> Data().rebuild_data(rec_id)
        {'success': True}
        """
        return refresh(self, rec_id, method, wait, timeout, progress)

    def sync_users(self, frame: pd.DataFrame, on: str = "email_address", **options: Any) -> Any:
        """Make the users of the account match a frame, as `User.sync_users` does with the same options.

        Parameters
        ----------
        frame : DataFrame
            A row per user.
        on : str, default "email_address"
            The column with the mail address.
        **options
            ``deactivate``, ``dry_run``, ``max_deactivated`` and ``progress``.

        Returns
        -------
        UserReceipt, or UserPlan with ``dry_run``
            The state of each user.

        Notes
        -----
        ``GET /user``, then ``POST /user``, ``PUT /user/{id}`` and ``DELETE /user/{id}``, once per user that differs.

        Examples
        --------
        >>> people = pd.DataFrame({"email_address": ["li@example.com"], "license": ["editor"]})
        >>> Data().sync_users(people)
        <UserReceipt: sync users: 1 updated>
        """
        held = [frame]
        del frame  # a traceback can show local variables, and this one may hold passwords
        return User(session=self._session).sync_users(held.pop(), on, **options)


def id_named(data: Data, name: str) -> int | None:
    """Return the id of the only data set of exactly this name; None if there is none."""
    found = data._named(name)
    return only_id_of(found, name) if found else None


def create_and_append(
    data: Data, name: str, rows: Rows, desc: str, options: AppendOptions, *, may_exist: bool = False
) -> AppendReceipt:
    """Append to a new data set; with ``may_exist``, to the data set of exactly this name if it exists.

    If an append with the same id has begun, resume it.
    """
    if (receipt := resume_same(data.session, rows, options, None)) is not None:
        return receipt
    with Append(data.session, rows, options, need_types=True) as append:
        found = data._named(name) if may_exist else []
        if not found:
            try:
                new_id = data.create_data(name, append.column_types, desc)
            except Conflict:
                if not may_exist or not (found := data._named(name)):  # else another call created it meanwhile
                    raise
            else:
                return append.send_to(new_id, made=True)
        return append.send_to(only_id_of(found, name), has_key=has_unique_key(found[0]))
