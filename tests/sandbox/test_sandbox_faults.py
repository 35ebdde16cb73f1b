"""Faults happen when they are requested, and the data sets stay correct."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import zlib
from urllib.parse import urlsplit

import pytest
import requests

from faults.kinds import bad_chunk, cut, drip, endless_pages, gzip_bomb, keep_rows, repeat_page, without_paging
from pandas_clicdata.sandbox import faults as faults_module
from pandas_clicdata.sandbox import start

ROW = {"data": [{"shop_code": "00777"}]}
PATH = "data/1001/row"


@pytest.fixture
def stored(sandbox):
    """Return a function that counts the rows added."""
    return lambda: sandbox.count(1001) - 10


def lost(call, *args, **more):
    """Return the error of a call that gets no complete answer."""
    with pytest.raises(requests.RequestException) as caught:
        call(*args, **more)
    return caught.value


def connected(caller):
    return socket.create_connection(("127.0.0.1", urlsplit(caller.url).port), 5)


def received(caller):
    """Return the response to ``GET /data`` in the pieces in which it arrives."""
    with connected(caller) as connection:
        token = caller.http.headers["Authorization"]
        connection.sendall(f"GET /data HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
        return list(iter(lambda: connection.recv(65536), b""))


def cause(error):
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return error


class TestWhere:
    def test_once_by_default(self, sandbox, legacy):
        fault = sandbox.faults.status(500)
        assert [legacy("GET", "data").status_code for _ in range(3)] == [500, 200, 200]
        assert fault.hits == 1

    def test_times_and_after(self, sandbox, legacy):
        sandbox.faults.status(500, times=2, after=1)
        assert [legacy("GET", "data").status_code for _ in range(5)] == [200, 500, 500, 200, 200]

    def test_for_ever_until_cleared(self, sandbox, legacy):
        sandbox.faults.status(500, times=None)
        assert {legacy("GET", "data").status_code for _ in range(5)} == {500}
        sandbox.faults.clear()
        assert legacy("GET", "data").status_code == 200

    def test_by_verb(self, sandbox, legacy):
        sandbox.faults.status(500, method="post")
        assert legacy("GET", "data").status_code == 200
        assert legacy("POST", PATH, json=ROW).status_code == 500

    @pytest.mark.parametrize(
        ("path", "failing"),
        [
            ("/data", [True, True, True, True]),
            ("/data/1001", [False, True, False, True]),
            ("/data/1001/row", [False, False, False, True]),
            ("/data/100", [False, False, False, False]),
            (re.compile("^/data$"), [True, False, False, False]),
            (re.compile(r"100\d$"), [False, True, True, False]),
        ],
    )
    def test_by_path(self, sandbox, legacy, path, failing):
        sandbox.faults.status(500, path=path, times=None)
        calls = [("GET", "data/"), ("GET", "data/1001"), ("GET", "data/1002/"), ("POST", PATH)]
        assert [legacy(*call, json=ROW).status_code == 500 for call in calls] == failing

    def test_logins_are_spared_unless_named(self, sandbox, legacy):
        sandbox.faults.status(500)
        legacy.login()
        sandbox.faults.status(503, path="/oauth20/token")
        assert legacy("POST", "oauth20/token", data={}).status_code == 503

    def test_in_the_order_they_were_asked_for(self, sandbox, legacy):
        for status in (500, 429, 408):
            sandbox.faults.status(status)
        assert [legacy("GET", "data").status_code for _ in range(4)] == [500, 429, 408, 200]

    def test_threads_share_the_count(self, sandbox, legacy):
        sandbox.faults.status(500, times=7)
        url, headers = legacy.url + "data", dict(legacy.http.headers)
        found = []

        def ask():
            with requests.Session() as http:
                found.append(http.get(url, headers=headers, timeout=10).status_code)

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [200] * 9 + [500] * 7


class TestAnswers:
    @pytest.mark.parametrize("applied", [False, True])
    @pytest.mark.parametrize("status", [400, 408, 413, 429, 500, 502, 503, 504])
    def test_status_before_or_after(self, sandbox, caller, stored, status, applied):
        sandbox.faults.status(status, headers={"Retry-After": "7"}, applied=applied)
        answer = caller("POST", PATH, json=ROW)
        assert answer.status_code == status
        assert answer.headers["Retry-After"] == "7"
        assert answer.json()["error"]["code"] == str(status)
        assert stored() == applied

    def test_error_under_200(self, sandbox, caller, stored):
        sandbox.faults.error("unauthorized", "no")
        assert caller.error("POST", PATH, json=ROW) == (200, "unauthorized", "no")
        assert stored() == 0

    @pytest.mark.parametrize("body", ["", "<html>Login</html>", '{"data": [', '{"success": "false"}', b"\xff"])
    def test_anything_under_200(self, sandbox, legacy, stored, body):
        sandbox.faults.answer(body, content_type="text/html", applied=True)
        answer = legacy("POST", PATH, json=ROW)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
        assert answer.content == (body if isinstance(body, bytes) else body.encode())
        assert stored() == 1

    def test_204_has_no_body(self, sandbox, legacy):
        sandbox.faults.answer(status=204)
        assert legacy("POST", PATH, json=ROW).content == b""
        assert legacy("GET", "data").status_code == 200

    def test_unauthorized_once(self, sandbox, legacy, stored):
        sandbox.faults.unauthorized(method="POST")
        assert legacy("POST", PATH, json=ROW).status_code == 401
        assert legacy("POST", PATH, json=ROW).status_code == 200
        assert stored() == 1

    def test_redirect(self, sandbox, legacy, stored):
        sandbox.faults.redirect("https://example.com/", 307)
        answer = legacy("POST", PATH, json=ROW)
        assert (answer.status_code, answer.headers["Location"]) == (307, "https://example.com/")
        assert stored() == 0

    def test_another_token_answer(self, sandbox, legacy):
        sandbox.faults.answer('{"access_token": "x", "expires_in": -1}', path="/oauth20/token")
        assert legacy.login()["expires_in"] == -1

    def test_edit_and_header(self, sandbox, legacy):
        sandbox.faults.edit(lambda body: body.replace(b"Shops", b"Stops"))
        assert legacy.ok("GET", "data")["data"][0]["name"] == "Stops"
        sandbox.faults.header("Set-Cookie", "a=b")
        assert legacy("GET", "data").cookies["a"] == "b"

    def test_rows_inserted(self, sandbox, modern, stored):
        sandbox.faults.rows_inserted(3)
        answer = modern.ok("POST", "data/1001/insert", json=ROW)
        assert answer == {"rows_inserted": 3, "rows_found": 1}
        assert stored() == 1

    def test_a_response_without_rows_inserted_stays_as_it_is(self, sandbox, legacy):
        sandbox.faults.rows_inserted(3)
        assert legacy("GET", "data").status_code == 200

    def test_a_part_is_stored(self, sandbox, modern, stored):
        keep_rows(sandbox.faults, 2)
        answer = modern.ok("POST", "data/1001/insert", json={"data": ROW["data"] * 5})
        assert answer["rows_inserted"] == stored() == 2


class TestPaging:
    @pytest.fixture
    def sandbox(self):
        with start(page_size=100) as running:
            yield running

    def test_a_page_comes_twice(self, sandbox, caller):
        repeat_page(sandbox.faults, path="/data/1002", after=1)
        first = caller("GET", "data/1002", params={"page": 1})
        again = caller("GET", "data/1002", params={"page": 2})
        other = caller("GET", "data/1002", params={"page": 2})
        assert first.content == again.content != other.content

    def test_pages_without_end(self, sandbox, caller):
        endless_pages(sandbox.faults, times=None)
        for page in (1, 2, 3):
            body = caller("GET", "data/1002", params={"page": page}).json()
            more = body if caller.version is None else body["pagination"]
            assert more["has_more_data" if caller.version is None else "has_more_results"] is True
            assert more.get("last_page", False) is False

    def test_nothing_about_more_pages(self, sandbox, caller):
        without_paging(sandbox.faults)
        body = caller("GET", "data/1002").json()
        assert set(body) == ({"data"} if caller.version is None else {"success", "result"})

    def test_another_writer_between_two_pages(self, sandbox, legacy):
        sandbox.faults.call(lambda: sandbox.delete(1002, {"quantity": 1}), after=1)
        first = legacy.ok("GET", "data/1002", params={"page": 1})
        second = legacy.ok("GET", "data/1002", params={"page": 2})
        assert len(first["data"]) == 100
        assert len(second["data"]) == max(0, sandbox.count(1002) - 100)
        assert sandbox.count(1002) < 180


class TestConnections:
    @pytest.mark.parametrize("applied", [False, True])
    @pytest.mark.parametrize(("reset", "kind"), [(True, ConnectionResetError), (False, OSError)])
    def test_no_answer(self, sandbox, caller, stored, applied, reset, kind):
        sandbox.faults.drop(applied=applied, reset=reset)
        error = lost(caller, "POST", PATH, json=ROW)
        assert isinstance(error, requests.ConnectionError)
        assert isinstance(cause(error), kind)
        assert isinstance(cause(error), ConnectionResetError) is (reset or "RemoteDisconnected" in repr(cause(error)))
        assert stored() == applied
        assert sandbox.requests[-1].status is None
        assert caller("GET", "data").status_code == 200

    @pytest.mark.parametrize("after_bytes", [0, 5, 1000])
    def test_a_small_request_is_lost(self, sandbox, legacy, stored, after_bytes):
        sandbox.faults.drop_request(after_bytes)
        assert isinstance(lost(legacy, "POST", PATH, json=ROW, timeout=2), requests.ConnectionError)
        assert stored() == 0
        assert sandbox.requests[-1].status is None

    def test_lost_while_sending(self, sandbox, legacy, stored):
        sandbox.faults.drop_request(100_000)
        body = {"data": ROW["data"] * 200_000}
        error = lost(legacy, "POST", PATH, json=body)
        assert isinstance(error, requests.ConnectionError)
        assert stored() == 0

    @pytest.mark.parametrize("reset", [False, True])
    def test_cut_answer(self, sandbox, legacy, stored, reset):
        cut(sandbox.faults, 0.5, reset=reset, method="POST")
        lost(legacy, "POST", PATH, json=ROW)
        assert stored() == 1

    def test_how_much_is_cut(self, sandbox, legacy):
        whole = legacy("GET", "data").content
        cut(sandbox.faults, 0.25)
        head, _, body = b"".join(received(legacy)).partition(b"\r\n\r\n")
        assert body == whole[: len(whole) // 4]
        assert f"Content-Length: {len(whole)}".encode() in head

    def test_bad_chunk_and_bad_gzip(self, sandbox, legacy, stored):
        bad_chunk(sandbox.faults)
        error = lost(legacy, "POST", PATH, json=ROW)
        assert isinstance(error, requests.exceptions.ChunkedEncodingError)
        sandbox.faults.bad_gzip()
        assert isinstance(lost(legacy, "POST", PATH, json=ROW), requests.exceptions.ContentDecodingError)
        assert stored() == 2

    def test_gzip_bomb(self, sandbox, legacy):
        gzip_bomb(sandbox.faults, 20)
        with legacy("GET", "data/1001", stream=True) as answer:
            packed = answer.raw.read(decode_content=False)
        assert len(packed) < 50_000
        unpacked = zlib.decompress(packed, wbits=31)
        assert len(unpacked) > 20_000_000
        assert json.loads(unpacked) == {"data": [], "has_more_data": False}

    def test_latency(self, caller_of, monkeypatch):
        waits = []
        monkeypatch.setattr(faults_module.Exchange, "wait", lambda exchange, seconds: waits.append(seconds))
        with start(latency=0.1) as sandbox:
            caller = caller_of(sandbox)
            sandbox.faults.latency(0.2)
            caller.ok("GET", "data")
        assert waits == [0.1, 0.1, 0.2]

    def test_drip(self, sandbox, legacy):
        whole = legacy("GET", "data").content
        drip(sandbox.faults, 0.01, size=len(whole) // 20)
        pieces = received(legacy)
        assert b"".join(pieces).endswith(whole)
        assert len(pieces) > 2

    @pytest.mark.parametrize("applied", [False, True])
    def test_stall(self, sandbox, legacy, stored, applied):
        sandbox.faults.stall(applied=applied)
        assert isinstance(lost(legacy, "POST", PATH, json=ROW, timeout=0.5), requests.ReadTimeout)
        assert stored() == applied

    def test_a_stall_may_end(self, sandbox, legacy):
        sandbox.faults.stall(0.1)
        assert isinstance(lost(legacy, "POST", PATH, json=ROW, timeout=5), requests.ConnectionError)

    def test_applied_late(self, sandbox, legacy, stored):
        sandbox.faults.apply_late(0.8)
        assert isinstance(lost(legacy, "POST", PATH, json=ROW, timeout=0.1), requests.ReadTimeout)
        assert stored() == 0
        sandbox.faults.settle()
        assert stored() == 1

    def test_a_connection_outlives_the_others_faults(self, sandbox, legacy):
        with connected(legacy) as idle:
            sandbox.faults.drop()
            lost(legacy, "GET", "data")
            idle.sendall(b"GET /data HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(12) == b"HTTP/1.1 401"

    def test_closing_ends_what_stalls(self, caller_of):
        sandbox = start()
        caller = caller_of(sandbox)
        sandbox.faults.stall(times=None)
        sandbox.faults.latency(60, path="/data/1001", times=None)
        errors = []

        def ask(path):
            with requests.Session() as http:
                errors.append(lost(http.get, sandbox.url + path, headers=caller.http.headers, timeout=30))

        threads = [threading.Thread(target=ask, args=[path]) for path in ("data", "data/1001")]
        for thread in threads:
            thread.start()
        while len(sandbox.requests) < 3:
            time.sleep(0.01)
        sandbox.close()
        for thread in threads:
            thread.join()
        assert [type(error) for error in errors] == [requests.ConnectionError] * 2


def test_a_function_that_fails_is_logged_and_harms_nothing(sandbox, legacy, caplog):
    sandbox.faults.call(lambda: 1 / 0)
    lost(legacy, "GET", "data")
    assert "ZeroDivisionError" in caplog.text
    assert legacy("GET", "data").status_code == 200
