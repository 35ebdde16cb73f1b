"""`Dashboard`: lists, pictures that may be hostile, thumbnails in a notebook, and saving."""

from __future__ import annotations

import base64
import gc
import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import warnings
import weakref
import zlib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pandas_clicdata
from endpoints.literal import LiteralSession, wrapped
from pandas_clicdata.endpoints import pictures
from pandas_clicdata.endpoints.dashboard import DASHBOARDS, MOST_PIXELS, Dashboard, open_picture
from pandas_clicdata.endpoints.pictures import make_file_name, parse_picture
from pandas_clicdata.errors import ClicDataError, InputError, NotFound, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata import Session


def drawn(kind: str = "PNG", size: tuple[int, int] = (30, 20), mode: str = "RGB", **more: Any) -> bytes:
    """Return a picture with some content, always the same."""
    noise = random.Random(f"{size}").randbytes(size[0] * size[1])
    image = Image.frombytes("L", size, noise).convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


@cache
def png(width: int, height: int, *, row: int, color: int = 0, bits: int = 1) -> bytes:
    """Return a PNG of one colour: a small file, with any number of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(1 + row)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@cache
def endless_jpeg() -> bytes:
    """Return a JPEG in which a few bytes each start another pass over the whole picture."""
    data = drawn("JPEG", (1000, 1000), progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" * 100_000 + scan + data[-2:]


def large_frame_gif() -> bytes:
    """A GIF whose frame is far larger than its screen."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0x80, 0, 0) + bytes(6)
    return screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00\x3b"


@cache
def large_text_png() -> bytes:
    """A PNG with a comment that unpacks to 200 MB."""
    data = drawn()
    comment = b"a\0\0" + zlib.compress(bytes(200 << 20), 1)
    return (
        data[:33]
        + struct.pack(">I", len(comment))
        + b"zTXt"
        + comment
        + struct.pack(">I", zlib.crc32(b"zTXt" + comment))
        + data[33:]
    )


FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
HOSTILE: dict[str, Callable[[], bytes]] = {
    "144 megapixels in 18 kB": lambda: png(12_000, 12_000, row=1_500),
    "a little over the limit": lambda: png(5_001, 5_000, row=626),
    "65,000 x 65,000": lambda: png(65_000, 65_000, row=0)[:200],
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "HTML": lambda: b"<html><script>alert(1)</script></html>",
    "HTML with the first bytes of a PNG": lambda: b"\x89PNG\r\n\x1a\n<html><script>alert(1)</script></html>",
    "TIFF": lambda: drawn("TIFF"),
    "BMP": lambda: drawn("BMP"),
    "PDF": lambda: drawn("PDF"),
    "a RIFF that is no WebP": lambda: b"RIFF\x10\0\0\0WAVEfmt \0\0\0\0",
    "JPEG of endless scans": endless_jpeg,
    "GIF with a frame larger than its screen": large_frame_gif,
    "PNG with a comment of 200 MB": large_text_png,
    "one byte": lambda: b"\x89",
    "null": lambda: base64.b64decode(b"null"),
    **{f"{kind} cut in half": lambda kind=kind: drawn(kind)[: len(drawn(kind)) // 2] for kind in FORMATS},
    **{f"{kind} of 16 bytes": lambda kind=kind: drawn(kind)[:16] for kind in FORMATS},
}
NOT_BASE64: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n",
    "empty quotes": b'""',
    "a number": b"12345",
    "words": b"no thumbnail yet",
    "a page": b"<html><body>log in</body></html>",
    "a sign too many": base64.b64encode(drawn()) + b"!",
    "without its padding": base64.b64encode(drawn() + b"\0" * (1 - len(drawn()) % 3)).rstrip(b"="),
    "padding in the middle": b"iVBORw0K=" + base64.b64encode(drawn()),
    "the alphabet for URLs": base64.b64encode(drawn()).replace(b"/", b"_").replace(b"+", b"-"),
    "two pairs of quotes": b'"\\"' + base64.b64encode(drawn()) + b'\\""',
    "an open quote": b'"' + base64.b64encode(drawn()),
    "only a prefix": b"data:image/png;base64,",
    "a prefix without base64": b"data:image/png," + base64.b64encode(drawn()),
    "not in ASCII": "ｉＶＢＯＲｗ０ＫＧｇｏ".encode(),
    "NUL": b"\0" + base64.b64encode(drawn()),
    "a list": json.dumps([base64.b64encode(drawn()).decode()]).encode(),
    "an object with two texts": json.dumps({"a": "x", "b": "y"}).encode(),
}
PLAIN = base64.b64encode(drawn()).decode()
SALES = {"id": 7, "name": "Sales", "description": "d", "creation_date": "2026-01-02T03:04:05+02:00"}
SALES["last_update_date"] = SALES["creation_date"]


# ---------------------------------------------------------------------------------------------------------
# Listing


@pytest.mark.parametrize("shape", wrapped([], "dashboards"))
def test_the_list_is_read_in_every_likely_shape(shape: str) -> None:
    body = wrapped([{**SALES, "owner": "x"}], "dashboards")[shape]
    dashboards = Dashboard(session=LiteralSession(body)).get_dashboard()
    assert list(dashboards.columns) == [*DASHBOARDS, "owner"]
    assert dashboards["rec_id"].tolist() == [7]
    assert dashboards["creation_date"].iloc[0] == pd.Timestamp("2026-01-02T01:04:05Z")
    assert Dashboard(session=LiteralSession(body)).get_dashboard(output="dict") == [{**SALES, "owner": "x"}]


@pytest.mark.parametrize("thumbnail", [True, False])
def test_no_dashboards_are_a_frame_of_the_same_dtypes(thumbnail: bool) -> None:
    full, empty = (Dashboard(session=LiteralSession({"dashboards": d})).get_dashboard(thumbnail) for d in ([SALES], []))
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
    assert ("thumbnail" in empty) is thumbnail


@pytest.mark.parametrize("spelling", ["id", "rec_id", "RecId"])
def test_the_id_is_found_in_every_likely_spelling(spelling: str) -> None:
    [item] = [{spelling: 7, "name": "Sales"}]
    dashboard = Dashboard(session=LiteralSession({"dashboards": [item]}, PLAIN.encode()))
    assert dashboard.get_dashboard()["rec_id"].tolist() == [7]


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.get_dashboard(thumbnail="yes"),
        lambda d: d.get_dashboard(name=""),
        lambda d: d.get_dashboard(name=5),
        lambda d: d.get_dashboard_thumbnail(),
        lambda d: d.get_dashboard_thumbnail("Sales", rec_id=7),
        lambda d: d.get_dashboard_thumbnail(7),
        lambda d: d.get_dashboard_thumbnail(rec_id="7"),
        lambda d: d.get_dashboard_snapshot(rec_id=True),
        lambda d: d.get_dashboard_snapshot(rec_id=7, output="df"),
        lambda d: d.save_dashboard_snapshot(path="."),
        lambda d: d.save_dashboard_snapshot(rec_id=7, path=5),
        lambda d: d.save_dashboard_snapshot(rec_id=7, path=".", overwrite="yes"),
    ],
    ids=range(12),
)
def test_bad_arguments_are_refused_before_any_request(call: Callable[[Dashboard], Any]) -> None:
    session = LiteralSession({"dashboards": [SALES]})
    with pytest.raises(InputError):
        call(Dashboard(session=session))
    assert session.asked == []


# ---------------------------------------------------------------------------------------------------------
# Names


def test_a_name_is_looked_up_once() -> None:
    session = LiteralSession({"dashboards": [{"id": 6, "name": "Sales 2"}, SALES]}, PLAIN.encode())
    assert Dashboard(session=session).get_dashboard_thumbnail("Sales", output="base64") == PLAIN
    assert session.calls() == ["GET /dashboard", "GET /dashboard/7/thumbnail"]


def test_an_unknown_name_lists_the_dashboards_with_similar_names_first() -> None:
    listed = [{"id": n, "name": f"Other {n}"} for n in range(20, 40)] + [{"id": 7, "name": "Sales report"}]
    session = LiteralSession({"dashboards": listed})
    with pytest.raises(NotFound, match=r"named 'sales'; did you mean 'Sales report' \(rec_id 7\)\?"):
        Dashboard(session=session).get_dashboard_snapshot("sales")
    assert session.calls() == ["GET /dashboard"]
    with pytest.raises(NotFound, match=r"there are: 'Other 20' \(rec_id 20\), .*, and 11 more"):
        Dashboard(session=session).get_dashboard_snapshot("Takings")
    with pytest.raises(LookupError, match="there are: none"):
        Dashboard(session=LiteralSession({"dashboards": []})).get_dashboard_snapshot("Sales")


