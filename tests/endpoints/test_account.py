"""`Account`: metrics in every likely shape, activity, frames that keep their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from endpoints.literal import LiteralSession, wrapped
from pandas_clicdata.endpoints.account import Account
from pandas_clicdata.errors import InputError, ProtocolError

if TYPE_CHECKING:
    from pandas_clicdata import Session

METRICS = {"users": {"used": 3, "limit": 10}, "rows": {"used": 500, "limit": None}}
SHAPES: dict[str, Any] = {
    **wrapped({"name": "Acme", "metrics": METRICS}, None, "account"),
    "a list of metrics": {"name": "Acme", "metrics": [{"metric": name, **value} for name, value in METRICS.items()]},
    "a list of names": {"name": "Acme", "metrics": [{"name": name, **value} for name, value in METRICS.items()]},
    "no key of their own": {"name": "Acme", **METRICS},
    "in a list": {"account": [{"name": "Acme", "metrics": METRICS}]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_metrics_are_read_in_every_likely_shape(shape: str) -> None:
    usage = Account(session=LiteralSession(SHAPES[shape])).get_account()
    assert list(usage.columns) == ["metric", "used", "limit", "share", "id", "name", "domain"]
    assert usage[["metric", "used", "name"]].to_numpy().tolist() == [["users", 3.0, "Acme"], ["rows", 500.0, "Acme"]]
    assert usage["share"].iloc[0] == 0.3
    assert usage["share"].isna().tolist() == [False, True]


def test_bare_numbers_are_usage() -> None:
    usage = Account(session=LiteralSession({"metrics": {"users": 3}})).get_account()
    assert usage["used"].tolist() == [3.0]
    assert usage["limit"].isna().all()


@pytest.mark.parametrize("limit", [0, -1, None, "none"])
def test_metrics_without_a_limit_have_no_share(limit: Any) -> None:
    usage = Account(session=LiteralSession({"metrics": {"users": {"used": 3, "limit": limit}}})).get_account()
    assert usage["share"].isna().tolist() == [True]


@pytest.mark.parametrize("shape", wrapped({}, None))
def test_an_account_without_metrics_is_one_row(shape: str) -> None:
    account = {"id": "a-1", "name": "Acme", "domain": "acme.example.com"}
    usage = Account(session=LiteralSession(wrapped(account, None)[shape])).get_account()
    assert len(usage) == 1
    assert usage[["id", "name", "domain"]].to_numpy().tolist() == [["a-1", "Acme", "acme.example.com"]]
    assert usage[["metric", "used", "limit", "share"]].isna().all(axis=None)


def test_an_account_may_hold_objects_where_numbers_were_guessed() -> None:
    storage = {"used": {"data": 5, "history": 2}, "limit": 10}
    metrics = [{"metric": {"id": 1}, "used": 1}, {"metric": "storage", **storage}]
    body = {"id": {"n": 1}, "name": "A", "metrics": metrics, "plan": {"name": "pro", "seats": [1, 2]}}
    usage = Account(session=LiteralSession(body)).get_account()
    assert usage["id"].tolist() == [{"n": 1}] * 2
    assert usage["used.data"].fillna(0).tolist() == [0, 5]
    assert usage["share"].isna().tolist() == [True, True]
    assert usage[["plan.name", "limit"]].iloc[1].tolist() == ["pro", 10.0]
    assert usage["plan.seats"].tolist() == ["[1, 2]"] * 2


def test_the_dtypes_are_the_same_with_and_without_metrics() -> None:
    full, bare = (Account(session=LiteralSession({"name": "A", **m})).get_account() for m in ({"metrics": METRICS}, {}))
    pd.testing.assert_series_equal(full.dtypes, bare.dtypes)
    assert full.dtypes["used"] == "Float64"


def test_the_dict_is_the_response() -> None:
    account = {"id": 1, "metrics": METRICS, "odd": [1]}
    assert Account(session=LiteralSession({"success": True, "result": account})).get_account("dict") == account


@pytest.mark.parametrize("body", [[], [{}, {}], 5, "x", None])
def test_a_response_that_is_no_account_is_refused(body: Any) -> None:
    with pytest.raises((ProtocolError, LookupError)):
        Account(session=LiteralSession(body)).get_account()


EVENTS = {
    "users": {"user_id": 5, "email_address": "a@b.example", "date": "2026-01-02T03:04:05+01:00", "action": "login"},
    "dashboards": {"dashboard_id": 7, "name": "Sales", "date": "2026-01-02T03:04:05+01:00", "views": 4},
}


@pytest.mark.parametrize("entity", EVENTS)
@pytest.mark.parametrize("shape", wrapped([], "x"))
def test_activity_is_read_in_every_likely_shape(entity: Any, shape: str) -> None:
    event = {**EVENTS[entity], "more": "said"}
    body = wrapped([event], entity)[shape.replace("under x", f"under {entity}")]
    session = LiteralSession(body)
    activity = Account(session=session).get_account_activity(entity)
    assert session.calls() == [f"GET /account/activity/{entity}"]
    assert list(activity.columns) == list(event)
    assert activity["date"].iloc[0] == pd.Timestamp("2026-01-02T02:04:05Z")
    assert Account(session=LiteralSession(body)).get_account_activity(entity, "dict") == [event]


@pytest.mark.parametrize("entity", EVENTS)
def test_empty_activity_keeps_columns_and_dtypes(entity: Any) -> None:
    empty = Account(session=LiteralSession({entity: []})).get_account_activity(entity)
    full = Account(session=LiteralSession({entity: [EVENTS[entity]]})).get_account_activity(entity)
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_only_a_value_of_another_type_is_missing() -> None:
    odd = {"dashboard_id": "x", "name": "Sales", "date": "soon", "views": 4}
    activity = Account(session=LiteralSession({"dashboards": [odd]})).get_account_activity("dashboards")
    assert activity[["dashboard_id", "date"]].isna().all(axis=None)
    assert activity[["name", "views"]].to_numpy().tolist() == [["Sales", 4]]


@pytest.mark.parametrize("entity", ["user", "", None, "teams", 1])
def test_an_unknown_entity_is_refused_before_any_request(entity: Any) -> None:
    session = LiteralSession({})
    with pytest.raises(InputError, match="entity"):
        Account(session=session).get_account_activity(entity)
    assert session.asked == []


def test_on_the_sandbox(session: Session) -> None:
    usage = Account().get_account().set_index("metric")["used"]
    assert usage["users"] > 0
    before = Account().get_account_activity("dashboards")["views"].sum()
    from pandas_clicdata.endpoints.dashboard import Dashboard

    rec_id = int(Dashboard().get_dashboard()["rec_id"].iloc[0])
    Dashboard().get_dashboard_thumbnail(rec_id=rec_id)
    assert Account().get_account_activity("dashboards")["views"].sum() == before + 1
    assert list(Account().get_account_activity().columns) == ["user_id", "email_address", "date", "action"]


@pytest.mark.parametrize(
    ("answer", "used"),
    [
        ({"name": "Acme", "users": 3, "rows": 12.5}, {"users": 3, "rows": 12.5}),
        ({"name": "Acme", "usage": {"rows": 12, "users": {"used": 3, "limit": 5}}}, {"rows": 12, "users": 3}),
        ({"name": "Acme", "metrics": [{"name": "rows", "used": 12}]}, {"rows": 12}),
        ({"name": "Acme", "metrics": {"rows": {"used": 12, "limit": 20}}}, {"rows": 12}),
    ],
)
def test_usage_is_found_in_every_likely_shape(answer: dict[str, object], used: dict[str, float]) -> None:
    frame = Account(session=LiteralSession({**answer, "plan": "Pro"})).get_account()
    assert dict(zip(frame["metric"], frame["used"], strict=True)) == used
    assert set(frame["plan"]) == {"Pro"}
    assert set(frame["name"]) == {"Acme"}
