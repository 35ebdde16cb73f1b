"""The data sets, their rows, versions and refreshes, in SQLite. No HTTP.

A row is stored as the JSON text of an object with every column in order, so numbers keep all their digits,
and a page of rows is a join of those texts. A stored row never changes: it has the version in which it was
added (``born``) and the version in which it was removed (``died``). So a filter is enough to read an old version.
"""

from __future__ import annotations

import json
from bisect import bisect_right, insort
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pandas_clicdata.sandbox.answers import Refusal, not_found
from pandas_clicdata.sandbox.cells import Key, key
from pandas_clicdata.sandbox.rows import Column, raw_values, row_text, row_values

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from pandas_clicdata.sandbox.database import Database

# Ids of different things don't overlap, so that a test notices a mixed-up id.
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
WHERE rec_id = :rec_id AND born <= :version AND (died IS NULL OR died > :version) AND position > :above
ORDER BY position LIMIT :count OFFSET :skip
"""
_END = 2**62
_MOST_MARKED = 32  # versions whose page ends are remembered
_KEY_SEPARATOR = "\0"
_CREATION_ZONE = timezone(timedelta(hours=2))  # the service has different offsets in different fields


@dataclass(frozen=True)
class DataSet:
    """A data set without its rows."""

    rec_id: int
    name: str
    description: str
    columns: tuple[Column, ...]
    source: str
    unique_key: tuple[str, ...]
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

    def __init__(self, database: Database, *, row_limit: int | None = None, text_comparison: str = "exact") -> None:
        self._database = database
        self._row_limit = row_limit
        self._text_comparison = text_comparison
        self._marks: dict[tuple[int, int], list[tuple[int, int]]] = {}
        if database.is_new:
            database.create(_SCHEMA)

    # -- data sets --------------------------------------------------------------------

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
        rec_id: int | None = None,
    ) -> int:
        """Create an empty data set and return its ``rec_id``; by default the next free id."""
        now = datetime.now(timezone.utc)
        with self._database.transaction() as db:
            if db.execute("SELECT 1 FROM data_set WHERE name = ?", (name,)).fetchone():
                raise Refusal(409, "DuplicateName", f'A data set named "{name}" exists already.')
            return self._database.insert(
                "data_set",
                rec_id=rec_id,
                name=name,
                description=description,
                columns=json.dumps(columns),
                source=source,
                unique_key=unique_key,
                refreshable=refreshable,
                history=history,
                created=timestamp(now.astimezone(_CREATION_ZONE)),
                updated=timestamp(now),
            )

    def data_sets(self) -> list[DataSet]:
        """Return all data sets in the order in which they were created."""
        return [_data_set(row) for row in self._database.all("data_set", "rec_id")]

    def data_set(self, rec_id: int) -> DataSet:
        """Return a data set, or raise a 404."""
        return _data_set(self._database.one("data_set", rec_id, "rec_id"))

    def set_key(self, rec_id: int, names: Sequence[str]) -> None:
        """Set the key columns of a data set; an empty list removes the key."""
        with self._database.transaction() as db:
            known = dict(self.data_set(rec_id).columns)
            if unknown := [name for name in names if name not in known]:
                raise ValueError(f"Data set {rec_id} has no columns {unknown}; it has {', '.join(known)}.")
            db.execute(
                "UPDATE data_set SET unique_key = ? WHERE rec_id = ?", (_KEY_SEPARATOR.join(names) or None, rec_id)
            )

    # -- reading ----------------------------------------------------------------------

    def rows(
        self, rec_id: int, start: int = 0, count: int | None = None, version: int | None = None
    ) -> tuple[list[bytes], int]:
        """Return rows of the current state or of a version, and the number of all its rows."""
        with self._database.transaction() as db:
            data_set = self.data_set(rec_id)
            total = data_set.row_count if version is None else self._version_count(data_set, version)
            at = data_set.version if version is None else version
            stop = total if count is None else start + count
            number, position = self._nearest_mark(data_set, at, start)
            found = _alive(db, rec_id, at, above=position, skip=start - number, count=max(stop - start, 0))
            if found and data_set.has_gaps:
                end = (start + len(found), found[-1][0])
                if self._nearest_mark(data_set, at, end[0]) != end:
                    insort(self._marks[rec_id, at], end)
            return [body for _, body in found], total

    def _nearest_mark(self, data_set: DataSet, version: int, start: int) -> tuple[int, int]:
        """Return the number and position of the last known row of a version before row ``start``.

        A version never changes, so the remembered ends of its pages stay true.
        """
        if not data_set.has_gaps:
            return start, start  # the n-th row has position n
        marks = self._marks.setdefault((data_set.rec_id, version), [(0, 0)])
        if len(self._marks) > _MOST_MARKED:
            del self._marks[next(iter(self._marks))]
        return marks[bisect_right(marks, (start, _END)) - 1]

    def versions(self, rec_id: int) -> list[dict[str, Any]]:
        """Return the stored versions, oldest first."""
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
        """Return the number of rows of all data sets."""
        with self._database.transaction() as db:
            return int(db.execute("SELECT coalesce(sum(row_count), 0) FROM data_set").fetchone()[0])

    def bytes_total(self) -> int:
        """Return the size of the stored rows in bytes."""
        with self._database.transaction() as db:
            return int(db.execute("SELECT coalesce(sum(length(body)), 0) FROM stored_row").fetchone()[0])

    # -- writing ----------------------------------------------------------------------

    def append(self, rec_id: int, texts: Sequence[bytes]) -> int:
        """Add rows at the end and return their number."""
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

    def append_new(self, rec_id: int, texts: Sequence[bytes]) -> int:
        """Add the rows whose key doesn't exist (without a key, all rows), and return their number."""
        with self._database.transaction():
            data_set = self.data_set(rec_id)
            if not data_set.unique_key:
                return self.append(rec_id, texts)
            known = {self._key(data_set, row) for _, row in self._alive(data_set)}
            new: dict[tuple[Key, ...], bytes] = {}
            for text in texts:
                found = self._key(data_set, row_values(text))
                if found not in known:
                    new.setdefault(found, text)
            return self.append(rec_id, list(new.values()))

    def delete(self, rec_id: int, find: Mapping[str, Sequence[bytes]], *, first_only: bool) -> int:
        """Delete the rows whose values equal those of ``find``, and return their number."""
        with self._database.transaction():
            data_set = self.data_set(rec_id)
            found = self._matching(data_set, find, first_only=first_only)
            if found:
                self._remove(data_set, [position for position, _ in found])
                self._written(data_set, removed=len(found))
            return len(found)

    def update(
        self, rec_id: int, find: Mapping[str, Sequence[bytes]], values: Mapping[str, bytes], *, first_only: bool
    ) -> int:
        """Set the values in the rows that equal ``find``, and return the number of rows."""
        with self._database.transaction():
            data_set = self.data_set(rec_id)
            found = self._matching(data_set, find, first_only=first_only)
            if found:
                self._replace(data_set, [(position, {**row, **values}) for position, row in found])
                self._written(data_set)
            return len(found)

    def _matching(
        self, data_set: DataSet, find: Mapping[str, Sequence[bytes]], *, first_only: bool
    ) -> list[tuple[int, dict[str, bytes]]]:
        types = dict(data_set.columns)
        wanted = {name: [self._compared(types[name], value) for value in values] for name, values in find.items()}
        found = []
        with self._database.transaction() as db:
            for position, text in _alive(db, data_set.rec_id, data_set.version):
                row = raw_values(text)
                if all(self._compared(types[name], bytes(row[name])) in values for name, values in wanted.items()):
                    found.append((position, row_values(text)))
                    if first_only:
                        break
        return found

    def _compared(self, data_type: str, value: bytes) -> Key:
        """Return the value by which filters and keys compare."""
        found = key(data_type, value)
        if self._text_comparison == "sql_server" and isinstance(found, str):
            return found.lower().rstrip(" ")
        return found

    def _key(self, data_set: DataSet, row: Mapping[str, bytes]) -> tuple[Key, ...]:
        types = dict(data_set.columns)
        return tuple(self._compared(types[name], row[name]) for name in data_set.unique_key)

    def _alive(self, data_set: DataSet) -> Iterator[tuple[int, dict[str, bytes]]]:
        with self._database.transaction() as db:
            alive = _alive(db, data_set.rec_id, data_set.version)
        for position, body in alive:
            yield position, row_values(body)

    def _remove(self, data_set: DataSet, positions: Sequence[int]) -> None:
        with self._database.transaction() as db:
            if data_set.history:
                db.executemany(
                    "UPDATE stored_row SET died = ? WHERE rec_id = ? AND position = ? AND died IS NULL",
                    zip(repeat(data_set.version + 1), repeat(data_set.rec_id), positions),
                )
            else:
                db.executemany(
                    "DELETE FROM stored_row WHERE rec_id = ? AND position = ?", zip(repeat(data_set.rec_id), positions)
                )

    def _replace(self, data_set: DataSet, rows: Sequence[tuple[int, Mapping[str, bytes]]]) -> None:
        """Store other values at the same positions."""
        self._remove(data_set, [position for position, _ in rows])
        with self._database.transaction() as db:
            db.executemany(
                "INSERT INTO stored_row (rec_id, position, born, body) VALUES (?, ?, ?, ?)",
                [
                    (data_set.rec_id, position, data_set.version + 1, row_text(row, data_set.columns).decode())
                    for position, row in rows
                ],
            )

    def _written(self, data_set: DataSet, *, added: int = 0, removed: int = 0) -> None:
        """Finish a write: raise the version, and store it if Data History is on."""
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
                    "INSERT INTO version VALUES (?, ?, ?, ?)", (data_set.rec_id, data_set.version + 1, now, row_count)
                )

    # -- refreshing from the source ---------------------------------------------------

    def set_source(self, rec_id: int, texts: Sequence[bytes]) -> None:
        """Set the rows that a refresh will find at the source of the data set."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM source_row WHERE rec_id = ?", (rec_id,))
            db.executemany(
                "INSERT INTO source_row VALUES (?, ?, ?)",
                [(rec_id, position, text.decode()) for position, text in enumerate(texts)],
            )

    def refresh(self, rec_id: int, word: str, limit: int | None = None) -> None:
        """Refresh from the source, by one of the words of the API; a static data set stays unchanged."""
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
            else:  # reload, rebuild, recreate: replace all rows by those of the source
                alive = [position for position, _ in self._alive(data_set)]
                self._remove(data_set, alive)
                self._written(data_set, removed=len(alive))
                self.append(rec_id, source)

    def _merge(self, data_set: DataSet, source: Sequence[bytes], *, add_rest: bool) -> None:
        if not data_set.unique_key:
            raise Refusal(400, "NoUniqueKey", f"Data set {data_set.rec_id} has no unique key to update by.")
        position_of = {self._key(data_set, row): position for position, row in self._alive(data_set)}
        updated, rest = [], []
        for text in source:
            row = row_values(text)
            position = position_of.get(self._key(data_set, row))
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
        """Return the word of each refresh, oldest first."""
        with self._database.transaction() as db:
            found = db.execute("SELECT rec_id, word FROM refresh ORDER BY id").fetchall()
        return [row["word"] for row in found if rec_id in (None, row["rec_id"])]


def _alive(
    db: sqlite3.Connection,
    rec_id: int,
    version: int,
    *,
    above: int = 0,
    skip: int = 0,
    count: int = -1,
) -> list[tuple[int, bytes]]:
    """Return position and text of the rows of a version."""
    limits = {"above": above, "skip": skip, "count": count}
    found = db.execute(_ALIVE, {"rec_id": rec_id, "version": version, **limits})
    return [(position, body) for position, body in found]


def timestamp(moment: datetime) -> str:
    """Return a time as the service writes it: whole seconds and a numeric offset."""
    return moment.isoformat(timespec="seconds")


def _data_set(row: sqlite3.Row) -> DataSet:
    fields: dict[str, Any] = dict(row)
    columns = tuple(Column(*pair) for pair in json.loads(fields.pop("columns")))
    fields["unique_key"] = tuple(fields["unique_key"].split(_KEY_SEPARATOR)) if fields["unique_key"] else ()
    for name in ("refreshable", "history", "has_gaps"):
        fields[name] = bool(fields[name])
    return DataSet(columns=columns, **fields)
