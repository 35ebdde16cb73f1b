"""Schedules: list, read, trigger, and follow a run to its end."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.endpoints.answers import one, said, with_id
from pandas_clicdata.endpoints.data import OUTPUTS, Output
from pandas_clicdata.endpoints.noun import Noun, checked_choice, whole_id
from pandas_clicdata.errors import ClicDataError, DeadlineExceeded, InputError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.progress import bar
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import Request, get

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

# C: every key.
SCHEDULES = {
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
UNDER_WAY = frozenset({"running", "queued", "pending", "waiting", "started", "inprogress"})  # C: what last_status says

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds between two looks at a run


class Schedule(Noun):
    """The schedules of an account.

    Parameters
    ----------
    session : Session, optional
        What to call through; the default session if not given.
    **connection_params
        Those of `Session`, for a session of its own.
    """

    _sleep: Callable[[float], object] = staticmethod(time.sleep)
    _clock: Callable[[], float] = staticmethod(time.monotonic)

    @overload
    def get_schedule(self, rec_id: int | None = ..., output: Literal["df"] = ...) -> pd.DataFrame: ...

    @overload
    def get_schedule(self, rec_id: None = ..., *, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    @overload
    def get_schedule(self, rec_id: int, output: Literal["dict"]) -> dict[str, Any]: ...

    @overload
    def get_schedule(
        self, rec_id: int | None = ..., output: Output = ...
    ) -> pd.DataFrame | list[dict[str, Any]] | dict[str, Any]: ...

    def get_schedule(
        self, rec_id: int | None = None, output: Output = "df"
    ) -> pd.DataFrame | list[dict[str, Any]] | dict[str, Any]:
        """List the schedules, or read one.

        ``GET /schedule``; ``GET /schedule/{id}``

        Parameters
        ----------
        rec_id : int, optional
            The schedule to read. Not given, all are listed.
        output : {"df", "dict"}, default "df"
            A frame, or what ClicData gave: a list of dicts, or one dict if ``rec_id`` is given.

        Returns
        -------
        DataFrame, list of dict or dict
            A row per schedule: ``rec_id`` (Int64), ``name``, ``description`` (text), ``enabled`` (boolean),
            ``frequency`` (text), ``last_run_date``, ``next_run_date`` (datetime, UTC), ``last_status`` (text),
            ``tasks`` (Int64: how many; `get_schedule_tasks` has them), and whatever else ClicData says.

        Raises
        ------
        InputError
            An argument can't be used.
        NotFound
            There is no such schedule.

        Examples
        --------
        >>> schedules = Schedule().get_schedule()
        >>> schedules.loc[schedules["enabled"], "name"].tolist()
        ['Every morning', 'Every Monday']
        """
        checked_choice("output", output, OUTPUTS)
        if rec_id is not None:
            schedule = self._read(whole_id("rec_id", rec_id))
            return schedule if output == "dict" else _frame([schedule])
        listed = self._listed()
        return listed if output == "dict" else _frame(listed)

    def get_schedule_tasks(self, rec_id: int | None = None) -> pd.DataFrame:
        """The tasks of the schedules in their order.

        ``GET /schedule``; ``GET /schedule/{id}``

        Parameters
        ----------
        rec_id : int, optional
            The schedule whose tasks are wanted. Not given, those of all.

        Returns
        -------
        DataFrame
            A row per task: ``schedule_id`` (Int64) and ``schedule`` (text), the id and name of its schedule;
            ``position`` (Int64, from 1); ``type`` (text), and whatever else ClicData says of the task.

        Raises
        ------
        InputError
            ``rec_id`` is no id.
        NotFound
            There is no such schedule.

        Examples
        --------
        >>> tasks = Schedule().get_schedule_tasks()
        >>> tasks.loc[tasks["schedule"] == "Every morning", "type"].tolist()
        ['refresh', 'snapshot']
        """
        schedules = self._listed() if rec_id is None else [self._read(whole_id("rec_id", rec_id))]
        return frame_of_records([task for schedule in schedules for task in _tasks(schedule)], TASKS)

    def trigger_schedule(
        self, rec_id: int, wait: bool = False, timeout: float = 600, *, progress: bool | None = None
    ) -> dict[str, Any]:
        """Run a schedule now.

        ``POST /schedule/{id}/trigger``. It is never repeated by itself.

        Parameters
        ----------
        rec_id : int
            The schedule.
        wait : bool, default False
            Whether to follow the schedule, by reading it again and again, until the run is over.
        timeout : float, default 600
            Seconds to wait for the end at most.
        progress : bool, optional
            Whether to show the waiting on stderr; by default where that is a terminal.

        Returns
        -------
        dict
            What ClicData said; with ``wait``, the schedule after its run, where ``"last_status"`` says how it ended.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such schedule.
        DeadlineExceeded
            The run was not over after ``timeout`` seconds. It goes on at the service.
        TransportError
            ``.in_doubt`` says whether the run may have begun.

        Notes
        -----
        The run is over when the schedule is no longer under way and has either been seen so or has another
        ``last_run_date`` than before. A run that was going on already is not told apart from the one that was
        triggered.

        Examples
        --------
        >>> rec_id = int(Schedule().get_schedule()["rec_id"].iloc[0])
        >>> Schedule().trigger_schedule(rec_id)
        {'success': True}
        """
        rec_id = whole_id("rec_id", rec_id)
        timeout = _seconds(timeout)
        asked = Request("trigger a schedule", "POST", f"/schedule/{rec_id}/trigger")
        if not wait:
            return said(self._call(asked))
        with bar(progress, f"schedule {rec_id}", None, "second") as shown:
            before = self._read(rec_id)
            self._call(asked).value()
            try:
                return self._followed(rec_id, before, timeout, shown.update)
            except ClicDataError as error:
                error.args = (f"{error.args[0]}. Schedule {rec_id} was triggered and its run goes on.",)
                raise

    def _followed(
        self, rec_id: int, before: Mapping[str, Any], timeout: float, tell: Callable[[float], object]
    ) -> dict[str, Any]:
        """The schedule once the run that was triggered is over."""
        began = now = self._clock()
        pause, seen_under_way = _FIRST_PAUSE, False
        while True:
            self._sleep(min(pause, max(0.0, began + timeout - now)))
            pause = min(_LONGEST_PAUSE, 1.5 * pause)
            schedule = self._read(rec_id)
            tell(self._clock() - now)
            now = self._clock()
            under_way = _is_under_way(schedule)
            ran = seen_under_way or schedule.get("last_run_date") != before.get("last_run_date")
            if ran and not under_way:
                return schedule
            seen_under_way = seen_under_way or under_way
            if now >= began + timeout:
                raise DeadlineExceeded(
                    f"trigger a schedule: the run is not over after {timeout:g} s (timeout=); look again with "
                    f"Schedule().get_schedule({rec_id})",
                    operation="trigger a schedule",
                )

    def _read(self, rec_id: int) -> dict[str, Any]:
        reply = self._call(get("read a schedule", f"/schedule/{rec_id}"))
        return one(reply, "schedules", "schedule")  # C: the name under which one schedule comes, if any

    def _listed(self) -> list[dict[str, Any]]:
        return records(self._call, get("list schedules", "/schedule", key="schedules"))


def _frame(schedules: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [{**with_id(schedule, "rec_id"), "tasks": _count(schedule)} for schedule in schedules]
    return frame_of_records(rows, SCHEDULES)


def _count(schedule: Mapping[str, Any]) -> int | None:
    tasks = schedule.get("tasks")
    return len(tasks) if isinstance(tasks, list) else None


def _tasks(schedule: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A record per task; one that is bare text is its type."""
    tasks = schedule.get("tasks")
    head = {"schedule_id": with_id(schedule, "rec_id")["rec_id"], "schedule": schedule.get("name")}
    return [
        {**(task if isinstance(task, dict) else {"type": task}), **head, "position": position}
        for position, task in enumerate(tasks if isinstance(tasks, list) else [], start=1)
    ]


def _is_under_way(schedule: Mapping[str, Any]) -> bool:
    return "".join(c for c in str(schedule.get("last_status")).lower() if c.isalpha()) in UNDER_WAY


def _seconds(timeout: Any) -> float:
    known = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not known or not math.isfinite(timeout) or timeout <= 0:
        raise InputError(f"timeout must be a number of seconds above 0, not {timeout!r}")
    return float(timeout)
