"""Numbers that are ids, counts or results of a create, value by value."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pandas_clicdata.arguments import check_count, check_id
from pandas_clicdata.endpoints.answers import parse_new_id
from pandas_clicdata.errors import InputError, ProtocolError
from pandas_clicdata.names import parse_integer
from pandas_clicdata.session.wire import Answer, Request, judge


class Index:
    """An object that Python accepts as a whole number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Index({self.number!r})"  # names of tests are made of these


class Number(int):
    pass


INTS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.intp)
GOOD: list[tuple[Any, int]] = [
    *[(number, number) for number in (1, 2, 7, 1001, 2**31 - 1, 2**31, 2**32, 2**53 - 1, 2**53)],
    *[(kind(7), 7) for kind in INTS],
    (np.int64(2**53), 2**53),
    (np.array(5), 5),
    (pd.Series([6])[0], 6),
    (pd.Series([6], dtype="Int64")[0], 6),
    (pd.Index([8])[0], 8),
    (Number(9), 9),
    (Index(4), 4),
]
BAD: list[Any] = [
    *[0, -1, -(2**63), 2**53 + 1, 2**64, 10**40, np.int64(0), np.int8(-1), np.uint64(2**63), Index(0), Index(-5)],
    *[True, False, np.True_, np.False_],
    *[1.0, 1.5, -1.0, float("nan"), float("inf"), np.float32(1), np.float64(2), 1 + 0j, Decimal(1), Fraction(1)],
    *["1", "1001", "", " ", "x", "1.0", "١", b"1", bytearray(b"1"), np.str_("5")],
    *[None, pd.NA, pd.NaT, pd.Timestamp(5), np.datetime64(5, "s"), np.timedelta64(5, "s")],
    *[[5], (5,), {5}, {"rec_id": 5}, range(1), np.array([5]), np.array([5, 6]), pd.Series([5]), object, int, len],
]


def test_there_are_enough_of_them() -> None:
    assert len(GOOD) + len(BAD) >= 60
    assert len(WHOLE) >= 25
    assert len(MADE) >= 25


@pytest.mark.fault(60)
@pytest.mark.parametrize(("value", "number"), GOOD, ids=repr)
def test_any_kind_of_whole_number_is_an_id(value: Any, number: int) -> None:
    found = check_id("rec_id", value)
    assert found == number
    assert isinstance(found, int)
    assert not isinstance(found, np.integer)


@pytest.mark.fault(60)
@pytest.mark.parametrize("value", BAD, ids=repr)
def test_another_value_is_refused_and_the_argument_named(value: Any) -> None:
    with pytest.raises(InputError, match=r"^rec_id must be"):
        check_id("rec_id", value)


def test_digits_in_text_are_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match="give rec_id=1001"):
        check_id("rec_id", "1001")
    with pytest.raises(InputError, match=r"not a bool \(True\)"):
        check_id("rec_id", True)
    with pytest.raises(InputError, match="above 0 and at most 2"):
        check_id("rec_id", 2**53 + 1)


@pytest.mark.parametrize(("value", "number"), [*GOOD, (0, 0), (np.int64(0), 0), (10**40, 10**40)], ids=repr)
def test_a_count_may_be_zero_or_huge(value: Any, number: int) -> None:
    assert check_count("nrows", value) == number


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize(
    "value", [value for value in BAD if isinstance(value, (float, str, bool, list)) or value is None]
)
def test_a_count_must_be_an_integer_of_at_least_the_minimum(value: Any, least: int) -> None:
    for bad in (value, least - 1, np.int64(least - 1)):
        with pytest.raises(InputError, match=f"nrows must be a whole number of rows, {least} at least"):
            check_count("nrows", bad, least=least)


# the answer of the service, and the number in it
WHOLE: list[tuple[Any, int | None]] = [
    *[(number, number) for number in (0, 1, -5, 1001, 2**53 + 1, 10**40)],
    *[("0", 0), ("7", 7), ("007", 7), ("1" * 19, int("1" * 19)), ("1" * 20, None), ("9" * 5000, None)],
    *[(text, None) for text in ("", " 7", "7 ", "-7", "+7", "7.0", "7e1", "x", "٧", "²", "1_000", "0x7", "\x007")],
    *[(other, None) for other in (True, False, None, 7.0, [7], {"id": 7}, b"7")],
]


@pytest.mark.parametrize(("value", "number"), WHOLE, ids=lambda value: repr(value)[:40])
def test_a_number_of_the_service_may_come_as_its_digits(value: Any, number: int | None) -> None:
    assert parse_integer(value) == number
    assert type(parse_integer(value)) is type(number)


# the answer to a create, and the id in it
MADE: list[tuple[Any, int | None]] = [
    *[(5, 5), ("5", 5), (" 5\n", 5), ({"id": 5}, 5), ({"rec_id": 5}, 5), ({"RecId": "5"}, 5)],
    *[({"success": True, "result": 5}, 5), ({"success": True, "result": "5"}, 5), ({"result": {"id": 5}}, 5)],
    *[({"success": True, "result": {"rec_id": "5"}}, 5), ({"id": 5, "rec_id": 6}, 5), ({"rec_id": 6, "id": 5}, 5)],
    *[(0, None), (-5, None), (5.5, None), ("", None), ("x", None), ("5x", None), (True, None), (None, None)],
    *[([], None), ([5], None), ({}, None), ({"id": None}, None), ({"id": 0}, None), ({"id": True}, None)],
    *[({"id": [5]}, None), ({"ID": 5}, None), ({"success": True}, None), ({"result": [5]}, None), ("9" * 20, None)],
]


@pytest.mark.parametrize(("said", "number"), MADE, ids=lambda value: repr(value)[:50])
def test_the_new_id_is_found_in_every_likely_response(said: Any, number: int | None) -> None:
    reply = judge(Request("create", "POST", "/data"), Answer(200, json.dumps(said).encode()))
    assert parse_new_id(reply) == number


def test_a_huge_id_in_a_response_is_an_error() -> None:
    reply = judge(Request("create", "POST", "/data"), Answer(200, b"9" * 5000))
    with pytest.raises(ProtocolError):
        parse_new_id(reply)
