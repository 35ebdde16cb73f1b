"""df.clicdata on the sandbox: a read returns the rows that were sent."""

from __future__ import annotations

import datetime as dt
import decimal
import inspect
import re
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import Data, errors
from pandas_clicdata.endpoints.data import create_and_append
from pandas_clicdata.sandbox import start
from pandas_clicdata.uploads.append import AppendOptions

if TYPE_CHECKING:
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

ODD = pd.DataFrame(
    {
        "text with 'quotes' and \"double\"": ['say "hi"', "back\\slash", "tab\tline\nend", "😀 é \u2028", "", "01234"],
        "whole": [2**53 + 1, -(2**63), 0, 1, 2, 3],
        "with gaps": pd.array([1, None, 2**60 + 1, None, 5, 6], dtype="Int64"),
        "decimal number": [0.1, 1e-300, np.nan, -0.0, 1.5e300, 1 / 3],
        "flag": [True, False, True, False, True, False],
        "maybe": pd.array([True, None, False, None, True, False], dtype="boolean"),
        "day": pd.to_datetime(["2026-11-24", "1900-01-01", None, "2262-01-01", "2000-02-29", "1970-01-01"]),
        "moment": pd.to_datetime(
            ["2026-11-24 10:00:00.123456", "2026-03-29 01:30", None, "2000-01-01", "1999-12-31 23:59:59", "2026-01-01"],
            format="ISO8601",
        ).tz_localize("UTC"),
        "missing": [None, np.nan, "x", pd.NA, "y", None],
        "category": pd.Categorical(["a", "b", None, "a", "c", "b"]),
    },
    index=["i", "i", "j", "k", "k", "l"],
)


def test_an_odd_table_comes_back_equal(session: Session) -> None:
    before = ODD.copy()
    receipt = ODD.clicdata.push("Odd", index=False)
    assert receipt.complete
    back = pandas_clicdata.read_clicdata(receipt.rec_id, dtype=ODD.dtypes)
    expected = ODD.reset_index(drop=True)
    for column in ODD.columns:
        if column == "missing":
            assert [None if pd.isna(v) else v for v in back[column]] == [None, None, "x", None, "y", None]
        else:
            pd.testing.assert_series_equal(back[column], expected[column], check_categorical=False)
    assert back.columns.tolist() == ODD.columns.tolist()
    pd.testing.assert_frame_equal(ODD, before)


@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 1001, 2500])
def test_tables_of_any_length(session: Session, rows: int) -> None:
    frame = pd.DataFrame({"n": np.arange(rows), "t": pd.Series([f"r{n}" for n in range(rows)], dtype="object")})
    receipt = frame.clicdata.push("Long", types={"t": "text"})
    back = pandas_clicdata.read_clicdata(receipt.rec_id)
    assert receipt.rows_appended == rows == len(back)
    if rows:
        assert back["n"].tolist() == frame["n"].tolist()
        assert back["t"].tolist() == frame["t"].tolist()


def test_two_hundred_columns(session: Session) -> None:
    frame = pd.DataFrame({f"column {n}": [n, n + 1] for n in range(200)})
    back = pandas_clicdata.read_clicdata(frame.clicdata.push("Broad").rec_id)
    pd.testing.assert_frame_equal(back, frame)


def test_the_types_a_table_is_made_with(session: Session, clicdata_sandbox: Sandbox) -> None:
    frame = pd.DataFrame(
        {
            "b": [True],
            "i": [1],
            "f": [0.5],
            "d": [decimal.Decimal("1.25")],
            "when": [pd.Timestamp("2026-11-24")],
            "day": [dt.date(2026, 11, 24)],
            "t": ["x"],
            "u": [uuid.UUID(int=7)],
            "share": [0.25],
        }
    )
    rec_id = frame.clicdata.create_table("Typed", "a description", types={"share": "percentage"})
    [made] = [one for one in clicdata_sandbox.data_sets() if one.rec_id == rec_id]
    assert {column.name: column.data_type for column in made.columns} == {
        "b": "checkbox",
        "i": "number",
        "f": "number",
        "d": "number",
        "when": "datetime",
        "day": "date",
        "t": "text",
        "u": "text",
        "share": "percentage",
    }
    assert made.description == "a description"
    assert clicdata_sandbox.count(rec_id) == 0
    frame.clicdata.append(rec_id)
    [row] = clicdata_sandbox.rows(rec_id)
    assert row["day"] == "2026-11-24"
    assert row["u"] == str(uuid.UUID(int=7))


