"""Tables that a build measures on a sandbox: the types of sent and read columns, and the requests of each call."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

import pandas_clicdata
from pandas_clicdata import Data
from pandas_clicdata.frames.types import COLUMN_TYPES
from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

BACKENDS = ["`numpy_nullable`", "`...[pyarrow]`"]
DIALECTS = {"without a version": None, "2022.01": "2022.01"}


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a table of Markdown."""
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, ["---"] * len(head), *rows])


# ---------------------------------------------------------------------------------------------------------
# Types


def columns() -> Iterator[tuple[str, pd.Series]]:
    """Yield a column of each dtype, and its name; one cell is missing where the dtype has missing values."""
    noon, later = dt.datetime(2024, 3, 1, 12, 30), dt.datetime(2025, 11, 24)
    utc = dt.timezone.utc
    yield "bool", pd.Series([True, False])
    yield "boolean", pd.Series([True, None], dtype="boolean")
    yield "bool[pyarrow]", pd.Series([True, None], dtype="bool[pyarrow]")
    yield "int64", pd.Series([1, 2])
    yield "Int64", pd.Series([9007199254740993, None], dtype="Int64")
    yield "int64[pyarrow]", pd.Series([9007199254740993, None], dtype="int64[pyarrow]")
    yield "float64", pd.Series([0.1, None])
    yield "Float64", pd.Series([0.1, None], dtype="Float64")
    yield "double[pyarrow]", pd.Series([0.1, None], dtype="double[pyarrow]")
    yield "object: decimal.Decimal", pd.Series([Decimal("1.10"), None], dtype=object)
    yield (
        "decimal128(9, 2)[pyarrow]",
        pd.Series([Decimal("1.10"), None], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
    )
    yield "datetime64[us]", pd.Series([noon, None]).astype("datetime64[us]")
    yield (
        "datetime64[us, UTC]",
        pd.Series([noon, None]).astype("datetime64[us]").dt.tz_localize("UTC"),
    )
    yield (
        "timestamp[us][pyarrow]",
        pd.Series([noon, None], dtype=pd.ArrowDtype(pa.timestamp("us"))),
    )
    aware = [noon.replace(tzinfo=utc), None]
    yield (
        "timestamp[us, tz=UTC][pyarrow]",
        pd.Series(aware, dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))),
    )
    yield "object: datetime.date", pd.Series([noon.date(), None], dtype=object)
    yield (
        "date32[pyarrow]",
        pd.Series([noon.date(), None], dtype=pd.ArrowDtype(pa.date32())),
    )
    yield "object: str", pd.Series(["01", None], dtype=object)
    yield "string", pd.Series(["01", None], dtype="string")
    yield "string[pyarrow]", pd.Series(["01", None], dtype=pd.ArrowDtype(pa.string()))
    yield "category of text", pd.Series(["01", None], dtype="category")
    yield "timedelta64[us]", pd.Series([later - noon, None]).astype("timedelta64[us]")
    yield (
        "duration[us][pyarrow]",
        pd.Series([later - noon, None], dtype=pd.ArrowDtype(pa.duration("us"))),
    )
    yield "period[M]", pd.Series(pd.PeriodIndex(["2024-03", None], freq="M"))
    yield "object: datetime.time", pd.Series([noon.time(), None], dtype=object)
    yield (
        "time64[us][pyarrow]",
        pd.Series([noon.time(), None], dtype=pd.ArrowDtype(pa.time64("us"))),
    )
    yield (
        "object: uuid.UUID",
        pd.Series([uuid.UUID("6f1e5b0a-9d0c-4b7e-8a55-0c2f3d4e5f60"), None], dtype=object),
    )


def _dtype(frame: pd.DataFrame) -> str:
    return f"`{frame.dtypes.iloc[0]}`"


def _dtypes(rec_id: int, session: Session) -> list[str]:
    """Return the dtype of the only column, by default and for each backend."""
    read = pandas_clicdata.read_clicdata
    frames = [
        read(rec_id, session=session),
        read(rec_id, dtype_backend="numpy_nullable", session=session),
        read(rec_id, dtype_backend="pyarrow", session=session),
    ]
    return [_dtype(frame).replace("[pyarrow]", "") for frame in frames]


