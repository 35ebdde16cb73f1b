"""``clicdata login`` writes profiles, and ``whoami`` shows the account and the user."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

import pandas_clicdata
from pandas_clicdata import Session
from pandas_clicdata.__main__ import main
from pandas_clicdata.commands import login

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.sandbox import Sandbox

CHECKOUT = Path(pandas_clicdata.__path__[0]).parent


class Said(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "folder" / "config.toml"
    monkeypatch.setenv("CLICDATA_CONFIG", str(path))
    return path


@pytest.fixture
def clicdata(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clicdata_sandbox: Sandbox
) -> Callable[..., Said]:
    """Run a command, with a browser that logs in at once."""
    threads = []

    def browse(page: str) -> bool:
        threads.append(threading.Thread(target=requests.get, args=(page,), kwargs={"timeout": 10}))
        threads[-1].start()
        return True

    monkeypatch.setattr("webbrowser.open", browse)

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = main([*arguments])
        while threads:
            threads.pop().join()
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, clicdata_sandbox: Sandbox) -> Sandbox:
    """The API app of a sandbox, in the environment."""
    for name in ("client_id", "client_secret"):
        monkeypatch.setenv(f"CLICDATA_{name.upper()}", getattr(clicdata_sandbox.credentials, name))
    monkeypatch.setenv("CLICDATA_URL", clicdata_sandbox.url)
    return clicdata_sandbox


def forget_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLIENT_ID", "CLIENT_SECRET", "URL"):
        monkeypatch.delenv(f"CLICDATA_{name}", raising=False)


def test_a_browser_logs_in_and_the_profile_is_used(
    clicdata: Callable[..., Said], app: Sandbox, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = clicdata("login", "--profile", "prod")
    assert said.code == 0
    assert said.out.splitlines()[:2] == ["profile\tprod", "account\tSandbox Trading"]
    assert f"The profile prod is in {config}" in said.err
    assert "/oauth20/authorize?response_type=code&client_id=sandbox-client" in said.err
    assert config.stat().st_mode & 0o777 == 0o600
    assert "sandbox-secret" not in said.out + said.err
    forget_environment(monkeypatch)
    found = clicdata("whoami", "--profile", "prod", "--json")
    assert json.loads(found.out)["auth_method"] == "authorization_code"
    monkeypatch.setenv("CLICDATA_PROFILE", "prod")
    assert clicdata("list").out.startswith("rec_id\tname")


def test_a_second_login_uses_the_app_of_the_profile(
    clicdata: Callable[..., Said], app: Sandbox, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.parent.mkdir()
    config.write_text(
        f'# mine\n[default]\nclient_id = "sandbox-client" # the app\nclient_secret = {{ env = "MY_SECRET" }}\n'
        f'url = "{app.url}"\nrefresh_token = "spent"\n'
    )
    config.chmod(0o600)
    monkeypatch.setenv("CLICDATA_CLIENT_ID", "another")
    monkeypatch.setenv("MY_SECRET", "sandbox-secret")
    refused = clicdata("whoami", "--profile", "default")
    assert refused.code == 4
    assert "Log in again: clicdata login --profile default" in refused.err
    assert clicdata("login").code == 0
    content = config.read_text()
    assert content.startswith('# mine\n[default]\nclient_id = "sandbox-client" # the app\nclient_secret = { env = "MY')
    assert "spent" not in content
    assert clicdata("whoami", "--profile", "default").code == 0


def test_a_key_is_accepted_before_it_is_written(
    clicdata: Callable[..., Said], config: Path, monkeypatch: pytest.MonkeyPatch, clicdata_sandbox: Sandbox
) -> None:
    monkeypatch.setenv("CLICDATA_URL", clicdata_sandbox.url)
    monkeypatch.setenv("CLICDATA_API_KEY", "wr0ng-key")
    said = clicdata("login", "--auth-method", "api_key")
    assert said.code == 4
    assert "wr0ng" not in said.err
    assert not config.exists()
    monkeypatch.setenv("CLICDATA_API_KEY", clicdata_sandbox.credentials.api_key)
    assert clicdata("login", "--auth-method", "api_key").code == 0
    for name in ("CLICDATA_API_KEY", "CLICDATA_URL"):
        monkeypatch.delenv(name)
    assert "auth_method\tapi_key" in clicdata("whoami").out


APP = 'client_id = "sandbox-client" # the app\nclient_secret = { env = "MY_SECRET" }\n'


def written(config: Path, text: str) -> None:
    config.parent.mkdir(exist_ok=True)
    config.write_text(text)
    config.chmod(0o600)


@pytest.mark.parametrize("method", ["api_key", "basic", "client_credentials", "authorization_code"])
@pytest.mark.parametrize("before", ['api_key = "k"\n', APP, APP + 'refresh_token = "spent"\n'])
def test_another_way_to_log_in_keeps_where_the_service_is(
    clicdata: Callable[..., Said],
    app: Sandbox,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    before: str,
) -> None:
    """No secret goes to another host than the one that the profile names."""
    version = "2022.01" if method == "api_key" else "none"
    where = f'[default]\nurl = "{app.url}" # ours\napi_version = "{version}"\nca_bundle = "{__file__}"\n'
    written(config, where + before)
    for name in ("api_key", "username", "password"):
        monkeypatch.setenv(f"CLICDATA_{name.upper()}", getattr(app.credentials, name))
    monkeypatch.setenv("CLICDATA_URL", "https://elsewhere.test/")
    monkeypatch.setenv("MY_SECRET", "sandbox-secret")
    said = clicdata("login", "--auth-method", method, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["url"] == app.url
    content = config.read_text()
    assert content.startswith(where)
    has_app = "client_id" in before
    assert ('client_id = "sandbox-client" # the app' in content) is (has_app and method != "api_key")
    assert ('{ env = "MY_SECRET" }' in content) is (has_app and method in ("client_credentials", "authorization_code"))
    assert "spent" not in content
    assert ("api_key" in content.replace('auth_method = "api_key"', "")) is (method == "api_key")


def test_the_app_of_a_profile_is_replaced_by_name_only(
    clicdata: Callable[..., Said], app: Sandbox, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(config, f'[default]\nurl = "{app.url}"\nclient_id = "old"\nclient_secret = "older"\n')
    arguments = ("login", "--auth-method", "client_credentials")
    assert clicdata(*arguments).code == 4
    assert clicdata(*arguments, "--client-id", "sandbox-client").code == 0
    assert "old" not in config.read_text()
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: PTH123, SIM115
    said = clicdata(*arguments, "--client-id", "another")
    sys.stdin.close()
    assert said.code == 2, "the secret of the environment is of another app"
    assert "client_secret is missing: set CLICDATA_CLIENT_SECRET with the CLICDATA_CLIENT_ID of another" in said.err


def test_a_profile_that_can_not_be_used_is_not_replaced(
    clicdata: Callable[..., Said], app: Sandbox, config: Path
) -> None:
    written(config, '[default]\nurl = "https://elsewhere.test/"\napi_kee = "k"\n')
    said = clicdata("login", "--auth-method", "client_credentials")
    assert said.code == 4
    assert "profile default: in " in said.err
    assert "did you mean api_key?" in said.err
    assert [request.path for request in app.requests] == []


def test_secrets_are_kept_in_the_keyring(
    clicdata: Callable[..., Said], app: Sandbox, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: dict[tuple[str, str], str] = {}
    monkeypatch.setattr("keyring.get_password", lambda *place: held.get(place))
    monkeypatch.setattr("keyring.set_password", lambda service, name, text: held.update({(service, name): text}))
    assert clicdata("login", "--keyring").code == 0
    assert {*held} == {("clicdata", "default.client_secret"), ("clicdata", "default.refresh_token")}
    assert not [text for text in held.values() if text in config.read_text()]
    first = dict(held)
    assert clicdata("login").code == 0
    assert held != first, "a second log-in keeps to the keyring"
    assert not [text for text in held.values() if text in config.read_text()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--auth-method", "basic"], "client_id is missing: set CLICDATA_CLIENT_ID, or give --client-id"),
        (["--client-id", "a"], "client_secret is missing: set CLICDATA_CLIENT_SECRET\n"),
        (["--paste"], "--paste needs a terminal"),
    ],
)
def test_without_a_terminal_nothing_is_asked_for(
    clicdata: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: PTH123, SIM115
    said = clicdata("login", *arguments)
    sys.stdin.close()
    assert said.code == 2
    assert words in said.err


def test_a_file_that_others_can_read_is_refused_before_the_browser_opens(
    clicdata: Callable[..., Said], app: Sandbox, config: Path
) -> None:
    config.parent.mkdir()
    config.write_text("")
    config.chmod(0o644)
    said = clicdata("login")
    assert said.code == 4
    assert f"chmod 600 {config}" in said.err
    assert [request.path for request in app.requests] == []


def test_a_code_is_pasted_and_a_secret_typed_at_a_terminal(
    clicdata: Callable[..., Said], config: Path, monkeypatch: pytest.MonkeyPatch, clicdata_sandbox: Sandbox
) -> None:
    asked: list[tuple[str, bool]] = []

    def prompt(words: str, *, hide_input: bool = False, err: bool = False) -> str:
        assert err
        asked.append((words, hide_input))
        if words != "Address or code":
            return {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}[words]
        [page] = re.findall(r"  (http\S+)", notes[-1])
        return requests.get(page, allow_redirects=False, timeout=10).headers["Location"]

    notes: list[str] = []
    monkeypatch.setattr("click.prompt", prompt)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(login.Console, "note", lambda self, text: notes.append(text))
    assert clicdata("login", "--paste", "--url", clicdata_sandbox.url).code == 0
    assert asked == [("client_id", False), ("client_secret", True), ("Address or code", False)]
    with Session(profile="default") as session:
        assert session.check()["account"] == "Sandbox Trading"


BROWSER = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"


def test_the_browser_of_the_user_is_opened(app: Sandbox, config: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser.py"
    browser.write_text(BROWSER)
    environment: dict[str, Any] = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "BROWSER": f"{sys.executable} {browser} %s",
    }
    command = [sys.executable, "-m", "pandas_clicdata", "login", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["account"] == "Sandbox Trading"
