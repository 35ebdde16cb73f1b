"""The verbs of `Data` that make a data set match a frame or a stored version."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.arguments import check_flag
from pandas_clicdata.changes import restore
from pandas_clicdata.changes.plan import planned
from pandas_clicdata.changes.sync_receipt import SyncReceipt
from pandas_clicdata.changes.verbs import pages_of
from pandas_clicdata.endpoints.endpoint import Endpoint
from pandas_clicdata.endpoints.versions import check_version, rows_request, stored_version
from pandas_clicdata.errors import InputError
from pandas_clicdata.names import DATA_SET
from pandas_clicdata.session.pages import PAGE_SIZE, iter_pages

if TYPE_CHECKING:
    import pandas as pd

    from pandas_clicdata.changes.arguments import Names
    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.changes.restore import Changes
    from pandas_clicdata.changes.verbs import Pages
    from pandas_clicdata.session.session import Session


class DataChanges(Endpoint):
    """The part of `Data` with these verbs."""

    def upsert_data(self, rec_id: int | str, frame: pd.DataFrame, on: Names, **options: Any) -> Any:
        """Update the rows whose key is in a frame, and append the rows whose key is new: ``frame.clicdata.upsert``.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        frame : DataFrame
            The rows.
        on : str or sequence of str
            The key columns.
        **options
            The other arguments of ``df.clicdata.upsert``.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            Which rows were appended, updated, or unchanged.

        Raises
        ------
        InputError, ReadError, SyncInterrupted, SyncAmbiguous
            As in ``df.clicdata.upsert``.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]}).clicdata.push("Barn").rec_id
        >>> Data().upsert_data(rec_id, pd.DataFrame({"item": ["b"], "left": [3]}), on="item").complete
        True
        """
        return _checked(frame).clicdata.upsert(rec_id, on, session=self.session, **options)

    def sync_data(self, rec_id: int | str, frame: pd.DataFrame, on: Names, **options: Any) -> Any:
        """Make a data set hold the rows of a frame: ``frame.clicdata.sync``.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        frame : DataFrame
            The rows.
        on : str or sequence of str
            The key columns.
        **options
            The other arguments of ``df.clicdata.sync``.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            Which rows were appended, updated, deleted, or unchanged.

        Raises
        ------
        InputError, ReadError, SyncInterrupted, SyncAmbiguous
            As in ``df.clicdata.sync``.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]}).clicdata.push("Shed").rec_id
        >>> Data().sync_data(rec_id, pd.DataFrame({"item": ["b"], "left": [3]}), on="item").deleted.rows
          item  left
        0    a     1
        """
        return _checked(frame).clicdata.sync(rec_id, on, session=self.session, **options)

    def replace_data(self, rec_id: int | str, frame: pd.DataFrame, by: Names | None = None, **options: Any) -> Any:
        """Delete the rows that a frame replaces, and append the frame: ``frame.clicdata.replace``.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        frame : DataFrame
            The rows.
        by : str or sequence of str, optional
            The columns that name the groups to replace. Without them, all rows are deleted.
        **options
            The other arguments of ``df.clicdata.replace``.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            Which rows were deleted and appended.

        Raises
        ------
        InputError, ReadError, SyncInterrupted, SyncAmbiguous
            As in ``df.clicdata.replace``.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"month": ["Jan", "Feb"], "sold": [1, 2]}).clicdata.push("Stall").rec_id
        >>> Data().replace_data(rec_id, pd.DataFrame({"month": ["Feb"], "sold": [3]}), by="month").complete
        True
        """
        return _checked(frame).clicdata.replace(rec_id, by, session=self.session, **options)

    def diff_data(self, rec_id: int | str, frame: pd.DataFrame, on: Names, **options: Any) -> Plan:
        """Compare a frame with a data set: ``frame.clicdata.diff``.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        frame : DataFrame
            The rows.
        on : str or sequence of str
            The key columns.
        **options
            The other arguments of ``df.clicdata.diff``.

        Returns
        -------
        Plan
            The changes that `sync_data` would make.

        Raises
        ------
        InputError, ReadError
            As in ``df.clicdata.diff``.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]}).clicdata.push("Loft").rec_id
        >>> Data().diff_data(rec_id, pd.DataFrame({"item": ["b"], "left": [3]}), on="item").updates
          item column old new
        0    b   left   2   3
        """
        plan: Plan = _checked(frame).clicdata.diff(rec_id, on, session=self.session, **options)
        return plan

    # -----------------------------------------------------------------------------------------------------
    # Versions

    @overload
    def restore(
        self,
        rec_id: int | str,
        ver_id: int | Literal["latest"],
        *,
        dry_run: Literal[False] = ...,
        progress: bool | None = ...,
    ) -> SyncReceipt: ...

    @overload
    def restore(
        self, rec_id: int | str, ver_id: int | Literal["latest"], *, dry_run: Literal[True], progress: bool | None = ...
    ) -> Plan: ...

    def restore(
        self, rec_id: int | str, ver_id: int | Literal["latest"], *, dry_run: bool = False, progress: bool | None = None
    ) -> SyncReceipt | Plan:
        """Restore the rows of a stored version in a data set, by as few changes as possible.

        The version and the data set are read, with a request per page. If a column has a different value in each row,
        it is the key: rows that differ are updated, appended or deleted. Otherwise, whole rows are compared. A delete
        then also deletes equal rows that should stay, so these are appended again. All appended rows are at the end of
        the data set.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        ver_id : int or "latest"
            The version.
        dry_run : bool, default False
            Whether to write nothing, and return the plan.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            Which rows were appended, updated and deleted. ``.undo()`` reverses this.

        Raises
        ------
        InputError
            The data set no longer has a column of the version; nothing was written.
        NotFound
            There is no such data set or version.
        ReadError
            The version or the data set could not be read completely; nothing was written.
        SyncInterrupted, SyncAmbiguous
            The call stopped midway, or its result is unknown: see ``.receipt``. It is safe to call it again.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]}).clicdata.push("Depot").rec_id
        >>> version = Data().get_data_history(rec_id)["version"].max()
        >>> receipt = pd.DataFrame({"item": ["b"], "left": [3]}).clicdata.sync(rec_id, on="item")
        >>> Data().restore(rec_id, version).complete
        True
        >>> sorted(pd.read_clicdata(rec_id)["item"])
        ['a', 'b']
        """
        dry, progress = bool(check_flag("dry_run", dry_run)), check_flag("progress", progress)
        ver_id = check_version(ver_id)
        data, rec_id = self._find(DATA_SET, rec_id)
        session = data.session
        version = _pages_of_version(session, rec_id, ver_id)
        plan = restore.restore(session, rec_id, version, pages_of(session, rec_id), progress)
        return planned(plan, SyncReceipt, dry_run=dry)

    def changes(
        self,
        rec_id: int | str,
        since: int,
        until: int | Literal["latest"] | None = None,
        *,
        progress: bool | None = None,
    ) -> Changes:
        """Compare two stored versions of a data set, or a version with the current rows.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        since : int
            The earlier version.
        until : int or "latest", optional
            The later version; by default the current rows.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.

        Returns
        -------
        Changes
            ``.added`` and ``.removed`` have rows of the data set. ``.changed`` has a row per changed cell; only if a
            column has a different value in each row.

        Raises
        ------
        NotFound
            There is no such data set or version.
        ReadError
            One of the two could not be read completely.

        Examples
        --------
        >>> rec_id = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]}).clicdata.push("Silo").rec_id
        >>> version = Data().get_data_history(rec_id)["version"].max()
        >>> receipt = pd.DataFrame({"item": ["b"], "left": [3]}).clicdata.upsert(rec_id, on="item")
        >>> Data().changes(rec_id, since=version).changed
          item column old new
        0    b   left   2   3
        """
        progress, first = check_flag("progress", progress), check_version(since)
        until = None if until is None else check_version(until)
        data, rec_id = self._find(DATA_SET, rec_id)
        session = data.session
        later = pages_of(session, rec_id) if until is None else _pages_of_version(session, rec_id, until)
        earlier = _pages_of_version(session, rec_id, first)
        return restore.changes(session, rec_id, earlier, later, progress)


def _pages_of_version(session: Session, rec_id: int, ver_id: int | Literal["latest"]) -> Pages:
    version = stored_version(session, rec_id, ver_id)
    return partial(iter_pages, session, rows_request(rec_id, version.number), PAGE_SIZE, total=version.rows)


def _checked(frame: Any) -> Any:
    if not hasattr(frame, "clicdata"):
        raise InputError(f"frame must be a DataFrame, not {type(frame).__name__}")
    return frame
