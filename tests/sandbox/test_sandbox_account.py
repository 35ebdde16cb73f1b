"""Account, dashboards, schedules, teams and users, in both dialects."""

from __future__ import annotations

import base64
import io
import re
import time
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from PIL import Image

from pandas_clicdata.sandbox import account, start
from pandas_clicdata.sandbox.account import next_run
from pandas_clicdata.sandbox.pictures import Chart, Series, draw, ticks

TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[+-]\d{2}:\d{2}")


def items(caller, path, key, **params):
    """Return the list under a path in either dialect."""
    found = caller.ok("GET", path, params=params)
    return found[key] if caller.version is None else found


def picture(text):
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
        return image.convert("RGB")


class TestMetrics:
    def test_shape(self, caller):
        body = caller.ok("GET", "account")
        if caller.version is None:
            assert set(body) == {"name", "metrics"}
        else:
            assert {"id", "name", "domain"} <= set(body)
        assert set(body["metrics"]) == {"users", "dashboards", "rows", "storage", "refreshes"}

    def test_counted_from_what_is_there(self, legacy):
        def used():
            return {name: both["used"] for name, both in legacy.ok("GET", "account")["metrics"].items()}

        before = used()
        assert (before["users"], before["dashboards"], before["rows"]) == (5, 3, 310)
        legacy.ok("POST", "data/1001/row", json={"data": [{"shop_code": "1"}] * 5})
        legacy.ok("POST", "data/1001/reload")
        legacy.ok("DELETE", "user/5005")
        after = used()
        assert after["rows"] == 315
        assert after["storage"] > before["storage"]
        assert after["refreshes"] == 1
        assert after["users"] == 4

    def test_limits_of_this_sandbox(self, caller_of):
        with start(row_limit=500, refresh_limit=3) as sandbox:
            metrics = caller_of(sandbox).ok("GET", "account")["metrics"]
        assert metrics["rows"] == {"used": 310, "limit": 500}
        assert metrics["refreshes"] == {"used": 0, "limit": 3}


class TestActivity:
    def test_nothing_yet(self, legacy):
        assert legacy.ok("GET", "account/activity/users") == {"count": 0, "users": []}
        assert legacy.ok("GET", "account/activity/dashboards") == {"count": 0, "dashboards": []}

    def test_views_are_counted(self, caller):
        for path in ("dashboard/2002/thumbnail", "dashboard/2002/snapshot", "dashboard/2001/thumbnail"):
            assert caller("GET", path).status_code == 200
        items(caller, "dashboard", "dashboards", includethumbnail="true")
        found = items(caller, "account/activity/dashboards", "dashboards")
        assert [(item["dashboard_id"], item["name"], item["views"]) for item in found] == [
            (2001, "Revenue by shop", 1),
            (2002, "Revenue and target", 2),
        ]
        assert TIMESTAMP.fullmatch(found[0]["date"])

    def test_logins_of_users_are_recorded(self, sandbox, caller_of):
        caller = caller_of(sandbox)
        form = {"grant_type": "refresh_token", "refresh_token": "sandbox-refresh-token"}
        caller.login(**form)
        caller("GET", "dashboard/2003/thumbnail")
        found = caller.ok("GET", "account/activity/users")
        assert found["count"] == 2
        assert [(item["user_id"], item["email_address"], item["action"]) for item in found["users"]] == [
            (5001, "jane@example.com", "login"),
            (5001, "jane@example.com", 'viewed dashboard "Best sellers"'),
        ]

    def test_basic_is_one_login_for_a_while(self, sandbox, caller_of):
        caller = caller_of(sandbox, login=False)
        inner = base64.b64encode(b"jane@example.com:sandbox-password").decode()
        outer = base64.b64encode(f"sandbox-client:{inner}".encode()).decode()
        caller.http.headers["Authorization"] = f"Basic {outer}"
        for _ in range(3):
            assert caller.ok("GET", "account/activity/users")["count"] == 1


