"""The time to read input from outside grows linearly with its length (S39).

The texts are so long that quadratic time would be hours: then the timeout ends the test.
``CLICDATA_LETTERS`` is the length: 400,000 if it isn't set, four million for ``--long``.
"""

from __future__ import annotations

import contextlib
import json
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pandas_clicdata import errors
from pandas_clicdata.endpoints.pictures import make_file_name, parse_picture
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.match import match as match_rows
from pandas_clicdata.frames.rows import Rows
from pandas_clicdata.session import pages, retry
from pandas_clicdata.session.credentials import credentials_of, hide, token_of
from pandas_clicdata.session.wire import Answer, Request, get, judge

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(10)  # far more than any reader needs

LENGTH = int(os.environ.get("CLICDATA_LETTERS", "400000"))
READ = get("read rows", "/data/5", key="data")
WRITE = Request("append rows", "POST", "/data/5/row", body=b"{}")
SECRETS = credentials_of(None, {"client_id": "i", "client_secret": "aaaaaab"})


def filled(pattern: str) -> Callable[[int], str]:
    """Return a function that makes a text of this pattern of a given length."""
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
    return judge(WRITE, Answer(400, body), partial(hide, SECRETS, None))


def not_json(text: str) -> object:
    return judge(READ, Answer(200, text.encode()), partial(hide, SECRETS, None))


def one_cell(text: str) -> bytes:
    return json.dumps({"data": [{"a": text}], "has_more_data": False}, ensure_ascii=False).encode()


def page(text: str) -> object:
    return pages.page_of(judge(READ, Answer(200, one_cell(text))), 1)


def frame(text: str) -> object:
    builder = FrameBuilder(parse_dates=["a"])
    builder.add(json.dumps([{"a": text}]).encode())
    return builder.take(None)


def names(text: str) -> object:
    """Read a column with this name, and request another."""
    builder = FrameBuilder(columns=["b"])
    builder.add(json.dumps([{text: 1}]).encode())
    return builder.take(None)


def match(text: str) -> object:
    return matched(json.dumps([{"a": text}]).encode())


def picture(text: str) -> object:
    return parse_picture(text.encode(), "a thumbnail")


def login(text: str) -> object:
    return token_of({"access_token": text, "expires_in": text, "refresh_token": text}, 0.0)


READERS = [header, refused, not_json, page, frame, names, match, picture, login, make_file_name]


@pytest.mark.wide(3)
@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("what", TEXTS)
def test_a_long_text_is_read(what: str, read: Callable[[str], object]) -> None:
    with contextlib.suppress(errors.ClicDataError):
        read(TEXTS[what](LENGTH))


# ---------------------------------------------------------------------------------------------------------
# Bodies of many values


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
    key, there = Rows(), Rows()
    key.add(b'[{"a":"x"}]')
    there.add(rows)
    return match_rows(key, there, ["a"], wide=True)


@pytest.mark.parametrize("read", [judged, framed, matched], ids=lambda read: read.__name__)
@pytest.mark.parametrize("what", BODIES)
def test_a_long_body_is_read(what: str, read: Callable[[bytes], object]) -> None:
    with contextlib.suppress(errors.ClicDataError):
        read(BODIES[what](LENGTH // 4))
