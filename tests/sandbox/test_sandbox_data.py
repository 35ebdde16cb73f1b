"""Every call on data sets and tables, in both dialects, as the API is documented."""

from __future__ import annotations

import re

import pytest

from pandas_clicdata.sandbox import start

MODERN = "2022.01"
LEGACY = {"api_version": None}  # the query of a call that only the legacy dialect has
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[+-]\d{2}:\d{2}")
COLUMNS = [{"name": "a", "data_type": "text"}, {"name": "b", "data_type": "number"}]


def create(caller, name="mine", columns=None):
    body = {"name": name, "description": "What is mine", "columns": columns or COLUMNS}
    return caller.ok("POST", "data", json=body)


def rows(caller, rec_id):
    found = caller.ok("GET", f"data/{rec_id}")
    return found["data"] if caller.version is None else found


def cells(**values):
    return [{"column": name, "value": value} for name, value in values.items()]


class TestList:
    def test_legacy_shape(self, legacy):
        body = legacy.ok("GET", "data")
        assert body["count"] == len(body["data"]) == 3
        first = body["data"][0]
        assert first["id"] == first["rec_id"] == 1001
        assert first["name"] == "Shops"
        assert TIMESTAMP.fullmatch(first["creation_date"])
        assert TIMESTAMP.fullmatch(first["last_data_update_date"])
        assert {"description", "source"} <= set(first)

    def test_modern_shape_and_pages(self, modern):
        first = modern("GET", "data", params={"page": 1, "page_size": 2}).json()
        last = modern("GET", "data", params={"page": 2, "page_size": 2}).json()
        assert first["pagination"] == {
            "result_count": 2,
            "result_total_count": 3,
            "current_page": 1,
            "page_size": 2,
            "has_more_results": True,
            "last_page": False,
        }
        assert [item["id"] for item in first["result"] + last["result"]] == [1001, 1002, 1003]
        assert last["pagination"]["last_page"] is True

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"name": "SHOP"}, ["Shops"]),
            ({"name": "nothing"}, []),
            ({"name": ""}, ["Shops", "Orders", "Sales targets"]),
            ({"uniquekeyavailable": "true"}, ["Shops", "Sales targets"]),
            ({"uniquekeyavailable": "False"}, ["Orders"]),
            ({"refresh": "TRUE"}, ["Sales targets"]),
            ({"refresh": "false", "uniquekeyavailable": "true"}, ["Shops"]),
        ],
    )
    def test_filters(self, legacy, query, names):
        assert [item["name"] for item in legacy.ok("GET", "data", params=query)["data"]] == names

    def test_a_filter_is_true_or_false(self, caller):
        assert caller.error("GET", "data", params={"refresh": "yes"})[:2] == (400, "ValidationError")


class TestCreate:
    def test_gives_a_bare_integer(self, legacy, sandbox):
        answer = legacy("POST", "data", json={"name": "mine", "description": "", "columns": COLUMNS})
        assert re.fullmatch(r"\d+", answer.text)
        assert sandbox.count(int(answer.text)) == 0

    def test_gives_it_as_result(self, modern, sandbox):
        assert sandbox.data_sets()[-1].rec_id + 1 == create(modern)

    def test_is_listed(self, caller, sandbox):
        rec_id = create(caller)
        made = next(item for item in sandbox.data_sets() if item.rec_id == rec_id)
        assert (made.name, made.description) == ("mine", "What is mine")
        assert made.columns == (("a", "text"), ("b", "number"))

    def test_every_type_and_the_alias(self, caller, sandbox):
        types = ["text", "number", "datetime", "date", "percentage", "checkbox", "dropdown", "id", "rec_id"]
        create(caller, columns=[{"name": f"c{n}", "data_type": kind} for n, kind in enumerate(types)])
        assert [kind for _, kind in sandbox.data_sets()[-1].columns] == [*types[:-1], "id"]

    def test_a_name_is_taken_once(self, caller):
        create(caller)
        status, code, description = caller.error("POST", "data", json={"name": "mine", "columns": COLUMNS})
        assert (status, code) == (409, "DuplicateName")
        assert "mine" in description

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            {"name": "x"},
            {"name": "x", "columns": []},
            {"name": " ", "columns": COLUMNS},
            {"name": 1, "columns": COLUMNS},
            {"name": "x", "columns": [*COLUMNS, COLUMNS[0]]},
            {"name": "x", "columns": [{"name": "", "data_type": "text"}]},
            {"name": "x", "columns": [{"name": "a", "data_type": "string"}]},
            {"name": "x", "columns": [{"name": "a", "type": "text"}]},
            {"name": "x", "columns": COLUMNS, "desc": "y"},
        ],
    )
    def test_refusals_store_nothing(self, caller, sandbox, body):
        assert caller.error("POST", "data", json=body)[:2] == (400, "ValidationError")
        assert len(sandbox.data_sets()) == 3


