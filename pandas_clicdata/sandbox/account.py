"""The dashboards, schedules and limits of the account. No HTTP."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from pandas_clicdata.sandbox.answers import Refusal
from pandas_clicdata.sandbox.store import timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from pandas_clicdata.sandbox.answers import Settings
    from pandas_clicdata.sandbox.database import Database
    from pandas_clicdata.sandbox.people import People
    from pandas_clicdata.sandbox.store import Store

# The limits of the account. The numbers are invented.
_LIMITS = {"users": 25, "dashboards": 50, "rows": 10_000_000, "storage": 2**30, "refreshes": 1_000}
_SCHEMA = """
CREATE TABLE dashboard (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL,
    creation_date TEXT NOT NULL, last_update_date TEXT NOT NULL, chart TEXT NOT NULL
);
CREATE TABLE view (
    dashboard_id INTEGER NOT NULL, name TEXT NOT NULL, day TEXT NOT NULL, date TEXT NOT NULL,
    views INTEGER NOT NULL, PRIMARY KEY (dashboard_id, day)
);
CREATE TABLE schedule (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL,
    enabled INTEGER NOT NULL, frequency TEXT NOT NULL, tasks TEXT NOT NULL
);
CREATE TABLE run (
    id INTEGER PRIMARY KEY, schedule_id INTEGER NOT NULL, began REAL NOT NULL, outcome TEXT NOT NULL
);
INSERT INTO sqlite_sequence (name, seq) VALUES ('dashboard', 2000), ('schedule', 3000);
"""


class Dashboard(NamedTuple):
    """A dashboard and the definition of its one chart."""

    id: int
    name: str
    description: str
    creation_date: str
    last_update_date: str
    chart: dict[str, Any]


class Account:
    """Dashboards, schedules, and the usage of the account."""

    def __init__(self, database: Database, store: Store, people: People, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._people = people
        self._settings = settings
        if database.is_new:
            database.create(_SCHEMA)

    def metrics(self) -> dict[str, dict[str, int]]:
        """Return usage and limit of each metric."""
        used = {
            "users": len(self._people.users()),
            "dashboards": len(self.dashboards()),
            "rows": self._store.row_total(),
            "storage": self._store.bytes_total(),
            "refreshes": len(self._store.refreshes()),
        }
        limits = dict(_LIMITS)
        if self._settings.row_limit is not None:
            limits["rows"] = self._settings.row_limit
        if self._settings.refresh_limit is not None:
            limits["refreshes"] = self._settings.refresh_limit
        return {name: {"used": count, "limit": limits[name]} for name, count in used.items()}

    # -- dashboards -------------------------------------------------------------------

    def create_dashboard(self, name: str, description: str, chart: dict[str, Any]) -> int:
        """Create a dashboard and return its id."""
        now = timestamp(datetime.now(timezone.utc))
        return self._database.insert(
            "dashboard",
            name=name,
            description=description,
            creation_date=now,
            last_update_date=now,
            chart=json.dumps(chart),
        )

    def dashboards(self) -> list[Dashboard]:
        """Return all dashboards in the order in which they were created."""
        return [_dashboard(row) for row in self._database.all("dashboard")]

    def dashboard(self, dashboard_id: int) -> Dashboard:
        """Return a dashboard, or raise a 404."""
        return _dashboard(self._database.one("dashboard", dashboard_id))

    def record_view(self, dashboard: Dashboard) -> None:
        """Count a view of a dashboard."""
        now = datetime.now(timezone.utc)
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO view (dashboard_id, name, day, date, views) VALUES (?, ?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET views = views + 1, date = excluded.date",
                (dashboard.id, dashboard.name, now.date().isoformat(), timestamp(now)),
            )

    def views(self) -> list[dict[str, Any]]:
        """Return the views of each dashboard and day, with the date of the last view."""
        with self._database.transaction() as db:
            found = db.execute("SELECT dashboard_id, name, date, views FROM view ORDER BY day, dashboard_id")
            return [dict(row) for row in found]

    # -- schedules --------------------------------------------------------------------

    def create_schedule(
        self, name: str, description: str, frequency: str, tasks: Sequence[dict[str, Any]], *, enabled: bool
    ) -> int:
        """Create a schedule and return its id."""
        return self._database.insert(
            "schedule",
            name=name,
            description=description,
            enabled=enabled,
            frequency=frequency,
            tasks=json.dumps(tasks),
        )

    def schedules(self) -> list[dict[str, Any]]:
        """Return all schedules as the API shows them."""
        return [self._schedule(row) for row in self._database.all("schedule")]

    def schedule(self, schedule_id: int) -> dict[str, Any]:
        """Return a schedule, or raise a 404."""
        return self._schedule(self._database.one("schedule", schedule_id))

    def trigger(self, schedule_id: int) -> None:
        """Run a schedule now. Its tasks end at once; its status stays "running" for some seconds."""
        outcome = "succeeded"
        for task in self.schedule(schedule_id)["tasks"]:
            try:
                self._run_task(task)
            except Refusal:
                outcome = "failed"
                break
        self.record_run(schedule_id, outcome)

    def record_run(self, schedule_id: int, outcome: str, *, began: float | None = None) -> None:
        """Record a run of a schedule; by default it begins now."""
        began = time.time() if began is None else began
        self._database.insert("run", schedule_id=schedule_id, began=began, outcome=outcome)

    def runs(self, schedule_id: int) -> list[str]:
        """Return the outcomes of a schedule's runs, oldest first."""
        with self._database.transaction() as db:
            found = db.execute("SELECT outcome FROM run WHERE schedule_id = ? ORDER BY id", (schedule_id,))
            return [row["outcome"] for row in found]

    def _run_task(self, task: dict[str, Any]) -> None:
        if task["type"] == "refresh":
            self._store.refresh(task["rec_id"], task["mode"], self._settings.refresh_limit)
        else:  # a snapshot only needs its dashboard
            self.dashboard(task["dashboard_id"])

    def _schedule(self, row: sqlite3.Row) -> dict[str, Any]:
        with self._database.transaction() as db:
            last = db.execute(
                "SELECT began, outcome FROM run WHERE schedule_id = ? ORDER BY id DESC LIMIT 1", (row["id"],)
            ).fetchone()
        shown: dict[str, Any] = {"last_run_date": None, "last_status": None}
        if last is not None:
            running = time.time() < last["began"] + self._settings.schedule_seconds
            shown["last_run_date"] = timestamp(datetime.fromtimestamp(last["began"], timezone.utc))
            shown["last_status"] = "running" if running else last["outcome"]
        enabled = bool(row["enabled"])
        return {
            "id": row["id"],
            "name": row["name"],
            "description": row["description"],
            "enabled": enabled,
            "frequency": row["frequency"],
            **shown,
            "next_run_date": timestamp(next_run(row["frequency"], datetime.now(timezone.utc))) if enabled else None,
            "tasks": json.loads(row["tasks"]),
        }


def next_run(frequency: str, now: datetime) -> datetime:
    """Return when a schedule runs next: at 6:00 of each day, Monday or first of the month."""
    found = now.replace(hour=6, minute=0, second=0, microsecond=0)
    while (
        found <= now or (frequency == "weekly" and found.weekday() != 0) or (frequency == "monthly" and found.day != 1)
    ):
        found += timedelta(days=1)
    return found


def _dashboard(row: sqlite3.Row) -> Dashboard:
    return Dashboard(**{**dict(row), "chart": json.loads(row["chart"])})
