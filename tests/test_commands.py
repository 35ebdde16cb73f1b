"""The commands, run as a user runs them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import pandas_clicdata
from pandas_clicdata.__main__ import main
from pandas_clicdata.errors import ClicDataError
from pandas_clicdata.sandbox import start
from scripted import Says, ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

    from pandas_clicdata.sandbox import Sandbox

CHECKOUT = os.path.dirname(pandas_clicdata.__path__[0])  # noqa: PTH120  # where the package is, installed or not


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": CHECKOUT, **more.pop("env", {})}
    command = [sys.executable, "-W", "error", "-m", "pandas_clicdata", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, check=False, **more)


def test_the_demo_runs_the_main_job_and_says_what_it_did(tmp_path: Path) -> None:
    done = run("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    steps = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    expected = "sandbox connect list push read append read update read delete read history version account picture done"
    assert " ".join(steps) == expected
    picture = re.search(r"pixels: (.+\.png)", done.stdout)
    assert picture is not None
    with open(picture.group(1), "rb") as file:  # noqa: PTH123
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    os.remove(picture.group(1))  # noqa: PTH107


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo leaves its picture to be looked at: here where it is cleared away."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.mark.parametrize("api_version", ["auto", "none", "2022.01"])
def test_the_demo_takes_a_table_of_the_users_own(tmp_path: Path, api_version: str) -> None:
    own = tmp_path / "my own.csv"
    own.write_text('row,name,"price, net",when\n007,"O\'Neil ""x""",1.5,2026-01-01\n008,,,\n009,😀,3,x\n', "utf-8")
    done = run("demo", str(own), "--api-version", api_version)
    assert done.returncode == 0, done.stderr
    assert "Demo of my own" in done.stdout or "3 of 3 rows" in done.stdout


@pytest.mark.parametrize("text", ["a\n", "a,b\n1,2\n", "only\nx\ny\nz\n", "flag\nTrue\nFalse\n"])
def test_the_demo_takes_small_tables(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "small.csv"
    own.write_text(text)
    assert main(["demo", str(own)]) == 0
    assert "done" in capsys.readouterr().out


def test_the_demo_without_its_file_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "not-there.csv"]) == 1
    assert "not-there.csv" in capsys.readouterr().err


def test_the_demo_exits_1_when_anything_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = pandas_clicdata.read_clicdata

    def tampered(*arguments: Any, **more: Any) -> Any:
        return real(*arguments, **more).iloc[:-1]

    monkeypatch.setattr(pandas_clicdata, "read_clicdata", tampered)
    assert main(["demo"]) == 1
    assert "DIFFERS" in capsys.readouterr().err


def test_the_sandbox_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": CHECKOUT, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "pandas_clicdata", "sandbox", "--path", str(tmp_path / "kept.sqlite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        settings = {}
        while "CLICDATA_USERNAME" not in settings:
            name, _, value = process.stdout.readline().strip().partition("=")
            settings[name] = value
        params = {"url": settings["CLICDATA_URL"], "api_key": settings["CLICDATA_API_KEY"]}
        with pandas_clicdata.Session(**params) as session:
            assert len(pandas_clicdata.Data(session=session).get_data()) >= 3
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert (tmp_path / "kept.sqlite").exists()


# ---------------------------------------------------------------------------------------------------------
# doctor


def diagnosis(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["doctor"])
    return status, capsys.readouterr().out


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, clicdata_sandbox: Sandbox) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CLICDATA_URL", clicdata_sandbox.url)
    monkeypatch.setenv("CLICDATA_CLIENT_ID", clicdata_sandbox.credentials.client_id)
    monkeypatch.setenv("CLICDATA_CLIENT_SECRET", clicdata_sandbox.credentials.client_secret)
    return monkeypatch