def types_sent() -> str:
    """Return the type and the text with which a column of each dtype is sent, and its dtype in a read."""
    rows = []
    with start(sample=False) as sandbox, sandbox.session() as session:
        for name, cells in columns():
            frame = pandas_clicdata.DataFrame({"a": cells})
            rec_id = frame.clicdata.push(name, session=session).rec_id
            [there] = [one for one in sandbox.data_sets() if one.rec_id == rec_id]
            cell = sandbox.rows(rec_id, exact=True)[0]["a"]
            cell = str(cell) if isinstance(cell, Decimal) else json.dumps(cell)
            if len(cell) > 24:
                cell = f'{cell[:16]}…"'
            rows.append(
                [
                    f"`{name}`",
                    f"`{there.columns[0].data_type}`",
                    f"`{cell}`",
                    *_dtypes(rec_id, session),
                    _again(frame, rec_id, session),
                ]
            )
    head = [
        "column",
        "ClicData type",
        "sent as",
        "read",
        *BACKENDS,
        "with `dtype=`",
    ]
    return markdown(head, rows)


def _again(frame: pd.DataFrame, rec_id: int, session: Session) -> str:
    """Return whether a read with the dtypes of the frame gives the frame."""
    read = pandas_clicdata.read_clicdata(rec_id, dtype=frame.dtypes, session=session)
    return "same" if read.equals(frame) else _dtype(read)


CELLS: dict[str, tuple[Any, Any]] = {
    "text": ("01", "b"),
    "number": (1, 2),
    "datetime": ("2024-03-01 12:30:00", "2025-11-24 00:00:00"),
    "date": ("2024-03-01", "2025-11-24"),
    "percentage": (0.5, 0.25),
    "checkbox": (True, False),
    "dropdown": ("red", "blue"),
    "id": (1, 2),
    "money": (1.5, 2.25),
    "time": ("09:30:00", "18:00:00"),
}


def types_read() -> str:
    """Return the dtype of a column of each ClicData type, for each way to read it."""
    rows = []
    with start(sample=False) as sandbox, sandbox.session() as session:
        for kind in COLUMN_TYPES:
            full, holes = (sandbox.create(f"{kind} {at}", {"a": kind}) for at in (1, 2))
            sandbox.append(full, [{"a": cell} for cell in CELLS[kind]])
            sandbox.append(holes, [{"a": CELLS[kind][0]}, {"a": None}])

            by_default, *by_backend = _dtypes(full, session)
            with_holes = _dtypes(holes, session)[0]
            read, dates = pandas_clicdata.read_clicdata, "-"
            if kind in ("date", "datetime"):
                dates = _dtype(read(full, parse_dates=["a"], session=session))
            named = _dtype(read(full, dtype={"a": kind}, session=session))
            rows.append([f"`{kind}`", by_default, with_holes, *by_backend, dates, named])
    head = [
        "ClicData type",
        "read",
        "with missing cells",
        *BACKENDS,
        "`parse_dates=`",
        "`dtype=` this type",
    ]
    return markdown(head, rows)


# ---------------------------------------------------------------------------------------------------------
# Requests

ROWS = 2_500


def _data_set() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": range(ROWS),
            "month": [f"2024-{1 + at % 10:02}" for at in range(ROWS)],
            "sold": 1,
        }
    )


