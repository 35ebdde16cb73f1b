"""A column of every family of dtypes that can be sent, with missing values and difficult cells."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

AWKWARD_TEXT = [
    "",
    "a",
    'say "hi"',
    "back\\slash",
    "line\nfeed\r\t",
    "\x00\x01\x1f\x7f",
    "naïve",
    "日本語",
    "😀",
    "\u2028\u2029",
    "null",
    "NaN",
    "},{",
    '":',
    '\\":',
    "[1,2]",
    ",",
    "\ufeffbom",
    "\u00e9\u0301",
    "x" * 300,
]
LARGE = [0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 0.1, 1 / 3, 1e16, 1e22, 1.5e300, 5e-324, 2.2250738585072014e-308, -1e-7, 123456789.125, 1.0]
DECIMALS = ["1.10", "0.00", "-0", "1E+3", "12345678901234567890.123456789", "1E-20", "-7"]
MOMENTS = [
    "2024-03-10T01:30:00",
    "2024-03-10T01:30:00.5",
    "1999-12-31T23:59:59.999999",
    "1970-01-01",
    "2000-02-29T12:00:00.000001",
    "1969-12-31T23:59:59.999999",
    "2038-01-19T03:14:08",
]
FAR_MOMENTS = [*MOMENTS, "0001-01-01", "9999-12-31T23:59:59", "1582-10-15T00:00:01", "1883-11-18T12:03:57"]


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    __slots__ = ()


def _arrow(values: list[object], kind: pa.DataType) -> pd.Series:
    return pd.Series(pd.array(values, dtype=pd.ArrowDtype(kind)))


def _moments(values: list[str], unit: str) -> pd.Series:
    return pd.Series(np.array([*values, "NaT"], dtype=f"M8[{unit}]"))


def _dates() -> list[object]:
    return [dt.date(2024, 2, 29), dt.date(1, 1, 1), None, dt.date(9999, 12, 31), dt.date(1970, 1, 1)]


def families() -> dict[str, pd.Series]:
    """Return a series of each family. Each can be sent unchanged."""
    utc = dt.timezone.utc
    odd = dt.timezone(dt.timedelta(hours=-3, minutes=-30))
    found: dict[str, pd.Series] = {
        "bool": pd.Series([True, False]),
        "boolean": pd.Series([True, None, False], dtype="boolean"),
        "bool objects": pd.Series([True, None, np.bool_(False)], dtype=object),
        "arrow bool": _arrow([True, None, False], pa.bool_()),
        "int64": pd.Series(LARGE),
        "uint64": pd.Series([0, 2**64 - 1, 2**63], dtype="uint64"),
        "Int64": pd.Series([*LARGE, None], dtype="Int64"),
        "UInt64": pd.Series([2**64 - 1, None], dtype="UInt64"),
        "arrow int64": _arrow([*LARGE, None], pa.int64()),
        "arrow uint64": _arrow([2**64 - 1, None], pa.uint64()),
        "big ints": pd.Series([10**40, -(10**40), 1, None], dtype=object),
        "float64": pd.Series([*FLOATS, np.nan]),
        "float32": pd.Series([0.1, 3.4e38, 1e-45, -0.0, np.nan], dtype="float32"),
        "float16": pd.Series([0.1, 65504, -0.0, np.nan], dtype="float16"),
        "longdouble": pd.Series(np.array([0.5, -2.0, np.nan], dtype=np.longdouble)),
        "Float64": pd.Series([*FLOATS, None], dtype="Float64"),
        "Float32": pd.Series([0.1, None], dtype="Float32"),
        "arrow float": _arrow([*FLOATS, None], pa.float64()),
        "arrow float32": _arrow([0.1, None], pa.float32()),
        "float objects": pd.Series([0.1, np.float32(0.1), np.float64(0.2), np.nan, None, 1], dtype=object),
        "decimals": pd.Series([Decimal(text) for text in DECIMALS], dtype=object),
        "decimals with holes": pd.Series([Decimal("1.5"), Decimal("NaN"), Decimal("sNaN"), None, np.nan], dtype=object),
        "arrow decimal": _arrow([Decimal("1.10"), None, Decimal("-0.001")], pa.decimal128(38, 10)),
        "arrow decimal256": _arrow([Decimal("1.10"), None, Decimal("-7")], pa.decimal256(60, 3)),
        "number objects": pd.Series([1, 2.5, Decimal("3.75"), np.int8(4), Level.HIGH, None], dtype=object),
        "tz utc": _moments(FAR_MOMENTS, "us").dt.tz_localize("UTC"),
        "tz ns": _moments([*MOMENTS, "2024-03-10T01:30:00.0000001"], "ns")
        .dt.tz_localize("UTC")
        .dt.tz_convert("Asia/Kolkata"),
        "tz zone": _moments([*MOMENTS, "1850-06-01", "2023-10-29T00:30:00", "2023-10-29T01:30:00"], "us")
        .dt.tz_localize("UTC")
        .dt.tz_convert("Europe/Berlin"),
        "tz zoneinfo": _moments(MOMENTS, "us").dt.tz_localize("UTC").dt.tz_convert(ZoneInfo("America/St_Johns")),
        "tz fixed": _moments(MOMENTS, "s").dt.tz_localize("UTC").dt.tz_convert(odd),
        "arrow timestamp": _arrow([*pd.to_datetime(MOMENTS, format="ISO8601"), None], pa.timestamp("us")),
        "arrow timestamp ns": _arrow([pd.Timestamp("2024-01-01T00:00:00.0000001"), None], pa.timestamp("ns")),
        "arrow timestamp tz": _arrow([pd.Timestamp("2024-07-01", tz="UTC"), None], pa.timestamp("ms", "Europe/Berlin")),
        "arrow timestamp offset": _arrow([pd.Timestamp("2024-07-01", tz="UTC"), None], pa.timestamp("s", "+05:30")),
        "datetime objects": pd.Series(
            [
                dt.datetime(2024, 1, 1),
                dt.datetime(1, 1, 1, 2, 3, 4, 5),
                pd.Timestamp("2024-01-01T00:00:00.0000001"),
                pd.NaT,
                None,
                np.datetime64("2024-01-01T00:00:01"),
                np.datetime64("NaT", "s"),
            ],
            dtype=object,
        ),
        "aware objects": pd.Series(
            [
                dt.datetime(2024, 1, 1, tzinfo=utc),
                dt.datetime(2024, 1, 1, 1, tzinfo=odd),
                None,
                pd.Timestamp("2024-07-01T00:00:00.5", tz="Europe/Berlin"),
                dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=90))),
                dt.datetime(2024, 1, 1, 0, 0, 0, 5, tzinfo=dt.timezone(dt.timedelta(seconds=-90))),
                dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(microseconds=7))),
            ],
            dtype=object,
        ),
        "naive objects": pd.Series([dt.datetime(5, 1, 1), dt.datetime(2024, 1, 1, 0, 0, 0, 7)], dtype=object),
        "date objects": pd.Series(_dates(), dtype=object),
        "arrow date32": _arrow(_dates(), pa.date32()),
        "arrow date64": _arrow([dt.date(2024, 2, 29), None], pa.date64()),
        "text objects": pd.Series([*AWKWARD_TEXT, None, np.nan, pd.NA], dtype=object),
        "clean text objects": pd.Series(["a", "b", None], dtype=object),
        "text subclasses": pd.Series(["a", np.str_("b"), Name("c"), Colour.RED], dtype=object),
        "string": pd.Series([*AWKWARD_TEXT, None], dtype="string"),
        "string python": pd.Series([*AWKWARD_TEXT, None], dtype="string[python]"),
        "string pyarrow": pd.Series([*AWKWARD_TEXT, None], dtype="string[pyarrow]"),
        "clean string": pd.Series(["a", "bc", "日本"], dtype="string[pyarrow]"),
        "quotes": pd.Series(['"' * 50, None, "\x00" * 9, ""], dtype="string[pyarrow]"),
        "inferred text": pd.Series([*AWKWARD_TEXT, None]),
        "arrow string": _arrow([*AWKWARD_TEXT, None], pa.string()),
        "arrow large string": _arrow([*AWKWARD_TEXT, None], pa.large_string()),
        "arrow dictionary": _arrow(["a", None, 'b"', "a"], pa.dictionary(pa.int8(), pa.string())),
        "category": pd.Series(["b", None, 'a"', "b"], dtype="category"),
        "category of ints": pd.Series([3, 1, 3, None], dtype="Int64").astype("category"),
        "category of moments": _moments(MOMENTS, "us").astype("category"),
        "category of nothing": pd.Series([None, None], dtype="category"),
        "uuid": pd.Series([uuid.UUID(int=7), None], dtype=object),
        "time objects": pd.Series([dt.time(1, 2), dt.time(3, 4, 5, 6), None, dt.time(1, tzinfo=utc)], dtype=object),
        "arrow time": _arrow([dt.time(1, 2), dt.time(3, 4, 5, 6), None], pa.time64("us")),
        "timedelta": pd.Series(pd.to_timedelta(["1 day", None, "-1 s", "1 ns", "0 s", "100 days 01:02:03.5"])),
        "timedelta s": pd.Series(np.array([1, -1, 10**6, "NaT"], dtype="m8[s]")),
        "arrow duration": _arrow([dt.timedelta(days=1, microseconds=5), None], pa.duration("us")),
        "timedelta objects": pd.Series(
            [dt.timedelta(1, 2, 3), pd.Timedelta("1 ns"), np.timedelta64(5, "s"), None], dtype=object
        ),
        "period": pd.Series(pd.PeriodIndex(["2024-01", None, "1999-12"], freq="M")),
        "sparse": pd.Series(pd.arrays.SparseArray([0, 1, 0])),
        "sparse float": pd.Series(pd.arrays.SparseArray([0.5, np.nan])),
        "mixed": pd.Series(
            [
                "a",
                1,
                2.5,
                True,
                None,
                dt.date(2024, 1, 1),
                dt.datetime(2024, 1, 1),
                Decimal("1.50"),
                pd.NA,
                uuid.UUID(int=1),
            ],
            dtype=object,
        ),
        "only none": pd.Series([None, None], dtype=object),
        "only nan": pd.Series([np.nan, np.nan], dtype=object),
        "only nat": pd.Series([pd.NaT, None, pd.NA], dtype=object),
        "float nan": pd.Series([np.nan, np.nan]),
        "arrow null": _arrow([None, None], pa.null()),
        "big endian": pd.Series(np.array([1, 2**40], dtype=">i8")),
        "big endian float": pd.Series(np.array([1.5, np.nan], dtype=">f8")),
    }
    for unit in ("s", "ms", "us"):
        found[f"datetime64 {unit}"] = _moments(FAR_MOMENTS, unit)
    found["datetime64 ns"] = _moments([*MOMENTS, "2024-01-01T00:00:00.0000001", "2024-01-01T00:00:00.1"], "ns")
    for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32"):
        limits = np.iinfo(name)
        found[name] = pd.Series([limits.min, limits.max], dtype=name)
        nullable = name.replace("int", "Int").replace("uI", "UI")
        found[nullable] = pd.Series([limits.min, None, limits.max], dtype=nullable)
    return found


TYPES = {
    # The ClicData type of each family, by the beginning of its name; the longest matching one counts.
    "bool": "checkbox",
    "arrow bool": "checkbox",
    "int": "number",
    "uint": "number",
    "Int": "number",
    "UInt": "number",
    "arrow int": "number",
    "arrow uint": "number",
    "big": "number",
    "float": "number",
    "Float": "number",
    "longdouble": "number",
    "arrow float": "number",
    "decimals": "number",
    "arrow decimal": "number",
    "number objects": "number",
    "sparse": "number",
    "category of ints": "number",
    "tz": "datetime",
    "datetime": "datetime",
    "arrow timestamp": "datetime",
    "aware": "datetime",
    "naive": "datetime",
    "category of moments": "datetime",
    "date objects": "date",
    "arrow date": "date",
    "text": "text",
    "clean": "text",
    "string": "text",
    "quotes": "text",
    "inferred": "text",
    "arrow string": "text",
    "arrow large": "text",
    "arrow dictionary": "text",
    "category": "text",
    "uuid": "text",
    "time": "text",
    "arrow time": "text",
    "arrow duration": "text",
    "period": "text",
    "only": "text",
    "arrow null": "text",
    "mixed": None,
}
