"""Every call of the package, with each possible answer of the service to each open question.

A call does its work, or raises before anything is changed. No read is short. No row is silently lost or stored twice.
No delete reaches a row that was not shown. The receipt of an append counts the stored rows.
"""

from __future__ import annotations

import base64
import inspect
import itertools
import random
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import Account, Dashboard, Data, Schedule, Session, Team, User, errors, resume_append
from pandas_clicdata.accessor import ClicDataAccessor
from pandas_clicdata.sandbox import pictures, start
from pandas_clicdata.sandbox.switches import Switches
from sample import LONG, some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pandas_clicdata.sandbox import Sandbox

CHOICES = {one.name: get_args(get_type_hints(Switches)[one.name]) for one in fields(Switches)}
DEFAULTS = {one.name: one.default for one in fields(Switches)}
PAGE = 4  # rows of a page, so that few rows are more than one page

Setting = dict[str, Any]


def one_at_a_time() -> list[Setting]:
    return [{}] + [
        {name: choice} for name, choices in CHOICES.items() for choice in choices if choice != DEFAULTS[name]
    ]


def pairwise(seed: int) -> list[Setting]:
    """Return settings in which any two choices of two switches occur together; each is the best of ten draws."""
    draw = random.Random(seed)
    left = {
        frozenset({(a, x), (b, y)})
        for a, b in itertools.combinations(CHOICES, 2)
        for x, y in itertools.product(CHOICES[a], CHOICES[b])
    }
    found = []
    while left:
        must = dict(min(left, key=sorted))
        drawn = [{**{name: draw.choice(choices) for name, choices in CHOICES.items()}, **must} for _ in range(10)]
        best = max(drawn, key=lambda setting: sum(pair <= setting.items() for pair in left))
        left = {pair for pair in left if not pair <= best.items()}
        found.append({name: choice for name, choice in best.items() if choice != DEFAULTS[name]})
    return found


def _label(setting: Setting) -> str:
    return ", ".join(f"{name}={choice}" for name, choice in setting.items()) or "as it stands"


# A plain run tries half of all switches, each alone and in one dialect. A long run tries all of them in both, and
# another set in which any two choices occur together.
_SETS = 1 if LONG else 0


def dialects(number: int, setting: Setting) -> tuple[str, ...]:
    """Return the dialects to try a setting in."""
    if setting and setting.keys() <= {"large_page_size", "deletes"}:  # the legacy dialect has neither
        return ("modern",)
    both = ("legacy", "modern")
    return both if _SETS or not setting else both[number % 2 :][:1]


SETTINGS = [
    pytest.param(setting, dialect, id=f"{_label(setting)}-{dialect}")
    for number, setting in enumerate(one_at_a_time() + [setting for seed in range(_SETS) for setting in pairwise(seed)])
    for dialect in dialects(number, setting)
]


@dataclass
class Bench:
    """A sandbox with a setting, and a session in a dialect."""

    sandbox: Sandbox
    session: Session
    setting: Setting
    modern: bool

    def says(self, name: str) -> Any:
        return self.setting.get(name, DEFAULTS[name])

    @property
    def can_page(self) -> bool:
        """Return whether more than one page can be read."""
        return self.says("page_number") == "honoured"

    def data_set(self, columns: dict[str, str], rows: list[dict[str, Any]], key: list[str] | None = None) -> int:
        rec_id = self.sandbox.create(f"Set {len(self.sandbox.data_sets())}", columns)
        self.sandbox.append(rec_id, rows)
        if key:
            self.sandbox.set_key(rec_id, key)
        return rec_id

    def numbers(self, rec_id: int) -> list[int]:
        return [row["n"] for row in self.sandbox.rows(rec_id)]

    @property
    def hides_pages(self) -> bool:
        """Return whether nothing distinguishes the first page from the whole data set."""
        return not self.can_page and self.says("paging") == "none"

    @contextmanager
    def may_not_page(self, *, many: bool = True) -> Iterator[None]:
        """Expect an error if ``page`` is ignored and a second page is needed, and only then."""
        try:
            yield
        except errors.ClicDataError:
            if self.can_page or not many:
                raise
        else:
            assert self.can_page or not many, "it was read all the same"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bench" in metafunc.fixturenames:
        metafunc.parametrize(("setting", "dialect"), some(SETTINGS, 4, metafunc.function.__name__))


