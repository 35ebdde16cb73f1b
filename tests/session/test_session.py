"""One session on a real socket: its requests, its waits, and its errors after failures."""

from __future__ import annotations

import copy
import gzip
import json
import logging
import multiprocessing
import os
import pickle
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pandas_clicdata import errors
from pandas_clicdata.session import manager, retry, transport
from pandas_clicdata.session.session import Session
from pandas_clicdata.session.transport import LONGEST_BODY, Transport
from pandas_clicdata.session.wire import Dialect, DialectChanged, Request, get
from scripted import TOKEN, Says, ScriptedServer, Seen, drip, in_turn, reset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ = get("read rows", "/data/5", key="data")
WRITE = Request("append rows", "POST", "/data/5/row", body=b'{"data":[]}')
OK = Says({"data": [{"a": 1}], "has_more_data": False})
DONE = Says({"success": True})


class Clock:
    """A clock whose seconds pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def opened(server: ScriptedServer, **params: Any) -> tuple[Session, Clock]:
    if not any(name in params for name in ("api_key", "username", "refresh_token")):
        params = {"client_id": "id", "client_secret": "s3cret-canary", **params}
    session = Session(url=server.url, **params)
    clock = Clock()
    session._clock, session._sleep, session._random = clock, clock.sleep, lambda: 0.5
    return session, clock


def with_token(script: Callable[[Seen], Says], token: Says = TOKEN) -> Callable[[Seen], Says]:
    return lambda seen: token if seen.path == "/oauth20/token" else script(seen)


# ---------------------------------------------------------------------------------------------------------
# What is sent


def test_a_call_logs_in_with_a_form_and_sends_the_token() -> None:
    with ScriptedServer(with_token(lambda _: OK)) as server:
        session, _ = opened(server)
        with session:
            assert session.call(READ).value() == [{"a": 1}]
        login, call = server.seen
    assert (login.method, login.path) == ("POST", "/oauth20/token")
    assert login.headers["content-type"] == "application/x-www-form-urlencoded"
    assert login.body == b"grant_type=client_credentials&client_id=id&client_secret=s3cret-canary"
    assert "authorization" not in login.headers
    assert call.headers["authorization"] == "Bearer token-1"
    assert call.headers["user-agent"].startswith("pandas-clicdata/")
    assert call.query == {}


def test_a_key_starts_in_the_modern_dialect_and_sends_no_authorization() -> None:
    with ScriptedServer(lambda _: OK) as server, opened(server, api_key="k")[0] as session:
        session.call(READ)
        assert session.dialect is Dialect.MODERN
        [call] = server.seen
    assert call.headers["clicdata-api-key"] == "k"
    assert "authorization" not in call.headers
    assert call.query == {"api_version": "2022.01"}


def test_basic_needs_no_token() -> None:
    with ScriptedServer(lambda _: OK) as server:
        with opened(server, client_id="demo-client", username="jane@example.com", password="s3cret")[0] as session:
            session.call(READ)
        [call] = server.seen
    assert call.headers["authorization"] == "Basic ZGVtby1jbGllbnQ6YW1GdVpVQmxlR0Z0Y0d4bExtTnZiVHB6TTJOeVpYUT0="


def test_a_body_goes_with_every_verb() -> None:
    with ScriptedServer(lambda _: DONE) as server, opened(server, api_key="k")[0] as session:
        for method in ("POST", "PUT", "DELETE"):
            session.call(Request("change", method, "/data/5/row", body=b'{"find":[1]}'))
        assert [(seen.method, seen.json()) for seen in server.seen] == [
            (method, {"find": [1]}) for method in ("POST", "PUT", "DELETE")
        ]
        assert all(seen.headers["content-type"] == "application/json" for seen in server.seen)


def test_names_are_quoted_and_never_change_the_path() -> None:
    with ScriptedServer(lambda _: OK) as server, opened(server, api_key="k")[0] as session:
        session.call(get("list data sets", "/data", key="data", query=(("name", "a&b=c/../ü #?"),)))
        [call] = server.seen
    assert call.path == "/data"
    assert call.query == {"name": "a&b=c/../ü #?", "api_version": "2022.01"}


def test_one_connection_serves_many_calls() -> None:
    with ScriptedServer(lambda _: OK) as server, opened(server, api_key="k")[0] as session:
        for _ in range(5):
            session.call(READ)
        assert {seen.connection for seen in server.seen} == {0}


def test_netrc_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password overheard\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer(with_token(lambda _: OK)) as server:
        for params in ({}, {"api_key": "k"}):
            with opened(server, **params)[0] as session:
                session.call(READ)
        assert {seen.headers.get("authorization") for seen in server.seen} == {None, "Bearer token-1"}


def test_cookies_are_not_kept() -> None:
    cookie = Says(OK.body, headers={"Set-Cookie": "who=eve; Path=/"})
    with ScriptedServer(lambda _: cookie) as server, opened(server, api_key="k")[0] as session:
        session.call(READ)
        session.call(READ)
        assert all("cookie" not in seen.headers for seen in server.seen)


# ---------------------------------------------------------------------------------------------------------
# The token


def test_the_token_is_renewed_a_minute_before_its_end_and_not_a_tick_earlier() -> None:
    with ScriptedServer(with_token(lambda _: OK)) as server:
        session, clock = opened(server)
        session.call(READ)
        clock.now += 3600 - 60 - 0.001
        session.call(READ)
        assert server.paths().count("POST /oauth20/token") == 1
        clock.now += 0.001
        session.call(READ)
        assert server.paths().count("POST /oauth20/token") == 2
        session.close()


@pytest.mark.fault(34)
def test_a_token_that_is_good_for_less_than_the_margin_is_used_for_one_call() -> None:
    token = Says({"access_token": "brief", "expires_in": 30})
    with ScriptedServer(with_token(lambda _: OK, token)) as server, opened(server)[0] as session:
        session.call(READ)
        session.call(READ)
        assert server.paths() == ["POST /oauth20/token", "GET /data/5"] * 2


@pytest.mark.fault(29)
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
def test_a_401_is_answered_by_one_renewal_and_one_replay(request_: Request) -> None:
    with ScriptedServer(with_token(in_turn(Says(b"", 401), OK))) as server, opened(server)[0] as session:
        session.call(request_)
        assert [seen.path for seen in server.seen] == ["/oauth20/token", request_.path] * 2


@pytest.mark.fault(29)
def test_a_second_401_is_bad_credentials() -> None:
    with ScriptedServer(with_token(lambda _: Says(b"", 401))) as server, opened(server)[0] as session:
        with pytest.raises(errors.BadCredentials) as caught:
            session.call(WRITE)
        assert len(server.seen) == 4
        assert not caught.value.in_doubt


@pytest.mark.fault(30)
def test_a_401_of_a_key_is_final() -> None:
    with ScriptedServer(lambda _: Says(b"", 401)) as server, opened(server, api_key="k")[0] as session:
        with pytest.raises(errors.BadCredentials):
            session.call(READ)
        assert len(server.seen) == 1


@pytest.mark.fault(33)
def test_a_wrong_secret_is_sent_once() -> None:
    refusal = Says({"error": "invalid_client", "error_description": "no such app"}, 400)
    with ScriptedServer(lambda _: refusal) as server, opened(server)[0] as session:
        with pytest.raises(errors.BadCredentials, match="no such app"):
            session.call(READ)
        assert len(server.seen) == 1


def test_a_url_without_a_token_endpoint_is_no_wrong_secret() -> None:
    with ScriptedServer(lambda _: Says(b"<html>nothing here</html>", 404)) as server, opened(server)[0] as session:
        with pytest.raises(errors.NotFound):
            session.call(READ)


def test_retries_leave_the_random_numbers_of_the_caller_as_they_are() -> None:
    with ScriptedServer(in_turn(Says(b"", 503), Says(b"", 503), OK)) as server:
        with Session(url=server.url, api_key="k") as session:
            session._sleep = lambda _: None
            before = random.getstate()
            assert session.call(READ).value() == [{"a": 1}]
            assert random.getstate() == before
        assert len(server.seen) == 3


@pytest.mark.fault(36)
def test_many_threads_request_one_token() -> None:
    slow = Says(TOKEN.body, after=0.2)
    with ScriptedServer(with_token(lambda _: OK, slow)) as server, opened(server)[0] as session:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: session.call(READ), range(20)))
        assert server.paths().count("POST /oauth20/token") == 1
        assert server.paths().count("GET /data/5") == 20


@pytest.mark.fault(36)
def test_many_threads_share_one_refusal() -> None:
    refusal = Says({"error": "invalid_client"}, 401, after=0.3)
    with ScriptedServer(lambda _: refusal) as server, opened(server)[0] as session:
        together = threading.Barrier(12)

        def refused(_: int) -> bool:
            together.wait()
            with pytest.raises(errors.BadCredentials):
                session.call(READ)
            return True

        with ThreadPoolExecutor(12) as pool:
            assert all(pool.map(refused, range(12)))
        assert len(server.seen) == 1


@pytest.mark.fault(32)
def test_a_renewal_ahead_of_time_that_fails_does_not_fail_the_call() -> None:
    tokens = in_turn(TOKEN, Says(b"", 503))
    script = lambda seen: tokens(seen) if seen.path == "/oauth20/token" else OK  # noqa: E731
    with ScriptedServer(script) as server:
        session, clock = opened(server)
        session.call(READ)
        clock.now += 3600 - 40
        assert session.call(READ).value() == [{"a": 1}]
        session.close()


LOGIN_FAILS = {
    "500": Says(b"", 500),
    "503": Says(b"", 503),
    "404": Says(b"", 404),
    "429 for long": Says(b"", 429, {"Retry-After": "900"}),
    "reset": Says(raw=reset),
    "a web page": Says(b"<html>log in</html>"),
    "no token": Says({"token_type": "bearer"}),
    "a redirect": Says(b"", 302, {"Location": "http://127.0.0.1:1/"}),
    "cut JSON": Says(b'{"access_token": "t'),
}


@pytest.mark.fault(32, 34)
@pytest.mark.parametrize("kind", LOGIN_FAILS)
def test_a_write_is_not_in_doubt_when_it_was_the_login_that_failed(kind: str) -> None:
    with ScriptedServer(lambda _: LOGIN_FAILS[kind]) as server, opened(server)[0] as session:
        with pytest.raises(errors.ClicDataError) as caught:
            session.call(WRITE)
        assert set(server.paths()) == {"POST /oauth20/token"}
    assert not caught.value.in_doubt
    assert retry.outcome(caught.value) is retry.Outcome.NOT_SENT
    assert retry.outcome(pickle.loads(pickle.dumps(caught.value))) is retry.Outcome.NOT_SENT


def test_an_interrupt_of_the_login_leaves_nothing_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(exchange: transport._Exchange, seconds: float) -> None:
        while not exchange.sent:
            time.sleep(0.001)
        raise KeyboardInterrupt

    monkeypatch.setattr(transport._Exchange, "join", interrupted)
    with ScriptedServer(lambda _: TOKEN) as server, opened(server)[0] as session:
        with pytest.raises(KeyboardInterrupt) as caught:
            session.call(WRITE)
        assert retry.outcome(caught.value) is retry.Outcome.NOT_SENT
    with ScriptedServer(lambda _: DONE) as server, opened(server, api_key="k")[0] as session:
        with pytest.raises(KeyboardInterrupt) as caught:
            session.call(WRITE)
        assert retry.outcome(caught.value) is retry.Outcome.UNKNOWN


def test_a_refresh_token_is_replaced_and_handed_over() -> None:
    tokens = in_turn(
        Says({"access_token": "a1", "refresh_token": "r1", "expires_in": 30}),
        Says({"access_token": "a2", "refresh_token": "r2", "expires_in": 3600}),
    )
    kept: list[str] = []
    with ScriptedServer(with_token(lambda _: OK)) as server:
        server.script = lambda seen: tokens(seen) if seen.path == "/oauth20/token" else OK
        session, _ = opened(
            server, client_id="i", client_secret="s", refresh_token="r0", on_new_refresh_token=kept.append
        )
        with session:
            session.call(READ)
            session.call(READ)
        logins = [seen.body.decode() for seen in server.seen if seen.path == "/oauth20/token"]
    assert kept == ["r1", "r2"]
    assert ["refresh_token=r0" in logins[0], "refresh_token=r1" in logins[1]] == [True, True]


# ---------------------------------------------------------------------------------------------------------
# The dialect


VERSION_PLEASE = Says({"error": {"code": "APIVersionRequired", "description": "say which"}})


def only_modern(seen: Seen) -> Says:
    return OK if "api_version" in seen.query else VERSION_PLEASE


@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
def test_auto_changes_the_dialect_once_and_stays(request_: Request) -> None:
    with ScriptedServer(with_token(only_modern)) as server, opened(server)[0] as session:
        session.call(request_)
        session.call(request_)
        versions = [seen.query.get("api_version") for seen in server.seen if seen.path != "/oauth20/token"]
    assert versions == [None, "2022.01", "2022.01"]


def test_a_request_made_for_one_dialect_is_never_sent_in_the_other() -> None:
    legacy = Request("append rows", "POST", "/data/5/row", body=b"{}", dialect=Dialect.LEGACY)
    with ScriptedServer(with_token(only_modern)) as server, opened(server)[0] as session:
        with pytest.raises(DialectChanged):
            session.call(legacy)
        assert server.paths() == ["POST /oauth20/token", "POST /data/5/row"]


@pytest.mark.parametrize("pinned", [None, "2022.01", "2099.1"])
def test_a_pinned_session_says_which_argument_to_change(pinned: str | None) -> None:
    answer = VERSION_PLEASE if pinned is None else Says({"success": False, "error": {"code": "InvalidVersion"}})
    with ScriptedServer(with_token(lambda _: answer)) as server, opened(server, api_version=pinned)[0] as session:
        with pytest.raises(errors.ApiVersionError, match="api_version=") as caught:
            session.call(READ)
        assert all(word in str(caught.value) for word in ('"2022.01"', '"2025.3"', '"auto"', "None"))
        assert len(server.seen) == 2


@pytest.mark.parametrize("old", ["2021.08", "2021.8", "2021.12", "2022.0", "2022.00", "1999.1"])
@pytest.mark.parametrize("how", ["Session", "connect", "environment"])
def test_a_version_below_the_modern_ones_is_refused_with_those_that_work(
    monkeypatch: pytest.MonkeyPatch, old: str, how: str
) -> None:
    monkeypatch.setenv("CLICDATA_API_KEY", "k")
    monkeypatch.setenv("CLICDATA_API_VERSION", old)
    calls: dict[str, Callable[[], object]] = {
        "Session": lambda: Session(api_key="k", api_version=old),
        "connect": lambda: manager.connect(api_key="k", api_version=old),
        "environment": manager.current,
    }
    with pytest.raises(errors.InputError) as caught:
        calls[how]()
    for word in (old, '"2022.01"', '"2025.3"', '"auto"', "None"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "given", ["2022.01", "2022.1", "2022.2", "2025.3", "10000.1", "2021", "2021.08-beta", "v1", None]
)
def test_a_version_of_another_form_is_not_compared(given: str | None) -> None:
    assert Session(api_key="k", api_version=given).api_version == given


# ---------------------------------------------------------------------------------------------------------
# Failures


def refused_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


@pytest.mark.fault(1)
def test_a_connection_that_is_refused_is_tried_again_even_for_a_write() -> None:
    with ScriptedServer(lambda _: DONE) as server:
        session, clock = opened(server, api_key="k")
    session._transport.close()
    session._url = f"http://127.0.0.1:{refused_port()}"
    session._transport = Transport(session._url, True)
    with session, pytest.raises(errors.TransportError, match="refused") as caught:
        session.call(WRITE)
    assert caught.value.sent == "no"
    assert not caught.value.in_doubt
    assert clock.slept == [0.25, 0.5, 1.0]


@pytest.mark.fault(7, 9, 15, 17, 22, 28)
@pytest.mark.parametrize(
    "lost",
    [
        Says(raw=reset),
        Says(raw=lambda connection: None),
        Says(b"", 500),
        Says(b"", 503, {"Retry-After": "1"}),
        Says(raw=lambda c: c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"data": [')),
        Says(raw=lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")),
        Says(b"not gzip", headers={"Content-Encoding": "gzip"}),
        Says(b'{"data": [1, 2'),
    ],
    ids=["reset", "closed", "500", "503", "cut body", "bad chunk", "bad gzip", "cut JSON"],
)
def test_after_a_lost_response_a_read_is_sent_again_and_a_write_is_not(lost: Says) -> None:
    with ScriptedServer(in_turn(lost, OK)) as server, opened(server, api_key="k")[0] as session:
        assert session.call(READ).value() == [{"a": 1}]
        assert len(server.seen) == 2
    with ScriptedServer(in_turn(lost, DONE)) as server, opened(server, api_key="k")[0] as session:
        with pytest.raises(errors.ClicDataError) as caught:
            session.call(WRITE)
        assert caught.value.in_doubt
        assert len(server.seen) == 1


def test_a_read_is_tried_four_times_at_most() -> None:
    with ScriptedServer(lambda _: Says(b"", 502)) as server:
        session, clock = opened(server, api_key="k")
        with session, pytest.raises(errors.ApiError) as caught:
            session.call(READ)
        assert len(server.seen) == 4
        assert clock.slept == [0.25, 0.5, 1.0]
        assert not caught.value.in_doubt


@pytest.mark.fault(11)
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
def test_a_429_is_waited_for(request_: Request) -> None:
    busy = Says(b"", 429, {"Retry-After": "7"})
    with ScriptedServer(in_turn(busy, OK)) as server:
        session, clock = opened(server, api_key="k")
        with session:
            session.call(request_)
        assert len(clock.slept) == 1
        assert 7 <= clock.slept[0] <= 8


@pytest.mark.fault(14)
def test_a_429_with_a_long_retry_after_is_raised_at_once() -> None:
    with ScriptedServer(lambda _: Says(b"", 429, {"Retry-After": "121"})) as server:
        session, clock = opened(server, api_key="k")
        with session, pytest.raises(errors.RateLimited) as caught:
            session.call(READ)
        assert (caught.value.retry_after, clock.slept, len(server.seen)) == (121, [], 1)


def test_no_pause_begins_that_would_end_after_the_deadline() -> None:
    with ScriptedServer(lambda _: Says(b"", 429, {"Retry-After": "20"})) as server:
        session, clock = opened(server, api_key="k", deadline=15)
        with session, pytest.raises(errors.RateLimited):
            session.call(READ)
        assert clock.slept == []


@pytest.mark.fault(54)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
def test_a_redirect_is_never_followed(status: int, request_: Request) -> None:
    with ScriptedServer(lambda _: OK) as other:
        moved = Says(b"", status, {"Location": other.url + "data/5"})
        with ScriptedServer(lambda _: moved) as server, opened(server, api_key="k")[0] as session:
            with pytest.raises(errors.RedirectRefused):
                session.call(request_)
            assert len(server.seen) == 1
        assert other.seen == []


@pytest.mark.fault(55)
def test_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(b"[" + b" " * (LONGEST_BODY + 10) + b"]")
    says = Says(bomb, headers={"Content-Encoding": "gzip"})
    with ScriptedServer(lambda _: says) as server, opened(server, api_key="k")[0] as session:
        with pytest.raises(errors.ProtocolError, match="larger than 64 MiB"):
            session.call(READ)
        assert len(server.seen) == 1


def test_an_answer_that_is_compressed_is_read() -> None:
    says = Says(gzip.compress(b'{"data": [{"a": 1}]}'), headers={"Content-Encoding": "gzip"})
    with ScriptedServer(lambda _: says) as server, opened(server, api_key="k")[0] as session:
        assert session.call(READ).value() == [{"a": 1}]


def in_chunks(body: bytes) -> bytes:
    pieces = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@pytest.mark.wide(3)
@pytest.mark.parametrize("size", [100, 2**18 - 1, 2**18, 2**18 + 1, 3 * 2**18, 10**6])
@pytest.mark.parametrize("compressed", [False, True], ids=["as it is", "compressed"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_an_answer_of_any_size_comes_whole(size: int, compressed: bool, chunked: bool) -> None:
    text = "".join(map(str, range(200_000)))[: size - 19]
    body = json.dumps({"data": [{"a": text}]}, separators=(",", ":")).encode()
    assert len(body) == size
    head = b"HTTP/1.1 200 OK\r\n"
    if compressed:
        body, head = gzip.compress(body), head + b"Content-Encoding: gzip\r\n"
    if chunked:
        body, head = in_chunks(body), head + b"Transfer-Encoding: chunked\r\n"
    else:
        head += b"Content-Length: %d\r\n" % len(body)
    says = Says(raw=lambda c: c.sendall(head + b"\r\n" + body))
    with ScriptedServer(lambda _: says) as server, opened(server, api_key="k")[0] as session:
        for _ in range(2):
            assert session.call(READ).value() == [{"a": text}]


@pytest.mark.parametrize("size", [100, 2**18, 10**6])
def test_an_incomplete_response_is_an_error(size: int) -> None:
    body = b'{"data":[]}' + b" " * size
    says = Says(raw=lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-1]))
    with ScriptedServer(lambda _: says) as server, opened(server, api_key="k", max_retries=0)[0] as session:
        with pytest.raises(errors.TransportError, match="no complete response"):
            session.call(READ)


# ---------------------------------------------------------------------------------------------------------
# Time: if a limit isn't kept, the timeout of pytest ends the test


def failed(session: Session, request: Request) -> errors.ClicDataError:
    session._clock, session._sleep = time.monotonic, time.sleep
    with pytest.raises(errors.ClicDataError) as caught:
        session.call(request)
    return caught.value


@pytest.mark.fault(4)
def test_the_read_limit_reaches_the_wire() -> None:
    with ScriptedServer(lambda _: Says(OK.body, after=200)) as server:
        with opened(server, api_key="k", timeout=(5, 0.2), max_retries=0)[0] as session:
            error = failed(session, WRITE)
    assert isinstance(error, errors.TransportError)
    assert not isinstance(error, errors.DeadlineExceeded)
    assert (error.sent, error.reason) == ("unknown", retry.TIMED_OUT)


DRIPS = {
    "status line": b"HTTP/1.1 200 OK\r\n" * 9,
    "headers": b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 20,
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b" " * 999,
    "chunked body": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 99,
}


@pytest.mark.fault(10)
@pytest.mark.parametrize("where", DRIPS)
def test_an_answer_that_drips_in_cannot_outlast_the_deadline(where: str) -> None:
    head, _, tail = DRIPS[where].partition(b"\r\n\r\n") if "body" in where else (b"", b"", DRIPS[where])

    def raw(connection: socket.socket) -> None:
        if head:
            connection.sendall(head + b"\r\n\r\n")
        drip(0.05, tail)(connection)

    with ScriptedServer(lambda _: Says(raw=raw)) as server:
        with opened(server, api_key="k", timeout=(5, 5), deadline=0.6)[0] as session:
            error = failed(session, WRITE)
    assert isinstance(error, errors.DeadlineExceeded)
    assert error.in_doubt


@pytest.mark.fault(1)
def test_the_connect_limit_reaches_the_wire() -> None:
    with socket.socket() as full:  # accepts no connection: its queue is full
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}/"
            with Session(api_key="k", url=url, timeout=(0.2, 200), max_retries=0) as session:
                error = failed(session, WRITE)
        finally:
            for one in waiting:
                one.close()
    assert isinstance(error, errors.TransportError)
    assert (error.sent, error.reason) == ("no", retry.TIMED_OUT)


def test_a_long_body_on_a_slow_line_is_not_held_to_the_connect_limit() -> None:
    body = b'{"data":[' + b" " * 6_000_000 + b"]}"
    request = Request("append rows", "POST", "/data/5/row", body=body)
    with ScriptedServer(lambda _: DONE) as server, opened(server, api_key="k", timeout=(0.2, 10))[0] as session:
        listener = server._server.socket
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        began = server._server.RequestHandlerClass.setup

        def late(handler: Any) -> None:
            time.sleep(0.6)
            began(handler)

        server._server.RequestHandlerClass.setup = late
        session.call(request)
        assert len(server.seen[0].body) == len(body)


# ---------------------------------------------------------------------------------------------------------
# Arguments, secrets, ends


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"url": "http://api.clicdata.com/"}, "unencrypted"),
        ({"url": "http://127.0.0.1.evil.example/"}, "unencrypted"),
        ({"url": "http://127.0.0.\u00b2/"}, "unencrypted"),
        ({"url": "http://127.0.0.\u0663/"}, "unencrypted"),
        ({"url": "ftp://api.clicdata.com/"}, "not a URL"),
        ({"url": "api.clicdata.com"}, "not a URL"),
        ({"url": "https://me:pw@api.clicdata.com/"}, "credentials"),
        ({"url": "https://api.clicdata.com/?x=1"}, "query"),
        ({"url": None}, "url must be text"),
        ({"api_version": 2022.01}, "api_version"),
        ({"api_version": ""}, "api_version"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": (1, 2, 3)}, "timeout"),
        ({"timeout": None}, "timeout"),
        ({"timeout": (True, 5)}, "timeout"),
        ({"deadline": -1}, "deadline"),
        ({"deadline": float("nan")}, "deadline"),
        ({"deadline": 2_000_000}, "above 0 and below 2,000,000"),
        ({"deadline": -(10**400)}, "deadline"),
        ({"deadline": np.bool_(True)}, "deadline"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": 1.5}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"ca_bundle": "/nowhere/at/all.pem"}, "ca_bundle"),
    ],
)
def test_arguments_that_cannot_be_used(params: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InputError, match=message):
        Session(**{"api_key": "k", **params})


def test_numbers_of_numpy_are_numbers() -> None:
    timeout: Any = (np.float32(0.5), np.int64(60))
    with Session(api_key="k", timeout=timeout, deadline=np.int64(300), max_retries=np.int64(3)) as session:
        assert (session._connect, session._read, session._deadline, session._attempts) == (0.5, 60, 300, 4)
        assert type(session._attempts) is int


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.0.0.1:1", "http://127.9.9.9/", "http://[::1]:1/"])
def test_this_machine_may_be_reached_without_tls(url: str) -> None:
    assert Session(api_key="k", url=url).url == url.rstrip("/") + "/"


@pytest.mark.fault(68)
def test_a_closed_session_refuses_to_work() -> None:
    with ScriptedServer(lambda _: OK) as server:
        session, _ = opened(server, api_key="k")
        session.call(READ)
        session.close()
        session.close()
        with pytest.raises(errors.NotConnected, match="closed"):
            session.call(READ)
        assert session.closed
        assert "closed" in repr(session)
        assert len(server.seen) == 1


@pytest.mark.fault(68)
def test_a_session_refuses_to_be_pickled_or_copied() -> None:
    session = Session(api_key="k")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can't be pickled or copied"):
            attempt(session)


def test_no_secret_is_shown_logged_or_raised(caplog: pytest.LogCaptureFixture) -> None:
    echo = lambda seen: Says(  # noqa: E731  # a service that repeats what it was sent
        {"error": {"code": "400", "description": f"bad: {seen.headers.get('authorization')} {seen.body.decode()}"}}, 400
    )
    token = Says({"access_token": "t0ken-canary", "expires_in": 3600})
    with caplog.at_level(logging.DEBUG), ScriptedServer(with_token(echo, token)) as server:
        session, _ = opened(server)
        with session, pytest.raises(errors.ApiError) as caught:
            session.call(READ)
        server.script = echo
        fresh, _ = opened(server)
        with fresh, pytest.raises(errors.BadCredentials) as login:
            fresh.call(READ)
        shown = [caplog.text, repr(session), str(session), f"{session}", str(vars(session))]
    for error in (caught.value, login.value):
        shown += [str(error), repr(error), str(vars(error)), str(error.__cause__), str(error.__context__)]
        assert pickle.loads(pickle.dumps(error)).args == error.args
    assert "canary" not in "\n".join(shown)
    assert "***" in str(caught.value)


def test_an_error_refers_to_no_request() -> None:
    with ScriptedServer(lambda _: Says(raw=reset)) as server, opened(server, api_key="k-canary", max_retries=0)[0] as s:
        with pytest.raises(errors.TransportError) as caught:
            s.call(READ)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    frame = caught.value.__traceback__
    while frame is not None:
        if "pandas_clicdata" in frame.tb_frame.f_code.co_filename:
            assert "canary" not in repr(frame.tb_frame.f_locals)
        frame = frame.tb_next


@pytest.mark.fault(66)
def test_two_accounts_never_meet() -> None:
    def script(seen: Seen) -> Says:
        if seen.path == "/oauth20/token":
            return Says(
                {"access_token": f"for-{dict(p.split('=') for p in seen.body.decode().split('&'))['client_id']}"}
            )
        return Says({"data": [{"who": seen.headers["authorization"]}]})

    with ScriptedServer(script) as server:
        sessions = [opened(server, client_id=name, client_secret="s")[0] for name in ("one", "two")]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: (n % 2, sessions[n % 2].call(READ).value()[0]["who"]), range(80)))
        assert set(answers) == {(0, "Bearer for-one"), (1, "Bearer for-two")}
        for session in sessions:
            session.close()


def _in_child(session: Session, results: Any) -> None:
    results.put(
        [session.call(get("echo", f"/data/{os.getpid()}", key="data")).value() == [os.getpid()] for _ in range(50)]
    )


@pytest.mark.fault(65)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_gets_its_own_answers() -> None:
    with ScriptedServer(lambda seen: Says({"data": [int(seen.path.rsplit("/", 1)[1])]})) as server:
        session = Session(api_key="k", url=server.url)
        session.call(get("echo", "/data/1", key="data"))
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        children = [context.Process(target=_in_child, args=(session, results)) for _ in range(2)]
        for child in children:
            child.start()
        mine = [session.call(get("echo", "/data/7", key="data")).value() == [7] for _ in range(50)]
        theirs = [results.get(timeout=30) for _ in children]
        for child in children:
            child.join()
        session.close()
        results.close()
        results.join_thread()
    assert all(mine)
    assert all(all(each) for each in theirs)


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(lambda _: Says(b"", 502)) as proxy, ScriptedServer(lambda _: OK) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with opened(server, api_key="k")[0] as session:
            assert session.call(READ).value() == [{"a": 1}]
        assert proxy.seen == []


def test_on_new_refresh_token_must_be_callable() -> None:
    with pytest.raises(errors.InputError, match="on_new_refresh_token"):
        Session(client_id="i", client_secret="s", refresh_token="r", on_new_refresh_token=5)  # type: ignore[arg-type]