FORMATS = {
    "positional": [["x", 1], ["y", None]],
    "cells": [cells(a="x", b=1), cells(b=None, a="y")],
    "objects": [{"a": "x", "b": 1}, {"a": "y"}],
}


class TestAppend:
    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("path", ["data/{}/row", "data/{}/rows", "data/{}/insert", "table/{}"])
    def test_three_formats_everywhere(self, modern, sandbox, path, form):
        rec_id = create(modern)
        modern.ok("POST", path.format(rec_id), json={"data": FORMATS[form]})
        assert sandbox.rows(rec_id) == [{"a": "x", "b": 1}, {"a": "y", "b": None}]

    @pytest.mark.parametrize("path", ["row", "rows"])
    def test_legacy_answer(self, legacy, path):
        rec_id = create(legacy)
        body = {"data": FORMATS["cells"]}
        assert legacy.ok("POST", f"data/{rec_id}/{path}", json=body) == {"success": True}

    def test_insert_counts(self, modern):
        rec_id = create(modern)
        answer = modern.ok("POST", f"data/{rec_id}/insert", json={"data": FORMATS["objects"]})
        assert answer == {"rows_inserted": 2, "rows_found": 2}

    def test_insert_takes_500_rows_and_no_more(self, modern, sandbox):
        rec_id = create(modern)
        path = f"data/{rec_id}/insert"
        assert modern.ok("POST", path, json={"data": [["x", n] for n in range(500)]})["rows_inserted"] == 500
        status, code, description = modern.error("POST", path, json={"data": [["x", 1]] * 501})
        assert (status, code) == (400, "TooManyRows")
        assert "500" in description
        assert sandbox.count(rec_id) == 500

    @pytest.mark.parametrize("path", ["row", "rows"])
    def test_the_siblings_take_more(self, caller, sandbox, path):
        rec_id = create(caller)
        caller.ok("POST", f"data/{rec_id}/{path}", json={"data": [["x", n] for n in range(1200)]})
        assert sandbox.rows(rec_id) == [{"a": "x", "b": n} for n in range(1200)]

    def test_nothing_is_not_much(self, caller, sandbox):
        caller.ok("POST", "data/1001/row", json={"data": []})
        assert sandbox.data_sets()[0].version == 1

    def test_order_is_kept_over_requests(self, caller, sandbox):
        rec_id = create(caller)
        for n in range(5):
            caller.ok("POST", f"data/{rec_id}/rows", json={"data": [["x", n], ["y", n]]})
        assert [row["b"] for row in sandbox.rows(rec_id)] == [n for n in range(5) for _ in "xy"]


class TestRead:
    def test_legacy_pages(self, caller_of):
        with start(page_size=100) as sandbox:
            legacy = caller_of(sandbox)
            found, page, more = [], 1, True
            while more:
                body = legacy.ok("GET", "data/1002", params={"page": page, "page_size": 7})
                found += body["data"]
                more = body["has_more_data"]
                page += 1
            assert page == 3
            assert found == sandbox.rows(1002)
            assert len(found) == 180

    def test_modern_pages(self, modern, sandbox):
        found = []
        for page in (1, 2, 3):
            body = modern("GET", "data/1002", params={"page": page, "page_size": 70}).json()
            found += body["result"]
            assert body["pagination"]["result_total_count"] == 180
            assert body["pagination"]["has_more_results"] is (page < 3)
        assert found == sandbox.rows(1002)

    @pytest.mark.parametrize("page", [4, 1_000_000_000])
    def test_a_page_beyond_the_end_is_empty(self, caller, page):
        body = caller("GET", "data/1002", params={"page": page, "page_size": 70}).json()
        assert not body.get("has_more_data", False)
        assert (body["data"] if caller.version is None else body["result"]) == []
        if caller.version:
            assert body["pagination"]["last_page"] is True
            assert body["pagination"]["result_total_count"] == 180

    def test_an_empty_data_set(self, caller):
        assert rows(caller, create(caller)) == []

    def test_more_rows_than_a_page_may_have(self, caller_of):
        with start(max_page_size=50) as sandbox:
            body = caller_of(sandbox, "2022.01")("GET", "data/1002", params={"page_size": 1000}).json()
            assert len(body["result"]) == body["pagination"]["page_size"] == 50
            assert body["pagination"]["has_more_results"] is True

    @pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "²", "9" * 30])
    def test_a_page_is_a_number_from_1(self, caller, page):
        assert caller.error("GET", "data/1001", params={"page": page})[:2] == (400, "ValidationError")

    def test_sample_values(self, legacy):
        first = legacy.ok("GET", "data/1002")["data"][0]
        assert first["shop_code"] == "00312"
        assert first["note"] == "Two\nlines of note"
        assert first["discount"] == 0.125
        assert first["paid"] is True
        assert legacy.ok("GET", "data/1001")["data"][-1]["city"] is None