class TestDashboards:
    def test_list(self, caller):
        found = items(caller, "dashboard", "dashboards")
        assert [item["id"] for item in found] == [2001, 2002, 2003]
        assert set(found[0]) == {"id", "name", "description", "creation_date", "last_update_date"}

    @pytest.mark.parametrize(("name", "ids"), [("REVENUE", [2001, 2002]), ("best", [2003]), ("x", [])])
    def test_by_name(self, caller, name, ids):
        assert [item["id"] for item in items(caller, "dashboard", "dashboards", name=name)] == ids

    def test_with_thumbnails(self, caller):
        found = items(caller, "dashboard", "dashboards", includethumbnail="True", name="best")
        assert picture(found[0]["thumbnail"]).size == (320, 200)
        without = items(caller, "dashboard", "dashboards", includethumbnail="false")
        assert "thumbnail" not in without[0]
        assert caller.error("GET", "dashboard", params={"includethumbnail": "1"})[0] == 400

    @pytest.mark.parametrize("dashboard_id", [2001, 2002, 2003])
    @pytest.mark.parametrize(("what", "size"), [("thumbnail", (320, 200)), ("snapshot", (1200, 750))])
    def test_pictures(self, caller, dashboard_id, what, size):
        answer = caller("GET", f"dashboard/{dashboard_id}/{what}")
        if caller.version is None:
            assert answer.headers["Content-Type"].startswith("text/plain")
            text = answer.text
        else:
            text = answer.json()["result"]
        image = picture(text)
        assert image.size == size
        colours = image.getcolors(1_000_000)
        assert len(colours) > 20
        blue = sum(count for count, (red, green, blue) in colours if blue > 180 and red < 90)
        assert blue > size[0] * size[1] * 0.002

    def test_pictures_show_the_data(self, legacy):
        before = legacy("GET", "dashboard/2001/thumbnail").text
        assert legacy("GET", "dashboard/2001/thumbnail").text == before
        legacy.ok("DELETE", "data/1002/row", json={"find": [{"column": "shop_code", "value": "00415"}]})
        assert legacy("GET", "dashboard/2001/thumbnail").text != before

    def test_unknown(self, caller):
        for path in ("dashboard/1/thumbnail", "dashboard/1001/snapshot"):
            assert caller.error("GET", path)[:2] == (404, "NotFound")

    @pytest.mark.parametrize("kind", ["bars", "rows", "lines"])
    @pytest.mark.parametrize("labels", [(), ("one",), tuple("abcdefghijkl")])
    @pytest.mark.parametrize("top", [0.0, 1e-3, 7e9])
    def test_any_figures_can_be_drawn(self, kind, labels, top):
        series = (Series("A", (top,) * len(labels)), Series("B", (top / 2,) * len(labels)))
        with Image.open(io.BytesIO(draw(Chart(kind, "T", "u", labels, series), 200, 120))) as image:
            assert image.size == (200, 120)

    def test_a_longer_bar_for_a_greater_value(self):
        chart = Chart("bars", "T", "u", ("a", "b"), (Series("A", (10.0, 5.0)),))
        with Image.open(io.BytesIO(draw(chart, 400, 300))) as image:
            columns = [
                sum(blue > 180 and red < 90 for red, _, blue in (image.getpixel((x, y)) for y in range(300)))
                for x in range(400)
            ]
        left, right = max(columns[:200]), max(columns[220:])
        assert left / right == pytest.approx(2, rel=0.05)

    @pytest.mark.parametrize("top", [0.003, 0.9, 1, 4, 7, 10, 99, 1234, 5e6])
    def test_axes_have_a_few_round_numbers(self, top):
        found = ticks(top)
        assert found[0] == 0
        assert found[-1] >= top > found[-2]
        assert 3 <= len(found) <= 6
        assert all(len(f"{tick:.3g}".replace("0", "").replace(".", "").split("e")[0]) <= 3 for tick in found)


