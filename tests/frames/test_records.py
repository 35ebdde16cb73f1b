"""Short lists of the service as frames of a known shape."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.decode import frame_of_records

SCHEMA = {"id": "integer", "share": "number", "name": "text", "live": "boolean", "at": "datetime", "more": "object"}
TEXT_DTYPE = pd.Series(["a"]).dtype
UNIT = pd.to_datetime(["2024-01-01"]).dtype.str[4:-1]
DTYPES = ["Int64", "Float64", TEXT_DTYPE, "boolean", f"datetime64[{UNIT}, UTC]", object]


def one(kind: str, cell: Any) -> Any:
    return frame_of_records([{"a": cell}], {"a": kind})["a"][0]


@pytest.mark.parametrize("records", [[], [{}], [{"id": 1}], [{"more": [1]}, {"at": "nonsense", "name": 5}]], ids=len)
def test_dtypes_do_not_depend_on_the_records(records: list[dict[str, Any]]) -> None:
    got = frame_of_records(records, SCHEMA)
    assert list(got) == list(SCHEMA)
    assert [got[name].dtype == dtype for name, dtype in zip(got, DTYPES, strict=True)] == [True] * 6
    assert got.index.equals(pd.RangeIndex(len(records)))
    assert isinstance(got.index, pd.RangeIndex)


def test_records() -> None:
    got = frame_of_records(
        [
            {
                "name": "a",
                "id": 2**53 + 1,
                "at": "2024-01-01T10:00:00+02:00",
                "live": True,
                "share": 0.5,
                "more": {"x": 1},
            },
            {"id": None, "new": 1, "name": None},
            {"newer": "x", "new": None, "more": "text"},
        ],
        SCHEMA,
    )
    assert list(got) == [*SCHEMA, "new", "newer"]
    assert got.loc[0].tolist()[:4] == [2**53 + 1, 0.5, "a", True]
    assert got.loc[0, "at"] == pd.Timestamp("2024-01-01T08:00:00Z")
    assert got["more"].tolist() == [{"x": 1}, None, "text"]
    assert got["new"].dtype == "Int64"
    assert got["newer"].dtype == TEXT_DTYPE
    assert got["id"].tolist() == [2**53 + 1, pd.NA, pd.NA]


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("integer", 5, 5),
        ("integer", "5", 5),
        ("integer", 5.0, 5),
        ("integer", 5.5, None),
        ("integer", True, None),
        ("integer", "x", None),
        ("integer", 2**70, None),
        ("integer", [1], None),
        ("number", 1, 1.0),
        ("number", "0.5", 0.5),
        ("number", "x", None),
        ("number", True, None),
        ("number", 10**400, None),
        ("number", "inf", None),
        ("number", "nan", None),
        ("boolean", True, True),
        ("boolean", 0, False),
        ("boolean", 1, True),
        ("boolean", "true", True),
        ("boolean", "no", None),
        ("boolean", 2, None),
        ("boolean", [1], None),
        ("text", "a", "a"),
        ("text", 5, "5"),
        ("text", None, None),
        ("object", [1], [1]),
        ("object", "a", "a"),
        ("datetime", "2024-01-01", pd.Timestamp("2024-01-01", tz="UTC")),
        ("datetime", "01/02/2024", None),
        ("datetime", 5, None),
        ("datetime", "2024-01-01 00:00:00", pd.Timestamp("2024-01-01", tz="UTC")),
        ("datetime", "", None),
        ("datetime", "2024-01-01T00:00:00.123Z", pd.Timestamp("2024-01-01T00:00:00.123", tz="UTC")),
    ],
)
def test_values_that_contradict_the_schema_are_missing(kind: str, cell: Any, value: Any) -> None:
    got = one(kind, cell)
    if value is None:
        assert got is None or got is pd.NA or got is pd.NaT or math.isnan(got)
    else:
        assert got == value


def test_times_beyond_nanoseconds_leave_the_others_readable() -> None:
    got = frame_of_records([{"a": "0001-01-01T00:00:00"}, {"a": "2024-01-01"}], {"a": "datetime"})["a"]
    assert got.dtype == f"datetime64[{UNIT}, UTC]"
    assert got[1] == pd.Timestamp("2024-01-01", tz="UTC")


def test_unknown_schema_types_are_refused() -> None:
    with pytest.raises(InputError, match="money"):
        frame_of_records([], {"a": "money"})
