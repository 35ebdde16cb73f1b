"""The users and teams of the account. No HTTP."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pandas_clicdata.sandbox.answers import Refusal, invalid, not_found
from pandas_clicdata.sandbox.store import timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from pandas_clicdata.sandbox.database import Database

LICENSES = ("viewer", "editor")  # C: the words for the two licenses
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_SCHEMA = """
CREATE TABLE user (
    id INTEGER PRIMARY KEY AUTOINCREMENT, email_address TEXT NOT NULL UNIQUE COLLATE NOCASE,
    first_name TEXT NOT NULL, last_name TEXT NOT NULL, license TEXT NOT NULL, password TEXT,
    last_login_date TEXT
);
CREATE TABLE team (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL
);
CREATE TABLE member (
    team_id INTEGER NOT NULL REFERENCES team ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES user ON DELETE CASCADE, PRIMARY KEY (team_id, user_id)
);
CREATE TABLE parameter (
    team_id INTEGER NOT NULL REFERENCES team ON DELETE CASCADE,
    name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (team_id, name)
);
CREATE TABLE login (
    id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, email_address TEXT NOT NULL, date TEXT NOT NULL,
    action TEXT NOT NULL
);
INSERT INTO sqlite_sequence (name, seq) VALUES ('team', 4000), ('user', 5000);
"""


class People:
    """The users and teams of the account."""

    def __init__(self, database: Database) -> None:
        self._database = database
        if database.is_new:
            database.create(_SCHEMA)

    # -- users ------------------------------------------------------------------------

    def users(self) -> list[dict[str, Any]]:
        """Return all users in the order in which they were created."""
        return [_user(row) for row in self._database.all("user")]

    def user(self, user_id: int) -> dict[str, Any]:
        """Return a user, or raise a 404."""
        return _user(self._database.one("user", user_id))

    def user_by_mail(self, email_address: str) -> dict[str, Any] | None:
        """Return the user with this address, or None."""
        with self._database.transaction() as db:
            row = db.execute("SELECT * FROM user WHERE email_address = ?", (email_address,)).fetchone()
        return None if row is None else _user(row)

    def create_user(
        self,
        email_address: str,
        first_name: str,
        last_name: str,
        license: str,  # noqa: A002 - the API's name
        password: str | None = None,
    ) -> int:
        """Create a user and return its id."""
        fields = {"email_address": email_address, "first_name": first_name, "last_name": last_name, "license": license}
        _check_user(fields)
        with self._database.transaction():
            self._check_free(email_address)
            hashed = None if password is None else _hashed(password)
            return self._database.insert("user", **fields, password=hashed)

    def update_user(self, user_id: int, changes: Mapping[str, str]) -> None:
        """Change some of a user's fields."""
        _check_user(changes)
        with self._database.transaction() as db:
            fields = {**self.user(user_id), **changes}
            if changes.get("email_address"):
                self._check_free(changes["email_address"], but=user_id)
            db.execute(
                "UPDATE user SET email_address = :email_address, first_name = :first_name,"
                " last_name = :last_name, license = :license WHERE id = :id",
                fields,
            )

    def delete_user(self, user_id: int) -> None:
        """Delete a user, and remove them from every team."""
        with self._database.transaction() as db:
            self.user(user_id)
            db.execute("DELETE FROM user WHERE id = ?", (user_id,))

    def set_password(self, user_id: int, password: str) -> None:
        """Set the password of a user."""
        if not password:
            raise invalid("password is empty.")
        with self._database.transaction() as db:
            self.user(user_id)
            db.execute("UPDATE user SET password = ? WHERE id = ?", (_hashed(password), user_id))

    def has_password(self, email_address: str, password: str) -> bool:
        """Whether this is the user's password."""
        with self._database.transaction() as db:
            row = db.execute("SELECT password FROM user WHERE email_address = ?", (email_address,)).fetchone()
        if row is None or row["password"] is None:
            return False
        salt = row["password"].partition("$")[0]
        return secrets.compare_digest(_hashed(password, salt), row["password"])

    def _check_free(self, email_address: str, but: int | None = None) -> None:
        found = self.user_by_mail(email_address)
        if found is not None and found["id"] != but:
            raise Refusal(409, "DuplicateUser", f"There is a user {email_address} already.")

    # -- activity ---------------------------------------------------------------------

    def record(self, email_address: str, action: str, *, login: bool = False) -> None:
        """Record an action of a user."""
        user = self.user_by_mail(email_address)
        if user is None:
            return
        now = timestamp(datetime.now(timezone.utc))
        with self._database.transaction() as db:
            self._database.insert(
                "login", user_id=user["id"], email_address=user["email_address"], date=now, action=action
            )
            if login:
                db.execute("UPDATE user SET last_login_date = ? WHERE id = ?", (now, user["id"]))

    def activity(self) -> list[dict[str, Any]]:
        """Return the actions of users, oldest first."""
        with self._database.transaction() as db:
            found = db.execute("SELECT user_id, email_address, date, action FROM login ORDER BY id")
            return [dict(row) for row in found]

    # -- teams ------------------------------------------------------------------------

    def teams(self) -> list[dict[str, Any]]:
        """Return all teams with their members and parameters."""
        with self._database.transaction() as db:
            teams = [
                {**dict(row), "users": [], "parameters": []}
                for row in db.execute("SELECT id, name, description FROM team ORDER BY id")
            ]
            by_id = {team["id"]: team for team in teams}
            for row in db.execute("SELECT team_id, user_id FROM member ORDER BY user_id"):
                by_id[row["team_id"]]["users"].append(row["user_id"])
            for row in db.execute("SELECT team_id, name, value FROM parameter ORDER BY name"):
                by_id[row["team_id"]]["parameters"].append({"name": row["name"], "value": json.loads(row["value"])})
        return teams

    def create_team(self, name: str, description: str) -> int:
        """Create a team and return its id."""
        with self._database.transaction():
            self._check_team_name(name)
            return self._database.insert("team", name=name, description=description)

    def update_team(self, team_id: int, changes: Mapping[str, str]) -> None:
        """Change a team's name or description."""
        with self._database.transaction() as db:
            fields = {**self._team(team_id), **changes}
            if "name" in changes:
                self._check_team_name(changes["name"], but=team_id)
            db.execute("UPDATE team SET name = :name, description = :description WHERE id = :id", fields)

    def delete_team(self, team_id: int) -> None:
        """Delete a team; its members stay users."""
        with self._database.transaction() as db:
            self._team(team_id)
            db.execute("DELETE FROM team WHERE id = ?", (team_id,))

    def add_member(self, team_id: int, user_id: int) -> None:
        """Add a user to a team, unless they are in it already."""
        with self._database.transaction() as db:
            self._team(team_id)
            self.user(user_id)
            db.execute("INSERT OR IGNORE INTO member (team_id, user_id) VALUES (?, ?)", (team_id, user_id))

    def remove_member(self, team_id: int, user_id: int) -> None:
        """Remove a user from a team."""
        with self._database.transaction() as db:
            self._team(team_id)
            removed = db.execute("DELETE FROM member WHERE team_id = ? AND user_id = ?", (team_id, user_id))
            if not removed.rowcount:
                raise not_found(f"user {user_id} in team {team_id}")

    def set_parameter(self, team_id: int, name: str, value: object) -> None:
        """Set a parameter of a team."""
        if not name.strip():
            raise invalid("name is empty.")
        with self._database.transaction() as db:
            self._team(team_id)
            db.execute("INSERT OR REPLACE INTO parameter VALUES (?, ?, ?)", (team_id, name, json.dumps(value)))

    def remove_parameter(self, team_id: int, name: str) -> None:
        """Remove a parameter of a team."""
        with self._database.transaction() as db:
            self._team(team_id)
            removed = db.execute("DELETE FROM parameter WHERE team_id = ? AND name = ?", (team_id, name))
            if not removed.rowcount:
                raise not_found(f'parameter "{name}" in team {team_id}')

    def _team(self, team_id: int) -> dict[str, Any]:
        return dict(self._database.one("team", team_id))

    def _check_team_name(self, name: str, but: int | None = None) -> None:
        if not name.strip():
            raise invalid("name is empty.")
        with self._database.transaction() as db:
            found = db.execute("SELECT id FROM team WHERE name = ?", (name,)).fetchone()
        if found is not None and found["id"] != but:
            raise Refusal(409, "DuplicateName", f'A team named "{name}" exists already.')


def _check_user(fields: Mapping[str, str]) -> None:
    if "email_address" in fields and not _MAIL.fullmatch(fields["email_address"]):
        raise invalid(f"{fields['email_address']!r} is not a mail address.")
    for name in ("first_name", "last_name"):
        if name in fields and not fields[name].strip():
            raise invalid(f"{name} is empty.")
    if "license" in fields and fields["license"] not in LICENSES:
        raise invalid(f"license is {' or '.join(LICENSES)}, not {fields['license']!r}.")


def _user(row: sqlite3.Row) -> dict[str, Any]:
    return {name: row[name] for name in row.keys() if name != "password"}  # noqa: SIM118 - a Row is no dict


def _hashed(password: str, salt: str | None = None) -> str:
    """Return a salted hash of a password. A fast hash is enough: it protects no real password."""
    salt = salt or secrets.token_hex(8)
    return f"{salt}${hashlib.sha256(f'{salt}{password}'.encode()).hexdigest()}"