class TestUpdateAndDelete:
    @pytest.fixture
    def rec_id(self, caller):
        rec_id = create(caller)
        data = [["x", 1], ["y", 2], ["x", 3], [None, None], ["x", 1]]
        caller.ok("POST", f"data/{rec_id}/rows", json={"data": data})
        return rec_id

    def test_update_all(self, caller, rec_id):
        body = {"multiplerows": "all", "find": cells(a="x"), "data": cells(b=9)}
        caller.ok("PUT", f"data/{rec_id}/row", params=LEGACY, json=body)
        assert [(row["a"], row["b"]) for row in rows(caller, rec_id)] == [
            ("x", 9),
            ("y", 2),
            ("x", 9),
            (None, None),
            ("x", 9),
        ]

    def test_update_first_by_two_columns(self, caller, rec_id):
        body = {"multiplerows": "first", "find": cells(a="x", b=1), "data": cells(b=None, a="z")}
        caller.ok("PUT", f"data/{rec_id}/row", params=LEGACY, json=body)
        assert [(row["a"], row["b"]) for row in rows(caller, rec_id)][::4] == [("z", None), ("x", 1)]

    def test_delete_all_is_the_default(self, caller, sandbox, rec_id):
        caller.ok("DELETE", f"data/{rec_id}/row", json={"find": cells(a="x")})
        assert sandbox.rows(rec_id) == [{"a": "y", "b": 2}, {"a": None, "b": None}]
        assert sandbox.count(rec_id) == 2

    def test_delete_first(self, caller, sandbox, rec_id):
        caller.ok("DELETE", f"data/{rec_id}/row", json={"multiplerows": "first", "find": cells(a="x")})
        assert [row["b"] for row in sandbox.rows(rec_id)] == [2, 3, None, 1]

    def test_null_finds_null(self, caller, sandbox, rec_id):
        caller.ok("DELETE", f"data/{rec_id}/row", json={"find": cells(b=None)})
        assert sandbox.count(rec_id) == 4

    def test_nothing_found_changes_nothing(self, caller, sandbox, rec_id):
        before = sandbox.data_sets()[-1].version
        caller.ok("DELETE", f"data/{rec_id}/row", json={"find": cells(a="q")})
        caller.ok("PUT", f"data/{rec_id}/row", params=LEGACY, json={"find": cells(a="q"), "data": cells(b=1)})
        assert sandbox.data_sets()[-1].version == before

    def test_pages_after_a_delete(self, caller, sandbox, rec_id):
        caller.ok("DELETE", f"data/{rec_id}/row", json={"multiplerows": "first", "find": cells(a="x")})
        caller.ok("POST", f"data/{rec_id}/rows", json={"data": [["new", 5]]})
        found = []
        for page in (1, 2, 3):
            body = caller("GET", f"data/{rec_id}", params={"page": page, "page_size": 2}).json()
            found += body["data"] if caller.version is None else body["result"]
            if caller.version is None:
                break
        assert found == sandbox.rows(rec_id)
        assert [row["b"] for row in found] == [2, 3, None, 1, 5]

    def test_every_page_of_every_version_after_deletes(self, caller_of, sandbox):
        caller = caller_of(sandbox, MODERN)
        rec_id = sandbox.create("gaps", {"a": "number"})
        expected: dict[int, list[int]] = {0: []}

        def written(rows):
            expected[len(expected)] = rows

        for first in (0, 10):
            sandbox.append(rec_id, [{"a": number} for number in range(first, first + 10)])
            written(list(range(first + 10)))
        for gone in (3, 0, 19):
            sandbox.delete(rec_id, {"a": gone})
            written([number for number in expected[len(expected) - 1] if number != gone])
        sandbox.append(rec_id, [{"a": 3}])
        written([*expected[len(expected) - 1], 3])

        def page(version, number):
            params = {"page": number, "page_size": 4}
            return [row["a"] for row in caller.ok("GET", f"data/{rec_id}/v/{version}", params=params)]

        for version, rows in expected.items():
            for number in (5, 1, 2, 4, 3, 6, 2) if version else ():
                assert page(version, number) == rows[(number - 1) * 4 : number * 4], (version, number)

    def test_a_row_update_by_put_has_no_modern_form(self, modern):
        body = {"find": cells(city="Lille"), "data": cells(city="L")}
        assert modern.error("PUT", "data/1001/row", json=body)[:2] == (405, "MethodNotAllowed")

    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    @pytest.mark.parametrize(
        "change",
        [
            {"find": []},
            {"find": None},
            {"find": cells(c=1)},
            {"find": cells(b="1")},
            {"find": [*cells(a="x"), *cells(a="y")]},
            {"find": {"a": "x"}},
            {"multiplerows": "some"},
            {"multiplerows": None},
            {"filter": cells(a="x")},
        ],
    )
    def test_refusals(self, caller, sandbox, rec_id, method, change):
        body = {"find": cells(a="x"), **({"data": cells(b=0)} if method == "PUT" else {}), **change}
        before = sandbox.rows(rec_id)
        params = LEGACY if method == "PUT" else {}
        assert caller.error(method, f"data/{rec_id}/row", params=params, json=body)[:2] == (400, "ValidationError")
        assert sandbox.rows(rec_id) == before

    def test_a_lost_body_clears_nothing(self, caller, sandbox, rec_id):
        assert caller.error("DELETE", f"data/{rec_id}/row")[0] == 415
        headers = {"Content-Type": "application/json"}
        assert caller.error("DELETE", f"data/{rec_id}/row", headers=headers)[:2] == (400, "InvalidJson")
        assert sandbox.count(rec_id) == 5

    @pytest.mark.parametrize("data", [[], cells(c=1), cells(b="1")])
    def test_update_wants_good_values(self, caller, rec_id, data):
        body = {"find": cells(a="x"), "data": data}
        assert caller.error("PUT", f"data/{rec_id}/row", params=LEGACY, json=body)[0] == 400


