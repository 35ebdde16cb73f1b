"""No secret is shown: twelve secrets, every way to fail, and every place where text may appear."""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import json
import logging
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pandas as pd
import pytest

import pandas_clicdata
from canaries import Canaries, locals_of, pickles_of, reachable, shown_by, spellings, texts_of
from certificates import Listener, head_of, over_tls, self_signed
from pandas_clicdata import Data, Session, errors
from pandas_clicdata.session import transport, wire
from pandas_clicdata.session.wire import get
from scripted import Says, ScriptedServer, Seen, reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

METHODS = ["client_credentials", "basic", "api_key", "authorization_code"]
# The user's own frames may show the user's secrets in a debugger.
NOT_IN_DUMPS = ("cell",)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Canaries:
    """The canaries; some are in the variables of the environment."""
    known = Canaries()
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login jane password {known.netrc_password}\n")
    netrc.chmod(0o600)
    for name, value in {
        "NETRC": str(netrc),
        "HTTPS_PROXY": f"http://jane:{known.proxy_password}@127.0.0.1:9",
        "USER": known.owner,
        "LOGNAME": known.owner,
        "HOSTNAME": known.owner,
    }.items():
        monkeypatch.setenv(name, value)
    return known


class Sinks:
    """Everything that was written while a test ran."""

    def __init__(self) -> None:
        self.logged = io.StringIO()
        self.handler = logging.StreamHandler(self.logged)
        self.handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s %(exc_info)s"))

    def __enter__(self) -> Sinks:
        root = logging.getLogger()
        self.levels = {name: logging.getLogger(name).level for name in ("", "urllib3", "requests", "pandas_clicdata")}
        for name in self.levels:
            logging.getLogger(name).setLevel(logging.DEBUG)
        root.addHandler(self.handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self.handler)
        for name, level in self.levels.items():
            logging.getLogger(name).setLevel(level)


@pytest.fixture
def sinks() -> Iterator[Sinks]:
    with Sinks() as opened:
        yield opened


def check(secret: Canaries, texts: Iterable[tuple[str, str | bytes]], *, but: Iterable[str] = ()) -> None:
    """Fail with the place of the first text that holds a secret."""
    listed = list(texts)
    if secret.sightings(*(text for _, text in listed), but=but):
        found = [(where, secret.sightings(text, but=but)) for where, text in listed]
        raise AssertionError([(where, seen) for where, seen in found if seen])


def check_error(secret: Canaries, error: BaseException) -> None:
    check(secret, texts_of(error))
    check(secret, pickles_of(error), but=NOT_IN_DUMPS)  # a receipt holds rows that were deleted or refused
    check(secret, locals_of(error), but=NOT_IN_DUMPS)
    check(secret, reachable(error), but=NOT_IN_DUMPS)


def check_written(secret: Canaries, sinks: Sinks, seen: list[Seen], capfd: pytest.CaptureFixture[str]) -> None:
    assert not secret.sightings(sinks.logged.getvalue())
    assert not secret.sightings("".join(capfd.readouterr()))
    for one in seen:
        assert not secret.sightings(one.path + json.dumps(one.query)), "a secret stood in a URL"
        proof = {"authorization", "clicdata-api-key"}
        assert not secret.sightings(json.dumps({n: v for n, v in one.headers.items() if n not in proof}))
        if one.path != "/oauth20/token":
            assert not secret.sightings(one.body, but=NOT_IN_DUMPS)


# ---------------------------------------------------------------------------------------------------------
# What can happen


def token(secret: Canaries) -> Says:
    return Says({"access_token": secret.access_token, "refresh_token": secret.refresh_token, "expires_in": 3600})


def logged_in(secret: Canaries, script: Callable[[Seen], Says]) -> Callable[[Seen], Says]:
    return lambda seen: token(secret) if seen.path == "/oauth20/token" else script(seen)


def echo(secret: Canaries, status: int, wrap: Callable[[str], object]) -> Callable[[Seen], Says]:
    """A service that repeats each request and all that it could know, except the rows."""

    def script(seen: Seen) -> Says:
        proof = f"{seen.headers.get('authorization')} {seen.headers.get('clicdata-api-key')} "
        mine = (secret.client_secret, secret.refresh_token, secret.api_key, secret.password, secret.access_token)
        credentials = seen.body.decode() if seen.path == "/oauth20/token" else ""
        return Says(wrap(proof + credentials + " ".join(one for one in mine if one in sent_in(secret, seen))), status)

    return script


