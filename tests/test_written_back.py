"""A frame can be written back to the data set of its read: the noted types, and datetimes."""

from __future__ import annotations

import datetime as dt
import re
import threading
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import errors

if TYPE_CHECKING:
    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

ROWS = [{"day": "2024-01-01", "at": "2024-01-01 00:00:00", "n": 1}, {"day": "2024-01-02", "at": None, "n": 2}]
TYPES = {"day": "date", "at": "datetime"}


@pytest.fixture
def rec_id(session: Session, clicdata_sandbox: Sandbox) -> int:
    made = clicdata_sandbox.create("Days", {"day": "date", "at": "datetime", "n": "number"})
    clicdata_sandbox.append(made, ROWS)
    return made


def test_a_read_notes_dates_and_times(rec_id: int) -> None:
    df = pandas_clicdata.read_clicdata(rec_id, parse_dates=["day", "at"])
    assert df.attrs["clicdata"].items() >= {"rec_id": rec_id, "ver_id": None, "types": TYPES}.items()
    df = pandas_clicdata.read_clicdata(rec_id, dtype={"day": "datetime64[s]"}, parse_dates={"n": "D"}, index_col="day")
    assert df.attrs["clicdata"]["types"] == {"day": "date"}
    for df in pandas_clicdata.read_clicdata(rec_id, parse_dates=["at"], chunksize=1):
        assert df.attrs["clicdata"]["types"] == {"at": "datetime"}
    assert "types" not in pandas_clicdata.read_clicdata(rec_id, parse_dates=False).attrs["clicdata"]


@pytest.mark.parametrize("index_col", [None, "day"])
def test_what_was_read_is_written_back_as_it_came(
    clicdata_sandbox: Sandbox, rec_id: int, index_col: str | None
) -> None:
    df = pandas_clicdata.read_clicdata(rec_id, parse_dates=["day", "at"], index_col=index_col)
    before = df.copy()
    df.clicdata.append(rec_id)
    df.clicdata.push("Days", if_exists="append")
    assert clicdata_sandbox.rows(rec_id) == ROWS * 3
    df.assign(n=9).clicdata.update_rows(rec_id, on="day")
    assert clicdata_sandbox.rows(rec_id) == [{**row, "n": 9} for row in ROWS] * 3
    gone = df.head(1).clicdata.delete_rows(rec_id, on=["day", "at"])
    assert len(clicdata_sandbox.rows(rec_id)) == 3
    gone.rows.clicdata.append(rec_id)
    assert sorted(row["day"] for row in clicdata_sandbox.rows(rec_id)) == ["2024-01-01"] * 3 + ["2024-01-02"] * 3
    pd.testing.assert_frame_equal(df, before)


def test_what_was_read_and_lost_its_notes_is_written_back_as_it_came(
    clicdata_sandbox: Sandbox, session: Session, rec_id: int
) -> None:
    df = pandas_clicdata.read_clicdata(rec_id, parse_dates=["day", "at"])
    df = pd.concat([df, df.head(1).assign(day=pd.Timestamp("2024-01-03"), at=pd.Timestamp("2024-01-03 10:00"))])
    df.attrs = {}  # `pandas.concat` drops attrs if they differ
    df.clicdata.append(rec_id)
    assert clicdata_sandbox.rows(rec_id)[2:] == [*ROWS, {"day": "2024-01-03", "at": "2024-01-03 10:00:00", "n": 1}]


