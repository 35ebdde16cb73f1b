"""Every login, and every refusal of one."""

from __future__ import annotations

import base64
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from pandas_clicdata.sandbox import start

SECRETS = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}


def basic(client_id: str, username: str, password: str) -> str:
    inner = base64.b64encode(f"{username}:{password}".encode()).decode()
    return "Basic " + base64.b64encode(f"{client_id}:{inner}".encode()).decode()


def token(caller, **form):
    return caller("POST", "oauth20/token", data=form)


class TestClientCredentials:
    def test_gives_a_token_that_works(self, legacy):
        assert legacy.ok("GET", "data")["count"] == 3

    def test_answer_says_how_long_and_has_no_refresh_token(self, sandbox, caller_of):
        answer = caller_of(sandbox, login=False).login()
        assert answer["expires_in"] == 3600
        assert set(answer) == {"access_token", "token_type", "expires_in"}

    def test_needless_fields_are_let_pass(self, sandbox, caller_of):
        caller_of(sandbox, login=False).login(code="x", redirect_uri="https://example.com")

    @pytest.mark.parametrize(
        ("form", "status", "code"),
        [
            ({**SECRETS, "grant_type": "client_credentials", "client_secret": "x"}, 401, "invalid_client"),
            ({**SECRETS, "grant_type": "client_credentials", "client_id": "é"}, 401, "invalid_client"),
            ({"grant_type": "client_credentials"}, 401, "invalid_client"),
            ({**SECRETS, "grant_type": "password"}, 400, "unsupported_grant_type"),
            (SECRETS, 400, "unsupported_grant_type"),
            ({**SECRETS, "grant_type": "client_credentials", "scope": "all"}, 400, "invalid_scope"),
            ({**SECRETS, "grant_type": "authorization_code", "code": "x"}, 400, "invalid_grant"),
            ({**SECRETS, "grant_type": "refresh_token", "code": "x"}, 400, "invalid_grant"),
        ],
    )
    def test_refusals(self, sandbox, caller_of, form, status, code):
        answer = token(caller_of(sandbox, login=False), **form)
        assert (answer.status_code, answer.json()["error"]) == (status, code)
        assert answer.json()["error_description"]

    def test_takes_a_form_and_nothing_else(self, sandbox, caller_of):
        caller = caller_of(sandbox, login=False)
        body = {**SECRETS, "grant_type": "client_credentials"}
        assert caller.error("POST", "oauth20/token", json=body)[:2] == (415, "UnsupportedMediaType")
        assert caller.error("GET", "oauth20/token")[0] == 405

    def test_a_token_expires(self, caller_of):
        with start(token_lifetime=0) as sandbox:
            caller = caller_of(sandbox)
            assert caller.error("GET", "data")[:2] == (401, "Unauthorized")
            assert caller("GET", "data").headers["WWW-Authenticate"] == "Bearer"

    def test_all_tokens_can_be_expired(self, sandbox, legacy):
        sandbox.faults.expire_tokens()
        assert legacy.error("GET", "data")[0] == 401
        legacy.login()
        assert legacy("GET", "data").status_code == 200


class TestScopes:
    def test_only_requested_scopes_are_granted(self, sandbox, caller_of):
        caller = caller_of(sandbox, login=False)
        assert caller.login(scope="data_read")["scope"] == "data_read"
        assert caller("GET", "data/1001").status_code == 200
        status, code, description = caller.error("POST", "data/1001/row", json={"data": []})
        assert (status, code) == (403, "InsufficientScope")
        assert "data_write" in description

    def test_several_are_separated_by_blanks(self, sandbox, caller_of):
        caller = caller_of(sandbox, "2025.3", login=False)
        caller.login(scope="table_read data_write")
        assert caller("GET", "table").status_code == 200
        assert caller("GET", "data").status_code == 403


