"""Both sides of each open question of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pandas_clicdata.sandbox import start
from tests.sandbox.conftest import MODERN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pandas_clicdata.sandbox import Sandbox
    from tests.sandbox.conftest import Caller

    Callers = Callable[..., Caller]
    Read = Callable[..., tuple[int, Any]]
    WithTexts = Callable[..., tuple[int, Any, list[str]]]


@pytest.fixture
def read(caller_of: Callers) -> Read:
    def one_page(version: str | None, *, page: int = 1, size: int | None = None, **switches: Any) -> tuple[int, Any]:
        with start(sample=False, page_size=2, max_page_size=4, **switches) as sandbox:
            rec_id = sandbox.create("numbers", {"n": "number"})
            sandbox.append(rec_id, [{"n": n} for n in range(6)])
            answer = caller_of(sandbox, version)("GET", f"data/{rec_id}", params={"page": page, "page_size": size})
            return answer.status_code, answer.json()

    return one_page


@pytest.mark.parametrize(
    ("paging", "legacy", "modern"),
    [
        ("flags", {"has_more_data"}, {"result_total_count", "has_more_results", "last_page"}),
        ("total", {"count"}, {"result_total_count"}),
        ("none", set(), set()),
    ],
)
def test_paging(read: Read, paging: str, legacy: set[str], modern: set[str]) -> None:
    assert read(None, paging=paging)[1].keys() == {"data"} | legacy
    said = read(MODERN, paging=paging)[1].get("pagination", {})
    assert said.keys() - {"result_count", "current_page", "page_size"} == modern


@pytest.mark.parametrize(("word", "first"), [("honoured", 2), ("ignored", 0)])
@pytest.mark.parametrize("version", [None, MODERN])
def test_page_number(read: Read, word: str, first: int, version: str | None) -> None:
    body = read(version, page=2, page_number=word)[1]
    assert (body.get("data") or body["result"])[0] == {"n": first}


@pytest.mark.parametrize(("word", "size", "rows"), [("capped", 5, 4), ("capped", 3, 3), ("ignored", 3, 2)])
def test_page_size_taken(read: Read, word: str, size: int, rows: int) -> None:
    assert len(read(MODERN, size=size, large_page_size=word)[1]["result"]) == rows


@pytest.mark.parametrize(("word", "status"), [("refused", 400), ("error", 200)])
def test_page_size_refused(read: Read, word: str, status: int) -> None:
    found, body = read(MODERN, size=5, large_page_size=word)
    assert found == status
    assert body["success"] is False
    assert len(read(MODERN, size=4, large_page_size=word)[1]["result"]) == 4


@pytest.mark.parametrize(("word", "names"), [("both", {"id", "rec_id"}), ("id", {"id"}), ("rec_id", {"rec_id"})])
def test_ids(caller_of: Callers, word: Any, names: set[str]) -> None:
    with start(ids=word) as sandbox:
        assert {"id", "rec_id"} & caller_of(sandbox).ok("GET", "data")["data"][0].keys() == names


@pytest.mark.parametrize("version", [None, MODERN])
def test_rich_shapes(caller_of: Callers, version: str | None) -> None:
    with start(shapes="rich") as sandbox:
        caller = caller_of(sandbox, version)

        def entries(path: str, key: str) -> list[dict[str, Any]]:
            found = caller.ok("GET", path)
            return found[key] if version is None else found

        days = [schedule["frequency"].pop("days") for schedule in entries("schedule", "schedules")]
        assert [len(each) for each in days] == [7, 1, 1]
        one = caller.ok("GET", "schedule/3002")
        one = one["schedules"][0] if version is None else one
        assert one["frequency"] == {"days": ["monday"], "times": ["06:00"], "time_zone": "UTC"}
        [stored] = entries("data/1001/versions", "versions")
        assert stored.keys() == {"version", "date", "size", "kind"}
        assert stored["size"] > 100
        assert all(user["parameters"] for user in [*entries("user", "users"), caller.ok("GET", "user/5001")])


def test_bad_word_names_the_choices() -> None:
    with pytest.raises(ValueError, match="paging is one of 'flags', 'none', 'total', not 'maybe'"):
        start(paging="maybe")  # type: ignore[arg-type]


def test_money_and_time(caller_of: Callers) -> None:
    with start(sample=False) as sandbox:
        rec_id = sandbox.create("till", {"paid": "money", "at": "time"})
        caller = caller_of(sandbox)
        caller.ok("POST", f"data/{rec_id}/rows", json={"data": [[1.5, "23:59:59"], [None, None]]})
        assert caller("POST", f"data/{rec_id}/rows", json={"data": [[1, "24:00:00"]]}).status_code == 400
        assert sandbox.count(rec_id) == 2


def filter_by(*values: object, **more: object) -> dict[str, object]:
    columns = [{"name": "t", "comparator": "equals", "values": list(values)}]
    return {**more, "filter": {"condition": [{"columns": columns, "operator": "and"}]}}


@pytest.fixture
def with_texts(caller_of: Callers) -> WithTexts:
    def texts_left(
        call: str, path: str, body: object, *, version: str = MODERN, **switches: Any
    ) -> tuple[int, Any, list[str]]:
        with start(sample=False, **switches) as sandbox:
            rec_id = sandbox.create("texts", {"t": "text"})
            sandbox.append(rec_id, [{"t": text} for text in ("a", "A", "a ", "b")])
            answer = caller_of(sandbox, version)(call, f"data/{rec_id}/{path}", json=body)
            assert not sandbox.refreshes()
            return answer.status_code, answer.json().get("result"), [row["t"] for row in sandbox.rows(rec_id)]

    return texts_left


@pytest.mark.parametrize(
    ("word", "post", "delete"), [("both", 200, 200), ("/delete", 200, 405), ("DELETE /row", 404, 200)]
)
def test_deletes(with_texts: WithTexts, word: str, post: int, delete: int) -> None:
    both = filter_by("b", find=[{"column": "t", "value": "b"}], multiplerows="all", multiple_rows="all")
    for call, path, body, status in (("POST", "delete", filter_by("b"), post), ("DELETE", "row", both, delete)):
        found, _, left = with_texts(call, path, body, deletes=word)
        assert found == status
        assert ("b" in left) is (status != 200)


@pytest.mark.parametrize(("word", "left"), [("exact", ["A", "a ", "b"]), ("sql_server", ["b"])])
def test_text_comparison(with_texts: WithTexts, word: str, left: list[str]) -> None:
    count = 4 - len(left)
    found = with_texts("POST", "delete", filter_by("a"), text_comparison=word)
    assert found == (200, {"rows_deleted": count, "rows_found": count}, left)


def test_update_of_any_value_and_of_the_first(with_texts: WithTexts) -> None:
    counts = {"rows_updated": 2, "rows_found": 2}
    assert with_texts("POST", "update", filter_by("a", "b", data={"t": "c"})) == (200, counts, ["c", "A", "a ", "c"])
    first = filter_by("a", "b", data={"t": "c"}, multiple_rows="first")
    assert with_texts("POST", "update", first)[2] == ["c", "A", "a ", "b"]


@pytest.mark.parametrize("path", ["update", "delete"])
@pytest.mark.parametrize("body", [{}, {"filter": {}}, {"filter": {"condition": []}}, filter_by(), {"find": []}])
def test_without_a_known_filter_nothing_changes(with_texts: WithTexts, path: str, body: dict[str, object]) -> None:
    more = {"data": {"t": "c"}} if path == "update" else {}
    status, _, left = with_texts("POST", path, {**body, **more})
    assert (status, left) == (400, ["a", "A", "a ", "b"])


@pytest.mark.parametrize("body", [{}, {"data": {"t": "c"}}, {"mode": "update"}, [], "", 0])
def test_an_update_without_a_filter_is_no_refresh(with_texts: WithTexts, body: object) -> None:
    found = with_texts("POST", "update", body)
    assert (found[0], found[2]) == (400, ["a", "A", "a ", "b"])


@pytest.mark.parametrize("version", [None, "2021.08", MODERN, "2025.3"])
def test_an_update_without_a_body_is_a_refresh(sandbox: Sandbox, caller_of: Callers, version: str | None) -> None:
    caller_of(sandbox, version).ok("POST", "data/1003/update")
    assert sandbox.refreshes() == ["update"]


@pytest.mark.parametrize(
    ("version", "status"),
    [("2021.08", 404), (MODERN, 200), ("2025.3", 200), ("2022.1", 200), ("10000.1", 200), ("999.1", 404)],
)
def test_filters_come_with_2022(
    with_texts: WithTexts, monkeypatch: pytest.MonkeyPatch, version: str, status: int
) -> None:
    monkeypatch.setattr("pandas_clicdata.sandbox.service.KNOWN_VERSIONS", (version,))
    found = with_texts("POST", "delete", filter_by("b"), version=version)
    assert (found[0], "b" in found[2]) == (status, status == 404)


@pytest.mark.parametrize("word", ["both", "/delete", "DELETE /row"])
def test_before_2022_rows_are_deleted_in_one_place(with_texts: WithTexts, word: str) -> None:
    body = {"find": [{"column": "t", "value": "b"}]}
    found = with_texts("DELETE", "row", body, version="2021.08", deletes=word)
    assert (found[0], found[2]) == (200, ["a", "A", "a "])


SENT = ["2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02 03:04:05.25", "2024-01-02 03:04:05Z", None]


@pytest.mark.parametrize("version", [None, MODERN])
@pytest.mark.parametrize("word", ["as sent", "iso"])
def test_datetimes(caller_of: Callers, word: Any, version: str | None) -> None:
    with start(sample=False, datetimes=word) as sandbox:
        rec_id = sandbox.create("log", {"at": "datetime", "100 %": "text", "n": "number"})
        caller = caller_of(sandbox, version)
        rows = [[at, "2024-01-02 03:04:05", 1] for at in SENT]
        caller.ok("POST", f"data/{rec_id}/rows", json={"data": rows})
        for path in (f"data/{rec_id}", f"data/{rec_id}/v/1"):
            body = caller("GET", path).json()
            found = body["data" if version is None else "result"]
            spelled = [at and at.replace(" ", "T") for at in SENT] if word == "iso" else SENT
            assert [[*row.values()] for row in found] == [[at, *row[1:]] for at, row in zip(spelled, rows, strict=True)]
        assert [row["at"] for row in sandbox.rows(rec_id)] == SENT


NEW = [{"shop": "a", "day": 1, "n": 7}, {"shop": "a", "day": 2, "n": 8}, {"shop": "a", "day": 2.0, "n": 9}]


@pytest.mark.parametrize(
    ("word", "key", "counts", "stored"),
    [
        ("store", ["shop", "day"], (3, 3), [0, 7, 8, 9]),
        ("store", [], (3, 3), [0, 7, 8, 9]),
        ("skip", ["shop", "day"], (1, 2), [0, 8]),
        ("skip", ["shop"], (0, 3), [0]),
        ("skip", ["n"], (3, 0), [0, 7, 8, 9]),
        ("skip", [], (3, 0), [0, 7, 8, 9]),
    ],
)
@pytest.mark.parametrize(("version", "path"), [(None, "row"), (None, "rows"), (MODERN, "insert")])
def test_existing_keys(
    caller_of: Callers,
    word: Any,
    key: list[str],
    counts: tuple[int, int],
    stored: list[int],
    version: str | None,
    path: str,
) -> None:
    with start(sample=False, existing_keys=word) as sandbox:
        rec_id = sandbox.create("sold", {"shop": "text", "day": "number", "n": "number"})
        sandbox.append(rec_id, [{"shop": "a", "day": 1, "n": 0}])
        sandbox.set_key(rec_id, key)
        caller = caller_of(sandbox, version)
        keyed = [entry["name"] for entry in sandbox_sets(caller, uniquekeyavailable="true")]
        assert keyed == (["sold"] if key else [])
        assert [entry["unique_key_available"] for entry in sandbox_sets(caller)] == [bool(key)]
        result = caller.ok("POST", f"data/{rec_id}/{path}", json={"data": NEW})
        if path == "insert":
            assert result == dict(zip(("rows_inserted", "rows_found"), counts, strict=True))
        assert [row["n"] for row in sandbox.rows(rec_id)] == stored


def sandbox_sets(caller: Caller, **params: str) -> list[dict[str, Any]]:
    found = caller.ok("GET", "data", params=params)
    return found["data"] if caller.version is None else found


@pytest.mark.parametrize(("word", "counts"), [("exact", (3, 0)), ("sql_server", (0, 3))])
def test_keys_compare_text_as_filters_do(caller_of: Callers, word: Any, counts: tuple[int, int]) -> None:
    with start(sample=False, existing_keys="skip", text_comparison=word) as sandbox:
        rec_id = sandbox.create("texts", {"t": "text"})
        sandbox.append(rec_id, [{"t": "a"}])
        sandbox.set_key(rec_id, ["t"])
        rows = [{"t": "A"}, {"t": "a "}, {"t": "A  "}]
        result = caller_of(sandbox, MODERN).ok("POST", f"data/{rec_id}/insert", json={"data": rows})
        assert (result["rows_inserted"], result["rows_found"]) == counts


def test_a_key_outlives_the_sandbox(caller_of: Callers, tmp_path: Path) -> None:
    with start(path=tmp_path / "file", sample=False) as sandbox:
        rec_id = sandbox.create("texts", {"t": "text", "u": "text"})
        sandbox.append(rec_id, [{"t": "a", "u": "b"}])
        sandbox.set_key(rec_id, ["t", "u"])
        with pytest.raises(ValueError, match="has no columns"):
            sandbox.set_key(rec_id, ["t", "v"])
    with start(path=tmp_path / "file", existing_keys="skip") as sandbox:
        rows = [{"t": "a", "u": "b"}, {"t": "a", "u": "c"}, {"t": None, "u": None}, {"u": None}]
        result = caller_of(sandbox, MODERN).ok("POST", f"data/{rec_id}/insert", json={"data": rows})
        assert result == {"rows_inserted": 2, "rows_found": 2}


UNKNOWN = [
    ("insert", {"t": "a", "x": 1}),
    ("insert", {"x": 1, "t": "a"}),
    ("row", [{"column": "t", "value": "a"}, {"column": "x", "value": [1]}]),
]


@pytest.mark.parametrize(("path", "row"), UNKNOWN)
@pytest.mark.parametrize(("word", "status", "stored"), [("refuse", 400, []), ("drop", 200, [{"t": "a", "u": None}])])
def test_unknown_columns(
    caller_of: Callers, word: Any, status: int, stored: list[object], path: str, row: object
) -> None:
    with start(sample=False, unknown_columns=word) as sandbox:
        rec_id = sandbox.create("texts", {"t": "text", "u": "text"})
        caller = caller_of(sandbox, MODERN)
        assert caller("POST", f"data/{rec_id}/{path}", json={"data": [row]}).status_code == status
        assert sandbox.rows(rec_id) == stored
        assert caller("POST", f"data/{rec_id}/rows", json={"data": [["a", "b", 1]]}).status_code == 400


def test_only_appends_drop_unknown_columns(with_texts: WithTexts) -> None:
    unknown = filter_by("b", data={"x": 1})
    assert with_texts("POST", "update", unknown, unknown_columns="drop")[0] == 400
    find = {"find": [{"column": "t", "value": "b"}, {"column": "x", "value": 1}]}
    assert with_texts("DELETE", "row", find, unknown_columns="drop")[::2] == (400, ["a", "A", "a ", "b"])