def test_a_noted_type_is_for_dates_and_times_and_the_data_set_that_was_read(
    clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    df = pandas_clicdata.read_clicdata(rec_id, parse_dates=["day", "at"])
    other = df.clicdata.push("Others").rec_id  # both columns have the type datetime
    assert clicdata_sandbox.rows(other)[0]["day"] == "2024-01-01 00:00:00"
    shown = df.assign(day=df["day"].dt.strftime("%d.%m.%Y"), at=df["at"].dt.date)
    with pytest.raises(
        errors.InputError, match=r"'day' has text .* at row 0 .*'01.01.2024', and data set .* holds dates there"
    ):
        shown.clicdata.append(rec_id)
    with pytest.raises(errors.ApiError, match="01\\.01\\.2024"):  # text is sent as it is
        shown.clicdata.append(rec_id, check=False)
    shown[["at", "n"]].clicdata.append(rec_id)
    assert clicdata_sandbox.rows(rec_id)[2]["at"] == "2024-01-01 00:00:00"


def test_what_a_noted_type_does_not_hold_is_refused_unless_types_decide(clicdata_sandbox: Sandbox, rec_id: int) -> None:
    df = pandas_clicdata.read_clicdata(rec_id, parse_dates=["day"])[["day"]] + pd.Timedelta("12h")
    df.attrs["clicdata"] = {"rec_id": rec_id, "types": {"day": "date"}}
    clicdata_sandbox.requests.clear()
    with pytest.raises(errors.InputError, match=r"'day': 2 cells are no date.*The data set holds.*'date'.*types="):
        df.clicdata.append(rec_id)
    with pytest.raises(errors.InputError, match="types names columns that the frame does not have: 'z'"):
        df.clicdata.delete_rows(rec_id, on="day", types={"z": "date"})
    assert clicdata_sandbox.requests == []
    with pytest.raises(errors.ApiError, match="12:00:00"):
        df.clicdata.append(rec_id, types={"day": "datetime"})


def test_types_of_updates_and_deletes(clicdata_sandbox: Sandbox, rec_id: int) -> None:
    days = pd.DataFrame({"day": pd.to_datetime(["2024-01-01"]), "at": [dt.date(2024, 1, 5)], "n": ["7"]})
    days.clicdata.update_rows(rec_id, on="day", types={"day": "date", "at": "datetime", "n": "number"})
    assert clicdata_sandbox.rows(rec_id)[0] == {"day": "2024-01-01", "at": "2024-01-05 00:00:00", "n": 7}
    assert len(days.clicdata.delete_rows(rec_id, on="day", types={"day": "date"}, dry_run=True).deletes) == 1
    days.clicdata.delete_rows(rec_id, on="day", types={"day": "date"})
    assert clicdata_sandbox.rows(rec_id) == ROWS[1:]


@pytest.mark.parametrize(
    "notes",
    [
        None,
        [1],
        {"rec_id": pd.DataFrame({"a": [1]})},
        {"rec_id": "RIGHT", "types": 5},
        {"rec_id": "RIGHT", "types": {"n": ["text"], 5: "text", "gone": "text", "day": "nonsense"}},
        {"rec_id": "RIGHT", "lock": threading.Lock()},
    ],
)
def test_odd_attrs_do_no_harm(clicdata_sandbox: Sandbox, rec_id: int, notes: Any) -> None:
    df = pd.DataFrame({"day": [dt.date(2024, 1, 3)], "n": [3]})
    df.attrs["clicdata"] = {**notes, "rec_id": rec_id} if isinstance(notes, dict) and len(notes) > 1 else notes
    df.clicdata.append(rec_id)
    df.clicdata.update_rows(rec_id, on="day")
    assert clicdata_sandbox.rows(rec_id)[2:] == [{"day": "2024-01-03", "at": None, "n": 3}]


def test_rows_of_a_receipt_keep_the_types_they_were_sent_with(clicdata_sandbox: Sandbox, rec_id: int) -> None:
    df = pd.DataFrame({"day": pd.to_datetime(["2024-01-03", "2024-01-04"])})
    clicdata_sandbox.faults.status(403, method="POST", path=re.compile(f"/data/{rec_id}/"), after=1)
    with pytest.raises(errors.AppendInterrupted) as caught:
        df.clicdata.append(rec_id, types={"day": "date"}, chunksize=1)
    rest = caught.value.receipt.remaining(df)
    assert df.attrs == {}
    rest.clicdata.append(rec_id)
    assert [row["day"] for row in clicdata_sandbox.rows(rec_id)[2:]] == ["2024-01-03", "2024-01-04"]