class TestAuthorizationCode:
    ASKED: ClassVar = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": "https://example.com/back?from=clicdata",
        "state": "a state",
    }

    def code(self, caller, **asked):
        answer = caller("GET", "oauth20/authorize", params={**self.ASKED, **asked})
        assert answer.status_code == 302
        back = urlsplit(answer.headers["Location"])
        assert (back.scheme, back.netloc, back.path) == ("https", "example.com", "/back")
        return {name: value[0] for name, value in parse_qs(back.query).items()}

    def exchanged(self, caller, code, **form):
        return token(
            caller,
            **{
                **SECRETS,
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.ASKED["redirect_uri"],
                **form,
            },
        )

    def test_whole_way(self, sandbox, caller_of):
        caller = caller_of(sandbox, login=False)
        back = self.code(caller)
        assert back["from"] == "clicdata"
        assert back["state"] == "a state"
        answer = self.exchanged(caller, back["code"]).json()
        caller.http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        assert caller("GET", "data").status_code == 200
        assert answer["refresh_token"]

    def test_a_code_works_once(self, sandbox, caller_of):
        caller = caller_of(sandbox, login=False)
        code = self.code(caller)["code"]
        assert self.exchanged(caller, code).status_code == 200
        assert self.exchanged(caller, code).json()["error"] == "invalid_grant"

    def test_redirect_uri_must_be_the_same(self, sandbox, caller_of):
        caller = caller_of(sandbox, login=False)
        answer = self.exchanged(caller, self.code(caller)["code"], redirect_uri="https://example.org")
        assert answer.json()["error"] == "invalid_grant"

    def test_scopes_stay_with_the_refresh_token(self, sandbox, caller_of):
        caller = caller_of(sandbox, login=False)
        first = self.exchanged(caller, self.code(caller, scope="data_read")["code"]).json()
        second = token(caller, **SECRETS, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
        caller.http.headers["Authorization"] = f"Bearer {second['access_token']}"
        assert caller("GET", "data").status_code == 200
        assert caller.error("POST", "data", json={})[0] == 403

    @pytest.mark.parametrize(
        ("asked", "error"),
        [({"response_type": "token"}, "unsupported_response_type"), ({"scope": "all"}, "invalid_scope")],
    )
    def test_errors_travel_back(self, sandbox, caller_of, asked, error):
        assert self.code(caller_of(sandbox, login=False), **asked)["error"] == error

    @pytest.mark.parametrize("asked", [{"client_id": "another"}, {"redirect_uri": "javascript:alert(1)"}])
    def test_an_unknown_client_is_not_redirected(self, sandbox, caller_of, asked):
        answer = caller_of(sandbox, login=False)("GET", "oauth20/authorize", params={**self.ASKED, **asked})
        assert answer.status_code in (400, 401)
        assert "Location" not in answer.headers


def test_refresh_tokens_rotate(sandbox, caller_of):
    caller = caller_of(sandbox, login=False)
    form = {**SECRETS, "grant_type": "refresh_token"}
    first = token(caller, **form, refresh_token=sandbox.credentials.refresh_token)
    assert first.status_code == 200
    second = token(caller, **form, refresh_token=first.json()["refresh_token"])
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first.json()["refresh_token"]
    for spent in (sandbox.credentials.refresh_token, first.json()["refresh_token"]):
        assert token(caller, **form, refresh_token=spent).json()["error"] == "invalid_grant"


class TestBasic:
    def test_the_check_vector(self):
        token = "ZGVtby1jbGllbnQ6YW1GdVpVQmxlR0Z0Y0d4bExtTnZiVHB6TTJOeVpYUT0="
        assert basic("demo-client", "jane@example.com", "s3cret") == f"Basic {token}"

    def test_works_in_both_dialects(self, sandbox, caller_of):
        for version in (None, "2025.3"):
            caller = caller_of(sandbox, version, login=False)
            caller.http.headers["Authorization"] = basic("sandbox-client", "jane@example.com", "sandbox-password")
            assert caller("GET", "data").status_code == 200

    @pytest.mark.parametrize(
        "token",
        [
            basic("sandbox-client", "jane@example.com", "sandbox-passwor"),
            basic("sandbox-client", "nobody@example.com", "sandbox-password"),
            basic("another", "jane@example.com", "sandbox-password"),
            "Basic " + base64.b64encode(b"jane@example.com:sandbox-password").decode(),
            # Without the colon between client id and inner text.
            "Basic "
            + base64.b64encode(b"sandbox-client" + base64.b64encode(b"jane@example.com:sandbox-password")).decode(),
            basic("sandbox-client", "jane@example.com", "sandbox-password").rstrip("="),
            "Basic ???",
            "Basic",
            "Digest x",
        ],
    )
    def test_anything_else_is_refused(self, sandbox, caller_of, token):
        caller = caller_of(sandbox, login=False)
        caller.http.headers["Authorization"] = token
        assert caller.error("GET", "data")[:2] == (401, "Unauthorized")


class TestApiKey:
    def test_works_in_the_modern_dialect(self, sandbox, caller_of):
        caller = caller_of(sandbox, "2022.01", login=False)
        caller.http.headers["CLICDATA-API-KEY"] = "sandbox-api-key"
        assert caller("GET", "data").status_code == 200

    def test_wants_a_version(self, sandbox, caller_of):
        caller = caller_of(sandbox, login=False)
        caller.http.headers["CLICDATA-API-KEY"] = "sandbox-api-key"
        answer = caller("GET", "data")
        assert answer.status_code == 200
        assert set(answer.json()) == {"error"}
        assert answer.json()["error"]["code"] == "APIVersionRequired"

    @pytest.mark.parametrize(
        "headers",
        [
            {"CLICDATA-API-KEY": "wrong"},
            {"CLICDATA-API-KEY": "sandbox-api-key", "Authorization": "Bearer x"},
            {},
        ],
    )
    def test_refusals(self, sandbox, caller_of, headers):
        caller = caller_of(sandbox, "2022.01", login=False)
        assert caller.error("GET", "data", headers=headers)[:2] == (401, "Unauthorized")


class TestVersions:
    @pytest.mark.parametrize("version", ["2021.08", "2022.01", "2025.3"])
    def test_known_ones(self, sandbox, caller_of, version):
        assert len(caller_of(sandbox, version).ok("GET", "data")) == 3

    @pytest.mark.parametrize("version", ["2022.1", "2025.03", "1", ""])
    def test_unknown_ones(self, legacy, version):
        answer = legacy("GET", "data", params={"api_version": version})
        assert answer.status_code == 200
        assert answer.json()["error"]["code"] == "InvalidVersion"

    def test_a_sandbox_may_insist_on_one(self, caller_of):
        with start(require_version=True) as sandbox:
            answer = caller_of(sandbox)("GET", "data")
            assert answer.status_code == 200
            assert answer.json()["error"]["code"] == "APIVersionRequired"
            assert caller_of(sandbox, "2022.01")("GET", "data").status_code == 200

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "table"), ("POST", "table/1001"), ("POST", "table/1001/refresh"), ("POST", "data/1001/insert")],
    )
    def test_modern_calls_insist_on_one(self, legacy, method, path):
        assert legacy.error(method, path)[:2] == (200, "APIVersionRequired")
