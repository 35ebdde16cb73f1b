"""What comes from outside is read in a time that grows as its length does (S39).

Ratios are measured, not seconds: of a text four times as long as another, which is doubled twice so that no step of an
allocator counts for much. What grows as the length squared takes 16 times as long. ``CLICDATA_LETTERS`` is how long the
longer one is: 100,000 if it isn't set, a million for ``--long``.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pandas_clicdata import errors
from pandas_clicdata.endpoints.pictures import file_name, picture_of
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.session import pages, retry
from pandas_clicdata.session.credentials import credentials_of, hider, token_answer
from pandas_clicdata.session.wire import Answer, Request, get, judge
from pandas_clicdata.uploads.matching import Finder

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.alone

SHORT = int(os.environ.get("CLICDATA_LETTERS", "100000")) // 4
STEEPEST = 8.0  # 2.83 for each time it is doubled
COPIED = 5e-9  # seconds a letter, below which it is memory that is taken and copied, in caches or beyond them
READ = get("read rows", "/data/5", key="data")
WRITE = Request("append rows", "POST", "/data/5/row", body=b"{}")
SECRETS = credentials_of(None, {"client_id": "i", "client_secret": "aaaaaab"})


def filled(pattern: str) -> Callable[[int], str]:
    """Texts of a length that hold nothing but this."""
    return lambda length: pattern * (length // len(pattern))


TEXTS = {
    "digits": filled("9"),
    "blanks": filled(" "),
    "tabs": filled("\t"),
    "quotes": filled('"'),
    "backslashes": filled("\\"),
    "escaped quotes": filled('\\"'),
    "commas": filled(","),
    "brackets": filled("[{"),
    "parentheses": filled("("),
    "colons": filled(":"),
    "tags": filled("<"),
    "control characters": filled("\x1b\x07"),
    "accents": filled("é"),
    "days": filled("Mon, "),
    "dates": filled("2026-11-25T"),
    "points": filled("1."),
    "padding": filled("="),
    "nearly a secret": filled("aaaaaa"),
    "data URLs": filled("data:;base64"),
    "at signs": filled("a@"),
    "separators": filled("../"),
}


def header(text: str) -> object:
    retry.retry_after({"retry-after": "1"}, 0.0)
    plain = text.encode("ascii", "replace").decode()
    return retry.retry_after({"retry-after": plain, "date": plain}, 0.0)


def refused(text: str) -> object:
    body = json.dumps({"error": {"code": text, "description": text}}).encode()
    return judge(WRITE, Answer(400, body), hider(SECRETS, None))


def not_json(text: str) -> object:
    return judge(READ, Answer(200, text.encode()), hider(SECRETS, None))


def one_cell(text: str) -> bytes:
    return json.dumps({"data": [{"a": text}], "has_more_data": False}, ensure_ascii=False).encode()


def page(text: str) -> object:
    return pages.page_of(judge(READ, Answer(200, one_cell(text))), 1)


def frame(text: str) -> object:
    builder = FrameBuilder(parse_dates=["a"])
    builder.add(json.dumps([{"a": text}]).encode())
    return builder.take(None)


def names(text: str) -> object:
    """A column that is named so, and looked for by another name."""
    builder = FrameBuilder(columns=["b"])
    builder.add(json.dumps([{text: 1}]).encode())
    return builder.take(None)


def match(text: str) -> object:
    finder = Finder([json.dumps([{"column": "a", "value": "x"}]).encode()], first_only=False)
    return finder.add(json.dumps([{"a": text}]).encode())


def picture(text: str) -> object:
    return picture_of(text.encode(), "a thumbnail")


def login(text: str) -> object:
    return token_answer({"access_token": text, "expires_in": text, "refresh_token": text})


def seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    with contextlib.suppress(errors.ClicDataError):
        work()
    return time.thread_time() - began


def steepness(read: Callable[[Any], object], make: Callable[[int], Any], length: int = SHORT) -> float:
    """How many times as long it takes to read four times as much; the least disturbed of some looks."""
    short, long = make(length), make(4 * length)
    seconds(lambda: read(long))
    times = max(1, math.ceil(0.002 / max(1e-6, seconds(lambda: read(short)))))  # for the clock to see it

    def repeated(text: Any) -> Callable[[], object]:
        def work() -> None:
            for _ in range(times):
                with contextlib.suppress(errors.ClicDataError):
                    read(text)

        return work

    gc.disable()  # what other tests left behind is not looked through at this one's expense
    try:
        looks = [(seconds(repeated(short)), seconds(repeated(long))) for _ in range(3)]
    finally:
        gc.enable()
    return min(long for _, long in looks) / max(times * len(short) * COPIED, min(short for short, _ in looks))


def alone(read: Callable[[Any], object], make: Callable[[int], Any], length: int) -> float:
    """The same in a process of its own: in one that ran thousands of tests memory for more takes longer to find."""
    [where] = [
        f"{table}[{name!r}]" for table in ("TEXTS", "BODIES") for name, way in globals()[table].items() if way is make
    ]
    code = f"from security import test_linear as t; print(t.steepness(t.{read.__name__}, t.{where}, {length}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    return float(done.stdout)


def assert_linear(read: Callable[[Any], object], make: Callable[[int], Any], length: int = SHORT) -> None:
    found: list[float] = []
    while len(found) < 4 and min(found, default=99.0) > STEEPEST:
        found.append(steepness(read, make, length))
    if min(found) > STEEPEST:
        found.append(alone(read, make, length))
    assert min(found) <= STEEPEST, found


READERS = [header, refused, not_json, page, frame, names, match, picture, login, file_name]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("what", TEXTS)
def test_a_text_four_times_as_long_takes_about_four_times_as_long(what: str, read: Callable[[str], object]) -> None:
    assert_linear(read, TEXTS[what])


# ---------------------------------------------------------------------------------------------------------
# Whole bodies: what stands in them is many, not long


BODIES: dict[str, Callable[[int], bytes]] = {
    "a number of many digits": lambda n: b'[{"a":%b}]' % (b"9" * n),
    "a fraction of many digits": lambda n: b'[{"a":0.%b1}]' % (b"0" * n),
    "an exponent of many digits": lambda n: b'[{"a":1e%b}]' % (b"9" * n),
    "many columns": lambda n: json.dumps([{f"c{i}": i for i in range(n // 100)}]).encode(),
    "many rows": lambda n: b"[%b]" % b",".join([b'{"a":1,"b":"x"}'] * (n // 16)),
    "many rows of mixed kinds": lambda n: b"[%b]" % b",".join([b'{"a":1}', b'{"a":"x"}', b'{"a":[1]}'] * (n // 25)),
    "many empty rows": lambda n: b"[%b]" % b",".join([b"{}"] * (n // 3)),
    "rows with a key twice": lambda n: b"[%b]" % b",".join([b'{"a":1,"a":2}'] * (n // 14)),
    "deep lists": lambda n: b"[" * n + b"]" * n,
    "deep lists in a cell": lambda n: b'[{"a":%b%b}]' % (b"[" * n, b"]" * n),
}


def judged(rows: bytes) -> object:
    return pages.page_of(judge(READ, Answer(200, b'{"data":%b,"has_more_data":false}' % rows)), 1)


def framed(rows: bytes) -> object:
    builder = FrameBuilder()
    builder.add(rows)
    return builder.take(None)


def matched(rows: bytes) -> object:
    finder = Finder([b'[{"column":"a","value":1}]'], first_only=False)
    return finder.add(rows)


@pytest.mark.parametrize("read", [judged, framed, matched], ids=lambda read: read.__name__)
@pytest.mark.parametrize("what", BODIES)
def test_a_body_four_times_as_large_takes_about_four_times_as_long(what: str, read: Callable[[bytes], object]) -> None:
    assert_linear(read, BODIES[what], SHORT // 4)


def squared(text: str) -> None:
    for _ in range(0, len(text), 1000):
        text.count("x")


@pytest.mark.parametrize("look", [steepness, alone])
def test_the_harness_sees_what_is_not_linear(look: Callable[..., float]) -> None:
    assert look(squared, TEXTS["digits"], 1 << 18) > STEEPEST
