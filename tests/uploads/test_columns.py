"""Columns are compared before the first row is sent, and refusals name rows of the frame."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import errors, resume_append
from pandas_clicdata.sandbox import start
from pandas_clicdata.uploads.receipt import AppendReceipt

if TYPE_CHECKING:
    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

DAYS = pd.date_range("2024-01-01", periods=30)
FRAME = pd.DataFrame({"shop": ["north", "south"] * 15, "visits": range(30), "day": DAYS})
LABELLED = FRAME.set_axis([f"r{row}" for row in range(30)])  # labels that only errors name
WORD = LABELLED.assign(visits=[*range(25), "oops", *range(26, 30)])


@pytest.fixture
def rec_id(clicdata_sandbox: Sandbox) -> int:
    """A data set with a row, which no session has read."""
    rec_id = clicdata_sandbox.create("Visits", {"shop": "text", "visits": "number", "day": "datetime"})
    clicdata_sandbox.append(rec_id, [{"shop": "east", "visits": 3, "day": "2024-01-01 00:00:00"}])
    return rec_id


def made(frame: pd.DataFrame, session: Session) -> int:
    return frame.clicdata.create_table("Made", session=session)  # type: ignore[no-any-return]


def problems(frame: pd.DataFrame, rec_id: int, **how: Any) -> tuple[str, ...]:
    with pytest.raises(errors.InputError) as caught:
        frame.clicdata.append(rec_id, **how)
    return caught.value.problems


# ---------------------------------------------------------------------------------------------------------
# Where the columns are known


def test_names_are_compared_at_no_cost_where_the_session_made_the_data_set(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rec_id = made(FRAME, session)
    before = len(clicdata_sandbox.requests)
    wrong = FRAME.rename(columns={"visits": "vists", "shop": "Shop "}).assign(other=1)
    shop, visits, other = problems(wrong, rec_id)
    assert "'Shop '" in shop
    assert "did you mean 'shop'? It differs in letter case or blanks only" in shop
    assert f"'vists' is not in data set {rec_id}: did you mean 'visits'?" in visits
    assert "'other'" in other
    assert "has 'shop', 'visits', 'day'" in other
    [stamps] = problems(FRAME, rec_id, verify="tag", tag_column="load")
    assert "'load'" in stamps
    assert "created for numbers" in problems(FRAME.drop(columns="visits"), rec_id, verify="tag", tag_column="visits")[0]
    assert len(clicdata_sandbox.requests) == before


@pytest.mark.parametrize("read", [pd.read_clicdata, lambda rec_id: pandas_clicdata.Data().get_data(rec_id)])  # type: ignore[attr-defined]
def test_a_read_shows_the_columns(session: Session, clicdata_sandbox: Sandbox, rec_id: int, read: Any) -> None:
    read(rec_id)
    before = len(clicdata_sandbox.requests)
    [problem] = problems(FRAME.rename(columns={"visits": "vists"}), rec_id)
    assert "did you mean 'visits'" in problem
    [problem] = problems(FRAME.assign(visits="many"), rec_id)
    assert "has text" in problem
    assert "holds numbers there, in the row seen" in problem
    assert len(clicdata_sandbox.requests) == before


def test_a_frame_that_was_read_by_another_session_knows_its_columns(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    with clicdata_sandbox.session() as other:
        df = pandas_clicdata.read_clicdata(rec_id, columns=["shop"], session=other)
    before = len(clicdata_sandbox.requests)
    assert "did you mean 'shop'" in problems(df.rename(columns={"shop": "ship"}), rec_id)[0]
    assert len(clicdata_sandbox.requests) == before
    unknown = clicdata_sandbox.create("Another", {"ship": "text"})
    assert df.rename(columns={"shop": "ship"}).clicdata.append(unknown).complete


def test_page_1_is_requested_once_for_a_frame_of_several_chunks(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    def asked() -> int:
        return sum(seen.method == "GET" for seen in clicdata_sandbox.requests)

    clicdata_sandbox.append(rec_id, [{"shop": "east"}] * 3_000)
    assert FRAME.clicdata.append(rec_id).complete
    assert asked() == 0
    assert FRAME.clicdata.append(rec_id, chunksize=10, check=False).complete
    assert asked() == 0
    stored = clicdata_sandbox.count(rec_id)
    misspelled = FRAME.rename(columns={"visits": "vists"})
    assert "did you mean 'visits'" in problems(misspelled, rec_id, chunksize=10)[0]
    assert asked() == 1
    problems(misspelled, rec_id, chunksize=10)
    assert asked() == 1
    problems(misspelled, rec_id, check=True)
    assert asked() == 2
    with pytest.raises(errors.ApiError, match="vists"):
        misspelled.clicdata.append(rec_id, check=False)
    assert clicdata_sandbox.count(rec_id) == stored


@pytest.mark.parametrize("large_page_size", ["capped", "refused", "error", "ignored"])
@pytest.mark.parametrize(("api_version", "paging"), [(None, "none"), ("2022.01", "total")])
def test_page_1_is_read_as_the_service_gives_it(large_page_size: Any, paging: Any, api_version: str | None) -> None:
    with start(
        sample=False, large_page_size=large_page_size, paging=paging, page_size=100, max_page_size=100
    ) as sandbox:
        rec_id = sandbox.create("Visits", {"shop": "text"})
        sandbox.append(rec_id, [{"shop": "east"}] * 250)
        with sandbox.session(api_version=api_version) as session:
            assert (
                "did you mean 'shop'"
                in problems(FRAME[["shop"]].rename(columns={"shop": "ship"}), rec_id, check=True, session=session)[0]
            )
        assert sandbox.count(rec_id) == 250


def test_nothing_is_sent_if_the_data_set_is_not_there(session: Session, clicdata_sandbox: Sandbox) -> None:
    with pytest.raises(errors.NotFound):
        FRAME.clicdata.append(987_654, chunksize=10)
    assert not [seen for seen in clicdata_sandbox.requests if "/987654" in seen.path and seen.method == "POST"]


@pytest.mark.parametrize("body", [b'{"data": 7}', b'{"data": [[1, 2, 3]], "has_more_data": false}', b'{"data": []}'])
def test_a_page_that_shows_nothing_hinders_no_append(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, body: bytes
) -> None:
    clicdata_sandbox.faults.answer(body, path=f"/data/{rec_id}", method="GET")
    assert FRAME.clicdata.append(rec_id, chunksize=10).complete


def test_a_refresh_may_bring_other_columns(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = made(FRAME, session)
    pandas_clicdata.Data().rebuild_data(rec_id, "recreate")
    with pytest.raises(errors.ApiError):
        FRAME.rename(columns={"visits": "vists"}).clicdata.append(rec_id)


# ---------------------------------------------------------------------------------------------------------
# Messages and refusals


def test_a_column_for_stamps_that_the_data_set_lacks_is_named_as_such(session: Session) -> None:
    rec_id = made(FRAME, session)
    with pytest.raises(errors.InputError, match=r"'load' is not in data set .*: the stamps need a text column"):
        FRAME.clicdata.append(rec_id, verify="tag", tag_column="load")


def test_columns_that_the_frame_lacks_are_told_and_stored_as_null(
    session: Session, clicdata_sandbox: Sandbox, tmp_path: Any
) -> None:
    rec_id = made(FRAME, session)
    receipt = FRAME[["shop"]].clicdata.append(rec_id, journal=tmp_path / "journal")
    for one in (receipt, AppendReceipt.load(tmp_path / "journal")):
        for text in (repr(one), one._repr_html_().replace("&#x27;", "'")):
            assert "left empty: 'visits', 'day'" in text
    assert {row["visits"] for row in clicdata_sandbox.rows(rec_id)} == {None}
    assert "left empty" not in repr(FRAME.clicdata.push("Made", if_exists="append"))


@pytest.mark.parametrize(
    ("cells", "words", "way_out"),
    [
        ({"shop": 1}, "created for text", "types={'shop': 'text'}"),
        ({"shop": DAYS}, "created for text", "types={'shop': 'text'}"),
        ({"visits": "3"}, "created for numbers", "types={'visits': 'number'}"),
        ({"visits": True}, "created for numbers", "types={'visits': 'number'}"),
        ({"day": 20240101}, "created for dates with times", "types={'day': 'datetime'}"),
        ({"day": "soon"}, "created for dates with times", "pd.to_datetime"),
    ],
)
def test_a_column_of_another_kind_is_refused_before_it_is_sent(
    session: Session, clicdata_sandbox: Sandbox, cells: dict[str, Any], words: str, way_out: str
) -> None:
    rec_id, [name] = made(FRAME, session), cells
    [problem] = problems(FRAME.assign(**cells), rec_id)
    assert words in problem
    assert way_out in problem
    assert clicdata_sandbox.count(rec_id) == 0
    if name != "day":
        sent_as = "text" if name == "shop" else "number"
        assert FRAME.assign(**cells).clicdata.append(rec_id, types={name: sent_as}).complete


def test_what_may_be_of_the_kind_is_sent(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = made(FRAME, session)
    texts = FRAME.assign(day=FRAME["day"].dt.strftime("%Y-%m-%d %H:%M:%S"), visits=None)
    assert texts.clicdata.append(rec_id).complete
    mixed = FRAME.assign(shop=["a", 1, 2.5] * 10)
    assert "'shop' mixes text and numbers at row 1" in problems(mixed, rec_id)[0]
    assert mixed.clicdata.append(rec_id, types={"shop": "text"}).complete
    assert clicdata_sandbox.rows(rec_id)[31]["shop"] == "1"
    for empty in (float("nan"), None, pd.NaT):  # a column without cells has no type
        nothing = FRAME.assign(shop=empty, visits=pd.Series([empty] * 30, dtype=object), day=float("nan"))
        assert nothing.clicdata.append(rec_id).complete
    numerals = clicdata_sandbox.create("Numerals", {"code": "text"})
    clicdata_sandbox.append(numerals, [{"code": "17"}])
    with pytest.raises(errors.ApiError):  # a column that shows numerals may take numbers: the service decides
        pd.DataFrame({"code": [17]}).clicdata.append(numerals, check=True)


def test_a_word_among_numbers_is_found_before_anything_is_stored(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    frame = pd.concat([FRAME] * 400, ignore_index=True)
    frame["visits"] = frame["visits"].astype(object)
    frame.loc[11_000, "visits"] = "many"
    [problem] = problems(frame, rec_id)
    assert "'visits' mixes text and numbers at row 11000 (label 11000), which holds 'many'" in problem
    assert clicdata_sandbox.count(rec_id) == 1
    [unknown] = problems(WORD, clicdata_sandbox.create("Unknown", {"visits": "number"}), index=False)
    assert "row 25 (label 'r25')" in unknown
    assert "types={'visits': 'text'}" in unknown


@pytest.fixture
def times(clicdata_sandbox: Sandbox) -> int:
    """A data set with dates, datetimes and a text, without a number, which no session has read."""
    rec_id = clicdata_sandbox.create("Times", {"day": "date", "at": "datetime", "note": "text"})
    clicdata_sandbox.append(rec_id, [{"day": "2024-01-01", "at": "2024-01-01 10:00:00", "note": "first"}])
    return rec_id


@pytest.mark.wide(2)
@pytest.mark.parametrize("kind", ["created", "seen"])
@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("day", "31/12/2024"),
        ("day", ""),
        ("day", "2024-02-30"),
        ("day", "2024-01-01 10:00:00"),  # the time would be lost
        ("at", "n/a"),
        ("at", "2024-13-01 10:00:00"),
    ],
)
def test_text_that_is_no_date_is_found_before_anything_is_stored(
    session: Session, clicdata_sandbox: Sandbox, times: int, kind: str, name: str, cell: str
) -> None:
    first = pd.DataFrame({"day": [dt.date(2024, 1, 1)], "at": pd.to_datetime(["2024-01-01 10:00:00"])})
    rec_id = made(first, session) if kind == "created" else times
    before = clicdata_sandbox.count(rec_id)
    frame = pd.DataFrame({name: ["2024-01-02"] * 7_001}, index=[f"r{row}" for row in range(7_001)])
    frame.iloc[7_000, 0] = cell
    words = f"'{name}' has text that is no date at row 7000 (label 'r7000'), which holds {cell!r}, and"
    for how in ({}, {"check": True}) if kind == "seen" else ({},):
        [problem] = problems(frame, rec_id, index=False, **how)
        assert words in problem
        assert f"{'dates' if name == 'day' else 'dates with times'} there" in problem
        assert "pd.to_datetime" in problem
    [problem] = problems(frame.astype("category"), rec_id, index=False)
    assert words in problem
    [problem] = problems(frame.tail(1), rec_id, index=False)
    assert "at row 0 (label 'r7000')" in problem
    assert clicdata_sandbox.count(rec_id) == before


def test_text_that_is_a_date_is_sent_as_it_is(session: Session, clicdata_sandbox: Sandbox, times: int) -> None:
    days, ats = ["2024-01-02", None], ["2024-01-02T10:00:00+01:00", "2024-01-02 10:00:00.5"]
    pd.DataFrame({"day": days, "at": ats}).clicdata.append(times, check=True)
    stored = clicdata_sandbox.rows(times)[1:]
    assert ([row["day"] for row in stored], [row["at"] for row in stored]) == (days, ats)


def test_timestamps_are_no_text_unless_types_say_so(session: Session, clicdata_sandbox: Sandbox, times: int) -> None:
    at = pd.Timestamp("2024-01-02 10:00")
    [problem] = problems(pd.DataFrame({"note": [at, at]}), times, check=True)
    assert "'note' has dates with times" in problem
    assert "holds text there" in problem
    assert "types={'note': 'text'}" in problem
    mixed = pd.DataFrame({"note": ["second", at]})
    [problem] = problems(mixed, times, check=True)
    assert "'note' mixes text and dates with times at row 1" in problem
    assert "types={'note': 'text'}" in problem
    assert clicdata_sandbox.count(times) == 1
    assert mixed.clicdata.append(times, check=True, types={"note": "text"}).complete
    assert clicdata_sandbox.rows(times)[2]["note"] == "2024-01-02 10:00:00"


def test_a_column_of_datetimes_is_called_so(session: Session, clicdata_sandbox: Sandbox, times: int) -> None:
    [problem] = problems(pd.DataFrame({"at": [7]}), times, check=True)
    assert "holds dates with times there" in problem
    assert "types={'at': 'datetime'}" in problem
    [problem] = problems(pd.DataFrame({"day": [7]}), times)
    assert "holds dates there" in problem
    assert "types={'day': 'date'}" in problem


@pytest.mark.parametrize("kind", ["created", "seen"])
def test_dates_and_midnights_are_written_as_the_data_set_holds_them(
    session: Session, clicdata_sandbox: Sandbox, times: int, kind: str
) -> None:
    day, at = dt.date(2024, 1, 2), pd.Timestamp("2024-01-03 10:00")
    first = pd.DataFrame({"day": [day], "at": [at]})
    rec_id, how = (made(first, session), {}) if kind == "created" else (times, {"check": True})
    frame = pd.DataFrame({"day": pd.to_datetime([day, day, None]), "at": [day, at, None]})
    before, count = frame.copy(), clicdata_sandbox.count(rec_id)
    frame.clicdata.append(rec_id, **how)
    assert [(row["day"], row["at"]) for row in clicdata_sandbox.rows(rec_id)[count:]] == [
        ("2024-01-02", "2024-01-02 00:00:00"),
        ("2024-01-02", "2024-01-03 10:00:00"),
        (None, None),
    ]
    pd.testing.assert_frame_equal(frame, before)
    [problem] = problems(frame.assign(day=[at, *frame["day"][1:]]), rec_id)
    assert "'day': 1 cell is no date that could be sent without a loss (row 0)" in problem


# ---------------------------------------------------------------------------------------------------------
# Rows in errors are rows of the frame


@pytest.mark.parametrize("known", [True, False])
def test_a_refusal_names_the_row_of_the_frame(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, known: bool
) -> None:
    rec_id = made(FRAME, session) if known else rec_id
    with pytest.raises(errors.AppendInterrupted) as caught:
        WORD.clicdata.append(rec_id, index=False, chunksize=10, check=False)
    text = str(caught.value)
    assert 'row 25 of the frame, column "visits"' in text
    assert "row 6" not in text
    assert isinstance(caught.value.__cause__, errors.ApiError)
    assert "row 6" in str(caught.value.__cause__.description)  # the service's own words
    assert "Row 25 of the frame (label 'r25') holds 'oops' in column 'visits'" in text
    assert 'errors="collect" stores' in text
    assert "rows 20 to 29 of them refused together" in text


def test_a_refusal_without_a_row_names_the_rows_that_were_sent_together(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    for rows, words in (
        (10, "Rows 20 to 29 of the frame were refused together"),
        (1, "Row 2 of the frame (label 'r2')"),
    ):
        clicdata_sandbox.faults.clear()
        clicdata_sandbox.faults.status(400, path=f"/data/{rec_id}", method="POST", after=2)
        with pytest.raises(errors.AppendInterrupted) as caught:
            LABELLED.clicdata.append(rec_id, index=False, chunksize=rows)
        assert words in str(caught.value)
        assert rows > 1 or "row 2 of them refused" in str(caught.value)


def test_collected_rows_bear_the_position_and_label_of_the_frame(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    receipt = WORD.clicdata.append(rec_id, index=False, chunksize=10, errors="collect")
    assert receipt.rows_appended == 29
    assert receipt.refused.index.tolist() == ["r25"]
    [reason] = receipt.refused["reason"]
    assert "Row 25 of the frame (label 'r25')" in reason
    assert set(re.findall(r"row \d+", reason.lower())) == {"row 25"}
    assert "resume_append" not in receipt._repr_html_()
    assert ".refused; correct these rows" in receipt._repr_html_()
    assert "1 of them refused" in repr(receipt)


def test_a_refused_log_in_refuses_no_rows(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    clicdata_sandbox.faults.status(401, path=f"/data/{rec_id}", method="POST", after=1, times=5)
    with pytest.raises(errors.AppendInterrupted) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10)
    text = str(caught.value)
    assert "or the key. 10 of 30 rows appended" in text
    assert "20 not stored: .remaining(df)." in text
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert (receipt.rows_refused, len(receipt.refused), len(receipt.remaining(FRAME))) == (0, 0, 20)
    assert "refused" not in f"{receipt!r} {receipt._repr_html_()}"
    assert "resume_append" in receipt._repr_html_()


def test_an_append_that_goes_on_is_compared_with_what_is_known(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    clicdata_sandbox.faults.status(403, path=f"/data/{rec_id}", method="POST", after=1)
    with pytest.raises(errors.AppendInterrupted) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, check=None)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert resume_append(FRAME, receipt).complete
