"""Ids by exact names of data sets, schedules and teams, and by mail of users; or an error before any write."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from endpoints.literal import LiteralSession
from pandas_clicdata import Data, Schedule, Team, User, append, errors, resume_append
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

FRAME = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})
NAME = "Stock of the north"

CALLS: dict[str, Callable[[Any], Any]] = {
    "read_clicdata": lambda one: pandas_clicdata.read_clicdata(one),
    "read in chunks": lambda one: list(pandas_clicdata.read_clicdata(one, chunksize=1)),
    "read_arrow": lambda one: pandas_clicdata.read_arrow(one),
    "latest": lambda one: pandas_clicdata.read_clicdata(one, ver_id="latest"),
    "get_data": lambda one: Data().get_data(one),
    "get_data_history": lambda one: Data().get_data_history(one),
    "a version": lambda one: Data().get_data_history(one, "latest"),
    "pages": lambda one: list(Data().pages(one)),
    "append_data": lambda one: Data().append_data(one, FRAME),
    "update_data": lambda one: Data().update_data(one, {"item": "a"}, {"left": 5}),
    "delete_data": lambda one: Data().delete_data(one, {"item": "a"}),
    "upsert_data": lambda one: Data().upsert_data(one, FRAME.assign(left=7), on="item"),
    "sync_data": lambda one: Data().sync_data(one, FRAME.head(1), on="item"),
    "replace_data": lambda one: Data().replace_data(one, FRAME),
    "diff_data": lambda one: Data().diff_data(one, FRAME, on="item"),
    "restore": lambda one: Data().restore(one, "latest"),
    "changes": lambda one: Data().changes(one, since=1),
    "df.append": lambda one: FRAME.clicdata.append(one),
    "df.append, dry": lambda one: FRAME.clicdata.append(one, dry_run=True, check=True),
    "df.delete_rows": lambda one: FRAME.clicdata.delete_rows(one, on="item"),
    "df.delete_rows, unread": lambda one: FRAME.clicdata.delete_rows(one, on="item", keep=False),
    "df.update_rows": lambda one: FRAME.assign(left=8).clicdata.update_rows(one, on="item"),
    "df.upsert": lambda one: FRAME.clicdata.upsert(one, on="item"),
    "df.sync": lambda one: FRAME.clicdata.sync(one, on="item"),
    "df.replace": lambda one: FRAME.clicdata.replace(one, by="item"),
    "df.diff": lambda one: FRAME.clicdata.diff(one, on="item"),
    "append": lambda one: append([FRAME], one),
}


@pytest.fixture
def rec_id(session: Session, clicdata_sandbox: Sandbox) -> int:
    """The data set `NAME`, between others with similar names."""
    for name in (NAME.lower(), f"{NAME} ", NAME.replace(" ", "\xa0")):
        FRAME.clicdata.push(name)
    found: int = FRAME.clicdata.push(NAME).rec_id
    FRAME.clicdata.push(f" {NAME}")
    clicdata_sandbox.requests.clear()
    return found


def asked(sandbox: Sandbox) -> list[str]:
    return [f"{seen.method} {seen.path}" for seen in sandbox.requests]


@pytest.mark.wide(2)
@pytest.mark.parametrize("name", CALLS)
def test_every_call_takes_a_name_and_reaches_that_data_set_only(
    name: str, rec_id: int, clicdata_sandbox: Sandbox
) -> None:
    CALLS[name](NAME)
    first, *others = asked(clicdata_sandbox)
    assert first == "GET /data"
    assert others
    assert all(f"/{rec_id}" in other for other in others), others


@pytest.mark.wide(6)
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("unknown", [NAME.upper(), f"{NAME}  ", "1001"])
def test_a_name_of_none_sends_nothing_but_the_look(
    name: str, unknown: str, rec_id: int, clicdata_sandbox: Sandbox
) -> None:
    with pytest.raises(errors.NotFound, match="there is no data set named"):
        CALLS[name](unknown)
    assert asked(clicdata_sandbox) == ["GET /data"]


def test_the_message_says_which_ones_are_meant_perhaps(session: Session) -> None:
    with pytest.raises(errors.NotFound) as raised:
        pandas_clicdata.read_clicdata("shops ")
    assert str(raised.value) == (
        "there is no data set named 'shops '; did you mean 'Shops' (rec_id 1001)? Letter case and blanks count."
    )
    with pytest.raises(errors.NotFound, match=r"did you mean 'Sales targets' \(rec_id 1003\)\?$"):
        pandas_clicdata.read_clicdata("Sale target")
    with pytest.raises(errors.NotFound, match=r"there are: 'Shops' \(rec_id 1001\), "):
        pandas_clicdata.read_clicdata("Zzz")
    with pytest.raises(errors.NotFound, match=r"A text is always a name: give the id as a number, rec_id=1001\.$"):
        pandas_clicdata.read_clicdata("1001")
    with pytest.raises(errors.NotFound, match=r"\(rec_id 1003\)\. A text is always a name"):
        pandas_clicdata.read_clicdata("777")


def test_digits_are_a_name_too(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("1001").rec_id
    assert rec_id != 1001
    assert pandas_clicdata.read_clicdata("1001")["item"].tolist() == ["a", "b"]
    assert FRAME.clicdata.append("1001").rec_id == rec_id


def test_several_of_a_name_are_listed_with_their_ids() -> None:
    session = LiteralSession({"data": [{"id": 5, "name": "Stock"}, {"id": 6, "name": "Stock"}]})
    with pytest.raises(errors.InputError, match="2 data sets are named 'Stock': give rec_id as a number, one of 5, 6"):
        FRAME.clicdata.append("Stock", session=session)
    assert session.calls() == ["GET /data"]


@pytest.mark.parametrize("record", [{"name": "Stock"}, {"name": "Stock", "id": "x"}, {"name": "Stock", "id": 1.5}])
def test_a_data_set_without_an_id_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(errors.ProtocolError, match="without an id"):
        FRAME.clicdata.append("Stock", session=LiteralSession({"data": [record]}))


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "\ud800"])
def test_what_is_no_name_is_refused_before_any_request(name: str) -> None:
    session = LiteralSession()
    with pytest.raises(errors.InputError, match="rec_id"):
        FRAME.clicdata.append(name, session=session)
    assert session.calls() == []


WRONG: dict[str, Callable[[], Any]] = {
    "append": lambda: FRAME.clicdata.append(NAME, workers=0),
    "append_data": lambda: Data().append_data(NAME, FRAME, chunksize=0),
    "read": lambda: pandas_clicdata.read_clicdata(NAME, workers=0),
    "history": lambda: Data().get_data_history(NAME, 0),
    "update_data": lambda: Data().update_data(NAME, {}, {"left": 1}),
    "delete_data": lambda: Data().delete_data(NAME, {"left": None}),
    "rebuild_data": lambda: Data().rebuild_data(NAME, "again"),  # type: ignore[arg-type]
    "sync": lambda: FRAME.clicdata.sync(NAME, on="item", max_deletes=-1),
    "trigger_schedule": lambda: Schedule().trigger_schedule("Every morning", timeout=0),
    "set_parameter": lambda: Team().set_parameter("North", "", 1),
    "update_user": lambda: User().update_user("li@example.com"),
    "add_user": lambda: Team().add_user("North", 0),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_name_is_looked_up_when_the_other_arguments_are_checked(
    name: str, session: Session, clicdata_sandbox: Sandbox
) -> None:
    with pytest.raises(errors.InputError):
        WRONG[name]()
    assert asked(clicdata_sandbox) == []


def test_receipt_and_journal_hold_the_id(rec_id: int, tmp_path: Path, clicdata_sandbox: Sandbox) -> None:
    clicdata_sandbox.faults.status(403, method="POST", after=1)
    with pytest.raises(errors.AppendInterrupted) as raised:
        FRAME.clicdata.append(NAME, chunksize=1, journal=tmp_path / "journal")
    clicdata_sandbox.faults.clear()
    assert raised.value.receipt.rec_id == rec_id
    assert pandas_clicdata.AppendReceipt.load(tmp_path / "journal").rec_id == rec_id
    with pytest.raises(errors.JournalMismatch, match=f"it is of data set {rec_id}, not"):
        resume_append(FRAME, tmp_path / "journal", rec_id=NAME.lower())
    assert resume_append(FRAME, tmp_path / "journal", rec_id=NAME).complete
    assert len(pandas_clicdata.read_clicdata(rec_id)) == 4


def test_notes_of_a_read_count_for_a_name_too(session: Session) -> None:
    frame = pandas_clicdata.read_clicdata("Shops", parse_dates=["opened"])
    assert frame.attrs["clicdata"]["rec_id"] == 1001
    assert frame.attrs["clicdata"]["types"] == {"opened": "date"}
    assert frame.clicdata.diff("Shops", on="shop_code").updates.empty


@pytest.mark.parametrize(
    "call",
    [
        lambda: Data().append_data("Stock", FRAME),
        lambda: FRAME.clicdata.append("Stock"),
        lambda: Data().delete_data("Stock", {"item": "a"}),
        lambda: Data().rebuild_data("Stock"),
        lambda: Data().get_data("Stock"),
        lambda: pandas_clicdata.read_clicdata("Stock"),
        lambda: Schedule().trigger_schedule("Stock"),
        lambda: Team().add_user("Stock", "stock@example.com"),
        lambda: Team().add_users("Stock", ["stock@example.com"]),
        lambda: User().delete_user("stock@example.com"),
    ],
)
def test_an_id_is_good_for_the_account_of_its_name_only(call: Callable[[], Any]) -> None:
    listed = [{"id": 5, "name": "Stock", "email_address": "stock@example.com"}]
    answer = dict.fromkeys(("data", "schedules", "teams", "users"), listed)
    first, second = (LiteralSession(answer, dialect=pandas_clicdata.session.wire.Dialect.LEGACY) for _ in range(2))
    first.before = lambda _: manager.make_default(second)  # type: ignore[arg-type]
    manager.make_default(first)  # type: ignore[arg-type]
    try:
        call()
    except (errors.ClicDataError, AttributeError):
        pass  # the answers are lists
    finally:
        manager._default = None
    assert second.calls() == []


def test_schedules_and_teams_by_name(session: Session, clicdata_sandbox: Sandbox) -> None:
    assert Schedule().get_schedule("Every morning")["rec_id"].tolist() == [3001]
    assert Schedule().get_schedule_tasks("Every morning")["type"].tolist() == ["refresh", "snapshot"]
    assert Schedule().trigger_schedule("Every morning") == {"success": True}
    with pytest.raises(errors.NotFound, match=r"no schedule named 'every morning'; did you mean 'Every morning' \(rec"):
        Schedule().trigger_schedule("every morning")
    Team().set_parameter("North", "region", "n")
    Team().remove_parameter("North", "country")
    assert Team().get_team_parameters()["name"].tolist() == ["region"]
    Team().update_team("North", name="Far north")
    with pytest.raises(errors.NotFound, match=r"no team named 'North'; did you mean 'Far north' \(team_id 4002\)"):
        Team().delete_team("North")
    Team().delete_team("Far north")
    assert Team().get_team()["name"].tolist() == ["Sales"]


def test_users_by_mail(session: Session) -> None:
    assert User().get_user("Li@Example.com")["first_name"].tolist() == ["小龙"]
    User().update_user("li@example.com", license="editor")
    User().set_password("li@example.com", "correct horse battery staple")
    Team().add_user("North", "sean@example.com")
    Team().remove_user("North", "zoe@example.com")
    with pytest.raises(errors.NotFound, match=r"no user of the address 'lee@example\.com'; did you mean 'li@"):
        User().delete_user("lee@example.com")
    User().delete_user("li@example.com")
    assert "li@example.com" not in User().get_user()["email_address"].tolist()


def test_many_users_by_mail_are_listed_once(session: Session, clicdata_sandbox: Sandbox) -> None:
    team_id = Team().create_team("South")
    clicdata_sandbox.requests.clear()
    report = Team().add_users("South", ["li@example.com", 5001, "sean@example.com"])
    assert report["state"].tolist() == ["added"] * 3
    assert asked(clicdata_sandbox) == ["GET /team", "GET /user", *[f"POST /team/{team_id}/user"] * 3]
    with pytest.raises(errors.InputError, match="given twice"):
        Team().add_users("South", [report["user_id"].iloc[0], "li@example.com"])
    with pytest.raises(errors.InputError, match="position 1: user_id must not be empty"):
        Team().add_users("South", ["li@example.com", ""])
    receipt = Team().sync_users("South", pd.DataFrame({"email_address": ["ayse@example.com"]}))
    assert receipt.complete


def test_polars_takes_a_name(rec_id: int) -> None:
    pl = pytest.importorskip("polars")
    importlib.import_module("pandas_clicdata.polars")

    assert pl.DataFrame({"item": ["c"], "left": [3]}).clicdata.append(NAME).rec_id == rec_id


def test_dask_takes_a_name(rec_id: int) -> None:
    pytest.importorskip("dask.dataframe")
    import dask.dataframe as dd

    import pandas_clicdata.dask

    assert len(pandas_clicdata.dask.read_clicdata(NAME)) == 2
    ddf = dd.from_pandas(FRAME, npartitions=2)
    assert ddf.clicdata.append(NAME).rec_id == rec_id
    assert ddf.clicdata.replace(NAME, by="item").rec_id == rec_id
