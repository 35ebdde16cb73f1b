"""A sandbox, and a plain HTTP caller that is independent of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.sandbox import Sandbox

MODERN = "2022.01"


class Caller:
    """``requests`` with a base URL, a login, and an ``api_version`` or none."""

    def __init__(self, url: str, version: str | None = None) -> None:
        self.url = url
        self.version = version
        self.http = requests.Session()
        self.http.trust_env = False

    def login(self, **form: str) -> dict[str, Any]:
        wanted = {
            "grant_type": "client_credentials",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-secret",
            **form,
        }
        answer = self.http.post(f"{self.url}oauth20/token", data=wanted, timeout=10)
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer.json()

    def __call__(self, method: str, path: str, **more: Any) -> requests.Response:
        query = {"api_version": self.version, **more.pop("params", {})}
        return self.http.request(
            method,
            self.url + path,
            params={name: value for name, value in query.items() if value is not None},
            **{"timeout": 10, "allow_redirects": False, **more},
        )

    def ok(self, method: str, path: str, **more: Any) -> Any:
        """Return the payload of a successful answer without the modern envelope."""
        answer = self(method, path, **more)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        if more.get("params", {}).get("api_version", self.version) is None:
            return body
        assert body["success"] is True, body
        return body["result"]

    def error(self, method: str, path: str, **more: Any) -> tuple[int, str, str]:
        """Return status, code and description of a refusal."""
        answer = self(method, path, **more)
        body = answer.json()
        assert isinstance(body.get("error"), dict), body
        assert body.get("success", False) is False
        return answer.status_code, body["error"]["code"], body["error"]["description"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with start() as running:
        yield running


@pytest.fixture
def caller_of() -> Iterator[Callable[..., Caller]]:
    callers: list[Caller] = []

    def make(sandbox: Sandbox, version: str | None = None, *, login: bool = True) -> Caller:
        caller = Caller(sandbox.url, version)
        callers.append(caller)
        if login:
            caller.login()
        return caller

    yield make
    for caller in callers:
        caller.http.close()


@pytest.fixture
def legacy(sandbox: Sandbox, caller_of: Callable[..., Caller]) -> Caller:
    return caller_of(sandbox)


@pytest.fixture
def modern(sandbox: Sandbox, caller_of: Callable[..., Caller]) -> Caller:
    return caller_of(sandbox, MODERN)


@pytest.fixture(params=[None, MODERN], ids=["legacy", "modern"])
def caller(request: pytest.FixtureRequest, sandbox: Sandbox, caller_of: Callable[..., Caller]) -> Caller:
    """A logged-in caller, once in each dialect."""
    return caller_of(sandbox, request.param)
