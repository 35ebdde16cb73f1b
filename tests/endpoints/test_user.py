"""`User`: lists, writes, many users at once, and passwords, which must never be shown."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from endpoints.literal import LiteralSession, refused, text, wrapped
from pandas_clicdata.endpoints.user import USERS, User
from pandas_clicdata.errors import (
    ClicDataError,
    Conflict,
    CreateAmbiguous,
    InputError,
    NotFound,
    TransportError,
    WriteError,
)
from pandas_clicdata.session.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

DONE = {"success": True}
JANE = {
    "id": 3,
    "email_address": "jane@example.com",
    "first_name": "Jane",
    "last_name": "Doe",
    "license": "editor",
    "last_login_date": "2026-01-02T03:04:05-05:00",
}
PEOPLE = pd.DataFrame(
    {
        "email": ["a@x.example", "b@x.example", "c@x.example"],
        "first_name": ["A", "B", "C"],
        "last_name": ["Z", "Y", "X"],
    },
    index=["p", "q", "r"],
)


@pytest.mark.parametrize("shape", wrapped([], "users"))
def test_the_list_is_read_in_every_likely_shape(shape: str) -> None:
    body = wrapped([JANE], "users")[shape]
    users = User(session=LiteralSession(body)).get_user()
    assert list(users.columns) == list(USERS)
    assert users[["user_id", "email_address"]].to_numpy().tolist() == [[3, "jane@example.com"]]
    assert users["last_login_date"].iloc[0] == pd.Timestamp("2026-01-02T08:04:05Z")
    assert User(session=LiteralSession(body)).get_user(output="dict") == [JANE]


ONE_SHAPES = {
    **wrapped(JANE, None, "user"),
    "in a list": [JANE],
    "under users": {"users": [JANE]},
}


@pytest.mark.parametrize("shape", ONE_SHAPES)
def test_one_user_is_read_in_every_likely_shape(shape: str) -> None:
    session = LiteralSession(ONE_SHAPES[shape])
    assert User(session=session).get_user(3)["first_name"].tolist() == ["Jane"]
    assert User(session=session).get_user(3, "dict") == JANE
    assert session.calls() == ["GET /user/3"] * 2


def test_no_users_are_a_frame_of_the_same_dtypes() -> None:
    empty, full = (User(session=LiteralSession({"users": u})).get_user() for u in ([], [JANE]))
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


# ---------------------------------------------------------------------------------------------------------
# Writing


@pytest.mark.parametrize("answer", [3, "3", {"id": 3}, {"result": 3}, {"success": True, "result": {"id": 3}}])
def test_create_user_returns_the_new_id(answer: Any) -> None:
    session = LiteralSession(answer)
    made = User(session=session).create_user("a@x.example", "A", "B", license="editor", password="p4ss")
    assert made == 3
    [body] = session.bodies()
    assert body["license"] == "editor"
    assert body["password"] == "p4ss"


def test_a_create_whose_answer_is_lost_is_looked_for_by_its_address() -> None:
    session = LiteralSession(TransportError("lost"), {"users": [JANE]})
    with pytest.raises(CreateAmbiguous, match="User 3 has that address now") as caught:
        User(session=session).create_user("JANE@example.com", "J", "D")
    assert caught.value.in_doubt
    assert session.calls() == ["POST /user", "GET /user"]


def test_a_conflict_names_the_existing_user() -> None:
    with pytest.raises(Conflict, match="User 3 has that address"):
        User(session=LiteralSession(refused(409), {"users": [JANE]})).create_user("jane@example.com", "J", "D")


def test_an_update_sends_what_is_given_and_nothing_else() -> None:
    session = LiteralSession(DONE)
    User(session=session).update_user(3, email="x@y.example")
    User(session=session).update_user(3, first_name="F", last_name="L", license="viewer")
    assert session.bodies() == [
        {"email_address": "x@y.example"},
        {"first_name": "F", "last_name": "L", "license": "viewer"},
    ]


WRITES: dict[str, Callable[[User], Any]] = {
    "PUT /user/3": lambda user: user.update_user(3, last_name="x"),
    "DELETE /user/3": lambda user: user.delete_user(3),
    "PUT /user/3/password": lambda user: user.set_password(3, "p4ss"),
}


@pytest.mark.parametrize("asked", WRITES)
def test_a_write_is_one_request_that_is_not_repeated_when_in_doubt(asked: str) -> None:
    session = LiteralSession(DONE, TransportError("lost"))
    assert WRITES[asked](User(session=session)) == DONE
    with pytest.raises(TransportError) as caught:
        WRITES[asked](User(session=session))
    assert caught.value.in_doubt
    assert session.calls() == [asked] * 2


BAD_CALLS: dict[str, Callable[[User], Any]] = {
    **{
        f"address {address!r}": lambda user, address=address: user.create_user(address, "A", "B")
        for address in ("", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a\u200e@b", None, 5)
    },
    "no first name": lambda user: user.create_user("a@b", "", "B"),
    "no last name": lambda user: user.create_user("a@b", "A", None),  # type: ignore[arg-type]
    "another license": lambda user: user.create_user("a@b", "A", "B", license="admin"),  # type: ignore[arg-type]
    "no password at creation": lambda user: user.create_user("a@b", "A", "B", password=""),
    "nothing to update": lambda user: user.update_user(3),
    "an update to no name": lambda user: user.update_user(3, last_name=" "),
    "an update to no address": lambda user: user.update_user(3, email="x"),
    "no password": lambda user: user.set_password(3, ""),
    "a password that is no text": lambda user: user.set_password(3, 12345678),  # type: ignore[arg-type]
    "progress that is missing": lambda user: user.create_users(PEOPLE, progress=pd.NA),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", BAD_CALLS)
def test_bad_arguments_are_refused_before_any_request(what: str) -> None:
    session = LiteralSession(DONE)
    with pytest.raises(InputError):
        BAD_CALLS[what](User(session=session))
    assert session.asked == []


# ---------------------------------------------------------------------------------------------------------
# Passwords

SECRET = "c4nary-Pa55/word"


def sinks(error: BaseException | None) -> list[str]:
    """Return every text of an error and of its causes, with the locals of the package's frames."""
    found: list[str] = []
    while error is not None:
        found += [str(error), repr(error), repr(vars(error)), *getattr(error, "__notes__", [])]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "pandas_clicdata" in frame.f_code.co_filename:
                found.append(repr(frame.f_locals))
        error = error.__cause__ or error.__context__
    return found


