"""The commands, run as a user runs them."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
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


def zipped(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(zipfile.ZipInfo(name), text)  # of 1980: each process must make the same bytes
    return packed.getvalue()


@pytest.mark.parametrize("command", ["sandbox", "demo"])
def test_a_missing_extra_is_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "werkzeug.py").write_text("raise ModuleNotFoundError(name='werkzeug')", encoding="utf-8")
    done = run(command, env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{CHECKOUT}"})
    assert done.returncode == 1
    assert done.stderr.startswith("error: The sandbox needs Werkzeug: install")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.wide(3)
@pytest.mark.parametrize("option", ["--json=report.json", "--yes", "--data-set=1"])
def test_the_doctor_refuses_options_of_a_probe_without_a_probe(tmp_path: Path, option: str) -> None:
    done = run("doctor", option, cwd=tmp_path)
    assert done.returncode == 2
    assert "--json, --yes and --data-set go with --probe or --probe-writes" in done.stderr
    assert not [*tmp_path.iterdir()]


def test_the_demo_runs_the_main_job_and_says_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    done = run("demo", cwd=tmp_path, env={"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    said, _, same = done.stdout.partition("\n\n")
    steps = [line.split()[0] for line in said.splitlines() if not line.startswith(" ")]
    expected = "reading sandbox connect list push read delete append update read history version account picture done"
    assert " ".join(steps) == expected
    assert "history   7 versions, the last of 180 rows" in said
    assert max(map(len, said.splitlines())) <= 100
    assert len([line for line in same.splitlines() if line.startswith("    ")]) == 3
    assert [path.name for path in tmp_path.rglob("*")] == ["tmp"], "the demo leaves nothing"


@pytest.mark.parametrize("api_version", ["auto", "none", "2022.01"])
def test_the_demo_takes_a_table_of_the_users_own(
    tmp_path: Path, api_version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "my own.csv"
    own.write_text('row,name,"price, net",when\n007,"O\'Neil ""x""",1.5,2026-01-01\n008,,,\n009,😀,3,x\n', "utf-8")
    assert main(["demo", str(own), "--api-version", api_version]) == 0
    said = capsys.readouterr().out
    assert "reading   my own.csv (" in said
    assert "numbers would lose zeros, signs or digits: row\n" in said
    assert "row: text, name: text, price, net: number, when: text\n" in said, "no column of the demo's own"
    assert " 007 " in said
    assert """df = pd.read_csv('my own.csv', dtype={'row': 'str'})\n""" in said


