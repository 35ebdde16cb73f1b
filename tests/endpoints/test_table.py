"""Every call of the package in both dialects: the requests, and the errors of bad arguments and responses."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import pandas_clicdata
from endpoints.literal import LiteralSession
from pandas_clicdata import Account, Dashboard, Data, Schedule, Session, Team, User
from scripted import Says, ScriptedServer, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


LEGACY, MODERN = None, "2022.01"
DONE: Any = {"success": True}
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
CELLS = {
    "data": [
        [{"column": "a", "value": 1}, {"column": "b", "value": "x"}],
        [{"column": "a", "value": 2}, {"column": "b", "value": None}],
    ]
}
OBJECTS = {"data": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]}
COLUMNS = [{"name": "a", "data_type": "number"}, {"name": "b", "data_type": "text"}]
PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==")
).decode()


class Row(NamedTuple):
    """A call, the answer of the service, and the expected request: method, path, query and body."""

    name: str
    call: Callable[[Session], Any]
    answer: Any
    asked: list[tuple[str, str, dict[str, str], Any]]
    dialects: tuple[str | None, ...] = (LEGACY, MODERN)


def paged(dialect: str | None, number: int = 1) -> dict[str, str]:
    return {"page": str(number), **({"page_size": "1000"} if dialect else {})}


def one(method: str, path: str, body: Any = None, **query: str) -> list[tuple[str, str, dict[str, str], Any]]:
    return [(method, path, query, body)]


def both(name: str, call: Callable[[Session], Any], answer: Any, asked: Any) -> list[Row]:
    return [Row(name, call, answer, asked)]


def rows_of(dialect: str | None, path: str) -> Any:
    return [("GET", path, paged(dialect), None)]


def reads(name: str, call: Callable[[Session], Any], path: str) -> list[Row]:
    answer = {"data": [{"a": 1}], "has_more_data": False}
    return [Row(name, call, answer, rows_of(dialect, path), (dialect,)) for dialect in (LEGACY, MODERN)]


def appends(name: str, call: Callable[[Session], Any], before: Any = ()) -> list[Row]:
    return [
        Row(name, call, 5, [*before, ("POST", "/data/5/row", {}, CELLS)], (LEGACY,)),
        Row(name, call, 5, [*before, ("POST", "/data/5/insert", {}, OBJECTS)], (MODERN,)),
    ]


def refreshes() -> list[Row]:
    legacy = {"reload": "rebuild"}
    modern = {"recreate": "rebuild"}
    rows = []
    for method in ("reload", "recreate", "update", "append", "updateappend"):
        call = lambda s, m=method: Data(session=s).rebuild_data(5, m)  # noqa: E731
        path = f"/data/5/{legacy.get(method, method)}"
        rows.append(Row(f"rebuild_data {method}", call, DONE, one("POST", path), (LEGACY,)))
        body = {"mode": modern.get(method, method)}
        asked = one("POST", "/table/5/refresh", body, api_version="2025.3")
        rows.append(Row(f"rebuild_data {method}", call, DONE, asked, (MODERN,)))
    return rows


def find(**values: Any) -> list[dict[str, Any]]:
    return [{"column": column, "value": value} for column, value in values.items()]


def filtered(multiple_rows: str, **values: Any) -> dict[str, Any]:
    columns = [{"name": column, "comparator": "equals", "values": [value]} for column, value in values.items()]
    return {"multiple_rows": multiple_rows, "filter": {"condition": [{"columns": columns, "operator": "and"}]}}


def changes(name: str, call: Callable[[Session], Any], legacy: Any, modern: Any) -> list[Row]:
    return [Row(name, call, DONE, legacy, (LEGACY,)), Row(name, call, DONE, modern, (MODERN,))]


CREATE = ("POST", "/data", {}, {"name": "T", "description": "d", "columns": COLUMNS})

TABLE: list[Row] = [
    # Data
    *both("get_data", lambda s: Data(session=s).get_data(), {"data": []}, one("GET", "/data")),
    *both(
        "get_data filtered",
        lambda s: Data(session=s).get_data(name="x y", unique_key_available=False, refresh=True),
        {"data": []},
        one("GET", "/data", name="x y", uniquekeyavailable="false", refresh="true"),
    ),
    *reads("get_data rows", lambda s: Data(session=s).get_data(5), "/data/5"),
    *reads("get_data rows as dicts", lambda s: Data(session=s).get_data(5, "dict"), "/data/5"),
    *both(
        "get_data_history",
        lambda s: Data(session=s).get_data_history(5),
        {"versions": []},
        one("GET", "/data/5/versions"),
    ),
    *reads("get_data_history rows", lambda s: Data(session=s).get_data_history(5, 3), "/data/5/v/3"),
    *both(
        "create_data",
        lambda s: Data(session=s).create_data("T", {"a": "number", "b": "text"}, "d"),
        5,
        [CREATE],
    ),
    *appends("append_data", lambda s: Data(session=s).append_data(5, FRAME)),
    *appends("static_send_data", lambda s: Data(session=s).static_send_data("T", FRAME, "d", audit=False), [CREATE]),
    *changes(
        "update_data",
        lambda s: Data(session=s).update_data(5, {"a": 1}, {"b": None}),
        one("PUT", "/data/5/row", {"multiplerows": "all", "find": find(a=1), "data": find(b=None)}),
        one("POST", "/data/5/update", {**filtered("all", a=1), "data": {"b": None}}),
    ),
    *changes(
        "delete_data",
        lambda s: Data(session=s).delete_data(5, {"a": 1, "b": "x"}, multiple_rows="first"),
        one("DELETE", "/data/5/row", {"multiplerows": "first", "find": find(a=1, b="x")}),
        one("POST", "/data/5/delete", filtered("first", a=1, b="x")),
    ),
    *refreshes(),
    # the pandas face
    *reads("read_clicdata", lambda s: pandas_clicdata.read_clicdata(5, session=s), "/data/5"),
    *reads(
        "read_clicdata of a version", lambda s: pandas_clicdata.read_clicdata(5, ver_id=3, session=s), "/data/5/v/3"
    ),
    *appends("df.clicdata.append", lambda s: FRAME.clicdata.append(5, session=s)),
    *both("df.clicdata.create_table", lambda s: FRAME.clicdata.create_table("T", "d", session=s), 5, [CREATE]),
    *appends("df.clicdata.push", lambda s: FRAME.clicdata.push("T", "d", audit=False, session=s), [CREATE]),
    *changes(
        "df.clicdata.delete_rows",
        lambda s: FRAME.clicdata.delete_rows(5, on=["a"], keep=False, session=s),
        [("DELETE", "/data/5/row", {}, {"multiplerows": "all", "find": find(a=n)}) for n in (1, 2)],
        [("POST", "/data/5/delete", {}, filtered("all", a=n)) for n in (1, 2)],
    ),
    *changes(
        "df.clicdata.update_rows",
        lambda s: FRAME.clicdata.update_rows(5, on=["a"], keep=False, session=s),
        [
            ("PUT", "/data/5/row", {}, {"multiplerows": "all", "find": find(a=n), "data": find(b=b)})
            for n, b in ((1, "x"), (2, None))
        ],
        [("POST", "/data/5/update", {}, {**filtered("all", a=n), "data": {"b": b}}) for n, b in ((1, "x"), (2, None))],
    ),
    # Account
    *both(
        "get_account",
        lambda s: Account(session=s).get_account(),
        {"name": "n", "metrics": {"rows": {"used": 1, "limit": 2}}},
        one("GET", "/account"),
    ),
    *both(
        "get_account_activity",
        lambda s: Account(session=s).get_account_activity(),
        {"users": []},
        one("GET", "/account/activity/users"),
    ),
    *both(
        "get_account_activity of dashboards",
        lambda s: Account(session=s).get_account_activity("dashboards"),
        {"dashboards": []},
        one("GET", "/account/activity/dashboards"),
    ),
    # Dashboard
    *both(
        "get_dashboard",
        lambda s: Dashboard(session=s).get_dashboard(thumbnail=True, name="x"),
        {"dashboards": []},
        one("GET", "/dashboard", includethumbnail="true", name="x"),
    ),
    *both(
        "get_dashboard_thumbnail",
        lambda s: Dashboard(session=s).get_dashboard_thumbnail(rec_id=7),
        PIXEL,
        one("GET", "/dashboard/7/thumbnail"),
    ),
    *both(
        "get_dashboard_snapshot",
        lambda s: Dashboard(session=s).get_dashboard_snapshot(rec_id=7),
        PIXEL,
        one("GET", "/dashboard/7/snapshot"),
    ),
    # Schedule
    *both("get_schedule", lambda s: Schedule(session=s).get_schedule(), {"schedules": []}, one("GET", "/schedule")),
    *both(
        "get_schedule of one",
        lambda s: Schedule(session=s).get_schedule(8),
        {"schedules": [{"id": 8}]},
        one("GET", "/schedule/8"),
    ),
    *both(
        "trigger_schedule",
        lambda s: Schedule(session=s).trigger_schedule(8),
        DONE,
        one("POST", "/schedule/8/trigger"),
    ),
    # Team
    *both("get_team", lambda s: Team(session=s).get_team(), {"teams": []}, one("GET", "/team")),
    *both(
        "create_team",
        lambda s: Team(session=s).create_team("N", "d"),
        9,
        one("POST", "/team", {"name": "N", "description": "d"}),
    ),
    *both(
        "update_team",
        lambda s: Team(session=s).update_team(9, desc="e"),
        DONE,
        one("PUT", "/team/9", {"description": "e"}),
    ),
    *both("delete_team", lambda s: Team(session=s).delete_team(9), DONE, one("DELETE", "/team/9")),
    *both("add_user", lambda s: Team(session=s).add_user(9, 3), DONE, one("POST", "/team/9/user", {"user_id": 3})),
    *both(
        "remove_user", lambda s: Team(session=s).remove_user(9, 3), DONE, one("DELETE", "/team/9/user", {"user_id": 3})
    ),
    *both(
        "set_parameter",
        lambda s: Team(session=s).set_parameter(9, "region", "north"),
        DONE,
        one("POST", "/team/9/parameter", {"name": "region", "value": "north"}),
    ),
    *both(
        "remove_parameter",
        lambda s: Team(session=s).remove_parameter(9, "region"),
        DONE,
        one("DELETE", "/team/9/parameter", {"name": "region"}),
    ),
    # User
    *both("get_user", lambda s: User(session=s).get_user(), {"users": []}, one("GET", "/user")),
    *both("get_user of one", lambda s: User(session=s).get_user(3), {"id": 3}, one("GET", "/user/3")),
    *both(
        "create_user",
        lambda s: User(session=s).create_user("a@b.example", "A", "B"),
        3,
        one(
            "POST",
            "/user",
            {"email_address": "a@b.example", "first_name": "A", "last_name": "B", "license": "viewer"},
        ),
    ),
    *both(
        "update_user",
        lambda s: User(session=s).update_user(3, last_name="C"),
        DONE,
        one("PUT", "/user/3", {"last_name": "C"}),
    ),
    *both("delete_user", lambda s: User(session=s).delete_user(3), DONE, one("DELETE", "/user/3")),
    *both(
        "set_password",
        lambda s: User(session=s).set_password(3, "n3w"),
        DONE,
        one("PUT", "/user/3/password", {"password": "n3w"}),
    ),
]
CASES = [
    pytest.param(row, dialect, id=f"{row.name}, {'modern' if dialect else 'legacy'}")
    for row in TABLE
    for dialect in row.dialects
]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda _: Says(DONE)) as running:
        yield running


@pytest.fixture
def session(server: ScriptedServer) -> Iterator[Callable[[str | None], Session]]:
    opened: list[Session] = []

    def in_dialect(api_version: str | None) -> Session:
        params = {"client_id": "c", "username": "u", "password": "p", "url": server.url, "max_retries": 0}
        opened.append(Session(api_version=api_version, **params))
        return opened[-1]

    yield in_dialect
    for one_session in opened:
        one_session.close()


def answer_with(server: ScriptedServer, answer: Any, dialect: str | None) -> None:
    server.seen.clear()
    server.script = lambda seen: Says({"success": True, "result": answer} if dialect and answer is not DONE else answer)


def request_of(seen: Seen) -> tuple[str, str, dict[str, str], Any]:
    return seen.method, seen.path, seen.query, seen.json() if seen.body else None


@pytest.mark.parametrize(("row", "dialect"), CASES)
def test_the_requests_of_every_call(
    row: Row, dialect: str | None, server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    answer_with(server, row.answer, dialect)
    row.call(session(dialect))
    version = {} if dialect is None else {"api_version": dialect}
    expected = [(method, path, {**version, **query}, body) for method, path, query, body in row.asked]
    assert [request_of(seen) for seen in server.seen] == expected


ERRORS: dict[str, Says] = {
    "version error without success, under 200": Says({"error": {"code": "APIVersionRequired", "description": "v"}}),
    "success false under 200": Says({"success": False, "error": {"code": "validation", "description": "no"}}),
    "success false and nothing more": Says({"success": False}),
    "error as text under 200": Says({"error": "broken"}),
    "unauthorized under 200": Says({"success": False, "error": {"code": "unauthorized", "description": "scope"}}),
    "401 with an envelope": Says({"success": False, "error": {"code": "401", "description": "expired"}}, 401),
    "403": Says(b"forbidden", 403),
    "404 with a page": Says(b"<html>nothing</html>", 404),
    "409": Says({"error": {"code": "x", "description": "taken"}}, 409),
    "429 for long": Says(b"", 429, {"Retry-After": "1000"}),
    "500 with text": Says(b"oops", 500),
    "503": Says(b"", 503),
    "a page under 200": Says(b"<html>log in</html>", 200, {"Content-Type": "text/html"}),
    "nothing under 200": Says(b""),
    "cut JSON": Says(b'{"success": true, "result": [1,'),
    "a redirect": Says(b"", 302, {"Location": "/login"}),
    "success as text": Says({"success": "false", "result": []}),
}


@pytest.mark.wide(2)
@pytest.mark.fault(25)
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("dialect", [LEGACY, MODERN], ids=["legacy", "modern"])
def test_every_error_response_to_every_call_is_an_error_of_the_package(
    error: str, dialect: str | None, server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    opened = session(dialect)
    for row in TABLE:
        if dialect not in row.dialects:
            continue
        server.script = lambda _: ERRORS[error]
        with pytest.raises(pandas_clicdata.errors.ClicDataError):
            row.call(opened)


BAD_IDS = [None, True, False, -1, 0, 1.5, "", " ", [5], pd.NA, float("nan"), 2**53 + 1]
BY_ID: dict[str, Callable[[Session, Any], Any]] = {
    "get_data": lambda s, i: Data(session=s).get_data(i) if i is not None else Data(session=s).get_data_history(i),
    "get_data_history": lambda s, i: Data(session=s).get_data_history(i),
    "append_data": lambda s, i: Data(session=s).append_data(i, FRAME),
    "update_data": lambda s, i: Data(session=s).update_data(i, {"a": 1}, {"b": 1}),
    "delete_data": lambda s, i: Data(session=s).delete_data(i, {"a": 1}),
    "rebuild_data": lambda s, i: Data(session=s).rebuild_data(i),
    "read_clicdata": lambda s, i: pandas_clicdata.read_clicdata(i, session=s),
    "df.clicdata.append": lambda s, i: FRAME.clicdata.append(i, session=s),
    "df.clicdata.delete_rows": lambda s, i: FRAME.clicdata.delete_rows(i, on="a", session=s),
    "df.clicdata.update_rows": lambda s, i: FRAME.clicdata.update_rows(i, on="a", session=s),
    "trigger_schedule": lambda s, i: Schedule(session=s).trigger_schedule(i),
    "update_team": lambda s, i: Team(session=s).update_team(i, name="x"),
    "delete_team": lambda s, i: Team(session=s).delete_team(i),
    "add_user": lambda s, i: Team(session=s).add_user(9, i),
    "remove_user": lambda s, i: Team(session=s).remove_user(i, 9),
    "set_parameter": lambda s, i: Team(session=s).set_parameter(i, "n", "v"),
    "remove_parameter": lambda s, i: Team(session=s).remove_parameter(i, "n"),
    "update_user": lambda s, i: User(session=s).update_user(i, last_name="x"),
    "delete_user": lambda s, i: User(session=s).delete_user(i),
    "set_password": lambda s, i: User(session=s).set_password(i, "x"),
}


@pytest.mark.fault(60)
@pytest.mark.parametrize("name", BY_ID)
def test_a_bad_id_is_refused_before_any_request(
    name: str, server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    opened = session(LEGACY)
    answer_with(server, DONE, LEGACY)
    for bad in BAD_IDS:
        with pytest.raises(pandas_clicdata.errors.InputError):
            BY_ID[name](opened, bad)
    assert server.seen == []


@pytest.mark.parametrize(
    ("cols", "named"),
    [
        ({"\ud800": "text"}, r"'\\ud800': its name has characters that can't be sent"),
        ({" ": "text"}, "its name must be text and not empty"),
        ({5: "text"}, "column 5: its name must be text"),
        ({"a": "currency"}, "'currency' is no ClicData type"),
        ({"a": ["text"]}, "is no ClicData type"),
        ({}, "cols must name each column's type"),
    ],
)
def test_invalid_columns_are_refused_before_any_request(
    cols: Any, named: str, server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    opened = session(LEGACY)
    answer_with(server, 7, LEGACY)
    with pytest.raises(pandas_clicdata.errors.InputError, match=named):
        Data(session=opened).create_data("T", cols)
    assert server.seen == []


def test_a_series_is_a_mapping_and_any_text_is_text(
    server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    opened = session(LEGACY)
    answer_with(server, 7, LEGACY)
    assert Data(session=opened).create_data(np.str_("T"), pd.Series({np.str_("a"): np.str_("text")})) == 7
    Data(session=opened).delete_data(5, pd.Series({"a": 1, "b": "x"}))
    with pytest.raises(pandas_clicdata.errors.InputError, match="filters is empty"):
        Data(session=opened).delete_data(5, pd.Series(dtype=object))
    assert [seen.json() for seen in server.seen] == [
        {"name": "T", "description": "", "columns": [{"name": "a", "data_type": "text"}]},
        {"multiplerows": "all", "find": find(a=1, b="x")},
    ]


@pytest.mark.parametrize("output", ["DF", "frame", None, 1, ""])
def test_an_unknown_output_is_refused_before_any_request(
    output: Any, server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    opened = session(LEGACY)
    answer_with(server, DONE, LEGACY)
    calls = [
        lambda: Data(session=opened).get_data(output=output),
        lambda: Data(session=opened).get_data(5, output=output),
        lambda: Data(session=opened).get_data_history(5, output=output),
        lambda: Account(session=opened).get_account(output=output),
        lambda: Account(session=opened).get_account_activity(output=output),
        lambda: Dashboard(session=opened).get_dashboard(output=output),
        lambda: Dashboard(session=opened).get_dashboard_thumbnail(rec_id=7, output=output),
        lambda: Dashboard(session=opened).get_dashboard_snapshot(rec_id=7, output=output),
        lambda: Schedule(session=opened).get_schedule(output=output),
        lambda: Team(session=opened).get_team(output=output),
        lambda: User(session=opened).get_user(output=output),
    ]
    for call in calls:
        with pytest.raises(pandas_clicdata.errors.InputError):
            call()
    assert server.seen == []


LISTS: dict[str, tuple[str, Callable[[Session], Any]]] = {
    "get_data": ("data", lambda s: Data(session=s).get_data()),
    "get_data rows as dicts": ("data", lambda s: Data(session=s).get_data(5, "dict")),
    "get_data_history": ("versions", lambda s: Data(session=s).get_data_history(5)),
    "get_account_activity": ("users", lambda s: Account(session=s).get_account_activity()),
    "get_dashboard": ("dashboards", lambda s: Dashboard(session=s).get_dashboard()),
    "get_schedule": ("schedules", lambda s: Schedule(session=s).get_schedule()),
    "get_team": ("teams", lambda s: Team(session=s).get_team()),
    "get_user": ("users", lambda s: User(session=s).get_user()),
    "push, appending": ("data", lambda s: FRAME.clicdata.push("x", if_exists="append", session=s)),
}


@pytest.mark.parametrize("size", [0, -1, "\ud800", "5", 1.5, True])
def test_a_page_size_that_is_no_number_of_rows_is_refused(
    size: object, server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    server.seen.clear()
    with pytest.raises(pandas_clicdata.errors.InputError, match="page_size"):
        Data(session=session(LEGACY)).pages(5, page_size=size)  # type: ignore[arg-type]
    assert not server.seen


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "cell", ["9" * 5000, "1e" + "9" * 30, '"\\ud800"', '"\udcff"'], ids=["digits", "huge", "half", "bytes"]
)
def test_a_list_that_cannot_be_read_is_a_protocol_error(
    name: str, cell: str, server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    key, call = LISTS[name]
    body = f'{{"{key}": [{{"id": 1, "name": "x", "n": {cell}}}], "has_more_data": false}}'.encode(
        errors="surrogateescape"
    )
    server.script = lambda _: Says(body)
    with pytest.raises(pandas_clicdata.errors.ProtocolError):
        call(session(LEGACY))


@pytest.mark.parametrize("name", LISTS)
def test_a_number_that_no_float_holds_is_read(
    name: str, server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    key, call = LISTS[name]
    server.script = lambda _: Says(f'{{"{key}": [{{"id": 1, "name": "y", "n": 1e999}}]}}'.encode())
    if name == "push, appending":
        pytest.skip("appends to what it finds")
    assert call(session(LEGACY)) is not None


def test_an_id_that_is_no_number_is_a_protocol_error(
    server: ScriptedServer, session: Callable[[str | None], Session]
) -> None:
    server.script = lambda _: Says({"data": [{"id": [1], "name": "x"}]})
    with pytest.raises(pandas_clicdata.errors.ProtocolError):
        FRAME.clicdata.push("x", if_exists="append", session=session(LEGACY))


def test_versions_may_come_with_size_and_kind_instead_of_a_number_of_rows() -> None:
    listed = [
        {"version": 7, "date": "2026-01-02T03:04:05+00:00", "size": {"bytes": 2048, "unit": "B"}, "kind": "append"},
        {"version": 4, "date": "2026-01-01T03:04:05+00:00", "size": 5, "kind": None},
    ]
    versions = Data(session=LiteralSession({"versions": listed})).get_data_history(5)
    assert list(versions) == ["version", "date", "row_count", "size.bytes", "size.unit", "kind", "size"]
    assert versions["row_count"].isna().all()
    assert [str(versions[name].dtype) for name in ("version", "row_count", "size.bytes")] == ["Int64"] * 3
    assert Data(session=LiteralSession({"versions": listed})).get_data_history(5, output="dict") == listed
    rows = LiteralSession({"versions": listed}, {"data": [{"a": 1}], "has_more_data": False})
    assert Data(session=rows).get_data_history(5, "latest")["a"].tolist() == [1]
    assert rows.calls()[-1] == "GET /data/5/v/7"
