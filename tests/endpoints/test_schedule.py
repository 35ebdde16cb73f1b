"""`Schedule`: lists, one schedule in every likely shape, and the wait for the end of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from endpoints.literal import LiteralSession, Watch, refused, wrapped
from pandas_clicdata.endpoints.schedule import SCHEDULES, Schedule
from pandas_clicdata.errors import DeadlineExceeded, InputError, NotFound, ProtocolError, TransportError
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata import Session

NIGHTLY = {
    "id": 8,
    "name": "Nightly",
    "description": "d",
    "enabled": True,
    "frequency": "daily",
    "last_run_date": "2026-01-02T03:04:05+00:00",
    "next_run_date": None,
    "last_status": "succeeded",
    "tasks": [{"type": "refresh", "rec_id": 5}, "snapshot"],
}
ONE_SHAPES = {
    **wrapped(NIGHTLY, None, "schedule"),
    "in a list": [NIGHTLY],
    "under schedules": {"schedules": [NIGHTLY]},
    "in an envelope under schedules": {"success": True, "result": {"schedules": [NIGHTLY]}},
}


@pytest.mark.parametrize("shape", wrapped([], "schedules"))
def test_the_list_is_read_in_every_likely_shape(shape: str) -> None:
    body = wrapped([NIGHTLY], "schedules")[shape]
    schedules = Schedule(session=LiteralSession(body)).get_schedule()
    assert list(schedules.columns) == list(SCHEDULES)
    assert schedules[["rec_id", "name", "enabled", "tasks"]].to_numpy().tolist() == [[8, "Nightly", True, 2]]
    assert schedules["last_run_date"].iloc[0] == pd.Timestamp(NIGHTLY["last_run_date"])
    assert Schedule(session=LiteralSession(body)).get_schedule(output="dict") == [NIGHTLY]


@pytest.mark.parametrize("shape", ONE_SHAPES)
def test_one_schedule_is_read_in_every_likely_shape(shape: str) -> None:
    session = LiteralSession(ONE_SHAPES[shape])
    assert Schedule(session=session).get_schedule(8)["name"].tolist() == ["Nightly"]
    assert Schedule(session=session).get_schedule(8, "dict") == NIGHTLY
    assert session.calls() == ["GET /schedule/8"] * 2


def test_no_schedules_are_a_frame_of_the_same_dtypes() -> None:
    empty, full = (Schedule(session=LiteralSession({"schedules": s})).get_schedule() for s in ([], [NIGHTLY]))
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
    tasks = Schedule(session=LiteralSession({"schedules": []})).get_schedule_tasks()
    assert list(tasks.columns) == ["schedule_id", "schedule", "position", "type"]


def test_an_empty_list_of_schedules_is_not_found() -> None:
    with pytest.raises(NotFound):
        Schedule(session=LiteralSession({"schedules": []})).get_schedule(8)


def test_several_schedules_instead_of_one_are_refused() -> None:
    with pytest.raises(ProtocolError):
        Schedule(session=LiteralSession({"schedules": [NIGHTLY, NIGHTLY]})).get_schedule(8)


WEEKLY = {
    **NIGHTLY,
    "frequency": {"type": "weekly", "days": ["Mon", "Tue"], "times": ["08:00", "20:00"]},
    "time_zone": {"id": "Europe/Paris", "offset": 60},
    "next_run_date": {"date": "2026-01-03T03:04:05+01:00"},
    "tasks": [{"type": "refresh", "data": {"id": 5, "name": "Orders"}}],
}


def test_a_frequency_may_be_an_object() -> None:
    body = {"schedules": [NIGHTLY, WEEKLY, {**NIGHTLY, "tasks": 3}]}
    schedules = Schedule(session=LiteralSession(body)).get_schedule()
    added = [f"frequency.{key}" for key in ("type", "days", "times")]
    added += ["next_run_date.date", "time_zone.id", "time_zone.offset"]
    assert list(schedules.columns) == [*SCHEDULES, *added]
    assert schedules["frequency"].dropna().tolist() == ["daily", "daily"]
    assert schedules.loc[1, ["tasks", *added]].tolist() == [
        1, "weekly", '["Mon", "Tue"]', '["08:00", "20:00"]', "2026-01-03T03:04:05+01:00", "Europe/Paris", 60,
    ]  # fmt: skip
    assert schedules["tasks"].tolist() == [2, 1, 3]
    plain = Schedule(session=LiteralSession({"schedules": [NIGHTLY]})).get_schedule()
    pd.testing.assert_series_equal(schedules.dtypes[list(SCHEDULES)], plain.dtypes)
    tasks = Schedule(session=LiteralSession(body)).get_schedule_tasks()
    assert tasks[["schedule_id", "position", "type", "data.id", "data.name"]].to_numpy().tolist()[2] == [
        8, 1, "refresh", 5, "Orders",
    ]  # fmt: skip
    assert Schedule(session=LiteralSession(body)).get_schedule(output="dict") == body["schedules"]
    assert "weekly" in schedules.to_html()


@pytest.mark.parametrize("rec_id", [None, 8])
def test_tasks_are_rows_in_order_with_all_their_keys(rec_id: int | None) -> None:
    tasks = Schedule(session=LiteralSession({"schedules": [NIGHTLY]})).get_schedule_tasks(rec_id)
    assert tasks[["schedule_id", "schedule", "position", "type"]].to_numpy().tolist() == [
        [8, "Nightly", 1, "refresh"],
        [8, "Nightly", 2, "snapshot"],
    ]
    assert tasks["rec_id"].tolist()[0] == 5  # the task's own


# ---------------------------------------------------------------------------------------------------------
# Running


def watched(session: LiteralSession) -> tuple[Schedule, Watch]:
    watch = Watch()
    schedule = Schedule(session=session)
    schedule._sleep, schedule._clock = watch.sleep, lambda: watch.now
    return schedule, watch


def seen(status: str | None, date: str = "2026-01-01T00:00:00+00:00") -> dict[str, Any]:
    return {"id": 8, "last_status": status, "last_run_date": date}


LATER = "2026-01-02T00:00:00+00:00"


def test_a_run_of_a_schedule_with_an_object_is_followed() -> None:
    ended = {**WEEKLY, **seen("succeeded", LATER)}
    session = LiteralSession({**WEEKLY, **seen("succeeded")}, {"success": True}, {**WEEKLY, **seen("running")}, ended)
    assert watched(session)[0].trigger_schedule(8, wait=True) == ended


def test_a_trigger_without_waiting_is_one_request() -> None:
    session = LiteralSession({"success": True})
    assert Schedule(session=session).trigger_schedule(8) == {"success": True}
    assert session.calls() == ["POST /schedule/8/trigger"]


@pytest.mark.parametrize(
    "course",
    [
        [seen("running", LATER), seen("running", LATER), seen("succeeded", LATER)],
        [seen("Running"), seen("In Progress"), seen("failed")],
        [seen("succeeded"), seen("queued"), seen("succeeded", LATER)],
        [seen("succeeded"), seen("succeeded"), seen("succeeded", LATER)],
    ],
    ids=["date at the start", "no date", "begins late", "never seen running"],
)
def test_a_run_is_read_until_it_has_ended(course: list[dict[str, Any]]) -> None:
    session = LiteralSession(seen("succeeded"), {"success": True}, *course)
    schedule, watch = watched(session)
    assert schedule.trigger_schedule(8, wait=True) == course[-1]
    assert session.calls() == ["GET /schedule/8", "POST /schedule/8/trigger", *["GET /schedule/8"] * 3]
    assert len(watch.slept) == 3


def test_pauses_grow_and_stay_bounded() -> None:
    runs = [seen("running")] * 30
    schedule, watch = watched(LiteralSession(seen("succeeded"), {"success": True}, *runs, seen("succeeded")))
    schedule.trigger_schedule(8, wait=True)
    assert watch.slept[0] == 0.5
    assert sorted(watch.slept) == watch.slept
    assert watch.slept[-1] == 10


def test_the_error_after_a_timeout_says_that_the_run_goes_on() -> None:
    schedule, watch = watched(LiteralSession(seen("succeeded"), {"success": True}, seen("running")))
    with pytest.raises(DeadlineExceeded, match=r"30 s.*Schedule 8 was triggered and its run goes on") as caught:
        schedule.trigger_schedule(8, wait=True, timeout=30)
    assert sum(watch.slept) == pytest.approx(30)
    assert not caught.value.in_doubt


def test_an_error_while_waiting_says_that_the_run_goes_on() -> None:
    session = LiteralSession(seen("succeeded"), {"success": True}, TransportError("the line is dead"))
    schedule, _ = watched(session)
    with pytest.raises(TransportError, match=r"dead\. Schedule 8 was triggered and its run goes on") as caught:
        schedule.trigger_schedule(8, wait=True)
    assert not caught.value.in_doubt


def test_a_trigger_whose_answer_is_lost_is_in_doubt_and_not_repeated() -> None:
    session = LiteralSession(seen("succeeded"), TransportError("lost"))
    schedule, _ = watched(session)
    with pytest.raises(TransportError) as caught:
        schedule.trigger_schedule(8, wait=True)
    assert caught.value.in_doubt
    assert session.calls() == ["GET /schedule/8", "POST /schedule/8/trigger"]


def test_an_unknown_schedule_is_not_triggered() -> None:
    session = LiteralSession(refused(404))
    with pytest.raises(NotFound):
        Schedule(session=session).trigger_schedule(8, wait=True)
    assert session.calls() == ["GET /schedule/8"]


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 10**400, "5", None, True, np.array([5])])
def test_a_bad_timeout_is_refused_before_any_request(timeout: Any) -> None:
    session = LiteralSession({"success": True})
    with pytest.raises(InputError, match="timeout"):
        Schedule(session=session).trigger_schedule(8, wait=True, timeout=timeout)
    assert session.asked == []


@pytest.mark.parametrize("timeout", [5, 0.5, np.int64(5), np.float32(5), np.float64(5)])
def test_any_type_of_number_is_a_timeout(timeout: Any) -> None:
    schedule, _ = watched(LiteralSession(seen("succeeded"), {"success": True}, seen("succeeded", LATER)))
    assert schedule.trigger_schedule(8, wait=True, timeout=timeout)["last_run_date"] == LATER


def test_progress_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    answers = (seen("succeeded"), {"success": True}, seen("running"), seen("succeeded"))
    for progress, shown in ((True, True), (False, False), (None, False)):
        schedule, _ = watched(LiteralSession(*answers))
        schedule.trigger_schedule(8, wait=True, progress=progress)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert ("schedule 8" in captured.err) is shown
    with pytest.raises(InputError, match="progress"):
        schedule.trigger_schedule(8, wait=True, progress="yes")  # type: ignore[arg-type]  # on purpose


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session on a sandbox whose schedules run for 0.2 seconds, and which polls often."""
    with start(schedule_seconds=0.2) as sandbox, sandbox.session(api_version=request.param) as opened:
        monkeypatch.setattr(Schedule, "_sleep", staticmethod(lambda seconds: time.sleep(0.05)))
        manager.make_default(opened)
        yield opened


def test_on_the_sandbox(session: Session) -> None:
    schedules = Schedule().get_schedule()
    rec_id = int(schedules.loc[schedules["last_status"].isna(), "rec_id"].iloc[0])
    after = Schedule().trigger_schedule(rec_id, wait=True, timeout=30)
    assert after["last_status"] == "succeeded"
    assert Schedule().get_schedule(rec_id)["last_run_date"].notna().all()
    assert len(Schedule().get_schedule_tasks(rec_id)) == len(after["tasks"])
    with pytest.raises(NotFound):
        Schedule().trigger_schedule(987_654)
