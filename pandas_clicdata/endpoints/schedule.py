"""Schedules: list, read, trigger, and wait for the end of a run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.arguments import Output, check_flag, check_output
from pandas_clicdata.endpoints.answers import count, parse_object, parse_result
from pandas_clicdata.endpoints.endpoint import Endpoint
from pandas_clicdata.endpoints.waiting import check_timeout, wait_until
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.names import SCHEDULE, rename_id
from pandas_clicdata.progress import bar
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import Request, get

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

SCHEDULES = {  # C: every key (O18)
    "rec_id": "integer",
    "name": "text",
    "description": "text",
    "enabled": "boolean",
    "frequency": "text",
    "last_run_date": "datetime",
    "next_run_date": "datetime",
    "last_status": "text",
    "tasks": "integer",
}
TASKS = {"schedule_id": "integer", "schedule": "text", "position": "integer", "type": "text"}
RUNNING = ("running", "queued", "pending", "waiting", "started", "inprogress")  # C: values of last_status (O18)


class Schedule(Endpoint):
    """The schedules of an account."""

    @overload
    def get_schedule(self, rec_id: int | str | None = ..., output: Literal["df"] = ...) -> pd.DataFrame: ...

    @overload
    def get_schedule(self, rec_id: None = ..., *, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    @overload
    def get_schedule(self, rec_id: int | str, output: Literal["dict"]) -> dict[str, Any]: ...

    @overload
    def get_schedule(
        self, rec_id: int | str | None = ..., output: Output = ...
    ) -> pd.DataFrame | list[dict[str, Any]] | dict[str, Any]: ...

    def get_schedule(
        self, rec_id: int | str | None = None, output: Output = "df"
    ) -> pd.DataFrame | list[dict[str, Any]] | dict[str, Any]:
        """List the schedules, or read one.

        Parameters
        ----------
        rec_id : int or str, optional
            The schedule to read, by its id or exact name. Without it, all are listed.
        output : {"df", "dict"}, default "df"
            A frame, or dicts as ClicData sent them: a list, or one dict if ``rec_id`` is given.

        Returns
        -------
        DataFrame, list of dict or dict
            A row per schedule: ``rec_id`` (Int64), ``name``, ``description`` (text), ``enabled`` (boolean),
            ``frequency`` (text), ``last_run_date``, ``next_run_date`` (datetime, UTC), ``last_status`` (text),
            ``tasks`` (Int64: their number; `get_schedule_tasks` lists them), and any other key that ClicData sends.
            Each key of an object is a column, such as ``frequency.type``.

        Raises
        ------
        InputError
            An argument can't be used.
        NotFound
            There is no such schedule.

        Notes
        -----
        ``GET /schedule``; ``GET /schedule/{id}``.

        Examples
        --------
        >>> schedules = Schedule().get_schedule()
        >>> schedules.loc[schedules["enabled"], "name"].tolist()
        ['Every morning', 'Every Monday']
        """
        check_output(output)
        found = self._records(rec_id)
        if output == "df":
            return _to_frame(found)
        return found if rec_id is None else found[0]

    def get_schedule_tasks(self, rec_id: int | str | None = None) -> pd.DataFrame:
        """List the tasks of the schedules in their order.

        Parameters
        ----------
        rec_id : int or str, optional
            The schedule whose tasks to list, by its id or exact name. Without it, the tasks of all schedules.

        Returns
        -------
        DataFrame
            A row per task: ``schedule_id`` (Int64) and ``schedule`` (text), the id and name of its schedule;
            ``position`` (Int64, from 1); ``type`` (text), and any other key that ClicData sends.

        Raises
        ------
        InputError
            ``rec_id`` can't be used.
        NotFound
            There is no such schedule.

        Notes
        -----
        ``GET /schedule``; ``GET /schedule/{id}``.

        Examples
        --------
        >>> tasks = Schedule().get_schedule_tasks()
        >>> tasks.loc[tasks["schedule"] == "Every morning", "type"].tolist()
        ['refresh', 'snapshot']
        """
        found = self._records(rec_id)
        return frame_of_records([task for schedule in found for task in _parse_tasks(schedule)], TASKS)

    def trigger_schedule(
        self, rec_id: int | str, wait: bool = False, timeout: float = 600, *, progress: bool | None = None
    ) -> dict[str, Any]:
        """Run a schedule now.

        The request is never repeated.

        Parameters
        ----------
        rec_id : int or str
            The schedule, by its id or exact name.
        wait : bool, default False
            Whether to wait for the end of the run. Until then, the schedule is read repeatedly.
        timeout : float, default 600
            Seconds to wait at most.
        progress : bool, optional
            Whether to show a bar while it waits; by default in a notebook, and if stderr is a terminal.

        Returns
        -------
        dict
            The response of ClicData; with ``wait``, the schedule after its run, with the result in ``"last_status"``.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such schedule.
        DeadlineExceeded
            The run did not end within ``timeout`` seconds. It continues at the service.
        TransportError
            No response came; ``.in_doubt`` is True if the run may have begun.

        Notes
        -----
        ``POST /schedule/{id}/trigger``.

        The run has ended when the schedule isn't running, and either was seen running or has a new ``last_run_date``.
        A run that had started earlier can't be distinguished from the triggered run.

        Examples
        --------
        >>> rec_id = int(Schedule().get_schedule()["rec_id"].iloc[0])
        >>> Schedule().trigger_schedule(rec_id)
        {'success': True}
        """
        timeout, progress = check_timeout(timeout), check_flag("progress", progress)
        held, rec_id = self._find(SCHEDULE, rec_id)
        request = Request("trigger a schedule", "POST", f"/schedule/{rec_id}/trigger")
        if not wait:
            return parse_result(held._call(request))
        with bar(progress, f"schedule {rec_id}", None, "second") as shown:
            before = held._read(rec_id)
            held._call(request).value()
            too_late = (
                f"the run is not over after {timeout:g} s (timeout=); look again with Schedule().get_schedule({rec_id})"
            )
            goes_on = f"Schedule {rec_id} was triggered and its run goes on."
            started = False

            def is_over(schedule: dict[str, Any]) -> bool:
                nonlocal started
                is_running = _is_running(schedule)
                started = started or is_running or schedule.get("last_run_date") != before.get("last_run_date")
                return started and not is_running

            read = partial(held._read, rec_id)
            return wait_until(is_over, read, held, timeout, shown.update, request.operation, too_late, goes_on)

    def _read(self, rec_id: int) -> dict[str, Any]:
        reply = self._call(get("read a schedule", f"/schedule/{rec_id}"))
        return parse_object(reply, "schedules", "schedule")  # C: the key of one schedule, if any (O18)

    def _records(self, rec_id: int | str | None) -> list[dict[str, Any]]:
        """Return the schedule, or all of them."""
        if rec_id is None:
            return records(self._call, get("list schedules", "/schedule", key="schedules"))
        held, rec_id = self._find(SCHEDULE, rec_id)
        return [held._read(rec_id)]


def _to_frame(schedules: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [{**rename_id(schedule, "rec_id"), "tasks": count(schedule.get("tasks"))} for schedule in schedules]
    return frame_of_records(rows, SCHEDULES)


def _parse_tasks(schedule: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record per task. A task may be an object, or only the text of its type."""
    tasks = schedule.get("tasks")
    schedule_cells = {"schedule_id": rename_id(schedule, "rec_id")["rec_id"], "schedule": schedule.get("name")}
    return [
        {**(task if isinstance(task, dict) else {"type": task}), **schedule_cells, "position": position}
        for position, task in enumerate(tasks if isinstance(tasks, list) else [], start=1)
    ]


def _is_running(schedule: Mapping[str, Any]) -> bool:
    return "".join(c for c in str(schedule.get("last_status")).lower() if c.isalpha()) in RUNNING