@pytest.fixture
def bench(setting: Setting, dialect: str) -> Iterator[Bench]:
    version = None if dialect == "legacy" else "2022.01"
    limits = {"page_size": PAGE, "max_page_size": PAGE, "schedule_seconds": 0.01}
    with start(**limits, **setting) as sandbox:
        with sandbox.session(api_version=version, timeout=(5, 5)) as session:
            session._sleep = lambda seconds: None
            yield Bench(sandbox, session, setting, dialect == "modern")


COLUMNS = {"n": "number", "t": "text", "at": "datetime"}
ROWS = [{"n": n, "t": f"text {n}", "at": f"2024-01-02 03:04:{n:02}"} for n in range(10)]
EQUAL = [{"n": 7, "t": "same", "at": None}] * 9
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
FRAME = pd.DataFrame(ROWS[:5]).assign(n=range(100, 105), at=pd.Timestamp("2024-02-03 04:05:06"))


# ---------------------------------------------------------------------------------------------------------
# Reads


@pytest.mark.parametrize("rows", [ROWS, ROWS[:PAGE], EQUAL, []], ids=["many", "a page", "equal", "none"])
def test_a_read_is_whole_or_raises(bench: Bench, rows: list[dict[str, Any]]) -> None:
    rec_id, s = bench.data_set(COLUMNS, rows), bench.session
    many, data = len(rows) > PAGE, Data(session=s)
    if many and bench.hides_pages:
        pytest.skip("nobody can tell the first page from the whole")
    expected = [row["n"] for row in rows]
    version = bench.sandbox.data_sets()[-1].version
    reads: dict[str, Any] = {
        "whole": lambda: pandas_clicdata.read_clicdata(rec_id, session=s),
        "workers": lambda: pandas_clicdata.read_clicdata(rec_id, workers=3, session=s),
        "chunks": lambda: pd.concat(pandas_clicdata.read_clicdata(rec_id, chunksize=3, session=s)),
        "version": lambda: pandas_clicdata.read_clicdata(rec_id, ver_id=version, session=s),
        "latest": lambda: pandas_clicdata.read_clicdata(rec_id, ver_id="latest", session=s),
        "data": lambda: data.get_data(rec_id),
        "history": lambda: data.get_data_history(rec_id, version),
        "dicts": lambda: pd.DataFrame(data.get_data(rec_id, output="dict"), columns=list(COLUMNS)),
        "pages": lambda: pd.Series([page.count for page in data.pages(rec_id)]),
        "columns": lambda: data.get_columns(rec_id),
    }
    for name, read in reads.items():
        if not rows and name in ("version", "latest", "history"):
            continue  # no version yet
        with bench.may_not_page(many=many):
            found = read()
            if name == "pages":
                assert found.sum() == len(rows)
            elif name == "columns":
                assert found["name"].tolist() == (list(COLUMNS) if rows else [])
            else:
                assert (found["n"].tolist() if len(found.columns) else []) == expected, name
    try:
        assert data.count_rows(rec_id) == len(rows)
    except errors.ReadError:
        assert not bench.can_page
    with bench.may_not_page(many=many):
        some = pandas_clicdata.read_clicdata(rec_id, nrows=7, session=s)
        assert (some["n"].tolist() if len(some.columns) else []) == expected[:7]