def _calls(there: pd.DataFrame, session: Session) -> dict[str, tuple[str, Callable[[int], object]]]:
    """Return each call by its code: its rows in words, and the call on a data set that holds ``there``."""
    few = there.head(10).assign(sold=2)
    more = pd.DataFrame({"key": range(ROWS, ROWS + 1_200), "month": "2025-01", "sold": 1})
    mixed = pd.concat([there.iloc[5:].assign(sold=[2] * 10 + [1] * (ROWS - 15)), more.head(20)])
    month = there[there["month"] == "2024-03"].assign(sold=3)
    how: Any = {"session": session}
    data = Data(session=session)
    return {
        "pd.read_clicdata(rec_id)": (
            "2,500 rows",
            lambda rec_id: pandas_clicdata.read_clicdata(rec_id, **how),
        ),
        "pd.read_clicdata(rec_id, nrows=10)": (
            "10 rows",
            lambda rec_id: pandas_clicdata.read_clicdata(rec_id, nrows=10, **how),
        ),
        'df.clicdata.push("New")': (
            "1,200 rows",
            lambda _: more.clicdata.push("New", **how),
        ),
        "df.clicdata.append(rec_id)": (
            "1,200 rows",
            lambda rec_id: more.clicdata.append(rec_id, **how),
        ),
        'df.clicdata.append(rec_id, verify="count", exclusive=True)': (
            "1,200 rows",
            lambda rec_id: more.clicdata.append(rec_id, verify="count", exclusive=True, **how),
        ),
        'df.clicdata.update_rows(rec_id, on="key")': (
            "10 keys",
            lambda rec_id: few.clicdata.update_rows(rec_id, on="key", **how),
        ),
        'df.clicdata.update_rows(rec_id, on="key", keep=False)': (
            "10 keys",
            lambda rec_id: few.clicdata.update_rows(rec_id, on="key", keep=False, **how),
        ),
        'df.clicdata.delete_rows(rec_id, on="key")': (
            "10 keys",
            lambda rec_id: few.clicdata.delete_rows(rec_id, on="key", **how),
        ),
        'df.clicdata.diff(rec_id, on="key")': (
            "2,515 rows",
            lambda rec_id: mixed.clicdata.diff(rec_id, on="key", **how),
        ),
        'df.clicdata.upsert(rec_id, on="key")': (
            "20 new rows, 10 that differ",
            lambda rec_id: mixed.clicdata.upsert(rec_id, on="key", **how),
        ),
        'df.clicdata.sync(rec_id, on="key")': (
            "20 new rows, 10 that differ, 5 to delete",
            lambda rec_id: mixed.clicdata.sync(rec_id, on="key", **how),
        ),
        'df.clicdata.replace(rec_id, by="month")': (
            "1 month, 250 rows",
            lambda rec_id: month.clicdata.replace(rec_id, by="month", **how),
        ),
        "df.clicdata.replace(rec_id)": (
            "2,500 rows for 2,500",
            lambda rec_id: there.clicdata.replace(rec_id, **how),
        ),
        "Data().get_data()": ("the list", lambda _: data.get_data()),
        "Data().get_data_history(rec_id)": (
            "the list",
            lambda rec_id: data.get_data_history(rec_id),
        ),
        "Data().create_data(name, cols)": (
            "a data set",
            lambda _: data.create_data("Empty", {"a": "text"}),
        ),
        "Data().delete_data(rec_id, filters)": (
            "one filter",
            lambda rec_id: data.delete_data(rec_id, {"key": 1}),
        ),
        "Data().update_data(rec_id, filters, values)": (
            "one filter",
            lambda rec_id: data.update_data(rec_id, {"key": 2}, {"sold": 5}),
        ),
    }


def _requests(sandbox: Sandbox, call: Callable[[int], object], rec_id: int) -> str:
    """Return the number of GET requests of a call, and of its other requests."""
    sandbox.requests.clear()
    call(rec_id)
    methods = [request.method for request in sandbox.requests]
    reads = methods.count("GET")
    return f"{reads} + {len(methods) - reads}"


def requests_table() -> str:
    """Return the numbers of requests of each call on a data set of 2,500 rows, in either dialect."""
    there = _data_set()
    found: dict[str, list[str]] = {}
    for version in DIALECTS.values():
        with (
            start(sample=False) as sandbox,
            sandbox.session(api_version=version) as session,
        ):
            session.check()
            for code, (about, call) in _calls(there, session).items():
                rec_id = sandbox.create(code, {"key": "number", "month": "text", "sold": "number"})
                sandbox.append(rec_id, there.to_dict("records"))
                found.setdefault(code, [f"`{code}`", about]).append(_requests(sandbox, call, rec_id))
    return markdown(["call", "about", *DIALECTS], list(found.values()))