@pytest.mark.fault(61)
@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1, "x"]}), "types="),
        (pd.DataFrame({"a": [b"x"]}), "bytes"),
        (pd.DataFrame({"a": [np.inf]}), "infinit"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a'"),
        (pd.DataFrame({1: [1]}), "1"),
        (pd.DataFrame({"a": [[1]]}), "list"),
        (pd.DataFrame({"a": [1j]}), "complex"),
        (pd.DataFrame({"a": ["\ud800"]}, dtype=object), "'a'"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "MultiIndex|levels"),
        (pd.DataFrame(), "column"),
    ],
    ids=["mixed", "bytes", "inf", "twice", "number as name", "list", "complex", "surrogate", "levels", "nothing"],
)
def test_a_frame_that_can_not_be_sent_is_refused_before_any_request(
    clicdata_sandbox: Sandbox, frame: pd.DataFrame, message: str
) -> None:
    with clicdata_sandbox.session() as session:
        with pytest.raises(errors.InputError, match=message):
            frame.clicdata.push("Bad", session=session)
    assert clicdata_sandbox.requests == []


@pytest.mark.fault(61)
def test_every_problem_is_named_at_once(session: Session) -> None:
    frame = pd.DataFrame({"a": [1.0, np.inf], "b": [b"x", b"y"], "c": [1, 2]}, index=["first", "second"])
    with pytest.raises(errors.InputError) as caught:
        frame.clicdata.push("Bad")
    assert len(caught.value.problems) == 3  # the index is the third problem: it has labels, and no name
    assert "second" in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.fault(21)
def test_push_fails_or_appends_where_the_table_exists(session: Session, clicdata_sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    first = frame.clicdata.push("Twice")
    with pytest.raises(errors.Conflict, match=str(first.rec_id)):
        frame.clicdata.push("Twice")
    assert clicdata_sandbox.count(first.rec_id) == 2
    again = frame.clicdata.push("Twice", if_exists="append")
    assert again.rec_id == first.rec_id
    assert clicdata_sandbox.count(first.rec_id) == 4
    new = frame.clicdata.push("Twice and more", if_exists="append")
    assert new.rec_id != first.rec_id


def test_a_name_that_is_empty_says_how_to_name_a_column_or_an_index(session: Session) -> None:
    for frame in (pd.DataFrame({"": [1]}), pd.DataFrame({"n": [1]}, index=pd.Index([5], name=""))):
        with pytest.raises(errors.InputError, match=r"column '': .*df\.rename\(.*df\.rename_axis\(") as caught:
            frame.clicdata.push("Nameless")
        assert "index" in str(caught.value)


@pytest.mark.parametrize("if_exists", ["overwrite", "", None, True])
def test_push_refuses_another_if_exists(session: Session, if_exists: Any) -> None:
    with pytest.raises(errors.InputError, match="if_exists"):
        ODD.clicdata.push("Odd", if_exists=if_exists)


def test_an_index_with_a_name_goes_there_and_back(session: Session, clicdata_sandbox: Sandbox) -> None:
    shops = pd.DataFrame({"shop": ["x", "y", "x"], "a": [1, 2, 3]}).groupby("shop").sum()
    receipt = shops.clicdata.push("Indexed")
    assert "left out" not in receipt.summary()
    assert receipt.job.index is True
    assert receipt.in_doubt(shops).empty
    assert pandas_clicdata.resume_append(shops, receipt) is receipt
    back = pandas_clicdata.read_clicdata(receipt.rec_id, index_col="shop")
    pd.testing.assert_frame_equal(back, shops, check_index_type=False)
    back.clicdata.append(receipt.rec_id)
    assert clicdata_sandbox.rows(receipt.rec_id)[2:] == [{"shop": "x", "a": 4}, {"shop": "y", "a": 2}]
    left_out = back.clicdata.append(shops[["a"]].clicdata.create_table("Bare", index=False), index=False)
    assert "the index 'shop' was left out" in left_out.summary()
    for verb in (back.clicdata.push, back.clicdata.create_table):
        with pytest.raises(errors.Conflict):  # the frame itself has no problem
            verb("Indexed")
    assert pandas_clicdata.Data().append_data(receipt.rec_id, back).job.columns == ["shop", "a"]
    assert pandas_clicdata.Data().static_send_data("Sent", back).job.columns == ["shop", "a"]


def test_a_level_of_the_index_is_a_key(session: Session, clicdata_sandbox: Sandbox) -> None:
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["item", "size"])
    frame = pd.DataFrame({"left": [1, 2, 3]}, index=index)
    rec_id = frame.clicdata.push("Stock").rec_id
    result = frame.tail(2).assign(left=9).clicdata.update_rows(rec_id, on=["item", "size"])
    assert result.keys.index.tolist() == [("a", 2), ("b", 1)]
    assert pd.read_clicdata(rec_id, index_col=["item", "size"])["left"].tolist() == [1, 9, 9]
    gone = frame.head(1).clicdata.delete_rows(rec_id, on="size")
    assert gone.rows["item"].tolist() == ["a", "b"]
    assert frame.tail(1).clicdata.delete_rows(rec_id, on="item", dry_run=True).deletes.empty
    with pytest.raises(errors.InputError, match="no column 'item'"):
        frame.clicdata.delete_rows(rec_id, on="item", index=False)
    assert frame.columns.tolist() == ["left"]


