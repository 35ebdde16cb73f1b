"""Profiles: a file that only its owner can read, secrets by reference, and the order of the sources."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pandas_clicdata
from canaries import Canaries, locals_of, reachable, texts_of
from pandas_clicdata import Account, Data, Session, connect, errors
from pandas_clicdata.commands.doctor import doctor
from pandas_clicdata.session import profiles
from pandas_clicdata.session.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.sandbox import Sandbox


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write the file of profiles."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("CLICDATA_CONFIG", str(path))

    def write(text: str, mode: int = 0o600) -> Path:
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A keyring in memory."""
    import keyring
    from keyring.backend import KeyringBackend

    class InMemory(KeyringBackend):
        priority = 1  # type: ignore[assignment]

        def __init__(self) -> None:
            self.held: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.held.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.held[service, username] = password

    before, mine = keyring.get_keyring(), InMemory()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(before)


def python(code: str) -> str:
    """A command that runs Python, as TOML."""
    return f"{{ command = '''{shlex.quote(sys.executable)} -c \"{code}\"''' }}"


# ---------------------------------------------------------------------------------------------------------
# The order of the sources


def test_a_profile_is_used_by_its_name(config: Any, clicdata_sandbox: Sandbox) -> None:
    known = clicdata_sandbox.credentials
    config(
        f'[key]\napi_key = "{known.api_key}"\nurl = "{clicdata_sandbox.url}"\n'
        f'[app]\nclient_id = "{known.client_id}"\nclient_secret = "{known.client_secret}"\n'
        f'url = "{clicdata_sandbox.url}"\napi_version = "2022.01"\n'
    )
    with connect(profile="key", check=True) as session:
        assert session.auth_method == "api_key"
        assert Data().session is session
    with Session(profile="app") as session:
        assert (session.auth_method, session.api_version) == ("client_credentials", "2022.01")
        assert session.check()["account"] == "Sandbox Trading"
    assert Account(profile="app", api_version=None).session.api_version is None
    assert Session(profile="app", url="https://api.clicdata.com/").url == "https://api.clicdata.com/"


@pytest.mark.parametrize(
    ("arguments", "environment", "used"),
    [
        ({"client_id": "a", "client_secret": "s"}, {"PROFILE": "other", "API_KEY": "k"}, "client_credentials"),
        ({"profile": "default"}, {"PROFILE": "other", "API_KEY": "k"}, "basic"),
        ({}, {"PROFILE": "other", "CLIENT_ID": "a", "CLIENT_SECRET": "s"}, "api_key"),
        ({}, {"CLIENT_ID": "a", "CLIENT_SECRET": "s"}, "client_credentials"),
        ({}, {"CLIENT_ID": "a", "PROFILE": ""}, "basic"),
        ({}, {}, "basic"),
    ],
)
def test_the_first_source_with_credentials_is_used(
    config: Any, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, str], environment: dict[str, str], used: str
) -> None:
    config('[default]\nclient_id = "d"\nusername = "u"\npassword = "p"\n[other]\napi_key = "k"\n')
    for name, value in environment.items():
        monkeypatch.setenv(f"CLICDATA_{name}", value)
    assert connect(**arguments).auth_method == used  # type: ignore[arg-type]


