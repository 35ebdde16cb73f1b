"""The public types as checkers and editors see them. This file is checked, and never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from typing_extensions import assert_type

import pandas_clicdata
from pandas_clicdata import (
    AppendReceipt,
    ChangeReceipt,
    Data,
    DataFrame,
    Plan,
    Session,
    SyncReceipt,
    Team,
    User,
    errors,
)

session = pandas_clicdata.connect(api_key="k")
assert_type(session, Session)
assert_type(pandas_clicdata.connect(client_id="a", client_secret="s", check=True).check(), dict[str, str | None])
pandas_clicdata.connect(clientid="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
pandas_clicdata.connect(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
pandas_clicdata.connect(profile="prod", check=True)
with pandas_clicdata.use(Session(profile="other")) as other:
    assert_type(other, Session)
pandas_clicdata.use("other")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Session(clientid="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

df = pandas_clicdata.read_clicdata(5, columns=["a"], nrows=3)
assert_type(df, DataFrame)
assert_type(pandas_clicdata.read_clicdata(5, chunksize=10), Iterator[DataFrame])
pandas_clicdata.read_arrow(5, columns=["a"], chunksize=10, dtype={"a": "money"})
pandas_clicdata.read_arrow(5, index_col="a")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]

assert_type(df.clicdata.append(5), AppendReceipt)
assert_type(df.clicdata.append(5, index=None), AppendReceipt)
assert_type(df.clicdata.append(5, types={"a": "text"}, dry_run=True), Plan)
assert_type(df.clicdata.create_table("T"), int)
assert_type(df.clicdata.create_table("T", "of a", {"a": "text"}, index=False, dry_run=True), Plan)
assert_type(df.clicdata.push("T", "of a", "append", {"a": "text"}, verify="tag", dry_run=True), Plan)
df.clicdata.append(5, chunk_size=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
assert_type(df.clicdata.delete_rows(5, on="day", types={"day": "date"}, index=False), ChangeReceipt)
assert_type(df.clicdata.update_rows(5, on="day", types={"day": "date"}, index=True), ChangeReceipt)
assert_type(df.clicdata.push("T", if_exists="append"), AppendReceipt)
assert_type(df.clicdata.delete_rows(5, on=["a"], match="exact"), ChangeReceipt)
assert_type(df.clicdata.delete_rows(5, on=["a"], match="wide", dry_run=True), Plan)
assert_type(df.clicdata.upsert(5, on="a", tolerance={"x": 0.1}), SyncReceipt)
assert_type(df.clicdata.sync(5, on="a", max_deletes=0.1, dry_run=True).deletes, pd.DataFrame)
assert_type(df.clicdata.diff(5, on="a"), Plan)
assert_type(df.clicdata.upsert(5, on="a").undo(), SyncReceipt)
assert_type(df.clicdata.delete_rows(5, on="a").undo(dry_run=True), Plan)
df.clicdata.upsert(5, on="a", mising="keep")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
assert_type(df.head().clicdata.update_rows(5, on="a", match="exact"), ChangeReceipt)
assert_type(df.assign(b=1).clicdata.push("T").remaining(df), DataFrame)

assert_type(Data().get_data(), DataFrame)
assert_type(Data().get_data(5), DataFrame)
assert_type(Data().get_data_history(5, "latest"), DataFrame)
assert_type(df.clicdata.delete_rows(5, on="day").rows.clicdata.append(5), AppendReceipt)
assert_type(df.clicdata.upsert(5, on="day").in_doubt(df), DataFrame)
assert_type(DataFrame(pd.read_csv("visits.csv")).clicdata.append(5), AppendReceipt)
assert_type(Data().create_data("T", {"a": "text"}), int)
assert_type(Data().get_data(5, "dict"), list[dict[str, Any]])
assert_type(User().get_user(3, "dict"), dict[str, Any])
assert_type(Team().add_users(9, [3]), pd.DataFrame)


def receipt_of(error: errors.WriteError, frame: pd.DataFrame) -> pd.DataFrame | None:
    receipt = error.receipt
    if receipt is not None:
        assert_type(receipt.rec_id, int)
        assert_type(receipt.summary(), str)
    if isinstance(receipt, ChangeReceipt):
        assert_type(receipt.keys_applied, int)
        assert_type(receipt.rows_changed, int | None)
    return receipt.remaining(frame) if isinstance(receipt, AppendReceipt) else None


assert_type(pandas_clicdata.datasets("sal"), pd.DataFrame)
assert_type(df.clicdata.append("Sales"), AppendReceipt)
assert_type(Data().get_columns("Sales", nrows=5), pd.DataFrame)
assert_type(pandas_clicdata.read_clicdata("Sales", filters=[("a", "==", 1)], skiprows=2), DataFrame)
pandas_clicdata.read_clicdata("Sales", filters=[[("a", "==", "x")], [("b", ">", 3)]])
pandas_clicdata.read_clicdata(5, filters=[("a", 3)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
conditions = [[("a", "in", [1]), ("b", ">", "x")]]
pandas_clicdata.read_arrow("Sales", ver_id="latest", filters=conditions, cache=True, parse_dates="infer")
pandas_clicdata.read_clicdata(1001, parse_dates=False)
df.clicdata.append(5.5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