def test_rows_are_deleted_by_key(session: Session, clicdata_sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"k": [1, 2, 2, 3], "s": ["a", "b", "b", "c"], "v": [10, 20, 21, 30]})
    rec_id = frame.clicdata.push("Keyed").rec_id
    clicdata_sandbox.requests.clear()
    gone = pd.DataFrame({"s": ["b", "b", "zzz"], "k": [2, 2, 9], "other": [None, 1, 2]})
    result = gone.clicdata.delete_rows(rec_id, on=["k", "s"])
    assert pandas_clicdata.read_clicdata(rec_id)["v"].tolist() == [10, 30]
    assert len([seen for seen in clicdata_sandbox.requests if seen.path.endswith(("/row", "/delete"))]) == 1
    assert (result.keys_total, result.keys_applied, result.keys_unmatched, result.keys_in_doubt) == (2, 1, 1, 0)
    assert result.keys["state"].tolist() == ["applied", "unmatched"]
    assert result.unmatched.to_dict("list") == {"k": [9], "s": ["zzz"]}
    assert result.keys[["k", "s"]].to_numpy().tolist() == [[2, "b"], [9, "zzz"]]


def test_only_the_first_match_is_deleted_with_multiple_rows_first(session: Session) -> None:
    frame = pd.DataFrame({"k": [1, 1, 2]})
    rec_id = frame.clicdata.push("First").rec_id
    frame.head(1).clicdata.delete_rows(rec_id, on="k", multiple_rows="first")
    assert pandas_clicdata.read_clicdata(rec_id)["k"].tolist() == [1, 2]


