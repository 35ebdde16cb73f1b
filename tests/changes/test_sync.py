"""Upsert, sync and diff against the sandbox: their requests, their refusals, and the rows after faults."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from pandas_clicdata import errors
from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

STOCK = pd.DataFrame({"id": range(12), "v": range(12)})
WANTED = pd.DataFrame({"id": range(4, 18), "v": [n + 100 * (n % 2) for n in range(4, 18)]})
WRITES = re.compile("/(row|insert|update|delete)$")


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox) -> Iterator[Session]:
    with clicdata_sandbox.session(api_version=request.param, max_retries=0) as session:
        session._sleep = lambda seconds: None
        yield session


def held(sandbox: Sandbox, rec_id: int) -> dict[Any, Any]:
    rows = sandbox.rows(rec_id)
    found = {row["id"]: row["v"] for row in rows}
    assert len(found) == len(rows), "a key is there twice"
    return found


def writes(sandbox: Sandbox) -> int:
    return sum(bool(WRITES.search(seen.path)) for seen in sandbox.requests)


def test_only_what_differs_is_sent(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = STOCK.clicdata.push("Stock", session=session).rec_id
    plan = WANTED.clicdata.diff(rec_id, on="id", session=session)
    assert plan.updates["new"].tolist() == [105, 107, 109, 111]
    assert (plan.inserts["id"].tolist(), plan.deletes["id"].tolist()) == ([*range(12, 18)], [*range(4)])
    assert (plan.unchanged, plan.requests, plan.ok) == (4, 9, True)
    clicdata_sandbox.requests.clear()
    receipt = WANTED.clicdata.upsert(rec_id, on="id", session=session)
    assert (receipt.complete, receipt.unchanged, writes(clicdata_sandbox)) == (True, 4, 5)
    assert receipt.changes["state"].tolist() == ["applied"] * 4
    assert held(clicdata_sandbox, rec_id) == {n: n for n in range(4)} | dict(WANTED.to_numpy().tolist())
    clicdata_sandbox.requests.clear()
    assert WANTED.clicdata.upsert(rec_id, on="id", session=session).unchanged == 14
    assert writes(clicdata_sandbox) == 0
    receipt = WANTED.clicdata.sync(rec_id, on="id", max_deletes=4, session=session)
    assert receipt.deleted is not None
    assert receipt.deleted.rows["id"].tolist() == [0, 1, 2, 3]
    assert held(clicdata_sandbox, rec_id) == dict(WANTED.to_numpy().tolist())


@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_first_request_is_its_own_error(session: Session, clicdata_sandbox: Sandbox, status: int) -> None:
    rec_id = STOCK.clicdata.push("Stock", session=session).rec_id
    clicdata_sandbox.faults.status(status, path=WRITES)
    with pytest.raises((errors.ApiError, errors.AuthError, errors.SyncInterrupted)) as caught:
        WANTED.clicdata.upsert(rec_id, on="id", session=session)
    assert caught.value.__cause__ is not caught.value
    assert held(clicdata_sandbox, rec_id) == dict(STOCK.to_numpy().tolist())


@pytest.mark.parametrize(
    ("frame", "how", "message"),
    [
        (pd.DataFrame({"id": ["004"], "v": [1]}), {}, "'id' holds text in the frame and number in the data set"),
        (pd.DataFrame({"id": [4, 4], "v": [1, 2]}), {}, "keep one row per key"),
        (pd.DataFrame({"id": [4, None], "v": [1, 2]}), {}, "missing value in a key column"),
        (pd.DataFrame({"id": [4], "w": [1]}), {}, "'w' is not in data set"),
        (pd.DataFrame({"id": [4], "v": [1]}), {"max_updates": 0}, "max_updates is 0"),
    ],
)
def test_what_is_refused_writes_nothing(
    session: Session, clicdata_sandbox: Sandbox, frame: pd.DataFrame, how: dict[str, Any], message: str
) -> None:
    rec_id = STOCK.clicdata.push("Stock", session=session).rec_id
    clicdata_sandbox.requests.clear()
    with pytest.raises(errors.InputError, match=message):
        frame.clicdata.upsert(rec_id, on="id", session=session, **how)
    assert writes(clicdata_sandbox) == 0


HOURS = pd.DataFrame({"t": pd.date_range("2026-03-29", periods=6, freq="h"), "v": range(6)})


def aware(frame: pd.DataFrame, zone: str = "Europe/Berlin") -> pd.DataFrame:
    return frame.assign(t=frame["t"].dt.tz_localize("UTC").dt.tz_convert(zone))


@pytest.mark.parametrize("spell", ["dtype", "Arrow", "objects", "category", "text"])
def test_times_with_an_offset_are_no_keys_where_the_data_set_has_none(
    session: Session, clicdata_sandbox: Sandbox, spell: str
) -> None:
    rec_id = HOURS.clicdata.push("Hours", session=session).rec_id
    frame, how = aware(HOURS), dict[str, Any](on="t", session=session)
    if spell == "Arrow":
        frame = frame.astype({"t": pd.ArrowDtype(pa.timestamp("us", "Europe/Berlin"))})
    elif spell == "text":
        frame, how = frame.assign(t=[time.isoformat() for time in frame["t"]]), {**how, "types": {"t": "datetime"}}
    elif spell != "dtype":
        frame = frame.assign(t=frame["t"].astype(object if spell == "objects" else "category"))
    for verb in (frame.clicdata.upsert, frame.clicdata.sync):
        with pytest.raises(errors.InputError, match="'t' holds timestamp with an offset in the frame and timestamp in"):
            verb(rec_id, **how)
    assert [row["v"] for row in clicdata_sandbox.rows(rec_id)] == [*range(6)]
    plain = aware(HOURS).assign(t=lambda df: df["t"].dt.tz_convert(None))
    assert plain.clicdata.upsert(rec_id, on="t", session=session).unchanged == 6


@pytest.mark.parametrize("shown", ["2026-03-29 00:00:00", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00+02:00"])
@pytest.mark.parametrize("how", [{"parse_dates": ["t"]}, {"dtype": {"t": "datetime64[us, UTC]"}}], ids=str)
def test_times_that_were_read_are_keys_as_they_were_read(
    session: Session, clicdata_sandbox: Sandbox, shown: str, how: dict[str, Any]
) -> None:
    rec_id = clicdata_sandbox.create("Hours", {"t": "text", "v": "number"})
    clicdata_sandbox.append(rec_id, [{"t": shown, "v": 1}])
    frame = pd.read_clicdata(rec_id, session=session, **how)
    plan = frame.assign(v=2).clicdata.diff(rec_id, on="t", session=session)
    assert (plan.problems, len(plan.updates), len(plan.inserts)) == ([], 1, 0)


def test_times_without_an_offset_are_no_keys_where_the_data_set_has_some(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rows = [{"t": f"{time.isoformat()}Z", "v": 1} for time in HOURS["t"]]
    rec_id = clicdata_sandbox.create("Hours", {"t": "text", "v": "number"})
    clicdata_sandbox.append(rec_id, rows)
    [problem] = HOURS.clicdata.diff(rec_id, on="t", session=session).problems
    assert "'t' holds timestamp in the frame and timestamp with an offset in the data set" in problem
    assert aware(HOURS).clicdata.diff(rec_id, on="t", session=session).ok


def test_keys_with_a_fraction_get_a_warning_at_the_callers_line(session: Session) -> None:
    frame = pd.DataFrame({"id": [0.5, 2.0], "n": [1.0, 2.0], "v": [0.25, 0.5]})
    rec_id = frame.clicdata.push("Fractions", session=session).rec_id
    for verb in (frame.clicdata.upsert, frame.clicdata.sync, frame.clicdata.diff):
        with pytest.warns(errors.ClicDataWarning, match="on: 'id' has numbers with a fraction") as caught:
            verb(rec_id, on=["id", "n"], session=session)
        assert [warning.filename for warning in caught] == [__file__]
        verb(rec_id, on="n", session=session)  # each warning is an error here


def test_a_sync_that_deletes_much_is_refused(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = pd.concat([STOCK, STOCK.assign(id=STOCK["id"] + 50)]).clicdata.push("Stock", session=session).rec_id
    clicdata_sandbox.requests.clear()
    for frame, how, message in (
        (STOCK.head(2), {}, "max_deletes=22 permits it"),
        (STOCK.head(2), {"max_deletes": 0.5}, "22 rows of 24 would be deleted, and max_deletes is 0.5"),
        (STOCK.head(0), {"max_deletes": 99}, "the frame is empty"),
    ):
        with pytest.raises(errors.InputError, match=message):
            frame.clicdata.sync(rec_id, on="id", session=session, **how)
    assert writes(clicdata_sandbox) == 0


def test_a_key_of_several_rows(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = pd.DataFrame({"id": [1, 1], "v": [1, 2]}).clicdata.push("Twice", session=session).rec_id
    frame = pd.DataFrame({"id": [1], "v": [2]})
    with pytest.raises(errors.InputError, match='duplicates="all" sets all of these rows'):
        frame.clicdata.upsert(rec_id, on="id", session=session)
    frame.clicdata.upsert(rec_id, on="id", duplicates="all", session=session)
    assert [row["v"] for row in clicdata_sandbox.rows(rec_id)] == [2, 2]


def test_missing_cells_and_small_differences(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = pd.DataFrame({"id": [1, 2], "v": [1.0, 2.0]}).clicdata.push("Small", session=session).rec_id
    frame = pd.DataFrame({"id": [1, 2], "v": [None, 2.001]})
    how: Any = {"on": "id", "session": session}
    assert frame.clicdata.upsert(rec_id, missing="keep", tolerance={"v": 0.01}, **how).unchanged == 2
    assert held(clicdata_sandbox, rec_id) == {1: 1, 2: 2}
    frame.clicdata.upsert(rec_id, **how)
    assert held(clicdata_sandbox, rec_id) == {1: None, 2: 2.001}


@pytest.mark.wide(4)
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("version", [None, "2022.01"])
def test_after_faults_it_is_called_again_and_every_key_is_there_once(version: str | None, seed: int) -> None:
    chance = Random(seed)
    with start() as sandbox, sandbox.session(api_version=version, max_retries=0) as session:
        session._sleep = lambda seconds: None
        rec_id = STOCK.clicdata.push("Stock", session=session).rec_id
        for _ in range(chance.randint(1, 5)):
            after = chance.randint(0, 9)
            if chance.random() < 0.7:
                sandbox.faults.drop(applied=chance.random() < 0.5, path=WRITES, after=after)
            else:
                sandbox.faults.status(chance.choice([400, 500, 503]), path=f"/data/{rec_id}", after=after)
        for _ in range(12):
            try:
                receipt: Any = WANTED.clicdata.sync(
                    rec_id, on="id", max_deletes=1.0, chunksize=2, workers=chance.choice([1, 3]), session=session
                )
            except errors.ClicDataError as error:
                receipt, ended = getattr(error, "receipt", None), False
            else:
                ended = True
            now = held(sandbox, rec_id)
            if receipt is not None and receipt.updated is not None:
                for key, state in receipt.updated.keys[["id", "state"]].itertuples(index=False):
                    done = now[key] == dict(WANTED.to_numpy().tolist())[key]
                    assert done in {"applied": (True,), "pending": (False,)}.get(state, (True, False))
            if ended:
                break
        assert held(sandbox, rec_id) == dict(WANTED.to_numpy().tolist())


def test_a_refusal_beside_a_lost_response_is_not_forgotten(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = STOCK.clicdata.push("Stock", session=session).rec_id
    frame = STOCK.assign(v=STOCK["v"] + 1)
    path = re.compile("/(row|update)$")
    clicdata_sandbox.faults.drop(applied=True, path=path)
    clicdata_sandbox.faults.status(400, path=path, after=1)
    receipt = frame.clicdata.upsert(rec_id, on="id", workers=3, session=session)
    assert receipt.complete
    assert held(clicdata_sandbox, rec_id) == dict(frame.to_numpy().tolist())