class TestHistory:
    def test_each_write_makes_a_version_that_stays(self, caller, sandbox):
        rec_id = create(caller)
        path = f"data/{rec_id}"
        caller.ok("POST", f"{path}/rows", json={"data": [["x", 1], ["y", 2]]})
        caller.ok("PUT", f"{path}/row", params=LEGACY, json={"find": cells(a="x"), "data": cells(b=9)})
        caller.ok("DELETE", f"{path}/row", json={"find": cells(a="y")})
        caller.ok("POST", f"{path}/rows", json={"data": [["z", 3]]})
        versions = caller.ok("GET", f"{path}/versions")
        versions = versions["versions"] if caller.version is None else versions
        assert [(item["version"], item["row_count"]) for item in versions] == [(1, 2), (2, 2), (3, 1), (4, 2)]
        assert all(TIMESTAMP.fullmatch(item["date"]) for item in versions)
        seen = []
        for version in (1, 2, 3, 4):
            body = caller("GET", f"{path}/v/{version}").json()
            found = body["data"] if caller.version is None else body["result"]
            assert found == sandbox.rows(rec_id, version)
            seen.append([(row["a"], row["b"]) for row in found])
        assert seen == [
            [("x", 1), ("y", 2)],
            [("x", 9), ("y", 2)],
            [("x", 9)],
            [("x", 9), ("z", 3)],
        ]

    def test_versions_are_read_by_pages(self, modern, sandbox):
        modern.ok("DELETE", "data/1002/row", json={"multiplerows": "first", "find": cells(quantity=2)})
        found = []
        for page in (1, 2, 3):
            body = modern("GET", "data/1002/v/1", params={"page": page, "page_size": 70}).json()
            found += body["result"]
            assert body["pagination"]["result_total_count"] == 180
        assert found == sandbox.rows(1002, 1)
        assert len(found) == 180
        assert sandbox.count(1002) == 179

    def test_unknown_version(self, caller):
        assert caller.error("GET", "data/1001/v/99")[:2] == (404, "NotFound")

    def test_switched_off_for_one(self, sandbox, caller):
        rec_id = sandbox.create("no past", {"a": "text"}, history=False)
        assert caller.error("GET", f"data/{rec_id}/versions")[:2] == (400, "DataHistoryOff")
        caller.ok("GET", "data/1001/versions")

    def test_switched_off(self, caller_of):
        with start(history=False) as sandbox:
            caller = caller_of(sandbox)
            for path in ("data/1001/versions", "data/1001/v/1"):
                status, code, description = caller.error("GET", path)
                assert (status, code) == (400, "DataHistoryOff")
                assert "Data History" in description
            caller.ok(
                "PUT", "data/1001/row", params=LEGACY, json={"find": cells(city="Lille"), "data": cells(city="L")}
            )
            caller.ok("DELETE", "data/1001/row", json={"find": cells(country="PL")})
            assert [row["city"] for row in sandbox.rows(1001)][:2] == ["L", "Roubaix"]
            assert sandbox.count(1001) == 8