def test_rows_are_updated_by_key(session: Session) -> None:
    frame = pd.DataFrame(
        {"k": ["a", "b", "c"], "v": [1.5, 2.5, 3.5], "when": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"])}
    )
    rec_id = frame.clicdata.push("Updated").rec_id
    new = pd.DataFrame({"v": [9.0, np.nan], "k": ["b", "c"], "when": [pd.Timestamp("2030-01-01"), pd.NaT]})
    result = new.clicdata.update_rows(rec_id, on="k")
    assert (result.keys_applied, result.keys_accepted) == (2, 0)
    back = pandas_clicdata.read_clicdata(rec_id, parse_dates=["when"], dtype={"v": "float64"})
    assert back["v"].tolist()[:2] == [1.5, 9.0]
    assert np.isnan(back["v"].iloc[2])
    assert back["when"].tolist()[1] == pd.Timestamp("2030-01-01")
    assert pd.isna(back["when"].iloc[2])


@pytest.mark.parametrize(
    ("frame", "on", "message"),
    [
        (pd.DataFrame({"k": [1]}), [], "on must name"),
        (pd.DataFrame({"k": [1]}), None, "on must name"),
        (pd.DataFrame({"k": [1]}), ["nope"], "'nope'"),
        (pd.DataFrame({"k": [1]}), ["k", "k"], "twice"),
        (pd.DataFrame({"k": [1, None]}), ["k"], "missing value"),
        (pd.DataFrame({"k": [np.inf]}), ["k"], "infinit"),
    ],
)
def test_keys_that_cannot_be_used_send_nothing(
    clicdata_sandbox: Sandbox, frame: pd.DataFrame, on: Any, message: str
) -> None:
    with clicdata_sandbox.session() as session:
        with pytest.raises(errors.InputError, match=message):
            frame.clicdata.delete_rows(1001, on=on, session=session)
        with pytest.raises(errors.InputError, match=message):
            frame.assign(other=1).clicdata.update_rows(1001, on=on, session=session)
    assert clicdata_sandbox.requests == []


def test_an_update_with_two_values_for_a_key_sends_nothing(clicdata_sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"k": [1, 1], "v": [1, 2]}, index=["x", "y"])
    with clicdata_sandbox.session() as session:
        with pytest.raises(errors.InputError, match="'y'"):
            frame.clicdata.update_rows(1001, on="k", index=False, session=session)
        with pytest.raises(errors.InputError, match="nothing would be set"):
            frame[["k"]].clicdata.update_rows(1001, on="k", index=False, session=session)
        with pytest.raises(errors.InputError, match=r"rename_axis.*index=False"):
            frame.assign(v=1).clicdata.update_rows(1001, on="k", session=session)
        assert frame.assign(v=1).clicdata.update_rows is not None
    assert clicdata_sandbox.requests == []


@pytest.mark.fault(7)
@pytest.mark.parametrize("applied", [True, False])
def test_a_delete_whose_answer_is_lost_is_not_sent_again(clicdata_sandbox: Sandbox, applied: bool) -> None:
    frame = pd.DataFrame({"k": [1, 2, 3]})
    with clicdata_sandbox.session() as session:
        rec_id = frame.clicdata.push("Lost", session=session).rec_id
        clicdata_sandbox.requests.clear()
        clicdata_sandbox.faults.drop(applied=applied, method="DELETE", after=1)
        with pytest.raises(errors.DeleteAmbiguous) as caught:
            frame.clicdata.delete_rows(rec_id, on="k", session=session)
    receipt: Any = caught.value.receipt
    assert caught.value.safe_to_repeat
    assert receipt.keys["state"].tolist() == ["applied", "in doubt", "pending"]
    assert [seen.method for seen in clicdata_sandbox.requests] == ["GET", "DELETE", "DELETE"]
    assert receipt.rows["k"].tolist() == [1]
    assert receipt.rows_in_doubt["k"].tolist() == [2]
    assert [row["k"] for row in clicdata_sandbox.rows(rec_id)] == ([3] if applied else [2, 3])


def test_an_update_that_is_refused_midway_says_what_was_done(session: Session, clicdata_sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"k": [1, 2, 3], "v": [1, 2, 3]})
    rec_id = frame.clicdata.push("Midway").rec_id
    clicdata_sandbox.faults.status(400, path=re.compile("/(row|update)$"), after=1)
    with pytest.raises(errors.WriteError) as caught:
        frame.assign(v=0).clicdata.update_rows(rec_id, on="k")
    receipt: Any = caught.value.receipt
    assert receipt.keys["state"].tolist() == ["applied", "refused", "pending"]
    assert [row["v"] for row in clicdata_sandbox.rows(rec_id)] == [0, 2, 3]


