"""Data sets: list, read, create, append, update, delete, history, refresh."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from pandas_clicdata.endpoints.noun import (
    Noun,
    checked_choice,
    checked_flag,
    checked_text,
    new_id,
    whole_id,
    whole_number,
)
from pandas_clicdata.errors import (
    ClicDataError,
    Conflict,
    CreateAmbiguous,
    InputError,
    NotFound,
    ProtocolError,
)
from pandas_clicdata.frames.columns import COLUMN_TYPES
from pandas_clicdata.frames.decode import Assembler, frame_of_records
from pandas_clicdata.frames.encode import cells
from pandas_clicdata.frames.cells import is_unicode
from pandas_clicdata.session import wire
from pandas_clicdata.session.pages import PAGE_SIZE, Page, followed, page_of, page_query, records, whole
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.session.wire import Dialect, Request, call_in_dialect, get, query_of
from pandas_clicdata.uploads import changes
from pandas_clicdata.uploads.append import Append, AppendOptions

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Mapping, Sized

    import pandas as pd

    from pandas_clicdata.session.wire import Caller
    from pandas_clicdata.uploads.receipt import AppendReceipt

_log = logging.getLogger(__name__)

Output = Literal["df", "dict"]
OUTPUTS = ("df", "dict")

DATA_SETS = {
    "rec_id": "integer",
    "name": "text",
    "description": "text",
    "source": "text",
    "creation_date": "datetime",
    "last_data_update_date": "datetime",
}
VERSIONS = {"version": "integer", "date": "datetime", "row_count": "integer"}  # C: no key of an item is known

# The spec's endpoint list sends "reload" to /rebuild, while the client of 2020 sent it to /reload.
REFRESH_PATHS = {
    "reload": "rebuild",
    "recreate": "recreate",
    "update": "update",
    "append": "append",
    "updateappend": "updateappend",
}
REFRESH_MODES = {
    "reload": "reload",
    "recreate": "rebuild",  # C: the mode that has no method of its name, for the method that has no mode
    "update": "update",
    "append": "append",
    "updateappend": "updateappend",
}


class Data(Noun):
    """The data sets of an account.

    Parameters
    ----------
    session : Session, optional
        What to call through; the default session if not given.
    **connection_params
        Those of `Session`, for a session of its own.
    """

    # -----------------------------------------------------------------------------------------------------
    # Reading

    @overload
    def get_data(
        self,
        rec_id: int | None = ...,
        output: Literal["df"] = ...,
        *,
        name: str | None = ...,
        unique_key_available: bool | None = ...,
        refresh: bool | None = ...,
    ) -> pd.DataFrame: ...

    @overload
    def get_data(
        self,
        rec_id: int | None = ...,
        *,
        output: Literal["dict"],
        name: str | None = ...,
        unique_key_available: bool | None = ...,
        refresh: bool | None = ...,
    ) -> list[dict[str, Any]]: ...

    @overload
    def get_data(self, rec_id: int | None, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    def get_data(
        self,
        rec_id: int | None = None,
        output: Output = "df",
        *,
        name: str | None = None,
        unique_key_available: bool | None = None,
        refresh: bool | None = None,
    ) -> pd.DataFrame | list[dict[str, Any]]:
        """List the data sets, or read one with all its pages.

        ``GET /data``; ``GET /data/{id}``

        Parameters
        ----------
        rec_id : int, optional
            The data set to read. Not given, the data sets are listed.
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData gave them.
        name : str, optional
            List only data sets with this text in their name.
        unique_key_available : bool, optional
            List only those with (True) or without (False) a unique key.
        refresh : bool, optional
            List only those that can (True) or can't (False) be refreshed from a source.

        Returns
        -------
        DataFrame or list of dict
            Of the list: a row per data set, ``rec_id`` (Int64), ``name``, ``description``, ``source`` (text),
            ``creation_date``, ``last_data_update_date`` (datetime, UTC), and whatever else ClicData says. Of one
            data set: its rows, typed as `read_clicdata` does.

        Raises
        ------
        InputError
            An argument can't be used, or a filter was given together with ``rec_id``.
        NotFound
            There is no such data set.
        ReadError
            The rows that came would not be the whole data set.

        Examples
        --------
        >>> Data().get_data(name="shop")["name"].tolist()
        ['Shops']
        """
        checked_choice("output", output, OUTPUTS)
        filters = query_of(
            name=None if name is None else checked_text("name", name),
            uniquekeyavailable=checked_flag("unique_key_available", unique_key_available),
            refresh=checked_flag("refresh", refresh),
        )
        if rec_id is None:
            listed = records(self._call, get("list data sets", "/data", key="data", query=filters))
            return listed if output == "dict" else frame_of_records([_named(item) for item in listed], DATA_SETS)
        if filters:
            raise InputError("name, unique_key_available and refresh filter the list: leave them out with rec_id")
        return self._rows(output, rec_id)

    @overload
    def get_data_history(
        self, rec_id: int, ver_id: int | Literal["latest"] | None = ..., output: Literal["df"] = ...
    ) -> pd.DataFrame: ...

    @overload
    def get_data_history(
        self, rec_id: int, ver_id: int | Literal["latest"] | None = ..., *, output: Literal["dict"]
    ) -> list[dict[str, Any]]: ...

    @overload
    def get_data_history(
        self, rec_id: int, ver_id: int | Literal["latest"] | None, output: Literal["dict"]
    ) -> list[dict[str, Any]]: ...

    def get_data_history(
        self, rec_id: int, ver_id: int | Literal["latest"] | None = None, output: Output = "df"
    ) -> pd.DataFrame | list[dict[str, Any]]:
        """List the stored versions of a data set, or read one of them.

        ``GET /data/{id}/versions``; ``GET /data/{id}/v/{ver}``. Data History must be switched on for it.

        Parameters
        ----------
        rec_id : int
            The data set.
        ver_id : int or "latest", optional
            The version to read, or the newest there is. Not given, the versions are listed.
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData gave them.

        Returns
        -------
        DataFrame or list of dict
            Of the list: a row per version, ``version`` (Int64), ``date`` (datetime, UTC), ``row_count`` (Int64),
            and whatever else ClicData says. Of one version: its rows.

        Raises
        ------
        InputError
            An argument can't be used.
        NotFound
            There is no such data set or version.
        ReadError
            The rows that came would not be the whole version.

        Examples
        --------
        >>> Data().get_data_history(rec_id).columns.tolist()
        ['version', 'date', 'row_count']
        """
        rec_id = whole_id("rec_id", rec_id)
        checked_choice("output", output, OUTPUTS)
        if ver_id is not None:
            return self._rows(output, rec_id, stored_version(self.session, rec_id, ver_id))
        listed = _versions(self.session, rec_id)
        return listed if output == "dict" else frame_of_records(listed, VERSIONS)

    def pages(
        self,
        rec_id: int,
        ver_id: int | None = None,
        *,
        page_size: int = PAGE_SIZE,
        workers: int = 1,
        wanted: Callable[[], int | None] | None = None,
        total: int | None = None,
        tell_torn: bool = False,
    ) -> Generator[Page, None, None]:
        """The pages of a data set or of one of its versions, each once and in order.

        Parameters
        ----------
        rec_id : int
            The data set.
        ver_id : int, optional
            A stored version of it.
        page_size : int, default 1000
            Rows a page, where the dialect lets the caller choose.
        workers : int, default 1
            Pages asked for at once.
        wanted : callable, optional
            Gives the number of rows that are still wanted, so that no page is asked for ahead in vain.
        total : int, optional
            How many rows ClicData is known to count.
        tell_torn : bool, default False
            Whether a change of the data set while it is read is told by the ``torn`` of the pages instead of raised.

        Yields
        ------
        Page
            Rows as JSON, and whether there are more.

        Raises
        ------
        InputError
            An id can't be used.
        ReadError
            The pages would not be the whole.
        """
        rec_id = whole_id("rec_id", rec_id)
        path = f"/data/{rec_id}" if ver_id is None else f"/data/{rec_id}/v/{whole_id('ver_id', ver_id)}"
        asked = get("read rows" if ver_id is None else "read a version", path, key="data")
        return followed(
            self.session,
            asked,
            page_size,
            workers=workers,
            wanted=wanted,
            total=total,
            tell_torn=tell_torn,
        )

    def _rows(self, output: Output, rec_id: int, version: Version | None = None) -> pd.DataFrame | list[dict[str, Any]]:
        number, total = version or (None, None)

        def read(_: bool) -> pd.DataFrame | list[dict[str, Any]]:
            if output == "dict":
                pages = self.pages(rec_id, number, total=total)
                return [row for page in pages for row in wire.parsed(page.rows, "read rows")]
            assembler = Assembler()
            for page in self.pages(rec_id, number, total=total):
                assembler.add(page.rows)
            return assembler.take()

        return whole(read)

    # -----------------------------------------------------------------------------------------------------
    # Creating and appending

    def create_data(self, name: str, cols: Mapping[str, str], desc: str = "") -> int:
        """Create an empty data set.

        ``POST /data``

        Parameters
        ----------
        name : str
            Its name, which must be new in the account.
        cols : mapping of str to str
            ClicData type by column name: ``"text"``, ``"number"``, ``"datetime"``, ``"date"``,
            ``"percentage"``, ``"checkbox"``, ``"dropdown"`` or ``"id"``.
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
            There is a data set of that name.
        CreateAmbiguous
            The answer was lost, and it can't be told whether the data set was made.

        Examples
        --------
        >>> rec_id = Data().create_data("Prices", {"item": "text", "price": "number"})
        >>> Data().get_data(rec_id).empty
        True
        """
        body = {
            "name": checked_text("name", name),
            "description": checked_text("desc", desc, empty=True),
            "columns": _checked_columns(cols),
        }
        session = self.session
        try:
            reply = session.call(Request("create a data set", "POST", "/data", body=wire.json_body(body)))
            made = new_id(reply)
            if made is not None:
                return made
            failure: ClicDataError = ProtocolError("create a data set: ClicData's answer holds no id")
        except Conflict as error:
            raise self._conflict(name, error) from None
        except ClicDataError as error:
            if outcome(error) is not Outcome.UNKNOWN:
                raise
            failure = error
        return self._adopted(name, failure)

    def _conflict(self, name: str, error: Conflict) -> Conflict:
        try:
            taken = self.ids_named(name)
        except ClicDataError:
            taken = []
        if taken:
            error.args = (f"{error.args[0]}. It is data set {' and '.join(map(str, taken))}.",)
        return error.with_traceback(None)

    def _adopted(self, name: str, failure: ClicDataError) -> int:
        """The data set that a create made whose answer was lost: the only one of its name, with no rows in it."""
        try:
            found = self.ids_named(name)
            if len(found) == 1 and self._is_empty(found[0]):
                _log.warning("the answer to the creation of %r was lost; it was made: data set %d", name, found[0])
                return found[0]
            state = f"data set {found[0]} has that name and holds rows" if found else "no data set has that name now"
        except ClicDataError as error:
            state = f"and looking for it failed too ({error})"
        raise CreateAmbiguous(
            f"create a data set: the answer was lost ({failure}); {state}. Look with "
            f"Data().get_data(name={name!r}) before you create it again."
        ) from failure

    def ids_named(self, name: str) -> list[int]:
        """The ``rec_id`` of each data set of exactly this name.

        ``GET /data``

        Parameters
        ----------
        name : str
            The name.

        Returns
        -------
        list of int
            None, one, or (if the service allows it) several.

        Examples
        --------
        >>> Data().ids_named("Shops")
        [1001]
        """
        listed = self.get_data(name=name, output="dict")
        return [_id_of(item) for item in listed if item.get("name") == name]

    def _is_empty(self, rec_id: int) -> bool:
        asked = get("read rows", f"/data/{rec_id}", key="data")
        reply = call_in_dialect(self.session, lambda d: replace(asked, query=page_query(d, 1)))
        return page_of(reply, 1).count == 0

    def append_data(
        self,
        rec_id: int,
        data: pd.DataFrame,
        *,
        types: Mapping[str, str] | None = None,
        chunksize: int | None = None,
        index: bool = False,
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
        """Append the rows of a frame to a data set.

        ``POST /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/insert``.

        Parameters
        ----------
        rec_id : int
            The data set. Its columns are matched by name.
        data : DataFrame
            The rows. It is not changed.
        types, chunksize, index, workers, compress, progress, journal, verify, exclusive, tag_column, errors, audit
            As in `df.clicdata.append`.

        Returns
        -------
        AppendReceipt
            Every row appended (with ``errors="collect"``: or refused). If the frame has no rows, nothing is sent.

        Raises
        ------
        InputError
            The frame can't be sent; every problem is named, and nothing was sent.
        AppendInterrupted, AppendAmbiguous
            It stopped midway: ``.receipt`` says which rows are stored, which are not, and which are in doubt. Go on
            with `resume_append`.
        NotFound, ApiError, AuthError, TransportError
            No row was stored.

        Examples
        --------
        >>> rec_id = Data().create_data("Visits", {"shop": "text", "visits": "number"})
        >>> Data().append_data(rec_id, pd.DataFrame({"shop": ["01", "02"], "visits": [17, 4]}))
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
        """
        rec_id = whole_id("rec_id", rec_id)
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
        with Append(self.session, data, options) as append:
            return append.send_to(rec_id)

    def static_send_data(
        self,
        name: str,
        data: pd.DataFrame,
        desc: str = "",
        *,
        types: Mapping[str, str] | None = None,
        chunksize: int | None = None,
        index: bool = False,
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

        ``POST /data``, then as `append_data`.

        Parameters
        ----------
        name : str
            Its name, which must be new in the account.
        data : DataFrame
            The rows. It is not changed.
        desc : str, default ""
            A description.
        types : mapping of str to str, optional
            ClicData types of columns that shall have another type than their own: ``{"share": "percentage"}``.
        chunksize, index, workers, compress, progress, journal, verify, exclusive, tag_column, errors
            As in `df.clicdata.append`. The data set has a column for the stamps too.
        audit : bool, default True
            Whether to count the rows at the end, as in `df.clicdata.push`.

        Returns
        -------
        AppendReceipt
            ``.rec_id`` is the new data set.

        Raises
        ------
        InputError
            The frame can't be sent; nothing was.
        Conflict
            There is a data set of that name.
        CreateAmbiguous
            It can't be told whether the data set was made.
        WriteError
            The data set was made and the append stopped: ``.receipt``.

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
        rec_id: int,
        filters: Mapping[str, Any],
        values: Mapping[str, Any],
        multiple_rows: Literal["all", "first"] = "all",
    ) -> dict[str, Any]:
        """Set columns of the rows that match.

        ``PUT /data/{id}/row``

        Parameters
        ----------
        rec_id : int
            The data set.
        filters : mapping
            Value by column; a row matches when all do. It can't be empty.
        values : mapping
            New value by column.
        multiple_rows : {"all", "first"}, default "all"
            Whether all rows that match are meant, or the first.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        UpdateAmbiguous
            The answer was lost: the rows may be changed or not. It was not sent again.

        Examples
        --------
        >>> rec_id = Data().static_send_data("Stock", pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})).rec_id
        >>> _ = Data().update_data(rec_id, {"item": "b"}, {"left": 0})
        >>> Data().get_data(rec_id)["left"].tolist()
        [1, 0]
        """
        asked = changes.update_request(
            whole_id("rec_id", rec_id),
            cells(_checked_filters("filters", filters)),
            cells(_checked_filters("values", values)),
            checked_choice("multiple_rows", multiple_rows, changes.MULTIPLE_ROWS),
        )
        return self._changed(asked, repeatable=multiple_rows == "all")

    def delete_data(
        self, rec_id: int, filters: Mapping[str, Any], multiple_rows: Literal["all", "first"] = "all"
    ) -> dict[str, Any]:
        """Delete the rows that match.

        ``DELETE /data/{id}/row``

        Parameters
        ----------
        rec_id : int
            The data set.
        filters : mapping
            Value by column; a row matches when all do. It can't be empty.
        multiple_rows : {"all", "first"}, default "all"
            Whether all rows that match are meant, or the first.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        DeleteAmbiguous
            The answer was lost: the rows may be gone or not. It was not sent again.

        Examples
        --------
        >>> rec_id = Data().static_send_data("Queue", pd.DataFrame({"job": [1, 2, 2]})).rec_id
        >>> _ = Data().delete_data(rec_id, {"job": 2})
        >>> Data().get_data(rec_id)["job"].tolist()
        [1]
        """
        asked = changes.delete_request(
            whole_id("rec_id", rec_id),
            cells(_checked_filters("filters", filters)),
            checked_choice("multiple_rows", multiple_rows, changes.MULTIPLE_ROWS),
        )
        return self._changed(asked, repeatable=multiple_rows == "all")

    def _changed(self, asked: Request, *, repeatable: bool) -> dict[str, Any]:
        try:
            said = self._call(asked).value()
            return said if isinstance(said, dict) else {"result": said}
        except ClicDataError as error:
            if outcome(error) is not Outcome.UNKNOWN:
                raise
            failure = error
        raise changes.lost_error(asked.operation, failure, repeatable=repeatable) from failure

    def rebuild_data(
        self,
        rec_id: int,
        method: Literal["reload", "recreate", "update", "append", "updateappend"] = "reload",
    ) -> dict[str, Any]:
        """Refresh a data set from its source.

        ``POST /data/{id}/rebuild`` (reload), ``/recreate``, ``/update``, ``/append``, ``/updateappend``; in the
        dialect with version ``POST /table/{id}/refresh``. It is never repeated by itself.

        Parameters
        ----------
        rec_id : int
            The data set.
        method : {"reload", "recreate", "update", "append", "updateappend"}, default "reload"
            ``"reload"`` replaces the rows, ``"recreate"`` the columns too, ``"update"`` changes the rows whose
            unique key matches, ``"append"`` adds all rows, ``"updateappend"`` changes matches and adds the rest.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        ApiError
            ClicData refused. Of a `TransportError`, ``.in_doubt`` says whether the refresh may have begun.

        Examples
        --------
        >>> Data().rebuild_data(rec_id)
        {'success': True}
        """
        rec_id = whole_id("rec_id", rec_id)
        method_ = checked_choice("method", method, tuple(REFRESH_PATHS))

        def asked(dialect: Dialect) -> Request:
            if dialect is Dialect.LEGACY:
                return Request("refresh a data set", "POST", f"/data/{rec_id}/{REFRESH_PATHS[method_]}")
            body = wire.json_body({"mode": REFRESH_MODES[method_]})
            path = f"/table/{rec_id}/refresh"
            return Request("refresh a data set", "POST", path, body=body, api_version=wire.TABLE_VERSION)

        said = call_in_dialect(self.session, asked).value()
        return said if isinstance(said, dict) else {"result": said}


def create_and_append(
    data: Data, name: str, frame: pd.DataFrame, desc: str, options: AppendOptions, *, may_exist: bool = False
) -> AppendReceipt:
    """Append to a new data set; with ``may_exist``, to the one of exactly this name if there is one."""
    session = data.session
    with Append(session, frame, options, need_types=True) as append:
        found = data.ids_named(name) if may_exist else []
        if len(found) > 1:
            raise InputError(f"several data sets are called {name!r} ({found}): append to one by its rec_id")
        if found:
            return append.send_to(found[0])
        return append.send_to(data.create_data(name, append.column_types, desc), made=True)


class Version(NamedTuple):
    """A stored version of a data set, and how many rows ClicData counts in it, if it says."""

    number: int
    rows: int | None


def stored_version(caller: Caller, rec_id: int, ver_id: int | Literal["latest"]) -> Version:
    """The version that is meant.

    ``GET /data/{id}/versions`` for the newest one.

    Raises
    ------
    InputError
        It is no id.
    NotFound
        There is no version.
    ProtocolError
        ClicData listed one without a number.
    """
    if ver_id != "latest":
        return Version(whole_id("ver_id", ver_id), None)
    versions = [_version(item) for item in _versions(caller, rec_id)]
    if not versions:
        raise NotFound(f"data set {rec_id} has no stored version yet", operation="list versions")
    return max(versions)  # C: that the newest has the highest number


def _versions(caller: Caller, rec_id: int) -> list[dict[str, Any]]:
    return records(caller.call, get("list versions", f"/data/{rec_id}/versions", key="versions"))


def _version(item: Mapping[str, Any]) -> Version:
    number = whole_number(
        next((item[key] for key in ("version", "ver_id", "id") if key in item), None)
    )  # C: which it is
    rows = item.get("row_count")  # C: its name
    if number is None or number < 1:
        raise ProtocolError("list versions: ClicData listed one without a number", operation="list versions")
    return Version(number, rows if isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0 else None)


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    """A listed data set with its identifier under the name ``rec_id``, whichever spelling it came in."""
    named = {key: value for key, value in item.items() if key not in ("id", "rec_id", "RecId")}
    found = [item[key] for key in ("id", "rec_id", "RecId") if item.get(key) is not None]  # C: which one it is
    if not found:
        raise ProtocolError("list data sets: ClicData listed one without an id")
    return {"rec_id": found[0], **named}


def _id_of(item: Mapping[str, Any]) -> int:
    """The id of a listed data set, as a number."""
    found = whole_number(_named(item)["rec_id"])
    if found is None:
        raise ProtocolError("list data sets: ClicData listed one whose id is no number")
    return found


def _checked_columns(cols: Mapping[str, str]) -> list[dict[str, str]]:
    if not hasattr(cols, "items") or not cols:
        raise InputError('cols must name each column\'s type, such as {"item": "text", "price": "number"}')
    problems: list[str] = []
    for name, kind in cols.items():
        if not isinstance(name, str) or not name.strip():
            problems.append(f"column {name!a}: its name must be text and not empty")
        elif not is_unicode(name):
            problems.append(f"column {name!a}: its name has characters that can't be sent")
        if not isinstance(kind, str) or kind not in COLUMN_TYPES:
            problems.append(f"column {name!r}: {kind!r} is no ClicData type ({', '.join(sorted(COLUMN_TYPES))})")
    if problems:
        raise InputError(problems)
    return [{"name": name, "data_type": kind} for name, kind in cols.items()]


def _checked_filters(name: str, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    if not hasattr(filters, "items"):
        raise InputError(f"{name} must be a mapping of column to value, not {type(filters).__name__}")
    if not filters:
        raise InputError(f"{name} is empty: name one column at least (an empty filter would mean every row)")
    return filters
