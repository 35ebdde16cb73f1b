"""The possible targets and contents of requests, for any arguments and answers."""

from __future__ import annotations

import inspect
import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pandas_clicdata
from certificates import Listener, head_of, over_tls, self_signed
from pandas_clicdata import Account, Dashboard, Data, Schedule, Session, Team, User, errors
from pandas_clicdata.session import retry
from pandas_clicdata.session.wire import Dialect, Request
from pandas_clicdata.uploads import change
from scripted import Says, ScriptedServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path


# ---------------------------------------------------------------------------------------------------------
# Redirects


FRAME = pd.DataFrame({"a": ["x"]})
BODY = b'{"multiplerows":"all","find":[{"column":"a","value":1}]}'
DONE = Says({"success": True})


@pytest.mark.wide(4)
@pytest.mark.fault(54)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("to", ["the same host", "another port", "another name", "a relative path", "nowhere"])
def test_no_redirect_is_followed(to: str, method: str, status: int) -> None:
    with ScriptedServer(lambda _: DONE) as other, ScriptedServer(lambda _: DONE) as server:
        location = {
            "the same host": server.url + "elsewhere",
            "another port": other.url + "data/5/row",
            "another name": other.url.replace("127.0.0.1", "localhost") + "data/5/row",
            "a relative path": "/elsewhere",
            "nowhere": "",
        }[to]
        server.script = lambda _: Says(b"", status, {"Location": location})
        with Session(api_key="k", url=server.url) as session, pytest.raises(errors.RedirectRefused) as caught:
            session.call(Request("change rows", method, "/data/5/row", body=None if method == "GET" else BODY))
        assert [(seen.method, seen.body) for seen in server.seen] == [(method, b"" if method == "GET" else BODY)]
        assert other.seen == []
    assert caught.value.in_doubt
    assert "elsewhere" not in str(caught.value)


