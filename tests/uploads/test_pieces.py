"""Appends of several pieces: iterators, Arrow data, lists of dicts; and pieces that are the same rows in any form."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import pandas_clicdata
import totals
from faults.kinds import add
from pandas_clicdata import AppendReceipt, Session, errors, resume_append
from pandas_clicdata.frames.pieces import frames_of
from uploads.kennel import Kennel
from uploads.oracle import quiet
from uploads.test_schedules import FAULTS, SCHEDULES, SEED, Unreliable, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.sandbox import Sandbox
    from pandas_clicdata.session.wire import Answer, Request

SIZES = [7, 12, 1, 0, 20]
STARTS = list(itertools.accumulate(SIZES, initial=0))
CHUNK = 5
PIECES = [
    pd.DataFrame({"n": range(start, stop), "t": [f"row {n}" for n in range(start, stop)]})
    for start, stop in itertools.pairwise(STARTS)
]
ROWS = STARTS[-1]
TAG: dict[str, Any] = {"verify": "tag", "tag_column": "load"}


def stored(sandbox: Sandbox, rec_id: int) -> list[int]:
    return [row["n"] for row in sandbox.rows(rec_id)]


class Recorder(Session):
    """A session that keeps the bodies, and whose service takes all rows."""

    def __init__(self, api_version: str | None = None) -> None:
        super().__init__(api_key="k", url="https://api.clicdata.test/", api_version=api_version)
        self.bodies: list[bytes] = []

    def _send(self, request: Request, *_: Any) -> Answer:
        if request.body is None:
            return answer({"data": [], "has_more_data": False})
        self.bodies.append(request.body)
        return answer({"success": True})


def bodies_of(data: Any, **how: Any) -> list[bytes]:
    with Recorder() as service:
        receipt = pandas_clicdata.append(data, 5, session=service, check=False, progress=False, **how)
        assert receipt.complete
        return service.bodies


# ---------------------------------------------------------------------------------------------------------
# One append


@pytest.mark.parametrize("workers", [1, 3])
def test_pieces_are_one_append(session: Session, clicdata_sandbox: Sandbox, tmp_path: Path, workers: int) -> None:
    rec_id = clicdata_sandbox.create("Target", {"n": "number", "t": "text"})
    path = tmp_path / "journal"
    receipt = pandas_clicdata.append(iter(PIECES), rec_id, chunksize=CHUNK, journal=path, workers=workers)
    assert sorted(stored(clicdata_sandbox, rec_id)) == list(range(ROWS))
    if workers == 1:
        assert stored(clicdata_sandbox, rec_id) == list(range(ROWS))
    for one in (receipt, AppendReceipt.load(path)):
        assert (one.complete, one.rows_total, one.rows_appended) == (True, ROWS, ROWS)
        assert one.chunks["stop"].tolist()[-1] == ROWS
        assert one.pieces["start"].tolist() == STARTS[:-1]
        assert one.pieces["stored"].tolist() == SIZES
    assert "of 5 pieces" in repr(receipt)
    assert session.last_receipt is receipt


@pytest.mark.parametrize("how", [{}, {"verify": "count", "exclusive": True}])
def test_a_push_of_pieces_counts_at_the_end(session: Session, clicdata_sandbox: Sandbox, how: dict[str, Any]) -> None:
    receipt = pandas_clicdata.push(iter(PIECES), "New", **how)
    assert receipt.audited
    assert stored(clicdata_sandbox, receipt.rec_id) == list(range(ROWS))
    again = pandas_clicdata.push(iter(PIECES), "New", if_exists="append", **how)
    assert again.rec_id == receipt.rec_id
    assert len(stored(clicdata_sandbox, receipt.rec_id)) == 2 * ROWS


@pytest.mark.parametrize("nothing", [list, tuple, pd.DataFrame, lambda: iter([]), lambda: [pd.DataFrame()]])
def test_nothing_is_sent_of_no_piece(nothing: Callable[[], Any]) -> None:
    with Recorder() as service:
        receipt = pandas_clicdata.append(nothing(), 5, session=service)
        assert (receipt.complete, receipt.rows_total, service.bodies) == (True, 0, [])
        with pytest.raises(errors.InputError, match="no columns"):
            pandas_clicdata.push([], "New", session=service)


def test_the_iterator_is_read_in_the_thread_of_the_caller_while_a_piece_is_sent() -> None:
    """A connection of sqlite3 works in one thread only."""
    db = sqlite3.connect(":memory:")
    pd.concat(PIECES).to_sql("rows", db, index=False)
    sending, read = threading.Event(), threading.Event()

    class Waiting(Recorder):
        def _send(self, request: Request, *rest: Any) -> Answer:
            sending.set()
            assert read.wait(20), "the second piece is read while the first one is sent"
            return super()._send(request, *rest)

    def pieces() -> Iterator[pd.DataFrame]:
        for number, piece in enumerate(pd.read_sql("SELECT * FROM rows", db, chunksize=10)):
            if number == 1:
                assert sending.wait(20)
                read.set()
            yield piece

    with Waiting() as service:
        assert pandas_clicdata.append(pieces(), 5, session=service, check=False).rows_appended == ROWS
    db.close()


# ---------------------------------------------------------------------------------------------------------
# A piece that differs, or can't be read


DIFFERENT: dict[str, tuple[pd.DataFrame, str]] = {
    "lacks a column": (pd.DataFrame({"n": [1]}), "lacks 't'"),
    "has another column": (pd.DataFrame({"n": [1], "t": ["x"], "u": [2]}), "has 'u', which the first one lacks"),
    "another order": (pd.DataFrame({"t": ["x"], "n": [1]}), "their order differs"),
    "another type": (pd.DataFrame({"n": ["1"], "t": ["x"]}), "Column 'n' is text, and number in the pieces before"),
    "mixed": (pd.DataFrame({"n": [1, "x"], "t": ["x", "y"]}), "'n' is mixed"),
    "a cell that can't be sent": (pd.DataFrame({"n": [float("inf")], "t": ["x"]}), "infinite"),
}


@pytest.mark.parametrize("case", DIFFERENT)
@pytest.mark.parametrize("check", [None, False])
def test_a_piece_that_differs_stops_the_append(
    session: Session, clicdata_sandbox: Sandbox, case: str, check: bool | None
) -> None:
    piece, match = DIFFERENT[case]
    with pytest.raises(errors.AppendInterrupted, match=f"(?s)piece 2 .*{match}") as caught:
        pandas_clicdata.push([*PIECES[:2], piece, *PIECES[2:]], "New", check=check)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert isinstance(caught.value.__cause__, errors.InputError)
    assert (receipt.rows_appended, receipt.rows_total, receipt.complete) == (19, 19, False)
    assert stored(clicdata_sandbox, receipt.rec_id) == list(range(19))
    assert "may be more" in receipt.summary()


def test_types_say_what_a_column_is_in_all_pieces() -> None:
    pieces = [pd.DataFrame({"a": [None, None]}), pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": ["x", None]})]
    with pytest.raises(errors.AppendInterrupted, match="piece 2"):
        bodies_of(pieces)
    with pytest.raises(errors.AppendInterrupted, match="piece 1"):
        bodies_of([pieces[2], pieces[1]])
    assert b'"1"' in b"".join(bodies_of(pieces, types={"a": "text"}))


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_the_iterator_is_the_cause(clicdata_session: Session, rec_id: int, workers: int) -> None:
    def pieces() -> Iterator[pd.DataFrame]:
        yield from PIECES[:2]
        raise LookupError("no such file")

    how: dict[str, Any] = {"session": clicdata_session, "workers": workers, "chunksize": CHUNK}
    with pytest.raises(errors.AppendInterrupted, match=r"piece 2 .*LookupError was raised") as caught:
        pandas_clicdata.append(pieces(), rec_id, **how)
    assert isinstance(caught.value.__cause__, LookupError)
    receipt = clicdata_session.last_receipt
    assert isinstance(receipt, AppendReceipt)
    assert caught.value.receipt is receipt
    assert (receipt.rows_appended, receipt.rows_total) == (19, 19)
    assert resume_append(iter(PIECES), receipt, session=clicdata_session).rows_appended == ROWS


def test_an_error_before_the_first_piece_is_raised_as_it_is(tmp_path: Path) -> None:
    def pieces() -> Iterator[pd.DataFrame]:
        raise LookupError("no such file")
        yield

    with Recorder() as service, pytest.raises(LookupError):
        pandas_clicdata.append(pieces(), 5, session=service, journal=tmp_path / "journal")
    assert not list(tmp_path.iterdir())


def test_rows_remain_piece_by_piece(clicdata_sandbox: Sandbox, clicdata_session: Session, rec_id: int) -> None:
    clicdata_sandbox.faults.drop(method="POST", after=4, applied=True)
    with pytest.raises(errors.AppendAmbiguous, match=r"rows 17 to 18 of all \(rows 10 to 11 of piece 1\)") as caught:
        pandas_clicdata.append(iter(PIECES), rec_id, chunksize=CHUNK, session=clicdata_session)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert receipt.pieces["stored"].tolist() == [7, 10]
    assert receipt.pieces["in_doubt"].tolist() == [0, 2]
    assert receipt.in_doubt(PIECES[1], 1)["n"].tolist() == [17, 18]
    assert receipt.in_doubt(pa.Table.from_pandas(PIECES[1]), piece=1)["n"].tolist() == [17, 18]
    assert receipt.remaining(PIECES[0], 0).empty
    with pytest.raises(errors.InputError, match="piece= from 0 to 1"):
        receipt.remaining(PIECES[0])
    with pytest.raises(errors.InputError, match=r"give piece 0"):
        receipt.remaining(PIECES[1], 0)
    with pytest.raises(errors.InputError, match="of 2 pieces"):
        receipt.remaining(PIECES[1], 2)
    done = resume_append(iter(PIECES), receipt, session=clicdata_session, in_doubt="stored")
    assert done.complete
    assert stored(clicdata_sandbox, rec_id) == list(range(ROWS))


def test_refused_rows_of_every_piece_are_kept(clicdata_sandbox: Sandbox, clicdata_session: Session) -> None:
    rec_id = clicdata_sandbox.create("Target", {"n": "number"})
    pieces = [pd.DataFrame({"n": [1, "x", 2]}), pd.DataFrame({"n": [3, 4]}), pd.DataFrame({"n": ["y", 5]})]
    receipt = pandas_clicdata.append(pieces, rec_id, errors="collect", session=clicdata_session)
    assert receipt.refused["n"].tolist() == ["x", "y"]
    assert receipt.rows_refused == 2
    assert stored(clicdata_sandbox, rec_id) == [1, 2, 3, 4, 5]


# ---------------------------------------------------------------------------------------------------------
# Going on


def begun(service: Unreliable, path: Path, stop: int) -> None:
    """Append under a journal, and stop before this request."""
    send = service._send

    def stopping(request: Request, *rest: Any) -> Any:
        if service.requests >= stop:
            return answer("no", 403)
        return send(request, *rest)

    service._send = stopping  # type: ignore[method-assign]
    with pytest.raises(errors.ClicDataError):
        pandas_clicdata.append(iter(PIECES), 5, session=service, journal=path, chunksize=CHUNK, check=False)
    service._send = send  # type: ignore[method-assign]


@pytest.fixture
def service() -> Iterator[Unreliable]:
    with Unreliable(random.Random(1), None, 0) as running:
        running.dice.random = lambda: 1.0  # type: ignore[method-assign]  # without faults
        yield running


OTHERS: dict[str, tuple[Callable[[], list[pd.DataFrame]], str]] = {
    "another row": (lambda: [PIECES[0].assign(n=1), *PIECES[1:]], "piece 0 holds other rows"),
    "another piece": (lambda: [PIECES[0], PIECES[1].assign(t="x"), *PIECES[2:]], "piece 1 holds other rows"),
    "fewer pieces": (lambda: PIECES[:1], "has at least 2 pieces, and the data has 1"),
    "other pieces": (lambda: [pd.concat(PIECES[:2]), *PIECES[2:]], "has 19 rows, and the one of the append has 7"),
    "one piece": (lambda: [pd.concat(PIECES)], "has 40 rows, and the one of the append has 7"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_only_the_same_pieces_go_on(tmp_path: Path, service: Unreliable, case: str) -> None:
    path = tmp_path / "journal"
    begun(service, path, 3)
    before = list(service.rows)
    others, match = OTHERS[case]
    with pytest.raises((errors.JournalMismatch, errors.AppendInterrupted), match=match):
        resume_append(iter(others()), path, session=service)
    assert service.rows == before
    assert resume_append(iter(PIECES), path, session=service).complete
    assert service.land() == Counter(range(ROWS))
    requests = service.requests
    assert resume_append(iter(PIECES), path, session=service).complete
    assert service.requests == requests, "nothing is sent that is stored"
    with pytest.raises((errors.JournalMismatch, errors.AppendInterrupted), match="5 pieces, and the data has more"):
        resume_append(iter([*PIECES, PIECES[0]]), path, session=service)
    assert service.land() == Counter(range(ROWS))


def test_repair_sends_only_what_was_begun(clicdata_sandbox: Sandbox, rec_id: int) -> None:
    with clicdata_sandbox.session(api_version="2022.01") as session:
        session._sleep = lambda _: None
        add(clicdata_sandbox.faults, "keep_rows", count=2, method="POST", after=3)
        with pytest.raises(errors.AppendAmbiguous) as caught:
            pandas_clicdata.append(iter(PIECES), rec_id, chunksize=CHUNK, session=session, **TAG)
        receipt = caught.value.receipt
        assert isinstance(receipt, AppendReceipt)
        assert receipt.rows_in_doubt
        receipt.repair(iter(PIECES), session=session)  # type: ignore[arg-type]
        assert not receipt.rows_in_doubt
        assert not receipt.complete
        assert resume_append(iter(PIECES), receipt, session=session).complete
    assert sorted(stored(clicdata_sandbox, rec_id)) == list(range(ROWS))


# ---------------------------------------------------------------------------------------------------------
# Schedules, and kills


def held(service: Unreliable) -> AppendReceipt:
    """Compare the receipt with the ledger. Rows of pieces that were not begun are not stored."""
    ledger, receipt = service.land(), service.last_receipt
    assert receipt is not None
    for number, piece in enumerate(PIECES[: len(receipt.pieces)]):
        remaining, in_doubt = receipt.remaining(piece, number)["n"], receipt.in_doubt(piece, number)["n"]
        unsure = {*remaining, *in_doubt}
        assert all(ledger[n] == 1 for n in piece["n"] if n not in unsure)
        assert not any(ledger[n] for n in remaining)
        assert all(ledger[n] < 2 for n in in_doubt)
        assert receipt.pieces["remaining"][number] == len(remaining)
    assert not any(ledger[n] for n in range(receipt.rows_total, ROWS))
    return receipt


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["plain", "workers", "count", "tag"])
def test_each_receipt_of_pieces_agrees_with_the_ledger(kind: str, tmp_path: Path) -> None:
    seed = SEED or str(random.randrange(1 << 32))
    sys.stderr.write(f"CLICDATA_SEED={seed}\n")  # shown if it fails
    schedules = SCHEDULES // 40
    requests, faults = 0, Counter[str]()
    for number in range(schedules):
        dice = random.Random(f"pieces {kind} {seed} {number}")
        with Unreliable(dice, dice.choice([None, "2022.01"]), rows_before=dice.choice([0, 3])) as service:
            gone_through(service, kind, tmp_path / f"{number}")
            requests, faults = requests + service.requests, faults + service.faults
    assert set(faults) == set(FAULTS) or SCHEDULES < 1000
    totals.add("random schedules of faults", schedules)
    totals.add("faults of random schedules", faults.total())
    totals.add("requests of random schedules", requests)


def gone_through(service: Unreliable, kind: str, path: Path) -> None:
    how: dict[str, Any] = {
        "plain": {},
        "workers": {"workers": 3},
        "count": {"verify": "count", "exclusive": True},
        "tag": TAG,
    }[kind]
    with contextlib.suppress(errors.ClicDataError):
        pandas_clicdata.append(iter(PIECES), 5, chunksize=CHUNK, journal=path, session=service, progress=False, **how)
    for _ in range(80):
        if not path.exists():
            assert not service.land()
            return
        receipt = held(service)
        if receipt.complete:
            assert service.land() == Counter(range(ROWS))
            return
        fates = {}
        for chunk in receipt.doubtful():
            fates[chunk.start] = "stored" if service.land()[chunk.start] else "missing"
        with contextlib.suppress(errors.ClicDataError):
            resume_append(
                iter(PIECES), path, session=service, progress=False, in_doubt=fates, workers=how.get("workers", 1)
            )
    raise AssertionError("it never came to an end")


KILLS = int(os.environ.get("CLICDATA_KILLS", "20")) // 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_pieces_are_stored_once_though_the_process_is_killed(
    clicdata_sandbox: Sandbox, tmp_path: Path, signal_number: int
) -> None:
    with Kennel() as kennel:
        for number in range(KILLS):
            rec_id = clicdata_sandbox.create(f"Target {number}", {"n": "number", "t": "text", "load": "text"})
            path, report = tmp_path / f"{number}", tmp_path / f"report {number}"
            how = {"chunksize": CHUNK, "journal": str(path), **TAG}
            process = kennel.start(clicdata_sandbox, rec_id, ROWS, report, pieces=SIZES, how=how)
            while not report.exists():
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.2))
            os.kill(process, signal_number)
            assert kennel.wait(process) in (0, signal.SIGKILL)
            quiet(clicdata_sandbox)
            with clicdata_sandbox.session() as session:
                session._sleep = lambda _: None
                try:
                    done = path.exists() and resume_append(iter(PIECES), path, session=session).complete
                except errors.InputError:  # killed before the journal was begun
                    done = False
                if done:
                    assert sorted(stored(clicdata_sandbox, rec_id)) == list(range(ROWS))
                else:
                    assert not stored(clicdata_sandbox, rec_id)
    totals.add("processes killed", KILLS)


# ---------------------------------------------------------------------------------------------------------
# Sources


ALL = pd.DataFrame(
    {
        "n": np.arange(1200),
        "i": pd.Series([1, None, 2**60] * 400, dtype="Int64"),
        "f": np.arange(1200) / 7,
        "t": [("a", 'q"\\', None, "é\n")[n % 4] for n in range(1200)],
        "b": np.arange(1200) % 3 == 0,
        "at": pd.Series(np.arange(1200) * 86_400_500, dtype="datetime64[ms]"),
    }
)
RECORDS = [
    {name: None if cell is pd.NA or cell != cell else cell for name, cell in row.items()}
    for row in ALL.to_dict("records")
]


def reader(table: Any, rows: int) -> Any:
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=rows))


TABLE = pa.Table.from_pandas(ALL)
SOURCES: dict[str, Callable[[], Any]] = {
    "a table": lambda: TABLE,
    "a record batch": lambda: TABLE.to_batches()[0],
    "a reader": lambda: reader(TABLE, 333),
    "a table of dictionaries": lambda: TABLE.set_column(3, "t", TABLE["t"].dictionary_encode()),
    "a list of dicts": lambda: RECORDS,
    "two tables": lambda: [TABLE.slice(0, 500), TABLE.slice(500)],
    "readers and frames": lambda: iter([reader(TABLE.slice(0, 400), 7), ALL[400:700], RECORDS[700:]]),
    "Arrow's dtypes": lambda: ALL.convert_dtypes(dtype_backend="pyarrow"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_rows_are_the_same_bytes(source: str) -> None:
    assert bodies_of(SOURCES[source](), chunksize=100) == bodies_of(ALL, chunksize=100)


def test_what_polars_and_duckdb_give_are_the_same_bytes() -> None:
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    frame = polars.from_arrow(TABLE)
    db = duckdb.connect()
    db.register("rows", TABLE)
    expected = bodies_of(ALL, chunksize=100)
    assert bodies_of(frame, chunksize=100) == expected
    assert bodies_of(frame.with_columns(polars.col("t").cast(polars.Categorical)), chunksize=100) == expected
    assert bodies_of(frame.iter_slices(300), chunksize=100) == expected
    assert bodies_of(db.sql("SELECT * FROM rows"), chunksize=100) == expected


def test_lazy_frames_of_polars_are_collected_in_pieces() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.from_arrow(TABLE)
    assert bodies_of(frame.lazy(), chunksize=100) == bodies_of(ALL, chunksize=100)
    assert bodies_of(frame.lazy().filter(polars.col("n") < 0)) == []
    many = polars.LazyFrame({"n": range(250_000)}).with_columns(t=polars.col("n").cast(str))
    with Recorder() as service:
        receipt = pandas_clicdata.append(many, 5, session=service, check=False)
        assert receipt.pieces["rows"].tolist() == [100_000, 100_000, 50_000]
        again = pandas_clicdata.resume_append(many, receipt, session=service)
        assert again.complete
        assert [row[0]["value"] for body in service.bodies for row in json.loads(body)["data"]] == list(range(250_000))


@pytest.mark.parametrize("lazy", [False, True])
def test_the_namespace_of_polars(session: Session, clicdata_sandbox: Sandbox, lazy: bool, tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    importlib.import_module("pandas_clicdata.polars")
    frame = polars.from_pandas(pd.concat(PIECES))
    rows = frame.lazy() if lazy else frame
    receipt = rows.clicdata.push("New", chunksize=CHUNK, journal=tmp_path / "journal")
    assert receipt.audited
    assert rows.clicdata.append(receipt.rec_id, session=session).rows_appended == ROWS
    assert stored(clicdata_sandbox, receipt.rec_id) == [*range(ROWS), *range(ROWS)]
    with pytest.raises(errors.Conflict):
        rows.clicdata.push("New")
    assert receipt.remaining(frame).empty
    assert frame.clicdata.push("New", if_exists="append").rec_id == receipt.rec_id


@pytest.mark.wide(2)
@pytest.mark.parametrize("rows", [0, 1, 99_999, 100_000, 100_001, 250_000])
@pytest.mark.parametrize("batch", [70_000, 250_000])
def test_a_stream_is_cut_into_pieces_whatever_its_batches_are(rows: int, batch: int) -> None:
    table = pa.table({"n": pa.array(range(rows))})
    with Recorder() as service:
        receipt = pandas_clicdata.append(reader(table, batch), 5, session=service, check=False)
    assert receipt.pieces["rows"].tolist() == [min(100_000, rows - start) for start in range(0, max(rows, 1), 100_000)]
    assert [row[0]["value"] for body in service.bodies for row in json.loads(body)["data"]] == list(range(rows))


def test_numbers_of_arrow_data_are_not_copied() -> None:
    table = pa.table({"n": np.arange(10), "f": np.arange(10) / 7})
    [frame] = frames_of(table)
    for name in table.column_names:
        [before], [after] = table[name].chunks, frame[name].array.__arrow_array__().chunks
        assert after.buffers()[1].address == before.buffers()[1].address


MEMORY = """
import sys
import numpy as np, pandas as pd
import pandas_clicdata
from uploads.test_pieces import Recorder

