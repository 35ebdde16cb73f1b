"""``demo``: push a table to a sandbox over HTTP, change it, and read it back."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import pandas_clicdata
from pandas_clicdata.errors import ClicDataError
from pandas_clicdata.frames.types import clicdata_types

if TYPE_CHECKING:
    from pandas_clicdata import DataFrame

KEY = "row"
_DATETIME = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?"


class _Differs(Exception):
    """The rows that were read differ from the rows that were sent."""


def demo(csv: str | None, api_version: str | None) -> int:
    """Push a table, change it, read it back after every step and compare.

    Parameters
    ----------
    csv : str or None
        A CSV file; None takes the sample of the package.
    api_version : str or None
        As in `Session`: ``"auto"``, None or a version.

    Returns
    -------
    int
        0 if every comparison was equal, else 1.
    """
    from pandas_clicdata import sandbox

    try:
        table, name = _read_table(csv)
    except (OSError, ValueError) as error:
        print(f"can't read {csv}: {error}", file=sys.stderr)
        return 1
    began = time.perf_counter()
    try:
        with sandbox.start() as service:
            print(f"sandbox   a ClicData on this machine, at {service.url}")
            with service.session(api_version=api_version) as session:
                pandas_clicdata.session.manager.make_default(session)
                _run(table, name)
    except (_Differs, AssertionError) as error:
        print(f"DIFFERS   {error}", file=sys.stderr)
        return 1
    except ClicDataError as error:
        print(f"FAILED    {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"done      everything came back as it was sent, in {time.perf_counter() - began:.1f} s")
    return 0


def _read_table(csv: str | None) -> tuple[DataFrame, str]:
    path = Path(csv) if csv else Path(str(pandas_clicdata.__path__[0])) / "sandbox" / "sample" / "orders.csv"
    text = pd.read_csv(path, dtype=str)
    codes = [column for column in text if text[column].str.match(r"0\d", na=False).any()]  # "00312" stays text
    frame = pd.read_csv(path, dtype=dict.fromkeys(codes, "string"), dtype_backend="numpy_nullable")
    for column in text:
        if text[column].notna().any() and text[column].dropna().str.fullmatch(_DATETIME).all():
            frame[column] = pd.to_datetime(text[column], format="ISO8601")
    frame.columns = [str(column) for column in frame.columns]
    key = KEY
    while key in frame.columns:
        key += "_"
    frame.insert(0, key, range(1, len(frame) + 1))
    return frame, f"Demo of {path.stem}"  # type: ignore[return-value]  # the same class, but for its accessor's type


def _run(table: DataFrame, name: str) -> None:
    data = pandas_clicdata.Data()
    key = str(table.columns[0])
    print(f"connect   as {data.session!r}")
    print(f"list      {', '.join(data.get_data()['name'])}")

    receipt = table.clicdata.push(name, desc="made by python -m pandas_clicdata demo")
    rec_id = receipt.rec_id
    print(f"push      {receipt.summary()}")
    types = ", ".join(f"{column}: {kind}" for column, kind in clicdata_types(table).items())
    print(f"          {types}")

    def compare(expected: DataFrame, what: str) -> None:
        _check_equal(pandas_clicdata.read_clicdata(rec_id, dtype=table.dtypes), expected, what)

    compare(table, "read      ")
    more = table.head(3).assign(**{key: range(len(table) + 1, len(table) + 1 + len(table.head(3)))})
    print(f"append    {more.clicdata.append(rec_id).summary()}")
    compare(_concat(table, more), "read      ")
    column, value = _choose_change(table)
    if column is not None:
        changed = more.tail(2)[[key]].assign(**{column: value})
        print(f"update    {changed.clicdata.update_rows(rec_id, on=key).summary()}")
        more = more.assign(**{column: more[column].mask(more[key].isin(changed[key]), value)})
        compare(_concat(table, more), "read      ")
    print(f"delete    {more.clicdata.delete_rows(rec_id, on=[key]).summary()}")
    compare(table, "read      ")
    _show_history(data, rec_id, table)
    _show_account()


def _concat(table: DataFrame, more: DataFrame) -> DataFrame:
    return pd.concat([table, more], ignore_index=True).astype(table.dtypes)


def _choose_change(table: DataFrame) -> tuple[str | None, Any]:
    """Return a column after the first one, and a value of its type to set."""
    for column in table.columns[1:]:
        if pd.api.types.is_numeric_dtype(table[column]) and not pd.api.types.is_bool_dtype(table[column]):
            return str(column), 0
    return (str(table.columns[1]), table.iloc[0, 1]) if len(table) and len(table.columns) > 1 else (None, None)


def _show_history(data: pandas_clicdata.Data, rec_id: int, table: DataFrame) -> None:
    versions = data.get_data_history(rec_id)
    print(f"history   {len(versions)} versions, of {', '.join(map(str, versions['row_count']))} rows")
    complete = versions.loc[versions["row_count"] == len(table), "version"]
    if len(complete):
        version = int(complete.iloc[0])
        read = pandas_clicdata.read_clicdata(rec_id, ver_id=version, dtype=table.dtypes)
        _check_equal(read, table, f"version {version} ")


def _show_account() -> None:
    account = pandas_clicdata.Account().get_account()
    print("account   " + account[["metric", "used", "limit"]].to_string(index=False).replace("\n", "\n          "))
    dashboard = pandas_clicdata.Dashboard()
    name = dashboard.get_dashboard()["name"].iloc[0]
    picture = dashboard.get_dashboard_snapshot(name, output="image")
    path = Path(tempfile.mkdtemp(prefix="clicdata-demo-")) / "dashboard.png"
    picture.save(path)
    print(f"picture   {name}, {picture.width} x {picture.height} pixels: {path}")


def _check_equal(read: pd.DataFrame, expected: pd.DataFrame, what: str) -> None:
    try:
        pd.testing.assert_frame_equal(read, expected.reset_index(drop=True))
    except AssertionError as error:
        raise _Differs(f"{what.strip()}: {error}") from None
    print(f"{what}{len(read):,} rows x {len(read.columns)} columns, equal to what was sent")