def test_no_redirect_leads_out_of_tls(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1")
    with ScriptedServer(lambda _: DONE) as plain:

        def serve(taken: socket.socket) -> None:
            received = head_of(taken)
            # Unread bytes would reset the connection when it is closed.
            while not received.endswith(BODY) and (piece := taken.recv(65536)):
                received += piece
            taken.sendall(b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % plain.url.encode())

        with Listener(over_tls(certificate, serve)) as server:
            url = f"https://127.0.0.1:{server.port}/"
            with Session(api_key="k", url=url, ca_bundle=certificate) as session:
                with pytest.raises(errors.RedirectRefused):
                    session.call(Request("change rows", "DELETE", "/data/5/row", body=BODY))
        assert plain.seen == []


def test_a_login_that_is_redirected_is_not_followed_either() -> None:
    with ScriptedServer(lambda _: DONE) as other:
        with ScriptedServer(lambda _: Says(b"", 307, {"Location": other.url})) as server:
            with Session(client_id="i", client_secret="s", url=server.url) as session:
                with pytest.raises(errors.RedirectRefused):
                    Data(session=session).get_data()
            assert len(server.seen) == 1
        assert other.seen == []


@pytest.mark.fault(67)
@pytest.mark.parametrize("find", [b"", b" ", b"[]", b" [] "])
def test_a_delete_without_a_filter_can_not_even_be_made(find: bytes) -> None:
    for dialect in Dialect:
        for made in (
            lambda: change.delete_request(5, find, "all", dialect),  # noqa: B023  # called at once
            lambda: change.delete_request(5, find, "all", dialect, place=("DELETE", "row")),  # noqa: B023
            lambda: change.update_request(5, find, b"[1]", "all", dialect),  # noqa: B023
        ):
            with pytest.raises(errors.InputError, match="empty filter"):
                made()


@pytest.mark.fault(67)
def test_every_delete_carries_its_filter(clicdata_sandbox: Any) -> None:
    compared = {"name": "shop_code", "comparator": "equals", "values": ["nothing like it"]}
    legacy = {"multiplerows": "all", "find": [{"column": "shop_code", "value": "nothing like it"}]}
    modern = {"multiple_rows": "all", "filter": {"condition": [{"columns": [compared], "operator": "and"}]}}
    with clicdata_sandbox.session() as session:
        Data(session=session).delete_data(1001, {"shop_code": "nothing like it"})
    clicdata_sandbox.faults.status(405, path="/data/1001/delete")
    with clicdata_sandbox.session(api_version="2022.01") as session:
        Data(session=session).delete_data(1001, {"shop_code": "nothing like it"})
    sent = [(seen.method, json.loads(seen.body)) for seen in clicdata_sandbox.requests if "1001" in seen.path]
    assert sent == [("DELETE", legacy), ("POST", modern), ("DELETE", legacy | modern)]


# ---------------------------------------------------------------------------------------------------------
# Paths, queries, headers


class Recorder(Session):
    """Makes requests ready to be sent, and keeps them instead."""

    def __init__(self) -> None:
        super().__init__(api_key="k", url="https://api.clicdata.test:8443/under/here/")
        self.made: list[Any] = []
        self._sleep = lambda seconds: None

    def _send(self, request: Any, api_version: Any, credentials: Any, token: Any, left: Any) -> Any:
        self.made.append(self._http_request(request, api_version, credentials, token))
        return errors.TransportError("kept", sent="no")

    def call(self, request: Request) -> Any:
        return super().call(request)


PLAIN = st.text(max_size=40)
EVIL = st.sampled_from(
    [
        "../..", "//evil.example/x", "/etc/passwd", "https://evil.example/", "?x=1", "#frag", "a&b=c", "%2e%2e%2f",
        "a b", "x\r\nX-Evil: yes", "x\nHost: evil.example", "x\0y", "\u202egnp.exe", ";rm -rf", "@evil.example",
        "\\\\evil\\x", "é", "😀", "", " ", ".", "..", "x" * 5000, "1001", "1001/../1002", "\ud800", "{}", "*",
    ]
)  # fmt: skip
IDS = st.one_of(
    st.integers(-5, 2**70),
    st.sampled_from([None, True, False, 1.0, "5", "../5", b"5", [5], {}, float("nan"), 2**53, 2**53 + 1, 10**30]),
)
NEEDS_A_FRAME = {"append_data", "static_send_data"}


def public_calls() -> list[Any]:
    return [
        pytest.param(noun, name, id=f"{noun.__name__}.{name}")
        for noun in (Account, Dashboard, Data, Schedule, Team, User)
        for name, method in vars(noun).items()
        if callable(method) and not name.startswith("_") and name not in NEEDS_A_FRAME
    ]


def value_for(name: str) -> st.SearchStrategy[Any]:
    if name.endswith(("_id", "version")):
        return IDS
    if name in ("filters", "values", "parameters"):
        return st.dictionaries(EVIL | PLAIN, EVIL | PLAIN | st.integers(), max_size=2)
    if name == "cols":
        return st.dictionaries(EVIL | PLAIN, st.sampled_from(["text", "number"]), max_size=2)
    return EVIL | PLAIN


@pytest.mark.parametrize(("noun", "name"), public_calls())
@given(data=st.data())
@settings(max_examples=25, deadline=None, database=None)
def test_no_argument_changes_where_a_request_goes(noun: Any, name: str, data: st.DataObject) -> None:
    session = Recorder()
    method = getattr(noun(session=session), name)
    arguments = {}
    for parameter in inspect.signature(method).parameters.values():
        wanted = parameter.default is inspect.Parameter.empty or data.draw(st.booleans(), label=parameter.name)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD or not wanted:
            continue
        arguments[parameter.name] = data.draw(value_for(parameter.name), label=parameter.name)
    try:
        given_back = method(**arguments)
        if inspect.isgenerator(given_back):
            list(given_back)
    except (errors.ClicDataError, OSError, TypeError):
        pass  # refused, or stopped where it would have been sent
    for made in session.made:
        parts = urlsplit(made.url)
        assert (parts.scheme, parts.netloc) == ("https", "api.clicdata.test:8443")
        assert parts.path.startswith("/under/here/")
        assert set(parts.path) <= set("abcdefghijklmnopqrstuvwxyz0123456789/"), parts.path
        assert "//" not in parts.path
        assert not parts.fragment
        assert dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))["api_version"] in ("2022.01", "2025.3")
        assert made.url.isprintable()
        assert made.url.isascii()
        for field, value in made.headers.items():
            assert f"{field}{value!s}".isprintable()
        assert set(made.headers) <= {
            "User-Agent", "Accept", "Accept-Encoding", "CLICDATA-API-KEY", "Content-Type", "Cache-Control",
        }  # fmt: skip


