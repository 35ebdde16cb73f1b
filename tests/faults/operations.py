"""The operations of a session, and what the service stores before and after each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

import pandas_clicdata
from pandas_clicdata import Data, Schedule, errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

SCHEDULE = 3001
COLUMNS = {"k": "number", "v": "number"}
BEFORE = [{"k": 1, "v": 10}, {"k": 2, "v": 20}, {"k": 2, "v": 21}]
NEW = pd.DataFrame({"k": [7, 8, 9], "v": [70, 80, 90]})


class Login(NamedTuple):
    """A login, and the dialect used with it."""

    name: str
    method: str
    api_version: str | None


LOGINS = (
    Login("client credentials", "client_credentials", None),
    Login("basic", "basic", "2022.01"),
    Login("api key", "api_key", "2022.01"),
)


@dataclass
class Bench:
    """One session and a data set of its own, to try one operation."""

    sandbox: Sandbox
    login: Login
    session: Session
    name: str
    counted: bool  # whether the service says how many rows an update or a delete reached
    rec_id: int = field(init=False)

    def __post_init__(self) -> None:
        self.rec_id = self.sandbox.create(self.name, COLUMNS)
        self.sandbox.append(self.rec_id, BEFORE)
        self.runs = len(self.sandbox.runs(SCHEDULE))

    def data(self) -> Data:
        return Data(session=self.session)


@dataclass(frozen=True)
class Operation:
    """A call of the package, the request it sends, and what the service stores before and after.

    ``ambiguous`` is the operation's own error for an unknown outcome; ``receipt`` is whether its errors carry one.
    """

    name: str
    method: str | None  # None: another one in each dialect
    path: str  # a pattern
    call: Callable[[Bench], Any]
    fine: Callable[[Any, Bench], bool]
    ledger: Callable[[Bench], Any] | None = None
    before: Any = None
    after: Any = None
    ambiguous: type[errors.ClicDataError] | None = None
    receipt: bool = False
    has_body: bool = True

    @property
    def reads(self) -> bool:
        return self.ledger is None

    def is_sent_by(self, method: str) -> bool:
        return self.method in (None, method)

    def on(self, bench: Bench) -> str:
        return self.path.format(rec_id=bench.rec_id, schedule=SCHEDULE)


def rows(bench: Bench) -> list[dict[str, Any]]:
    return bench.sandbox.rows(bench.rec_id)


def named(bench: Bench) -> list[str]:
    return [found.name for found in bench.sandbox.data_sets() if found.name == f"{bench.name} made"]


def changed(verb: str, frame: dict[str, list[int]], **how: Any) -> Callable[[Bench], Any]:
    def call(bench: Bench) -> Any:
        return getattr(pd.DataFrame(frame).clicdata, verb)(bench.rec_id, on="k", session=bench.session, **how)

    return call


def changes(count: int) -> Callable[[Any, Bench], bool]:
    """Return whether the only key is applied, and to how many rows. Without a count in the answer, it is accepted."""

    def fine(receipt: Any, bench: Bench) -> bool:
        said = receipt.keys["state"].tolist(), receipt.rows_changed
        return bool(said == ((["applied"], count) if bench.counted else (["accepted"], None)))

    return fine


OPERATIONS = (
    Operation(
        "list data sets",
        "GET",
        "^/data$",
        lambda b: b.data().get_data(),
        lambda df, b: b.rec_id in df["rec_id"].tolist(),
    ),
    Operation(
        "read rows",
        "GET",
        "^/data/{rec_id}$",
        lambda b: pandas_clicdata.read_clicdata(b.rec_id, session=b.session, progress=False),
        lambda df, b: df.to_dict("records") == BEFORE,
    ),
    Operation(
        "list versions",
        "GET",
        "^/data/{rec_id}/versions$",
        lambda b: b.data().get_data_history(b.rec_id),
        lambda df, b: df["row_count"].max() == len(BEFORE),
    ),
    Operation(
        "list schedules",
        "GET",
        "^/schedule$",
        lambda b: Schedule(session=b.session).get_schedule(),
        lambda df, b: SCHEDULE in df["rec_id"].tolist(),
    ),
    Operation(
        "create",
        "POST",
        "^/data$",
        lambda b: b.data().create_data(f"{b.name} made", COLUMNS),
        lambda rec_id, b: b.sandbox.count(rec_id) == 0,
        ledger=lambda b: len(named(b)),
        before=0,
        after=1,
        ambiguous=errors.CreateAmbiguous,
    ),
    Operation(
        "append",
        "POST",
        "^/data/{rec_id}/(row|insert)$",
        lambda b: NEW.clicdata.append(b.rec_id, session=b.session, progress=False),
        lambda receipt, b: receipt.complete and receipt.chunks["state"].tolist() == ["applied"],
        ledger=rows,
        before=BEFORE,
        after=BEFORE + NEW.to_dict("records"),
        ambiguous=errors.AppendAmbiguous,
        receipt=True,
    ),
    Operation(
        "update",
        None,
        "^/data/{rec_id}/(row|update)$",
        changed("update_rows", {"k": [1], "v": [-1]}, progress=False, keep=False),
        changes(1),
        ledger=rows,
        before=BEFORE,
        after=[{"k": 1, "v": -1}, *BEFORE[1:]],
        ambiguous=errors.UpdateAmbiguous,
        receipt=True,
    ),
    Operation(
        "delete all",
        None,
        "^/data/{rec_id}/(row|delete)$",
        changed("delete_rows", {"k": [2]}, keep=False, progress=False),
        changes(2),
        ledger=rows,
        before=BEFORE,
        after=BEFORE[:1],
        ambiguous=errors.DeleteAmbiguous,
        receipt=True,
    ),
    Operation(
        "delete first",
        None,
        "^/data/{rec_id}/(row|delete)$",
        changed("delete_rows", {"k": [2]}, keep=False, multiple_rows="first", progress=False),
        changes(1),
        ledger=rows,
        before=BEFORE,
        after=[BEFORE[0], BEFORE[2]],
        ambiguous=errors.DeleteAmbiguous,
        receipt=True,
    ),
    Operation(
        "refresh",
        "POST",
        "^/(data|table)/{rec_id}/(rebuild|refresh)$",
        lambda b: b.data().rebuild_data(b.rec_id),
        lambda result, b: isinstance(result, dict),
        ledger=lambda b: len(b.sandbox.refreshes(b.rec_id)),
        before=0,
        after=1,
        has_body=False,  # in the legacy dialect
    ),
    Operation(
        "trigger",
        "POST",
        "^/schedule/{schedule}/trigger$",
        lambda b: Schedule(session=b.session).trigger_schedule(SCHEDULE),
        lambda result, b: isinstance(result, dict),
        ledger=lambda b: len(b.sandbox.runs(SCHEDULE)) - b.runs,
        before=0,
        after=1,
        has_body=False,
    ),
)