def test_the_doctor_finds_nothing_wrong(
    environment: pytest.MonkeyPatch, clicdata_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = diagnosis(capsys)
    assert status == 0
    assert clicdata_sandbox.credentials.client_secret not in said
    assert "set: ***" in said
    assert clicdata_sandbox.url in said
    assert re.search(r"credentials +accepted", said)
    assert re.search(r"data sets +yes", said)


def test_the_doctor_without_any_setting(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = diagnosis(capsys)
    assert status == 1
    assert "CLICDATA_CLIENT_SECRET not set" in said
    assert "https://api.clicdata.com/" in said


def test_a_wrong_secret(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("CLICDATA_CLIENT_SECRET", "wr0ng-secret")
    status, said = diagnosis(capsys)
    assert status == 1
    assert "the id, secret, password or key is wrong" in said
    assert "wr0ng" not in said


def test_a_wrong_key(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("CLICDATA_API_KEY", "wr0ng-key")
    status, said = diagnosis(capsys)
    assert status == 1
    assert "the id, secret, password or key is wrong" in said


def test_a_url_where_nothing_listens(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setattr("pandas_clicdata.session.session.time.sleep", lambda seconds: None)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    environment.setenv("CLICDATA_URL", f"http://127.0.0.1:{port}/")
    status, said = diagnosis(capsys)
    assert status == 1
    assert "CLICDATA_URL: nothing listens" in said


@pytest.mark.parametrize("status", [200, 404])
def test_a_url_of_another_service(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    environment.setattr("pandas_clicdata.session.session.time.sleep", lambda seconds: None)
    with ScriptedServer(lambda _: Says(b"<html>welcome</html>", status, {"Content-Type": "text/html"})) as other:
        environment.setenv("CLICDATA_URL", other.url)
        ended, said = diagnosis(capsys)
    assert ended == 1
    assert "CLICDATA_URL: what answers" in said
    assert "is not the API" in said


@pytest.mark.parametrize(
    ("host", "known", "message"),
    [
        ("https://api.clicdata.com/", [], "the network: no host name can be looked up"),
        ("https://api.clikdata.com/", [], "the network: no host name can be looked up"),
        ("https://api.clikdata.com/", ["api.clicdata.com"], "CLICDATA_URL: there is no host api.clikdata.com"),
    ],
)
def test_an_unplugged_network_and_a_misspelt_host(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, known: list[str], message: str
) -> None:
    environment.setattr("pandas_clicdata.session.session.time.sleep", lambda seconds: None)

    def lookup(name: str, *_: Any, **__: Any) -> Any:
        if name in known:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    environment.setattr(socket, "getaddrinfo", lookup)
    environment.setenv("CLICDATA_URL", host)
    status, said = diagnosis(capsys)
    assert status == 1
    assert message in said


def test_a_version_that_is_missing(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with start(require_version=True) as strict:
        environment.setenv("CLICDATA_URL", strict.url)
        environment.setenv("CLICDATA_API_VERSION", "none")
        status, said = diagnosis(capsys)
        assert status == 1
        assert "the API version" in said
        environment.setenv("CLICDATA_API_VERSION", "auto")
        status, said = diagnosis(capsys)
        assert status == 0
        assert "2022.01" in said


def test_a_setting_that_cannot_be_used(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("CLICDATA_URL", "http://api.clicdata.com/")
    status, said = diagnosis(capsys)
    assert status == 1
    assert "in clear" in said


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["demo", "--help"], ["sandbox", "--help"], ["doctor", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
    assert issubclass(ClicDataError, Exception)
    assert "FILE.csv" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["99999", "-1", "x"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sandbox", "--port", port])
    message = capsys.readouterr().err
    assert "--port" in message
    assert len(message) < 500


def test_a_stdout_that_lacks_a_letter_ends_no_command(tmp_path: Path) -> None:
    done = run("doctor", env={"PYTHONIOENCODING": "ascii", "CLICDATA_CLIENT_ID": "café"})
    assert done.returncode == 1
    assert r"set: caf\xe9" in done.stdout
    assert done.stderr == ""


def test_a_port_that_is_taken_is_said(clicdata_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    port = clicdata_sandbox.url.rstrip("/").rsplit(":", 1)[1]
    assert main(["sandbox", "--port", port]) == 1
    assert capsys.readouterr().err.strip()