def test_a_name_of_several_dashboards_lists_their_ids() -> None:
    session = LiteralSession({"dashboards": [SALES, {**SALES, "id": 9}]})
    with pytest.raises(InputError, match=r"2 dashboards .* give rec_id as a number, one of 7, 9"):
        Dashboard(session=session).get_dashboard_snapshot("Sales")


def test_a_dashboard_without_an_id_is_refused() -> None:
    with pytest.raises(ProtocolError, match="without an id"):
        Dashboard(session=LiteralSession({"dashboards": [{"name": "Sales"}]})).get_dashboard_snapshot("Sales")


# ---------------------------------------------------------------------------------------------------------
# Pictures

SPELLINGS: dict[str, bytes] = {
    "plain": PLAIN.encode(),
    "with blanks around": b" \r\n" + PLAIN.encode() + b"\n ",
    "in lines": b"\r\n".join(PLAIN[i : i + 76].encode() for i in range(0, len(PLAIN), 76)),
    "in quotes": json.dumps(PLAIN).encode(),
    "in quotes, with escaped slashes": json.dumps(PLAIN).replace("/", "\\/").encode(),
    "in quotes, in lines": json.dumps("\n".join([PLAIN[:40], PLAIN[40:]])).encode(),
    "with a prefix": f"data:image/png;base64,{PLAIN}".encode(),
    "with a prefix that says more": f"DATA:image/png;charset=utf-8;BASE64,\n{PLAIN}".encode(),
    "with a prefix in quotes": json.dumps(f" data:image/png;base64, {PLAIN}").encode(),
    "in an envelope": json.dumps({"success": True, "result": PLAIN}).encode(),
    "in an envelope with a prefix": json.dumps({"success": True, "result": f"data:;base64,{PLAIN}"}).encode(),
    "under its name": json.dumps({"id": 7, "thumbnail": PLAIN, "type": "png"}).encode(),
    "under its name in an envelope": json.dumps({"success": True, "result": {"thumbnail": PLAIN}}).encode(),
    "under another name": json.dumps({"id": 7, "image": PLAIN}).encode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_picture_is_read_in_every_likely_spelling(spelling: str) -> None:
    dashboard = Dashboard(session=LiteralSession(SPELLINGS[spelling]))
    assert dashboard.get_dashboard_thumbnail(rec_id=7, output="base64") == PLAIN
    image = dashboard.get_dashboard_thumbnail(rec_id=7)
    assert isinstance(image, Image.Image)
    assert image.tobytes() == Image.open(io.BytesIO(drawn())).tobytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_format_is_found_by_the_first_bytes(kind: str) -> None:
    data = drawn(kind)
    dashboard = Dashboard(session=LiteralSession(b"data:text/html;base64," + base64.b64encode(data)))
    image = dashboard.get_dashboard_snapshot(rec_id=7, output="image")
    assert (image.format, image.size) == (kind, (30, 20))
    assert base64.b64decode(dashboard.get_dashboard_snapshot(rec_id=7, output="base64")) == data


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_pixel_format_is_decoded(mode: str) -> None:
    text = base64.b64encode(drawn("PNG", mode=mode))
    assert Dashboard(session=LiteralSession(text)).get_dashboard_snapshot(rec_id=7, output="image").mode == mode


@pytest.mark.fault(57)
@pytest.mark.parametrize("output", ["base64", "image"])
@pytest.mark.parametrize("what", NOT_BASE64)
def test_text_that_is_not_base64_is_refused(what: str, output: Any) -> None:
    with pytest.raises(ProtocolError, match="not base64"):
        Dashboard(session=LiteralSession(NOT_BASE64[what])).get_dashboard_thumbnail(rec_id=7, output=output)


@pytest.mark.fault(58, 59)
@pytest.mark.parametrize("output", ["base64", "image"])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_picture_is_refused(what: str, output: Any) -> None:
    text = base64.b64encode(HOSTILE[what]())
    with pytest.raises(ProtocolError, match=r"snapshot of dashboard 7: (not an image|the \w+ is (too large|broken))"):
        Dashboard(session=LiteralSession(text)).get_dashboard_snapshot(rec_id=7, output=output)


@pytest.mark.fault(59)
def test_a_picture_at_the_limit_is_fine_and_one_pixel_more_is_not() -> None:
    assert MOST_PIXELS == 5_000 * 5_000
    at_limit = parse_picture(base64.b64encode(png(5_000, 5_000, row=625)), "x")
    assert open_picture(at_limit, "x").size == (5_000, 5_000)


def test_a_text_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LONGEST_TEXT", len(PLAIN) - 1)
    with pytest.raises(ProtocolError, match="too many"):
        Dashboard(session=LiteralSession(PLAIN.encode())).get_dashboard_thumbnail(rec_id=7)


def test_warning_filters_of_the_user_are_unchanged() -> None:
    before = list(warnings.filters)
    Dashboard(session=LiteralSession(PLAIN.encode())).get_dashboard_thumbnail(rec_id=7)
    assert list(warnings.filters) == before


MEASURE = """
import base64, sys
from PIL import Image
Image.init()
from pandas_clicdata.endpoints.dashboard import open_picture
from pandas_clicdata.endpoints.pictures import parse_picture
from pandas_clicdata.errors import ProtocolError

def memory(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) / 1024

for line in sys.stdin.buffer:
    open("/proc/self/clear_refs", "w").write("5")
    before, refused = memory("VmRSS"), False
    try:
        open_picture(parse_picture(line, "x"), "x")
    except ProtocolError:
        refused = True
    print(memory("VmHWM") - before, refused)
"""
COSTLY = (
    "144 megapixels in 18 kB",
    "JPEG of endless scans",
    "GIF with a frame larger than its screen",
    "PNG with a comment of 200 MB",
)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory as Linux reports it")
def test_a_hostile_picture_takes_less_than_100_mb() -> None:
    cut = png(5_000, 5_000, row=20_000, color=6, bits=8)[:-1_000]
    lines = b"\n".join(base64.b64encode(data) for data in [*(HOSTILE[what]() for what in COSTLY), cut])
    environment = {**os.environ, "PYTHONPATH": str(Path(pandas_clicdata.__path__[0]).parent)}
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(command, input=lines, capture_output=True, check=True, env=environment)
    costs = [line.split() for line in done.stdout.splitlines()]
    assert len(costs) == len(COSTLY) + 1
    for mebibytes, refused in costs:
        assert refused == b"True"
        assert float(mebibytes) * 2**20 < 100e6


@given(st.binary(max_size=400), st.sampled_from(FORMATS), st.integers(0, 3_000))
def test_any_bytes_are_a_picture_or_an_error_of_the_package(noise: bytes, kind: str, where: int) -> None:
    data = bytearray(SAMPLES[kind])
    data[where % len(data) : where % len(data) + len(noise)] = noise
    session = LiteralSession(base64.b64encode(bytes(data)))
    try:
        image = Dashboard(session=session).get_dashboard_snapshot(rec_id=7, output="image")
    except ClicDataError:
        return
    assert image.width * image.height <= MOST_PIXELS


SAMPLES = {kind: drawn(kind) for kind in FORMATS}


# ---------------------------------------------------------------------------------------------------------
# Thumbnails in a frame


class Tags(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def images(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == "img"]


def thumbnails(*texts: Any) -> pd.DataFrame:
    items = [{"id": n, "name": f"D{n}", "thumbnail": text} for n, text in enumerate(texts, start=1)]
    return Dashboard(session=LiteralSession({"dashboards": items})).get_dashboard(thumbnail=True)


def test_thumbnails_come_as_pictures_with_a_short_repr() -> None:
    frame = thumbnails(f"data:image/png;base64,{PLAIN}", PLAIN, None, "")
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == [*DASHBOARDS, "thumbnail"]
    picture = frame["thumbnail"].iloc[0]
    assert picture == drawn()
    assert (picture.format, picture.to_base64()) == ("PNG", PLAIN)
    assert frame["thumbnail"].isna().tolist() == [False, False, True, True]
    assert PLAIN[:20] not in f"{frame.to_string()} {picture!r} {picture}"
    assert len(repr(picture)) < 50
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(frame)), frame)
    pd.testing.assert_frame_equal(frame.copy(), frame)