class TestSchedules:
    KEYS = frozenset(
        {
            "id",
            "name",
            "description",
            "enabled",
            "frequency",
            "last_run_date",
            "next_run_date",
            "last_status",
            "tasks",
        }
    )

    def test_list(self, caller):
        found = items(caller, "schedule", "schedules")
        assert [(item["id"], item["last_status"]) for item in found] == [
            (3001, "succeeded"),
            (3002, None),
            (3003, "failed"),
        ]
        assert set(found[0]) == self.KEYS
        assert found[2]["enabled"] is False
        assert found[2]["next_run_date"] is None
        assert datetime.fromisoformat(found[0]["next_run_date"]) > datetime.now(timezone.utc)

    def test_one(self, legacy, modern):
        wrapped = legacy.ok("GET", "schedule/3001")
        assert wrapped == {"schedules": [modern.ok("GET", "schedule/3001")]}
        assert legacy.error("GET", "schedule/1")[:2] == (404, "NotFound")

    def test_a_run(self, caller_of, monkeypatch):
        now = time.time()
        monkeypatch.setattr(account, "time", SimpleNamespace(time=lambda: now))
        with start(schedule_seconds=1.0) as sandbox:
            caller = caller_of(sandbox, "2022.01")
            assert caller.ok("POST", "schedule/3001/trigger") == {"success": True}
            running = caller.ok("GET", "schedule/3001")
            assert running["last_status"] == "running"
            assert datetime.fromisoformat(running["last_run_date"]).timestamp() == int(now)
            now += 1
            assert caller.ok("GET", "schedule/3001")["last_status"] == "succeeded"
            assert sandbox.runs(3001) == ["succeeded", "succeeded"]
            assert sandbox.refreshes(1003) == ["reload"]

    def test_a_run_that_fails(self, caller_of):
        with start(schedule_seconds=0) as sandbox:
            caller = caller_of(sandbox, "2022.01")
            caller.ok("POST", "schedule/3003/trigger")
            assert caller.ok("GET", "schedule/3003")["last_status"] == "failed"

    def test_trigger_is_a_post(self, caller):
        assert caller.error("GET", "schedule/3001/trigger")[:2] == (405, "MethodNotAllowed")
        assert caller.error("POST", "schedule/1/trigger")[:2] == (404, "NotFound")

    @pytest.mark.parametrize(
        ("frequency", "now", "then"),
        [
            ("daily", "2024-05-05T05:59:59", "2024-05-05"),
            ("daily", "2024-05-05T06:00:00", "2024-05-06"),
            ("weekly", "2024-05-05T12:00:00", "2024-05-06"),
            ("weekly", "2024-05-06T12:00:00", "2024-05-13"),
            ("monthly", "2024-12-01T06:00:00", "2025-01-01"),
        ],
    )
    def test_next_run(self, frequency, now, then):
        found = next_run(frequency, datetime.fromisoformat(now))
        assert found == datetime.fromisoformat(f"{then}T06:00:00")


NEW = {"email_address": "new@example.com", "first_name": "N", "last_name": "W"}