def test_moments_are_read_in_any_spelling(bench: Bench) -> None:
    rec_id = bench.data_set(COLUMNS, ROWS[:3])
    found = pandas_clicdata.read_clicdata(rec_id, parse_dates=["at"], session=bench.session)
    assert found["at"].tolist() == [pd.Timestamp(row["at"]) for row in ROWS[:3]]
    FRAME.head(1).clicdata.append(rec_id, session=bench.session)
    assert bench.sandbox.rows(rec_id)[-1]["at"] == "2024-02-03 04:05:06"


def test_lists_are_whole_or_raise(bench: Bench) -> None:
    s, sandbox = bench.session, bench.sandbox
    for _ in range(3):
        rec_id = bench.data_set(COLUMNS, ROWS[:1])
    for _ in range(PAGE):
        sandbox.append(rec_id, ROWS[:1])
    if bench.modern and bench.hides_pages:
        pytest.skip("nobody can tell the first page from the whole")
    with bench.may_not_page(many=bench.modern):
        listed = Data(session=s).get_data()
        assert listed["rec_id"].tolist() == [one.rec_id for one in sandbox.data_sets()]
    with bench.may_not_page(many=bench.modern):
        versions = Data(session=s).get_data_history(rec_id)
        assert versions["version"].tolist() == [*range(1, PAGE + 2)]
    with bench.may_not_page(many=bench.modern):
        users = User(session=s).get_user()
        assert users["user_id"].tolist() == [5001, 5002, 5003, 5004, 5005]
    assert Data(session=s).ids_named("Shops") == [1001]
    assert Data(session=s).get_data(name="shop", refresh=False)["name"].tolist() == ["Shops"]
    assert User(session=s).get_user(5001)["first_name"].tolist() == ["Jane"]


def test_the_account_is_read(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "draw", lambda chart, *size: PICTURE)  # to draw a new picture takes longest
    monkeypatch.setattr(Schedule, "_sleep", staticmethod(lambda seconds: time.sleep(0.02)))
    s = bench.session
    account, dashboard, schedule, team = (each(session=s) for each in (Account, Dashboard, Schedule, Team))
    assert set(account.get_account()["metric"]) >= {"rows", "storage"}
    [first, *_] = dashboard.get_dashboard(output="dict")
    assert dashboard.get_dashboard_thumbnail(first["name"]).format == "PNG"
    assert dashboard.get_dashboard_thumbnail(rec_id=first["id"], output="base64").startswith("iVBOR")
    assert dashboard.get_dashboard_snapshot(first["name"]).format == "PNG"
    assert dashboard.get_dashboard_snapshot(rec_id=first["id"], output="base64").startswith("iVBOR")
    assert dashboard.save_dashboard_thumbnail(rec_id=first["id"], path=tmp_path / "a.png").stat().st_size
    assert dashboard.save_dashboard_snapshot(rec_id=first["id"], path=tmp_path / "b.png").stat().st_size
    for entity in ("users", "dashboards"):
        assert isinstance(account.get_account_activity(entity), pd.DataFrame)
    assert schedule.get_schedule()["rec_id"].tolist() == [3001, 3002, 3003]
    assert len(schedule.get_schedule(3001)) == 1
    assert set(schedule.get_schedule_tasks()["type"]) == {"refresh", "snapshot"}
    schedule.trigger_schedule(3001, wait=True)
    assert bench.sandbox.runs(3001) == ["succeeded", "succeeded"]
    assert team.get_team()["team_id"].tolist() == [4001, 4002]
    assert len(team.get_team_parameters()) == 1
    assert set(team.get_team_users()["team_id"]) == {4001, 4002}


