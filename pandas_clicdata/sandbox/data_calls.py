"""The endpoints under ``/data`` and ``/table``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from pandas_clicdata.sandbox.answers import Answer, Page, Refusal, done, invalid, listing, rule, value
from pandas_clicdata.sandbox.cells import ALIASES, TYPES
from pandas_clicdata.sandbox.rows import (
    Change,
    Column,
    Deletion,
    FilteredChange,
    FilteredDeletion,
    read_cells,
    read_changes,
    read_filter,
    read_rows,
    with_iso_datetimes,
)

if TYPE_CHECKING:
    from pandas_clicdata.sandbox.answers import Call
    from pandas_clicdata.sandbox.store import DataSet, Store

# C: reload, rebuild and recreate do the same here; the service may keep the structure or not.
REFRESH_WORDS = ("reload", "rebuild", "recreate", "update", "append", "updateappend")
_MODES = ("reload", "rebuild", "update", "append", "updateappend")


class _NewColumn(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    data_type: str


class _NewDataSet(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    columns: list[_NewColumn]
    description: str | None = None


class _Refresh(msgspec.Struct, forbid_unknown_fields=True):
    mode: str


class DataCalls:
    """The calls about data sets."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, call: Call) -> Answer:
        """``GET /data``."""
        name = call.text("name")
        has_key, refreshable = call.flag("uniquekeyavailable"), call.flag("refresh")
        found = [
            _shown(data_set, call.settings.switches.ids)
            for data_set in self._store.data_sets()
            if (name is None or name.lower() in data_set.name.lower())
            and has_key in (None, bool(data_set.unique_key))
            and refreshable in (None, data_set.refreshable)
        ]
        return listing(call, "data", found, counted=True)

    def create(self, call: Call) -> Answer:
        """``POST /data``."""
        wanted = call.decoded(_NewDataSet)
        if not wanted.name.strip():
            raise invalid("name is empty.")
        columns = [Column(column.name, ALIASES.get(column.data_type, column.data_type)) for column in wanted.columns]
        if not columns:
            raise invalid("columns is empty; a data set has at least one.")
        names = [column.name for column in columns]
        for name, data_type in columns:
            if not name.strip():
                raise invalid("A column has an empty name.")
            if names.count(name) > 1:
                raise invalid(f'The column "{name}" appears twice.')
            if data_type not in TYPES:
                raise invalid(f'Column "{name}": no data_type {data_type!r}; there are {", ".join(TYPES)}.')
        rec_id = self._store.create(wanted.name, wanted.description or "", columns, history=call.settings.history)
        return value(call, rec_id)

    def read(self, call: Call, rec_id: int, version: int | None = None) -> Answer:
        """``GET`` of ``/data/{id}``, ``/data/{id}/v/{ver}`` and ``/table/{id}``."""
        page = Page.asked(call)
        rows, total = self._store.rows(rec_id, page.start, page.size, version)
        if call.settings.switches.datetimes == "iso":
            columns = self._store.data_set(rec_id).columns
            rows = [with_iso_datetimes(row, columns) for row in rows]
        return page.answer(call, "data", rows, len(rows), total)

    def append(self, call: Call, rec_id: int) -> Answer:
        """``POST`` to ``/data/{id}/row``, ``/data/{id}/rows`` and ``/table/{id}``."""
        self._append(call, rec_id)
        return done(call)

    def insert(self, call: Call, rec_id: int) -> Answer:
        """``POST /data/{id}/insert``."""
        inserted, found = self._append(call, rec_id, call.settings.insert_limit)
        return value(call, {"rows_inserted": inserted, "rows_found": found})

    def _append(self, call: Call, rec_id: int, limit: int | None = None) -> tuple[int, int]:
        """Append the rows, and return how many were inserted and found."""
        switches = call.settings.switches
        columns = self._store.data_set(rec_id).columns
        texts = read_rows(call.json_body(), columns, drop_unknown=switches.unknown_columns == "drop")
        if limit is not None and len(texts) > limit:
            raise Refusal(400, "TooManyRows", f"{len(texts)} rows were sent, {limit} is the most; none was stored.")
        if switches.existing_keys == "skip":
            inserted = self._store.append_new(rec_id, texts)
            return inserted, len(texts) - inserted
        stored = self._store.append(rec_id, texts)
        return stored, stored  # C: which rows count as found

    def update(self, call: Call, rec_id: int) -> Answer:
        """``PUT /data/{id}/row``."""
        if call.has_filters:
            raise Refusal(405, "MethodNotAllowed", "Rows are updated by POST /data/{id}/update.")
        columns = self._store.data_set(rec_id).columns
        wanted = call.decoded(Change)
        find = read_cells(wanted.find, columns, "find")
        values = read_cells(wanted.data, columns, "data")
        self._store.update(rec_id, _each(find), values, first_only=_first_only(wanted))
        return done(call)

    def delete(self, call: Call, rec_id: int) -> Answer:
        """``DELETE /data/{id}/row``."""
        if call.has_filters and call.settings.switches.deletes == "/delete":
            raise Refusal(405, "MethodNotAllowed", "Rows are deleted by POST /data/{id}/delete.")
        columns = self._store.data_set(rec_id).columns
        wanted = call.decoded(Deletion)
        if (wanted.filter is None) != (wanted.multiple_rows is None):
            raise invalid("filter and multiple_rows go together.")
        find = read_cells(wanted.find, columns, "find")
        self._store.delete(rec_id, _each(find), first_only=_first_only(wanted))
        return done(call)

    def update_filtered(self, call: Call, rec_id: int) -> Answer:
        """``POST /data/{id}/update``: a refresh before version 2022.01, a row update from then on."""
        if not call.has_filters or not call.body:  # C: no body, no row update
            return self.refresh(call, rec_id, "update")
        columns = self._store.data_set(rec_id).columns
        wanted = call.decoded(FilteredChange)
        find, values = read_filter(wanted, columns), read_changes(wanted, columns)
        count = self._store.update(rec_id, find, values, first_only=wanted.multiple_rows == "first")
        return value(call, {"rows_updated": count, "rows_found": count})

    def delete_filtered(self, call: Call, rec_id: int) -> Answer:
        """``POST /data/{id}/delete``, from version 2022.01 on."""
        if not call.has_filters:
            raise Refusal(404, "NotFound", f"There is no /data/{rec_id}/delete in version {call.version}.")
        if call.settings.switches.deletes == "DELETE /row":
            raise Refusal(404, "NotFound", "Rows are deleted by DELETE /data/{id}/row.")
        wanted = call.decoded(FilteredDeletion)
        find = read_filter(wanted, self._store.data_set(rec_id).columns)
        count = self._store.delete(rec_id, find, first_only=wanted.multiple_rows == "first")
        return value(call, {"rows_deleted": count, "rows_found": count})

    def versions(self, call: Call, rec_id: int) -> Answer:
        """``GET /data/{id}/versions``."""
        found = self._store.versions(rec_id)
        if call.settings.switches.shapes == "rich":
            for one in found:
                del one["row_count"]
                one["size"] = sum(map(len, self._store.rows(rec_id, version=one["version"])[0]))
                one["kind"] = "append"  # C: how a version was made (O7)
        return listing(call, "versions", found, counted=False)

    def refresh(self, call: Call, rec_id: int, word: str) -> Answer:
        """``POST /data/{id}/reload`` and the five other paths of a refresh."""
        self._store.refresh(rec_id, word, call.settings.refresh_limit)
        return done(call)

    def list_tables(self, call: Call) -> Answer:
        """``GET /table``."""
        tables = [
            {"id": data_set.rec_id, "name": data_set.name, "description": data_set.description}
            for data_set in self._store.data_sets()
        ]
        return listing(call, "tables", tables, counted=False)

    def refresh_table(self, call: Call, rec_id: int) -> Answer:
        """``POST /table/{id}/refresh``."""
        mode = call.decoded(_Refresh).mode
        if mode not in _MODES:
            raise invalid(f"There is no mode {mode!r}; there are {', '.join(_MODES)}.")
        return self.refresh(call, rec_id, mode)


