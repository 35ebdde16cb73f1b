"""An append with an id of the caller: it is done once, for any number of calls from any process."""

from __future__ import annotations

import contextlib
import random
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
import totals
from pandas_clicdata import AppendReceipt, errors, resume_append
from uploads.test_pieces import CHUNK, PIECES, ROWS, TAG, service, stored
from uploads.test_schedules import SCHEDULES, SEED, Unreliable, answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pandas_clicdata.sandbox import Sandbox

__all__ = ["service"]  # a fixture

ID = "sales_2026-11-28T00:00:00+00:00"
FRAME = pd.concat(PIECES, ignore_index=True)


def called(service: Unreliable, rows: Any = None, **how: Any) -> AppendReceipt:
    how = {"chunksize": CHUNK, "append_id": ID, "progress": False, "check": False, **how}
    return pandas_clicdata.append(iter(PIECES) if rows is None else rows, 5, session=service, **how)


@contextlib.contextmanager
def stopping(service: Unreliable, after: int) -> Iterator[None]:
    """Let the service refuse to append after so many chunks."""
    applied, left = service.applied, iter(range(after))

    def stop(rows: Any) -> Any:
        return applied(rows) if next(left, None) is not None else answer("no", 403)

    service.applied = stop  # type: ignore[method-assign]
    yield
    service.applied = applied  # type: ignore[method-assign]


@pytest.fixture(params=["journal", "stamps", "both"])
def how(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    journal = {} if request.param == "stamps" else {"journal": tmp_path / "journal"}
    return journal if request.param == "journal" else {**journal, **TAG}


@pytest.mark.parametrize("after", [0, 1, 2, 4, 6])
def test_the_same_id_with_the_same_rows_is_done_once(service: Unreliable, how: dict[str, Any], after: int) -> None:
    with stopping(service, after), pytest.raises(errors.ClicDataError):
        called(service, **how)
    for _ in range(3):
        receipt = called(service, **how)
        assert (receipt.complete, receipt.rows_total, receipt.append_id) == (True, ROWS, ID)
        assert service.land() == Counter(range(ROWS))
    if "journal" in how:
        assert resume_append(iter(PIECES), how["journal"], session=service).complete
        assert service.land() == Counter(range(ROWS))


def test_stamps_are_enough_when_the_journal_is_lost(service: Unreliable, tmp_path: Path) -> None:
    for number in range(3):
        with stopping(service, 1), contextlib.suppress(errors.ClicDataError):
            called(service, journal=tmp_path / f"{number}", chunksize=number % 3 + 4, **TAG)
        with stopping(service, 1), contextlib.suppress(errors.ClicDataError):
            called(service, journal=tmp_path / f"{number}", chunksize=number % 3 + 4, **TAG)
    assert 0 < len(service.rows) < ROWS
    assert called(service, **TAG).complete
    assert service.land() == Counter(range(ROWS))


OTHERS = {
    "a cell": lambda: [PIECES[0].assign(t="x"), *PIECES[1:]],
    "the order": lambda: [PIECES[0].iloc[::-1], *PIECES[1:]],
    "a later cell": lambda: [PIECES[0], PIECES[1].assign(t="x"), *PIECES[2:]],
    "fewer rows": lambda: [PIECES[0]],
    "other pieces": lambda: [PIECES[0].iloc[:3], *PIECES[1:]],
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_same_id_with_other_rows_is_refused(service: Unreliable, how: dict[str, Any], case: str) -> None:
    with stopping(service, 4), pytest.raises(errors.ClicDataError):
        called(service, **how)
    before = list(service.rows)
    with pytest.raises(errors.ClicDataError) as caught:
        called(service, iter(OTHERS[case]()), **how)
    assert isinstance(caught.value if case != "a later cell" else caught.value.__cause__, errors.JournalMismatch) or (
        isinstance(caught.value.__cause__, errors.JournalMismatch)
    )
    assert service.rows == before
    assert called(service, **how).complete
    assert service.land() == Counter(range(ROWS))


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, errors.NotFound), (403, errors.PermissionDenied), (503, errors.ApiError), (None, errors.TransportError)],
    ids=str,
)
def test_a_first_look_that_fails_is_no_doubt(
    clicdata_sandbox: Sandbox, tmp_path: Path, status: int | None, error: type[errors.ClicDataError]
) -> None:
    rec_id = clicdata_sandbox.create("Stamped", {"n": "number", "load": "text"})
    how: dict[str, Any] = {"append_id": ID, "verify": "tag", "tag_column": "load", "journal": tmp_path / "journal"}
    with clicdata_sandbox.session(max_retries=0) as session:
        session._sleep = lambda _: None
        at: dict[str, Any] = {"method": "GET", "path": f"/data/{rec_id}"}
        fault = clicdata_sandbox.faults.status(status, **at) if status else clicdata_sandbox.faults.drop(**at)
        with pytest.raises(error) as caught:
            pd.DataFrame({"n": [1, 2]}).clicdata.append(rec_id, session=session, **how)
        assert fault.hits == 1
        assert not caught.value.in_doubt
        assert clicdata_sandbox.count(rec_id) == 0
        for _ in range(2):
            assert pd.DataFrame({"n": [1, 2]}).clicdata.append(rec_id, session=session, **how).complete
        assert clicdata_sandbox.count(rec_id) == 2