FAILURES: list[Any] = [
    TransportError("lost"),
    TransportError("no line", sent="no"),
    refused(400, f"the password {SECRET} is too short"),
    refused(409, f"no {SECRET}"),
    Answer(200, text({"success": False, "error": {"code": SECRET, "description": "bad"}})),
    Answer(401, b""),
    Answer(500, SECRET.encode()),
]


@pytest.mark.parametrize("failure", FAILURES, ids=range(len(FAILURES)))
@pytest.mark.parametrize(
    "write",
    [
        lambda user: user.set_password(3, SECRET),
        lambda user: user.create_user("a@x.example", "A", "B", password=SECRET),
    ],
    ids=["set_password", "create_user"],
)
def test_no_error_shows_or_references_a_password(
    failure: Any, write: Callable[[User], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    user = User(session=LiteralSession(failure))
    with pytest.raises(ClicDataError) as caught:
        write(user)
    shown = [line for line in sinks(caught.value) if SECRET in line]
    assert shown == []
    assert SECRET not in caplog.text
    assert SECRET not in repr(user)


@pytest.mark.parametrize("bad", [f"{SECRET}\0", f"{SECRET}\ud800", [SECRET], SECRET.encode()])
def test_a_password_that_cannot_be_sent_is_not_repeated_in_the_error(bad: Any) -> None:
    with pytest.raises(InputError) as caught:
        User(session=LiteralSession(DONE)).set_password(3, bad)
    assert "c4nary" not in str(caught.value)


WRONG_CALLS: dict[str, Any] = {
    "address": lambda users, password: users.create_user(3, "F", "L", password=password),
    "license": lambda users, password: users.create_user("a@x.example", "F", "L", license="boss", password=password),
    "password": lambda users, password: users.create_user("a@x.example", "F", "L", password=password + "\0"),
    "user_id": lambda users, password: users.set_password(7.5, password),
    "no text": lambda users, password: users.set_password(7, [password]),
    "row": lambda users, password: users.create_users(PEOPLE.assign(email=3, password=password)),
    "column": lambda users, password: users.create_users(PEOPLE.assign(other=3, password=password)),
    "cell": lambda users, password: users.create_users(PEOPLE.assign(password=password + "\0")),
    "progress": lambda users, password: users.create_users(PEOPLE.assign(password=password), progress=5),
}


@pytest.mark.parametrize("wrong", WRONG_CALLS)
def test_no_local_variable_shows_a_password_when_an_argument_is_wrong(
    wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="pandas_clicdata")  # DEBUG keeps our frames in tracebacks
    session = LiteralSession()
    with pytest.raises(InputError) as raised:
        WRONG_CALLS[wrong](User(session=session), "Tr0ub4dor-pw")
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "pandas_clicdata" in frame.filename and frame.filename != __file__]
    assert ours
    assert "Tr0ub4dor" not in repr([frame.locals for frame in ours]) + str(raised.value)
    assert session.calls() == []


def test_the_report_of_many_users_holds_no_password() -> None:
    people = PEOPLE.assign(password=[SECRET, None, "other-0ne"])
    report = User(session=LiteralSession(refused(400, f"{SECRET} is weak"), 4, 5)).create_users(people)
    assert SECRET not in report.to_csv()
    with pytest.raises(WriteError) as caught:
        User(session=LiteralSession(4, refused(500, "other-0ne"))).create_users(people.iloc[::2])
    assert "other-0ne" not in str(caught.value)
    assert caught.value.receipt is not None
    assert "other-0ne" not in caught.value.receipt.to_csv()  # type: ignore[union-attr]


# ---------------------------------------------------------------------------------------------------------
# Many at once


def test_users_are_created_one_by_one_and_the_frame_is_not_changed() -> None:
    people = PEOPLE.assign(license=["editor", None, "viewer"], password=[None, "p4ss", pd.NA])
    before = people.copy()
    session = LiteralSession(11, 12, 13)
    report = User(session=session).create_users(people)
    pd.testing.assert_frame_equal(people, before)
    assert list(report.columns) == ["email_address", "user_id", "state", "error"]
    assert report["user_id"].tolist() == [11, 12, 13]
    assert set(report["state"]) == {"created"}
    assert list(report.index) == ["p", "q", "r"]
    assert [body["license"] for body in session.bodies()] == ["editor", "viewer", "viewer"]
    assert [body.get("password") for body in session.bodies()] == [None, "p4ss", None]
    assert ["password" in body for body in session.bodies()] == [False, True, False]


def test_a_repeated_index_and_the_column_name_of_the_service_are_accepted() -> None:
    people = PEOPLE.rename(columns={"email": "email_address"}).set_axis([0, 0, 1])
    report = User(session=LiteralSession(11)).create_users(people)
    assert list(report.index) == [0, 0, 1]


def test_every_problem_is_named_with_its_row_and_nothing_is_sent() -> None:
    people = pd.DataFrame(
        {
            "email": ["a@x.example", "A@x.example", "nobody", None],
            "first_name": ["A", "", "C", "D"],
            "last_name": ["Z", "Y", 5, "X"],
            "license": ["viewer", "Viewer", None, "editor"],
        },
        index=["p", "q", "r", "s"],
    )
    session = LiteralSession(1)
    with pytest.raises(InputError) as caught:
        User(session=session).create_users(people)
    found = sorted(problem.split(":")[0] for problem in caught.value.problems)
    assert found == ["row 'q'"] * 3 + ["row 'r'"] * 2 + ["row 's'"]
    assert "row 'q': A@x.example stands in row 'p' too" in caught.value.problems
    assert session.asked == []


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (PEOPLE.drop(columns="last_name"), "last_name is missing"),
        (PEOPLE.assign(licence="editor"), "unknown columns 'licence'"),
        (PEOPLE.assign(email_address="x@y.example"), "'email_address' stands twice"),
        (PEOPLE.set_axis(["email", 1, 1], axis=1), "first_name is missing"),
        ([{"email": "a@b.example"}], "must be a DataFrame, not list"),
        (None, "must be a DataFrame"),
    ],
)
def test_a_frame_of_another_shape_is_refused(frame: Any, said: str) -> None:
    session = LiteralSession(1)
    with pytest.raises(InputError, match=said):
        User(session=session).create_users(frame)
    assert session.asked == []


