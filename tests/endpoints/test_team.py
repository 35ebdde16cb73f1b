"""`Team`: lists as tidy tables, writes, and many users at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from endpoints.literal import LiteralSession, refused, wrapped
from pandas_clicdata.endpoints.team import Team
from pandas_clicdata.endpoints.user import User
from pandas_clicdata.errors import (
    BadCredentials,
    ClicDataError,
    Conflict,
    CreateAmbiguous,
    InputError,
    NotFound,
    TransportError,
    WriteError,
)
from pandas_clicdata.session.wire import Answer, Dialect

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata import Session

DONE = {"success": True}
NORTH = {
    "id": 9,
    "name": "North",
    "description": "d",
    "users": [3, 4],
    "parameters": [{"name": "region", "value": "north"}, {"name": "top", "value": 10}],
}


@pytest.mark.parametrize("shape", wrapped([], "teams"))
def test_the_list_is_read_in_every_likely_shape(shape: str) -> None:
    body = wrapped([NORTH], "teams")[shape]
    teams = Team(session=LiteralSession(body)).get_team()
    assert list(teams.columns) == ["team_id", "name", "description", "users", "parameters"]
    assert teams.to_numpy().tolist() == [[9, "North", "d", 2, 2]]
    assert Team(session=LiteralSession(body)).get_team("dict") == [NORTH]


@pytest.mark.parametrize("users", [[3, 4], [{"id": 3}, {"user_id": 4}], ["3", "4"]])
def test_users_are_rows_in_every_likely_shape(users: list[Any]) -> None:
    body = {"teams": [{**NORTH, "users": users}, {"id": 10, "name": "South", "users": [4]}, {"id": 11}]}
    rows = Team(session=LiteralSession(body)).get_team_users()
    expected = [[9, "North", 3], [9, "North", 4], [10, "South", 4]]
    assert rows[["team_id", "team", "user_id"]].to_numpy().tolist() == expected
    assert Team(session=LiteralSession(body)).get_team()["users"].fillna(-1).tolist() == [2, 1, -1]


@pytest.mark.parametrize("parameters", [NORTH["parameters"], {"region": "north", "top": 10}])
def test_parameters_are_rows_in_every_likely_shape(parameters: Any) -> None:
    rows = Team(session=LiteralSession({"teams": [{**NORTH, "parameters": parameters}]})).get_team_parameters()
    assert rows.to_numpy().tolist() == [[9, "North", "region", "north"], [9, "North", "top", "10"]]


@pytest.mark.parametrize("read", ["get_team", "get_team_users", "get_team_parameters"])
def test_empty_frames_keep_columns_and_dtypes(read: str) -> None:
    empty, full = (getattr(Team(session=LiteralSession({"teams": t})), read)() for t in ([], [NORTH]))
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


# ---------------------------------------------------------------------------------------------------------
# Writing


@pytest.mark.parametrize("answer", [9, "9", {"id": 9}, {"result": 9}, {"success": True, "result": {"id": 9}}])
def test_create_team_returns_the_new_id(answer: Any) -> None:
    assert Team(session=LiteralSession(answer)).create_team("North") == 9


def test_a_response_without_an_id_is_completed_from_the_list() -> None:
    session = LiteralSession(DONE, {"teams": [NORTH, {"id": 10, "name": "South"}]})
    assert Team(session=session).create_team("North") == 9
    assert session.calls() == ["POST /team", "GET /team"]


@pytest.mark.parametrize(("teams", "said"), [([], "No team has that name"), ([NORTH, NORTH], "Team 9 and 9 have that")])
def test_a_response_without_an_id_is_ambiguous_unless_one_team_matches(teams: list[Any], said: str) -> None:
    with pytest.raises(CreateAmbiguous, match=said):
        Team(session=LiteralSession(DONE, {"teams": teams})).create_team("North")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"teams": [NORTH]}, "Team 9 has that name now"),
        ({"teams": []}, "No team has that name now"),
        (TransportError("still dead"), "failed too .still dead"),
    ],
)
@pytest.mark.parametrize("lost", [TransportError("lost"), Answer(500, b""), Answer(200, b'{"succ')])
def test_a_create_whose_response_is_lost_is_ambiguous_and_not_repeated(found: Any, said: str, lost: Any) -> None:
    session = LiteralSession(lost, found)
    with pytest.raises(CreateAmbiguous, match=said) as caught:
        Team(session=session).create_team("North")
    assert caught.value.in_doubt
    assert session.calls() == ["POST /team", "GET /team"]


def test_a_create_that_was_not_sent_is_not_in_doubt() -> None:
    session = LiteralSession(TransportError("no line", sent="no"))
    with pytest.raises(TransportError):
        Team(session=session).create_team("North")
    assert session.calls() == ["POST /team"]


def test_a_conflict_names_the_existing_team() -> None:
    with pytest.raises(Conflict, match="Team 9 has that name"):
        Team(session=LiteralSession(refused(409), {"teams": [NORTH]})).create_team("North")


WRITES: dict[str, Callable[[Team], Any]] = {
    "PUT /team/9": lambda team: team.update_team(9, desc=""),
    "DELETE /team/9": lambda team: team.delete_team(9),
    "POST /team/9/user": lambda team: team.add_user(9, 3),
    "DELETE /team/9/user": lambda team: team.remove_user(9, 3),
    "POST /team/9/parameter": lambda team: team.set_parameter(9, "n", "v"),
    "DELETE /team/9/parameter": lambda team: team.remove_parameter(9, "n"),
}


@pytest.mark.parametrize("asked", WRITES)
@pytest.mark.parametrize("dialect", Dialect)
def test_a_write_is_one_request_and_returns_the_response(asked: str, dialect: Dialect) -> None:
    for answer, said in (
        (DONE, DONE),
        (True, {"result": True}),
        ({"success": True, "result": {"success": True, "more": 1}}, {"success": True, "more": 1}),
        ({"success": True, "result": None}, {"result": None}),
    ):
        session = LiteralSession(answer, dialect=dialect)
        assert WRITES[asked](Team(session=session)) == said
        assert session.calls() == [asked]


@pytest.mark.parametrize("asked", WRITES)
def test_a_write_whose_answer_is_lost_is_in_doubt_and_not_repeated(asked: str) -> None:
    session = LiteralSession(TransportError("lost"))
    with pytest.raises(TransportError) as caught:
        WRITES[asked](Team(session=session))
    assert caught.value.in_doubt
    assert session.calls() == [asked]


def test_an_update_sends_what_is_given_and_nothing_else() -> None:
    session = LiteralSession(DONE)
    Team(session=session).update_team(9, name="N")
    Team(session=session).update_team(9, desc="")
    assert session.bodies() == [{"name": "N"}, {"description": ""}]


@pytest.mark.parametrize("value", ["", "x", 0, -1.5, True, np.int64(4), np.float32(0.5), np.bool_(False)])
def test_parameters_may_be_text_numbers_and_flags(value: Any) -> None:
    session = LiteralSession(DONE)
    Team(session=session).set_parameter(9, "n", value)
    [body] = session.bodies()
    assert body == {"name": "n", "value": value}
    assert isinstance(body["value"], bool) is isinstance(value, (bool, np.bool_))


BAD_CALLS: dict[str, Callable[[Team], Any]] = {
    "no name": lambda team: team.create_team(" "),
    "a name that is no text": lambda team: team.create_team(5),  # type: ignore[arg-type]
    "a description that is no text": lambda team: team.create_team("N", None),  # type: ignore[arg-type]
    "a surrogate": lambda team: team.create_team("\ud800"),
    "NUL": lambda team: team.update_team(9, name="a\0b"),
    "nothing to update": lambda team: team.update_team(9),
    "no parameter": lambda team: team.set_parameter(9, "", "v"),
    "a value that is none": lambda team: team.set_parameter(9, "n", None),  # type: ignore[arg-type]
    "a value that is a list": lambda team: team.set_parameter(9, "n", ["v"]),  # type: ignore[arg-type]
    "not a number": lambda team: team.set_parameter(9, "n", math.nan),
    "infinity": lambda team: team.set_parameter(9, "n", math.inf),
    "a number that is too large": lambda team: team.set_parameter(9, "n", 2**70),
    "a number beyond all floats": lambda team: team.set_parameter(9, "n", 10**400),
    "several values": lambda team: team.set_parameter(9, "n", pd.Series([1, 2])),  # type: ignore[arg-type]
    "progress that is missing": lambda team: team.add_users(9, [3], progress=pd.NA),  # type: ignore[arg-type]
    "no parameter to remove": lambda team: team.remove_parameter(9, None),  # type: ignore[arg-type]
    "users as text": lambda team: team.add_users(9, "345"),  # type: ignore[arg-type]
    "users as a number": lambda team: team.add_users(9, 3),  # type: ignore[arg-type]
    "a frame without ids": lambda team: team.add_users(9, pd.DataFrame({"id": [3]})),
    "a user twice": lambda team: team.add_users(9, [3, 4, 3]),
    "a missing user": lambda team: team.add_users(9, pd.Series([3, None], dtype="Int64")),
}


@pytest.mark.parametrize("what", BAD_CALLS)
def test_bad_arguments_are_refused_before_any_request(what: str) -> None:
    session = LiteralSession(DONE)
    with pytest.raises(InputError):
        BAD_CALLS[what](Team(session=session))
    assert session.asked == []


# ---------------------------------------------------------------------------------------------------------
# Many at once


@pytest.mark.parametrize(
    "users",
    [
        [3, 4],
        (3, np.int64(4)),
        iter([3, 4]),
        np.array([3, 4]),
        pd.Series([3, 4], index=["a", "b"], dtype="Int64"),
        pd.DataFrame({"user_id": [3, 4], "name": ["x", "y"]}, index=["a", "b"]),
        pd.Index([3, 4]),
    ],
    ids=lambda users: type(users).__name__,
)
def test_users_are_added_one_by_one(users: Any) -> None:
    session = LiteralSession(DONE)
    report = Team(session=session).add_users(9, users)
    assert session.calls() == ["POST /team/9/user"] * 2
    assert session.bodies() == [{"user_id": 3}, {"user_id": 4}]
    assert list(report.columns) == ["user_id", "state", "error"]
    assert report[["user_id", "state"]].to_numpy().tolist() == [[3, "added"], [4, "added"]]
    assert report["error"].isna().all()
    assert list(report.index) == (["a", "b"] if hasattr(users, "iloc") else [0, 1])


def test_no_users_are_no_request() -> None:
    session = LiteralSession(DONE)
    report = Team(session=session).add_users(9, [])
    full = Team(session=session).add_users(9, [3])
    assert len(report) == 0
    pd.testing.assert_series_equal(report.dtypes, full.dtypes)
    assert len(session.asked) == 1


def test_a_user_that_is_refused_does_not_stop_the_rest() -> None:
    session = LiteralSession(refused(404, "no such user"), DONE, refused(409, "is in it"))
    report = Team(session=session).add_users(9, [3, 4, 5])
    assert report["state"].tolist() == ["refused", "added", "refused"]
    assert "no such user" in report["error"][0]
    assert "is in it" in report["error"][2]


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (TransportError("lost"), "in doubt"),
        (Answer(503, b""), "in doubt"),
        (TransportError("no line", sent="no"), "not sent"),
        (Answer(429, b""), "not sent"),
        (Answer(401, b""), "not sent"),
        (Answer(403, b""), "not sent"),
    ],
)
def test_an_error_about_all_users_stops_the_call_with_a_full_report(failure: Any, state: str) -> None:
    session = LiteralSession(DONE, refused(404), failure)
    with pytest.raises(WriteError, match="stopped at row 2") as caught:
        Team(session=session).add_users(9, pd.Series([3, 4, 5, 6], index=list("abcd")))
    report: Any = caught.value.receipt
    assert report["state"].tolist() == ["added", "refused", state, "not sent"]
    assert list(report.index) == list("abcd")
    assert report["error"].isna().tolist() == [True, False, False, True]
    assert caught.value.in_doubt is (state == "in doubt")
    assert isinstance(caught.value.__cause__, ClicDataError)
    assert str(caught.value.__cause__) == report["error"].iloc[2]
    assert len(session.asked) == 3


def test_an_error_at_the_first_user_is_raised_unchanged() -> None:
    with pytest.raises(BadCredentials):
        Team(session=LiteralSession(Answer(401, b""))).add_users(9, [3, 4])


def test_a_lost_first_response_raises_an_error_with_the_report() -> None:
    with pytest.raises(WriteError) as caught:
        Team(session=LiteralSession(TransportError("lost"))).add_users(9, [3, 4])
    report: Any = caught.value.receipt
    assert report["state"].tolist() == ["in doubt", "not sent"]


def test_an_interrupt_has_the_report() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        Team(session=LiteralSession(DONE, KeyboardInterrupt())).add_users(9, [3, 4, 5])
    assert caught.value.receipt["state"].tolist() == ["added", "in doubt", "not sent"]  # type: ignore[attr-defined]


def test_progress_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Team(session=LiteralSession(DONE)).add_users(9, [3], progress=True)
    assert "add users" in capsys.readouterr().err


def test_teams_and_their_users_and_parameters_may_hold_objects() -> None:
    users = [
        {"id": 3, "role": {"name": "owner", "since": "2026"}, "parameters": [{"name": "a", "value": 1}]},
        {"id": 4},
    ]
    parameters = [{"name": "region", "value": {"id": 1, "text": "north"}}, {"name": "top", "value": [1, 2]}]
    body = {"teams": [{**NORTH, "users": users, "parameters": parameters, "owner": {"id": 3}}, {"id": 10, "users": 7}]}
    team = Team(session=LiteralSession(body))
    teams = team.get_team()
    assert teams.drop(columns=["name", "description"]).fillna(0).to_numpy().tolist() == [[9, 2, 2, 3], [10, 7, 0, 0]]
    assert list(teams)[-1] == "owner.id"
    people = team.get_team_users()
    assert list(people) == ["team_id", "team", "user_id", "role.name", "role.since", "parameters"]
    assert people["parameters"].tolist() == [[{"name": "a", "value": 1}], None]
    both = people.merge(User(session=LiteralSession({"users": users})).get_user(), on="user_id")
    assert both["role.name_y"].tolist()[0] == "owner"
    rows = team.get_team_parameters()
    assert rows["value"].fillna("-").tolist() == ["-", "[1, 2]"]
    assert rows["value.text"].tolist()[0] == "north"
    assert team.get_team("dict") == body["teams"]


def test_on_the_sandbox(session: Session) -> None:
    team_id = Team().create_team("Reviewers", "they look")
    with pytest.raises(Conflict, match=f"Team {team_id}"):
        Team().create_team("Reviewers")
    users = User().get_user()
    report = Team().add_users(team_id, users)
    assert set(report["state"]) == {"added"}
    Team().remove_user(team_id, users["user_id"].iloc[0])
    Team().set_parameter(team_id, "region", "north")
    Team().set_parameter(team_id, "region", "south")
    Team().update_team(team_id, name="Readers")
    people, parameters = Team().get_team_users(), Team().get_team_parameters()
    assert people.loc[people["team"] == "Readers", "user_id"].tolist() == users["user_id"].tolist()[1:]
    assert parameters.loc[parameters["team"] == "Readers", "value"].tolist() == ["south"]
    Team().remove_parameter(team_id, "region")
    report = Team().add_users(team_id, [int(users["user_id"].iloc[0]), 987_654])
    assert report["state"].tolist() == ["added", "refused"]
    Team().delete_team(team_id)
    with pytest.raises(NotFound):
        Team().delete_team(team_id)
