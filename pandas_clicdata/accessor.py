"""df.clicdata: thin verbs on one frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from pandas_clicdata.endpoints.data import Data
from pandas_clicdata.endpoints.noun import checked_choice, checked_text, whole_id
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.columns import clicdata_types
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.session import manager
from pandas_clicdata.uploads import changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt import AppendReceipt

IF_EXISTS = ("fail", "append")


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

    def append(
        self,
        rec_id: int,
        *,
        types: Mapping[str, str] | None = None,
        chunksize: int | None = None,
        index: bool = False,
        workers: int = 1,
        compress: bool = False,
        progress: bool | None = None,
        session: Session | None = None,
    ) -> AppendReceipt:
        """Append the rows to a data set.

        ``POST /data/{id}/row``; from version 2022.01 on ``POST /data/{id}/insert``. The whole frame is checked
        before the first request. A chunk whose answer is lost is never sent again.

        Parameters
        ----------
        rec_id : int
            The data set. Its columns are matched by name.
        types : mapping of str to str, optional
            ClicData type of columns whose own would not do: ``{"day": "date"}``.
        chunksize : int, optional
            Rows a request at most. By default 5,000 rows or 4 MB in the legacy dialect, which states no limit,
            and 500, the service's limit, from version 2022.01 on.
        index : bool, default False
            Whether the index goes too, as the first columns.
        workers : int, default 1
            Chunks on the wire at once, 32 at most. With one the rows are stored in the frame's order; with more,
            chunk by chunk in any order.
        compress : bool, default False
            Whether to send the rows compressed (gzip). Whether the service takes that is not known.
        progress : bool, optional
            Whether to show a bar on stderr; by default where that is a terminal.
        session : Session, optional
            What to send through; the default session if not given.

        Returns
        -------
        AppendReceipt
            Every row appended. Without rows in the frame nothing is sent.

        Raises
        ------
        InputError
            The frame can't be sent; every problem is named, and nothing was sent.
        AppendInterrupted, AppendAmbiguous
            It stopped midway: ``.receipt`` says which rows are stored, which not, and which are in doubt.
        NotFound, ApiError, AuthError, TransportError
            No row was stored.

        Examples
        --------
        >>> df = pd.DataFrame({"shop": ["01", "02"], "visits": [17, 4]})
        >>> rec_id = df.clicdata.create_table("Visits")
        >>> df.clicdata.append(rec_id)
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
        """
        return Data(session=manager.current(session)).append_data(
            rec_id,
            self._frame,
            types=types,
            chunksize=chunksize,
            index=index,
            workers=workers,
            compress=compress,
            progress=progress,
        )

    def create_table(
        self,
        name: str,
        desc: str = "",
        types: Mapping[str, str] | None = None,
        *,
        index: bool = False,
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
            ClicData type of columns whose own would not do: ``{"share": "percentage"}``.
        index : bool, default False
            Whether the index makes columns too, the first ones.
        session : Session, optional
            What to send through; the default session if not given.

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
            The answer was lost, and it can't be told whether the table was made.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"day": ["2026-11-24"], "share": [0.5]}).clicdata.create_table(
        ...     "Shares", types={"day": "date", "share": "percentage"}
        ... )
        >>> pd.read_clicdata(rec_id).empty
        True
        """
        session = manager.current(session)
        return Data(session=session).create_data(name, clicdata_types(self._frame, types, index=index), desc)

    def push(
        self,
        name: str,
        desc: str = "",
        if_exists: Literal["fail", "append"] = "fail",
        types: Mapping[str, str] | None = None,
        *,
        chunksize: int | None = None,
        index: bool = False,
        workers: int = 1,
        compress: bool = False,
        progress: bool | None = None,
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
            What to do when there is a table of that name: raise `Conflict`, or append to it.
        types : mapping of str to str, optional
            ClicData type of columns whose own would not do: ``{"share": "percentage"}``.
        chunksize, index, workers, compress, progress, session
            As in `append`.

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
            It can't be told whether the table was made.
        WriteError
            The append stopped: ``.receipt`` says which rows are stored, which not, and which are in doubt.

        Examples
        --------
        >>> df = pd.DataFrame({"day": pd.to_datetime(["2026-11-23", "2026-11-24"]), "mm": [0.5, 2.25]})
        >>> receipt = df.clicdata.push("Rainfall")
        >>> df.clicdata.push("Rainfall", if_exists="append").rec_id == receipt.rec_id
        True
        """
        checked_text("name", name)
        checked_choice("if_exists", if_exists, IF_EXISTS)
        data = Data(session=manager.current(session))
        more: dict[str, Any] = {
            "types": types,
            "chunksize": chunksize,
            "index": index,
            "workers": workers,
            "compress": compress,
            "progress": progress,
        }
        if if_exists == "append":
            rec_id = self._table_named(data, name, types, index=index)
            if rec_id is not None:
                return data.append_data(rec_id, self._frame, **more)
        return data.static_send_data(name, self._frame, desc, **more)

    def delete_rows(
        self,
        rec_id: int,
        on: str | Sequence[str],
        *,
        multiple_rows: Literal["all", "first"] = "all",
        progress: bool | None = None,
        session: Session | None = None,
    ) -> changes.ChangeReceipt:
        """Delete the rows of a data set that equal a row of this frame in the columns ``on``.

        ``DELETE /data/{id}/row``, once per distinct key.

        Parameters
        ----------
        rec_id : int
            The data set.
        on : str or sequence of str
            The key columns. Missing values in them are refused.
        multiple_rows : {"all", "first"}, default "all"
            Whether all rows that match a key go, or the first.
        progress : bool, optional
            Whether to show a bar on stderr; by default where that is a terminal.
        session : Session, optional
            What to send through; the default session if not given.

        Returns
        -------
        ChangeReceipt
            What became of each key: ``.keys`` is a frame.

        Raises
        ------
        InputError
            The keys can't be used; nothing was sent.
        DeleteAmbiguous
            The answer to a key was lost: ``.receipt`` says which, and what was done before.
        WriteError
            It stopped after some keys: ``.receipt``.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b", "c"], "left": [1, 2, 3]})
        >>> rec_id = df.clicdata.push("Shelf").rec_id
        >>> df[df["left"] < 3].clicdata.delete_rows(rec_id, on=["item"])
        <ChangeReceipt: delete rows of data set ...: 2 of 2 keys done>
        >>> pd.read_clicdata(rec_id)["item"].tolist()
        ['c']
        """
        rec_id = whole_id("rec_id", rec_id)
        checked_choice("multiple_rows", multiple_rows, changes.MULTIPLE_ROWS)
        return changes.delete_rows(manager.current(session), rec_id, self._frame, on, multiple_rows, progress)

    def update_rows(
        self,
        rec_id: int,
        on: str | Sequence[str],
        *,
        multiple_rows: Literal["all", "first"] = "all",
        progress: bool | None = None,
        session: Session | None = None,
    ) -> changes.ChangeReceipt:
        """Set the other columns of the rows that equal a row of this frame in the columns ``on``.

        ``PUT /data/{id}/row``, once per distinct key.

        Parameters
        ----------
        rec_id : int
            The data set.
        on : str or sequence of str
            The key columns. Missing values in them are refused, and so are two rows of a key that differ.
        multiple_rows : {"all", "first"}, default "all"
            Whether all rows that match a key are set, or the first.
        progress : bool, optional
            Whether to show a bar on stderr; by default where that is a terminal.
        session : Session, optional
            What to send through; the default session if not given.

        Returns
        -------
        ChangeReceipt
            What became of each key: ``.keys`` is a frame.

        Raises
        ------
        InputError
            The keys or values can't be used; nothing was sent.
        UpdateAmbiguous
            The answer to a key was lost: ``.receipt`` says which, and what was done before.
        WriteError
            It stopped after some keys: ``.receipt``.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})
        >>> rec_id = df.clicdata.push("Store room").rec_id
        >>> df.assign(left=0).clicdata.update_rows(rec_id, on="item")
        <ChangeReceipt: update rows of data set ...: 2 of 2 keys done>
        >>> pd.read_clicdata(rec_id)["left"].tolist()
        [0, 0]
        """
        rec_id = whole_id("rec_id", rec_id)
        checked_choice("multiple_rows", multiple_rows, changes.MULTIPLE_ROWS)
        return changes.update_rows(manager.current(session), rec_id, self._frame, on, multiple_rows, progress)

    def _table_named(self, data: Data, name: str, types: Mapping[str, str] | None, *, index: bool) -> int | None:
        """The table of exactly that name; the frame is checked first, so that a bad one sends nothing."""
        clicdata_types(self._frame, types, index=index)
        FrameEncoder(self._frame, types=types, index=index)
        found = data.ids_named(name)
        if len(found) > 1:
            raise InputError(f"several data sets are called {name!r} ({found}): append to one by its rec_id")
        return found[0] if found else None


if TYPE_CHECKING:

    class DataFrame(pd.DataFrame):
        """A DataFrame whose accessor editors and type checkers know. At run time it is pandas' own."""

        @property
        def clicdata(self) -> ClicDataAccessor:
            """This frame and ClicData."""
            ...

else:
    DataFrame = pd.DataFrame
