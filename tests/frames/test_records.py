"""Short lists of the service as frames of a known shape."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


# ---------------------------------------------------------------------------------------------------------
# Objects and lists


WEEKLY = {"type": "weekly", "days": ["Mon", "Tue"], "zone": {"id": "Europe/Paris", "offset": 60}}
NESTED: dict[str, tuple[list[dict[str, Any]], dict[str, list[Any]]]] = {
    "an object": (
        [{"new": WEEKLY}],
        {
            "new.type": ["weekly"],
            "new.days": [["Mon", "Tue"]],
            "new.zone.id": ["Europe/Paris"],
            "new.zone.offset": [60],
        },
    ),
    "an object where text is known": (
        [{"name": {"type": "weekly"}}, {"name": "daily"}],
        {"name": [None, "daily"], "name.type": ["weekly", None]},
    ),
    "an object where a number is known": ([{"id": {"value": 5}}], {"id": [None], "id.value": [5]}),
    "an object where objects are known": ([{"more": WEEKLY, "b": {"c": 1}}], {"more": [WEEKLY], "b.c": [1]}),
    "an object, a scalar, a list, null": (
        [{"a": {"b": 1}}, {"a": 5}, {"a": [1]}, {"a": None}],
        {"a.b": [1, None, None, None], "a": [None, 5, [1], None]},
    ),
    "an object or null": ([{"a": None}, {"a": {"b": 1}}, {"a": {}}, {}], {"a.b": [None, 1, None, None]}),
    "an empty object": ([{"a": {}, "b": {"c": {}}}], {"a": [None], "b.c": [None]}),
    "lists": ([{"a": [1, {"b": 2}], "c": []}], {"a": [[1, {"b": 2}]], "c": [[]]}),
    "names and values": (
        [{"a": [{"name": "region", "value": "north"}, {"name": "top", "value": [1]}]}, {"a": {"top": [2]}}, {"a": []}],
        {"a.region": ["north", None, None], "a.top": [[1], [2], None], "a": [None, None, []]},
    ),
    "names and values that are no object": (
        [
            {
                "a": [{"name": "x", "value": 1}] * 2,
                "b": [{"name": 5, "value": 1}],
                "c": [{"name": "x", "value": 1, "d": 2}],
            }
        ],
        {
            "a": [[{"name": "x", "value": 1}] * 2],
            "b": [[{"name": 5, "value": 1}]],
            "c": [[{"name": "x", "value": 1, "d": 2}]],
        },
    ),
    "names and values whose columns would share a name": (
        [{"a": [{"name": "b", "value": 1}], "a.b": 2}],
        {"a": [[{"name": "b", "value": 1}]], "a.b": [2]},
    ),
    "a list where text is known": ([{"name": ["é", {"b": None}]}], {"name": ['["é", {"b": null}]']}),
    "a key of the same name": ([{"a": {"b": 1}, "a.b": 2, "d": {"e": 3}}], {"a": [{"b": 1}], "a.b": [2], "d.e": [3]}),
    "a key of the same name elsewhere": (
        [{"a": {"b": 1}}, {"a.b": 2}],
        {"a": [{"b": 1}, None], "a.b": [None, 2]},
    ),
    "two objects whose keys make the same name": (
        [{"a": {"b.c": 1, "x": 0}}, {"a": {"b": {"c": 2}}}],
        {"a": [{"b.c": 1, "x": 0}, {"b": {"c": 2}}]},
    ),
    "a known key of the same name": ([{"x": {"y": 1}, "z": 2}], {"x": [{"y": 1}], "z": [2]}),
    "an object of the same name where text is known": (
        [{"name": {"b": 1}, "name.b": 2}],
        {"name": ['{"b": 1}'], "name.b": [2]},
    ),
    "objects in objects": ([{"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}], {"a.b.c.d.e": [{"f": 1}]}),
}


@pytest.mark.parametrize("shape", NESTED)
def test_objects_are_columns_and_lists_are_cells(shape: str) -> None:
    records, columns = NESTED[shape]
    before = copy.deepcopy(records)
    schema = {**SCHEMA, "x.y": "integer"} if "known key" in shape else SCHEMA
    got = frame_of_records(records, schema)
    assert records == before
    assert list(got) == [*schema, *(name for name in columns if name not in schema)]
    for name, cells in columns.items():
        found = got[name].astype(object).tolist()
        if name != "more":  # the one column of objects
            cells = [json.dumps(cell, ensure_ascii=False) if isinstance(cell, (list, dict)) else cell for cell in cells]
            got.drop_duplicates(name)
        assert ["null" if is_missing(cell) else cell for cell in found] == ["null" if c is None else c for c in cells]
    assert [got[name].dtype == dtype for name, dtype in zip(SCHEMA, DTYPES, strict=True)] == [True] * 6


def is_missing(cell: Any) -> bool:
    return not isinstance(cell, (list, dict)) and bool(pd.isna(cell))


def scalars(cell: Any) -> list[str]:
    """All scalars in a cell, sorted; null and empty objects are none. Lists may be JSON text."""
    if isinstance(cell, str) and cell[:1] in ("[", "{"):
        cell = json.loads(cell)
    if isinstance(cell, (list, dict)):
        return sorted(
            found for inner in (cell.values() if isinstance(cell, dict) else cell) for found in scalars(inner)
        )
    return [] if is_missing(cell) else [str(cell)]


KEYS = st.sampled_from(["a", "b", "c", "a.b", "a.b.c", "b.c", ""])
CELLS = st.recursive(
    st.none() | st.sampled_from(["x", "yy", "zzz"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(KEYS, CELLS, max_size=4), max_size=4))
def test_no_cell_is_lost_whatever_the_keys_are_called(records: list[dict[str, Any]]) -> None:
    got = frame_of_records(records, {"c": "object"})
    assert len(got) == len(records)
    assert got.columns.is_unique
    rows = got.astype(object).to_dict("records")
    assert [scalars(row) for row in rows] == [scalars(record) for record in records]


def test_columns_of_objects_have_the_dtypes_of_others() -> None:
    got = frame_of_records([{"a": {"n": 2**53 + 1, "t": "01", "b": True}}, {"a": {"n": None, "t": "é"}}], {})
    assert [str(got[name].dtype) for name in ("a.n", "a.b")] == ["Int64", "boolean"]
    assert got["a.t"].dtype == TEXT_DTYPE
    assert got["a.n"][0] == 2**53 + 1


def test_the_deepest_object_is_read() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = {"k": [deep]}
    assert list(frame_of_records([{"a": deep, "b": {"c": {"d": {"e": {"f": deep}}}}}], {})) == ["a.k", "b.c.d.e.f"]
