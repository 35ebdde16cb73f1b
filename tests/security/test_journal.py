"""The contents of a journal, who can read it, and its account (S21, S32)."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from canaries import Canaries
from pandas_clicdata import AppendReceipt, Session, errors, resume_append
from scripted import Says, ScriptedServer, Seen, reset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pandas_clicdata.sandbox import Sandbox

posix = pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
FRAME = pd.DataFrame({"n": range(6), "t": "x"})
METHODS = ["client_credentials", "basic", "api_key", "authorization_code"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that only the user can write to."""
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    return own


def echoing(seen: Seen) -> Says:
    repeated = f"{seen.headers.get('authorization')} {seen.headers.get('clicdata-api-key')} {seen.body.decode()}"
    return Says({"error": {"code": repeated, "description": repeated}}, 400)


LAST: dict[str, Callable[[Seen], Says]] = {
    "refused, with all that was sent": echoing,
    "lost": lambda _: Says(raw=reset),
    "a web page": lambda seen: Says(b"<html>" + seen.body),
    "failed, with all that was sent": lambda seen: Says(seen.body, 500),
    "stored": lambda _: Says({"success": True}),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("last", LAST)
def test_a_journal_holds_no_secret_and_no_cell(last: str, method: str, folder: Path) -> None:
    """C22, S21: the journal holds none of the twelve canaries, for each outcome of the last chunk."""
    secret = Canaries()
    posts: list[Seen] = []

    def script(seen: Seen) -> Says:
        if seen.path == "/oauth20/token":
            return Says({"access_token": secret.access_token, "refresh_token": secret.refresh_token})
        if seen.method == "GET":  # the columns, before the first of several chunks
            return Says({"data": [], "has_more_data": False})
        posts.append(seen)
        return Says({"success": True}) if len(posts) == 1 else LAST[last](seen)

    frame = pd.DataFrame({"t": [secret.cell, f"another {secret.cell}", secret.owner]}, index=[secret.cell] * 3)
    path = folder / "journal"
    with ScriptedServer(script) as server:
        with Session(url=server.url, api_version=None, **secret.login(method)) as session:
            session._sleep = lambda seconds: None
            with contextlib.suppress(errors.ClicDataError):
                frame.clicdata.append(5, chunksize=1, journal=path, errors="collect", index=False, session=session)
            assert session.last_receipt is not None
            assert session.last_receipt.complete is (last == "stored")
    assert len(posts) >= 2
    assert b'"' in path.read_bytes()
    assert not secret.sightings(path.read_bytes())
    assert not secret.sightings(repr(AppendReceipt.load(path)))
    assert any(found.startswith("cell") for found in secret.sightings(posts[0].body)), "the cells were sent"


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_its_owner_may_read_a_journal(mask: int, folder: Path, clicdata_session: Session, rec_id: int) -> None:
    before = os.umask(mask)
    try:
        FRAME.clicdata.append(rec_id, journal=folder / "journal", session=clicdata_session)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "journal").stat().st_mode) == 0o600


@pytest.fixture
def rec_id(clicdata_sandbox: Sandbox) -> int:
    """An empty data set."""
    return clicdata_sandbox.create("Target", {"n": "number", "t": "text"})


def refused(sandbox: Sandbox, session: Session, rec_id: int, path: Path, **how: Any) -> None:
    """Check that neither a new nor an old journal is used at this path, and that nothing is sent."""
    before = len(sandbox.requests)
    with pytest.raises(errors.InputError):
        FRAME.clicdata.append(rec_id, journal=path, session=session)
    with pytest.raises(errors.InputError):
        resume_append(FRAME, path, session=session)
    assert len(sandbox.requests) == before


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_journal_in_a_folder_that_others_may_write_to_is_refused(
    mode: int, folder: Path, clicdata_sandbox: Sandbox, clicdata_session: Session, rec_id: int
) -> None:
    folder.chmod(mode)
    refused(clicdata_sandbox, clicdata_session, rec_id, folder / "journal")
    assert list(folder.iterdir()) == []
    folder.chmod(mode | stat.S_ISVTX)  # as /tmp is: a file in it is safe from all but its owner
    assert FRAME.clicdata.append(rec_id, journal=folder / "journal", session=clicdata_session).complete


@posix
@pytest.mark.parametrize("kind", ["a link to nothing", "a link to a file", "a link to a journal", "a pipe", "a folder"])
def test_a_journal_that_is_a_link_or_no_plain_file_is_refused(
    kind: str, folder: Path, clicdata_sandbox: Sandbox, clicdata_session: Session, rec_id: int
) -> None:
    path, elsewhere = folder / "journal", folder / "elsewhere"
    if kind == "a link to a journal":
        FRAME.clicdata.append(rec_id, journal=elsewhere, session=clicdata_session)
    elif kind == "a link to a file":
        elsewhere.write_bytes(b"mine")
    if kind.startswith("a link"):
        path.symlink_to(elsewhere)
    elif kind == "a folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    before = elsewhere.read_bytes() if elsewhere.exists() else None
    with pytest.raises(errors.InputError):
        AppendReceipt.load(path)
    refused(clicdata_sandbox, clicdata_session, rec_id, path)
    assert (elsewhere.read_bytes() if elsewhere.exists() else None) == before


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_journal_that_others_may_write_to_is_refused(
    mode: int, folder: Path, clicdata_sandbox: Sandbox, clicdata_session: Session, rec_id: int
) -> None:
    path = folder / "journal"
    FRAME.clicdata.append(rec_id, journal=path, session=clicdata_session)
    path.chmod(mode)
    with pytest.raises(errors.InputError, match="others may write"):
        AppendReceipt.load(path)
    refused(clicdata_sandbox, clicdata_session, rec_id, path)


def test_a_journal_is_of_one_account(folder: Path, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    """S32: another account can't resume from the journal, and the error shows no secret of either account."""
    secret = Canaries()
    path = folder / "journal"
    clicdata_sandbox.faults.status(403, path=f"/data/{rec_id}", method="POST", after=1)
    with clicdata_sandbox.session() as session, pytest.raises(errors.AppendInterrupted):
        FRAME.clicdata.append(rec_id, journal=path, chunksize=2, session=session)
    before, rows = path.read_bytes(), clicdata_sandbox.count(rec_id)
    sent = len(clicdata_sandbox.requests)
    with Session(url=clicdata_sandbox.url, **secret.login("api_key")) as other:
        with pytest.raises(errors.JournalMismatch, match="account") as caught:
            resume_append(FRAME, path, session=other)
    assert not secret.sightings(str(caught.value), repr(vars(caught.value)))
    assert (path.read_bytes(), clicdata_sandbox.count(rec_id), len(clicdata_sandbox.requests)) == (before, rows, sent)