@pytest.mark.parametrize("fate", ["applied", "not applied", "answer without id"])
def test_a_create_whose_answer_is_lost_is_looked_up(session: Session, clicdata_sandbox: Sandbox, fate: str) -> None:
    if fate == "answer without id":
        clicdata_sandbox.faults.answer("{}", applied=True, method="POST", path="/data")
    else:
        clicdata_sandbox.faults.drop(applied=fate == "applied", method="POST", path="/data")
    frame = pd.DataFrame({"a": [1]})
    if fate == "not applied":
        with pytest.raises(errors.CreateAmbiguous, match="no data set has that name now"):
            frame.clicdata.push("Lost")
        assert "Lost" not in [one.name for one in clicdata_sandbox.data_sets()]
    else:
        receipt = frame.clicdata.push("Lost")
        assert clicdata_sandbox.count(receipt.rec_id) == 1
        assert [one.name for one in clicdata_sandbox.data_sets()].count("Lost") == 1


@pytest.mark.parametrize("method", ["client_credentials", "basic", "api_key", "authorization_code"])
def test_every_way_to_log_in_can_push_and_read(clicdata_sandbox: Sandbox, method: str) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    with clicdata_sandbox.session(auth_method=method) as session:
        rec_id = frame.clicdata.push("By " + method, session=session).rec_id
        assert pandas_clicdata.read_clicdata(rec_id, session=session)["a"].tolist() == [1, 2]


def test_auto_finds_the_dialect_of_a_service_that_wants_a_version() -> None:
    with start(require_version=True) as sandbox, sandbox.session() as session:
        frame = pd.DataFrame({"a": range(700)})
        receipt = frame.clicdata.push("Auto", session=session)
        assert session.api_version == "2022.01"
        assert receipt.chunks["rows"].tolist() == [500, 200]
        assert len(pandas_clicdata.read_clicdata(receipt.rec_id, session=session)) == 700


def test_a_closed_default_session_says_so(clicdata_sandbox: Sandbox) -> None:
    params = {"url": clicdata_sandbox.url, "api_key": clicdata_sandbox.credentials.api_key}
    with pandas_clicdata.connect(**params):
        ODD.head(0).clicdata.push("Nothing")
    with pytest.raises(errors.NotConnected, match="closed"):
        ODD.clicdata.append(5, index=False)