class TestUsers:
    def test_list_and_details(self, caller):
        found = items(caller, "user", "users")
        assert [user["id"] for user in found] == [5001, 5002, 5003, 5004, 5005]
        assert set(found[0]) == {"id", "email_address", "first_name", "last_name", "license", "last_login_date"}
        assert caller.ok("GET", "user/5003") == found[2]
        assert found[3]["first_name"] == "小龙"

    def test_legacy_list_is_counted(self, legacy):
        assert legacy.ok("GET", "user")["count"] == 5

    def test_a_life(self, caller):
        user_id = caller.ok("POST", "user", json={**NEW, "license": "editor", "password": "first"})
        assert user_id == 5006
        assert caller.ok("GET", "user/5006") == {**NEW, "id": 5006, "license": "editor", "last_login_date": None}
        assert caller.ok("PUT", "user/5006", json={"license": "viewer"}) == {"success": True}
        assert caller.ok("GET", "user/5006")["license"] == "viewer"
        assert caller.ok("GET", "user/5006")["first_name"] == "N"
        caller.ok("POST", "team/4001/user", json={"user_id": 5006})
        assert caller.ok("DELETE", "user/5006") == {"success": True}
        assert caller.error("GET", "user/5006")[:2] == (404, "NotFound")
        assert all(5006 not in team["users"] for team in items(caller, "team", "teams"))

    @pytest.mark.parametrize(
        "change",
        [
            {"email_address": "nobody"},
            {"email_address": "a b@example.com"},
            {"email_address": None},
            {"first_name": " "},
            {"last_name": ""},
            {"license": "admin"},
            {"password": ""},
            {"nickname": "x"},
        ],
    )
    def test_bad_fields(self, caller, change):
        assert caller.error("POST", "user", json={**NEW, **change})[:2] == (400, "ValidationError")
        if "password" not in change:
            assert caller.error("PUT", "user/5002", json=change)[:2] == (400, "ValidationError")
        assert len(items(caller, "user", "users")) == 5

    @pytest.mark.parametrize("missing", NEW)
    def test_needed_fields(self, caller, missing):
        body = {name: text for name, text in NEW.items() if name != missing}
        assert caller.error("POST", "user", json=body)[:2] == (400, "ValidationError")

    def test_nothing_to_change(self, caller):
        assert caller.error("PUT", "user/5002", json={})[:2] == (400, "ValidationError")
        assert caller.error("PUT", "team/4001", json={})[:2] == (400, "ValidationError")

    def test_an_address_is_taken_once(self, caller):
        body = {**NEW, "email_address": "JANE@example.com"}
        assert caller.error("POST", "user", json=body)[:2] == (409, "DuplicateUser")
        assert caller.error("PUT", "user/5002", json={"email_address": "jane@example.com"})[0] == 409
        caller.ok("PUT", "user/5001", json={"email_address": "Jane@example.com"})

    def test_a_password_works(self, sandbox, caller, caller_of):
        user_id = caller.ok("POST", "user", json={**NEW, "password": "first:one"})

        def status(password):
            inner = base64.b64encode(f"{NEW['email_address']}:{password}".encode()).decode()
            outer = base64.b64encode(f"sandbox-client:{inner}".encode()).decode()
            other = caller_of(sandbox, login=False)
            return other("GET", "profile/user", headers={"Authorization": f"Basic {outer}"}).status_code

        assert status("first:one") == 200
        caller.ok("PUT", f"user/{user_id}/password", json={"password": "zweites ✓"})
        assert [status(password) for password in ("first:one", "zweites ✓")] == [401, 200]
        caller.ok("DELETE", f"user/{user_id}")
        assert status("zweites ✓") == 401

    def test_a_bad_password(self, caller):
        for body in ({"password": ""}, {"password": 1}, {}):
            assert caller.error("PUT", "user/5001/password", json=body)[:2] == (400, "ValidationError")
        assert caller.error("PUT", "user/1/password", json={"password": "x"})[0] == 404

    @pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {"first_name": "x"}), ("DELETE", None)])
    def test_unknown(self, caller, method, body):
        assert caller.error(method, "user/1", json=body)[:2] == (404, "NotFound")

    def test_no_password_is_ever_shown(self, sandbox, caller):
        caller.ok("POST", "user", json={**NEW, "password": "a-secret"})
        assert "a-secret" not in caller("GET", "user").text
        assert "password" not in caller("GET", "user/5001").text

    def test_profile(self, sandbox, caller):
        assert caller.error("GET", "profile/user")[:2] == (403, "NoUser")
        caller.login(grant_type="refresh_token", refresh_token="sandbox-refresh-token")
        profile = caller.ok("GET", "profile/user")
        assert profile["email_address"] == "jane@example.com"
        assert TIMESTAMP.fullmatch(profile["last_login_date"])


