"""What is stored of dashboards, schedules and the account itself. No HTTP."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from pandas_clicdata.sandbox.answers import Refusal, not_found
from pandas_clicdata.sandbox.store import timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from pandas_clicdata.sandbox.answers import Settings
    from pandas_clicdata.sandbox.people import People
    from pandas_clicdata.sandbox.store import Database, Store

# What is counted in an account, and how much of it this one may have. The numbers are the sandbox's own.
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
    """A dashboard, and what its one chart shows."""

    id: int
    name: str
    description: str
    creation_date: str
    last_update_date: str
    chart: dict[str, Any]


class Account:
    """Dashboards, schedules, and what the account uses up."""

    def __init__(self, database: Database, store: Store, people: People, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._people = people
        self._settings = settings
        if database.is_new:
            database.create(_SCHEMA)

    def metrics(self) -> dict[str, dict[str, int]]:
        """What is used, and how much there may be of it."""
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

    # -- dashboards ---------------------------------------------------------------------------------------

    def create_dashboard(self, name: str, description: str, chart: dict[str, Any]) -> int:
        """A new dashboard; its id."""
        now = timestamp(datetime.now(timezone.utc))
        with self._database.transaction() as db:
            cursor = db.execute(
                "INSERT INTO dashboard (name, description, creation_date, last_update_date, chart)"
                " VALUES (?, ?, ?, ?, ?)",
                (name, description, now, now, json.dumps(chart)),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def dashboards(self) -> list[Dashboard]:
        """All of them, in the order they were made."""
        with self._database.transaction() as db:
            return [_dashboard(row) for row in db.execute("SELECT * FROM dashboard ORDER BY id")]

    def dashboard(self, dashboard_id: int) -> Dashboard:
        """One of them, or a 404."""
        with self._database.transaction() as db:
            row = db.execute("SELECT * FROM dashboard WHERE id = ?", (dashboard_id,)).fetchone()
        if row is None:
            raise not_found(f"dashboard {dashboard_id}")
        return _dashboard(row)

    def note_view(self, dashboard: Dashboard) -> None:
        """Count that somebody looked."""
        now = datetime.now(timezone.utc)
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO view (dashboard_id, name, day, date, views) VALUES (?, ?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET views = views + 1, date = excluded.date",
                (dashboard.id, dashboard.name, now.date().isoformat(), timestamp(now)),
            )

    def views(self) -> list[dict[str, Any]]:
        """How often each dashboard was looked at, day by day; the date is that of the last look."""
        with self._database.transaction() as db:
            found = db.execute("SELECT dashboard_id, name, date, views FROM view ORDER BY day, dashboard_id")
            return [dict(row) for row in found]

    # -- schedules ----------------------------------------------------------------------------------------

    def create_schedule(
        self, name: str, description: str, frequency: str, tasks: Sequence[dict[str, Any]], *, enabled: bool
    ) -> int:
        """A new schedule; its id."""
        with self._database.transaction() as db:
            cursor = db.execute(
                "INSERT INTO schedule (name, description, enabled, frequency, tasks) VALUES (?, ?, ?, ?, ?)",
                (name, description, enabled, frequency, json.dumps(tasks)),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def schedules(self) -> list[dict[str, Any]]:
        """All of them, as the API shows them."""
        with self._database.transaction() as db:
            found = db.execute("SELECT * FROM schedule ORDER BY id").fetchall()
            return [self._schedule(row) for row in found]

    def schedule(self, schedule_id: int) -> dict[str, Any]:
        """One of them, or a 404."""
        with self._database.transaction() as db:
            row = db.execute("SELECT * FROM schedule WHERE id = ?", (schedule_id,)).fetchone()
            if row is None:
                raise not_found(f"schedule {schedule_id}")
            return self._schedule(row)

    def trigger(self, schedule_id: int) -> None:
        """Run a schedule now. Its tasks are done at once; it is seen to run for a while longer."""
        outcome = "succeeded"
        for task in self.schedule(schedule_id)["tasks"]:
            try:
                self._do(task)
            except Refusal:
                outcome = "failed"
                break
        self.note_run(schedule_id, outcome)

    def note_run(self, schedule_id: int, outcome: str, *, began: float | None = None) -> None:
        """Keep that a schedule ran; now, when no other time is given."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO run (schedule_id, began, outcome) VALUES (?, ?, ?)",
                (schedule_id, time.time() if began is None else began, outcome),
            )

    def runs(self, schedule_id: int) -> list[str]:
        """The outcomes of a schedule's runs, oldest first."""
        with self._database.transaction() as db:
            found = db.execute("SELECT outcome FROM run WHERE schedule_id = ? ORDER BY id", (schedule_id,))
            return [row["outcome"] for row in found]

    def _do(self, task: dict[str, Any]) -> None:
        if task["type"] == "refresh":
            self._store.refresh(task["rec_id"], task["mode"], self._settings.refresh_limit)
        else:  # a snapshot: all there is to it here is that the dashboard exists
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
    """When a schedule runs next: at six in the morning of each day, Monday or first of the month."""
    found = now.replace(hour=6, minute=0, second=0, microsecond=0)
    while (
        found <= now or (frequency == "weekly" and found.weekday() != 0) or (frequency == "monthly" and found.day != 1)
    ):
        found += timedelta(days=1)
    return found


def _dashboard(row: sqlite3.Row) -> Dashboard:
    return Dashboard(**{**dict(row), "chart": json.loads(row["chart"])})