@pytest.mark.wide(2)
@pytest.mark.parametrize(
    ("content", "found", "python"),
    [
        (
            "nr;preis;ort\r\n01;1,5;Köln\r\n02;2,25;Bonn\r\n".encode("cp1252"),
            ["CSV with ';' in cp1252, with decimal commas", "digits: nr", "nr: text, preis: number, ort: text"],
            ", sep=';', encoding='cp1252', decimal=',', dtype={'nr': 'str'}",
        ),
        ("a\tb\n1\té\n2\tü\n".encode("utf-16"), ["CSV with tabs in utf-16", " é"], ", sep='\\t', encoding='utf-16'"),
        ("a|b\n1|é\n".encode("utf-8-sig"), ["CSV with '|' in utf-8-sig", "a: number, b: text"], ", sep='|'"),
        (b"a,b\n1,\x81\xe9\n", ["CSV with ',' in latin-1"], ", encoding='latin-1'"),
        (
            b"a,b\n1,2\n3,4,5\n6\n7,8\n",
            ["1 row with fewer cells", "line 4", "1 row with more cells", "line 3: 1 left out", "3 rows x 2 columns"],
            ", index_col=False, on_bad_lines='skip'",
        ),
        (b"a,b\n1,2,\n3,4,\n", ["CSV with ','", "2 rows x 2 columns", "a: number, b: number"], ", index_col=False"),
        (b"name\nDoe, Jane\nRoe, Jim\n", ["CSV with one column", "Doe, Jane"], ", sep=';'"),
        (b"id,tel\n1234567890123456789,+49\n1234567890123456780,+48\n", ["id: text, tel: text"], None),
        (b"d,e\n2024-01-01,2024-01-01 10:00:00\n,2024-01-02\n", ["d: datetime, e: datetime"], None),
        (b"a\n", ["0 rows x 1 column", "done"], ""),
        (b"[id],b\n1,2\n", ["[id]: number", "the last of 1 row\n"], ""),
        (b"flag\nTrue\nFalse\n", ["flag: checkbox", "no column of text or integers has a different value"], ""),
    ],
)
def test_the_demo_finds_out_how_a_csv_is_written(
    tmp_path: Path, content: bytes, found: list[str], python: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.csv"
    own.write_bytes(content)
    assert main(["demo", str(own)]) == 0
    said = capsys.readouterr().out
    assert [words for words in found if words not in said] == [], said
    if python is not None:
        assert f"pd.read_csv('own.csv'{python})\n" in said


def test_the_demo_takes_parquet_and_at_most_so_many_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.parquet"
    frame = pd.DataFrame(
        {
            "day": [dt.date(2024, 1, 1)] * 4,
            "large": pd.array([2**60 + 1, None, 3, 4], dtype="Int64"),
            "price": [Decimal("1.10")] * 4,
        },
        index=pd.Index(["01", "02", "03", "04"], name="shop"),
    )
    frame.to_parquet(own)
    assert main(["demo", str(own), "--rows", "3"]) == 0
    said = capsys.readouterr().out
    assert "only its first 3 rows" in said
    assert "3 rows x 4 columns" in said
    assert "shop: text, day: date, large: number, price: number" in said
    assert "pd.read_parquet('own.parquet')" in said


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("own", b"", "it is empty"),
        ("own", b"\n\n", "it has no columns"),
        ("own", b"a,b\n1,a\0b\n", "it is not text"),
        ("own", b"PK\x03\x04 no workbook", "can't be read"),
        ("own", zipped("xl/workbook.xml", "<workbook"), "can't read"),
        ("own", b"\xd0\xcf\x11\xe0 no workbook", "can't read"),
        ("own", b"PAR1 no parquet", "can't read"),
        ("own.xlsx", b"a,b\n1,2\n", "its name ends in .xlsx, but it holds no Excel"),
        ("own.parquet", b"broken", "its name ends in .parquet, but it holds no parquet"),
        ("own.json", b'"a"\n1\n', "it looks like JSON, XML or HTML"),
        ("own", b' [{"a": 1,\n"b": 2}]', "it looks like JSON, XML or HTML"),
        ("own.csv", b"<!DOCTYPE html>\n<p>log in</p>", "it looks like JSON, XML or HTML"),
        ("own", b'a,b\n1,"2\n3,4\n', "EOF inside string"),
        ("own", None, "it is a folder"),
    ],
)
def test_the_demo_says_in_a_sentence_what_it_cannot_read(
    tmp_path: Path, name: str, content: bytes | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / name
    own.mkdir() if content is None else own.write_bytes(content)
    assert main(["demo", str(own)]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("can't read ")
    assert said.count("\n") == 1


def test_the_demo_says_what_excel_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.xlsx").write_bytes(zipped("xl/workbook.xml", "<workbook/>"))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert main(["demo", str(tmp_path / "own.xlsx")]) == 1
    said = capsys.readouterr().err
    assert "pandas needs openpyxl for it" in said
    assert "pip" not in said


def test_the_demo_knows_no_errors_of_the_packages_that_read_excel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read_excel(*_: object, **__: object) -> None:
        raise EOFError

    (tmp_path / "own.xlsx").write_bytes(zipped("xl/workbook.xml", "<workbook/>"))
    monkeypatch.setattr(pd, "read_excel", read_excel)
    assert main(["demo", str(tmp_path / "own.xlsx")]) == 1
    assert capsys.readouterr().err.endswith("it looks like Excel, but can't be read as that\n")


def test_the_demo_shows_why_a_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.csv"
    own.write_text("a,b\n1,inf\n2,3\n")
    assert main(["demo", str(own)]) == 1
    assert "FAILED    InputError: Column 'b': 1 cell is infinite" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("faults", "code", "words"),
    [
        ({"/": 403}, 4, "What to change: the credentials have none of these rights"),
        ({"/data": 403, "/account": 403, "/dashboard": 403}, 0, "schedules                yes"),
        ({"/account": 403, "/data": 503, "/dashboard": 503, "/schedule": 503}, 4, "not known: "),
    ],
)
def test_the_doctor_tries_each_right(
    environment: pytest.MonkeyPatch,
    clicdata_sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    faults: dict[str, int],
    code: int,
    words: str,
) -> None:
    environment.setattr("pandas_clicdata.session.session.time.sleep", lambda seconds: None)
    for path, status in faults.items():
        clicdata_sandbox.faults.status(status, method="GET", path=path, times=100)
    status, said = diagnosis(capsys)
    assert (status, words in said) == (code, True), said


def test_the_doctor_without_any_setting(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = diagnosis(capsys)
    assert status == 4
    assert "CLICDATA_CLIENT_SECRET not set" in said
    assert "https://api.clicdata.com/" in said


def test_a_wrong_secret(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("CLICDATA_CLIENT_SECRET", "wr0ng-secret")
    status, said = diagnosis(capsys)
    assert status == 4
    assert "the id, secret, password or key is wrong" in said
    assert "wr0ng" not in said


def test_a_wrong_key(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("CLICDATA_API_KEY", "wr0ng-key")
    status, said = diagnosis(capsys)
    assert status == 4
    assert "the id, secret, password or key is wrong" in said


def test_a_url_where_nothing_listens(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setattr("pandas_clicdata.session.session.time.sleep", lambda seconds: None)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    environment.setenv("CLICDATA_URL", f"http://127.0.0.1:{port}/")
    status, said = diagnosis(capsys)
    assert status == 75
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
    assert "CLICDATA_URL: the server at" in said
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
    assert status == 75
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
    assert "unencrypted" in said


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["demo", "--help"], ["sandbox", "--help"], ["doctor", "--help"]):
        assert main(arguments) == 0
    assert issubclass(ClicDataError, Exception)
    assert "CSV, Excel or parquet" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["99999", "-1", "x"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "--port", port]) == 2
    message = capsys.readouterr().err
    assert "--port" in message
    assert len(message) < 500


def test_a_stdout_that_lacks_a_letter_ends_no_command(tmp_path: Path) -> None:
    done = run("doctor", env={"PYTHONIOENCODING": "ascii", "CLICDATA_CLIENT_ID": "café"})
    assert done.returncode == 4
    assert r"set: caf\xe9" in done.stdout
    assert done.stderr == ""


def test_a_port_that_is_taken_is_said(clicdata_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    port = clicdata_sandbox.url.rstrip("/").rsplit(":", 1)[1]
    assert main(["sandbox", "--port", port]) == 1
    assert capsys.readouterr().err.strip()