def test_a_notebook_shows_thumbnails_as_pictures() -> None:
    jpeg = base64.b64encode(drawn("JPEG")).decode()
    tags = Tags(shown(thumbnails(PLAIN, jpeg, None)))
    assert [image["src"] for image in tags.images()] == [
        f"data:image/png;base64,{PLAIN}",
        f"data:image/jpeg;base64,{jpeg}",
    ]
    assert "D1" in tags.text
    assert PLAIN[:20] not in tags.text


def shown(frame: Any) -> str:
    html = frame._repr_html_()
    assert isinstance(html, str)
    return html


def test_ipython_uses_the_html_repr() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    assert "<img" in formatters.HTMLFormatter()(thumbnails(PLAIN))


DERIVED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "head": lambda frame: frame.head(2),
    "columns": lambda frame: frame[["thumbnail", "name"]],
    "sort_values": lambda frame: frame.sort_values("name", ascending=False),
    "copy": lambda frame: frame.copy(),
    "merge": lambda frame: frame.merge(pd.DataFrame({"rec_id": [1, 2], "owner": ["a", "b"]}), on="rec_id"),
    "query": lambda frame: frame.query("rec_id > 0").reset_index(drop=True),
    "rename": lambda frame: frame.rename(columns={"thumbnail": "looks like"}),
    "concat": lambda frame: pd.concat([frame.head(1), frame.tail(1)]),
    "pickle": lambda frame: pickle.loads(pickle.dumps(frame)),
}


