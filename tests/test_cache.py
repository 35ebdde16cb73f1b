"""cache=True: a version is requested once, and later read from a file of the user, whole or not at all."""

from __future__ import annotations

import os
import resource
import stat
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import pandas_clicdata
from pandas_clicdata import errors
from pandas_clicdata.frames.cache import CachedPage, CachedVersion
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pandas_clicdata.sandbox import Sandbox

VERSION = 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pandas_clicdata"


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def service(request: pytest.FixtureRequest, folder: Path) -> Iterator[Sandbox]:
    """A data set "Numbers" of 35 rows on pages of ten, with one version."""
    with start(page_size=10, max_page_size=10) as sandbox, sandbox.session(api_version=request.param) as session:
        manager.make_default(session)
        rec_id = sandbox.create("Numbers", {"n": "number", "t": "text"})
        sandbox.append(rec_id, [{"n": n + 2**53, "t": None if n % 5 == 2 else f"0{n}"} for n in range(35)])
        yield sandbox


def read(**options: Any) -> pd.DataFrame:
    return pandas_clicdata.read_clicdata(1004, ver_id=options.pop("ver_id", VERSION), cache=True, **options)


def asked(sandbox: Sandbox) -> list[str]:
    found = [seen.path for seen in sandbox.requests if "token" not in seen.path]
    sandbox.requests.clear()
    return found


def test_the_second_read_asks_nothing_and_gives_the_same(service: Sandbox, folder: Path) -> None:
    plain = pandas_clicdata.read_clicdata(1004, ver_id=VERSION)
    asked(service)
    pd.testing.assert_frame_equal(read(), plain)
    assert len(asked(service)) >= 4
    pd.testing.assert_frame_equal(read(), plain)
    assert read().attrs == plain.attrs
    pd.testing.assert_frame_equal(read(dtype={"n": "text"}, workers=3), plain.assign(n=plain["n"].astype("str")))
    assert read(filters=[("n", "==", 2**53 + 1)], columns=["t"])["t"].tolist() == ["01"]
    assert read(nrows=12, skiprows=5)["n"].tolist() == plain["n"].tolist()[5:17]
    chunks = pandas_clicdata.read_clicdata(1004, ver_id=VERSION, cache=True, chunksize=8)
    assert [len(chunk) for chunk in chunks] == [8, 8, 8, 8, 3]
    table = pandas_clicdata.read_arrow(1004, ver_id=VERSION, cache=True)
    assert table["n"].to_pylist() == plain["n"].tolist()
    assert asked(service) == []


def test_a_file_that_is_removed_while_it_is_read_is_still_whole(service: Sandbox, folder: Path) -> None:
    read()
    asked(service)
    [file] = folder.iterdir()
    kept = CachedVersion(manager.current().account, 1004, VERSION).pages()
    assert kept is not None
    file.unlink()
    assert [page.length for page in kept] == [10, 10, 10, 5]
    assert read()["n"].tolist() == [n + 2**53 for n in range(35)]
    assert len(asked(service)) >= 4


def test_only_the_user_can_read_the_file_and_its_name_holds_no_secret(service: Sandbox, folder: Path) -> None:
    read()
    [file] = folder.iterdir()
    account = manager.current().account
    assert file.name == f"{account}-1004-{VERSION}.parquet"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    known = service.credentials
    for secret in (known.client_id, known.client_secret, known.username, known.password, known.api_key):
        assert secret not in file.name
        assert secret.encode() not in file.read_bytes()


def test_the_latest_version_is_asked_for_first(service: Sandbox, folder: Path) -> None:
    read(ver_id="latest")
    asked(service)
    assert len(read(ver_id="latest")) == 35
    assert {*asked(service)} == {"/data/1004/versions"}
    service.append(1004, [{"n": 1, "t": "new"}])
    assert len(read(ver_id="latest")) == 36
    assert len(read()) == 35
    assert len([*folder.iterdir()]) == 2


def test_another_account_has_its_own_file(service: Sandbox, folder: Path) -> None:
    read()
    known = service.credentials
    with pandas_clicdata.Session(api_key=known.api_key, url=service.url) as other:
        asked(service)
        read(session=other)
        assert asked(service)
    assert len([*folder.iterdir()]) == 2


