"""`start(data=)` and `Sandbox.copy_from`: frames, and the first rows of an account, as data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata.errors import InputError, NotFound
from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

SHOPS = pd.DataFrame(
    {
        "shop": ["01", None],
        "opened": pd.to_datetime(["2024-01-02 03:04:05", None]),
        "rows": [2**53 + 1, 3],
        "open": [True, False],
    }
)


def types(sandbox: Sandbox, rec_id: int) -> dict[str, str]:
    return next(dict(one.columns) for one in sandbox.data_sets() if one.rec_id == rec_id)


# ---------------------------------------------------------------------------------------------------------
# Frames


def test_frames_become_data_sets() -> None:
    with start(data={"Shops": SHOPS, "Other": [{"a": 1}]}) as sandbox:
        assert [(one.rec_id, one.name) for one in sandbox.data_sets()] == [(1001, "Shops"), (1002, "Other")]
        assert types(sandbox, 1001) == {"shop": "text", "opened": "datetime", "rows": "number", "open": "checkbox"}
        assert sandbox.rows(1001) == [
            {"shop": "01", "opened": "2024-01-02 03:04:05", "rows": 2**53 + 1, "open": True},
            {"shop": None, "opened": None, "rows": 3, "open": False},
        ]
        assert sandbox.requests == []


def test_frames_replace_the_samples_unless_both_are_wanted() -> None:
    with start(sample=True, data={"Mine": SHOPS}) as sandbox:
        assert [one.name for one in sandbox.data_sets()][-1] == "Mine"
        assert len(sandbox.data_sets()) == 4
    with start(data={}) as sandbox:
        assert sandbox.data_sets() == []


@pytest.mark.parametrize(
    "settings",
    [
        {"requests_per_minute": 1, "latency": 0.5, "token_lifetime": 1},
        {"require_version": True, "page_number": "ignored", "paging": "none", "page_size": 1},
        {"insert_limit": 1, "unknown_columns": "drop", "existing_keys": "skip"},
    ],
)
def test_no_setting_hinders_them(settings: dict[str, Any]) -> None:
    with start(data={"Shops": SHOPS}, **settings) as sandbox:
        assert sandbox.count(1001) == 2
        with sandbox.session() as session:
            assert session.api_version is None, "a limit of requests counts from here on"


def test_a_frame_that_cant_be_sent_starts_nothing() -> None:
    with pytest.raises(InputError, match="complex"):
        start(data={"Shops": SHOPS, "Bad": pd.DataFrame({"a": [1j]})})


def test_a_file_that_has_data_gets_no_more(tmp_path: Path) -> None:
    for data in ({"Shops": SHOPS}, {"Others": SHOPS}):
        with start(path=tmp_path / "account", data=data) as sandbox:
            assert [one.name for one in sandbox.data_sets()] == ["Shops"]


# ---------------------------------------------------------------------------------------------------------
# Copies


@pytest.mark.parametrize("wanted", [[1001, 1002], ["Orders", 1001], np.array([1001, 1002]), pd.Index([1002, 1001])])
def test_a_copy_has_ids_names_and_cells_of_the_account(
    wanted: Any, session: Session, clicdata_sandbox: Sandbox
) -> None:
    with start(sample=False) as own:
        copies = own.copy_from(session, wanted, rows=7)
        assert {one.name for one in copies} == {"Shops", "Orders"}
        for one in copies:
            assert own.rows(one.rec_id) == clicdata_sandbox.rows(one.rec_id)[:7]
            original = next(each for each in clicdata_sandbox.data_sets() if each.rec_id == one.rec_id)
            assert (one.name, one.description) == (original.name, original.description)
        shops = types(clicdata_sandbox, 1001) | {"country": "text"}  # a dropdown can't be seen
        assert types(own, 1001) == shops
        with own.session() as mine:
            copied = pandas_clicdata.read_clicdata(1001, session=mine)
            copied.clicdata.append(1001, session=mine)
        pd.testing.assert_frame_equal(copied, pandas_clicdata.read_clicdata(1001, nrows=7))
    assert {request.method for request in clicdata_sandbox.requests if "token" not in request.path} == {"GET"}


def test_more_rows_than_a_page_are_copied(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = clicdata_sandbox.create("Long", {"n": "number"})
    clicdata_sandbox.append(rec_id, [{"n": n} for n in range(2500)])
    with start() as own:
        for most, rows in ((1, 1), (1000, 1000), (1001, 1001), (9999, 2500)):
            with start(sample=False) as own:
                own.copy_from(session, rec_id, most)
                assert [row["n"] for row in own.rows(rec_id)] == [*range(rows)]


def test_cells_stay_as_they_came(session: Session, clicdata_sandbox: Sandbox) -> None:
    columns = {"big": "number", "at": "datetime", "empty": "number", "time": "time"}
    rec_id = clicdata_sandbox.create("Cells", columns)
    clicdata_sandbox.append(rec_id, [{"big": 2**70, "at": "2024-01-02T03:04:05.1234567Z", "time": "10:00:00"}] * 2)
    with start() as own:
        [copy] = own.copy_from(session, rec_id)
        assert dict(copy.columns) == {"big": "number", "at": "datetime", "empty": "text", "time": "text"}
        assert own.rows(rec_id, exact=True) == clicdata_sandbox.rows(rec_id, exact=True)


def test_a_data_set_without_rows_has_no_columns(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = clicdata_sandbox.create("Empty", {"n": "number"})
    with start() as own, own.session() as mine:
        [copy] = own.copy_from(session, [rec_id])
        assert copy.columns == ()
        assert pandas_clicdata.read_clicdata(rec_id, session=mine).empty


@pytest.mark.parametrize(
    ("wanted", "rows", "error", "words"),
    [
        ([1002, 4711], 5, LookupError, "none of the 3 data sets of the account is 4711"),
        (["Orders", "orders"], 5, LookupError, r"'orders': 1001 \('Shops'\), 1002 \('Orders'\), 1003"),
        (
            [1002, 1001],
            5,
            ValueError,
            r"has a data set 1002 or .* already: start it with sample=False and without data=",
        ),
        ([1002], 0, ValueError, "rows"),
    ],
)
def test_nothing_is_copied_where_one_cant_be(
    wanted: list[Any], rows: int, error: type[Exception], words: str, session: Session
) -> None:
    with start(data={"Orders": SHOPS}) as own:
        with pytest.raises(error, match=words):
            own.copy_from(session, wanted, rows)
        assert [one.name for one in own.data_sets()] == ["Orders"]


def test_two_data_sets_of_one_name_are_told_apart_by_their_ids(session: Session, clicdata_sandbox: Sandbox) -> None:
    clicdata_sandbox.faults.edit(lambda text: text.replace(b'"Orders"', b'"Shops"'), path="/data", times=None)
    with start(sample=False) as own:
        with pytest.raises(
            LookupError, match=r"several .* are 'Shops', give an id: 1001 \('Shops'\), 1002 \('Shops'\)$"
        ):
            own.copy_from(session, "Shops")
        assert [one.rec_id for one in own.copy_from(session, [1002, 1002])] == [1002]


def test_ids_of_the_list_of_data_sets_are_ids(session: Session) -> None:
    with start() as own, own.session() as mine:
        [*_, rec_id] = pandas_clicdata.datasets(session=mine).index
        before = own.count(rec_id)
        own.append(rec_id, own.rows(rec_id)[:1])
        assert own.count(rec_id) == before + 1
        assert len(own.rows(rec_id, version=np.int64(1))) <= before
        own.set_key(rec_id, [])
        assert own.delete(rec_id, own.rows(rec_id)[0]) > 0
        assert own.runs(np.int64(3001)) == own.runs(3001) != []


def test_what_was_deleted_meanwhile_is_an_error_of_the_account(session: Session, clicdata_sandbox: Sandbox) -> None:
    clicdata_sandbox.faults.status(404, method="GET", path="/data/1002")
    with start(sample=False) as own:
        with pytest.raises(NotFound):
            own.copy_from(session, [1001, 1002])
        assert own.data_sets() == []


def test_frames_are_pushed_after_the_copies(session: Session) -> None:
    with start(sample=False) as own:
        own.copy_from(session, [1001, 1003])
        with own.session() as mine:
            assert SHOPS.clicdata.push("Mine", session=mine).rec_id == 1004
        assert [one.name for one in own.data_sets()] == ["Shops", "Sales targets", "Mine"]