def test_teams_and_users_are_changed(bench: Bench) -> None:
    s = bench.session
    team, user = Team(session=s), User(session=s)
    made = team.create_team("Night", "made by a test")
    team.update_team(made, desc="changed")
    team.add_user(made, 5002)
    team.add_users(made, [5003, 5004])
    team.remove_user(made, 5002)
    team.set_parameter(made, "region", "north")
    [one] = [each for each in team.get_team(output="dict") if each["id"] == made]
    assert (one["description"], one["users"]) == ("changed", [5003, 5004])
    team.remove_parameter(made, "region")
    team.delete_team(made)
    ada = user.create_user("ada@example.com", "Ada", "New")
    user.update_user(ada, last_name="Newer")
    user.set_password(ada, "n3w-password")
    assert user.get_user(ada, output="dict")["last_name"] == "Newer"
    frame = pd.DataFrame({"email_address": ["bo@example.com"], "first_name": ["Bo"], "last_name": ["Li"]})
    assert user.create_users(frame)["state"].tolist() == ["created"]
    frame["license"] = "editor"
    if bench.modern and not bench.can_page:  # the users are more than a page
        if not bench.hides_pages:  # else nothing distinguishes the first page from all users
            with pytest.raises(errors.PagingLoop):
                user.sync_users(frame)
    else:
        assert user.sync_users(frame).users["state"].tolist() == ["updated"]
        assert team.sync_users(4001, frame).users["state"].tolist() == ["added"]
    user.delete_user(ada)
    with pytest.raises(errors.NotFound):
        user.get_user(ada)


# ---------------------------------------------------------------------------------------------------------
# Appends


def test_an_append_says_what_is_stored(bench: Bench) -> None:
    rec_id = bench.data_set(COLUMNS, ROWS)
    receipt = FRAME.clicdata.append(rec_id, chunksize=2, session=bench.session)
    assert bench.numbers(rec_id) == [*range(10), *range(100, 105)]
    assert (receipt.rows_appended, receipt.rows_in_doubt, receipt.complete) == (5, 0, True)
    pushed = FRAME.clicdata.push("Pushed", chunksize=2, session=bench.session, audit=False)
    assert bench.numbers(pushed.rec_id) == [*range(100, 105)]
    made = Data(session=bench.session).create_data("Made", COLUMNS)
    assert Data(session=bench.session).append_data(made, FRAME).rows_appended == 5
    assert bench.sandbox.count(FRAME.clicdata.create_table("Table", session=bench.session)) == 0


def test_an_audited_append_is_audited_or_says_that_it_is_not(bench: Bench) -> None:
    if bench.hides_pages:
        pytest.skip("nobody can tell the first page from the whole")
    with_audit = Data(session=bench.session).static_send_data("Sent", FRAME, chunksize=2)
    assert bench.numbers(with_audit.rec_id) == [*range(100, 105)]
    assert with_audit.audited or not bench.can_page
    again = FRAME.clicdata.push("Sent", if_exists="append", session=bench.session)
    assert again.rec_id == with_audit.rec_id
    assert bench.sandbox.count(again.rec_id) == 10


def test_rows_whose_key_exists(bench: Bench) -> None:
    rec_id = bench.data_set(COLUMNS, ROWS, key=["n"])
    frame = pd.DataFrame([*ROWS[:2], *FRAME.to_dict("records")]).astype({"at": "datetime64[ns]"})
    receipt = frame.clicdata.append(rec_id, session=bench.session)
    added = bench.sandbox.count(rec_id) - len(ROWS)
    assert added == (5 if bench.says("existing_keys") == "skip" else 7)
    if bench.modern:  # the legacy dialect counts nothing
        assert (receipt.rows_appended, receipt.rows_in_doubt) == (added, 0)


def test_an_unknown_column_loses_no_row(bench: Bench) -> None:
    rec_id = bench.data_set(COLUMNS, ROWS[:1])
    if bench.says("unknown_columns") == "drop":  # C: nothing in the answer shows that cells were dropped (O10)
        FRAME.assign(x=1).clicdata.append(rec_id, session=bench.session)
        assert bench.numbers(rec_id) == [0, *range(100, 105)]
    else:
        with pytest.raises(errors.ApiError, match="x"):
            FRAME.assign(x=1).clicdata.append(rec_id, session=bench.session)
        assert bench.numbers(rec_id) == [0]