def _each(find: dict[str, bytes]) -> dict[str, list[bytes]]:
    return {name: [one] for name, one in find.items()}


def _first_only(wanted: Change | Deletion) -> bool:
    if wanted.multiplerows not in ("all", "first"):
        raise invalid(f'multiplerows is "all" or "first", not {wanted.multiplerows!r}.')
    return wanted.multiplerows == "first"


def _shown(data_set: DataSet, ids: str) -> dict[str, Any]:
    return {
        **{name: data_set.rec_id for name in ("id", "rec_id") if ids in ("both", name)},
        "name": data_set.name,
        "description": data_set.description,
        "source": data_set.source,
        "unique_key_available": bool(data_set.unique_key),  # C: named as the filter of the list (O18)
        "creation_date": data_set.created,
        "last_data_update_date": data_set.updated,
    }


_rule = partial(rule, DataCalls)
RULES = [
    _rule("GET", "/data", DataCalls.list, "data_read"),
    _rule("POST", "/data", DataCalls.create, "data_write"),
    _rule("GET", "/data/{rec_id}", DataCalls.read, "data_read"),
    _rule("POST", "/data/{rec_id}/row", DataCalls.append, "data_write"),
    _rule("POST", "/data/{rec_id}/rows", DataCalls.append, "data_write"),
    _rule("POST", "/data/{rec_id}/insert", DataCalls.insert, "data_write", needs_version=True),
    _rule("PUT", "/data/{rec_id}/row", DataCalls.update, "data_write"),
    _rule("DELETE", "/data/{rec_id}/row", DataCalls.delete, "data_write"),
    _rule("POST", "/data/{rec_id}/update", DataCalls.update_filtered, "data_write"),
    _rule("POST", "/data/{rec_id}/delete", DataCalls.delete_filtered, "data_write", needs_version=True),
    _rule("GET", "/data/{rec_id}/versions", DataCalls.versions, "data_read"),
    _rule("GET", "/data/{rec_id}/v/{version}", DataCalls.read, "data_read"),
    *(
        _rule("POST", f"/data/{{rec_id}}/{word}", partial(DataCalls.refresh, word=word), "data_write")
        for word in REFRESH_WORDS
        if word != "update"
    ),
    _rule("GET", "/table", DataCalls.list_tables, "table_read", needs_version=True),
    _rule("GET", "/table/{rec_id}", DataCalls.read, "table_read", needs_version=True),
    _rule("POST", "/table/{rec_id}", DataCalls.append, "table_write", needs_version=True),
    _rule("POST", "/table/{rec_id}/refresh", DataCalls.refresh_table, "table_write", needs_version=True),
]