NAMED: dict[str, Callable[[Session, str], object]] = {
    "get_data": lambda session, name: Data(session=session).get_data(name=name),
    "create_data": lambda session, name: Data(session=session).create_data(name, {"a": "text"}),
    "static_send_data": lambda session, name: Data(session=session).static_send_data(name, FRAME),
    "create_table": lambda session, name: FRAME.clicdata.create_table(name, session=session),
    "push": lambda session, name: FRAME.clicdata.push(name, session=session),
    "push, append": lambda session, name: FRAME.clicdata.push(name, if_exists="append", session=session),
    "create_team": lambda session, name: Team(session=session).create_team(name),
    "update_team": lambda session, name: Team(session=session).update_team(5, name),
    "set_parameter": lambda session, name: Team(session=session).set_parameter(5, name, "x"),
    "remove_parameter": lambda session, name: Team(session=session).remove_parameter(5, name),
    "create_user": lambda session, name: User(session=session).create_user("jo@example.com", name, "Lee"),
    "update_user": lambda session, name: User(session=session).update_user(5, last_name=name),
    "create_users": lambda session, name: User(session=session).create_users(
        pd.DataFrame({"email": ["jo@example.com"], "first_name": ["Jo"], "last_name": [name]}, dtype=object)
    ),
}


@pytest.mark.parametrize("call", NAMED)
def test_a_name_of_more_than_one_line_is_refused_before_any_request(call: str) -> None:
    session = Recorder()
    for odd in "\0\t\n\r\x0b\x1b\x1f\x7f\x80\x85\x9f\u2028\u2029\ud800":
        for name in (f"a{odd}b", f"a{odd}", f"{odd}a"):
            with pytest.raises(errors.InputError, match=r"control character|can't be sent"):
                NAMED[call](session, name)
    assert session.made == []
    with pytest.raises(errors.ClicDataError):  # any other character is sent
        NAMED[call](session, "Zoë's 🦄\u00a0\u200d name")
    assert session.made


def test_a_column_may_have_a_name_of_several_lines(clicdata_sandbox: Any) -> None:
    frame = pd.DataFrame({"price\r\nin EUR": [1.5], "a\u2028b\tc": ["x"]})
    with clicdata_sandbox.session() as session:
        rec_id = frame.clicdata.push("Spreadsheet", "of\nseveral lines", session=session).rec_id
        pd.testing.assert_frame_equal(pandas_clicdata.read_clicdata(rec_id, session=session), frame)


def test_the_recorder_sees_requests() -> None:
    """The recorder sees the requests of calls."""
    session = Recorder()
    with pytest.raises(errors.ClicDataError):
        Data(session=session).get_data(name="a&b=c/../x")
    [made] = session.made[:1]
    assert dict(parse_qsl(urlsplit(made.url).query))["name"] == "a&b=c/../x"


@pytest.mark.parametrize("odd", ["\r\nX-Evil: yes", "\n", "\0", "\x7f"])
@pytest.mark.parametrize("argument", ["api_key", "url", "api_version", "auth_method"])
def test_no_argument_of_a_session_can_add_a_header(argument: str, odd: str) -> None:
    good = {"api_key": "k", "url": "https://api.clicdata.test/", "api_version": "2022.01", "auth_method": "api_key"}
    if argument == "api_key" and odd == "\x7f":
        pytest.skip("it ends no line; the service refuses it")
    with pytest.raises(errors.InputError):
        Session(**{**good, argument: good[argument] + odd})  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------
# Long headers and errors


@pytest.mark.parametrize(
    "text",
    [
        "9" * 60_000,
        "Mon, " * 12_000,
        "1 " * 30_000,
        "(" * 60_000,
        "Wed, 18 Nov 2026 " + "1" * 60_000,
        ":" * 60_000,
        "\t" * 60_000,
    ],
    ids=range(7),
)
def test_a_long_header_is_read(text: str) -> None:
    assert retry.retry_after({"retry-after": text, "date": text}, 0.0) == (math.inf if text.isdigit() else None)


@pytest.mark.parametrize("description", ["x" * 2**20, " " * 2**20, "\x1b" * 2**20, "<" * 2**20, "é" * 2**20])
def test_a_long_error_is_cut_and_printable(description: str) -> None:
    says = Says({"error": {"code": description, "description": description}}, 400)
    with ScriptedServer(lambda _: says) as server:
        with Session(client_id="i", username="u", password="p4ssword/+", url=server.url) as session:
            with pytest.raises(errors.ApiError) as caught:
                session.call(Request("change rows", "PUT", "/data/5/row", body=BODY))
    assert len(str(caught.value)) < 1500
    assert str(caught.value).isprintable()


def test_the_default_url_is_the_service_over_tls() -> None:
    assert inspect.signature(Session).parameters["url"].default == "https://api.clicdata.com/"
    assert not {"verify", "insecure", "allow_redirects"} & set(inspect.signature(Session).parameters)
    assert pandas_clicdata.Session is Session
