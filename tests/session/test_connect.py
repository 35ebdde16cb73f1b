"""The start of a session: arguments, credentials from the call and the environment, a check, a wrong URL."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

import pandas_clicdata
from canaries import Canaries, locals_of
from pandas_clicdata import Account, Data, Session, SessionManager, connect, errors
from pandas_clicdata.commands.doctor import doctor
from scripted import Says, ScriptedServer

if TYPE_CHECKING:
    from pandas_clicdata.sandbox import Sandbox

OPENERS = [Session, connect, SessionManager, Data, Account]


def test_connect_has_the_signature_of_a_session_and_check() -> None:
    *shared, check = inspect.signature(connect).parameters.values()
    assert shared == list(inspect.signature(Session).parameters.values())
    assert check == inspect.Parameter("check", inspect.Parameter.KEYWORD_ONLY, default=False, annotation="bool")


@pytest.mark.parametrize("open_one", OPENERS)
@pytest.mark.parametrize(
    ("typo", "meant"), [("clientSecret", "client_secret"), ("key", "api_key"), ("retries", "max_")]
)
def test_a_misspelled_argument_is_refused_with_the_one_meant(open_one: Any, typo: str, meant: str) -> None:
    secret = Canaries()
    with pytest.raises(errors.InputError, match=f"no argument {typo}=: did you mean {meant}") as caught:
        open_one(**{"password": secret.password, typo: secret.client_secret})
    assert not secret.sightings(*(text for _, text in locals_of(caught.value)), str(caught.value))


def test_an_argument_like_no_other_is_refused_with_all_of_them() -> None:
    with pytest.raises(errors.InputError, match="host=: the arguments are auth_method, client_id"):
        Session(host="x")  # type: ignore[call-arg]
    with pytest.raises(errors.InputError, match="did you mean session="):
        Data(sesion=None)


@pytest.mark.parametrize(
    ("given", "environment", "method"),
    [
        ({"client_id": "a"}, {"CLIENT_SECRET": "s"}, "client_credentials"),
        ({"client_id": "a"}, {"CLIENT_ID": "a", "CLIENT_SECRET": "s"}, "client_credentials"),
        ({"client_secret": "s"}, {"CLIENT_ID": "a", "CLIENT_SECRET": "other"}, "client_credentials"),
        ({"username": "u", "password": "p"}, {"CLIENT_ID": "a"}, "basic"),
        ({"refresh_token": "r"}, {"CLIENT_ID": "a", "CLIENT_SECRET": "s"}, "authorization_code"),
        ({"auth_method": "basic", "client_id": "a"}, {"CLIENT_SECRET": "s", "USERNAME": "u", "PASSWORD": "p"}, "basic"),
        ({"api_key": "k"}, {"CLIENT_ID": "a", "CLIENT_SECRET": "s"}, "api_key"),
    ],
)
def test_credentials_of_the_call_are_completed_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], environment: dict[str, str], method: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"CLICDATA_{name}", value)
    monkeypatch.setenv("CLICDATA_URL", "https://api.clicdata.test/")
    session = connect(**given)
    assert session.auth_method == method
    assert session.url == f"https://api.clicdata.{'com' if method == 'api_key' else 'test'}/"
    assert connect(**given, url="https://api.clicdata.com/").url == "https://api.clicdata.com/"


@pytest.mark.parametrize(
    ("given", "environment", "words"),
    [
        ({"client_id": "b"}, {"CLIENT_ID": "a", "CLIENT_SECRET": "s"}, "CLICDATA_CLIENT_SECRET belongs to another one"),
        ({"username": "v"}, {"CLIENT_ID": "a", "USERNAME": "u", "PASSWORD": "p"}, "give password= too"),
        ({"client_id": "a"}, {"CLIENT_SECRET": "s", "USERNAME": "u", "PASSWORD": "p"}, "which one with auth_method="),
        (
            {"username": "u"},
            {"CLIENT_ID": "a"},
            r"basic lacks client_id \(.*: set\) and password \(CLICDATA_PASSWORD: not set\)",
        ),
        ({"client_id": "a"}, {}, r"client_credentials lacks client_secret \(CLICDATA_CLIENT_SECRET: not set\)"),
    ],
)
def test_credentials_that_do_not_belong_together_are_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], environment: dict[str, str], words: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"CLICDATA_{name}", value)
    with pytest.raises(errors.InputError, match=words):
        connect(**given)


def test_no_connection_lists_what_is_set_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICDATA_CLIENT_ID", "a")
    monkeypatch.setenv("CLICDATA_SECRET", "s3cret")
    with pytest.raises(errors.NotConnected) as caught:
        Data().get_data()
    said = str(caught.value)
    assert "client_credentials: CLICDATA_CLIENT_ID set, CLICDATA_CLIENT_SECRET not set" in said
    assert "CLICDATA_SECRET: set, but never read (did you mean CLICDATA_CLIENT_SECRET?)" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("around", ['"{}"', "'{}'", "\u201c{}\u201d", " {}", "{}\t"])
def test_a_secret_with_quotation_marks_or_blanks_around_it_is_refused(around: str) -> None:
    with pytest.raises(errors.InputError, match="around it: remove"):
        Session(api_key=around.format("key"))
    assert Session(client_id="a", username="u", password=around.format("word")).auth_method == "basic"


@pytest.mark.parametrize("method", ["client_credentials", "basic", "api_key"])
def test_a_check_says_who_and_where_and_only_reads(clicdata_sandbox: Sandbox, method: str) -> None:
    with clicdata_sandbox.session(auth_method=method) as session:
        found = session.check()
    known = clicdata_sandbox.credentials
    assert found["account"] == "Sandbox Trading"
    assert found["user"] == (known.username if method == "basic" else None)
    assert found["client_id"] == (None if method == "api_key" else known.client_id)
    assert (found["url"], found["auth_method"]) == (clicdata_sandbox.url, method)
    assert found["dialect"] == ("modern, api_version 2022.01" if method == "api_key" else "legacy, without api_version")
    assert [(one.method, one.path) for one in clicdata_sandbox.requests if one.path != "/oauth20/token"] == [
        ("GET", "/account")
    ]


def test_a_check_passes_without_the_right_to_read_the_account(clicdata_sandbox: Sandbox) -> None:
    clicdata_sandbox.faults.status(403, path="/account")
    with clicdata_sandbox.session() as session:
        assert session.check()["account"] is None


def test_connect_with_check_logs_in_at_once(clicdata_sandbox: Sandbox) -> None:
    url, key = clicdata_sandbox.url, clicdata_sandbox.credentials.api_key
    session = connect(api_key=key, url=url, check=True)
    assert len(clicdata_sandbox.requests) == 1
    with pytest.raises(errors.BadCredentials, match="Check the client id and secret"):
        connect(api_key="wrong", url=url, check=True)
    assert SessionManager.get_session() is session
    with pytest.raises(errors.TransportError, match=r"Check url= \(http://127.0.0.1:9/\), the network"):
        connect(api_key=key, url="http://127.0.0.1:9/", max_retries=0, check=True)


@pytest.mark.parametrize(("path", "says"), [("", Says(b"", 302)), ("v1", Says(b"<html>")), ("", Says(b"<html>"))])
def test_the_error_of_a_check_names_the_url_once(path: str, says: Says) -> None:
    with ScriptedServer(lambda _: says) as server, Session(api_key="k", url=f"{server.url}/{path}") as session:
        with pytest.raises((errors.TransportError, errors.ProtocolError)) as caught:
            session.check()
    assert str(caught.value).count("url=") == 1


@pytest.mark.parametrize("method", ["client_credentials", "basic", "api_key"])
@pytest.mark.parametrize("path", ["v1", "api/v1/"])
def test_a_url_with_a_path_is_told_as_such(
    clicdata_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str,
    method: str,
) -> None:
    words = f"it has the path /{path.rstrip('/')}, and the API is at the root: try {clicdata_sandbox.url}"
    with clicdata_sandbox.session(auth_method=method, url=clicdata_sandbox.url + path) as session:
        with pytest.raises(errors.ClicDataError) as caught:
            Data(session=session).get_data()
    assert words in str(caught.value)
    names = {"client_credentials": ["client_id", "client_secret"], "basic": ["client_id", "username", "password"]}
    for name in names.get(method, [method]):
        monkeypatch.setenv(f"CLICDATA_{name.upper()}", getattr(clicdata_sandbox.credentials, name))
    monkeypatch.setenv("CLICDATA_URL", clicdata_sandbox.url + path)
    assert doctor() == 1
    assert f"What to change: CLICDATA_URL: {words}" in capsys.readouterr().out


def test_a_url_of_another_server_is_named_by_the_log_in() -> None:
    with ScriptedServer(lambda seen: Says({}, 404)) as server:
        with Session(client_id="a", client_secret="s", url=server.url) as session:
            with pytest.raises(errors.NotFound, match=r"log in: .*404\]. Perhaps url= names another server\."):
                Data(session=session).get_data()


def test_a_url_that_answered_once_is_not_doubted() -> None:
    with ScriptedServer(lambda seen: Says([]) if len(server.seen) < 2 else Says({}, 404)) as server:
        with Session(api_key="k", url=f"{server.url}/gateway/") as session:
            Data(session=session).get_data()
            with pytest.raises(errors.NotFound) as caught:
                Data(session=session).get_data()
    assert "url=" not in str(caught.value)


@pytest.mark.parametrize("host", ["app.clicdata.com", "www.clicdata.com", "clicdata.com"])
def test_another_host_of_the_service_is_told_as_such(host: str) -> None:
    from pandas_clicdata.session.arguments import doubt_url

    assert (
        doubt_url(f"https://{host}/login") == f"it names the host {host}, and the API is at https://api.clicdata.com/"
    )
    assert doubt_url("https://api.clicdata.com") is None
    assert doubt_url(pandas_clicdata.session.arguments.DEFAULT_URL) is None
    assert doubt_url("https://gateway.example.com:8443") is None
