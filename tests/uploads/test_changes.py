"""Deletes and updates: plans, the rows that are kept, and refusals to change more rows than intended."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import re
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import pandas_clicdata
from pandas_clicdata import ChangeReceipt, Data, errors
from pandas_clicdata.frames.match import fold
from pandas_clicdata.frames.match import match as match_rows
from pandas_clicdata.frames.rows import Rows
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager
from sample import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

FRAME = pd.DataFrame({"k": [1, 2, 2, 3], "s": ["a", "b", "b", "c"], "v": [10.5, 20.0, 21.0, np.nan]})


def verbs(sandbox: Sandbox) -> list[str]:
    return [seen.method for seen in sandbox.requests]


def ledger(sandbox: Sandbox, rec_id: int) -> Counter[str]:
    return Counter(json.dumps(row, default=str) for row in sandbox.rows(rec_id, exact=True))


# ---------------------------------------------------------------------------------------------------------
# Shown, kept, refused


def test_a_dry_run_shows_the_rows_and_deletes_none(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Dry").rec_id
    clicdata_sandbox.requests.clear()
    shown = (
        pd.DataFrame({"k": [3, 2, 9], "s": ["c", "b", "z"]})
        .clicdata.delete_rows(rec_id, on=["k", "s"], dry_run=True)
        .deletes
    )
    pd.testing.assert_frame_equal(shown, FRAME.iloc[1:].reset_index(drop=True))
    assert set(verbs(clicdata_sandbox)) == {"GET"}
    assert clicdata_sandbox.count(rec_id) == 4
    first = FRAME.clicdata.delete_rows(rec_id, on="k", dry_run=True, multiple_rows="first").deletes
    assert first["v"].tolist()[:2] == [10.5, 20.0]
    assert len(first) == 3
    none = FRAME.head(0).clicdata.delete_rows(rec_id, on="k", dry_run=True).deletes
    assert none.empty


def test_a_dry_run_shows_more_than_max_rows_too(session: Session) -> None:
    rec_id = FRAME.clicdata.push("Dry").rec_id
    plan = FRAME.clicdata.delete_rows(rec_id, on="k", dry_run=True, max_rows=1)
    assert len(plan.deletes) == 4
    assert plan.problems == ["4 rows would be deleted, and max_rows is 1. dry_run=True shows them"]


def test_deleted_rows_can_be_appended_again(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Undone").rec_id
    before = ledger(clicdata_sandbox, rec_id)
    result = FRAME[FRAME["k"] == 2].clicdata.delete_rows(rec_id, on="k")
    assert repr(result) == f"<ChangeReceipt: delete rows of data set {rec_id}, 1 key: 2 rows deleted (copy in .rows)>"
    assert clicdata_sandbox.count(rec_id) == 2
    pd.testing.assert_frame_equal(result.rows, FRAME.iloc[1:3].reset_index(drop=True))
    assert result.rows_in_doubt.empty
    assert result.rows.clicdata.append(rec_id).complete
    assert ledger(clicdata_sandbox, rec_id) == before


ODD: dict[str, list[Any]] = {
    "key": [1, 1, 2],
    "digits": [Decimal("12345678901234567890.125"), Decimal("0.1000000000000000055511151231257827"), None],
    "whole": [2**60 + 1, -(2**63), 7],
    "text": ["01234", 'say "hi" \\', ""],
    "empty": [None, None, "x"],
    "flag": [True, None, False],
    "day": [dt.date(2026, 11, 24), None, dt.date(1900, 1, 1)],
    "when": ["2026-11-24T10:00:00.123456789+02:00", None, "2026-11-24T10:00:00"],
}


def test_every_digit_comes_back(session: Session, clicdata_sandbox: Sandbox) -> None:
    frame = pd.DataFrame(ODD)
    types = {"digits": "number", "empty": "text", "flag": "checkbox", "day": "date", "when": "datetime"}
    rec_id = clicdata_sandbox.create("Odd", {"key": "number", "whole": "number", "text": "text", **types})
    frame.clicdata.append(rec_id)  # text is unchanged: any format of a datetime
    before = ledger(clicdata_sandbox, rec_id)
    result = frame.head(1).clicdata.delete_rows(rec_id, on="key")
    assert clicdata_sandbox.count(rec_id) == 1
    assert result.rows["digits"].tolist() == ODD["digits"][:2]
    assert result.rows["whole"].tolist() == ODD["whole"][:2]
    result.rows.clicdata.append(rec_id)
    assert ledger(clicdata_sandbox, rec_id) == before


def test_with_keep_false_no_row_is_read_or_kept(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Cheap").rec_id
    clicdata_sandbox.requests.clear()
    result = FRAME.head(1).clicdata.delete_rows(rec_id, on="k", keep=False)
    assert [seen.path for seen in clicdata_sandbox.requests] in (
        [f"/data/{rec_id}/{path}"] for path in ("row", "delete")
    )
    for name in ("rows", "rows_in_doubt"):
        with pytest.raises(errors.InputError, match="keep=False"):
            getattr(result, name)
    updated = FRAME.head(1).clicdata.update_rows(rec_id, on="k", keep=False)
    with pytest.raises(errors.InputError, match="not kept"):
        _ = updated.rows


@pytest.mark.parametrize("max_rows", [0, 1, 2])
def test_more_rows_than_max_rows_are_refused_before_any_delete(
    session: Session, clicdata_sandbox: Sandbox, max_rows: int
) -> None:
    rec_id = FRAME.clicdata.push("Bounded").rec_id
    clicdata_sandbox.requests.clear()
    with pytest.raises(
        errors.InputError, match=f"3 rows would be deleted, and max_rows is {max_rows}.*Nothing was written"
    ):
        FRAME.head(2).clicdata.delete_rows(rec_id, on="k", max_rows=max_rows)
    assert set(verbs(clicdata_sandbox)) == {"GET"}
    assert clicdata_sandbox.count(rec_id) == 4


def test_rows_that_were_counted_for_max_rows_are_kept(session: Session) -> None:
    rec_id = FRAME.clicdata.push("Bounded").rec_id
    result = FRAME.head(2).clicdata.delete_rows(rec_id, on="k", max_rows=3)
    assert result.rows["v"].tolist() == [10.5, 20.0, 21.0]
    assert pandas_clicdata.read_clicdata(rec_id)["k"].tolist() == [3]


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_rows": -1},
        {"max_rows": True},
        {"max_rows": 1.5},
        {"max_rows": "3"},
        {"dry_run": "yes"},
        {"keep": 1},
        {"multiple_rows": "last"},
    ],
)
def test_bad_arguments_send_nothing(session: Session, clicdata_sandbox: Sandbox, arguments: dict[str, Any]) -> None:
    clicdata_sandbox.requests.clear()
    with pytest.raises(errors.InputError, match=next(iter(arguments))):
        FRAME.clicdata.delete_rows(1001, on="k", **arguments)
    assert clicdata_sandbox.requests == []


@pytest.mark.parametrize("arguments", [{"dry_run": True}, {"keep": True}, {"max_rows": 5}])
def test_a_column_that_is_not_there_is_named(
    session: Session, clicdata_sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    rec_id = FRAME.clicdata.push("Columns").rec_id
    clicdata_sandbox.requests.clear()
    frame = pd.DataFrame({"k": [1], "nope": [1]})
    with pytest.raises(errors.InputError, match="no column 'nope'"):
        frame.clicdata.delete_rows(rec_id, on=["k", "nope"], **arguments).apply()
    assert set(verbs(clicdata_sandbox)) == {"GET"}


@pytest.mark.parametrize("arguments", [{"dry_run": True}, {"keep": True}])
def test_a_data_set_that_changes_while_it_is_read_loses_nothing(arguments: dict[str, Any]) -> None:
    with start(page_size=2, max_page_size=2) as sandbox, sandbox.session(api_version="2022.01") as session:
        rec_id = FRAME.clicdata.push("Torn", session=session).rec_id
        writer = sandbox.faults.call(
            lambda: sandbox.append(rec_id, [{"k": 7}]), path=f"/data/{rec_id}", method="GET", times=1, after=1
        )
        assert len(FRAME.clicdata.delete_rows(rec_id, on="k", dry_run=True, session=session).deletes) == 4
        writer.times = None
        with pytest.raises(errors.TornRead):
            FRAME.clicdata.delete_rows(rec_id, on="k", session=session, **arguments)
        assert not [seen for seen in sandbox.requests if seen.path.endswith(("/row", "/delete"))]


def test_nothing_is_deleted_if_a_page_can_not_be_read(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Broken").rec_id
    clicdata_sandbox.faults.status(404, path=f"/data/{rec_id}", method="GET")
    clicdata_sandbox.requests.clear()
    with pytest.raises(errors.NotFound):
        FRAME.clicdata.delete_rows(rec_id, on="k")
    assert verbs(clicdata_sandbox) == ["GET"]


@pytest.mark.parametrize("applied", [True, False])
def test_rows_of_a_key_in_doubt_are_listed_apart(clicdata_sandbox: Sandbox, applied: bool) -> None:
    with clicdata_sandbox.session() as session:
        rec_id = FRAME.clicdata.push("Doubt", session=session).rec_id
        clicdata_sandbox.faults.drop(applied=applied, method="DELETE", after=1)
        with pytest.raises(errors.DeleteAmbiguous) as caught:
            FRAME.clicdata.delete_rows(rec_id, on="k", session=session)
    receipt: Any = caught.value.receipt
    assert receipt.rows["v"].tolist() == [10.5]
    assert receipt.rows_in_doubt["v"].tolist() == [20.0, 21.0]
    assert [row["k"] for row in clicdata_sandbox.rows(rec_id)] == ([3] if applied else [2, 2, 3])


def test_rows_of_a_refused_key_are_not_among_the_deleted(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Refused").rec_id
    clicdata_sandbox.faults.status(400, path=re.compile("/(row|delete)$"), after=1)
    with pytest.raises(errors.WriteError) as caught:
        FRAME.clicdata.delete_rows(rec_id, on="k")
    receipt: Any = caught.value.receipt
    assert receipt.rows["k"].tolist() == [1]
    assert receipt.rows_in_doubt.empty


# ---------------------------------------------------------------------------------------------------------
# The same rows as the service would delete


NUMBERS = st.sampled_from([0, 1, 2, 1.0, 1.5, 1e0, -0.0, 10**15, 2**53, 2**53 + 1, 0.1, 1e300])
TEXTS = st.sampled_from(
    ["a", "A", "a ", "", "1", "true", "null", "é", "e\u0301", 'q"\\', "2026-11-24", "😀", "ß", "SS", "ı", "I", "İ"]
)
MOMENTS = [
    "2026-11-24T10:00:00",
    "2026-11-24 10:00:00",
    "2026-11-24T10:00:00.5",
    "2026-11-24T10:00:00.500000",
    "1900-01-01T00:00:00",
]
AWARE = [
    "2026-11-24T10:00:00Z",
    "2026-11-24T10:00:00+00:00",
    "2026-11-24T12:00:00+02:00",
    "2026-11-24T12:00:00.000+02:00",
    "2026-11-24 10:00:00.5Z",
]
KINDS = {
    "number": NUMBERS,
    "text": TEXTS,
    "datetime": st.sampled_from(MOMENTS),
    "datetime of UTC": st.sampled_from(AWARE),
    "checkbox": st.booleans(),
    "date": st.sampled_from(["2026-11-24", "2026-11-25", "1900-01-01"]),
    "percentage": st.sampled_from([0.5, 0.25, 1]),
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, str], list[dict[str, Any]], pd.DataFrame, str]:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3))
    kind_of = {f"c{place}": kind for place, kind in enumerate(kinds)}
    cell = {name: st.none() | KINDS[kind] | KINDS[kind] | KINDS[kind] for name, kind in kind_of.items()}
    rows = draw(st.lists(st.fixed_dictionaries(cell), max_size=25))
    on = list(kind_of)[: draw(st.integers(1, len(kind_of)))]
    wanted = st.lists(st.fixed_dictionaries({name: KINDS[kind_of[name]] for name in on}), min_size=1, max_size=5)
    if rows and draw(st.booleans()):
        present = [row for row in ({name: row[name] for name in on} for row in rows) if None not in row.values()]
        wanted = st.lists(st.sampled_from(present), min_size=1, max_size=5) if present else wanted
    found = draw(wanted)
    keys = pd.DataFrame({name: pd.Series([key[name] for key in found], dtype=object) for name in on})
    columns = {name: kind.split()[0] for name, kind in kind_of.items()}
    return columns, rows, keys, draw(st.sampled_from(["all", "first"]))


DELETES = ["both", "/delete", "DELETE /row"]


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[tuple[str, str], Sandbox]]:
    """A sandbox for each path of deletes and each comparison of text."""
    with ExitStack() as stack:
        yield {
            (deletes, texts): stack.enter_context(
                start(page_size=7, max_page_size=7, deletes=deletes, text_comparison=texts)  # type: ignore[arg-type]
            )
            for deletes in DELETES
            for texts in ("exact", "sql_server")
        }


@given(
    case=cases(),
    modern=st.booleans(),
    deletes=st.sampled_from(DELETES),
    texts=st.sampled_from(["exact", "sql_server"]),
    match=st.sampled_from([None, None, "exact", "wide"]),
)
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_is_deleted_that_was_not_shown(
    sandboxes: dict[tuple[str, str], Sandbox],
    case: tuple[dict[str, str], list[dict[str, Any]], pd.DataFrame, str],
    modern: bool,
    deletes: str,
    texts: str,
    match: str | None,
) -> None:
    columns, rows, keys, multiple_rows = case
    sandbox = sandboxes[deletes, texts]
    rec_id = sandbox.create(f"Case {len(sandbox.data_sets())}", columns, history=False)
    sandbox.append(rec_id, rows)
    before, stored = ledger(sandbox, rec_id), values(sandbox, rec_id)
    how: Any = {"on": list(keys.columns), "multiple_rows": multiple_rows, "match": match}
    with sandbox.session(api_version="2022.01" if modern else None) as session:
        shown = keys.clicdata.delete_rows(rec_id, dry_run=True, session=session, **how).deletes
        sandbox.requests.clear()
        try:
            result: Any = keys.clicdata.delete_rows(rec_id, session=session, **how)
        except errors.ClicDataError as error:
            result = error
        if isinstance(result, errors.InputError):
            if "has text that is no date" not in str(result):  # the rows show dates, and a key is other text
                assert 'match="exact"' in str(result)
                assert match is None or (match, multiple_rows) == ("wide", "first")
            assert set(verbs(sandbox)) == {"GET"}
            assert ledger(sandbox, rec_id) == before
            return
        if isinstance(result, errors.WriteError):  # the caller said "exact", and the service counts more rows
            assert (match, texts, modern) == ("exact", "sql_server", True)
            assert deletes != "DELETE /row"
            assert "may have matched" in str(result)
            return
        assert isinstance(result, ChangeReceipt)
        deleted = before - ledger(sandbox, rec_id)
        if (match, texts) == ("exact", "sql_server"):  # the caller's ``match`` is wrong, and nothing was counted
            return
        assert deleted.total() <= len(shown)
        if match == "wide" and texts == "exact":  # fewer rows were deleted; a count shows it
            known = modern and deletes != "DELETE /row"
            assert len(result.rows) + len(result.rows_in_doubt) >= deleted.total()
            assert len(result.rows) <= deleted.total() or not known
            return
        if match != "wide":
            assert deleted.total() == len(shown)
            pd.testing.assert_frame_equal(shown, result.rows)
        if len(result.rows):
            result.rows.clicdata.append(rec_id, session=session)
        assert match == "wide" or values(sandbox, rec_id) == stored


def values(sandbox: Sandbox, rec_id: int) -> Counter[tuple[Any, ...]]:
    """Return the stored rows, with 1 and 1.0 as the same number."""

    def value(cell: Any) -> Any:
        return ("number", Decimal(cell)) if type(cell) in (int, Decimal) else (type(cell), cell)

    return Counter(tuple(map(value, row.values())) for row in sandbox.rows(rec_id, exact=True))


def found(keys: list[dict[str, Any]], rows: str) -> list[int]:
    mine, there = Rows(exact=keys[0]), Rows(exact=keys[0])
    mine.add(json.dumps(keys).encode())
    there.add(rows.encode())
    matched = match_rows(mine, there, list(keys[0]), wide=False)
    return [place for place, row in enumerate(matched.remote) if row >= 0]


@pytest.mark.parametrize(
    ("value", "cell", "equal"),
    [
        (1, "1.0", True),
        (1, "1e0", True),
        (1, "10e-1", True),
        (1, '"1"', False),
        ("1", "1", False),
        (0.1, "0.10", True),
        (0.1, "0.1000000000000000055511151231257827", False),
        (2**53, str(2**53 + 1), False),
        (0, "-0.0", True),
        (True, "true", True),
        (True, "1", False),
        (True, '"true"', False),
        ("a", '"\\u0061"', True),
        ("a", '"A"', False),
        ("a", '"a "', False),
        ("", "null", False),
        ("null", "null", False),
        ("é", '"e\\u0301"', False),
        ("2026-11-24T10:00:00Z", '"2026-11-24T12:00:00+02:00"', True),
        ("2026-11-24T10:00:00Z", '"2026-11-24T10:00:00"', True),
        ("2026-11-24 10:00:00", '"2026-11-24T12:00:00.0000000\\u002B02:00"', True),
        ("2026-11-24 10:00:00", '"2026-11-24T10:00:00.0000000001Z"', False),
        ("2026-11-24", '"2026-11-24T00:00:00"', True),
        ("0001-01-01 00:00:00", '"0001-01-01T00:00:00+14:00"', False),
        ("2026-11-24T10:00:00", '"2026-11-24 10:00:00.000"', True),
        ("2026-11-24T10:00:00", '"2026-11-24 10:00:00.001"', False),
        ("2026-13-24T10:00:00", '"2026-13-24 10:00:00"', False),
    ],
)
def test_a_filter_matches_the_cells_that_it_should(value: object, cell: str, equal: bool) -> None:
    assert found([{"a": value}], f'[{{"a":{cell}}}]') == ([0] if equal else [])


def test_timestamps_in_a_column_of_text_are_text() -> None:
    rows = '[{"a":"2026-11-24T10:00:00Z"},{"a":"2026-11-24 10:00:00+00:00"},{"a":%s}]'
    wanted = [{"a": "2026-11-24T10:00:00Z"}]
    assert found(wanted, rows % '"soon"') == [0]
    assert found(wanted, rows % "null") == [0, 1]


def test_a_missing_cell_is_null() -> None:
    assert found([{"a": 1, "b": None}], '[{"a":1},{"a":1,"b":null},{"a":1,"b":2}]') == [0, 1]


def test_two_spellings_of_one_key_are_one_key() -> None:
    assert found([{"a": 1}, {"a": 1.0}], '[{"a":1},{"a":1.0},{"a":1}]') == [0, 1, 2]


@pytest.mark.parametrize("page", ["[[1,2]]", "[1]", "5", "[{", '["x"]', "[null]"])
def test_rows_without_names_can_not_be_matched(page: str) -> None:
    with pytest.raises(errors.ProtocolError, match=r"named cells|must all be objects|must be a JSON array|not JSON"):
        found([{"a": 1}], page)


def test_the_default_session_is_used(clicdata_sandbox: Sandbox) -> None:
    with clicdata_sandbox.session() as session:
        manager.make_default(session)
        rec_id = FRAME.clicdata.push("Default").rec_id
        assert len(FRAME.clicdata.delete_rows(rec_id, on="k", dry_run=True).deletes) == 4


# ---------------------------------------------------------------------------------------------------------
# Text that may be the same


def letters(session: Session, texts: list[str]) -> tuple[int, pd.DataFrame]:
    frame = pd.DataFrame({"t": texts, "n": range(len(texts))})
    return frame.clicdata.push("Letters", session=session).rec_id, frame


@pytest.fixture(params=["exact", "sql_server"])
def texts_compared(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def version(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_rows_that_may_be_meant_are_shown_and_nothing_is_deleted(
    texts_compared: Any, version: Any, caplog: Any
) -> None:
    with start(text_comparison=texts_compared) as sandbox, sandbox.session(api_version=version) as session:
        rec_id, frame = letters(session, ["a", "A", "a \t", "b", "á"])
        sandbox.requests.clear()
        with pytest.raises(errors.InputError) as caught:
            frame.iloc[[0, 3]].clicdata.delete_rows(rec_id, on="t", session=session)
        for text in (
            "2 rows would be deleted",
            "(t='a'; t='b')",
            "and 4 rows",
            r"(t='A'; t='a \t')",
            'match="exact" or match="wide"',
        ):
            assert text in str(caught.value)
        plan = frame.iloc[[0, 3]].clicdata.delete_rows(rec_id, on="t", dry_run=True, session=session)
        assert plan.deletes["n"].tolist() == [0, 1, 2, 3]
        assert plan.collisions["n"].tolist() == [1, 2]
        assert "2 rows would be deleted" in plan.problems[0]
        assert "'a" not in caplog.text
        for match, rows in {"exact": [0, 3], "wide": [0, 1, 2, 3]}.items():
            one = frame.iloc[[0, 3]].clicdata.delete_rows(rec_id, on="t", dry_run=True, match=match, session=session)
            assert one.deletes["n"].tolist() == rows
            with pytest.raises(errors.InputError, match=f"{len(rows)} rows would be deleted, and max_rows is 1"):
                frame.iloc[[0, 3]].clicdata.delete_rows(rec_id, on="t", match=match, max_rows=1, session=session)
        assert set(verbs(sandbox)) == {"GET"}


@pytest.mark.parametrize("match", ["exact", "wide"])
def test_match_decides_and_a_wrong_answer_is_found_out_if_rows_are_counted(
    texts_compared: Any, version: Any, match: Any
) -> None:
    with start(text_comparison=texts_compared) as sandbox, sandbox.session(api_version=version) as session:
        rec_id, frame = letters(session, ["a", "A", "b", "B"])
        how: Any = {"on": "t", "match": match, "session": session}
        if (match, texts_compared, version) == ("exact", "sql_server", "2022.01"):
            with pytest.raises(
                errors.WriteError, match=r"counts 2 rows for the key of row label 0, and 1 may"
            ) as caught:
                frame.iloc[[0, 2]].clicdata.delete_rows(rec_id, **how)
            receipt: Any = caught.value.receipt
            assert receipt.keys["state"].tolist() == ["applied", "pending"]
            assert receipt.keys["rows_deleted"].tolist() == [2, pd.NA]
            assert receipt.rows["n"].tolist() == [0]
            assert [row["n"] for row in sandbox.rows(rec_id)] == [2, 3], "nothing more was sent"
            return
        receipt = frame.iloc[[0, 2]].clicdata.delete_rows(rec_id, **how)
        left = [1, 3] if texts_compared == "exact" else []
        assert [row["n"] for row in sandbox.rows(rec_id)] == left
        named, all_of_them = [0, 2], [0, 1, 2, 3]
        if (match, texts_compared, version) == ("wide", "exact", "2022.01"):  # the count shows which rows were deleted
            assert receipt.rows["n"].tolist() == named
            assert receipt.rows_in_doubt.empty
        elif (match, version) == ("wide", None):  # nothing is counted, so the others may have stayed
            assert (receipt.rows["n"].tolist(), receipt.rows_in_doubt["n"].tolist()) == (named, [1, 3])
        else:
            assert receipt.rows["n"].tolist() == (named if match == "exact" else all_of_them)


def test_keys_that_may_be_one_are_counted_once(texts_compared: Any, version: Any) -> None:
    with start(text_comparison=texts_compared) as sandbox, sandbox.session(api_version=version) as session:
        rec_id, frame = letters(session, ["a", "A", "a", "b", "c"])
        keys = frame.iloc[[1, 0, 3]]
        assert len(keys.clicdata.delete_rows(rec_id, on="t", dry_run=True, session=session).deletes) == 4
        sandbox.faults.status(400, path=re.compile("/(row|delete)$"), after=1)
        with pytest.raises(errors.WriteError) as caught:
            keys.clicdata.delete_rows(rec_id, on="t", max_rows=4, session=session)
        receipt: Any = caught.value.receipt
        assert receipt.keys["state"].tolist() == ["applied", "refused", "pending"]
        went = {0, 1, 2} if texts_compared == "sql_server" else {1}
        assert {row["n"] for row in sandbox.rows(rec_id)} == set(range(5)) - went
        if (texts_compared, version) == ("sql_server", "2022.01"):  # the count shows that all of them were deleted
            assert receipt.rows["n"].tolist() == [0, 1, 2]
        else:
            assert receipt.rows.empty
            assert receipt.rows_in_doubt["n"].tolist() == [0, 1, 2]
        result = frame.clicdata.delete_rows(rec_id, on="t", session=session)
        assert sorted([*result.rows["n"], *went]) == [0, 1, 2, 3, 4]
        assert sandbox.count(rec_id) == 0


def test_which_row_is_the_first_must_be_known(texts_compared: Any, version: Any) -> None:
    with start(text_comparison=texts_compared) as sandbox, sandbox.session(api_version=version) as session:
        rec_id, frame = letters(session, ["a", "A", "A", "a"])
        how: Any = {"on": "t", "multiple_rows": "first", "session": session}
        for match in (None, "wide"):
            with pytest.raises(errors.InputError, match=r"t='A'.*t='a'.* match=\"exact\" decides"):
                frame.iloc[[1]].clicdata.delete_rows(rec_id, match=match, **how)
        assert frame.iloc[[1]].clicdata.delete_rows(rec_id, dry_run=True, **how).deletes["n"].tolist() == [0, 1]
        assert sandbox.count(rec_id) == 4
        result = frame.iloc[[0]].clicdata.delete_rows(rec_id, **how)  # the first request in either dialect
        assert result.rows["n"].tolist() == [0]
        assert [row["n"] for row in sandbox.rows(rec_id)] == [1, 2, 3]
        result = frame.iloc[[1, 0]].clicdata.delete_rows(rec_id, match="exact", **how)
        assert result.rows["n"].tolist() == [1, 3] if texts_compared == "exact" else [1]


def test_an_update_whose_keys_may_be_one_is_refused(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id, _ = letters(session, ["a", "A", "straße"])
    clicdata_sandbox.requests.clear()
    for keys in (["a", "A"], ["x", "straße", "STRASSE "]):
        for match in (None, "wide"):
            with pytest.raises(
                errors.InputError, match=r"may be the same to ClicData \(row labels.*distinguishes letter case"
            ):
                pd.DataFrame({"t": keys, "n": range(len(keys))}).clicdata.update_rows(rec_id, on="t", match=match)
    with pytest.raises(
        errors.InputError, match=r"1 row has other values .* keep one row per key. Nothing was written$"
    ):
        pd.DataFrame({"t": [1, 1.0], "n": [1, 2]}, dtype=object).clicdata.update_rows(rec_id, on="t", match="exact")
    assert clicdata_sandbox.requests == []
    pd.DataFrame({"t": ["a", "A"], "n": [7, 7]}).clicdata.update_rows(rec_id, on="t")
    assert [row["n"] for row in clicdata_sandbox.rows(rec_id)] == [7, 7, 2]
    pd.DataFrame({"t": ["a", "A"], "n": [8, 9]}).clicdata.update_rows(rec_id, on="t", match="exact")
    assert [row["n"] for row in clicdata_sandbox.rows(rec_id)] == [8, 9, 2]


@pytest.mark.parametrize("match", ["Exact", True, "", "case"])
def test_another_match_is_refused(session: Session, clicdata_sandbox: Sandbox, match: Any) -> None:
    clicdata_sandbox.requests.clear()
    for verb in ("delete_rows", "update_rows"):
        with pytest.raises(errors.InputError, match="match must be one of 'exact', 'wide'"):
            getattr(FRAME.clicdata, verb)(1001, on="k", match=match)
    assert clicdata_sandbox.requests == []


SPECIAL = "aAiIıİsSſßẞkKÅåÅéÉσςΣΑǅŉﬁＦ２²\u0307\u0301\u0345 \t\u00a0\u3000"


@example("\u0130\u0307")
@given(text=st.text(st.sampled_from(SPECIAL) | st.characters(codec="utf-8"), max_size=8))
@settings(max_examples=examples(300), deadline=None)
def test_no_comparison_is_wider_than_the_fold(text: str) -> None:
    for compared in (str.lower, str.upper, str.casefold, str.swapcase, str.rstrip):
        assert fold(compared(text)) == fold(text)
    assert fold(fold(text)) == fold(text)


def test_the_fold_keeps_what_no_comparison_takes_for_equal() -> None:
    texts = ["", "a", "á", "ä", "ae", " a", "a b", "ab", "1", "2", "ss", "i", "o", "ø", "z", "ż", "\u200ba", "😀", "я"]
    assert len(set(map(fold, texts))) == len(texts)
    for alike in (
        ["i", "I", "ı", "İ", "I\u0307"],
        ["ß", "ẞ", "SS", "ſs"],
        ["é", "É", "e\u0301 "],
        ["K", "k\u00a0", "Ｋ"],
    ):
        assert len(set(map(fold, alike))) == 1


# ---------------------------------------------------------------------------------------------------------
# The calls of either dialect, and what they count


def changes_sent(sandbox: Sandbox) -> list[str]:
    paths = (f"{seen.method} {seen.path.rsplit('/', 1)[1]}" for seen in sandbox.requests)
    return [path for path in paths if path.split()[1] in ("row", "update", "delete")]


@pytest.mark.parametrize("deletes", DELETES)
def test_the_session_remembers_where_rows_are_deleted(deletes: Any) -> None:
    first, later = {
        "both": (["POST delete"], "POST delete"),
        "/delete": (["POST delete"], "POST delete"),
        "DELETE /row": (["POST delete", "DELETE row"], "DELETE row"),
    }[deletes]
    with start(deletes=deletes) as sandbox, sandbox.session(api_version="2022.01") as session:
        data, rec_id = Data(session=session), sandbox.create("Rows", {"k": "number"})
        for missing in (4711, 4712):
            sandbox.requests.clear()
            with pytest.raises(errors.NotFound, match=f"no data set {missing}, or it can be changed neither by"):
                data.delete_data(missing, {"k": 1})
            assert changes_sent(sandbox) == ["POST delete", "DELETE row"]
        sandbox.append(rec_id, [{"k": k} for k in (1, 2, 3, 4)])
        sandbox.requests.clear()
        answer = data.delete_data(rec_id, {"k": 1})
        assert answer == ({"rows_deleted": 1, "rows_found": 1} if later == "POST delete" else {"success": True})
        assert len(FRAME.iloc[1:].clicdata.delete_rows(rec_id, on="k", session=session).rows) == 2
        with pytest.raises(errors.NotFound):
            data.delete_data(4711, {"k": 1})
        assert changes_sent(sandbox) == [*first, *[later] * 3]
        assert [row["k"] for row in sandbox.rows(rec_id)] == [4]


@pytest.mark.parametrize(("status", "code"), [(405, "x"), (404, "x"), (200, "NotFound"), (200, "405")])
def test_a_path_that_is_not_there_has_done_nothing(clicdata_sandbox: Sandbox, status: int, code: str) -> None:
    body = json.dumps({"success": False, "error": {"code": code, "description": "no"}})
    with clicdata_sandbox.session(api_version="2022.01") as session:
        rec_id = FRAME.clicdata.push("Elsewhere", session=session).rec_id
        clicdata_sandbox.faults.answer(body, status=status, path=f"/data/{rec_id}/delete", times=2)
        clicdata_sandbox.faults.answer(body, status=status, path=f"/data/{rec_id}/row")
        with pytest.raises(errors.ApiError, match="changed neither by POST"):
            Data(session=session).delete_data(rec_id, {"k": 1})
        assert clicdata_sandbox.count(rec_id) == 4
        Data(session=session).delete_data(rec_id, {"k": 1})
        assert clicdata_sandbox.count(rec_id) == 3


@pytest.mark.parametrize(
    "arm",
    [lambda faults, path: faults.status(500, path=path), lambda faults, path: faults.drop(applied=True, path=path)],
)
def test_a_modern_delete_of_unknown_outcome_goes_nowhere_else(clicdata_sandbox: Sandbox, arm: Any) -> None:
    with clicdata_sandbox.session(api_version="2022.01") as session:
        rec_id = FRAME.clicdata.push("Once", session=session).rec_id
        arm(clicdata_sandbox.faults, f"/data/{rec_id}/delete")
        clicdata_sandbox.requests.clear()
        with pytest.raises(errors.DeleteAmbiguous):
            Data(session=session).delete_data(rec_id, {"k": 1})
        assert changes_sent(clicdata_sandbox) == ["POST delete"]


def test_a_first_change_finds_the_dialect() -> None:
    with start(require_version=True) as sandbox:
        rec_id = sandbox.create("Auto", {"k": "number", "v": "number"})
        sandbox.append(rec_id, [{"k": 1, "v": 1}, {"k": 2, "v": 2}])
        with sandbox.session() as session:
            Data(session=session).update_data(rec_id, {"k": 1}, {"v": 7})
        with sandbox.session() as session:
            FRAME.iloc[1:].clicdata.delete_rows(rec_id, on="k", keep=False, session=session)
        assert changes_sent(sandbox) == ["PUT row", "POST update", "DELETE row", "POST delete", "POST delete"]
        assert sandbox.rows(rec_id) == [{"k": 1, "v": 7}]
        assert not sandbox.refreshes()


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, Decimal("nan"), np.datetime64("NaT", "s")])
def test_a_filter_with_a_missing_value_is_refused(session: Session, clicdata_sandbox: Sandbox, missing: Any) -> None:
    rec_id = FRAME.clicdata.push("Missing").rec_id
    clicdata_sandbox.requests.clear()
    for call in (
        lambda: Data().delete_data(rec_id, {"k": 1, "v": missing}),
        lambda: Data().update_data(rec_id, {"v": missing}, {"k": 1}),
    ):
        with pytest.raises(errors.InputError, match=r"the value of 'v' is missing\. .* it may be every row"):
            call()
    assert clicdata_sandbox.requests == []
    Data().update_data(rec_id, {"k": 1}, {"v": missing})
    assert clicdata_sandbox.rows(rec_id)[0]["v"] is None


COUNTED = [
    ({"rows_deleted": 2, "rows_found": 2}, [2, 2], "1 key: 2 rows deleted (copy in .rows)>"),
    ({"rows_found": 2}, [pd.NA, 2], "1 key: 2 rows deleted (copy in .rows)>"),
    ({"rows_deleted": 1, "rows_found": 2}, [1, 2], "1 key: 1 row deleted; 2 rows deleted or not: .rows_in_doubt>"),
    ({"rows_deleted": 0}, [0], "1 key: 0 rows deleted; 1 reached no row: .unmatched>"),
    ({"rows_deleted": 10**30}, [pd.NA], "1 key: 2 rows deleted (copy in .rows)>"),
    ({"rows_deleted": -1, "rows_found": "2"}, [pd.NA], "1 key: 2 rows deleted (copy in .rows)>"),
    ({"rows_deleted": 2.5, "rows_found": True}, [pd.NA], "1 key: 2 rows deleted (copy in .rows)>"),
    ({"rows_deleted": None}, [pd.NA], "1 key: 2 rows deleted (copy in .rows)>"),
    ([2], [pd.NA], "1 key: 2 rows deleted (copy in .rows)>"),
]


@pytest.mark.parametrize(("result", "counts", "said"), COUNTED)
@pytest.mark.parametrize("enveloped", [True, False])
def test_the_receipt_says_what_was_counted(
    session: Session, clicdata_sandbox: Sandbox, result: Any, counts: list[Any], said: str, enveloped: bool
) -> None:
    rec_id = FRAME.clicdata.push("Counted").rec_id
    body = result if isinstance(result, dict) and not enveloped else {"success": True, "result": result}
    clicdata_sandbox.faults.answer(json.dumps(body), path=re.compile("/(row|delete)$"))
    receipt = FRAME.iloc[[1]].clicdata.delete_rows(rec_id, on="k")
    shown = receipt.keys.drop(columns=["k", "state"])
    assert shown.columns.tolist() == ["rows_deleted", "rows_found"][: len(counts)]
    assert shown.iloc[0].tolist() == counts
    assert said in repr(receipt)
    assert receipt.keys["state"].tolist() == ["unmatched" if "unmatched" in said else "applied"]
    assert receipt.rows_changed == next((count for count in counts if count is not pd.NA), None)


UNHEARD = "accepted (ClicData doesn't say how many rows)"


@pytest.mark.parametrize(
    ("verb", "how", "legacy", "modern"),
    [
        ("update_rows", {"keep": False}, f"2 {UNHEARD}", "2 rows updated; 1 reached no row: .unmatched"),
        ("update_rows", {}, *["2 rows updated (old cells in .rows); 1 reached no row: .unmatched"] * 2),
        ("delete_rows", {"keep": False}, f"2 {UNHEARD}", "2 rows deleted; 1 reached no row: .unmatched"),
        ("delete_rows", {}, *["2 rows deleted (copy in .rows); 1 reached no row: .unmatched"] * 2),
    ],
)
def test_a_key_that_reaches_no_row_is_never_done(
    session: Session, verb: str, how: dict[str, Any], legacy: str, modern: str
) -> None:
    rec_id = FRAME.clicdata.push("Reached").rec_id
    receipt = getattr(pd.DataFrame({"k": [2, 99], "v": [0.0, 0.0]}).clicdata, verb)(rec_id, on="k", **how)
    said = legacy if session.api_version is None else modern
    assert receipt.summary() == f"{verb.replace('_', ' ')} of data set {rec_id}, 2 keys: {said}"
    unheard = said.endswith(UNHEARD)
    assert receipt.keys["state"].tolist() == (["accepted"] * 2 if unheard else ["applied", "unmatched"])
    assert (receipt.keys_accepted, receipt.keys_unmatched) == ((2, 0) if unheard else (0, 1))
    assert receipt.unmatched["k"].tolist() == ([] if unheard else [99])
    assert ("<table" in receipt._repr_html_()) is not unheard
    assert receipt.keys.index.tolist() == [0, 1]


def test_a_key_that_matches_no_row_is_not_sent(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Quiet").rec_id
    clicdata_sandbox.requests.clear()
    receipt = pd.DataFrame({"k": [98, 99]}).clicdata.delete_rows(rec_id, on="k")
    assert set(verbs(clicdata_sandbox)) == {"GET"}
    assert repr(receipt).endswith("2 keys: 0 rows deleted; 2 reached no row: .unmatched>")


def test_more_rows_than_the_first_is_an_error(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("First").rec_id
    path = re.compile("/(row|update|delete)$")
    for verb in ("update_data", "delete_data"):
        clicdata_sandbox.faults.answer('{"rows_updated": 2, "rows_deleted": 2}', path=path, times=2)
        what = [{"k": 2}, {"v": 0}][: 2 if verb == "update_data" else 1]
        with pytest.raises(errors.WriteError, match="counts 2 changed rows"):
            getattr(Data(), verb)(rec_id, *what, multiple_rows="first")
        assert getattr(Data(), verb)(rec_id, *what)["rows_deleted"] == 2
    clicdata_sandbox.faults.answer('{"rows_updated": 2, "rows_found": 9}', path=path)
    with pytest.raises(errors.WriteError, match="counts 2 rows for the key of row label 0, and 1 may") as caught:
        FRAME.iloc[[0, 1]].clicdata.update_rows(rec_id, on="k", multiple_rows="first", keep=False)
    receipt: Any = caught.value.receipt
    assert receipt.keys["state"].tolist() == ["applied", "pending"]
    clicdata_sandbox.faults.answer('{"rows_found": 9}', path=path)  # of the two rows, one was changed
    receipt = FRAME.iloc[[0]].clicdata.update_rows(rec_id, on="k", multiple_rows="first", keep=False)
    assert receipt.rows_changed is None


def test_counts_do_not_hide_a_key_of_their_name(session: Session) -> None:
    frame = pd.DataFrame({"state": ["TX", "NY"], "rows_deleted": [1, 2]})
    rec_id = frame.clicdata.push("States").rec_id
    keys = frame.clicdata.delete_rows(rec_id, on=["state", "rows_deleted"]).keys
    pd.testing.assert_frame_equal(keys[["state", "rows_deleted"]], frame)
    assert keys["state (ClicData)"].tolist() == ["applied"] * 2


def test_an_error_from_another_process_has_its_receipt_with_the_rows_that_were_deleted(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rec_id = FRAME.clicdata.push("Pickled").rec_id
    clicdata_sandbox.faults.status(400, path=re.compile("/(row|delete)$"), after=1)
    with pytest.raises(errors.WriteError) as caught:
        FRAME.clicdata.delete_rows(rec_id, on="k")
    again: Any = pickle.loads(pickle.dumps(caught.value)).receipt
    assert repr(again) == repr(caught.value.receipt)
    assert again.keys["state"].tolist() == ["applied", "refused", "pending"]
    assert again.rows["v"].tolist() == [10.5]
    clicdata_sandbox.faults.drop(path=re.compile("/(row|insert)$"), after=1)
    with pytest.raises(errors.AppendAmbiguous) as stopped:
        FRAME.clicdata.append(rec_id, chunksize=2)
    again = pickle.loads(pickle.dumps(stopped.value)).receipt
    assert again.in_doubt(FRAME).equals(FRAME.iloc[2:])
    assert pandas_clicdata.resume_append(FRAME, again, in_doubt="missing").complete
