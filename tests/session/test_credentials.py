"""Ways to log in: headers, forms and tokens, which show no secret."""

from __future__ import annotations

import copy
import pickle

import pytest

from pandas_clicdata.errors import InputError, ProtocolError
from pandas_clicdata.session.credentials import GIVEN, ClientCredentials, Secret, Token, credentials_of, hide, token_of


def given(**texts: object) -> dict[str, object]:
    return {name: texts.get(name) for name in GIVEN}


def test_basic_is_nested_exactly_so() -> None:
    basic = credentials_of(None, given(client_id="demo-client", username="jane@example.com", password="s3cret"))
    expected = "Basic ZGVtby1jbGllbnQ6YW1GdVpVQmxlR0Z0Y0d4bExtTnZiVHB6TTJOeVpYUT0="
    assert basic.headers(None) == {"Authorization": expected}


def test_a_key_goes_alone() -> None:
    assert credentials_of(None, given(api_key="k")).headers(None) == {"CLICDATA-API-KEY": "k"}


def test_client_credentials_ask_for_a_token_without_scope() -> None:
    credentials = credentials_of(None, given(client_id="a", client_secret="b"))
    assert credentials.form() == {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}
    assert credentials.headers(Token(Secret("t"), 0)) == {"Authorization": "Bearer t"}


def test_a_refresh_token_is_sent_under_its_own_name_and_replaced() -> None:
    credentials = credentials_of(None, given(client_id="a", client_secret="b", refresh_token="old"))
    assert credentials.method == "authorization_code"
    assert credentials.form()["refresh_token"] == "old"
    assert credentials.form()["grant_type"] == "refresh_token"
    new = credentials.renewed(token_of({"access_token": "t", "refresh_token": "new", "expires_in": 9}, 0.0))
    assert new.form()["refresh_token"] == "new"
    assert new.renewed(token_of({"access_token": "t"}, 0.0)).form()["refresh_token"] == "new"


@pytest.mark.parametrize(
    ("method", "texts", "message"),
    [
        (None, {}, "credentials are missing"),
        (None, {"client_id": "a"}, "only client_id"),
        (None, {"client_id": "a", "client_secret": "b", "username": "c", "password": "d"}, "auth_method="),
        (None, {"api_key": "k", "client_id": "a", "client_secret": "b"}, "auth_method="),
        ("basic", {"client_id": "a", "username": "c"}, "also needs password"),
        ("oauth", {"client_id": "a"}, "auth_method must be one of"),
        (None, {"api_key": "k\r\nX: y"}, "api_key has a line break"),
        (None, {"api_key": "clé"}, "an HTTP header can't hold"),
        (None, {"api_key": " k"}, "white space"),
        (None, {"api_key": ""}, "api_key is empty"),
        (None, {"api_key": 5}, "api_key must be text, not int"),
        (None, {"api_key": "\ud800"}, "api_key has characters"),
        (None, {"client_id": "a:b", "username": "c", "password": "d"}, "colon"),
    ],
)
def test_a_bad_argument_is_named_and_its_value_is_not_shown(
    method: str | None, texts: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        credentials_of(method, given(**texts))
    assert "X: y" not in str(caught.value)


def test_auth_method_decides_between_two_that_are_complete() -> None:
    texts = given(client_id="a", client_secret="b", username="c", password="d")
    assert credentials_of("basic", texts).method == "basic"
    assert credentials_of("client_credentials", texts).method == "client_credentials"


def test_no_text_form_shows_a_secret() -> None:
    secret = Secret("hush-hush")
    credentials = credentials_of(None, given(client_id="a", client_secret="hush-hush"))
    shown = f"{secret} {secret!r} {secret!s} {secret:>20} {credentials} {credentials!r} {vars(credentials)}"
    assert "hush" not in shown
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(credentials)
    with pytest.raises(TypeError, match="can't be pickled"):
        copy.deepcopy(secret)


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("seconds", "stated"),
    [(3600, 3600), (3600, "3600"), (300, None), (300, "soon"), (300, True), (300, float("nan")), (0, 0), (0, -5)],
)
def test_the_lifetime_of_a_token(seconds: float, stated: object) -> None:
    assert token_of({"access_token": "t", "expires_in": stated}, 0.0).ends == seconds


def test_a_huge_lifetime_is_cut() -> None:
    assert token_of({"access_token": "t", "expires_in": 10**30}, 0.0).ends < 1e9


@pytest.mark.fault(34)
@pytest.mark.parametrize("members", [None, [], {}, {"access_token": ""}, {"access_token": 5}, {"access_token": "a\nb"}])
def test_no_token_is_an_error_that_holds_nothing_of_the_answer(members: object) -> None:
    with pytest.raises(ProtocolError, match="without an access token"):
        token_of(members, 0.0)


def test_a_token_is_renewed_a_minute_before_its_end() -> None:
    token = token_of({"access_token": "t", "expires_in": 3600}, now=1000.0)
    assert token.fresh(1000 + 3600 - 60 - 0.001)
    assert not token.fresh(1000 + 3600 - 60)
    assert token.alive(1000 + 3600 - 0.001)
    assert not token.alive(1000 + 3600)


@pytest.mark.parametrize(
    ("secret", "said", "shown"),
    [
        ("password", "Wrong username or password.", "Wrong username or password."),
        ("secret", "The client secret is wrong: secret", "The client secret is wrong: ***"),
        ("password", 'client_secret=password; you sent "password"', 'client_secret=***; you sent "***"'),
        ("ear", "The year you sent was ear.", "The year you sent was ***."),
        ("summer", "no summer here", "no *** here"),
        ("longersecret", "xlongersecretx", "x***x"),
        ("s3cr", "xs3crx", "x***x"),
        ("a b", "xa bx a%20b", "x***x ***"),
    ],
)
def test_a_secret_that_is_a_usual_word_leaves_sentences_whole(secret: str, said: str, shown: str) -> None:
    assert hide(ClientCredentials("id", Secret(secret)), None, said) == shown
