"""Both sides of each open question of the service."""

from __future__ import annotations

from typing import Any

import pytest

from pandas_clicdata.sandbox import start
from tests.sandbox.conftest import MODERN, Caller


def read(version: str | None, *, page: int = 1, size: int | None = None, **switches: Any) -> tuple[int, Any]:
    with start(sample=False, page_size=2, max_page_size=4, **switches) as sandbox:
        rec_id = sandbox.create("numbers", {"n": "number"})
        sandbox.append(rec_id, [{"n": n} for n in range(6)])
        caller = Caller(sandbox.url, version)
        caller.login()
        answer = caller("GET", f"data/{rec_id}", params={"page": page, "page_size": size})
        return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("paging", "legacy", "modern"),
    [
        ("flags", {"has_more_data"}, {"result_total_count", "has_more_results", "last_page"}),
        ("total", {"count"}, {"result_total_count"}),
        ("none", set(), set()),
    ],
)
def test_paging(paging: str, legacy: set[str], modern: set[str]) -> None:
    assert read(None, paging=paging)[1].keys() == {"data"} | legacy
    said = read(MODERN, paging=paging)[1].get("pagination", {})
    assert said.keys() - {"result_count", "current_page", "page_size"} == modern


@pytest.mark.parametrize(("word", "first"), [("honoured", 2), ("ignored", 0)])
@pytest.mark.parametrize("version", [None, MODERN])
def test_page_number(word: str, first: int, version: str | None) -> None:
    body = read(version, page=2, page_number=word)[1]
    assert (body.get("data") or body["result"])[0] == {"n": first}


@pytest.mark.parametrize(("word", "size", "rows"), [("capped", 5, 4), ("capped", 3, 3), ("ignored", 3, 2)])
def test_page_size_taken(word: str, size: int, rows: int) -> None:
    assert len(read(MODERN, size=size, large_page_size=word)[1]["result"]) == rows


@pytest.mark.parametrize(("word", "status"), [("refused", 400), ("error", 200)])
def test_page_size_refused(word: str, status: int) -> None:
    found, body = read(MODERN, size=5, large_page_size=word)
    assert found == status
    assert body["success"] is False
    assert len(read(MODERN, size=4, large_page_size=word)[1]["result"]) == 4


@pytest.mark.parametrize(("word", "names"), [("both", {"id", "rec_id"}), ("id", {"id"}), ("rec_id", {"rec_id"})])
def test_ids(word: Any, names: set[str]) -> None:
    with start(ids=word) as sandbox:
        caller = Caller(sandbox.url)
        caller.login()
        assert {"id", "rec_id"} & caller.ok("GET", "data")["data"][0].keys() == names


def test_bad_word_names_the_choices() -> None:
    with pytest.raises(ValueError, match="paging is one of 'flags', 'none', 'total', not 'maybe'"):
        start(paging="maybe")  # type: ignore[arg-type]


def test_money_and_time() -> None:
    with start(sample=False) as sandbox:
        rec_id = sandbox.create("till", {"paid": "money", "at": "time"})
        caller = Caller(sandbox.url)
        caller.login()
        caller.ok("POST", f"data/{rec_id}/rows", json={"data": [[1.5, "23:59:59"], [None, None]]})
        assert caller("POST", f"data/{rec_id}/rows", json={"data": [[1, "24:00:00"]]}).status_code == 400
        assert sandbox.count(rec_id) == 2


def filter_by(*values: object, **more: object) -> dict[str, object]:
    columns = [{"name": "t", "comparator": "equals", "values": list(values)}]
    return {**more, "filter": {"condition": [{"columns": columns, "operator": "and"}]}}


def with_texts(call: str, path: str, body: object, **switches: Any) -> tuple[int, Any, list[str]]:
    with start(sample=False, **switches) as sandbox:
        rec_id = sandbox.create("texts", {"t": "text"})
        sandbox.append(rec_id, [{"t": text} for text in ("a", "A", "a ", "b")])
        caller = Caller(sandbox.url, MODERN)
        caller.login()
        answer = caller(call, f"data/{rec_id}/{path}", json=body)
        return answer.status_code, answer.json().get("result"), [row["t"] for row in sandbox.rows(rec_id)]


@pytest.mark.parametrize(
    ("word", "post", "delete"), [("both", 200, 200), ("/delete", 200, 405), ("DELETE /row", 404, 200)]
)
def test_deletes(word: str, post: int, delete: int) -> None:
    both = filter_by("b", find=[{"column": "t", "value": "b"}], multiplerows="all", multiple_rows="all")
    for call, path, body, status in (("POST", "delete", filter_by("b"), post), ("DELETE", "row", both, delete)):
        found, _, left = with_texts(call, path, body, deletes=word)
        assert found == status
        assert ("b" in left) is (status != 200)


@pytest.mark.parametrize(("word", "left"), [("exact", ["A", "a ", "b"]), ("sql_server", ["b"])])
def test_text_comparison(word: str, left: list[str]) -> None:
    count = 4 - len(left)
    found = with_texts("POST", "delete", filter_by("a"), text_comparison=word)
    assert found == (200, {"rows_deleted": count, "rows_found": count}, left)


def test_update_of_any_value_and_of_the_first() -> None:
    counts = {"rows_updated": 2, "rows_found": 2}
    assert with_texts("POST", "update", filter_by("a", "b", data={"t": "c"})) == (200, counts, ["c", "A", "a ", "c"])
    first = filter_by("a", "b", data={"t": "c"}, multiple_rows="first")
    assert with_texts("POST", "update", first)[2] == ["c", "A", "a ", "b"]


@pytest.mark.parametrize("path", ["update", "delete"])
@pytest.mark.parametrize("body", [{}, {"filter": {}}, {"filter": {"condition": []}}, filter_by(), {"find": []}])
def test_without_a_known_filter_nothing_changes(path: str, body: dict[str, object]) -> None:
    more = {"data": {"t": "c"}} if path == "update" else {}
    status, _, left = with_texts("POST", path, {**body, **more})
    assert (status, left) == (400, ["a", "A", "a ", "b"])
