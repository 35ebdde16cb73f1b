"""One SQLite database, used by one thread at a time."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pandas_clicdata.sandbox.answers import not_found

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Database:
    """One SQLite database, used by one thread at a time."""

    def __init__(self, path: str | Path | None) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            ":memory:" if path is None else str(path), isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
        )
        self.is_new = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0

    def create(self, schema: str) -> None:
        """Create the tables."""
        with self.transaction() as connection:
            for statement in schema.split(";\n"):
                connection.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all or nothing; a transaction inside another is a part of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.commit()
            except BaseException:
                self._connection.rollback()  # else later transactions would be parts of this one
                raise

    def insert(self, table: str, **fields: object) -> int:
        """Insert a row and return its id."""
        names, values = ", ".join(fields), ", ".join(f":{name}" for name in fields)
        with self.transaction() as connection:
            cursor = connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", fields)  # noqa: S608
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def all(self, table: str, key: str = "id") -> list[sqlite3.Row]:
        """Return the rows of a table in the order in which they were added."""
        with self.transaction() as connection:
            return connection.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall()  # noqa: S608

    def one(self, table: str, value: int, key: str = "id") -> sqlite3.Row:
        """Return the row with this id, or raise a 404."""
        with self.transaction() as connection:
            row = connection.execute(f"SELECT * FROM {table} WHERE {key} = ?", (value,)).fetchone()  # noqa: S608
        if row is None:
            raise not_found(f"{table.replace('_', ' ')} {value}")
        found: sqlite3.Row = row
        return found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