class TestTeams:
    def test_list(self, caller):
        found = items(caller, "team", "teams")
        assert found[0] == {
            "id": 4001,
            "name": "Sales",
            "description": "Who sells",
            "users": [5001, 5002, 5004],
            "parameters": [],
        }
        assert found[1]["parameters"] == [{"name": "country", "value": "FR"}]

    def test_legacy_list_is_counted(self, legacy):
        assert legacy.ok("GET", "team")["count"] == 2

    def test_a_life(self, caller):
        team_id = caller.ok("POST", "team", json={"name": "South", "description": "d"})
        caller.ok("PUT", f"team/{team_id}", json={"name": "Far south"})
        team = items(caller, "team", "teams")[-1]
        assert (team["id"], team["name"], team["description"]) == (4003, "Far south", "d")
        caller.ok("POST", f"team/{team_id}/user", json={"user_id": 5001})
        caller.ok("DELETE", f"team/{team_id}")
        assert len(items(caller, "team", "teams")) == 2
        assert caller.ok("GET", "user/5001")["id"] == 5001

    def test_names(self, caller):
        assert caller.error("POST", "team", json={"name": "Sales"})[:2] == (409, "DuplicateName")
        assert caller.error("PUT", "team/4002", json={"name": "Sales"})[:2] == (409, "DuplicateName")
        caller.ok("PUT", "team/4001", json={"name": "Sales"})
        for body in ({"name": " "}, {}, {"name": 1}, {"name": "x", "desc": "y"}):
            assert caller.error("POST", "team", json=body)[:2] == (400, "ValidationError")

    @pytest.mark.parametrize("place", ["json", "params"])
    def test_members(self, caller, place):
        for _ in range(2):
            caller.ok("POST", "team/4002/user", json={"user_id": 5001})
        assert items(caller, "team", "teams")[1]["users"] == [5001, 5003, 5005]
        caller.ok("DELETE", "team/4002/user", **{place: {"user_id": 5003}})
        assert items(caller, "team", "teams")[1]["users"] == [5001, 5005]
        assert caller.error("DELETE", "team/4002/user", **{place: {"user_id": 5003}})[:2] == (404, "NotFound")

    def test_members_are_users(self, caller):
        assert caller.error("POST", "team/4002/user", json={"user_id": 1})[:2] == (404, "NotFound")
        assert caller.error("POST", "team/1/user", json={"user_id": 5001})[:2] == (404, "NotFound")
        for body in ({}, {"user_id": "5001"}, {"user_id": True}, {"user": 5001}):
            assert caller.error("POST", "team/4002/user", json=body)[:2] == (400, "ValidationError")

    @pytest.mark.parametrize("place", ["json", "params"])
    def test_parameters(self, caller, place):
        for value in ("DE", 5, 1.5, True, "FR & co"):
            caller.ok("POST", "team/4001/parameter", json={"name": "the region", "value": value})
            assert items(caller, "team", "teams")[0]["parameters"] == [{"name": "the region", "value": value}]
        caller.ok("DELETE", "team/4001/parameter", **{place: {"name": "the region"}})
        assert items(caller, "team", "teams")[0]["parameters"] == []
        again = caller.error("DELETE", "team/4001/parameter", **{place: {"name": "the region"}})
        assert again[:2] == (404, "NotFound")

    def test_bad_parameters(self, caller):
        for body in ({"name": "x"}, {"name": " ", "value": "y"}, {"name": "x", "value": None}, {"value": "y"}):
            assert caller.error("POST", "team/4001/parameter", json=body)[:2] == (400, "ValidationError")

    def test_a_lost_body_removes_nobody(self, caller):
        before = items(caller, "team", "teams")
        for what in ("user", "parameter"):
            assert caller.error("DELETE", f"team/4001/{what}")[0] == 415
        assert items(caller, "team", "teams") == before

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", "team/1", {"name": "x"}),
            ("DELETE", "team/1", None),
            ("DELETE", "team/1/user", {"user_id": 5001}),
            ("POST", "team/1/parameter", {"name": "x", "value": "y"}),
            ("DELETE", "team/1/parameter", {"name": "x"}),
        ],
    )
    def test_unknown(self, caller, method, path, body):
        assert caller.error(method, path, json=body)[:2] == (404, "NotFound")


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("account", "account_read"),
        ("account/activity/users", "account_read"),
        ("dashboard", "dashboard_read"),
        ("schedule", "schedule_read"),
        ("team", "team_read"),
        ("user", "user_read"),
    ],
)
def test_scopes(sandbox, caller_of, path, scope):
    caller = caller_of(sandbox, login=False)
    caller.login(scope=scope)
    assert caller("GET", path).status_code == 200
    caller.login(scope="data_read")
    assert caller.error("GET", path)[:2] == (403, "InsufficientScope")


def test_a_file_keeps_the_account(tmp_path, caller_of):
    with start(path=tmp_path / "account.db", sample=False) as sandbox:
        caller = caller_of(sandbox)
        assert caller.ok("GET", "dashboard") == {"dashboards": []}
        assert caller.ok("GET", "user")["count"] == 1
        caller.ok("POST", "user", json=NEW)
        caller.ok("POST", "team", json={"name": "T"})
    with start(path=tmp_path / "account.db") as sandbox:
        caller = caller_of(sandbox)
        assert [user["id"] for user in caller.ok("GET", "user")["users"]] == [5001, 5002]
        assert caller.ok("GET", "team")["count"] == 1
        assert caller.ok("GET", "data")["count"] == 0