@pytest.mark.parametrize("how", DERIVED)
def test_a_derived_frame_shows_its_pictures(how: str) -> None:
    assert len(Tags(shown(DERIVED[how](thumbnails(PLAIN, PLAIN)))).images()) == 2


def test_a_frame_without_the_thumbnails_is_shown_as_any_frame() -> None:
    assert "<img" not in shown(thumbnails(PLAIN).drop(columns="thumbnail"))


def test_a_notebook_shows_a_cell_and_a_snapshot_as_pictures() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    formatter = formatters.DisplayFormatter()
    for one in (thumbnails(PLAIN)["thumbnail"].iloc[0], Dashboard(session=LiteralSession(PLAIN.encode()))):
        picture = one.get_dashboard_snapshot(rec_id=7) if isinstance(one, Dashboard) else one
        data, _ = formatter.format(picture)
        assert "image/png" in data
        assert len(data["text/plain"]) < 100


def test_a_frame_that_was_changed_is_shown_with_its_changes() -> None:
    frame = thumbnails(PLAIN, PLAIN)
    frame.loc[0, "thumbnail"] = "other"
    frame.loc[1, "name"] = "renamed"
    assert len(Tags(shown(frame)).images()) == 1
    assert "renamed" in shown(frame)
    del frame["thumbnail"]
    assert "<img" not in shown(frame)


def test_no_text_of_the_service_becomes_an_element_of_the_page() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'</td>&"
    item = {"id": 1, "name": evil, "description": evil, evil: evil, "thumbnail": PLAIN}
    frame = Dashboard(session=LiteralSession({"dashboards": [item]})).get_dashboard(thumbnail=True)
    frame.loc[1] = [2, "x", "x", pd.NaT, pd.NaT, f'{PLAIN}" onerror="alert(1)', "x"]
    tags = Tags(shown(frame))
    assert [image["src"] for image in tags.images()] == [f"data:image/png;base64,{PLAIN}"]
    assert {name for _, attributes in tags.found for name in attributes} <= {
        "border",
        "class",
        "style",
        "scoped",
        "src",
        "alt",
    }
    assert "script" not in [tag for tag, _ in tags.found]


def test_the_display_options_of_pandas_apply() -> None:
    frame = thumbnails(*[PLAIN] * 30)
    with pd.option_context("display.max_rows", 6, "display.min_rows", 4):
        assert len(Tags(shown(frame)).images()) == 4
    with pd.option_context("display.notebook_repr_html", False):
        assert frame._repr_html_() is None  # type: ignore[operator]  # pandas' types know no such method


def test_showing_a_frame_does_not_keep_it_alive() -> None:
    frame = thumbnails(PLAIN)
    gc.collect()
    gc.disable()
    try:
        kept = weakref.ref(frame)
        del frame
        assert kept() is None
    finally:
        gc.enable()


