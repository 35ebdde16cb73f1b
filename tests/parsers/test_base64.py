"""Base64 in responses, value by value: the picture, or the reason why it is no picture."""

from __future__ import annotations

import base64
import json

import pytest

from pandas_clicdata.endpoints import pictures
from pandas_clicdata.endpoints.pictures import find_format, parse_picture
from pandas_clicdata.errors import ProtocolError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200, 256)) + b"??>"
TEXT = base64.b64encode(PNG).decode()
assert {"+", "/"} <= set(TEXT)
BEGINNINGS = {
    "PNG": [b"\x89PNG\r\n\x1a\n"],
    "JPEG": [b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xdb", b"\xff\xd8\xff"],
    "GIF": [b"GIF87a", b"GIF89a"],
    "WEBP": [b"RIFF\0\0\0\0WEBP", b"RIFF\xff\xff\xff\xffWEBPVP8 "],
}
NO_PICTURES = [
    *[b"\x89PNG\r\n\x1a", b"\x89PNG\n\x1a\n", b"PNG\r\n\x1a\n", b"\x89png\r\n\x1a\n", b"\xff\xd8", b"\xff\xd8\xfe"],
    *[b"GIF88a", b"gif89a", b"GIF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0", b"RIFFWEBP", b"WEBP", b"BM\0\0", b"II*\0"],
    *[b"MM\0*", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"%PDF-1.7", b"SIMPLE  =", b"PK\x03\x04"],
    *[b"\x1f\x8b\x08", b"\0", b"x", b" \x89PNG\r\n\x1a\n", b"\xef\xbb\xbfGIF89a"],
]

GOOD: dict[str, str | bytes] = {
    "plain": TEXT,
    "bytes": TEXT.encode(),
    "blanks around": f" \t\r\n{TEXT}\v\f ",
    "in lines of 76": "\r\n".join(TEXT[at : at + 76] for at in range(0, len(TEXT), 76)),
    "a blank after each sign": " ".join(TEXT),
    "tabs within": TEXT[:5] + "\t\t" + TEXT[5:],
    "in quotes": f'"{TEXT}"',
    "in quotes with blanks": f' "{TEXT}" ',
    "in quotes with blanks within": f'" {TEXT} "',
    "with escaped slashes": json.dumps(TEXT).replace("/", "\\/"),
    "with an escaped line break": f'"{TEXT[:8]}\\n{TEXT[8:]}"',
    "with escapes for letters": '"' + "".join(f"\\u{ord(c):04x}" for c in TEXT) + '"',
    "with a prefix": f"data:image/png;base64,{TEXT}",
    "with a prefix of another kind": f"data:text/html;base64,{TEXT}",
    "with a bare prefix": f"data:;base64,{TEXT}",
    "with a prefix in capitals": f"DATA:IMAGE/PNG;BASE64,{TEXT}",
    "with a prefix that says more": f"data:image/png;name=a.png;charset=utf-8;base64,{TEXT}",
    "with a prefix and a blank": f"data:image/png;base64, {TEXT}",
    "with a prefix in quotes": f'"data:image/png;base64,{TEXT}"',
    "under its name": json.dumps({"thumbnail": TEXT}),
    "under its name, with others": json.dumps({"id": 7, "thumbnail": TEXT, "type": "image/png"}),
    "under its name, in blanks": f" {json.dumps({'thumbnail': f' {TEXT} '})} ",
    "under its name, with a prefix": json.dumps({"thumbnail": f"data:image/png;base64,{TEXT}"}),
    "under another name, alone": json.dumps({"image": TEXT}),
    "under another name, with a number": json.dumps({"id": 7, "picture": TEXT, "width": 30}),
}

NOT_BASE64: dict[str, str | bytes] = {
    "nothing": "",
    "blanks": " \r\n\t",
    "empty quotes": '""',
    "blanks in quotes": '" "',
    "one sign": "i",
    "a number": "12345",
    "words": "no thumbnail yet",
    "a page": "<html><body>log in</body></html>",
    "a sign that is none": TEXT + "!",
    "a sign that is none within": TEXT[:8] + "*" + TEXT[8:],
    "the alphabet of URLs": TEXT.replace("+", "-").replace("/", "_"),
    "without its last sign": TEXT[:-1],
    "without padding": base64.b64encode(PNG + b"x").decode().rstrip("="),
    "padding alone": "====",
    "padding first": "=" + TEXT,
    "padding within": TEXT[:6] + "==" + TEXT[6:],
    "padding twice": base64.b64encode(PNG + b"x").decode() + "==",
    "NUL": "\0" + TEXT,
    "NUL within": TEXT[:4] + "\0" + TEXT[4:],
    "not in ASCII": "ｉＶＢＯＲｗ０ＫＧｇｏ",
    "a blank that is not in ASCII": TEXT[:4] + "\u00a0" + TEXT[4:],
    "a byte order mark": "\ufeff" + TEXT,
    "bytes that are no text": b"\xff\xfe" + TEXT.encode(),
    "an open quote": '"' + TEXT,
    "a quote at the end": TEXT + '"',
    "single quotes": f"'{TEXT}'",
    "quotes in quotes": json.dumps(f'"{TEXT}"'),
    "an open object": '{"thumbnail": "' + TEXT,
    "an object with two texts": json.dumps({"a": TEXT, "b": TEXT}),
    "an object without text": json.dumps({"id": 7}),
    "an empty object": "{}",
    "an object with null": json.dumps({"thumbnail": None, "a": TEXT}),
    "an object with a list": json.dumps({"thumbnail": [TEXT], "a": "x", "b": "y"}),
    "an object in an object": json.dumps({"thumbnail": {"data": TEXT}}),
    "a list": json.dumps([TEXT]),
    "half a character": '"\\ud800"',
    "only a prefix": "data:image/png;base64,",
    "a prefix without base64": f"data:image/png,{TEXT}",
    "two prefixes": f"data:;base64,data:;base64,{TEXT}",
    "a prefix that is too long": f"data:{'x' * 300};base64,{TEXT}",
    "an address": "https://api.clicdata.com/thumbnail/7.png",
    "percent signs": TEXT.replace("+", "%2B").replace("/", "%2F"),
}


def test_there_are_enough_of_them() -> None:
    assert len(GOOD) + len(NOT_BASE64) >= 60
    assert len(NO_PICTURES) >= 25


def raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


@pytest.mark.fault(57)
@pytest.mark.parametrize("spelling", GOOD)
def test_the_picture_is_found_in_every_likely_spelling(spelling: str) -> None:
    found = parse_picture(raw(GOOD[spelling]), "thumbnail of dashboard 7")
    assert (found.format, found) == ("PNG", PNG)
    assert found.to_base64() == TEXT


@pytest.mark.fault(57)
@pytest.mark.parametrize("what", NOT_BASE64)
def test_text_that_is_not_base64_is_refused(what: str) -> None:
    with pytest.raises(ProtocolError, match=r"^thumbnail of dashboard 7: ClicData's response is not base64$") as caught:
        parse_picture(raw(NOT_BASE64[what]), "thumbnail of dashboard 7")
    assert caught.value.operation == "thumbnail of dashboard 7"


@pytest.mark.fault(58)
@pytest.mark.parametrize("data", NO_PICTURES, ids=repr)
def test_base64_of_something_else_is_no_picture(data: bytes) -> None:
    assert find_format(data) is None
    with pytest.raises(ProtocolError, match="not an image"):
        parse_picture(base64.b64encode(data), "snapshot")


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind in BEGINNINGS for data in BEGINNINGS[kind]])
def test_the_first_bytes_decide_the_format(kind: str, data: bytes) -> None:
    assert find_format(data) == kind
    found = parse_picture(base64.b64encode(data + b"rest"), "snapshot")
    assert (found.format, found) == (kind, data + b"rest")


def test_another_file_name_can_be_given() -> None:
    body = json.dumps({"thumbnail": "x", "snapshot": TEXT}).encode()
    assert parse_picture(body, "snapshot", "snapshot") == PNG


def test_a_text_that_is_too_long_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LONGEST_TEXT", len(TEXT))
    assert parse_picture(TEXT.encode(), "snapshot") == PNG
    with pytest.raises(ProtocolError, match="characters are too many for a picture"):
        parse_picture(TEXT.encode() + b" ", "snapshot")