@pytest.mark.parametrize("applied", [True, False], ids=["stored", "lost"])
@pytest.mark.parametrize("verify", ["count", "tag"])
def test_a_lost_response_doubles_no_row(bench: Bench, verify: str, applied: bool) -> None:
    rec_id = bench.data_set({**COLUMNS, "load": "text"}, ROWS)
    if bench.hides_pages:
        pytest.skip("nobody can tell the first page from the whole")
    more: dict[str, Any] = {"exclusive": True} if verify == "count" else {"tag_column": "load"}
    path = f"/data/{rec_id}"
    bench.sandbox.faults.drop(applied=applied, method="POST", path=path, after=1)
    try:
        receipt = FRAME.clicdata.append(rec_id, chunksize=2, verify=verify, session=bench.session, **more)
    except errors.ClicDataError:
        assert not bench.can_page, "it can be counted"
        assert max(Counter(bench.numbers(rec_id)).values()) == 1
    else:
        assert bench.numbers(rec_id) == [*range(10), *range(100, 105)]
        assert (receipt.rows_appended, receipt.audited) == (5, True)


def test_an_append_is_resumed(bench: Bench, tmp_path: Path) -> None:
    rec_id = bench.data_set(COLUMNS, ROWS)
    journal = tmp_path / "journal"
    bench.sandbox.faults.status(403, method="POST", path=f"/data/{rec_id}", after=1)
    with pytest.raises(errors.WriteError):
        FRAME.clicdata.append(rec_id, chunksize=2, journal=journal, session=bench.session)
    receipt = resume_append(FRAME, journal, session=bench.session)
    assert bench.numbers(rec_id) == [*range(10), *range(100, 105)]
    assert receipt.complete


# ---------------------------------------------------------------------------------------------------------
# Changes

TEXTS = ("a", "A", "a ", "b")
WITH_TEXTS = [{"n": n, "t": text, "at": f"2024-01-02 03:04:0{n}"} for n, text in enumerate(TEXTS)]
KEY = pd.DataFrame({"t": ["a"]})


@pytest.mark.parametrize("match", [None, "exact", "wide"])
def test_no_delete_reaches_a_row_that_was_not_shown(bench: Bench, match: Any) -> None:
    rec_id = bench.data_set(COLUMNS, WITH_TEXTS)
    before = bench.numbers(rec_id)
    options: dict[str, Any] = {"session": bench.session, **({"match": match} if match else {})}
    shown = set(KEY.clicdata.delete_rows(rec_id, "t", dry_run=True, **options).deletes["n"])
    assert bench.numbers(rec_id) == before
    try:
        receipt = KEY.clicdata.delete_rows(rec_id, "t", **options)
    except errors.InputError:
        assert match is None
        assert bench.numbers(rec_id) == before
        return
    except errors.WriteError:  # it deleted more rows than planned, and the error says so
        assert (match, bench.says("text_comparison"), bench.modern) == ("exact", "sql_server", True)
        return
    assert match is not None, "it isn't known which rows go"
    gone = set(before) - set(bench.numbers(rec_id))
    if (match, bench.says("text_comparison")) != ("exact", "sql_server"):  # the caller's ``match`` was wrong
        assert gone <= shown
        assert gone <= {
            int(row["n"]) for kept in (receipt.rows, receipt.rows_in_doubt) for row in kept.to_dict("records")
        }
        if bench.modern and bench.says("deletes") != "DELETE /row":  # only this answer has a count
            assert {row["n"] for row in receipt.rows.to_dict("records")} <= gone