@pytest.mark.fault(57)
@pytest.mark.parametrize("what", [*HOSTILE, *(name for name in NOT_BASE64 if NOT_BASE64[name])])
def test_a_bad_thumbnail_is_an_empty_cell_with_a_warning(what: str) -> None:
    raw = base64.b64encode(HOSTILE[what]()) if what in HOSTILE else NOT_BASE64[what]
    with pytest.warns(UserWarning, match="left out: the thumbnail of dashboard 2") as caught:
        frame = thumbnails(PLAIN, raw.decode("utf-8"), PLAIN)
    assert frame["thumbnail"].isna().tolist() == [False, True, False]
    assert [record.filename for record in caught] == [__file__]
    assert len(Tags(shown(frame)).images()) == 2


def test_thumbnails_that_are_no_text_cause_one_warning() -> None:
    with pytest.warns(UserWarning, match=r"dashboard 1: not text; .*dashboard 5: not text; and 2 more$") as caught:
        assert thumbnails(5, [PLAIN], {"a": 1}, True, 1.5, 0, False)["thumbnail"].isna().all()
    assert len(caught) == 1


# ---------------------------------------------------------------------------------------------------------
# Saving

NAMES = {
    "Sales": "Sales.png",
    "Sales 2026 (Q1), v1.2": "Sales 2026 (Q1), v1.2.png",
    "Umsätze – März 売上": "Umsätze _ März 売上.png",
    "../../x": None,
    "/etc/x": None,
    "C:\\x": None,
    "\\\\server\\share": None,
    "CON": "_CON.png",
    "con.txt": "_con.txt.png",
    "LPT1": "_LPT1.png",
    "Console": "Console.png",
    "a\0b": "a_b.png",
    "x" * 300: "x" * 100 + ".png",
    "😀" * 300: None,
    "売" * 300: None,
    ".": "dashboard.png",
    "..": "dashboard.png",
    "": "dashboard.png",
    "   ": "dashboard.png",
    ".hidden": "hidden.png",
    "ends with dots...": "ends with dots.png",
    "\u200fname": "_name.png",
    "a\u202egnp.exe": "a_gnp.exe.png",
    "a/b": "a_b.png",
    "a\nb": "a_b.png",
    "~root": "_root.png",
    "-rf": "-rf.png",
    "*?<>|\"'`$;": "dashboard.png",
}


def saving(name: str, path: Path, *, data: bytes | None = None, overwrite: bool = False) -> Path:
    """Save the picture of a dashboard that has this name at the service."""
    body = base64.b64encode(drawn() if data is None else data)
    picture = parse_picture(body, "x")
    return pictures.save(picture, pictures.check_target(path, overwrite), name, overwrite=overwrite)


@pytest.mark.parametrize("name", NAMES)
def test_no_dashboard_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    saved = saving(name, folder)
    assert saved.resolve().parent == folder.resolve()
    assert [entry.name for entry in tmp_path.rglob("*")] == ["pictures", saved.name]
    assert saved.read_bytes() == drawn()
    assert NAMES[name] in (None, saved.name)
    assert len(saved.name.encode()) <= 255


@given(st.text(max_size=400))
def test_a_file_name_has_no_special_meaning_on_any_system(name: str) -> None:
    made = make_file_name(name)
    assert 0 < len(made) <= 101
    assert len(made.encode()) <= 201
    assert not set(made) & set('/\\:*?"<>|\0~')
    assert made.isprintable()
    assert made == made.strip(" .")


def test_a_dashboard_is_saved_by_name_or_by_id(tmp_path: Path) -> None:
    session = LiteralSession({"dashboards": [SALES]}, PLAIN.encode())
    assert Dashboard(session=session).save_dashboard_snapshot("Sales", path=tmp_path).name == "Sales.png"
    assert Dashboard(session=session).save_dashboard_snapshot(rec_id=7, path=str(tmp_path)).name == "dashboard 7.png"
    assert Dashboard(session=session).save_dashboard_thumbnail(rec_id=7, path=tmp_path / "t.png") == tmp_path / "t.png"
    assert session.calls()[1:] == ["GET /dashboard/7/snapshot"] * 2 + ["GET /dashboard/7/thumbnail"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["Sales.png", "dashboard 7.png", "t.png"]


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("GIF", ".gif"), ("WEBP", ".webp")])
def test_a_file_gets_the_suffix_of_its_format(kind: str, suffix: str, tmp_path: Path) -> None:
    data = drawn(kind)
    assert saving("x", tmp_path / "monday", data=data) == tmp_path / f"monday{suffix}"
    assert saving("x", tmp_path / f"tuesday{suffix.upper()}", data=data).exists()
    with pytest.raises(InputError, match=rf"is a {kind}: let the name end with \{suffix}, not .pdf"):
        saving("x", tmp_path / "monday.pdf", data=data)
    assert not (tmp_path / "monday.pdf").exists()


