"""`judge`: literal responses become replies or errors."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from pandas_clicdata import errors
from pandas_clicdata.session.wire import Answer, Request, get, judge, means, nothing_was_done, query_of

READ = get("read rows", "/data/5", key="data")
WRITE = Request("append rows", "POST", "/data/5/row", body=b"{}")


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, text, headers)


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        ([{"a": 1}], {"data": [{"a": 1}], "has_more_data": False}),
        ([{"a": 1}], {"success": True, "result": [{"a": 1}], "pagination": {"last_page": True}}),
        ([{"a": 1}], {"success": True, "result": {"data": [{"a": 1}], "has_more_data": False}}),
        ([{"a": 1}], {"result": [{"a": 1}]}),
        ([{"a": 1}], {"rows": [{"a": 1}], "count": 1}),
        ([{"a": 1}], [{"a": 1}]),
        ([], {"data": []}),
        ([1], {"success": True, "error": None, "data": [1]}),
    ],
)
def test_the_payload_is_found_in_every_envelope(expected: object, body: object) -> None:
    assert judge(READ, answer(body)).value() == expected


ODD_PAGES = [
    b'{"data":[],"has_more_data":false}',
    b'{"data":[1,2],"has_more_data":true}',
    b' {\n "data" : [ {"a": "]"}, {"a": "}]"} ] ,\t"has_more_data" : true }\r\n',
    b'{"success":true,"result":[{"a":[1,2]},{"a":[]}],"pagination":{"last_page":true}}',
    b'{"success" : true, "result":[1],"tags":["]"],"pagination":{}}',
    b'{"success":true,"data":[1],"result":[2]}',
    b'{"data":[1],"result":{"data":[2,3]}}',
    b'{"rows":[1],"has_more_data":false}',
    b'{"has_more_data":false,"data":[1]}',
    b'{"data":[1],"data":[1,2],"has_more_data":false}',
    b'{"data":[1],"has_more_data":false,"has_more_data":true}',
    b'{"data":[1],"data":2}',
    b'{"success":true,"data":[1],"success":false}',
    b'{"data":[1],"success":false,"error":{"code":"toomanyrows"}}',
    b'{"data":[1],"error":{"code":"x"}}',
    b'{"data":[1,],"has_more_data":false}',
    b'{"data":[1] "has_more_data":false}',
    b'{"data":[1],"has_more_data":false',
    b'{"data":[1}',
    b'{"data":[{"a":1],"has_more_data":false}',
    b'{"data":[1],"\\u0064ata":[1,2]}',
    b'{"\\u0064ata":[1]}',
    b'{"data":[1]}]',
    b'{"data":[1]}{"data":[1]}',
    b'{"data":[0],"x":"\xff"}',
    b'{"data":["\xff"]}',
    b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]


def rows_by_the_rules(body: bytes, key: str) -> object:
    """Read a page with Python's JSON reader: its rows, or None for an error."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        envelope = json.loads(body.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return None
    if envelope.get("success", True) is not True or envelope.get("error") is not None:
        return None
    inner = envelope.get("result", envelope)
    if isinstance(inner, list) or key in inner:
        return inner if isinstance(inner, list) else inner[key]
    lists = [value for value in inner.values() if isinstance(value, list)]
    return lists[0] if len(lists) == 1 else inner


@pytest.mark.parametrize("body", ODD_PAGES, ids=range(len(ODD_PAGES)))
@pytest.mark.parametrize("key", ["data", "result"])
def test_a_page_means_what_the_rules_say(body: bytes, key: str) -> None:
    try:
        rows = judge(get("read rows", "/data/5", key=key), Answer(200, body)).value()
    except errors.ClicDataError:
        rows = None
    assert rows == rows_by_the_rules(body, key)


def test_a_byte_order_mark_is_no_error() -> None:
    assert judge(READ, answer(b'\xef\xbb\xbf{"data": [1]}')).value() == [1]


def test_with_two_lists_and_no_key_the_payload_is_the_body() -> None:
    body = {"a": [1], "b": [2]}
    assert judge(READ, answer(body)).value() == body