@pytest.mark.parametrize("on", ["n", "t", "at"])
def test_rows_are_deleted_kept_and_put_back(bench: Bench, on: str) -> None:
    rec_id = bench.data_set(COLUMNS, ROWS[:PAGE])
    frame = pd.DataFrame(ROWS[1:3]).assign(at=lambda df: pd.to_datetime(df["at"]))
    shown = frame.clicdata.delete_rows(rec_id, on, dry_run=True, session=bench.session).deletes
    assert shown["n"].tolist() == [1, 2]
    with pytest.raises(errors.InputError):
        frame.clicdata.delete_rows(rec_id, on, max_rows=1, session=bench.session)
    assert bench.numbers(rec_id) == [0, 1, 2, 3]
    receipt = frame.clicdata.delete_rows(rec_id, on, max_rows=2, session=bench.session)
    assert bench.numbers(rec_id) == [0, 3]
    assert receipt.rows["n"].tolist() == [1, 2]
    receipt.rows.clicdata.append(rec_id, types={"at": "datetime"}, session=bench.session)
    assert bench.numbers(rec_id) == [0, 3, 1, 2]
    frame.head(1).clicdata.delete_rows(rec_id, on, keep=False, session=bench.session)
    assert bench.numbers(rec_id) == [0, 3, 2]


def test_deletes_of_many_pages(bench: Bench) -> None:
    rec_id = bench.data_set(COLUMNS, ROWS)
    if bench.hides_pages:
        pytest.skip("nobody can tell the first page from the whole")
    with bench.may_not_page():
        receipt = pd.DataFrame(ROWS[7:]).clicdata.delete_rows(rec_id, "n", session=bench.session)
        assert receipt.rows["n"].tolist() == [7, 8, 9]
    assert bench.numbers(rec_id) == [*range(7 if bench.can_page else 10)]


def test_data_are_deleted_and_updated(bench: Bench) -> None:
    data, rec_id = Data(session=bench.session), bench.data_set(COLUMNS, [*ROWS[:3], *ROWS[:3]])
    data.delete_data(rec_id, {"n": 1, "t": "text 1"}, multiple_rows="first")
    assert bench.numbers(rec_id) == [0, 2, 0, 1, 2]
    data.delete_data(rec_id, {"n": 2})
    assert bench.numbers(rec_id) == [0, 0, 1]
    data.update_data(rec_id, {"n": 0}, {"n": 5}, multiple_rows="first")
    data.update_data(rec_id, {"n": 1}, {"n": 6, "t": "new"})
    assert [(row["n"], row["t"]) for row in bench.sandbox.rows(rec_id)] == [(5, "text 0"), (0, "text 0"), (6, "new")]
    for change in (lambda: data.delete_data(rec_id, {}), lambda: data.update_data(rec_id, {}, {"n": 1})):
        with pytest.raises(errors.InputError):
            change()
    assert bench.numbers(rec_id) == [5, 0, 6]
    assert not bench.sandbox.refreshes()


def test_rows_are_updated(bench: Bench) -> None:
    rec_id = bench.data_set(COLUMNS, WITH_TEXTS)
    frame = pd.DataFrame({"n": [1, 3], "t": ["one", "three"]})
    receipt = frame.clicdata.update_rows(rec_id, "n", session=bench.session)
    assert receipt.keys_applied + receipt.keys_accepted == 2  # ClicData may count rows or not
    assert [row["t"] for row in bench.sandbox.rows(rec_id)] == ["a", "one", "a ", "three"]
    both = pd.DataFrame({"t": ["a", "A"], "n": [70, 80]})  # some services treat these keys as equal, with two values
    with pytest.raises(errors.InputError):
        both.clicdata.update_rows(rec_id, "t", session=bench.session)
    assert bench.numbers(rec_id) == [0, 1, 2, 3]
    assert not bench.sandbox.refreshes()