def test_a_live_read_is_refused_with_the_reason(service: Sandbox) -> None:
    asked(service)
    with pytest.raises(errors.InputError, match=r"cache=True needs ver_id=: .* the current rows can"):
        pandas_clicdata.read_clicdata(1004, cache=True)
    with pytest.raises(errors.InputError, match="cache must be True, False or None"):
        pandas_clicdata.read_arrow(1004, ver_id=VERSION, cache="yes")  # type: ignore[call-overload]
    assert asked(service) == []


def broken(kind: str, file: Path) -> None:
    whole = file.read_bytes()
    if kind == "of all":
        file.chmod(0o666)
    elif kind == "of another user":
        os.chown(file, os.getuid() + 1, -1)
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif kind == "other bytes":
        at = whole.index(b"(\xb5/\xfd") + 20  # in the first page, behind the mark of zstd
        file.write_bytes(whole[:at] + bytes(byte ^ 255 for byte in whole[at : at + 8]) + whole[at + 8 :])
    elif kind == "no parquet":
        file.write_text("rows")
    elif kind == "another table":
        pq.write_table(pq.read_table(file).select(["length"]), file)
    elif kind == "too few pages":
        table = pq.read_table(file)
        pq.write_table(table.slice(0, 2), file)
    elif kind == "of another version":
        file.with_name(file.name.replace("-1004-", "-1001-")).write_bytes(whole)
    elif kind == "a folder":
        file.unlink()
        file.mkdir()


@pytest.mark.parametrize(
    "kind", ["of all", "of another user", "empty", "cut", "other bytes", "no parquet", "another table", "too few pages"]
)
def test_a_file_that_can_not_be_used_is_ignored_and_replaced(
    kind: str, service: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "of another user" and os.getuid() != 0:
        pytest.skip("only root gives a file away")
    whole = read()
    [file] = folder.iterdir()
    broken(kind, file)
    asked(service)
    pd.testing.assert_frame_equal(read(), whole)
    assert asked(service)
    assert "will be replaced" in caplog.text
    pd.testing.assert_frame_equal(read(), whole)
    assert asked(service) == []
    assert [*folder.iterdir()] == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_any_other_byte_at_the_end_of_the_file_is_found_or_changes_nothing(folder: Path) -> None:
    cached = CachedVersion("account", 1004, 1)
    with cached.writer() as add:
        add(CachedPage(b'[{"a":1}]', 1, is_last=False))
        add(CachedPage(b'[{"a":2}]', 1, is_last=True))
    whole, pages = cached.path.read_bytes(), [*(cached.pages() or [])]
    assert len(pages) == 2
    for at in range(len(whole) - 1_000, len(whole)):
        for byte in (0, 66):  # the schema is base64 there, so that "B" is another one
            cached.path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
            assert [*(cached.pages() or pages)] == pages


def test_the_file_of_another_version_is_not_taken(service: Sandbox, folder: Path) -> None:
    read()
    [file] = folder.iterdir()
    file.rename(file.with_name(file.name.replace("-1004-", "-1001-")))
    asked(service)
    assert len(pandas_clicdata.read_clicdata(1001, ver_id=VERSION, cache=True)) == 10
    assert asked(service)


@pytest.mark.parametrize("kind", ["a file in its place", "a folder in its place"])
def test_a_read_goes_on_where_nothing_can_be_written(
    kind: str, service: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "a file in its place":
        folder.write_text("")
    else:
        (folder / f"{manager.current().account}-1004-{VERSION}.parquet").mkdir(parents=True)
    for _ in range(2):
        assert len(read()) == 35
    assert "not cached" in caplog.text


@pytest.mark.parametrize("room", [0, 100])
def test_a_read_on_a_full_disk_keeps_its_rows(
    room: int, service: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module in Python's cache would be cut
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))  # Python ignores SIGXFSZ, so that a write fails
    try:
        assert len(read()) == 35
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "the version is not cached: " in caplog.text
    assert [*folder.iterdir()] == []
    assert len(read()) == 35
    assert len([*folder.iterdir()]) == 1


def test_a_part_is_never_kept(service: Sandbox, folder: Path) -> None:
    assert len(read(nrows=15)) == 15
    chunks = pandas_clicdata.read_clicdata(1004, ver_id=VERSION, cache=True, chunksize=5)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert [*folder.iterdir()] == []
    assert len(read()) == 35
    assert len([*folder.iterdir()]) == 1


def test_a_read_that_fails_leaves_no_file(service: Sandbox, folder: Path) -> None:
    service.faults.status(403, method="GET", after=2)
    with pytest.raises(errors.ClicDataError):
        read()
    assert [*folder.iterdir()] == []