def test_integers_keep_their_digits() -> None:
    assert judge(READ, answer(b'{"data": [123456789012345678901234567890]}')).value() == [
        123456789012345678901234567890
    ]


@pytest.mark.fault(23, 24, 25, 26)
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (errors.ApiVersionError, {"error": {"code": "APIVersionRequired", "description": "give one"}}, 200),
        (errors.ApiVersionError, {"success": False, "error": {"code": "InvalidVersion"}}, 400),
        (errors.PermissionDenied, {"success": False, "error": {"code": "unauthorized"}}, 200),
        (errors.BadCredentials, {"success": False, "error": {"code": "401"}}, 200),
        (errors.BadCredentials, {"error": {"code": "401", "description": "expired"}}, 401),
        (errors.BadCredentials, {"error": "invalid_client", "error_description": "no"}, 400),
        (errors.PermissionDenied, b"", 403),
        (errors.NotFound, b"<html>nothing here</html>", 404),
        (errors.Conflict, {"error": {"code": "x"}}, 409),
        (errors.TooLarge, b"", 413),
        (errors.RateLimited, b"slow down", 429),
        (errors.ApiError, {"error": {"code": "validation", "description": "row 3"}}, 400),
        (errors.ApiError, {"success": False}, 200),
        (errors.ApiError, {"success": False, "error": "just text"}, 200),
        (errors.ApiError, {"success": True, "error": {"code": "odd"}}, 200),
        (errors.ApiError, {"data": [1], "error": {}}, 200),
        (errors.ApiError, {"error": {"code": 7, "description": None}}, 200),
        (errors.ApiError, b"oops", 500),
        (errors.ApiError, b"", 503),
        (errors.ApiError, [1], 418),
        (errors.RedirectRefused, b"", 301),
        (errors.RedirectRefused, b"", 308),
        (errors.ProtocolError, b"", 200),
        (errors.ProtocolError, b"", 204),
        (errors.ProtocolError, b"<html>log in</html>", 200),
        (errors.ProtocolError, b'{"data": [1, 2', 200),
        (errors.ProtocolError, b'{"data": [NaN]}', 200),
        (errors.ProtocolError, b"hello", 200),
        (errors.ProtocolError, {"success": "false", "data": []}, 200),
        (errors.ProtocolError, {"success": 0, "data": []}, 200),
        (errors.ProtocolError, b'{"success": false, "success": true, "data": []}', 200),
        (errors.ProtocolError, b"[" * 100_000, 200),
    ],
)
def test_every_error_shape_is_an_error(request_: Request, kind: type[Exception], body: object, status: int) -> None:
    with pytest.raises(errors.ClicDataError) as caught:
        judge(request_, answer(body, status))
    assert type(caught.value) is kind
    assert request_.operation in str(caught.value)


def test_what_the_service_said_is_in_the_error() -> None:
    body = {"success": False, "error": {"code": "validation", "description": "row 3 has no such column"}}
    with pytest.raises(errors.ApiError, match="row 3 has no such column") as caught:
        judge(WRITE, answer(body))
    error = caught.value
    assert (error.status, error.code, error.operation) == (200, "validation", "append rows")
    assert error.description == "row 3 has no such column"


@pytest.mark.fault(3)
@pytest.mark.parametrize("code", ["\u00b2", "\u00b2\u00b2\u00b2", "\u0664\u0660\u0664"])
@pytest.mark.parametrize("status", [200, 400])
def test_a_code_of_other_digits_than_ours_is_an_error_too(code: str, status: int) -> None:
    with pytest.raises(errors.ApiError) as refused:
        judge(get("look", "/data"), answer({"success": False, "error": {"code": code}}, status))
    assert nothing_was_done(refused.value) or status == 200
    assert means(refused.value, 404) is (status == 200 and code.isdecimal())