@pytest.mark.parametrize("verb", ["upsert", "sync"])
def test_a_data_set_is_made_what_a_frame_says(bench: Bench, verb: str) -> None:
    rec_id = bench.data_set(COLUMNS, WITH_TEXTS[:3])
    frame = pd.DataFrame({"n": [0, 1, 9], "t": ["a", "one", "nine"]})
    plan = frame.clicdata.diff(rec_id, on="n", session=bench.session)
    assert (len(plan.inserts), plan.updates["new"].tolist(), plan.deletes["n"].tolist()) == (1, ["one"], [2])
    for done in (1, 0):
        if verb == "upsert":
            receipt = frame.clicdata.upsert(rec_id, on="n", session=bench.session)
        else:
            receipt = frame.clicdata.sync(rec_id, on="n", max_deletes=2, session=bench.session)
        assert receipt.complete
        assert (receipt.appended is not None, receipt.updated is not None) == (bool(done), bool(done))
        left = {0: "a", 1: "one", 9: "nine"} | ({2: TEXTS[2]} if verb == "upsert" else {})
        assert {row["n"]: row["t"] for row in bench.sandbox.rows(rec_id)} == left
        assert len(bench.sandbox.rows(rec_id)) == len(left)


@pytest.mark.parametrize("by", ["t", None])
def test_rows_are_replaced_and_given_back(bench: Bench, by: str | None) -> None:
    rec_id = bench.data_set(COLUMNS, [{"n": 0, "t": "b"}, {"n": 1, "t": "c"}, {"n": 2, "t": "b"}])
    before = sorted(map(str, bench.sandbox.rows(rec_id)))
    frame = pd.DataFrame({"n": [70, 80], "t": ["b", "b"]})
    receipt = frame.clicdata.replace(rec_id, by, session=bench.session)
    assert receipt.complete
    assert bench.numbers(rec_id) == ([1, 70, 80] if by else [70, 80])
    assert receipt.undo().complete
    assert sorted(map(str, bench.sandbox.rows(rec_id))) == before


def test_a_version_is_restored(bench: Bench) -> None:
    data, rec_id = Data(session=bench.session), bench.data_set(COLUMNS, [{"n": 0, "t": "b"}, {"n": 1, "t": "c"}])
    version = bench.sandbox.data_sets()[-1].version
    frame = pd.DataFrame({"n": [0, 5], "t": ["new", "d"]})
    assert data.sync_data(rec_id, frame, on="n").complete
    assert len(data.diff_data(rec_id, frame, on="n").updates) == 0
    changes = data.changes(rec_id, since=version)
    assert (changes.added["n"].tolist(), changes.removed["n"].tolist()) == ([5], [1])
    assert data.restore(rec_id, version).complete
    assert sorted(bench.numbers(rec_id)) == [0, 1]
    assert data.upsert_data(rec_id, frame, on="n").complete
    assert data.replace_data(rec_id, frame).complete
    assert bench.numbers(rec_id) == [0, 5]


def test_a_refresh_refreshes(bench: Bench) -> None:
    methods = ("reload", "recreate", "update", "append", "updateappend")
    for method in methods:
        Data(session=bench.session).rebuild_data(1003, method)
    words = ("reload", "rebuild") if bench.modern else ("rebuild", "recreate")
    assert bench.sandbox.refreshes(1003) == [*words, *methods[2:]]


# ---------------------------------------------------------------------------------------------------------


def test_any_two_choices_come_together() -> None:
    settings = [{**DEFAULTS, **setting} for setting in pairwise(0)]
    for a, b in itertools.combinations(CHOICES, 2):
        assert {(one[a], one[b]) for one in settings} == {*itertools.product(CHOICES[a], CHOICES[b])}


def test_every_public_call_is_here() -> None:
    text = inspect.getsource(inspect.getmodule(test_every_public_call_is_here))
    for kind in (Data, Account, Dashboard, Schedule, Team, User, ClicDataAccessor):
        for name in dir(kind):
            is_call = not name.startswith("_") and callable(getattr(kind, name))
            assert not is_call or f".{name}(" in text, f"{kind.__name__}.{name}"
