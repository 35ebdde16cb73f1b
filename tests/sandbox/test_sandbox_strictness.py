"""Values that the sandbox stores exactly, and requests that it refuses."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pandas_clicdata.sandbox import start
from pandas_clicdata.sandbox.cells import TYPES, key, problem
from pandas_clicdata.sandbox.rows import Column, read_rows

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def one(caller, sandbox):
    """Return a function that creates a data set with one column, and returns its id and a function to append JSON."""

    def make(data_type):
        rec_id = sandbox.create(f"one {data_type}", {"v": data_type})

        def append(text):
            body = f'{{"data": [{{"v": {text}}}]}}'.encode()
            return caller("POST", f"data/{rec_id}/row", data=body, headers=JSON)

        return rec_id, append

    return make


GOOD = {
    "number": [
        "0",
        "-0",
        "0.1",
        "1e5",
        "1E-7",
        "9007199254740993",
        "-170141183460469231731687303715884105728",
        "12345678901234567890.123456789",
        "1e400",
        "38.00",
    ],
    "percentage": ["0.25", "-1", "2.50"],
    "money": ["0", "-1.50", "1e3"],
    "time": ['"00:00:00"', '"23:59:59"', '"23:59:59.1234567"'],
    "id": ["1", "-5", "9007199254740993"],
    "checkbox": ["true", "false"],
    "text": ['"true"', '""', '"\\"\'"', '"🚲 \\ud83d\\udeb2"', '"\\u0000\\n\\t"', '"\\/"', '"00123"', '" x "'],
    "dropdown": ['"France"'],
    "date": ['"2024-02-29"', '"0001-01-01"', '"9999-12-31"'],
    "datetime": [
        '"2024-02-29 23:59:59"',
        '"2024-02-29T23:59:59"',
        '"2024-02-29T23:59:59Z"',
        '"2024-02-29T23:59:59.123456789+05:30"',
        '"2024-02-29 23:59:59.1-11:00"',
        '"1677-09-21T00:12:43.145224193"',
        '"9999-12-31T23:59:59.999999999"',
        '"0001-01-01T00:00:00+14:00"',
    ],
}
BAD = {
    "number": ["true", '"1"', "[1]", "{}", '""'],
    "percentage": ['"25 %"', "false"],
    "money": ['"1"', "true"],
    "time": ["1", '"24:00:00"', '"12:00"', '"12:00:00."', '"12:00:00.12345678"'],
    "id": ["1.0", "1e3", '"1"', "true"],
    "checkbox": ["0", "1", '"true"'],
    "text": ["1", "true", "[]", '["x"]', '{"a": 1}'],
    "dropdown": ["1"],
    "date": [
        '"2023-02-29"',
        '"2024-2-9"',
        '"29/02/2024"',
        '"2024-02-29T00:00:00"',
        '"0000-01-01"',
        '"20240229"',
        '"2024-W09-4"',
        '""',
        "20240229",
        '"２０２４-02-29"',
    ],
    "datetime": [
        '"2024-02-29"',
        '"2024-02-30T00:00:00"',
        '"2024-02-29T24:00:00"',
        '"2024-02-29T23:60:00"',
        '"2024-02-29T23:59:60"',
        '"2024-02-29T23:59"',
        '"2024-02-29t23:59:59"',
        '"2024-02-29T23:59:59z"',
        '"2024-02-29T23:59:59+24:00"',
        '"2024-02-29T23:59:59+0200"',
        '"2024-02-29T23:59:59."',
        '"2024-02-29T23:59:59.1234567890"',
        '" 2024-02-29T23:59:59"',
        "1709251199",
    ],
}


class TestValues:
    def test_all_types_are_tried(self):
        assert set(GOOD) == set(BAD) == set(TYPES)

    @pytest.mark.parametrize("data_type", GOOD)
    def test_good_ones_come_back_to_the_digit(self, caller, one, data_type):
        rec_id, append = one(data_type)
        for text in [*GOOD[data_type], "null"]:
            assert append(text).status_code == 200, text
        answer = caller("GET", f"data/{rec_id}").content.decode()
        for text in GOOD[data_type]:
            assert f'{{"v":{text}}}' in answer

    @pytest.mark.parametrize("data_type", BAD)
    def test_bad_ones_are_refused_by_name(self, sandbox, one, data_type):
        rec_id, append = one(data_type)
        for text in BAD[data_type]:
            answer = append(text)
            assert answer.status_code == 400, text
            assert 'row 1, column "v": expected' in answer.json()["error"]["description"]
        assert sandbox.count(rec_id) == 0

    @pytest.mark.parametrize("text", ["NaN", "Infinity", "1.", ".5", "01", "+1", "'x'", '"\\x"', '"a\nb"', "", "nul"])
    def test_what_is_not_json_is_refused(self, sandbox, one, text):
        rec_id, append = one("number")
        answer = append(text)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidJson")
        assert sandbox.count(rec_id) == 0

    @pytest.mark.parametrize("text", ['"\\ud800"', '"\\udc00\\ud800"', '"x\\ud83d"'])
    def test_half_characters_are_refused(self, sandbox, one, text):
        rec_id, append = one("text")
        assert append(text).status_code == 400
        assert sandbox.count(rec_id) == 0

    def test_numbers_are_stored_exactly(self, sandbox, one):
        rec_id, append = one("number")
        for text in ("9007199254740993", "12345678901234567890.123456789"):
            append(text)
        assert sandbox.rows(rec_id)[0]["v"] == 2**53 + 1
        assert sandbox.rows(rec_id, exact=True)[1]["v"] == Decimal("12345678901234567890.123456789")

    @given(
        data_type=st.sampled_from(sorted(TYPES)),
        values=st.lists(
            st.sampled_from([text for texts in (*GOOD.values(), *BAD.values()) for text in [*texts, "null"]]),
            max_size=6,
        ),
    )
    def test_the_fast_check_finds_what_the_slow_one_finds(self, data_type, values):
        texts = [value.encode() for value in values]
        one_by_one = [place for place, text in enumerate(texts) if problem(data_type, (text,))]
        found = problem(data_type, texts)
        assert (found[0] if found else None) == (one_by_one[0] if one_by_one else None)


class TestRows:
    COLUMNS = (Column("a", "text"), Column("b%s", "number"))

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ('{"a": "x", "c": 1}', 'row 2: there is no column "c"'),
            ('{"A": "x"}', 'row 2: there is no column "A"'),
            ('{"a": "x", "a": "y"}', 'row 2: the column "a" appears twice'),
            ('{"a": "xy", "a": "x", "b": 1}', 'row 2: the column "a" appears twice'),
            ('{"a":"x","\\u0061":"x","b":1}', 'row 2: the column "a" appears twice'),
            ('[{"column": "a", "value": "x"}, {"column": "a", "value": "x"}]', 'row 2: the column "a" appears twice'),
            ('[{"column": "c", "value": "x"}]', 'row 2: there is no column "c"'),
            ('[{"column": "a"}]', "value"),
            ('[{"column": "a", "value": "x", "type": "text"}]', "type"),
            ('[{"name": "a", "value": "x"}]', "name"),
            ('["x"]', "row 2 has 1 values, the data set has 2 columns"),
            ('["x", 1, 2]', "row 2 has 3 values"),
            ("[]", "row 2 has 0 values"),
            ('"x"', "row 2 is neither"),
            ("null", "row 2 is neither"),
            ('{"a": "x", "b": "1"}', 'row 2, column "b": expected a number, got "1"'),
        ],
    )
    def test_one_bad_row_refuses_all(self, caller, sandbox, row, said):
        rec_id = sandbox.create("two", {"a": "text", "b": "number"})
        body = f'{{"data": [["x", 1], {row}, ["y", 2]]}}'.encode()
        answer = caller("POST", f"data/{rec_id}/row", data=body, headers=JSON)
        assert answer.status_code == 400
        assert said in answer.json()["error"]["description"]
        assert sandbox.count(rec_id) == 0

    @pytest.mark.parametrize(
        "body", ["", "[]", "{}", '{"data": {}}', '{"data": null}', '{"data": [], "more": 1}', "x", "[" * 100_000]
    )
    def test_bad_bodies(self, caller, body):
        assert caller.error("POST", "data/1001/row", data=body.encode(), headers=JSON)[0] == 400

    @pytest.mark.parametrize("body", [b'{"data": [["\xff", 1]]}', '{"data": [["é", 1]]}'.encode("latin-1")])
    def test_a_body_is_utf8(self, caller, sandbox, body):
        rec_id = sandbox.create("two", {"a": "text", "b": "number"})
        status, code, _ = caller.error("POST", f"data/{rec_id}/row", data=body, headers=JSON)
        assert (status, code) == (400, "InvalidJson")

    @given(
        rows=st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "a": st.none() | st.text(st.characters(codec="utf-8")),
                    "b%s": st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
                },
            )
        ),
        form=st.sampled_from(["objects", "cells", "positional"]),
        ascii_only=st.booleans(),
        spaced=st.booleans(),
    )
    @settings(suppress_health_check=[HealthCheck.too_slow])
    def test_every_format_and_spelling_means_the_same(self, rows, form, ascii_only, spaced):
        sent = {
            "objects": rows,
            "cells": [[{"column": name, "value": value} for name, value in row.items()] for row in rows if row],
            "positional": [[row.get("a"), row.get("b%s")] for row in rows],
        }[form]
        kept = [row for row in rows if row] if form == "cells" else rows
        body = json.dumps({"data": sent}, ensure_ascii=ascii_only, separators=None if spaced else (",", ":"))
        found = [json.loads(text) for text in read_rows(body.encode(), self.COLUMNS)]
        assert found == [{"a": row.get("a"), "b%s": row.get("b%s")} for row in kept]


class TestMatching:
    """Values are equal when they mean the same."""

    @pytest.mark.parametrize(
        ("data_type", "one", "other", "equal"),
        [
            ("number", "1", "1.0", True),
            ("number", "1e2", "100", True),
            ("number", "9007199254740993", "9007199254740992", False),
            ("number", "0.1", "0.1000000000000000055", False),
            ("number", "-0", "0", True),
            ("number", "1e99999999999999999999", "1e99999999999999999999", True),
            ("number", "null", "0", False),
            ("text", '"é"', '"\\u00e9"', True),
            ("text", '"a"', '"A"', False),
            ("text", '""', "null", False),
            ("checkbox", "false", "null", False),
            ("datetime", '"2024-01-01T12:00:00"', '"2024-01-01 12:00:00.000"', True),
            ("datetime", '"2024-01-01T12:00:00Z"', '"2024-01-01T14:00:00+02:00"', True),
            ("datetime", '"2024-01-01T12:00:00Z"', '"2024-01-01T12:00:00"', False),
            ("datetime", '"2024-01-01T12:00:00.000000001"', '"2024-01-01T12:00:00"', False),
            ("date", '"2024-01-01"', '"2024-01-01"', True),
            ("number", "null", "null", True),
        ],
    )
    def test_equal(self, data_type, one, other, equal):
        assert (key(data_type, one.encode()) == key(data_type, other.encode())) is equal

    def test_over_the_wire(self, caller, sandbox):
        rec_id = sandbox.create("two", {"t": "datetime", "n": "number"})
        body = b'{"data": [["2024-01-01T12:00:00Z", 1.50], ["2024-01-01T12:00:00", 1.5]]}'
        caller.ok("POST", f"data/{rec_id}/rows", data=body, headers=JSON)
        find = [{"column": "t", "value": "2024-01-01T13:00:00+01:00"}, {"column": "n", "value": 1.5}]
        caller.ok("DELETE", f"data/{rec_id}/row", json={"find": find})
        assert sandbox.rows(rec_id) == [{"t": "2024-01-01T12:00:00", "n": 1.5}]


class TestHttp:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "data/1"),
            ("GET", "data/99999999999999999999999"),
            ("POST", "data/1/row"),
            ("PUT", "data/1/row"),
            ("DELETE", "data/1/row"),
            ("GET", "data/1/versions"),
            ("GET", "data/1/v/1"),
            ("POST", "data/1/reload"),
            ("GET", "data/x"),
            ("GET", "data/-1"),
            ("GET", "dashboards"),
            ("GET", ""),
        ],
    )
    def test_unknown_is_404(self, caller, method, path):
        body = {"data": [], "find": [{"column": "a", "value": 1}]}
        more = {} if method == "GET" else {"json": body}
        if method == "PUT":
            more["params"] = {"api_version": None}  # only the legacy dialect has it
        assert caller.error(method, path, **more)[:2] == (404, "NotFound")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("DELETE", "data", "GET, HEAD, POST"),
            ("DELETE", "data/1001", "GET, HEAD"),
            ("GET", "data/1001/row", "DELETE, POST, PUT"),
            ("GET", "data/1001/reload", "POST"),
            ("PATCH", "data/1001/row", "DELETE, POST, PUT"),
        ],
    )
    def test_wrong_verb_is_405(self, caller, method, path, allowed):
        assert caller.error(method, path)[:2] == (405, "MethodNotAllowed")
        assert caller(method, path).headers["Allow"] == allowed

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
    def test_other_content_types_are_415(self, caller, kind):
        answer = caller.error("POST", "data/1001/row", data=b'{"data": []}', headers={"Content-Type": kind})
        assert answer[:2] == (415, "UnsupportedMediaType")

    def test_a_charset_is_no_other_type(self, caller):
        headers = {"Content-Type": "Application/JSON; charset=utf-8"}
        caller.ok("POST", "data/1001/row", data=b'{"data": []}', headers=headers)

    def test_a_slash_at_the_end(self, caller):
        caller.ok("GET", "data/")
        caller.ok("GET", "data/1001/")
        caller.ok("POST", "data/1001/row/", json={"data": []})

    def test_head_has_no_body(self, caller):
        answer = caller("HEAD", "data/1001")
        assert answer.status_code == 200
        assert int(answer.headers["Content-Length"]) > 100
        assert answer.content == b""
        assert caller("GET", "data/1001").status_code == 200

    def test_a_body_in_chunks(self, caller, sandbox):
        rec_id = sandbox.create("one", {"v": "text"})
        parts = iter([b'{"data": [["', b"x" * 70_000, b'"]]}'])
        caller.ok("POST", f"data/{rec_id}/row", data=parts, headers=JSON)
        assert sandbox.rows(rec_id) == [{"v": "x" * 70_000}]

    def test_limits(self, caller_of):
        with start(row_limit=320, requests_per_minute=3) as sandbox:
            caller = caller_of(sandbox)
            one = {"data": [{"shop_code": "1"}]}
            status, code, _ = caller.error("POST", "data/1001/row", json={"data": one["data"] * 11})
            assert (status, code) == (429, "QuotaExceeded")
            caller.ok("POST", "data/1001/row", json={"data": one["data"] * 10})
            caller.error("POST", "data/1001/row", json=one)
            answer = caller("GET", "data")
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            assert answer.json()["error"]["code"] == "RateLimitExceeded"
            caller.login()


@pytest.mark.parametrize(
    ("encoding", "packed", "status"),
    [
        ("gzip", gzip.compress(b'{"data": [["00999", "X", null, null, null, null, null]]}'), 200),
        ("gzip", b"not gzip", 400),
        ("gzip", gzip.compress(b'{"data": []}')[:-9], 413),
        ("br", b"x", 415),
    ],
    ids=["gzip", "none", "cut off", "brotli"],
)
def test_a_compressed_body(encoding: str, packed: bytes, status: int) -> None:
    with start() as sandbox:
        login = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
        token = requests.post(f"{sandbox.url}oauth20/token", data=login, timeout=5).json()["access_token"]
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Content-Encoding": encoding,
        }
        answer = requests.post(f"{sandbox.url}data/1001/rows", data=packed, headers=headers, timeout=5)
        assert answer.status_code == status, answer.text