def test_a_proxy_that_wants_a_login_is_not_the_service() -> None:
    with pytest.raises(errors.TransportError, match="HTTPS_PROXY") as caught:
        judge(WRITE, answer(b"<html>log in</html>", 407))
    assert (caught.value.sent, caught.value.operation) == ("no", "append rows")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "odd", "description": "you sent hush-hush"}},
        {"error": {"code": "hush-hush", "description": ""}},
        {"error": "hush-hush", "error_description": "hush-hush"},
        {"success": "hush-hush"},
        {"message": "hush-hush", "success": False},
        b"you sent hush-hush",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_secrets_are_removed_from_server_text(body: object, status: int) -> None:
    hide = lambda text: text.replace("hush-hush", "***")  # noqa: E731
    with pytest.raises(errors.ClicDataError) as caught:
        judge(WRITE, answer(body, status), hide)
    assert "hush" not in f"{caught.value!r} {vars(caught.value)}"


def test_a_secret_that_is_a_protocol_word_changes_no_error_type() -> None:
    hide = lambda text: text.replace("conflict", "***").replace("error", "***").replace("false", "***")  # noqa: E731
    with pytest.raises(errors.Conflict) as caught:
        judge(WRITE, answer({"success": False, "error": {"code": "conflict"}}), hide)
    assert caught.value.code == "conflict"


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":true,"result":{"id":5,"name":"x","columns":[{"a":1}]},"pagination":null}',
        b'{"id":5,"name":"x","deep":{"a":{"a":{"a":1}}}}',
        b'{"data":[{"a":1},{"a":1}],"has_more_data":false}',
        b'{ "data" : [ ] , "has_more_data" : false }\n',
        b'{"data":["%b","%b"],"again":["%b","%b"]}' % ((b"x" * 3000,) * 4),
        b'{"data":"%b","part":"%b"}' % (b"ab" * 3000, b"ab" * 1000),
    ],
)
def test_an_envelope_without_repeated_keys_passes(body: bytes) -> None:
    assert judge(get("look", "/account"), answer(body)).value() is not None


@pytest.mark.fault(27)
@pytest.mark.parametrize("request_", [READ, WRITE])
def test_text_that_is_not_utf_8_is_an_error_that_says_so(request_: Request) -> None:
    with pytest.raises(errors.ProtocolError, match="text that isn't UTF-8"):
        judge(request_, answer('{"success":true,"data":[{"a":"café"}]}'.encode("latin-1")))


@pytest.mark.fault(27)
@pytest.mark.parametrize("number", [b"9" * 5_000, b"1e" + b"9" * 30])
def test_a_number_that_python_cannot_hold_leaves_a_write_in_doubt_and_a_read_not(number: bytes) -> None:
    for request in (READ, WRITE):
        reply = judge(request, answer(b'{"success": true, "result": %b}' % number))
        with pytest.raises(errors.ProtocolError) as caught:
            reply.value()
        assert caught.value.in_doubt is (request is WRITE)


@pytest.mark.parametrize("number", ["1e400", "-1E+999", "7" * 400 + ".5", "1e-999999999999"])
def test_a_number_beyond_float64_keeps_its_value(number: str) -> None:
    rows = judge(READ, answer(b'{"data": [{"a": %b, "b": 0.5}]}' % number.encode())).value()
    assert rows == [{"a": Decimal(number) if "-9" not in number else 0.0, "b": 0.5}]


def test_server_text_is_cut_and_loses_its_control_characters() -> None:
    body = {"error": {"code": "validation", "description": "\x1b[31mred\x07" + "x" * 10_000}}
    with pytest.raises(errors.ApiError) as caught:
        judge(WRITE, answer(body, 400))
    assert "\x1b" not in str(caught.value)
    assert "\x07" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_bare_text_is_returned_where_text_is_requested() -> None:
    picture = get("get a thumbnail", "/dashboard/1/thumbnail", in_text=True)
    assert judge(picture, answer(b"iVBORw0KGgo=\n")).payload == b"iVBORw0KGgo="
    assert judge(picture, answer({"success": True, "result": "iVBO"})).value() == "iVBO"
    with pytest.raises(errors.ApiError):
        judge(picture, answer({"error": {"code": "notfound"}}))


def test_filters_that_are_none_are_not_sent() -> None:
    assert query_of(name="x y", refresh=False, uniquekeyavailable=None) == (("name", "x y"), ("refresh", "false"))
