"""Log in by an authorization code: by a browser that comes back to this machine, or by a code that is pasted."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from canaries import locals_of, reachable, texts_of
from pandas_clicdata import Session, errors
from pandas_clicdata.session import login, profiles
from scripted import Says, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pandas_clicdata.sandbox import Sandbox


@pytest.fixture
def app(clicdata_sandbox: Sandbox) -> Iterator[Session]:
    with clicdata_sandbox.session(auth_method="client_credentials") as session:
        yield session


class Browser:
    """Opens a page in a thread, as a browser does, and follows its redirect."""

    def __init__(self, change: Callable[[str], str] = lambda address: address) -> None:
        self.change = change
        self.pages: list[requests.Response] = []
        self.address = ""

    def __call__(self, address: str) -> None:
        self.address = address
        self.thread = threading.Thread(target=self._go)
        self.thread.start()

    def _go(self) -> None:
        first = requests.get(self.address, allow_redirects=False, timeout=10)
        self.pages.append(requests.get(self.change(first.headers["Location"]), timeout=10))


def test_a_browser_comes_back_and_a_profile_is_written(
    app: Session, clicdata_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    token = login.refresh_token_by_browser(app, browser, scope="data_read account_read")
    browser.thread.join()
    asked = parse_qs(urlsplit(browser.address).query)
    assert asked["scope"] == ["data_read account_read"]
    assert asked["redirect_uri"][0].startswith("http://127.0.0.1:")
    [page] = browser.pages
    assert "You can close this window" in page.text
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    monkeypatch.setenv("CLICDATA_CONFIG", str(tmp_path / "config.toml"))
    known = clicdata_sandbox.credentials
    secrets = {"client_secret": app._tokens.credentials.client_secret, "refresh_token": token}  # type: ignore
    profiles.save("default", {"client_id": known.client_id, "url": clicdata_sandbox.url}, secrets)
    with Session(profile="default") as session:
        assert session.auth_method == "authorization_code"
        assert session.check()["account"] == "Sandbox Trading"


def test_only_one_redirect_with_the_state_is_taken(app: Session, capfd: pytest.CaptureFixture[str]) -> None:
    seen = []

    def strangers_first(address: str) -> str:
        door = address.partition("?")[0]
        paths = ("favicon.ico", "?code=theirs&state=guessed", "?code=theirs", "?state=")
        seen.extend(requests.get(door + path, timeout=10).status_code for path in paths)
        seen.append(requests.post(door, timeout=10).status_code)
        return address

    browser = Browser(strangers_first)
    assert login.refresh_token_by_browser(app, browser).reveal()
    browser.thread.join()
    assert seen == [404, 404, 404, 404, 501]
    with pytest.raises(requests.ConnectionError):
        requests.get(parse_qs(urlsplit(browser.address).query)["redirect_uri"][0], timeout=10)
    assert capfd.readouterr() == ("", "")


def test_a_refusal_in_the_browser_is_raised(app: Session) -> None:
    browser = Browser(lambda address: address.replace("code=", "error=access_denied&error_description=No%0Aone&x="))
    with pytest.raises(errors.BadCredentials, match="its user refused: No one"):
        login.refresh_token_by_browser(app, browser)
    browser.thread.join()
    assert "The log-in was refused. You can close this window." in browser.pages[0].text
    assert "No" not in browser.pages[0].text


def test_a_browser_that_never_comes_back_is_not_waited_for(app: Session) -> None:
    with pytest.raises(errors.DeadlineExceeded, match=r"did not come back within 0\.05 seconds"):
        login.refresh_token_by_browser(app, lambda _: None, seconds=0.05)


def test_a_port_that_is_taken_is_said(app: Session, clicdata_sandbox: Sandbox) -> None:
    port = urlsplit(clicdata_sandbox.url).port
    assert port is not None
    with pytest.raises(errors.InputError, match=f"port {port} of this machine can't be used"):
        login.refresh_token_by_browser(app, lambda _: None, port=port)


@pytest.mark.parametrize("whole", [True, False], ids=["the address", "the code alone"])
def test_a_code_is_pasted(app: Session, whole: bool) -> None:
    def ask(address: str) -> str:
        ended = requests.get(address, allow_redirects=False, timeout=10).headers["Location"]
        assert ended.startswith("http://127.0.0.1/?")
        return f" {ended}\n" if whole else parse_qs(urlsplit(ended).query)["code"][0]

    assert login.refresh_token_by_paste(app, ask).reveal()


@pytest.mark.parametrize(
    ("pasted", "error", "words"),
    [
        ("", errors.InputError, "no code was pasted"),
        ("http://127.0.0.1/?code=C0DE&state=old", errors.InputError, "of another log-in"),
        ("http://127.0.0.1/?code=C0DE", errors.InputError, "of another log-in"),
        ("http://127.0.0.1/?error=access_denied&state=old", errors.InputError, "of another log-in"),
        ("http://127.0.0.1/?error=access_denied", errors.BadCredentials, "ClicData or its user refused: access_denied"),
        ("C0DE", errors.BadCredentials, "was used, or has expired"),
    ],
)
def test_a_wrong_code_is_refused(app: Session, pasted: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        login.refresh_token_by_paste(app, lambda _: pasted)
    if error is errors.BadCredentials:  # the pasted code may still be valid
        shown = [text for _, text in (*texts_of(caught.value), *reachable(caught.value), *locals_of(caught.value))]
        assert not [text for text in shown if text != pasted and "C0DE" in str(text)]


def test_a_service_without_refresh_tokens_is_said() -> None:
    with ScriptedServer(lambda _: Says({"access_token": "a", "expires_in": 60})) as server:
        with Session(client_id="a", client_secret="s", url=server.url) as app:
            with pytest.raises(errors.ProtocolError, match="gave no refresh token"):
                login.refresh_token_by_paste(app, lambda _: "code")
    [seen] = server.seen
    assert parse_qs(seen.body.decode()) == {
        "grant_type": ["authorization_code"],
        "code": ["code"],
        "client_id": ["a"],
        "client_secret": ["s"],
        "redirect_uri": ["http://127.0.0.1/"],
    }


@pytest.mark.parametrize(("system", "reuses"), [("posix", True), ("nt", False)])
def test_no_other_program_can_take_the_port_on_windows(
    monkeypatch: pytest.MonkeyPatch, system: str, reuses: bool
) -> None:
    monkeypatch.setattr(login, "os", SimpleNamespace(name=system))
    with login._Door("state", 0) as door:
        assert bool(door._server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)) is reuses