rows, pieces = map(int, sys.argv[1:])

class Forgetful(list):
    def append(self, body):
        pass

def append(pieces):
    frames = (pd.DataFrame({"n": np.arange(rows), "f": np.arange(rows) / 7}) for _ in range(pieces))
    with Recorder("2022.01") as service:
        service.bodies = Forgetful()
        receipt = pandas_clicdata.append(frames, 5, session=service, check=False)
    assert receipt.rows_appended == pieces * rows

def peak():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10

append(1)
before = peak()
append(pieces)
print(peak() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")  # noqa: PTH110
@pytest.mark.timeout(900)
def test_memory_is_two_pieces_and_the_window() -> None:
    """With --long, of 10,000,000 rows in 100 pieces."""
    rows = int(os.environ.get("CLICDATA_ROWS", "50000")) // 10
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"}
    command = [sys.executable, "-c", MEMORY, str(rows), "100"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not done.stderr
    assert int(done.stdout) < 16 * rows + (64 << 20)


WRONG: dict[str, tuple[Any, str]] = {
    "text": ("rows.csv", "not str"),
    "a number": (5, "not int"),
    "nothing": (None, "not NoneType"),
    "a dict": ({"a": [1]}, "not dict"),
    "a series": (pd.Series([1]), "not Series"),
    "an array": (pa.array([1]), "is no table"),
    "dicts one by one": (iter([{"a": 1}]), "put the dicts into a list"),
    "numbers": ([1, 2], "not int"),
    "lists": ([[1, 2]], "not list"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_rows_is_refused(case: str) -> None:
    data, match = WRONG[case]
    with Recorder() as service, pytest.raises(errors.InputError, match=match):
        pandas_clicdata.append(data, 5, session=service)
    assert not service.bodies
