"""Possible answers, one by one: the payload, or the error with the code and text of the service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pandas_clicdata import errors
from pandas_clicdata.session import retry, wire
from pandas_clicdata.session.wire import Answer, Request, get, judge

READ = get("read rows", "/data/5", key="data")
WRITE = Request("append rows", "POST", "/data/5/row", body=b"{}")
ROW = [{"a": 1}]
BOM = b"\xef\xbb\xbf"

# a body, and the payload that a read of "data" finds in it
FINE: list[tuple[Any, Any]] = [
    (ROW, ROW),
    ([], []),
    (b" \r\n[ ]\n ", []),
    ({"data": ROW}, ROW),
    ({"data": []}, []),
    ({"data": None}, None),
    ({"data": ROW, "has_more_data": False}, ROW),
    ({"count": 1, "data": ROW}, ROW),
    ({"success": True, "data": ROW}, ROW),
    ({"success": True, "result": ROW}, ROW),
    ({"success": True, "result": []}, []),
    ({"success": True, "result": None}, None),
    ({"success": True, "result": 5}, 5),
    ({"success": True, "result": "text"}, "text"),
    ({"success": True, "result": {"data": ROW}}, ROW),
    ({"success": True, "result": {"data": ROW, "has_more_data": True}}, ROW),
    ({"success": True, "result": ROW, "pagination": {"last_page": True}}, ROW),
    ({"success": True, "error": None, "result": ROW}, ROW),
    ({"result": ROW}, ROW),
    ({"rows": ROW, "count": 1}, ROW),
    ({"result": {"rows": ROW}}, ROW),
    ({"rows": ROW, "others": ROW}, {"rows": ROW, "others": ROW}),
    ({}, {}),
    ({"success": True}, {"success": True}),
    ({"id": 5}, {"id": 5}),
    ({"message": "all is well"}, {"message": "all is well"}),
    ({"data": ROW, "error": None}, ROW),
    ({"DATA": ROW}, ROW),
    (5, 5),
    (b"-0.0", -0.0),
    (True, True),
    (False, False),
    (None, None),
    ("text", "text"),
    (BOM + b'{"data": [1]}', [1]),
    (b'{"data": [123456789012345678901234567890]}', [123456789012345678901234567890]),
    (b'{"d\\u0061ta": [1]}', [1]),
    ({"data": ["x" * 3000, "x" * 3000], "more": "x" * 3000}, ["x" * 3000, "x" * 3000]),
]

NO = {"code": "validation", "description": "row 3"}
A, P = errors.ApiError, errors.ProtocolError

# a body, its status, and the expected error with its code and description
STATED: list[tuple[Any, int, type[errors.ClicDataError], str | None, str | None]] = [
    ({"error": NO}, 200, A, "validation", "row 3"),
    ({"success": False, "error": NO}, 200, A, "validation", "row 3"),
    ({"success": True, "error": NO}, 200, A, "validation", "row 3"),
    ({"data": ROW, "error": NO}, 200, A, "validation", "row 3"),
    ({"error": {}}, 200, A, None, None),
    ({"error": {"code": None, "description": ""}}, 200, A, None, None),
    ({"error": {"code": 7}}, 200, A, "7", None),
    ({"error": {"message": "no"}}, 200, A, None, "no"),
    ({"error": "no"}, 200, A, "no", None),
    ({"error": "no", "error_description": "why"}, 200, A, "no", "why"),
    ({"error": ["no"]}, 200, A, "['no']", None),
    ({"error": True}, 200, A, "True", None),
    ({"error": 1}, 200, A, "1", None),
    ({"success": False}, 200, A, None, None),
    ({"success": False, "data": ROW}, 200, A, None, None),
    ({"success": False, "message": "no"}, 200, A, None, "no"),
    ({"success": False, "description": "no"}, 200, A, None, "no"),
    ({"success": False, "error": None}, 200, A, None, None),
    ({"success": False, "error": ""}, 200, A, None, None),
    ({"success": False, "error": {"code": "404"}}, 200, errors.NotFound, "404", None),
    ({"success": False, "error": {"code": 401}}, 200, errors.BadCredentials, "401", None),
    ({"success": False, "error": {"code": "499"}}, 200, A, "499", None),
    ({"success": False, "error": {"code": "Not Found"}}, 200, errors.NotFound, "Not Found", None),
    ({"success": False, "error": {"code": "unauthorized"}}, 200, errors.PermissionDenied, "unauthorized", None),
    (
        {"success": False, "error": {"code": "insufficient_scope"}},
        200,
        errors.PermissionDenied,
        "insufficient_scope",
        None,
    ),
    ({"success": False, "error": {"code": "invalid_token"}}, 200, errors.BadCredentials, "invalid_token", None),
    ({"success": False, "error": {"code": "DuplicateName"}}, 200, errors.Conflict, "DuplicateName", None),
    ({"success": False, "error": {"code": "TooLarge"}}, 201, errors.TooLarge, "TooLarge", None),
    ({"success": False, "error": {"code": "rate-limited"}}, 200, errors.RateLimited, "rate-limited", None),
    ({"error": {"code": "APIVersionRequired"}}, 200, errors.ApiVersionError, "APIVersionRequired", None),
    ({"error": {"code": "InvalidVersion"}}, 400, errors.ApiVersionError, "InvalidVersion", None),
    ({"error": {"code": "InvalidVersion"}}, 500, errors.ApiVersionError, "InvalidVersion", None),
    ({"error": NO}, 400, A, "validation", "row 3"),
    ({"error": "invalid_client", "error_description": "no"}, 400, errors.BadCredentials, "invalid_client", "no"),
    ({"error": {"code": "notfound"}}, 400, A, "notfound", None),
    ({"error": {"code": "notfound"}}, 403, errors.PermissionDenied, "notfound", None),
    (b"", 401, errors.BadCredentials, None, None),
    (b"", 403, errors.PermissionDenied, None, None),
    (b"<html>nothing here</html>", 404, errors.NotFound, None, None),
    (b"gone", 404, errors.NotFound, None, "gone"),
    ({"message": "taken"}, 409, errors.Conflict, None, "taken"),
    (b"", 413, errors.TooLarge, None, None),
    (b"slow down", 429, errors.RateLimited, None, "slow down"),
    ({"success": True, "data": ROW}, 500, A, None, None),
    (ROW, 500, A, None, '[{"a": 1}]'),
    (b"{", 502, A, None, "{"),
    (b"\xff\xfe", 503, A, None, "��"),
    (b"", 100, A, None, None),
    (b"", 599, A, None, None),
    (b"", 301, errors.RedirectRefused, None, None),
    ({"data": ROW}, 304, errors.RedirectRefused, None, None),
    (b"", 399, errors.RedirectRefused, None, None),
    ({"error": NO}, 407, errors.TransportError, None, None),
]

# a body under status 200, and how many repeats may help
BROKEN: list[tuple[bytes, int]] = [
    (b"", 1),
    (b" \n", 1),
    (BOM, 1),
    (b"<html>log in</html>", 1),
    (b"<", 1),
    (b"hello", 1),
    (b"{'data': []}", 3),
    (b'{"data": [1, 2', 3),
    (b'{"data": [1]}}', 3),
    (b'{"data": []}{"data": []}', 3),
    (b'{"data": [NaN]}', 3),
    (b'{"data": [1,]}', 3),
    (b'{"data": [01]}', 3),
    (b'{"data": "\\ud800"}', 3),
    (b'{"data": "a\nb"}', 3),
    (b"{data: []}", 3),
    (b"[1, 2", 3),
    (b"[" * 100_000, 3),
    (b'{"a":' * 100_000, 3),
    (b'"text', 3),
    (b"NaN", 1),
    (b"Infinity", 1),
    (b"tru", 1),
    (b"\x00", 1),
    (b'{"success": "false", "data": []}', 0),
    (b'{"success": "true", "data": []}', 0),
    (b'{"success": 0, "data": []}', 0),
    (b'{"success": 1, "data": []}', 0),
    (b'{"success": null, "data": []}', 0),
    (b'{"success": [], "data": []}', 0),
    (b'{"success": {}, "data": []}', 0),
    (b'{"success": false, "success": true}', 0),
    (b'{"success": true, "success": true}', 0),
    (b'{"data": [1], "data": []}', 0),
    (b'{"result": {"data": [1], "data": []}}', 0),
    (b'{"succ\\u0065ss": false, "success": true}', 0),
    (b'{"\xff": 1}', 3),
    (b'{"data": "%bA", "data": "%bB"}' % ((b"x" * 2000,) * 2), 0),
    (b'{"a": "%b", "b": "%b", "a": "%b"}' % (b"x" * 2000, b"y" * 2000, b"z" * 2000), 0),
]


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, body if isinstance(body, bytes) else json.dumps(body).encode(), {})


def test_there_are_enough_of_them() -> None:
    assert len(FINE) + len(STATED) + len(BROKEN) >= 60


@pytest.mark.parametrize(("body", "payload"), FINE, ids=lambda value: repr(value)[:60])
def test_the_payload_is_found(body: Any, payload: Any) -> None:
    reply = judge(READ, answer(body))
    assert reply.value() == payload
    assert type(reply.value()) is type(payload)


@pytest.mark.fault(19, 25, 26)
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize(("body", "status", "kind", "code", "description"), STATED, ids=lambda v: repr(v)[:40])
def test_an_error_has_the_code_and_description_of_the_service(
    request_: Request, body: Any, status: int, kind: type[Exception], code: str | None, description: str | None
) -> None:
    with pytest.raises(errors.ClicDataError) as caught:
        judge(request_, answer(body, status))
    error = caught.value
    assert type(error) is kind
    if isinstance(error, (errors.ApiError, errors.AuthError)):
        assert (error.status, error.code, error.description) == (status, code, description)
        assert error.operation == request_.operation


@pytest.mark.fault(22, 23, 24, 26, 27)
@pytest.mark.parametrize(("body", "again"), BROKEN, ids=lambda value: repr(value)[:40])
def test_another_response_is_a_protocol_error(body: bytes, again: int) -> None:
    for request in (READ, WRITE):
        with pytest.raises(errors.ProtocolError) as caught:
            judge(request, answer(body))
        assert caught.value._repeat == again
        assert retry.outcome(caught.value) is retry.Outcome.UNKNOWN


@pytest.mark.parametrize("text", [b"iVBORw0KGgo=", b'"iVBO"', b"<svg/>", b"", b"[", b"5", b"tru\xff"])
def test_bare_text_is_returned_where_text_is_requested(text: bytes) -> None:
    picture = get("get a thumbnail", "/dashboard/1/thumbnail", in_text=True)
    reply = judge(picture, Answer(200, b" " + text + b"\n"))
    assert (reply.payload, reply.fields) == (text, {})
    with pytest.raises(errors.ApiError):
        judge(picture, answer({"error": NO}))
    with pytest.raises(errors.ProtocolError):
        judge(picture, Answer(200, b"{" + text))


def test_a_web_page_is_recognised_by_its_content_type() -> None:
    page = Answer(200, b"Please log in", {"content-type": "text/html; charset=utf-8"})
    with pytest.raises(errors.ProtocolError, match="web page"):
        judge(READ, page)


@pytest.mark.parametrize(
    ("code", "status", "done_nothing"),
    [
        *[(None, status, True) for status in (400, 401, 403, 404, 405, 406, 409, 411, 413, 414, 415, 422, 429)],
        *[(None, status, False) for status in (100, 402, 408, 410, 418, 500, 502, 503, 504, 599)],
        *[("validation", 500, False), ("validation", 200, True), ("Bad Request", 202, True), ("400", 200, True)],
        *[("429", 200, True), ("408", 200, False), ("500", 200, False), ("4000", 200, False), ("Oddity", 200, False)],
        *[("", 200, False), (None, 200, False), ("validation", None, True), ("9" * 400, 200, False)],
    ],
)
def test_which_errors_mean_that_nothing_was_done(code: str | None, status: int | None, done_nothing: bool) -> None:
    assert wire.nothing_was_done(errors.ApiError("no", status=status, code=code)) is done_nothing
