"""The data set that ``doctor --probe-writes`` makes: its columns, and the only requests that change rows."""

from __future__ import annotations

import gzip
import secrets
from typing import TYPE_CHECKING, Any

from pandas_clicdata.commands.questions import NotKnown, Response, Service
from pandas_clicdata.session.wire import json_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# `k`: the key to tick by hand. `part`: the question of a row. `mark`: the column that updates set.
COLUMNS = {
    "k": "text", "part": "text", "t": "text", "mark": "text", "n": "number", "p": "percentage", "c": "checkbox",
    "at": "datetime", "day": "date",
}  # fmt: skip
NEWER = {"paid": "money", "clock": "time"}  # C: a create accepts these types
MOST_PAGES = 50


class OwnSet:
    """The requests to the new data set, and to no other one: every path has its id."""

    def __init__(self, service: Service, rec_id: int, version: str | None) -> None:
        self._service = service
        self._path = f"/data/{rec_id}"
        self.version = version
        self._run = secrets.token_hex(4)
        self._keys: set[str] = set()  # keys of the rows that were sent; the report shows no other key

    def part(self, name: str) -> str:
        """Return the text that marks the rows of a question in this run."""
        return f"{self._run} {name}"

    def row(self, part: str, name: str, **cells: Any) -> dict[str, Any]:
        """Return a row of a question."""
        key = f"{self.part(part)} {name}"
        self._keys.add(key)
        return {"k": key, "part": self.part(part), **cells}

    def insert(self, *rows: Mapping[str, Any], zipped: bool = False, legacy: bool = False) -> Response:
        """Append rows."""
        version = None if legacy else self.version
        path, data = f"{self._path}/insert", list[Any](rows)
        if version is None:
            path, data = f"{self._path}/row", [_cells(row) for row in rows]
        body = json_body({"data": data})
        return self._service.send("POST", path, version, gzip.compress(body) if zipped else body, compressed=zipped)

    def must_insert(self, *rows: Mapping[str, Any]) -> Response:
        """Append rows that a question needs, or raise `NotKnown`."""
        response = self.insert(*rows)
        if response.error is not None:
            raise NotKnown(f"rows can't be appended: {response.shape}")
        return response

    def update(self, values: Mapping[str, Any], comparator: str = "equals", **find: Sequence[Any]) -> Response:
        """Set values in the rows that a filter matches."""
        if self.version is None:
            body: Any = {"multiplerows": "all", "find": _cells(_firsts(find)), "data": _cells(values)}
            return self._service.send("PUT", f"{self._path}/row", None, body)
        body = {"multiple_rows": "all", "data": values, "filter": _filter(find, comparator)}
        return self._service.send("POST", f"{self._path}/update", self.version, body)

    def delete(self, form: str, **find: Sequence[Any]) -> Response:
        """Delete the rows that a filter matches, by ``/delete`` or ``DELETE /row``."""
        modern = {"multiple_rows": "all", "filter": _filter(find)}
        legacy = {"multiplerows": "all", "find": _cells(_firsts(find))}
        if form == "/delete":
            return self._service.send("POST", f"{self._path}/delete", self.version, modern)
        body = legacy if self.version is None else {**legacy, **modern}
        return self._service.send("DELETE", f"{self._path}/row", self.version, body)

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows."""
        rows = read_all(self._service, self._path, self.version)
        if not all(isinstance(row, dict) for row in rows):
            raise NotKnown("rows are not objects")
        return rows

    def rows_of(self, part: str, rows: list[dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
        """Return the rows of a question by their names; ``rows`` are all rows, if they were read already."""
        start = f"{self.part(part)} "
        keyed = {str(row.get("k")): row for row in (self.rows() if rows is None else rows)}
        return {key.removeprefix(start): keyed[key] for key in self._keys & keyed.keys() if key.startswith(start)}

    def reached(
        self, part: str, column: str, values: Sequence[Any], comparator: str = "equals"
    ) -> tuple[set[str] | None, str]:
        """Return the rows of a question that an update by a filter changes (None: refused), and a line about it."""
        mark = secrets.token_hex(6)
        response = self.update({"mark": mark}, comparator, **{"part": [self.part(part)], column: values})
        rows = self.rows()
        reached = {name for name, row in self.rows_of(part, rows).items() if row.get("mark") == mark}
        others = sum(row.get("mark") == mark for row in rows) - len(reached)
        shown = f"{response.outcome}; reaches {', '.join(sorted(reached)) or 'no row'}"
        refused = response.error is not None and not reached
        return (None if refused else reached), shown + (f" and {others} rows outside" if others else "")

    def stored_versions(self) -> int | None:
        """Return how many versions are stored; None if ClicData doesn't say."""
        page = self._service.send("GET", f"{self._path}/versions", self.version)
        return None if page.items is None else len(read_all(self._service, f"{self._path}/versions", self.version))


def read_all(service: Service, path: str, version: str | None, **query: str) -> list[Any]:
    """Return all items of a list. Stop at a page that is empty, refused or equal to the page before."""
    found: list[Any] = []
    last = None
    for number in range(1, MOST_PAGES + 1):
        pairs = (*query.items(), *([("page", str(number))] if number > 1 else []))
        page = service.send("GET", path, version, query=pairs)
        if page.items is None and (number == 1 or page.answer is None):
            raise NotKnown(f"reading back: {page.outcome}")
        if not page.items or page.items == last:
            return found
        found += page.items
        last = page.items
    raise NotKnown(f"reading back: more than {MOST_PAGES} pages")


def _cells(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"column": name, "value": value} for name, value in row.items()]


def _firsts(find: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    return {name: values[0] for name, values in find.items() if values}


def _filter(find: Mapping[str, Sequence[Any]], comparator: str = "equals") -> dict[str, Any]:
    """Return a modern filter; ``comparator`` is for the last column."""
    columns = [{"name": name, "comparator": "equals", "values": list(values)} for name, values in find.items()]
    if columns:
        columns[-1]["comparator"] = comparator
    return {"condition": [{"columns": columns, "operator": "and"}]}