def test_the_environment_is_read_when_nothing_was_opened(
    clicdata_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICDATA_URL", clicdata_sandbox.url)
    monkeypatch.setenv("CLICDATA_CLIENT_ID", clicdata_sandbox.credentials.client_id)
    with pytest.raises(errors.NotConnected, match="CLICDATA_CLIENT_SECRET not set"):
        pandas_clicdata.Data().get_data()
    monkeypatch.setenv("CLICDATA_CLIENT_SECRET", clicdata_sandbox.credentials.client_secret)
    assert len(pandas_clicdata.Data().get_data()) == 3
    assert pandas_clicdata.SessionManager.get_session().auth_method == "client_credentials"


def test_the_accessor_completes_and_keeps_no_session() -> None:
    verbs = {"append", "create_table", "push", "delete_rows", "update_rows"}
    assert verbs <= set(dir(pd.DataFrame().clicdata))
    for verb in verbs:
        method = getattr(pandas_clicdata.accessor.ClicDataAccessor, verb)
        assert "Examples" in inspect.getdoc(method)
        assert "session" in inspect.signature(method).parameters
    assert vars(pd.DataFrame().clicdata).keys() == {"_frame"}


def test_a_column_of_that_name_still_works() -> None:
    frame = pd.DataFrame({"clicdata": [1]})
    assert frame["clicdata"].tolist() == [1]
    assert hasattr(frame, "clicdata")


@pytest.mark.parametrize("verb", ["delete_rows", "update_rows"])
def test_ctrl_c_while_a_refused_change_waits_leaves_nothing_in_doubt(clicdata_sandbox: Sandbox, verb: str) -> None:
    frame = pd.DataFrame({"k": [1, 2, 3], "v": [4, 5, 6]})

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with clicdata_sandbox.session() as session:
        rec_id = frame.clicdata.push("Waiting", session=session).rec_id
        for method in ("DELETE", "PUT"):
            clicdata_sandbox.faults.status(429, headers={"Retry-After": "5"}, method=method, after=1)
        session._sleep = interrupted
        with pytest.raises(KeyboardInterrupt) as caught:
            getattr(frame.clicdata, verb)(rec_id, on="k", keep=verb == "delete_rows", session=session)
    receipt: Any = getattr(caught.value, "receipt", None)
    assert receipt.keys["state"].tolist() == ["applied" if verb == "delete_rows" else "accepted", "pending", "pending"]
    assert receipt.keys_in_doubt == 0


def test_an_index_flag_that_is_none_is_refused(session: Session, clicdata_sandbox: Sandbox) -> None:
    accessor = pd.DataFrame({"a": [1]}).clicdata
    rec_id = accessor.create_table("Flags")
    before = len(clicdata_sandbox.requests)
    with pytest.raises(errors.InputError, match="index must be True, False or None"):
        accessor.append(rec_id, index="no")
    with pytest.raises(errors.InputError, match="index must be True, False or None"):
        accessor.push("More flags", index="no")
    with pytest.raises(errors.InputError, match="index must be True, False or None"):
        accessor.create_table("More flags", index="no")
    assert len(clicdata_sandbox.requests) == before


FRAME = pd.DataFrame({"k": [1, 2], "v": [1.5, 2.5]})
NEXT_STEPS: list[tuple[Any, str]] = [
    (lambda: FRAME.clicdata.push("Shops"), r'It is data set 1001: push\(..., if_exists="append"\) appends'),
    (lambda: pandas_clicdata.read_clicdata("1001"), "give the id as a number, rec_id=1001"),
    (lambda: pandas_clicdata.read_clicdata(1001.0), "give rec_id=1001"),  # type: ignore[call-overload]
    (lambda: pandas_clicdata.read_clicdata("shops"), r"did you mean 'Shops' \(rec_id 1001\)\?"),
    (lambda: pandas_clicdata.read_clicdata(1001, columns=["shop"], parse_dates=["day"]), "columns= leaves out"),
    (lambda: pandas_clicdata.read_clicdata(1001, parse_dates=[["a", "b"]]), "one by one"),  # type: ignore[list-item]
    (lambda: pandas_clicdata.read_clicdata(1001, index_col=[["a"]]), "list of column names"),  # type: ignore[list-item]
    (lambda: pd.DataFrame().clicdata.push("Empty"), "the frame has no columns"),
    (lambda: pd.DataFrame().clicdata.create_table("Empty"), "the frame has no columns"),
    (lambda: Data().static_send_data("Empty", pd.DataFrame()), "the frame has no columns"),
    (lambda: FRAME.clicdata.delete_rows(1001, on=[["k"]]), "a column or a list of columns"),
    (lambda: FRAME.clicdata.update_rows(1001, on=[{}]), "a column or a list of columns"),
    (lambda: FRAME.clicdata.append(1001, journal="."), "is a folder: name a new file in it"),
]


@pytest.mark.parametrize(("call", "words"), NEXT_STEPS)
def test_a_message_says_the_next_step(
    session: Session, call: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((errors.InputError, errors.Conflict, errors.NotFound), match=words):
        call()


def test_two_pushes_at_once_end_in_one_table(session: Session, clicdata_sandbox: Sandbox) -> None:
    data = Data(session=session)
    look = data.ids_named

    def created_meanwhile(name: str) -> list[dict[str, Any]]:
        found = Data._named(data, name)
        if not found:
            clicdata_sandbox.create(name, {"k": "number"})
        return found

    data._named = created_meanwhile  # type: ignore[method-assign]
    options = AppendOptions()
    receipt = create_and_append(data, "Once", pd.DataFrame({"k": [1]}), "", options, may_exist=True)
    assert look("Once") == [receipt.rec_id]
    assert clicdata_sandbox.rows(receipt.rec_id) == [{"k": 1}]