def test_no_rows_are_no_request() -> None:
    session = LiteralSession(11)
    report = User(session=session).create_users(PEOPLE.iloc[:0])
    pd.testing.assert_series_equal(report.dtypes, User(session=session).create_users(PEOPLE.iloc[:1]).dtypes)
    assert len(session.asked) == 1


def test_a_row_that_is_refused_does_not_stop_the_rest() -> None:
    session = LiteralSession(refused(400, "weak"), refused(409, "taken"), {"users": []}, 13)
    report = User(session=session).create_users(PEOPLE)
    assert report["state"].tolist() == ["refused", "refused", "created"]
    assert report["user_id"].fillna(0).tolist() == [0, 0, 13]
    assert "weak" in report["error"].iloc[0]
    assert "taken" in report["error"].iloc[1]


def test_a_lost_response_stops_the_call_with_a_full_report() -> None:
    found = {"users": [{"id": 7, "email_address": "b@x.example"}]}
    session = LiteralSession(11, TransportError("lost"), found)
    with pytest.raises(WriteError, match="1 created, 1 in doubt, 1 not sent") as caught:
        User(session=session).create_users(PEOPLE)
    report: Any = caught.value.receipt
    assert report["state"].tolist() == ["created", "in doubt", "not sent"]
    assert "User 7 has that address now" in report["error"].iloc[1]
    assert caught.value.in_doubt
    again = PEOPLE[report["state"] == "not sent"]
    assert again["email"].tolist() == ["c@x.example"]