def sent_in(secret: Canaries, seen: Seen) -> set[str]:
    """Return the secrets of the sender that the service knows."""
    scheme = seen.headers.get("authorization", "").split(" ")[0]
    if seen.headers.get("clicdata-api-key"):
        return {secret.api_key}
    if scheme == "Basic":
        return {secret.password}
    known = {secret.client_secret}
    if "refresh_token" in seen.body.decode():
        known.add(secret.refresh_token)
    if scheme == "Bearer":
        known.add(secret.access_token)
    return known


def always(says: Says) -> Callable[[Canaries], Callable[[Seen], Says]]:
    return lambda secret: logged_in(secret, lambda _: says)


def odd_token(body: object) -> Callable[[Seen], Says]:
    return lambda seen: Says(body if seen.path == "/oauth20/token" else b"", 200)


def described(text: str) -> dict[str, Any]:
    return {"error": {"code": "odd", "description": f"you sent {text}"}}


def spelled(text: str, place: int) -> str:
    """Return a text with each word in another spelling."""
    return " ".join(list(spellings(word))[place][1] for word in text.split() if len(word) > 20)


FAULTS: dict[str, Callable[[Canaries], Callable[[Seen], Says]]] = {
    "reset": always(Says(raw=reset)),
    "closed": always(Says(raw=lambda _: None)),
    "cut body": always(Says(raw=lambda c: c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"data": ['))),
    "not HTTP": always(Says(raw=lambda c: c.sendall(b"SSH-2.0\r\n"))),
    "endless head": always(Says(raw=lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200))),
    "bad gzip": always(Says(b"no", headers={"Content-Encoding": "gzip"})),
    "bad chunk": always(Says(raw=lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"))),
    "silence": always(Says(raw=lambda c: c.recv(1))),
    "web page": always(Says(b"<html>log in</html>")),
    "nothing": always(Says(b"")),
    "cut JSON": always(Says(b'{"data": [1, 2')),
    "unclear success": always(Says({"success": "maybe"})),
    "redirect": always(Says(b"", 302, {"Location": "http://127.0.0.1:9/"})),
    "throttled": always(Says(b"", 429, {"Retry-After": "900"})),
    **{f"status {status}": always(Says(b"", status)) for status in (400, 401, 403, 404, 407, 409, 413, 422, 500, 503)},
    "login down": lambda _: lambda seen: Says(b"", 503),
    "login refused": lambda _: lambda seen: Says({"error": "invalid_client"}, 401),
    "login resets": lambda _: lambda seen: Says(raw=reset),
    "token missing": lambda secret: odd_token({"token": secret.access_token}),
    "token of another kind": lambda secret: odd_token({"access_token": [secret.access_token]}),
    "token with a line break": lambda secret: odd_token({"access_token": secret.access_token + "\r\nX: y"}),
    "token cut off": lambda secret: odd_token(b'{"access_token": "%b' % secret.access_token.encode()),
    "cookies": lambda secret: logged_in(
        secret, lambda _: Says(b"", 500, {"Set-Cookie": f"sid={secret.access_token}; Path=/"})
    ),
    "echo 400": lambda secret: logged_in(secret, echo(secret, 400, described)),
    "echo under 200": lambda secret: logged_in(secret, echo(secret, 200, described)),
    "echo as bare text": lambda secret: logged_in(secret, echo(secret, 500, lambda text: text.encode())),
    "echo as code": lambda secret: logged_in(secret, echo(secret, 400, lambda text: {"error": text})),
    "echo as message": lambda secret: logged_in(secret, echo(secret, 403, lambda text: {"message": text})),
    "echo as success": lambda secret: logged_in(secret, echo(secret, 200, lambda text: {"success": text})),
    "echo as a page": lambda secret: logged_in(secret, echo(secret, 200, lambda text: f"<html>{text}".encode())),
    "echo as cut JSON": lambda secret: logged_in(secret, echo(secret, 200, lambda t: f'{{"data": "{t}'.encode())),
    "echo of the login": lambda secret: echo(secret, 400, lambda text: {"error": "x", "error_description": text}),
    "echo in capitals of JSON": lambda secret: logged_in(
        secret,
        echo(
            secret,
            400,
            lambda t: json.dumps(described("".join(f"\\u{ord(c):04x}" for c in t))).replace("\\\\u", "\\u").encode(),
        ),
    ),
    **{
        f"echo, spelled {place}": lambda secret, place=place: logged_in(
            secret, echo(secret, 400, lambda text: described(spelled(text, place)))
        )
        for place in range(14)
    },
}


def read(session: Session, secret: Canaries) -> object:
    return pandas_clicdata.read_clicdata(5, session=session, progress=False)


def append(session: Session, secret: Canaries) -> object:
    return pd.DataFrame({"t": [secret.cell]}).clicdata.append(5, check=False, session=session)


def delete(session: Session, secret: Canaries) -> object:
    return pd.DataFrame({"t": [secret.cell]}).clicdata.delete_rows(5, on="t", keep=False, session=session)


def create(session: Session, secret: Canaries) -> object:
    return Data(session=session).create_data("A table", {"a": "text"})


OPERATIONS = [read, append, delete, create]


@pytest.mark.wide(8)
@pytest.mark.parametrize(("kind", "method"), [*itertools.product(FAULTS, METHODS)])
def test_no_error_shows_a_secret(
    kind: str, method: str, secret: Canaries, sinks: Sinks, capfd: pytest.CaptureFixture[str]
) -> None:
    """C22: each fault in each operation with each log-in; every text, and all objects that an error leads to."""
    found = 0
    with ScriptedServer(FAULTS[kind](secret)) as server:
        for operation in OPERATIONS:
            with Session(url=server.url, timeout=(1, 0.05), max_retries=1, **secret.login(method)) as session:
                session._sleep = lambda seconds: None
                with contextlib.suppress(errors.DeadlineExceeded):
                    try:
                        operation(session, secret)
                    except errors.ClicDataError as error:
                        found += 1
                        check_error(secret, error)
                check(secret, shown_by(session))
                if session.last_receipt is not None:
                    check(secret, shown_by(session.last_receipt), but=NOT_IN_DUMPS)
        check_written(secret, sinks, server.seen, capfd)
    assert found == len(OPERATIONS) or kind.startswith(("login", "token", "echo of the login"))


def test_echoed_secrets_are_found_and_hidden(secret: Canaries) -> None:
    """The other tests need this: the service repeats the secrets, and the error repeats the answer."""
    for kind in ("echo 400", "echo under 200", "echo as bare text", "echo as message"):
        for method in METHODS:
            script = FAULTS[kind](secret)
            login = {"max_retries": 0, **secret.login(method)}
            with ScriptedServer(script) as server, Session(url=server.url, **login) as session:
                with pytest.raises(errors.ClicDataError) as caught:
                    session.call(get("read rows", "/data/5"))
                assert secret.sightings(json.dumps(script(server.seen[-1]).body, default=bytes.decode))
            assert "***" in str(caught.value)


@pytest.mark.parametrize("place", range(14))
def test_the_harness_finds_each_spelling_of_a_secret(place: int, secret: Canaries) -> None:
    for name, text in secret.all().items():
        how, spelling = list(spellings(text))[place]
        error = errors.ApiError("no", description=spelling)
        assert any(
            found.startswith(name)
            for _, shown in [*texts_of(error), *pickles_of(error)]
            for found in secret.sightings(shown)
        ), how
        assert any(found.startswith(name) for _, shown in reachable(error) for found in secret.sightings(shown)), how
        hidden = ValueError("no")
        hidden.__context__ = KeyError(spelling)
        assert any(secret.sightings(shown) for _, shown in texts_of(hidden))


# ---------------------------------------------------------------------------------------------------------
# Interrupts and callbacks


@pytest.mark.wide(3)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", ["start", "join", "stop", "_http_request", "judge"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_interrupt_shows_no_secret(
    where: str, nth: int, method: str, secret: Canaries, sinks: Sinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    target: Any = {"_http_request": Session, "judge": wire}.get(where, transport._Exchange)
    real: Any = getattr(target, where)
    calls = iter(range(1, 1000))

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == nth:
            raise KeyboardInterrupt
        return real(*arguments)

    rows = Says({"data": [{"a": 1}], "has_more_data": False})
    with ScriptedServer(logged_in(secret, lambda _: rows)) as server:
        with Session(url=server.url, **secret.login(method)) as session:
            monkeypatch.setattr(target, where, interrupted)
            try:
                append(session, secret)
            except KeyboardInterrupt as interrupt:
                check_error(secret, interrupt)
            except errors.ClicDataError as error:
                check_error(secret, error)
            monkeypatch.undo()
    assert not secret.sightings(sinks.logged.getvalue())


def test_a_callback_that_fails_shows_no_more_than_it_was_given(secret: Canaries, sinks: Sinks) -> None:
    def store(_: str) -> None:
        raise ValueError("the disk is full")

    with ScriptedServer(logged_in(secret, lambda _: Says({"data": []}))) as server:
        login = secret.login("authorization_code")
        with Session(url=server.url, on_new_refresh_token=store, **login) as session:
            with pytest.raises(ValueError, match="disk is full") as caught:
                session.call(get("read rows", "/data/5"))
            check_error(secret, caught.value)
            assert session.call(get("read rows", "/data/5", key="data")).value() == []


# ---------------------------------------------------------------------------------------------------------
# TLS, proxies


@pytest.mark.fault(2)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["self-signed", "wrong host", "expired", "no TLS"])
def test_a_bad_certificate_shows_no_secret_and_is_sent_none(
    kind: str, method: str, secret: Canaries, sinks: Sinks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = "example.org" if kind == "wrong host" else "127.0.0.1"
    certificate = self_signed(tmp_path, host, expired=kind == "expired")
    received: list[bytes] = []

    def serve(taken: Any) -> None:
        received.append(taken.recv(65536))
        taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Listener(serve if kind == "no TLS" else over_tls(certificate, serve)) as server:
        bundle = {} if kind == "self-signed" else {"ca_bundle": certificate}
        url = f"https://127.0.0.1:{server.port}/"
        with Session(url=url, **bundle, **secret.login(method)) as session, pytest.raises(errors.TlsError) as caught:
            append(session, secret)
    assert not caught.value.in_doubt
    assert "verify" not in str(caught.value).replace("certificate verify", "")
    assert len(received) == (kind == "no TLS")
    assert not any(secret.sightings(one) for one in received)
    check_error(secret, caught.value)
    assert not secret.sightings(sinks.logged.getvalue())


@pytest.mark.fault(3)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["lets through", "wants a login", "refuses", "hangs up", "is down", "is no proxy"])
def test_a_proxy_sees_no_secret_but_its_own(
    kind: str, method: str, secret: Canaries, sinks: Sinks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "api.clicdata.test")
    heads: list[bytes] = []

    def service(taken: Any) -> None:
        while head := head_of(taken):
            is_login = b"/oauth20/token" in head
            body = token(secret).text() if is_login else b'{"data":[{"a":1}],"has_more_data":false}'
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def proxy(taken: Any) -> None:
        heads.append(head_of(taken))
        if kind == "lets through":
            taken.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            over_tls(certificate, service)(taken)
        elif kind == "wants a login":
            taken.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif kind == "refuses":
            taken.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        elif kind == "is no proxy":
            taken.sendall(b"SSH-2.0-OpenSSH\r\n")

    with Listener(proxy) as listening:
        address = f"http://jane:{secret.proxy_password}@127.0.0.1:{listening.port}"
        if kind == "is down":
            listening.__exit__()
        monkeypatch.setenv("HTTPS_PROXY", address)
        url = "https://api.clicdata.test/"
        with Session(url=url, ca_bundle=certificate, max_retries=1, **secret.login(method)) as session:
            session._sleep = lambda seconds: None
            if kind == "lets through":
                assert len(read(session, secret)) == 1  # type: ignore[arg-type]
            else:
                with pytest.raises(errors.TransportError) as caught:
                    append(session, secret)
                assert (caught.value.sent, caught.value.in_doubt) == ("no", False)
                check_error(secret, caught.value)
            check(secret, shown_by(session))
    assert all(head.startswith(b"CONNECT api.clicdata.test:443 ") for head in heads)
    assert not any(secret.sightings(head.partition(b"Proxy-Authorization")[0]) for head in heads)
    attempts = {"wants a login": 1, "is down": 0, "lets through": 1}.get(kind, 2)
    assert len(heads) == attempts
    if heads:
        assert any("proxy_password" in found for found in secret.sightings(heads[0]))
    assert not secret.sightings(sinks.logged.getvalue())


def test_no_proxy_is_honoured(secret: Canaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    certificate = self_signed(tmp_path, "api.clicdata.test")
    real = socket.getaddrinfo
    heads: list[bytes] = []

    def service(taken: Any) -> None:
        heads.append(head_of(taken))
        taken.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":[]}')

    with Listener(over_tls(certificate, service)) as server:
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
        monkeypatch.setenv("NO_PROXY", "clicdata.test")
        url = f"https://api.clicdata.test:{server.port}/"
        with Session(url=url, ca_bundle=certificate, api_key="k") as session:
            assert session.call(get("read rows", "/data/5", key="data")).value() == []
    assert b"GET /data/5" in heads[0]


# ---------------------------------------------------------------------------------------------------------
# Texts that are shown, stored and returned when calls succeed


@pytest.mark.parametrize("method", METHODS)
def test_a_session_that_works_shows_no_secret(
    method: str, secret: Canaries, sinks: Sinks, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = Says({"data": [{"a": 1}], "has_more_data": False, "success": True})
    with ScriptedServer(logged_in(secret, lambda _: rows)) as server:
        with Session(url=server.url, **secret.login(method)) as session:
            df = read(session, secret)
            receipt = append(session, secret)
            change = delete(session, secret)
            tokens = session._tokens
            for one in (session, receipt, change, Data(session=session), tokens, tokens.credentials, tokens.token):
                check(secret, shown_by(one), but=NOT_IN_DUMPS)
            for refused in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="can't be pickled or copied"):
                    refused(session)
        check_written(secret, sinks, server.seen, capfd)
        assert isinstance(df, pd.DataFrame)
        stored = [df.to_parquet(), pickle.dumps(df), repr(df.attrs), df.to_json(), df.to_html()]
        assert not [found for text in stored for found in secret.sightings(text)]


def test_a_closed_session_holds_no_secret(secret: Canaries) -> None:
    rows = Says({"data": [], "has_more_data": False})
    for method in METHODS:
        with ScriptedServer(logged_in(secret, lambda _: rows)) as server:
            with Session(url=server.url, **secret.login(method)) as session:
                read(session, secret)
            assert session._tokens.credentials is session._tokens.token is None
            with pytest.raises(errors.NotConnected) as caught:
                read(session, secret)
            check_error(secret, caught.value)


def test_netrc_is_never_read(secret: Canaries) -> None:
    with ScriptedServer(logged_in(secret, lambda _: Says({"data": []}))) as server:
        for method in METHODS:
            with Session(url=server.url, **secret.login(method)) as session:
                session.call(get("read rows", "/data/5"))
        for seen in server.seen:
            assert not [found for found in secret.sightings(json.dumps(seen.headers)) if "netrc" in found]


def test_the_user_agent_names_the_version_and_nothing_else(secret: Canaries) -> None:
    with ScriptedServer(lambda _: Says({"data": []})) as server, Session(url=server.url, api_key="k") as session:
        session.call(get("read rows", "/data/5"))
        assert server.seen[0].headers["user-agent"] == f"pandas-clicdata/{pandas_clicdata.__version__}"


def test_cookies_are_neither_kept_nor_shared() -> None:
    cookie = Says({"data": []}, headers={"Set-Cookie": "who=eve; Path=/"})
    with ScriptedServer(lambda _: cookie) as server:
        with Session(url=server.url, api_key="one") as one, Session(url=server.url, api_key="two") as two:
            for session in (one, two, one):
                session.call(get("read rows", "/data/5"))
        assert all("cookie" not in seen.headers for seen in server.seen)


@pytest.mark.fault(66)
def test_two_accounts_at_once_never_send_each_others_secrets(secret: Canaries, sinks: Sinks) -> None:
    logins = {
        "one": {"client_id": "one", "client_secret": secret.client_secret},
        "two": {"client_id": "two", "client_secret": secret.other_secret},
    }

    def script(seen: Seen) -> Says:
        if seen.path == "/oauth20/token":
            who = "one" if quote_plus(secret.client_secret) in seen.body.decode() else "two"
            return Says({"access_token": f"token-of-{who}"})
        return Says(
            {"error": {"code": "odd", "description": f"{seen.headers['authorization']} {seen.query['who']}"}}, 400
        )

    with ScriptedServer(script) as server:
        sessions = {who: Session(url=server.url, **login) for who, login in logins.items()}

        def call(number: int) -> errors.ClicDataError:
            who = ("one", "two")[number % 2]
            with pytest.raises(errors.ApiError) as caught:
                sessions[who].call(get("read rows", "/data/5", query=(("who", who),)))
            return caught.value

        with ThreadPoolExecutor(16) as pool:
            for error in pool.map(call, range(160)):
                check_error(secret, error)
        for session in sessions.values():
            session.close()
        for seen in server.seen:
            if seen.path != "/oauth20/token":
                assert seen.headers["authorization"] == f"Bearer token-of-{seen.query['who']}"
            elif b"client_id=one" in seen.body:
                assert quote_plus(secret.other_secret).encode() not in seen.body
    assert not secret.sightings(sinks.logged.getvalue())


@pytest.mark.parametrize("odd", ["\r\nX-Evil: yes", "\n", "\r", "\0", " x ", "\ud800"])
def test_a_secret_that_can_not_be_sent_is_refused_without_being_shown(odd: str, secret: Canaries) -> None:
    fields = ["client_secret", "password", "api_key", "refresh_token"]
    for name in fields:
        value = f"{odd}{secret.owner}{odd}"
        if odd == " x ":
            value = f" {secret.owner} "
            if name == "password":
                continue  # it may begin and end with blanks
        method = {"password": "basic", "api_key": "api_key"}.get(name, "authorization_code")
        for open_one in (Session, pandas_clicdata.connect, Data, pandas_clicdata.SessionManager):
            with pytest.raises(errors.InputError, match=name) as caught:
                open_one(**{**secret.login(method), name: value})
            check_error(secret, caught.value)


@pytest.mark.parametrize("odd", [{"url": "ftp://x"}, {"timeout": 0}, {"api_version": 5}, {"ca_bundle": "/no/where"}])
def test_another_argument_that_can_not_be_used_shows_no_secret_either(odd: dict[str, Any], secret: Canaries) -> None:
    for method in METHODS:
        for open_one in (Session, pandas_clicdata.connect, Data):
            with pytest.raises(errors.InputError) as caught:
                open_one(**secret.login(method), **odd)
            check_error(secret, caught.value)


def test_a_session_and_credentials_at_once_show_no_secret(secret: Canaries) -> None:
    with Session(api_key="k") as session, pytest.raises(errors.InputError, match="not both") as caught:
        Data(session=session, **secret.login("basic"))
    check_error(secret, caught.value)


def test_a_bad_environment_shows_no_secret(secret: Canaries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICDATA_API_KEY", secret.api_key + "\n")
    monkeypatch.setenv("CLICDATA_URL", "https://api.clicdata.test/")
    with pytest.raises(errors.InputError) as caught:
        pandas_clicdata.read_clicdata(5)
    check_error(secret, caught.value)
    monkeypatch.setenv("CLICDATA_API_KEY", secret.api_key)
    monkeypatch.setenv("CLICDATA_URL", f"https://jane:{quote(secret.password)}@api.clicdata.test/")
    with pytest.raises(errors.InputError, match="credentials") as caught:
        pandas_clicdata.read_clicdata(5)
    check_error(secret, caught.value)


def test_import_and_start_send_nothing_and_read_no_credentials() -> None:
    assert not hasattr(sys.modules["pandas_clicdata"], "telemetry")
    with ScriptedServer(lambda _: Says({})) as server:
        session = Session(api_key="k", url=server.url)
        assert repr(session)
        session.close()
        assert server.seen == []
