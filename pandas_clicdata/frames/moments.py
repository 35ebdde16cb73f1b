"""Points in time, dates, times of day and durations as JSON."""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.frames.arrow import NO_TEXT, TEXT, Array, Mask, joined, matrix_array, one_array, pc, text_array
from pandas_clicdata.frames.printing import SCANNED_ROWS, NumberBlocks, Printed, Printer, arrow_numbers
from pandas_clicdata.frames.scalars import YEARS, Kind

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
_MICRO = 10**6
_NAT = np.iinfo(np.int64).min
_FIRST_SECOND = -62_135_596_800  # 0001-01-01T00:00:00
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59
_FIRST_DAY, _LAST_DAY = _FIRST_SECOND // _DAY, _LAST_SECOND // _DAY
# The days from 1900 to 2099, which most are of, and those where a missing cell stands as 1970.
_FIRST_USUAL, _LAST_USUAL = -25_567, 47_481
_QUOTE, _POINT, _COLON, _PLUS, _MINUS, _ZERO = b'".:+-0'
# Digits as they are written. What a text holds beyond them is written over, or is the quote that ends all.
_PAIRS = np.array([f"{number:02}" for number in range(100)], "S2").view(np.uint16)
_TRIPLES = np.array([f'{number:03}"' for number in range(1000)], "S4").view(np.uint32)
_MINUTES = np.array([f"T{number // 60:02}:{number % 60:02}:-" for number in range(_DAY // 60)], "S8").view(np.uint64)
_SECONDS = np.array([f"{number:02}.-" for number in range(60)], "S4").view(np.uint32)


class Moments(Printer):
    """Points in time, naive or aware, printed as `datetime.isoformat` does."""

    kinds = frozenset({Kind.DATETIME})

    def __init__(self, rows: int, block: NumberBlocks, unit: str, tz: dt.tzinfo | None) -> None:
        super().__init__(rows)
        self._block = block
        self._per_second = _PER_SECOND[unit]
        self._tz = tz
        self._offsets_by_day: tuple[int, Array] | None = None
        fraction = {"s": 0, "ns": 10}.get(unit, 7)
        self.width = 2 + 19 + fraction + (6 if tz is not None else 0)
        self._scan()

    def _scan(self) -> None:
        lowest, highest = _LAST_SECOND, _FIRST_SECOND
        for start in range(0, self.rows, SCANNED_ROWS):
            ticks, missing = self._ticks(start, min(start + SCANNED_ROWS, self.rows))
            present = ticks if missing is None else ticks[~missing]
            if not len(present):
                continue
            low, high = int(present.min()) // self._per_second, int(present.max()) // self._per_second
            lowest, highest = min(lowest, low), max(highest, high)
            if low < _FIRST_SECOND + _DAY or high > _LAST_SECOND - _DAY:
                outside = self._is_outside(ticks // self._per_second)
                if missing is not None:
                    outside &= ~missing
                self.refused.add(YEARS, np.flatnonzero(outside) + start)
        if self._tz is not None and lowest <= highest and not self.refused:
            self._offsets_by_day = _offsets_by_day(lowest // _DAY, highest // _DAY, self.rows, self._tz)

    def _is_outside(self, seconds: Array) -> Mask:
        """Whether moments lie outside of the years that four digits can tell, where they are told."""
        if self._tz is not None:
            seconds = np.clip(seconds, _FIRST_SECOND - _DAY, _LAST_SECOND + _DAY)
            # At the very ends of time zones are not asked: the offset of a day later or earlier will do.
            seconds = seconds + _offsets(np.clip(seconds, _FIRST_SECOND + _DAY, _LAST_SECOND - _DAY), self._tz)
        return (seconds < _FIRST_SECOND) | (seconds > _LAST_SECOND)

    def _ticks(self, start: int, stop: int) -> tuple[Array, Mask | None]:
        """Return ticks in UTC, with 0 for what is missing."""
        ticks, missing = self._block(start, stop)
        ticks = ticks.view(np.int64)
        if missing is None:
            missing = ticks == _NAT
            if not missing.any():
                return ticks, None
            ticks = np.where(missing, 0, ticks)
        return ticks, missing

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block in ISO 8601: no fraction, six digits, or nine if there are nanoseconds."""
        ticks, missing = self._ticks(start, stop)
        nanoseconds = None
        if self._per_second > _MICRO:
            microseconds = ticks // 1000
            nanoseconds = ticks - microseconds * 1000
            nanoseconds = nanoseconds if nanoseconds.any() else None
        else:
            microseconds = ticks * (_MICRO // self._per_second)
        minutes = None
        if self._tz is not None:
            offsets = self._offsets_of(microseconds // _MICRO)
            # ISO 8601 knows no seconds in an offset (local mean times have them): those are told in UTC.
            offsets = np.where(offsets % 60 == 0, offsets, 0)
            microseconds, minutes = microseconds + offsets * _MICRO, offsets // 60
        return Printed(_print_moments(microseconds, nanoseconds, minutes, missing))

    def _offsets_of(self, seconds: Array) -> Array:
        assert self._tz is not None
        if self._offsets_by_day is None:
            return _offsets(seconds, self._tz)
        first_day, by_day = self._offsets_by_day
        days = np.clip(seconds // _DAY - first_day, 0, len(by_day) - 2)  # a missing cell may lie outside
        offsets: Array = by_day[days]
        changing = offsets != by_day[days + 1]
        if changing.any():
            offsets[changing] = _offsets(seconds[changing], self._tz)
        return offsets


def _offsets(seconds: Array, tz: dt.tzinfo) -> Array:
    """Return the offsets from UTC, in seconds, at points in time."""
    fixed = tz.utcoffset(None)
    if fixed is not None:
        return np.full(len(seconds), fixed // dt.timedelta(seconds=1), np.int64)
    utc = pd.DatetimeIndex(seconds.view("M8[s]")).tz_localize("UTC")
    local = utc.tz_convert(tz).tz_localize(None)
    return local.to_numpy().astype("M8[s]").view(np.int64) - seconds


def _offsets_by_day(first: int, last: int, rows: int, tz: dt.tzinfo) -> tuple[int, Array] | None:
    """Return the offset at the start of each day, and of the one after the last; None if not worth it.

    pandas asks some zones for each cell anew, which takes longer than all the rest. On a day that starts
    and ends with the same offset all moments have it. (Were that ever wrong, the moment told would still be
    right: its wall time is told by the same offset.)
    """
    if last - first > max(rows, 1000) or first - 1 < _FIRST_DAY or last + 2 > _LAST_DAY:
        return None
    return first, _offsets(np.arange(first, last + 2, dtype=np.int64) * _DAY, tz)


def _print_moments(
    microseconds: Array, nanoseconds: Array | None, minutes: Array | None, missing: Mask | None
) -> pa.LargeStringArray:
    rows = len(microseconds)
    days = microseconds // (_DAY * _MICRO)
    within = microseconds - days * (_DAY * _MICRO)
    seconds = within // _MICRO
    fraction = within - seconds * _MICRO
    whole = fraction == 0
    if nanoseconds is not None:
        whole &= nanoseconds == 0
    told_width, more = (19, 0) if whole.all() else (26, 0 if nanoseconds is None else 3)
    end = 1 + told_width + more
    text = np.empty((rows, end + 1 + (0 if minutes is None else 6)), np.uint8)
    text[:, 0] = text[:, -1] = _QUOTE
    _write_days(text[:, 1:11], days)
    minute = seconds // 60
    _write(text, 11, _MINUTES, minute)
    if told_width == 19:
        _write(text, 18, _PAIRS, seconds - minute * 60)
    else:
        _write(text, 18, _SECONDS, seconds - minute * 60)
        thousands = fraction // 1000
        _write(text, 21, _TRIPLES, thousands)
        _write(text, 24, _TRIPLES, fraction - thousands * 1000)
    if nanoseconds is not None:
        _write(text, end - more, _TRIPLES, nanoseconds)
    if minutes is not None:
        _write_offsets(text[:, end : end + 6], minutes)
    if missing is not None:
        whole &= ~missing  # what is missing need not be short
    if told_width == 19 or not (whole.any() or more):
        return matrix_array(text, missing)
    # Digits that are not told become zero bytes, and those are taken out.
    dropped = np.where(whole, end - 20, 0)
    text[whole, 20:end] = 0
    if nanoseconds is not None:
        dropped[(nanoseconds == 0) & ~whole] = more
        text[nanoseconds == 0, end - more : end] = 0
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(text.shape[1] - dropped, out=offsets[1:])
    return text_array(text[text != 0], offsets, missing)


def _write(text: Array, at: int, table: Array, numbers: Array) -> None:
    text[:, at : at + table.itemsize].view(table.dtype)[:, 0] = table.take(numbers)


def _write_digits(target: Array, numbers: Array) -> None:
    left, end = numbers.astype(np.uint32), target.shape[1]
    for place in range(end - 2, -1, -2):
        rest = left // 100
        target[:, place : place + 2].view(np.uint16)[:, 0] = _PAIRS[left - rest * 100]
        left = rest
    if end % 2:
        target[:, 0] = left + _ZERO


def _write_days(target: Array, days: Array) -> None:
    if days.min(initial=0) >= _FIRST_USUAL and days.max(initial=0) <= _LAST_USUAL:
        told = _usual_days()[days - _FIRST_USUAL]
    else:
        told = _told_days(days)
    target.view("S10")[:, 0] = told


@cache
def _usual_days() -> Array:
    # A copy, since what Arrow holds must not outlive its memory pool, which is the caller's to choose.
    return _told_days(np.arange(_FIRST_USUAL, _LAST_USUAL + 1)).copy()


def _told_days(days: Array) -> Array:
    """Return days as ``YYYY-MM-DD``, which Arrow tells of the years 0 to 9999."""
    told = pa.array(days.astype(np.int32)).view(pa.date32()).cast(TEXT)
    return np.frombuffer(told.buffers()[2], "S10", len(days))


def _write_offsets(target: Array, minutes: Array) -> None:
    size = np.abs(minutes)
    target[:, 0] = np.where(minutes < 0, _MINUS, _PLUS)
    _write_digits(target[:, 1:3], size // 60)
    target[:, 3] = _COLON
    _write_digits(target[:, 4:6], size % 60)


class Dates(Printer):
    """Arrow's dates."""

    kinds = frozenset({Kind.DATE})
    width = 12

    def __init__(self, rows: int, chunked: pa.ChunkedArray) -> None:
        super().__init__(rows)
        self._block = arrow_numbers(chunked.cast(pa.date32(), safe=False), 0, pa.int32())
        for start in range(0, rows, SCANNED_ROWS):
            days, missing = self._block(start, min(start + SCANNED_ROWS, rows))
            outside = (days < _FIRST_DAY) | (days > _LAST_DAY)
            if missing is not None:
                outside &= ~missing
            self.refused.add(YEARS, np.flatnonzero(outside) + start)

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block as ``YYYY-MM-DD``."""
        days, missing = self._block(start, stop)
        text = np.empty((len(days), 12), np.uint8)
        text[:, 0] = text[:, -1] = _QUOTE
        _write_days(text[:, 1:11], days)
        return Printed(matrix_array(text, missing))


class Durations(Printer):
    """Spans of time, as ISO 8601 durations: the days may be negative, all else is not."""

    kinds = frozenset({Kind.TEXT})
    width = 48

    def __init__(self, rows: int, block: NumberBlocks, unit: str) -> None:
        super().__init__(rows)
        self._block = block
        self._per_second = _PER_SECOND[unit]

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block in ISO 8601."""
        ticks, missing = self._block(start, stop)
        ticks = ticks.view(np.int64)
        if missing is None:
            missing = ticks == _NAT
            ticks = np.where(missing, 0, ticks)
        seconds, fraction = np.divmod(ticks, self._per_second)
        days, seconds = np.divmod(seconds, _DAY)
        parts: list[pa.Scalar | pa.Array] = []
        for mark, numbers in (("P", days), ("DT", seconds // 3600), ("H", seconds // 60 % 60), ("M", seconds % 60)):
            parts += [pa.scalar(mark, TEXT), pa.array(numbers).cast(TEXT)]
        texts = joined([*parts, self._fractions(fraction), pa.scalar("S", TEXT)])
        return Printed(pc.if_else(pa.array(missing), NO_TEXT, texts), bare=True)

    def _fractions(self, fraction: Array) -> pa.LargeStringArray:
        text = np.full((len(fraction), 10), _POINT, np.uint8)
        _write_digits(text[:, 1:], fraction * (10**9 // self._per_second))
        return pc.ascii_rtrim(pc.ascii_rtrim(matrix_array(text), "0"), ".")


class TimesOfDay(Printer):
    """Arrow's times of day: as text, without the zeros of an empty fraction."""

    kinds = frozenset({Kind.TEXT})
    width = 20

    def __init__(self, rows: int, chunked: pa.ChunkedArray) -> None:
        super().__init__(rows)
        self._chunked = chunked

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block as ``HH:MM:SS``, with a fraction where there is one."""
        printed = one_array(self._chunked, start, stop).cast(pa.string())
        return Printed(pc.replace_substring_regex(printed, r"\.0+$", "").cast(TEXT), bare=True)
