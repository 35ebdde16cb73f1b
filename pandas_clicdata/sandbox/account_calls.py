"""The endpoints under ``/account``, ``/dashboard`` and ``/schedule``."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING, Any

from pandas_clicdata.sandbox.answers import Answer, done, listing, rule, value

if TYPE_CHECKING:
    from pandas_clicdata.sandbox.account import Account, Dashboard
    from pandas_clicdata.sandbox.answers import Call
    from pandas_clicdata.sandbox.people import People
    from pandas_clicdata.sandbox.store import Store

_NAME = "Sandbox Trading"
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = {"daily": [*_WEEK], "weekly": ["monday"], "monthly": [1]}  # C: the form of a rich frequency (O18)
_THUMBNAIL = (320, 200)  # pixels
_SNAPSHOT = (1200, 750)


class AccountCalls:
    """The calls about the account, its dashboards and schedules."""

    def __init__(self, account: Account, people: People, store: Store) -> None:
        self._account = account
        self._people = people
        self._store = store

    def metrics(self, call: Call) -> Answer:
        """``GET /account``."""
        metrics = self._account.metrics()
        modern = {"id": 1, "name": _NAME, "domain": "sandbox.example.com", "metrics": metrics}
        return value(call, {"name": _NAME, "metrics": metrics}, modern)

    def user_activity(self, call: Call) -> Answer:
        """``GET /account/activity/users``."""
        return listing(call, "users", self._people.activity(), counted=True)

    def dashboard_activity(self, call: Call) -> Answer:
        """``GET /account/activity/dashboards``."""
        return listing(call, "dashboards", self._account.views(), counted=True)

    # -- dashboards -------------------------------------------------------------------

    def dashboards(self, call: Call) -> Answer:
        """``GET /dashboard``."""
        name, with_picture = call.text("name"), call.flag("includethumbnail")
        found = [
            self._shown(dashboard, with_picture=bool(with_picture))
            for dashboard in self._account.dashboards()
            if name is None or name.lower() in dashboard.name.lower()
        ]
        return listing(call, "dashboards", found, counted=False)

    def thumbnail(self, call: Call, dashboard_id: int) -> Answer:
        """``GET /dashboard/{id}/thumbnail``."""
        return self._view(call, dashboard_id, _THUMBNAIL)

    def snapshot(self, call: Call, dashboard_id: int) -> Answer:
        """``GET /dashboard/{id}/snapshot``."""
        return self._view(call, dashboard_id, _SNAPSHOT)

    def _view(self, call: Call, dashboard_id: int, size: tuple[int, int]) -> Answer:
        dashboard = self._account.dashboard(dashboard_id)
        text = self._picture(dashboard, size)
        self._account.record_view(dashboard)
        if call.caller.username is not None:
            self._people.record(call.caller.username, f'viewed dashboard "{dashboard.name}"')
        if call.modern:
            return value(call, text)
        return Answer(body=text.encode(), content_type="text/plain; charset=utf-8")  # C: the content type

    def _shown(self, dashboard: Dashboard, *, with_picture: bool) -> dict[str, Any]:
        shown = dashboard._asdict()
        del shown["chart"]
        if with_picture:
            shown["thumbnail"] = self._picture(dashboard, _THUMBNAIL)
        return shown

    def _picture(self, dashboard: Dashboard, size: tuple[int, int]) -> str:
        from pandas_clicdata.sandbox.pictures import chart_of, draw  # needs Pillow

        chart = chart_of(self._store, dashboard.name, dashboard.chart)
        return base64.b64encode(draw(chart, *size)).decode()

    # -- schedules --------------------------------------------------------------------

    def schedules(self, call: Call) -> Answer:
        """``GET /schedule``."""
        found = [_with_shape(call, schedule) for schedule in self._account.schedules()]
        return listing(call, "schedules", found, counted=False)

    def schedule(self, call: Call, schedule_id: int) -> Answer:
        """``GET /schedule/{id}``."""
        found = _with_shape(call, self._account.schedule(schedule_id))
        return value(call, {"schedules": [found]}, found)  # C: the wrapping of one schedule

    def trigger(self, call: Call, schedule_id: int) -> Answer:
        """``POST /schedule/{id}/trigger``."""
        self._account.trigger(schedule_id)
        return done(call)


def _with_shape(call: Call, schedule: dict[str, Any]) -> dict[str, Any]:
    if call.settings.switches.shapes == "plain":
        return schedule
    frequency = {"days": _DAYS[schedule["frequency"]], "times": ["06:00"], "time_zone": "UTC"}
    return {**schedule, "frequency": frequency}


_rule = partial(rule, AccountCalls)
RULES = [
    _rule("GET", "/account", AccountCalls.metrics, "account_read"),
    _rule("GET", "/account/activity/users", AccountCalls.user_activity, "account_read"),
    _rule("GET", "/account/activity/dashboards", AccountCalls.dashboard_activity, "account_read"),
    _rule("GET", "/dashboard", AccountCalls.dashboards, "dashboard_read"),
    _rule("GET", "/dashboard/{dashboard_id}/thumbnail", AccountCalls.thumbnail, "dashboard_read"),
    _rule("GET", "/dashboard/{dashboard_id}/snapshot", AccountCalls.snapshot, "dashboard_read"),
    _rule("GET", "/schedule", AccountCalls.schedules, "schedule_read"),
    _rule("GET", "/schedule/{schedule_id}", AccountCalls.schedule, "schedule_read"),
    _rule("POST", "/schedule/{schedule_id}/trigger", AccountCalls.trigger, "schedule_write"),
]
