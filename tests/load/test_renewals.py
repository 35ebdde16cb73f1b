"""A rotating refresh token in a profile: processes and threads that renew it, and what happens if one is lost.

``CLICDATA_RENEWALS`` is how often the two processes renew it in all: 20 if it isn't set, 200 for ``--long``.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import totals
from pandas_clicdata import Session, errors
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import profiles
from pandas_clicdata.session.credentials import Secret
from scripted import Says, ScriptedServer, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.sandbox import Sandbox

RENEWALS = int(os.environ.get("CLICDATA_RENEWALS", "20"))
KILLS = max(1, RENEWALS // 100)
PROGRAM = Path(__file__).with_name("renewer.py")


@pytest.fixture
def service() -> Iterator[Sandbox]:
    """A ClicData whose tokens end within the margin, so that each call renews."""
    with start(token_lifetime=30) as sandbox:
        yield sandbox


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Sandbox) -> Path:
    """A file whose profile ``prod`` has logged in."""
    monkeypatch.setenv("CLICDATA_CONFIG", str(tmp_path / "config.toml"))
    return log_in(service.url)


def log_in(url: str, token: str = "sandbox-refresh-token") -> Path:
    secrets = {"client_secret": Secret("sandbox-secret"), "refresh_token": Secret(token)}
    return profiles.save("prod", {"client_id": "sandbox-client", "url": url}, secrets)


def renewals(service: Sandbox) -> list[int]:
    """The statuses of the token endpoint."""
    return [request.status for request in service.requests if request.path == "/oauth20/token"]


def test_two_processes_lose_no_token(config: Path, service: Sandbox) -> None:
    command = [sys.executable, str(PROGRAM), "prod", str(RENEWALS // 2)]
    environment = {**os.environ, "PYTHONPATH": str(Path(profiles.__file__).parents[2])}
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=100)
        assert process.returncode == 0
    assert renewals(service) == [200] * RENEWALS
    with Session(profile="prod") as session:
        assert session.check()["account"] == "Sandbox Trading", "the token in the file is the newest"
    totals.add("renewals of a rotating token", RENEWALS)


def test_a_killed_process_leaves_the_file_whole(config: Path, service: Sandbox) -> None:
    command = [sys.executable, str(PROGRAM), "prod", "1000"]
    environment = {**os.environ, "PYTHONPATH": str(Path(profiles.__file__).parents[2])}
    for _ in range(KILLS):
        before = len(renewals(service))
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as one:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
            while len(renewals(service)) < before + 2:
                time.sleep(0.01)
            one.kill()
        assert profiles.problem("prod") is None
        with Session(profile="prod") as session:
            try:
                session.check()
            except errors.BadCredentials as error:
                assert "Log in again" in str(error)  # noqa: PT017
                log_in(service.url, service._logins.new_refresh_token())
    totals.add("processes killed while they renewed a token", KILLS)
    assert {path.name for path in config.parent.iterdir()} <= {"config.toml", "config.toml.lock", ".config.toml.new"}


def test_threads_and_sessions_of_one_process_lose_none(config: Path, service: Sandbox) -> None:
    failed: list[BaseException] = []
    sessions = [Session(profile="prod") for _ in range(3)]

    def call(session: Session) -> None:
        try:
            for _ in range(3):
                session.check()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=call, args=(session,)) for session in sessions for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert {*renewals(service)} == {200}


def test_a_token_is_written_before_the_access_token_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICDATA_CONFIG", str(tmp_path / "config.toml"))
    held: list[str] = []

    def script(seen: Seen) -> Says:
        if seen.path == "/oauth20/token":
            return Says({"access_token": "a", "refresh_token": "second", "expires_in": 3600})
        held.append((tmp_path / "config.toml").read_text("utf-8"))
        return Says({"name": "x"})

    with ScriptedServer(script) as server:
        log_in(server.url, "first")
        with Session(profile="prod") as session:
            session.check()
    [content] = held
    assert 'refresh_token = "second"' in content
    assert "first" not in content


def test_a_service_that_keeps_the_token_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICDATA_CONFIG", str(tmp_path / "config.toml"))
    with ScriptedServer(lambda seen: Says({"access_token": "a", "name": "x", "expires_in": 3600})) as server:
        path = log_in(server.url, "kept")
        with Session(profile="prod") as session:
            session.check()
    assert 'refresh_token = "kept"' in path.read_text("utf-8")


def test_a_lost_token_says_to_log_in_again(config: Path, service: Sandbox) -> None:
    before = config.read_bytes()
    with Session(profile="prod") as session:
        session.check()
    config.write_bytes(before)  # as if the process ended between the response and the write
    with Session(profile="prod") as session:
        with pytest.raises(errors.BadCredentials, match="Log in again: clicdata login --profile prod"):
            session.check()
    log_in(service.url, service._logins.new_refresh_token())
    with Session(profile="prod") as session:
        session.check()


@pytest.mark.parametrize("room", [0, 1])
def test_a_full_disk_says_so(config: Path, service: Sandbox, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    real, written = os.replace, []

    def replace(old: str, new: Path) -> None:
        if len(written) == room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(old, new)
        written.append(new)

    words = "is lost, because .* No space .* Log in again: clicdata login" if room else "No space .* Nothing was sent"
    with Session(profile="prod") as session:
        with monkeypatch.context() as full:
            full.setattr("os.replace", replace)
            with pytest.raises(errors.NotConnected, match=words):
                session.check()
        assert renewals(service) == [200] * room
        if not room:  # the token was not used up
            session.check()
    assert [path.name for path in config.parent.iterdir() if path.name.startswith(".")] == []


def test_a_file_that_another_process_reads_is_replaced_a_little_later(
    config: Path, service: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, real = [], os.replace

    def replace(old: str, new: Path) -> None:
        tried.append(new)
        if len(tried) < 3:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        real(old, new)

    monkeypatch.setattr("os.replace", replace)
    for _ in range(2):
        with Session(profile="prod") as session:
            session.check()
    assert len(tried) == 6  # each log-in writes the file before the request and after it


def test_a_folder_that_is_read_only_spends_no_token(
    config: Path, service: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(profile="prod") as session:
        monkeypatch.setattr("os.access", lambda *_: False)
        with pytest.raises(errors.NotConnected, match="can't be replaced: the folder is not writable"):
            session.check()
    assert renewals(service) == []


def test_a_profile_of_another_account_is_not_taken_over(config: Path, service: Sandbox) -> None:
    with Session(profile="prod") as session:
        session.check()
        log_in(service.url)  # the new log-in may be of another user
        session.check()  # the access token is still that of the old account
        service.faults.expire_tokens()
        with pytest.raises(errors.NotConnected, match=r"prod was changed in .* since this session was opened: open it"):
            session.check()
    assert renewals(service) == [200]


def test_a_profile_whose_token_was_removed_meanwhile(config: Path, service: Sandbox) -> None:
    with Session(profile="prod") as session:
        kept = [line for line in config.read_text("utf-8").splitlines() if not line.startswith("refresh_token")]
        config.write_text("\n".join(kept), "utf-8")
        with pytest.raises(errors.NotConnected, match=r"prod was changed in .* since this session was opened: open it"):
            session.check()


HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_ends_with_its_process(config: Path, service: Sandbox) -> None:
    command = [sys.executable, "-c", HOLDER, f"{config}.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with Session(profile="prod", deadline=0.2) as session:
            with pytest.raises(errors.DeadlineExceeded, match=r"another process kept .*config.toml.lock for"):
                session.check()
        assert renewals(service) == []
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with Session(profile="prod") as session:
        session.check()


PLACE = ("clicdata", "prod.refresh_token")


@pytest.fixture
def held(service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A keyring that holds the secrets of the profile ``prod``, whose file is ``config.toml``."""
    held: dict[tuple[str, str], str] = {}
    monkeypatch.setattr("keyring.get_password", lambda *place: held.get(place))
    monkeypatch.setattr("keyring.set_password", lambda service, name, text: held.update({(service, name): text}))
    monkeypatch.setenv("CLICDATA_CONFIG", str(tmp_path / "config.toml"))
    secrets = {"client_secret": Secret("sandbox-secret"), "refresh_token": Secret("sandbox-refresh-token")}
    profiles.save("prod", {"client_id": "sandbox-client", "url": service.url}, secrets, keyring=True)
    assert held[PLACE] == "sandbox-refresh-token"
    return held


def test_a_token_in_a_keyring_is_replaced_there(held: dict[tuple[str, str], str], tmp_path: Path) -> None:
    for _ in range(2):
        before = held[PLACE]
        with Session(profile="prod") as session:
            session.check()
        assert held[PLACE] != before
    written = (tmp_path / "config.toml").read_text("utf-8")
    assert 'refresh_token = {keyring = "clicdata"}' in written
    assert "sandbox-secret" not in written


def test_a_keyring_that_can_not_be_written_spends_no_token(
    held: dict[tuple[str, str], str], service: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise RuntimeError("locked")

    with Session(profile="prod") as session:
        with monkeypatch.context() as now:
            now.setattr("keyring.set_password", locked)
            with pytest.raises(
                errors.NotConnected, match=r"can't be written \(RuntimeError\): unlock it, .* Nothing was"
            ):
                session.check()
        assert renewals(service) == []
        session.check()
    assert held[PLACE] != "sandbox-refresh-token"
