"""What is stored: data sets, their rows, versions and refreshes, in SQLite. No HTTP.

A row is the JSON text of an object with every column in its place, so numbers keep all their digits and a
page of rows is those texts joined. A row is never changed: it lives from the version it was born in to the
one it died in, which is why reading an old version needs nothing but a filter.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pandas_clicdata.sandbox.answers import Refusal, not_found
from pandas_clicdata.sandbox.cells import Key, key
from pandas_clicdata.sandbox.rows import Column, row_text, row_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# Ids of different things don't overlap, so that one taken for another is noticed.
_SCHEMA = """
CREATE TABLE data_set (
    rec_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL,
    columns TEXT NOT NULL, source TEXT NOT NULL, unique_key TEXT, refreshable INTEGER NOT NULL,
    history INTEGER NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
    row_count INTEGER NOT NULL DEFAULT 0, next_position INTEGER NOT NULL DEFAULT 1,
    version INTEGER NOT NULL DEFAULT 0, has_gaps INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE stored_row (
    rec_id INTEGER NOT NULL, position INTEGER NOT NULL, born INTEGER NOT NULL, died INTEGER,
    body TEXT NOT NULL, PRIMARY KEY (rec_id, position, born)
) WITHOUT ROWID;
CREATE TABLE source_row (
    rec_id INTEGER NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (rec_id, position)
) WITHOUT ROWID;
CREATE TABLE version (
    rec_id INTEGER NOT NULL, version INTEGER NOT NULL, date TEXT NOT NULL, row_count INTEGER NOT NULL,
    PRIMARY KEY (rec_id, version)
) WITHOUT ROWID;
CREATE TABLE refresh (id INTEGER PRIMARY KEY, rec_id INTEGER NOT NULL, word TEXT NOT NULL, date TEXT NOT NULL);
INSERT INTO sqlite_sequence (name, seq) VALUES ('data_set', 1000);
"""
_ALIVE = """
SELECT position, CAST(body AS BLOB) FROM stored_row
WHERE rec_id = :rec_id AND born <= :version AND (died IS NULL OR died > :version)
    AND position > :above AND position <= :upto
ORDER BY position LIMIT :count OFFSET :skip
"""
_END = 2**62
_CREATION_ZONE = timezone(timedelta(hours=2))  # the service was seen to mix offsets from field to field


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
        # Whether nothing was ever stored here.
        self.is_new = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0

    def create(self, schema: str) -> None:
        """Make the tables."""
        with self.transaction() as connection:
            for statement in schema.split(";\n"):
                connection.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; a transaction inside another is a part of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


@dataclass(frozen=True)
class DataSet:
    """A data set without its rows."""

    rec_id: int
    name: str
    description: str
    columns: tuple[Column, ...]
    source: str
    unique_key: str | None
    refreshable: bool
    history: bool
    created: str
    updated: str
    row_count: int
    next_position: int
    version: int
    has_gaps: bool


class Store:
    """The data sets of the account."""

    def __init__(self, database: Database, *, row_limit: int | None = None) -> None:
        self._database = database
        self._row_limit = row_limit
        if database.is_new:
            database.create(_SCHEMA)

    # -- data sets ----------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        description: str,
        columns: Sequence[Column],
        *,
        history: bool,
        source: str = "api",
        unique_key: str | None = None,
        refreshable: bool = False,
    ) -> int:
        """A new, empty data set; its ``rec_id``."""
        now = datetime.now(timezone.utc)
        with self._database.transaction() as db:
            if db.execute("SELECT 1 FROM data_set WHERE name = ?", (name,)).fetchone():
                raise Refusal(409, "DuplicateName", f'A data set named "{name}" exists already.')
            cursor = db.execute(
                "INSERT INTO data_set (name, description, columns, source, unique_key, refreshable, history,"
                " created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    description,
                    json.dumps(columns),
                    source,
                    unique_key,
                    refreshable,
                    history,
                    timestamp(now.astimezone(_CREATION_ZONE)),
                    timestamp(now),
                ),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def data_sets(self) -> list[DataSet]:
        """All of them, in the order they were made."""
        with self._database.transaction() as db:
            return [_data_set(row) for row in db.execute("SELECT * FROM data_set ORDER BY rec_id")]

    def data_set(self, rec_id: int) -> DataSet:
        """One of them, or a 404."""
        with self._database.transaction() as db:
            row = db.execute("SELECT * FROM data_set WHERE rec_id = ?", (rec_id,)).fetchone()
        if row is None:
            raise not_found(f"data set {rec_id}")
        return _data_set(row)

    # -- reading ------------------------------------------------------------------------------------------

    def rows(
        self, rec_id: int, start: int = 0, count: int | None = None, version: int | None = None
    ) -> tuple[list[bytes], int]:
        """Rows of now or of a version, and how many there are in all."""
        with self._database.transaction() as db:
            data_set = self.data_set(rec_id)
            total = data_set.row_count if version is None else self._version_count(data_set, version)
            at = data_set.version if version is None else version
            stop = total if count is None else start + count
            if data_set.has_gaps:
                found = _alive(db, rec_id, at, skip=start, count=stop - start)
            else:  # the n-th row stands at position n, however long the table is
                found = _alive(db, rec_id, at, above=start, upto=stop)
            return [body for _, body in found], total

    def versions(self, rec_id: int) -> list[dict[str, Any]]:
        """The stored versions, oldest first."""
        with self._database.transaction() as db:
            self._check_history(self.data_set(rec_id))
            found = db.execute(
                "SELECT version, date, row_count FROM version WHERE rec_id = ? ORDER BY version", (rec_id,)
            )
            return [dict(row) for row in found]

    def _version_count(self, data_set: DataSet, version: int) -> int:
        self._check_history(data_set)
        with self._database.transaction() as db:
            found = db.execute(
                "SELECT row_count FROM version WHERE rec_id = ? AND version = ?", (data_set.rec_id, version)
            ).fetchone()
        if found is None:
            raise not_found(f"version {version} of data set {data_set.rec_id}")
        return int(found[0])

    def _check_history(self, data_set: DataSet) -> None:
        if not data_set.history:
            raise Refusal(400, "DataHistoryOff", f"Data History is not switched on for data set {data_set.rec_id}.")

    def row_total(self) -> int:
        """The rows of all data sets together."""
        with self._database.transaction() as db:
            return int(db.execute("SELECT coalesce(sum(row_count), 0) FROM data_set").fetchone()[0])

    def bytes_total(self) -> int:
        """How much the stored rows weigh."""
        with self._database.transaction() as db:
            return int(db.execute("SELECT coalesce(sum(length(body)), 0) FROM stored_row").fetchone()[0])

    # -- writing ------------------------------------------------------------------------------------------

    def append(self, rec_id: int, texts: Sequence[bytes]) -> int:
        """Add rows at the end; how many."""
        with self._database.transaction() as db:
            data_set = self.data_set(rec_id)
            if self._row_limit is not None and self.row_total() + len(texts) > self._row_limit:
                raise Refusal(
                    429, "QuotaExceeded", f"The account holds at most {self._row_limit} rows; none was added."
                )
            if not texts:
                return 0
            first = data_set.next_position
            db.executemany(
                "INSERT INTO stored_row (rec_id, position, born, body) VALUES (?, ?, ?, ?)",
                zip(
                    repeat(rec_id),
                    range(first, first + len(texts)),
                    repeat(data_set.version + 1),
                    map(bytes.decode, texts),
                ),
            )
            self._written(data_set, added=len(texts))
            return len(texts)

    def delete(self, rec_id: int, find: Mapping[str, bytes], *, first_only: bool) -> int:
        """Delete the rows whose values equal those of ``find``; how many."""
        with self._database.transaction():
            data_set = self.data_set(rec_id)
            found = self._matching(data_set, find, first_only=first_only)
            if found:
                self._bury(data_set, [position for position, _ in found])
                self._written(data_set, removed=len(found))
            return len(found)

    def update(self, rec_id: int, find: Mapping[str, bytes], values: Mapping[str, bytes], *, first_only: bool) -> int:
        """Set the values in the rows that equal ``find``; how many rows."""
        with self._database.transaction():
            data_set = self.data_set(rec_id)
            found = self._matching(data_set, find, first_only=first_only)
            if found:
                self._replace(data_set, [(position, {**row, **values}) for position, row in found])
                self._written(data_set)
            return len(found)

    def _matching(
        self, data_set: DataSet, find: Mapping[str, bytes], *, first_only: bool
    ) -> list[tuple[int, dict[str, bytes]]]:
        types = dict(data_set.columns)
        wanted: dict[str, Key] = {name: key(types[name], value) for name, value in find.items()}
        found = []
        for position, row in self._alive(data_set):
            if all(key(types[name], row[name]) == value for name, value in wanted.items()):
                found.append((position, row))
                if first_only:
                    break
        return found

    def _alive(self, data_set: DataSet) -> Iterator[tuple[int, dict[str, bytes]]]:
        with self._database.transaction() as db:
            alive = _alive(db, data_set.rec_id, data_set.version)
        for position, body in alive:
            yield position, row_values(body)

    def _bury(self, data_set: DataSet, positions: Sequence[int]) -> None:
        with self._database.transaction() as db:
            if data_set.history:
                db.executemany(
                    "UPDATE stored_row SET died = ? WHERE rec_id = ? AND position = ? AND died IS NULL",
                    zip(repeat(data_set.version + 1), repeat(data_set.rec_id), positions),
                )
            else:
                db.executemany(
                    "DELETE FROM stored_row WHERE rec_id = ? AND position = ?",
                    zip(repeat(data_set.rec_id), positions),
                )

    def _replace(self, data_set: DataSet, rows: Sequence[tuple[int, Mapping[str, bytes]]]) -> None:
        """Put other values at the same positions."""
        self._bury(data_set, [position for position, _ in rows])
        with self._database.transaction() as db:
            db.executemany(
                "INSERT INTO stored_row (rec_id, position, born, body) VALUES (?, ?, ?, ?)",
                [
                    (data_set.rec_id, position, data_set.version + 1, row_text(row, data_set.columns).decode())
                    for position, row in rows
                ],
            )

    def _written(self, data_set: DataSet, *, added: int = 0, removed: int = 0) -> None:
        """Close a write: it makes a version, and where Data History is on, one that can be read."""
        now = timestamp(datetime.now(timezone.utc))
        row_count = data_set.row_count + added - removed
        with self._database.transaction() as db:
            db.execute(
                "UPDATE data_set SET updated = ?, row_count = ?, next_position = next_position + ?,"
                " version = version + 1, has_gaps = has_gaps OR ? WHERE rec_id = ?",
                (now, row_count, added, removed > 0, data_set.rec_id),
            )
            if data_set.history:
                db.execute(
                    "INSERT INTO version VALUES (?, ?, ?, ?)",
                    (data_set.rec_id, data_set.version + 1, now, row_count),
                )

    # -- refreshing from the source -----------------------------------------------------------------------

    def set_source(self, rec_id: int, texts: Sequence[bytes]) -> None:
        """The rows a refresh will find at the source of the data set."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM source_row WHERE rec_id = ?", (rec_id,))
            db.executemany(
                "INSERT INTO source_row VALUES (?, ?, ?)",
                [(rec_id, position, text.decode()) for position, text in enumerate(texts)],
            )

    def refresh(self, rec_id: int, word: str, limit: int | None = None) -> None:
        """Refresh from the source, by one of the words of the API; a static data set stays as it is."""
        with self._database.transaction() as db:
            data_set = self.data_set(rec_id)
            if limit is not None and len(self.refreshes()) >= limit:
                raise Refusal(429, "QuotaExceeded", f"The account's {limit} refreshes are used up.")
            db.execute(
                "INSERT INTO refresh (rec_id, word, date) VALUES (?, ?, ?)",
                (rec_id, word, timestamp(datetime.now(timezone.utc))),
            )
            if not data_set.refreshable:
                return
            source = [
                row[0]
                for row in db.execute(
                    "SELECT CAST(body AS BLOB) FROM source_row WHERE rec_id = ? ORDER BY position", (rec_id,)
                )
            ]
            if word == "append":
                self.append(rec_id, source)
            elif word in ("update", "updateappend"):
                self._merge(data_set, source, add_rest=word == "updateappend")
            else:  # reload, rebuild, recreate: the source's rows in place of these
                alive = [position for position, _ in self._alive(data_set)]
                self._bury(data_set, alive)
                self._written(data_set, removed=len(alive))
                self.append(rec_id, source)

    def _merge(self, data_set: DataSet, source: Sequence[bytes], *, add_rest: bool) -> None:
        if data_set.unique_key is None:
            raise Refusal(400, "NoUniqueKey", f"Data set {data_set.rec_id} has no unique key to update by.")
        name = data_set.unique_key
        data_type = dict(data_set.columns)[name]
        position_of = {key(data_type, row[name]): position for position, row in self._alive(data_set)}
        updated, rest = [], []
        for text in source:
            row = row_values(text)
            position = position_of.get(key(data_type, row[name]))
            if position is None:
                rest.append(text)
            else:
                updated.append((position, row))
        if updated:
            self._replace(data_set, updated)
            self._written(data_set)
        if add_rest:
            self.append(data_set.rec_id, rest)

    def refreshes(self, rec_id: int | None = None) -> list[str]:
        """The words by which data sets were refreshed, oldest first."""
        with self._database.transaction() as db:
            found = db.execute("SELECT rec_id, word FROM refresh ORDER BY id").fetchall()
        return [row["word"] for row in found if rec_id in (None, row["rec_id"])]


def _alive(
    db: sqlite3.Connection,
    rec_id: int,
    version: int,
    *,
    above: int = 0,
    upto: int = _END,
    skip: int = 0,
    count: int = -1,
) -> list[tuple[int, bytes]]:
    """Position and text of the rows that lived in a version."""
    limits = {"above": above, "upto": upto, "skip": skip, "count": count}
    found = db.execute(_ALIVE, {"rec_id": rec_id, "version": version, **limits})
    return [(position, body) for position, body in found]


def timestamp(moment: datetime) -> str:
    """A moment as the service writes it: whole seconds and a numeric offset."""
    return moment.isoformat(timespec="seconds")


def _data_set(row: sqlite3.Row) -> DataSet:
    fields: dict[str, Any] = dict(row)
    columns = tuple(Column(*pair) for pair in json.loads(fields.pop("columns")))
    for name in ("refreshable", "history", "has_gaps"):
        fields[name] = bool(fields[name])
    return DataSet(columns=columns, **fields)
