"""`Data.rebuild_data` with ``wait``: it returns when the list of data sets has a new date."""

from __future__ import annotations

import time
from typing import Any

import pytest

from endpoints.literal import LiteralSession, Watch, refused, wrapped
from pandas_clicdata import Data, Session
from pandas_clicdata.errors import ApiError, DeadlineExceeded, InputError, NotFound, ProtocolError, TransportError
from pandas_clicdata.session.wire import Dialect

DONE = {"success": True}
OTHER = {"id": 6, "name": "Other", "last_data_update_date": "2020-01-01T00:00:00+00:00"}


def listed(date: str | None, **more: Any) -> dict[str, Any]:
    return {"data": [OTHER, {"id": 5, "name": "Sales", "last_data_update_date": date, **more}]}


OLD, NEW = listed("2026-01-01T00:00:00+00:00"), listed("2026-01-02T00:00:00+00:00")


def watched(*answers: Any, dialect: Dialect = Dialect.LEGACY) -> tuple[Data, LiteralSession, Watch]:
    session, watch = LiteralSession(*answers, dialect=dialect), Watch()
    session.columns = {}  # type: ignore[attr-defined]
    data = Data(session=session)  # type: ignore[arg-type]
    data._sleep, data._clock = watch.sleep, lambda: watch.now
    return data, session, watch


def test_the_list_is_read_until_it_has_a_new_date() -> None:
    data, session, watch = watched(OLD, DONE, OLD, OLD, NEW)
    assert data.rebuild_data(5, wait=True) == NEW["data"][1]
    assert session.calls() == ["GET /data", "POST /data/5/rebuild", *["GET /data"] * 3]
    assert len(watch.slept) == 4
    assert watch.slept[0] >= 1, "a refresh within the second of the last change would not show"


@pytest.mark.parametrize("shape", wrapped([], "data"))
def test_the_list_is_read_in_every_likely_shape(shape: str) -> None:
    before, after = (wrapped(body["data"][1:], "data")[shape] for body in (OLD, NEW))
    data, _, _ = watched(before, DONE, after)
    assert data.rebuild_data(5, wait=True)["last_data_update_date"].startswith("2026-01-02")


def test_it_waits_in_the_modern_dialect_too() -> None:
    data, session, _ = watched(OLD["data"], DONE, NEW["data"], dialect=Dialect.MODERN)
    assert data.rebuild_data(5, "append", wait=True) == NEW["data"][1]
    assert session.calls()[1] == "POST /table/5/refresh"
    assert session.bodies() == [{"mode": "append"}]


def test_a_data_set_that_never_changed_has_no_date() -> None:
    data, _, watch = watched(listed(None), DONE, NEW)
    assert data.rebuild_data(5, wait=True) == NEW["data"][1]
    assert watch.slept == [0.5]


def test_without_wait_it_is_one_request() -> None:
    data, session, watch = watched(DONE)
    assert data.rebuild_data(5) == DONE
    assert session.calls() == ["POST /data/5/rebuild"]
    assert watch.slept == []


def test_nothing_is_refreshed_whose_end_could_not_be_seen() -> None:
    for body, error in (
        ({"data": [OTHER]}, NotFound),
        ({"data": [OTHER, {"id": 5, "name": "Sales"}]}, ProtocolError),
    ):
        data, session, _ = watched(body)
        with pytest.raises(error):
            data.rebuild_data(5, wait=True)
        assert session.calls() == ["GET /data"]


def test_the_error_after_a_timeout_says_what_the_list_says() -> None:
    data, _, watch = watched(OLD, DONE, OLD)
    with pytest.raises(DeadlineExceeded, match=r"2026-01-01.*30 s.*refresh=True.*may go on") as caught:
        data.rebuild_data(5, wait=True, timeout=30)
    assert sum(watch.slept[1:]) == pytest.approx(30)
    assert not caught.value.in_doubt


def test_an_error_while_waiting_says_that_the_refresh_was_requested() -> None:
    data, _, _ = watched(OLD, DONE, TransportError("the line is dead"))
    with pytest.raises(TransportError, match=r"dead\. The refresh of data set 5 was requested") as caught:
        data.rebuild_data(5, wait=True)
    assert not caught.value.in_doubt


def test_a_refresh_whose_response_is_lost_is_in_doubt_and_not_repeated() -> None:
    data, session, _ = watched(OLD, TransportError("lost"))
    with pytest.raises(TransportError) as caught:
        data.rebuild_data(5, wait=True)
    assert caught.value.in_doubt
    assert session.calls() == ["GET /data", "POST /data/5/rebuild"]


def test_a_refused_refresh_is_not_waited_for() -> None:
    data, session, _ = watched(OLD, refused(400))
    with pytest.raises(ApiError):
        data.rebuild_data(5, wait=True)
    assert session.calls() == ["GET /data", "POST /data/5/rebuild"]


@pytest.mark.parametrize("bad", [{"timeout": 0}, {"timeout": "5"}, {"wait": "yes"}, {"progress": 3}, {"method": "x"}])
def test_a_bad_argument_is_refused_before_any_request(bad: dict[str, Any]) -> None:
    data, session, _ = watched(DONE)
    with pytest.raises(InputError):
        data.rebuild_data(5, **{"wait": True, **bad})
    assert session.asked == []


def test_progress_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for progress, shown in ((True, True), (None, False)):
        watched(OLD, DONE, NEW)[0].rebuild_data(5, wait=True, progress=progress)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert ("refresh 5" in captured.err) is shown


def test_on_the_sandbox(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Data().get_data(output="dict")[2]["last_data_update_date"]
    pauses = [1.0]  # the first wait is needed: the sandbox writes dates in whole seconds
    monkeypatch.setattr(Data, "_sleep", staticmethod(lambda _: time.sleep(pauses.pop() if pauses else 0)))
    after = Data().rebuild_data(1003, wait=True, timeout=30)
    assert after["name"] == Data().get_data(output="dict")[2]["name"]
    assert after["last_data_update_date"] != before