def test_on_the_sandbox(session: Session) -> None:
    people = PEOPLE.assign(license=["editor", None, None])
    report = User().create_users(people)
    assert set(report["state"]) == {"created"}
    again = User().create_users(people.iloc[[0]])
    assert again["state"].tolist() == ["refused"]
    assert f"User {report['user_id'].iloc[0]} has that address" in again["error"].iloc[0]
    user_id = report["user_id"].iloc[1]
    User().update_user(user_id, email="bb@x.example", license="editor")
    User().set_password(user_id, "a good one")
    assert User().get_user(user_id)[["email_address", "license"]].to_numpy().tolist() == [["bb@x.example", "editor"]]
    User().delete_user(user_id)
    with pytest.raises(NotFound):
        User().get_user(user_id)
    assert len(User().get_user(output="dict")) == len(User().get_user())


def test_a_response_that_the_sandbox_drops_leaves_one_row_in_doubt(session: Session, clicdata_sandbox: Sandbox) -> None:
    clicdata_sandbox.faults.drop(applied=True, method="POST", path="/user", after=1)
    with pytest.raises(WriteError) as caught:
        User().create_users(PEOPLE.assign(password=SECRET))
    report: Any = caught.value.receipt
    assert report["state"].tolist() == ["created", "in doubt", "not sent"]
    users = User().get_user().set_index("email_address")["user_id"]
    assert report["user_id"].iloc[0] == users["a@x.example"]
    assert f"User {users['b@x.example']} has that address now" in report["error"].iloc[1]
    assert "c@x.example" not in users
    assert [line for line in sinks(caught.value) if SECRET in line] == []


def test_a_password_that_is_a_usual_word_leaves_the_sentence_whole() -> None:
    session = LiteralSession(refused(400, "The password is too short: password"))
    with pytest.raises(ClicDataError, match=r"The password is too short: \*\*\*"):
        User(session=session).set_password(3, "password")
