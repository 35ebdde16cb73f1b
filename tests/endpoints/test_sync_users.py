"""`User.sync_users` and `Team.sync_users`: plans, guards, receipts, lost responses, passwords."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from endpoints.literal import LiteralSession, refused
from pandas_clicdata import Data, Team, User, UserPlan, UserReceipt
from pandas_clicdata.errors import (
    ClicDataError,
    InputError,
    NotFound,
    ProtocolError,
    SyncAmbiguous,
    SyncInterrupted,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

SECRET = "c4nary-Pa55/word"
DONE = {"success": True}
NEW = {"email_address": "new@example.com", "first_name": "N", "last_name": "M"}


class Account(LiteralSession):
    """A session on a list of users. Each write is applied, unless ``faults`` has a fault for it."""

    read_timeout = 1.0
    username: str | None = None

    def __init__(self, *users: dict[str, Any]) -> None:
        super().__init__(DONE)
        self.users = [{"last_name": "B", "license": "viewer", **user} for user in users]
        self.faults: dict[str, list[Any]] = {}
        self.me: Any = refused(403)
        self.slept: list[float] = []
        self.last_receipt: Any = None

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def call(self, request: Any) -> Any:
        faults = self.faults.get(request.method, [])
        fault = faults.pop(0) if faults and request.method != "GET" else None
        applied = fault is None or fault == "lost after"
        answer: Any = DONE
        if request.path == "/profile/user":
            answer = self.me
        elif request.method == "GET":
            answer = self.faults["GET"].pop(0) if self.faults.get("GET") else {"users": self.users}
        elif applied:
            answer = self._apply(request.method, request.path, request.body)
        if fault is not None:
            answer = TransportError("lost") if isinstance(fault, str) else fault
        self._answers = [answer]
        return super().call(request)

    def _apply(self, method: str, path: str, body: bytes | None) -> Any:
        cells = json.loads(body) if body else {}
        user_id = path.rpartition("/")[2]
        if method == "POST":
            cells.pop("password", None)
            self.users.append({"id": 100 + len(self.users), **cells})
            return self.users[-1]["id"]
        [user] = [user for user in self.users if str(user["id"]) == user_id]
        user.update(cells) if method == "PUT" else self.users.remove(user)
        return DONE

    def writes(self) -> list[str]:
        return [call for call in self.calls() if not call.startswith("GET")]


def person(number: int) -> dict[str, Any]:
    return {"id": number, "email_address": f"u{number}@example.com", "first_name": f"U{number}"}


@pytest.fixture
def account() -> Account:
    return Account(person(1), person(2), person(3))


def frame(*numbers: int, **cells: Any) -> pd.DataFrame:
    return pd.DataFrame({"email_address": [f"u{n}@example.com" for n in numbers]}).assign(**cells)


def states(receipt: Any) -> list[str]:
    return receipt.users["state"].tolist()


# ---------------------------------------------------------------------------------------------------------
# Plans


def test_a_plan_shows_what_would_be_done_and_writes_nothing(account: Account) -> None:
    people = pd.concat([frame(1, 2), pd.DataFrame([NEW])]).set_axis(["p", "q", "r"])
    people.loc["p", "last_name"] = "Z"
    before = people.copy()
    plan = User(session=account).sync_users(people, deactivate=True, dry_run=True)
    assert isinstance(plan, UserPlan)
    assert plan.ok
    assert plan.inserts[["email_address", "license"]].to_dict("index") == {
        "r": {"email_address": "new@example.com", "license": "viewer"}
    }
    assert plan.updates.to_dict("index") == {
        "p": {"email_address": "u1@example.com", "column": "last_name", "old": "B", "new": "Z"}
    }
    assert plan.deletes["user_id"].tolist() == [3]
    assert (plan.unchanged, plan.requests, len(plan.kept)) == (1, 3, 0)
    assert "1 to create; 1 to update; 1 to deactivate (the API can only delete a user); 1 unchanged" in repr(plan)
    assert "u3@example.com" in plan._repr_html_()
    assert account.writes() == []
    pd.testing.assert_frame_equal(people, before)
    receipt = plan.apply()
    assert states(receipt) == ["updated", "unchanged", "created", "deactivated"]
    assert account.writes() == ["POST /user", "PUT /user/1", "DELETE /user/3"]
    assert receipt.complete
    assert account.last_receipt is receipt


def test_a_plan_is_refused_when_the_users_have_changed_since(account: Account) -> None:
    plan = User(session=account).sync_users(frame(1, license="editor"), dry_run=True)
    account.users[0]["license"] = "editor"
    with pytest.raises(InputError, match="make a new plan"):
        plan.apply()
    assert account.writes() == []


def test_users_that_the_frame_lacks_stay_unless_asked(account: Account) -> None:
    plan = User(session=account).sync_users(frame(1), dry_run=True)
    assert plan.kept["user_id"].tolist() == [2, 3]
    assert "2 not in the frame stay" in repr(plan)
    assert User(session=account).sync_users(frame(1)).complete
    assert account.writes() == []


def test_letter_case_in_an_address_is_no_difference(account: Account) -> None:
    people = frame(1, 2, 3).apply(lambda column: column.str.upper())
    assert states(User(session=account).sync_users(people, deactivate=True)) == ["unchanged"] * 3
    assert account.writes() == []


def test_what_the_list_gives_can_be_synced_back_with_a_license_that_the_api_cannot_set() -> None:
    account = Account({**person(1), "license": "administrator", "last_login_date": "2026-01-02T03:04:05Z"})
    plan = User(session=account).sync_users(User(session=account).get_user(), dry_run=True)
    assert (plan.ok, plan.unchanged, plan.requests) == (True, 1, 0)


def test_a_missing_cell_changes_nothing_and_other_columns_are_named(account: Account) -> None:
    people = frame(1, 2, first_name=[None, "Ute"], department="x")
    receipt = User(session=account).sync_users(people)
    assert account.bodies() == [{"first_name": "Ute"}]
    assert "not sent: 'department'" in repr(receipt)
    assert "department" in repr(User(session=account).sync_users(people, dry_run=True))


def test_on_names_the_column_with_the_address(account: Account) -> None:
    for name, on in (("mail", "mail"), ("email", "email"), ("email", "email_address")):
        people = frame(1, 2, 3).set_axis([name], axis=1)
        assert User(session=account).sync_users(people, on=on).users["user_id"].tolist() == [1, 2, 3]


# ---------------------------------------------------------------------------------------------------------
# What is refused

EMPTY = frame()
REFUSED: dict[str, tuple[Any, str]] = {
    "an empty frame": (EMPTY, "the frame has no rows"),
    "a missing address": (
        frame(1, 2).assign(email_address=["u1@example.com", None]),
        "row 1: email_address is missing",
    ),
    "an address twice": (frame(1, 2, 1), "row 2: u1@example.com stands in row 0 too"),
    "an address twice but for case": (
        pd.DataFrame({"email_address": ["a@b.c", "A@b.c"]}),
        "row 1: A@b.c stands in row 0",
    ),
    "no address": (pd.DataFrame({"email_address": ["nobody"]}), "row 0: email_address must be a mail address"),
    "no column": (pd.DataFrame({"name": ["x"]}), "has no column 'email_address'; it has 'name'"),
    "a column twice": (frame(1).assign(a=1, b=1).set_axis(["email_address", "a", "a"], axis=1), "'a' stands twice"),
    "two columns of addresses": (frame(1, email="x@y.z"), "another column for it"),
    "no frame": ([NEW], "must be a DataFrame"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_frame_that_cannot_be_used_is_refused_before_any_request(what: str, account: Account) -> None:
    people, said = REFUSED[what]
    with pytest.raises(InputError, match=said):
        User(session=account).sync_users(people, deactivate=True)
    if what != "two columns of addresses":  # a team needs one column only
        with pytest.raises(InputError, match=said):
            Team(session=account).sync_users(7, people, remove=True)
    assert account.asked == []


def test_a_plan_lists_the_rows_that_are_refused(account: Account) -> None:
    plan = User(session=account).sync_users(frame(1, 1), dry_run=True)
    assert plan.problems == ["row 1: u1@example.com stands in row 0 too"]
    assert not plan.ok
    assert "1 problem: .problems" in repr(plan)
    with pytest.raises(InputError, match="Nothing was sent"):
        plan.apply()


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (pd.DataFrame([NEW]).drop(columns="last_name"), r"new users need .* \(1 rows, labels 0\)"),
        (pd.DataFrame([{**NEW, "first_name": ""}]), "row 0: first_name must not be empty"),
        (pd.DataFrame([{**NEW, "license": "boss"}]), "row 0: license must be one of"),
        (frame(1, license="boss"), "row 0: license must be one of"),
        (frame(1, first_name=5), "row 0: first_name must be text"),
    ],
)
def test_cells_that_cannot_be_sent_are_refused(people: pd.DataFrame, said: str, account: Account) -> None:
    with pytest.raises(InputError, match=said):
        User(session=account).sync_users(people)
    assert account.writes() == []


def test_an_address_that_several_users_have_is_refused(account: Account) -> None:
    account.users[1]["email_address"] = "U1@example.com"
    with pytest.raises(InputError, match=r"row 0: users 1 and 2 have the address u1@example.com"):
        User(session=account).sync_users(frame(1))


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "5", float("nan")])
def test_a_wrong_number_of_users_is_refused(wrong: Any, account: Account) -> None:
    with pytest.raises(InputError, match="max_deactivated must be a number of users, or a share"):
        User(session=account).sync_users(frame(1), max_deactivated=wrong)
    with pytest.raises(InputError, match="deactivate must be True or False"):
        User(session=account).sync_users(frame(1), deactivate=None)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("left", "most", "said"),
    [
        (11, None, "11 of 12 users would be deactivated, more than ten and more than a tenth: max_deactivated=11"),
        (10, None, None),
        (11, 11, None),
        (11, 10, "max_deactivated is 10"),
        (2, 0.1, "max_deactivated is 0.1"),
        (1, 0.1, None),
        (1, 0, "max_deactivated is 0"),
    ],
)
def test_many_deactivations_are_refused_unless_permitted(left: int, most: Any, said: str | None) -> None:
    account = Account(*map(person, range(1, 13)))
    plan = User(session=account).sync_users(
        frame(*range(left + 1, 13)), deactivate=True, max_deactivated=most, dry_run=True
    )
    assert (plan.ok, len(plan.deletes)) == (said is None, left)
    if said:
        assert said in plan.problems[0]


# ---------------------------------------------------------------------------------------------------------
# The user of the session


@pytest.mark.parametrize(
    ("me", "username"),
    [({"email_address": "U1@example.com"}, None), ({"id": 1}, None), (refused(403), "u1@example.com")],
)
def test_the_user_that_the_session_is_logged_in_as_is_never_deactivated(
    me: Any, username: str | None, account: Account
) -> None:
    account.me, account.username = me, username
    plan = User(session=account).sync_users(frame(2), deactivate=True, dry_run=True)
    assert plan.kept["user_id"].tolist() == [1]
    plan.apply()
    assert account.writes() == ["DELETE /user/3"]


def test_nobody_is_deactivated_while_the_profile_cannot_be_read(account: Account) -> None:
    account.me = TransportError("no line")
    with pytest.raises(TransportError):
        User(session=account).sync_users(frame(2), deactivate=True)
    assert account.writes() == []


def test_a_user_without_an_address_is_never_deactivated(account: Account) -> None:
    account.users[0]["email_address"] = None
    plan = User(session=account).sync_users(frame(2), deactivate=True, dry_run=True)
    assert (plan.deletes["user_id"].tolist(), plan.kept["user_id"].tolist()) == ([3], [1])


@pytest.mark.parametrize("user", [{"email_address": "a@b.c"}, {"id": 1, "mail": "a@b.c"}])
def test_a_list_without_ids_or_addresses_is_an_error(user: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        User(session=Account(user)).sync_users(frame(1))


# ---------------------------------------------------------------------------------------------------------
# Ends


PEOPLE = pd.concat([frame(1, 2, license="editor"), pd.DataFrame([NEW])], ignore_index=True)
WRITES = ["POST", "PUT", "DELETE"]


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("fault", ["lost before", "lost after"])
def test_a_lost_response_is_settled_by_listing_again(method: str, fault: str, account: Account) -> None:
    account.faults[method] = [fault]
    receipt = User(session=account).sync_users(PEOPLE, deactivate=True)
    assert states(receipt) == ["updated", "updated", "created", "deactivated"]
    assert receipt.complete
    assert len(account.slept) == 1
    assert len(account.writes()) == 4 + (fault == "lost before")
    assert sorted(user["email_address"][:2] for user in account.users) == ["ne", "u1", "u2"]
    assert User(session=account).sync_users(PEOPLE, deactivate=True, dry_run=True).requests == 0


@pytest.mark.parametrize("method", WRITES)
def test_after_three_rounds_it_is_ambiguous_and_the_next_call_does_the_rest(method: str, account: Account) -> None:
    account.faults[method] = ["lost before"] * 4
    with pytest.raises(SyncAmbiguous, match="It is safe to call it again") as caught:
        User(session=account).sync_users(PEOPLE, deactivate=True)
    receipt: Any = caught.value.receipt
    assert "in doubt" in states(receipt)
    assert not receipt.complete
    assert "in doubt" in receipt._repr_html_()
    assert len(account.slept) == 3
    assert User(session=account).sync_users(PEOPLE, deactivate=True).complete


def test_a_list_that_cannot_be_read_again_is_ambiguous(account: Account) -> None:
    account.faults["PUT"] = ["lost after"]
    account.before = lambda request: request.method == "PUT" and account.faults.update(GET=[TransportError("down")])
    with pytest.raises(SyncAmbiguous, match="could not be listed again"):
        User(session=account).sync_users(PEOPLE)


def test_a_user_that_is_refused_does_not_stop_the_rest(account: Account) -> None:
    account.faults["PUT"] = [refused(400, "no license left")]
    receipt = User(session=account).sync_users(PEOPLE)
    assert states(receipt) == ["refused", "updated", "created"]
    assert "no license left" in receipt.users["error"].iloc[0]
    assert not receipt.complete
    assert "call it again" in receipt._repr_html_()
    assert User(session=account).sync_users(PEOPLE).complete


def test_refused_credentials_stop_it_with_the_receipt(account: Account) -> None:
    account.faults["PUT"] = [refused(401)]
    with pytest.raises(SyncInterrupted, match="1 created; 2 not sent") as caught:
        User(session=account).sync_users(PEOPLE)
    assert states(caught.value.receipt) == ["not sent", "not sent", "created"]


def test_an_error_before_anything_was_done_is_raised_itself(account: Account) -> None:
    account.faults["POST"] = [TransportError("no line", sent="no")]
    with pytest.raises(TransportError) as caught:
        User(session=account).sync_users(PEOPLE)
    assert isinstance(caught.value.receipt, UserReceipt)


def test_an_interrupt_has_the_receipt_and_the_next_call_does_the_rest(account: Account) -> None:
    def interrupt(request: Any) -> None:
        if request.method == "PUT":
            raise KeyboardInterrupt

    account.before = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        User(session=account).sync_users(PEOPLE)
    assert states(caught.value.receipt) == ["in doubt", "not sent", "created"]  # type: ignore[attr-defined]
    account.before = lambda _: None
    assert User(session=account).sync_users(PEOPLE).complete


# ---------------------------------------------------------------------------------------------------------
# Passwords

WITH_PASSWORD = PEOPLE.assign(password=SECRET)


def test_a_password_is_sent_for_new_users_only_and_never_shown(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    plan = User(session=account).sync_users(WITH_PASSWORD, dry_run=True)
    receipt = plan.apply()
    assert [body.get("password") for body in account.bodies()] == [SECRET, None, None]
    shown = [repr(plan), plan._repr_html_(), plan.inserts.to_csv(), plan.updates.to_csv(), repr(vars(plan))]
    shown += [repr(receipt), receipt._repr_html_(), receipt.users.to_csv(), repr(vars(receipt)), caplog.text]
    assert SECRET not in "".join(shown)


WRONG: dict[str, Callable[[Any], Any]] = {
    "address": lambda user: user.sync_users(WITH_PASSWORD.assign(email_address=3)),
    "on": lambda user: user.sync_users(WITH_PASSWORD, on="x"),
    "cell": lambda user: user.sync_users(WITH_PASSWORD.assign(license="boss")),
    "password": lambda user: user.sync_users(WITH_PASSWORD.assign(password=SECRET + "\0")),
    "flag": lambda user: user.sync_users(WITH_PASSWORD, deactivate=5),
    "limit": lambda user: user.sync_users(WITH_PASSWORD, max_deactivated="x"),
    "refused": lambda user: user.sync_users(WITH_PASSWORD),
}


@pytest.mark.parametrize("owner", [User, Data])
@pytest.mark.parametrize("wrong", WRONG)
def test_no_error_or_local_variable_shows_a_password(
    wrong: str, owner: Any, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="pandas_clicdata")  # DEBUG keeps our frames in tracebacks
    account.faults["POST"] = [refused(401, f"{SECRET} is weak")]
    with pytest.raises(ClicDataError) as raised:
        WRONG[wrong](owner(session=account))
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "pandas_clicdata/" in frame.filename]
    assert ours
    assert "c4nary" not in repr([frame.locals for frame in ours]) + str(raised.value) + caplog.text


def test_the_text_of_a_refusal_shows_no_password(account: Account) -> None:
    account.faults["POST"] = [refused(400, f"{SECRET} is weak")]
    receipt = User(session=account).sync_users(WITH_PASSWORD)
    assert "refused" in states(receipt)
    assert SECRET not in receipt.users.to_csv()


# ---------------------------------------------------------------------------------------------------------
# On the sandbox, and teams


def test_on_the_sandbox(session: Session, clicdata_sandbox: Sandbox) -> None:
    session._sleep = lambda seconds: None
    people = User().get_user().iloc[:4]
    people.loc[0, "license"] = "viewer"
    people = pd.concat([people, pd.DataFrame([NEW])], ignore_index=True)
    clicdata_sandbox.faults.drop(applied=True, method="POST", path="/user")
    receipt = Data().sync_users(people, deactivate=True)
    assert states(receipt) == ["updated", "unchanged", "unchanged", "unchanged", "created", "deactivated"]
    found = User().get_user()
    assert found["user_id"].tolist() == receipt.users["user_id"].tolist()[:5]
    columns = ["email_address", "first_name", "last_name"]
    pd.testing.assert_frame_equal(found[columns], people[columns])
    assert Data().sync_users(people, deactivate=True, dry_run=True).requests == 0


def test_the_user_of_a_basic_login_stays_on_the_sandbox(clicdata_sandbox: Sandbox) -> None:
    with clicdata_sandbox.session(auth_method="basic") as session:
        assert session.username is not None
        plan = User(session=session).sync_users(frame(1), deactivate=True, dry_run=True)
        assert plan.kept["email_address"].tolist() == [session.username]


@pytest.mark.parametrize("applied", [True, False])
def test_a_team_gets_the_users_of_a_frame(session: Session, clicdata_sandbox: Sandbox, applied: bool) -> None:
    session._sleep = lambda seconds: None
    people = pd.DataFrame({"email_address": ["LI@example.com", "zoe@example.com"]}, index=["p", "q"])
    team = Team()
    plan = team.sync_users(4002, people, dry_run=True)
    assert plan.inserts["user_id"].to_dict() == {"p": 5004}
    assert plan.kept["user_id"].tolist() == [5005]
    clicdata_sandbox.faults.drop(applied=applied, method="DELETE", path="/team")
    receipt = team.sync_users(4002, people, remove=True)
    assert states(receipt) == ["added", "unchanged", "removed"]
    members = team.get_team_users()
    assert members.loc[members["team_id"] == 4002, "user_id"].tolist() == [5003, 5004]
    assert team.sync_users(4002, people, remove=True, dry_run=True).requests == 0
    with pytest.raises(InputError, match=r"row 0: no user has the address new@example.com"):
        team.sync_users(4002, pd.DataFrame([NEW]))
    with pytest.raises(NotFound, match="no team 7"):
        team.sync_users(7, people)


def test_many_removals_from_a_team_are_refused() -> None:
    users = {"users": [person(number) for number in range(1, 13)]}
    teams = {"teams": [{"id": 7, "users": list(range(1, 13))}]}
    with pytest.raises(InputError, match=r"11 of 12 users would be removed, .* max_removed=11 permits it"):
        Team(session=LiteralSession(users, teams)).sync_users(7, frame(1), remove=True)
    plan = Team(session=LiteralSession(users, teams)).sync_users(7, frame(1), remove=True, max_removed=11, dry_run=True)
    assert plan.ok
    with pytest.raises(ProtocolError, match="doesn't list the users"):
        Team(session=LiteralSession(users, {"teams": [{"id": 7, "users": 12}]})).sync_users(7, frame(1))