def test_nothing_of_the_environment_is_joined_with_a_profile(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config('[default]\nclient_id = "a"\n[key]\napi_key = "k"\n')
    monkeypatch.setenv("CLICDATA_URL", "https://elsewhere.test/")
    monkeypatch.setenv("CLICDATA_CLIENT_SECRET", "s")
    assert connect(profile="key").url == "https://api.clicdata.com/"
    with pytest.raises(errors.NotConnected, match=r"profile default in .*: credentials are missing"):
        connect(profile="default")
    with pytest.raises(errors.InputError, match="leave out client_secret"):
        connect(profile="key", client_secret="s")


def test_no_connection_lists_each_source_and_why_it_was_skipped(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config('[dev]\napi_key = "k3y"\n')
    with pytest.raises(errors.NotConnected) as caught:
        Data().get_data()
    for words in (
        "CLICDATA_PROFILE: not set",
        "api_key: CLICDATA_API_KEY not set",
        "client_credentials: CLICDATA_CLIENT_ID not set",
        f"profile default: not in {path}, which has dev",
    ):
        assert f"\n  - {words}" in str(caught.value)
    monkeypatch.setenv("CLICDATA_PROFILE", "prod")
    monkeypatch.setenv("CLICDATA_API_KEY", "k")
    with pytest.raises(errors.NotConnected, match=r"CLICDATA_PROFILE: prod, not in .*config.toml, which has dev"):
        Data().get_data()  # no other source replaces a named profile
    monkeypatch.setenv("CLICDATA_CONFIG", str(path.with_name("other.toml")))
    with pytest.raises(errors.NotConnected, match="there is no file"):
        connect(profile="prod")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('api_key = { env = "NOT_SET" }', "profile {}: api_key: the variable NOT_SET is not set"),
        (f"api_key = {python('print()')}", "profile {}: api_key: its command .* printed nothing"),
        ('api_key = { keyring = "clicdata" }', "profile {}: api_key: not in the keyring: store it"),
        ('client_id = "a"', "(profile )?{}[:,] in .*config.toml: credentials are missing. Given: only client_id"),
    ],
)
@pytest.mark.parametrize("name", ["default", "prod"])
def test_a_profile_without_its_secrets_is_in_the_list_of_the_sources(
    config: Any, monkeypatch: pytest.MonkeyPatch, keyring: Any, content: str, reason: str, name: str
) -> None:
    config(f"[{name}]\n{content}\n")
    if name == "prod":
        monkeypatch.setenv("CLICDATA_PROFILE", name)
    with pytest.raises(errors.NotConnected) as caught:
        Data().get_data()
    lines = str(caught.value).split("\n  - ")
    assert lines[0].startswith("no connection to ClicData. Looked for credentials in:")
    assert "api_key: CLICDATA_API_KEY not set" in lines
    named, default = lines[2], lines[-1]
    assert re.match(
        ("CLICDATA_PROFILE: " if name == "prod" else "") + reason.format(name), named if name == "prod" else default
    )
    assert named == "CLICDATA_PROFILE: not set" or name == "prod"
    with pytest.raises(errors.NotConnected) as given:
        connect(profile=name)
    lines = str(given.value).split("\n")
    assert re.match(f"  - profile {name}", lines[1])
    assert lines[2:4] == ["  - CLICDATA_PROFILE: not set", "  - api_key: CLICDATA_API_KEY not set"] or name == "prod"
    assert lines[-2].startswith("  - profile default: not used, as no other source replaces")


def test_a_way_to_log_in_is_asked_of_a_profile_that_has_several(config: Any) -> None:
    config('[default]\napi_key = "k"\nclient_id = "a"\nclient_secret = "s"\n')
    assert connect(auth_method="api_key").auth_method == "api_key"
    with pytest.raises(
        errors.NotConnected, match=r"profile default: in .*: the credentials given fit api_key and client"
    ):
        connect()


def test_the_doctor_lists_each_source(
    config: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clicdata_sandbox: Sandbox
) -> None:
    path = config(f'[default]\napi_key = "{clicdata_sandbox.credentials.api_key}"\nurl = "{clicdata_sandbox.url}"\n')
    assert doctor() == 0
    said = capsys.readouterr().out
    assert "profile default: ready" in said
    assert "Used: the profile default" in said
    assert str(path) in said
    assert clicdata_sandbox.credentials.api_key not in said
    monkeypatch.setenv("CLICDATA_PROFILE", "none")
    assert doctor() == 4
    assert f"CLICDATA_PROFILE: none, not in {path}, which has default" in capsys.readouterr().out


def test_the_file_is_in_the_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CLICDATA_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = profiles.path_of_config()
    assert path.parts[-2:] == ("clicdata", "config.toml")
    if sys.platform == "linux":
        assert path == tmp_path / "clicdata" / "config.toml"
        profiles.save("new", {}, {"api_key": Secret("k")})
        assert path.parent.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("CLICDATA_CONFIG", "~/mine.toml")
    assert profiles.path_of_config() == Path.home() / "mine.toml"


# ---------------------------------------------------------------------------------------------------------
# What is refused