def test_other_ids_are_other_appends(service: Unreliable, tmp_path: Path) -> None:
    for name in ("a", "ab", "A"):
        assert called(service, append_id=name, **TAG).complete
        assert called(service, append_id=name, **TAG).complete
    assert service.land() == Counter([*range(ROWS)] * 3)
    called(service, append_id="a", journal=tmp_path / "journal")
    with pytest.raises(errors.JournalMismatch, match="is of the append 'a', not 'b'"):
        called(service, append_id="b", journal=tmp_path / "journal")
    with pytest.raises(errors.JournalMismatch, match="tag_column"):
        called(service, append_id="a", journal=tmp_path / "journal", **TAG)
    with pytest.raises(errors.JournalMismatch, match="type of the column 'n'"):
        called(service, append_id="a", journal=tmp_path / "journal", types={"n": "text"})
    with pytest.raises(errors.JournalMismatch, match="of data set 5"):
        pandas_clicdata.append(PIECES, 6, session=service, append_id="a", journal=tmp_path / "journal")


def test_an_empty_journal_of_a_killed_call_is_begun_anew(service: Unreliable, tmp_path: Path) -> None:
    (tmp_path / "journal").touch(mode=0o600)
    assert called(service, journal=tmp_path / "journal").complete
    (tmp_path / "text").write_text("my notes, which are no journal at all, and longer than a header of SQLite is. " * 9)
    with pytest.raises(errors.InputError, match="can't be used"):
        called(service, journal=tmp_path / "text")


def test_a_push_is_done_once(clicdata_sandbox: Sandbox, tmp_path: Path) -> None:
    with clicdata_sandbox.session() as session:
        session._sleep = lambda _: None
        for _ in range(3):
            how: dict[str, Any] = {"append_id": ID, "journal": tmp_path / "journal"}
            one = FRAME.clicdata.push("By journal", session=session, **how)
            how = {"append_id": ID, "if_exists": "append", **TAG}
            two = FRAME.clicdata.push("By stamps", session=session, **how)
        for receipt in (one, two):
            assert stored(clicdata_sandbox, receipt.rec_id) == list(range(ROWS))
            assert receipt.rows_appended == ROWS


def test_rows_stored_in_part_under_the_id_are_found(service: Unreliable) -> None:
    with stopping(service, 4), pytest.raises(errors.ClicDataError):
        called(service, **TAG)
    service.rows.remove(service.rows[9])
    with pytest.raises(errors.AppendAmbiguous) as caught:
        called(service, **TAG)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert receipt.pieces["in_doubt"].tolist() == [0, 5]
    service.rows.append(service.rows[0])
    with pytest.raises(errors.AppendAmbiguous):
        called(service, **TAG)


@pytest.mark.parametrize("append_id", ["", "a/b", "a b", 'a"', 5, "-a", "a" * 101, "é", None])
def test_an_id_that_is_none_is_refused(service: Unreliable, append_id: Any) -> None:
    with pytest.raises(errors.InputError, match="append_id") if append_id is not None else contextlib.nullcontext():
        called(service, append_id=append_id, **TAG)


def test_an_id_needs_something_that_knows_it(service: Unreliable) -> None:
    with pytest.raises(errors.InputError, match=r"needs journal= or verify=\"tag\""):
        called(service)
    assert not service.requests


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["stamps", "journal", "both, at times lost"])
def test_calls_made_again_after_any_fault_store_each_row_once(kind: str, tmp_path: Path) -> None:
    """Each call knows only the id, the rows, and the journal if it still exists."""
    seed = SEED or str(random.randrange(1 << 32))
    sys.stderr.write(f"CLICDATA_SEED={seed}\n")  # shown if it fails
    faults = Counter[str]()
    for number in range(SCHEDULES // 50):
        dice = random.Random(f"id {kind} {seed} {number}")
        with Unreliable(dice, dice.choice([None, "2022.01"]), rows_before=dice.choice([0, 3])) as service:
            path = tmp_path / f"{number}"
            how: dict[str, Any] = {"verify": "count", "exclusive": True} if kind == "journal" else TAG
            if kind != "stamps":
                how = {**how, "journal": path}
            for _ in range(60):
                with contextlib.suppress(errors.ClicDataError):
                    if called(service, workers=1 if kind == "journal" else dice.choice([1, 3]), **how).complete:
                        break
                assert max(service.land().values(), default=0) <= 1
                if kind.endswith("lost") and dice.random() < 0.5:
                    path.unlink(missing_ok=True)
            else:
                raise AssertionError("it never came to an end")
            assert service.land() == Counter(range(ROWS))
            faults += service.faults
    totals.add("random schedules of faults", SCHEDULES // 50)
    totals.add("faults of random schedules", faults.total())