def test_jpeg_has_two_suffixes(tmp_path: Path) -> None:
    assert saving("x", tmp_path / "a.jpeg", data=drawn("JPEG")) == tmp_path / "a.jpeg"


def test_an_existing_file_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    there = tmp_path / "Sales.png"
    there.write_bytes(b"mine")
    for path in (there, tmp_path, tmp_path / "Sales"):
        with pytest.raises(FileExistsError, match="overwrite=True"):
            saving("Sales", path)
    assert there.read_bytes() == b"mine"
    assert saving("Sales", tmp_path, overwrite=True) == there
    assert there.read_bytes() == drawn()
    assert list(tmp_path.iterdir()) == [there]


def test_an_existing_file_is_refused_before_any_request(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"mine")
    session = LiteralSession(PLAIN.encode())
    for path, error in (
        (tmp_path / "a.png", FileExistsError),
        (tmp_path / "no" / "a.png", FileNotFoundError),
        (f"{tmp_path}/no/", FileNotFoundError),
    ):
        with pytest.raises(error):
            Dashboard(session=session).save_dashboard_snapshot(rec_id=7, path=path)
    assert session.asked == []


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("broken", [False, True])
def test_a_link_at_the_target_is_not_followed(tmp_path: Path, overwrite: bool, broken: bool) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "pictures"
    folder.mkdir()
    if not broken:
        elsewhere.write_bytes(b"theirs")
    (folder / "Sales.png").symlink_to(elsewhere)
    if overwrite:
        saved = saving("Sales", folder, overwrite=True)
        assert not saved.is_symlink()
        assert saved.read_bytes() == drawn()
    else:
        with pytest.raises(FileExistsError):
            saving("Sales", folder)
        assert (folder / "Sales.png").is_symlink()
    assert elsewhere.exists() is not broken
    assert broken or elsewhere.read_bytes() == b"theirs"
    assert len(list(folder.iterdir())) == 1


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    session = LiteralSession(PLAIN.encode())
    session.before = lambda _: (tmp_path / "a.png").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        Dashboard(session=session).save_dashboard_snapshot(rec_id=7, path=tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"theirs"


def test_an_existing_file_is_kept_on_file_systems_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError("no such links here")

    monkeypatch.setattr(os, "link", no_links)
    assert saving("Sales", tmp_path) == tmp_path / "Sales.png"
    with pytest.raises(FileExistsError):
        saving("Sales", tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["Sales.png"]


@pytest.mark.fault(53)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_draft(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "Sales.png"
    there.write_bytes(b"mine")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        saving("Sales", tmp_path, overwrite=True)
    assert there.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [there]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    assert saving("Sales", tmp_path).stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_hostile_picture_is_not_saved(tmp_path: Path) -> None:
    session = LiteralSession(base64.b64encode(HOSTILE["SVG"]()))
    with pytest.raises(ProtocolError):
        Dashboard(session=session).save_dashboard_snapshot(rec_id=7, path=tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------


def test_on_the_sandbox(session: Session, tmp_path: Path) -> None:
    frame = Dashboard().get_dashboard(thumbnail=True)
    assert len(Tags(shown(frame)).images()) == len(frame) > 1
    name = frame["name"].iloc[0]
    small = Dashboard().get_dashboard_thumbnail(name, output="image")
    large = Dashboard().get_dashboard_snapshot(name, output="image")
    assert small.width < large.width
    assert len(small.convert("RGB").getcolors(1 << 16) or ()) > 3
    saved = Dashboard().save_dashboard_snapshot(name, path=tmp_path)
    assert saved.name == f"{name}.png"
    with Image.open(saved) as image:
        assert image.size == large.size
    with pytest.raises(NotFound, match=name):
        Dashboard().get_dashboard_snapshot(f"{name}?")
    with pytest.raises(NotFound):
        Dashboard().get_dashboard_snapshot(rec_id=987_654)
    assert Dashboard().get_dashboard(name=name)["name"].tolist() == [name]