@pytest.mark.skipif(os.name != "posix", reason="modes of files are of POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_read_is_refused_with_what_to_do(config: Any, mode: int) -> None:
    path = config('[default]\napi_key = "k"\n', mode)
    with pytest.raises(errors.NotConnected, match=f"can be read by others: run  chmod 600 {path}"):
        connect()
    with pytest.raises(errors.NotConnected, match="chmod 600"):
        profiles.save("other", {}, {"api_key": Secret("k")})
    path.chmod(0o400)
    assert connect().auth_method == "api_key"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[default]\napi_key = "S3CRET\n', "not TOML: see line"),
        ('[default]\napi_key = "S3CRET"\napi_key = "S3CRET"\n', "not TOML"),
        ('[default]\napi_kee = "S3CRET"\n', "there is no setting api_kee: did you mean api_key?"),
        ('[default]\napi_key = ["S3CRET"]\n', "api_key: it must be"),
        ("[default]\napi_key = 5\n", "api_key: it must be"),
        ('[default]\napi_key = ""\n', "api_key is empty"),
        ('[default]\napi_key = { vault = "S3CRET" }\n', "api_key: it must be .* and has the keys vault"),
        ('[default]\napi_key = { env = "A", command = "S3CRET" }\n', "and has the keys env, command"),
        ('[default]\napi_key = { command = "" }\n', "text that is not empty"),
        ('[default]\napi_key = { command = "echo \'S3CRET" }\n', "a quotation mark that is not closed"),
        ('[default]\nurl = 5\napi_key = "S3CRET"\n', "url must be text"),
        ('default = "S3CRET"\n', r"it must begin with the line \[default\]"),
        ('[default]\nclient_id = "a"\nclient_secret = "s"\nrefresh_token = { env = "T" }\n', "replaced at each use"),
        ('[default]\napi_key = "S3CRET"\nurl = "http://api.clicdata.com"\n', "unencrypted"),
        ('[default]\nauth_method = "basic"\napi_key = "S3CRET"\n', "'basic' also needs client_id"),
        ("[default]\nclient_id = 'a'\nusername = 'u'\npassword = 'S3CRET\u00e9'\napi_key='S3CRET'\n", "auth_method="),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_without_a_secret(config: Any, content: str, words: str) -> None:
    config(content)
    with pytest.raises(errors.UsageError, match=words) as caught:
        connect(profile="default")
    shown = [text for _, text in (*texts_of(caught.value), *locals_of(caught.value), *reachable(caught.value))]
    assert not [text for text in shown if "S3CRET" in str(text)]


@pytest.mark.parametrize("name", ["", "a b", "a.b", "../a", 5])
def test_a_name_that_is_none_is_refused(config: Any, name: Any) -> None:
    config("")
    with pytest.raises(errors.InputError, match="profile must be"):
        connect(profile=name)


# ---------------------------------------------------------------------------------------------------------
# Secrets by reference


def test_secrets_come_from_where_the_profile_says(config: Any, monkeypatch: pytest.MonkeyPatch, keyring: Any) -> None:
    config(
        "[default]\n"
        'client_id = { env = "APP" }\n'
        f"username = {python('print(chr(117))')}\n"
        'password = { keyring = "clicdata" }\n'
        '[named]\napi_key = { keyring = "clicdata", username = "mine" }\n'
    )
    monkeypatch.setenv("APP", "the-app")
    keyring.set_password("clicdata", "default.password", "from the keyring")
    keyring.set_password("clicdata", "mine", "key")
    session = connect()
    assert (session.auth_method, session.username) == ("basic", "u")
    assert session._tokens.credentials.password.reveal() == "from the keyring"  # type: ignore[union-attr]
    assert connect(profile="named").auth_method == "api_key"


def test_only_what_is_needed_is_looked_up(config: Any, keyring: Any) -> None:
    config(
        '[default]\nclient_id = "a"\nclient_secret = "s"\nrefresh_token = { keyring = "clicdata" }\n'
        '[app]\nauth_method = "client_credentials"\nclient_id = "a"\nclient_secret = "s"\napi_key = { env = "NONE" }\n'
    )
    assert connect(profile="default", auth_method="client_credentials").auth_method == "client_credentials"
    assert connect(profile="app").auth_method == "client_credentials"
    with pytest.raises(errors.NotConnected, match=r"refresh_token: not in the keyring: .* default\.refresh_token"):
        connect(profile="default")


def test_a_command_gives_its_first_line(config: Any) -> None:
    config(f"[default]\napi_key = {python('print(1234567); print(8)')}\n")
    assert connect()._tokens.credentials.api_key.reveal() == "1234567"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ('{ env = "NOT_SET" }', "api_key: the variable NOT_SET is not set"),
        ('{ keyring = "clicdata" }', "api_key: not in the keyring: .* keyring set clicdata default.api_key"),
        (python("print('S3CRET'); raise SystemExit(3)"), "ended with status 3"),
        (python("import sys; print('S3CRET', file=sys.stderr)"), "printed nothing"),
        (python("import os; os.write(1, b'S3CRET' + bytes([255]))"), "printed text that is not UTF-8"),
        (python("print('S3CRET', flush=True); import time; time.sleep(60)"), "did not end within"),
        ('{ command = "no-such-program show S3CRET" }', "no-such-program can't be run: No such file"),
        ('{ command = "no-such-program $(S3CRET)" }', "can't be run"),
    ],
)
def test_a_secret_that_is_not_there_is_named_without_any_output(
    config: Any,
    monkeypatch: pytest.MonkeyPatch,
    keyring: Any,
    capfd: pytest.CaptureFixture[str],
    reference: str,
    words: str,
) -> None:
    monkeypatch.setattr("pandas_clicdata.session.references._PATIENCE", 1.0 if "sleep" in reference else 60.0)
    config(f"[default]\napi_key = {reference}\n")
    with pytest.raises(errors.NotConnected, match=f"profile default: .*{words}") as caught:
        connect()
    shown = [text for _, text in (*texts_of(caught.value), *locals_of(caught.value), *reachable(caught.value))]
    assert not [text for text in shown if "S3CRET" in str(text)]
    assert capfd.readouterr() == ("", "")