class TestRefresh:
    @pytest.mark.parametrize("word", ["reload", "rebuild", "recreate", "update", "append", "updateappend"])
    def test_a_static_data_set_stays_as_it_is(self, caller, sandbox, word):
        before = sandbox.rows(1001)
        assert caller.ok("POST", f"data/1001/{word}") == {"success": True}
        assert sandbox.refreshes(1001) == [word]
        assert sandbox.rows(1001) == before

    @pytest.mark.parametrize(
        ("word", "count", "mended"),
        [
            ("reload", 120, True),
            ("rebuild", 120, True),
            ("recreate", 120, True),
            ("update", 119, True),
            ("updateappend", 120, True),
            ("append", 239, False),
        ],
    )
    def test_a_source_is_asked_again(self, caller, sandbox, word, count, mended):
        source = sandbox.rows(1003)
        changed, deleted = source[0]["key"], source[-1]["key"]
        caller.ok("PUT", "data/1003/row", params=LEGACY, json={"find": cells(key=changed), "data": cells(revenue=0)})
        caller.ok("DELETE", "data/1003/row", json={"find": cells(key=deleted)})
        caller.ok("POST", f"data/1003/{word}")
        assert sandbox.count(1003) == count
        assert (sandbox.rows(1003)[0] == source[0]) is mended
        if count == 120:
            assert sandbox.rows(1003) == source

    def test_by_mode(self, modern, sandbox):
        for mode in ("reload", "rebuild", "update", "append", "updateappend"):
            assert modern.ok("POST", "table/1001/refresh", json={"mode": mode}) == {"success": True}
        assert sandbox.refreshes() == ["reload", "rebuild", "update", "append", "updateappend"]

    @pytest.mark.parametrize("body", [{"mode": "recreate"}, {"mode": 1}, {}, {"mode": "reload", "wait": True}])
    def test_modes_are_five(self, modern, body):
        assert modern.error("POST", "table/1001/refresh", json=body)[:2] == (400, "ValidationError")

    def test_refreshes_can_be_used_up(self, caller_of):
        with start(refresh_limit=1) as sandbox:
            caller = caller_of(sandbox)
            caller.ok("POST", "data/1003/reload")
            assert caller.error("POST", "data/1003/reload")[:2] == (429, "QuotaExceeded")


def test_tables_and_data_sets_are_the_same(caller_of, sandbox):
    caller = caller_of(sandbox, "2025.3")
    body = caller("GET", "table", params={"page": 1, "page_size": 100}).json()
    assert [(item["id"], item["name"]) for item in body["result"]] == [
        (1001, "Shops"),
        (1002, "Orders"),
        (1003, "Sales targets"),
    ]
    assert body["pagination"]["last_page"] is True
    caller.version = "2021.08"
    assert caller.ok("GET", "table/1001") == sandbox.rows(1001)
    caller.ok("POST", "table/1001", json={"data": [cells(shop_code="00777", opened="2024-05-05")]})
    assert sandbox.rows(1001)[-1]["shop_code"] == "00777"
