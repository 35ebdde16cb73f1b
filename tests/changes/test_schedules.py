"""Upsert, sync, replace, undo and restore under random faults and kills, held against the sandbox's own rows.

``CLICDATA_CHANGES`` is the number of schedules: 30 if it isn't set, 600 for ``--long``. A third of
``CLICDATA_KILLS`` processes are killed, and a tenth interrupted: 51 and 30 for ``--long``, else one in each case.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import totals
from pandas_clicdata import ChangeReceipt, Data, Session, SyncReceipt, errors, resume_append
from pandas_clicdata.sandbox import start
from uploads.kennel import Kennel, frame_of
from uploads.oracle import quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.sandbox import Sandbox

CHANGES = int(os.environ.get("CLICDATA_CHANGES", "30"))
KILLS = int(os.environ.get("CLICDATA_KILLS", "10"))
PARTS = 10
CALLS = 25  # calls until a verb must have ended
WRITES = re.compile("/(row|insert|update|delete)$")
STOCK = pd.DataFrame({"id": range(12), "g": [*"abc"] * 4, "v": [n % 5 for n in range(12)]})
NEW = pd.DataFrame({"id": range(100, 107), "g": [*"abababa"], "v": 1})
KINDS = ("upsert", "sync", "replace all", "replace by", "append first", "append first by", "journal", "journal by")
BESIDE = ("upsert", "replace by", "append first by", "journal by", "undo update", "undo delete")  # with another writer
KINDS += ("undo sync", "undo replace", "undo update", "undo delete", "restore", "restore rows")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_random_schedules(part: int, tmp_path: Path) -> None:
    for number in range(part, CHANGES, PARTS):
        seed = random.randrange(1 << 32)
        try:
            schedule(random.Random(seed), tmp_path / str(number))
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error
    totals.add("random schedules of changes", len(range(part, CHANGES, PARTS)))


def schedule(dice: random.Random, journal: Path) -> None:
    """Call a verb under faults until it ends, and compare the rows of the data set at the end."""
    kind, version = dice.choice(KINDS), dice.choice([None, "2022.01"])
    with start() as sandbox, sandbox.session(api_version=version, max_retries=0) as session:
        session._sleep = lambda seconds: None
        stock = STOCK.assign(batch="early") if "first" in kind else STOCK
        rec_id = stock.clicdata.push("Stock", session=session).rec_id
        call, wanted = prepared(kind, sandbox, session, rec_id, dice, journal)
        for _ in range(dice.randint(1, 5)):
            after = dice.randint(0, 9)
            if dice.random() < 0.6:
                sandbox.faults.drop(applied=dice.random() < 0.5, path=WRITES, after=after)
            else:
                sandbox.faults.status(dice.choice([400, 500, 503]), path=f"/data/{rec_id}", after=after)
        came: list[dict[str, Any]] = []
        if kind in BESIDE:
            other = {"id": 900, "g": "c", "v": 3}
            write = partial(written, sandbox, rec_id, other, came)
            sandbox.faults.call(write, path=WRITES, after=dice.randint(0, 9))
        receipt: Any = None
        for _ in range(CALLS):
            try:
                receipt = call(receipt)
            except errors.ClicDataError as error:
                receipt = error.receipt
                assert_true(receipt, sandbox, rec_id)
            else:
                break
        else:
            pytest.fail("it never ended")
        assert receipt.complete
        assert counted(sandbox.rows(rec_id)) == counted([*wanted.to_dict("records"), *came])


def written(sandbox: Sandbox, rec_id: int, row: dict[str, Any], came: list[dict[str, Any]]) -> None:
    """Append a row as another writer does, while a request is on its way."""
    sandbox.append(rec_id, [row])
    came.append(row)


def prepared(
    kind: str, sandbox: Sandbox, session: Session, rec_id: int, dice: random.Random, journal: Path
) -> tuple[Callable[[Any], Any], pd.DataFrame]:
    """Return the function to call with the last receipt until it ends, and the rows that are then expected."""
    how: dict[str, Any] = {"chunksize": 2, "workers": dice.choice([1, 1, 3]), "session": session}
    changed = pd.concat([STOCK.iloc[3:].assign(v=7), NEW], ignore_index=True)
    if kind in ("upsert", "sync"):
        more = {"max_deletes": 1.0} if kind == "sync" else {}
        rows = changed if kind == "sync" else pd.concat([STOCK.head(3), changed])
        return again_or_resume(
            dice, lambda: getattr(changed.clicdata, kind)(rec_id, "id", **more, **how), changed
        ), rows
    if kind.startswith(("replace", "append first", "journal")):
        by = "g" if kind.endswith("by") else None
        if "first" in kind:
            how |= {"order": "append_first", "batch_column": "batch"}
        rows = pd.concat([STOCK[~STOCK["g"].isin(NEW["g"])], NEW]) if by else NEW
        if "journal" not in kind:
            return again_or_resume(dice, lambda: NEW.clicdata.replace(rec_id, by, **how), NEW), rows

        def with_journal(_: Any) -> Any:
            if journal.exists():
                return resume_append(NEW, journal, session=session)
            return NEW.clicdata.replace(rec_id, by, journal=journal, **how)

        return with_journal, rows
    if kind.startswith("restore"):
        data = Data(session=session)
        version = int(data.get_data_history(rec_id)["version"].max())
        more_rows = pd.DataFrame({"id": [3, 3] if "rows" in kind else [3, 50], "g": "z", "v": 9})
        STOCK.head(2).clicdata.delete_rows(rec_id, on="id", session=session)
        more_rows.clicdata.append(rec_id, session=session)
        return lambda _: data.restore(rec_id, version), STOCK
    done: Any = {
        "undo sync": lambda: changed.clicdata.sync(rec_id, "id", max_deletes=1.0, session=session),
        "undo replace": lambda: NEW.clicdata.replace(rec_id, dice.choice(["g", None]), session=session),
        "undo update": lambda: STOCK.head(5).assign(v=77).clicdata.update_rows(rec_id, on="id", session=session),
        "undo delete": lambda: STOCK[["g"]].head(2).clicdata.delete_rows(rec_id, on="g", session=session),
    }[kind]()
    return lambda _: done.undo(), STOCK


def again_or_resume(dice: random.Random, call: Callable[[], Any], frame: pd.DataFrame) -> Callable[[Any], Any]:
    return lambda receipt: call() if receipt is None or dice.random() < 0.4 else receipt.resume(frame)


def counted(rows: list[Any]) -> Counter[Any]:
    return Counter(tuple(sorted((name, str(row[name])) for name in row if name != "batch")) for row in rows)


def assert_true(receipt: Any, sandbox: Sandbox, rec_id: int) -> None:
    """Check the certain states of a receipt against the rows of the data set."""
    if not isinstance(receipt, SyncReceipt):
        return
    there = sandbox.rows(rec_id)
    ids = Counter(row["id"] for row in there)
    for changes in (receipt.updated, receipt.deleted):
        if isinstance(changes, ChangeReceipt):
            assert len(changes.keys) == changes.keys_total
    if receipt.verb in ("upsert", "sync", "replace") and receipt.appended is not None:
        sent, replaced = receipt._plan.inserts["id"].tolist(), receipt.appended.job.replaces
        if replaced is not None and replaced.stamp is not None:
            ids = Counter(row["id"] for row in there if row["batch"] == replaced.stamp)
        elif replaced is not None and not replaced.deleted:
            return  # rows of the previous call may be stored
        for start_, stop, state in receipt.appended.chunks[["start", "stop", "state"]].itertuples(index=False):
            times = {ids[n] for n in sent[int(start_) : int(stop)]}
            assert times <= {"applied": {1}, "verified": {1}, "pending": {0}, "refused": {0}}.get(state, {0, 1})
    if receipt.verb == "sync" and receipt.deleted is not None:
        assert not {*receipt.deleted.rows["id"]} & ids.keys()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_what_stopped_is_undone(part: int) -> None:
    for _ in range(part, CHANGES // 5, PARTS):
        seed = random.randrange(1 << 32)
        try:
            stopped_and_undone(random.Random(seed))
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error
    totals.add("random schedules of undo", len(range(part, CHANGES // 5, PARTS)))


def stopped_and_undone(dice: random.Random) -> None:
    """Call a verb once under faults, and undo the changes of its receipt."""
    kind, version = dice.choice([*KINDS[:6], "update", "delete"]), dice.choice([None, "2022.01"])
    with start() as sandbox, sandbox.session(api_version=version, max_retries=0) as session:
        session._sleep = lambda seconds: None
        stock = STOCK.assign(batch="early") if "first" in kind else STOCK
        rec_id = stock.clicdata.push("Stock", session=session).rec_id
        if kind in ("update", "delete"):
            verb = getattr(STOCK.iloc[3:].assign(v=7).clicdata, f"{kind}_rows")
            how: dict[str, Any] = {"on": "id", "workers": dice.choice([1, 3]), "session": session}
        else:
            call, _ = prepared(kind, sandbox, session, rec_id, dice, Path())
        for _ in range(dice.randint(1, 4)):
            after = dice.randint(0, 9)
            if dice.random() < 0.4:
                sandbox.faults.drop(applied=dice.random() < 0.5, path=WRITES, after=after)
            else:
                status, times = dice.choice([400, 403, 500, 503]), dice.choice([1, None])
                sandbox.faults.status(status, path=WRITES, after=after, times=times)
        try:
            receipt = verb(rec_id, **how) if kind in ("update", "delete") else call(None)
        except errors.ClicDataError as error:
            receipt = error.receipt
        sandbox.faults.clear()
        if receipt is not None:
            assert receipt.undo().complete
        assert counted(sandbox.rows(rec_id)) == counted(STOCK.to_dict("records"))


VERBS: dict[str, dict[str, Any]] = {
    "upsert": {"on": "n", "chunksize": 5},
    "sync": {"on": "n", "chunksize": 5, "max_deletes": 1.0},
    "replace": {"chunksize": 5},
}


@pytest.mark.wide(3)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_after_a_kill_every_key_is_there_once(
    clicdata_sandbox: Sandbox, tmp_path: Path, verb: str, blow: signal.Signals
) -> None:
    dice, frame = random.Random(), frame_of(30)
    before = pd.DataFrame({"n": range(10, 40), "t": "before"})
    clicdata_sandbox.faults.latency(0.004, path=WRITES, times=None)
    struck, longest, number = 0, 0.4, 0
    with Kennel() as kennel:
        while struck < max(1, KILLS // (18 if blow == signal.SIGKILL else 30)):
            number += 1
            rec_id = clicdata_sandbox.create(f"Target {number}", {"n": "number", "t": "text"})
            clicdata_sandbox.append(rec_id, before.to_dict("records"))
            report, journal = tmp_path / f"report {number}", tmp_path / f"journal {number}"
            how = {**VERBS[verb], **({"journal": str(journal)} if verb == "replace" else {})}
            process = kennel.start(clicdata_sandbox, rec_id, len(frame), report, verb=verb, how=how)
            while not report.exists():
                time.sleep(0.001)
            time.sleep(dice.uniform(0, longest))
            os.kill(process, blow)
            ended = kennel.wait(process) or (blow == signal.SIGINT and "Keyboard" in report.read_text())
            struck += bool(ended)
            longest *= 1.02 if ended else 0.9
            quiet(clicdata_sandbox)
            with clicdata_sandbox.session() as session:
                session._sleep = lambda seconds: None
                if verb == "replace":
                    ended_at_last = resumed(frame, journal, rec_id, session)
                else:
                    ended_at_last = getattr(frame.clicdata, verb)(rec_id, session=session, **VERBS[verb])
            assert ended_at_last.complete
            rows = pd.concat([frame, before[before["n"] >= 30]]) if verb == "upsert" else frame
            assert counted(clicdata_sandbox.rows(rec_id)) == counted(rows.to_dict("records"))
    totals.add("processes killed" if blow == signal.SIGKILL else "processes interrupted", struck)


def resumed(frame: pd.DataFrame, journal: Path, rec_id: int, session: Session) -> Any:
    if journal.exists():
        try:
            return resume_append(frame, journal, session=session)
        except errors.InputError as error:
            assert "nothing was sent" in str(error)  # noqa: PT017  # killed before the first line of the journal
    return frame.clicdata.replace(rec_id, session=session)