def test_without_the_library_a_keyring_says_what_to_install(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    config('[default]\napi_key = { keyring = "clicdata" }\n')
    with pytest.raises(errors.NotConnected, match="pip install keyring"):
        connect()


def test_a_machine_without_a_keyring_says_what_to_do(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backends.fail import Keyring

    monkeypatch.setattr(keyring, "get_password", Keyring().get_password)
    config('[default]\napi_key = { keyring = "clicdata" }\n')
    with pytest.raises(
        errors.NotConnected, match=r"can't be read \(NoKeyringError\): unlock it, .* or \{ env = ... \}"
    ):
        connect()


def test_no_secret_of_a_profile_is_shown(config: Any, clicdata_sandbox: Sandbox) -> None:
    secret = Canaries()
    path = config("")
    profiles.save(
        "default",
        {"url": clicdata_sandbox.url, "client_id": "an-app"},
        {"client_secret": Secret(secret.client_secret), "refresh_token": Secret(secret.refresh_token)},
    )
    assert path.stat().st_mode & 0o777 == 0o600
    session = connect()
    with pytest.raises(errors.BadCredentials) as caught:
        session.check()
    shown = [*texts_of(caught.value), *locals_of(caught.value), *reachable(caught.value)]
    assert not secret.sightings(*(text for _, text in shown), repr(session), repr(vars(session)), repr(dir(session)))


# ---------------------------------------------------------------------------------------------------------
# Writing


def test_what_a_user_wrote_stays(config: Any) -> None:
    path = config(
        "# my accounts\n\n[prod] # the real one\nclient_id = 'a' # an app\nrefresh_token = \"old\" # replaced\n"
        "url='https://api.clicdata.com/'\n\n# for tests\n[dev]\napi_key = { env = \"KEY\" }\n"
    )
    store = profiles.RefreshTokens(path, "prod", profiles._table(path, "prod"))  # type: ignore[arg-type]
    with store.locked(5) as newest:
        assert newest.reveal() == "old"
        store.write(Secret('n"ew'))
    assert path.read_text("utf-8") == (
        '# my accounts\n\n[prod] # the real one\nclient_id = \'a\' # an app\nrefresh_token = "n\\"ew" # replaced\n'
        "url='https://api.clicdata.com/'\n\n# for tests\n[dev]\napi_key = { env = \"KEY\" }\n"
    )
    profiles.save("dev", {"client_id": "b", "url": None}, {"client_secret": Secret("s")})
    assert re.search(
        r'# for tests\n\[dev\]\nclient_id = "b"\nlogged_in = ".{29}"\nclient_secret = "s"\n$', path.read_text("utf-8")
    )
    assert "[prod] # the real one" in path.read_text("utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir() if each.suffix not in (".toml", ".lock")] == []


def test_a_link_to_the_file_stays_a_link(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config('[prod]\napi_key = "k"\n')
    link = tmp_path / "folder" / "link.toml"
    link.parent.mkdir()
    link.symlink_to(path)
    monkeypatch.setenv("CLICDATA_CONFIG", str(link))
    profiles.save("dev", {}, {"api_key": Secret("l")})
    assert link.is_symlink()
    assert 'api_key = "l"' in path.read_text("utf-8")


def test_a_profile_opens_no_connection_before_it_is_used(config: Any) -> None:
    config('[default]\nclient_id = "a"\nclient_secret = "s"\nurl = "http://127.0.0.1:9/"\n')
    assert not pandas_clicdata.connect().closed
