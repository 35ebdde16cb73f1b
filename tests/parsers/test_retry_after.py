"""``Retry-After``, value by value: its seconds, or None if the value can't be used."""

from __future__ import annotations

import math

import pytest

from pandas_clicdata.session.retry import retry_after

NOW = 1_795_000_000.0  # Wed, 18 Nov 2026 11:06:40 GMT

SECONDS: dict[str, float] = {
    "0": 0,
    "00": 0,
    "1": 1,
    "7": 7,
    " 7 ": 7,
    "\t7": 7,
    "007": 7,
    "59": 59,
    "60": 60,
    "119": 119,
    "120": 120,
    "121": 121,
    "3600": 3600,
    "86400": 86_400,
    "999999999": 999_999_999,
    "1000000000": math.inf,
    "1795000060": math.inf,  # a timestamp, which looks like a number of seconds
    "9" * 19: math.inf,
    "9" * 5_000: math.inf,
}
DATES: dict[str, float] = {
    "Wed, 18 Nov 2026 11:06:40 GMT": 0,
    "Wed, 18 Nov 2026 11:06:41 GMT": 1,
    "Wed, 18 Nov 2026 11:07:00 GMT": 20,
    "Wed, 18 Nov 2026 11:07:00": 20,
    "Wed, 18 Nov 2026 11:07:00 UTC": 20,
    "Wed, 18 Nov 2026 11:07:00 +0000": 20,
    "Wed, 18 Nov 2026 11:07:00 -0000": 20,
    "Wed, 18 Nov 2026 12:07:00 +0100": 20,
    "Wed, 18 Nov 2026 06:07:00 EST": 20,
    "Wed, 18 Nov 2026 11:07 GMT": 20,
    "18 Nov 2026 11:07:00 GMT": 20,
    "wed, 18 nov 2026 11:07:00 gmt": 20,
    "Tue, 18 Nov 2026 11:07:00 GMT": 20,  # the day of the week is wrong, and is ignored
    "Wednesday, 18-Nov-26 11:07:00 GMT": 20,
    "Wed Nov 18 11:07:00 2026": 20,
    "  Wed, 18 Nov 2026 11:07:00 GMT  ": 20,
    "Thu, 19 Nov 2026 11:06:40 GMT": 86_400,
    "Fri, 31 Dec 9999 23:59:59 GMT": 251_607_300_799,
    "Wed, 18 Nov 2026 00:00:00 GMT": 0,
    "Thu, 01 Jan 1970 00:00:00 GMT": 0,
    "Mon, 01 Jan 0001 00:00:00 GMT": 0,
}
JUNK = [
    *["", " ", "-3", "-0", "+7", "1.5", "7.0", "7e1", "1e9", "0x10", "1_000", "7s", "7 s", "7 seconds", "PT7S"],
    *["soon", "now", "never", "null", "None", "true", "nan", "NaN", "inf", "Infinity", "-inf", "<html>", "{}"],
    *["٧", "७", "７", "²", "½", "7, 8", "7;8", "7 8", "7\n8", "7\x00", "\x007", "7,", "a" * 10_000],
    *["GMT", "Wed,", "Wed, 18 Nov", "Nov", "11:07:00", "18/11/2026", "2026-11-18T11:07:00Z", "2026-11-18 11:07:00"],
    "Wed, 18 Nov 2026 23:59:60 GMT",
    "Wed, 18 Nov 2026 24:00:00 GMT",
    "Wed, 31 Nov 2026 11:07:00 GMT",
    "Wed, 00 Nov 2026 11:07:00 GMT",
    "Wed, 18 Foo 2026 11:07:00 GMT",
    "Thu, 99 Nov 2026 00:27:00 GMT",
    "Thu, 19 Nov 999999999 00:27:00 GMT",
    "Wed, 18 Nov 2026 11:07:00 +2400",
    "Wed, 18 Nov 2026 11:07:00 +9999",
    "Wed, 18 Nov 2026 11:07:00 +99999999",
]
TABLE: dict[str, float | None] = {**SECONDS, **DATES, **dict.fromkeys(JUNK)}


def test_there_are_enough_of_them() -> None:
    assert len(TABLE) >= 60
    assert len(TABLE) == len(SECONDS) + len(DATES) + len(JUNK)


@pytest.mark.fault(11, 12, 13, 14)
@pytest.mark.parametrize("value", TABLE, ids=lambda value: repr(value[:40]))
def test_seconds_of_a_retry_after(value: str) -> None:
    assert retry_after({"retry-after": value}, NOW) == TABLE[value]


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Wed, 18 Nov 2026 11:06:50 GMT", 10),
        (" Wed, 18 Nov 2026 11:06:50 GMT ", 10),
        ("Wed, 18 Nov 2026 11:06:50", 10),
        ("Wed, 18 Nov 2026 11:08:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1_795_000_020),
        ("soon", 20),
        ("", 20),
    ],
)
def test_a_date_is_compared_with_the_date_of_the_response(date: str, seconds: float) -> None:
    headers = {"retry-after": "Wed, 18 Nov 2026 11:07:00 GMT", "date": date}
    assert retry_after(headers, NOW) == seconds


def test_without_the_header_there_is_no_retry_after() -> None:
    assert retry_after({"date": "Wed, 18 Nov 2026 11:07:00 GMT"}, NOW) is None


@pytest.mark.parametrize("text", ["9" * 2**20, " " * 2**20, "Wed, " * 2**18, "(" * 2**20, "1:" * 2**19])
def test_a_long_value_is_read(text: str) -> None:
    assert retry_after({"retry-after": text}, NOW) == (math.inf if text.isdigit() else None)
