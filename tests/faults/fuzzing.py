"""A service whose answers are correct, and the ways to change them before the client reads them."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from pandas_clicdata.session.wire import Answer

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

PNG = base64.b64encode(
    bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de")
    + bytes.fromhex("0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082")
).decode()
ROWS: list[dict[str, Any]] = [
    {"k": n, "f": n / 8, "t": f"row {n}", "d": f"2026-11-2{n}T08:00:00Z", "b": n % 2 == 0, "none": None}
    for n in range(1, 8)
]
LISTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    r"/data/\d+/versions": ("versions", [{"version": 1, "date": "2026-11-24T10:00:00Z", "row_count": 7}]),
    r"/schedule": ("schedules", [{"id": 3, "name": "Daily", "enabled": True, "tasks": [{"type": "refresh"}]}]),
    r"/dashboard": ("dashboards", [{"id": 7, "name": "Sales", "thumbnail": PNG}]),
    r"/team": ("teams", [{"id": 4, "name": "North", "users": [1, 2], "parameters": {"region": "north"}}]),
    r"/user": ("users", [{"id": 1, "email_address": "a@example.com", "license": "editor"}]),
}
NAME = "A new one"
_REFUSING = (400, 401, 403, 404, 405, 409, 413, 415, 422, 429)
_OTHER = (200, 201, 202, 204, 206, 226, 300, 301, 304, 408, 418, 499, 500, 502, 503, 504, 599)


def answer(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json", **named})


class Truth:
    """A service. ``done`` counts the writes that it applied, ``stored`` the rows that it stored.

    ``said`` counts the changed answers to an append, by their numbers of inserted and found rows: see `said_found`.
    """

    def __init__(self, dice: random.Random, *, modern: bool) -> None:
        self.dice = dice
        self.modern = modern
        self.done = 0
        self.stored = Counter[int]()
        self.said = Counter[tuple[int, int]]()

    def respond(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[Answer, bool]:
        """Return the answer, and whether it confirms the request."""
        if method == "GET":
            return self.read(path, query), True
        if path == "/oauth20/token":
            return answer({"access_token": "t", "expires_in": 3600, "token_type": "bearer"}), True
        appends = method == "POST" and path.endswith(("/row", "/insert"))
        if self.dice.random() < 0.5:
            return self.refusal(bare=appends and not self.modern), False
        self.done += 1
        rows = json.loads(body)["data"] if appends else []
        self.stored.update(row["n"] if isinstance(row, dict) else row[0]["value"] for row in rows)
        return self.yes(path, len(rows)), True

    def read(self, path: str, query: dict[str, str]) -> Answer:
        if path.endswith("/thumbnail"):
            return Answer(200, PNG.encode(), {"content-type": "text/plain"})
        key, listed = next((known for pattern, known in LISTS.items() if re.fullmatch(pattern, path)), ("data", []))
        if path == "/data":
            listed = [{"id": 5, "name": "Old"}] + [{"id": 6, "name": NAME}] * self.done
        if int(query.get("page", 1)) > 1:  # all of a list is on its first page
            listed = []
        if path == "/data/5":
            return self.page(int(query.get("page", 1)))
        if path == "/data/6":
            return answer({"data": [], "has_more_data": False})
        return answer({"success": True, "result": listed} if self.modern else {key: listed})

    def page(self, number: int) -> Answer:
        rows, more = ROWS[4 * (number - 1) : 4 * number], number < 2
        if not self.modern:
            return answer({"data": rows, "has_more_data": more})
        counted = {"result_count": len(rows), "result_total_count": len(ROWS), "current_page": number, "page_size": 4}
        flags = {**counted, "has_more_results": more, "last_page": not more}
        return answer({"success": True, "result": rows, "pagination": flags})

    def yes(self, path: str, rows: int) -> Answer:
        if path == "/data":
            return answer({"success": True, "result": 6} if self.modern else 6)
        if path.endswith("/insert"):
            return answer({"success": True, "result": {"rows_inserted": rows, "rows_found": rows}})
        return answer({"success": True})

    def refusal(self, *, bare: bool) -> Answer:
        """Return a refusal that can't become a confirmation by one change."""
        error = {"code": self.dice.choice(["validation", "Oddity"]), "description": "row 1: no"}
        stated = {"error": error} if bare else {"success": False, "error": error}
        status = self.dice.choice([200, 200, 400, 404, 409, 422, 429, 500, 503])
        return answer(stated, status, retry_after=self.dice.choice(["0", "1", "600"]))


def said_found(request: bytes, response: bytes) -> list[tuple[int, int]]:
    """Return the inserted and found rows that an answer counts, if they add up to the rows of the request."""
    try:
        value = json.loads(response)
        counts = value.get("result", value)
        inserted, found = counts["rows_inserted"], counts["rows_found"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []
    whole = type(inserted) is type(found) is int and inserted >= 0 and found > 0
    return [(inserted, found)] if whole and inserted + found == len(json.loads(request)["data"]) else []


# ---------------------------------------------------------------------------------------------------------
# Changes of an answer

OTHERS: list[Any] = [None, False, 0, -1, 1.5, 10**30, 1e300, "", "x", "true", "2026-13-40", [], [[]], {}, {"a": {}}]
JUNK = ["", "-3", "1.5", "soon", "nan", "9" * 400, "\x00", "Wed, 99 Nov 2026 00:00:00 GMT", "7, 8", "é", "120", "0"]


def flipped(dice: random.Random, text: bytes) -> bytes:
    if not text:
        return text
    place = dice.randrange(len(text))
    return text[:place] + bytes([text[place] ^ dice.randrange(1, 256)]) + text[place + 1 :]


def cut(dice: random.Random, text: bytes) -> bytes:
    return text[: dice.randrange(len(text) + 1)]


def doubled(dice: random.Random, text: bytes) -> bytes:
    first, last = sorted(dice.randrange(len(text) + 1) for _ in range(2))
    return text[:last] + text[first:]


def shortened(dice: random.Random, text: bytes) -> bytes:
    first, last = sorted(dice.randrange(len(text) + 1) for _ in range(2))
    return text[:first] + text[last:]


def filled(dice: random.Random, text: bytes) -> bytes:
    place = dice.randrange(len(text) + 1)
    return (
        text[:place]
        + dice.choice([b"\0", b"\xff\xfe", b"<html>", b'"', b"{", b"]", b"\\ud800", b"9" * 5000])
        + text[place:]
    )


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path to each value in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, one in inner for found in [(*path, key), *places(one, (*path, key))]]


def swapped(dice: random.Random, text: bytes) -> bytes:
    """Replace a value by one of another type, remove it, or rename its key."""
    try:
        value = json.loads(text)
    except ValueError:
        return flipped(dice, text)
    ways = places(value)
    if not ways:
        return json.dumps(dice.choice(OTHERS)).encode()
    *way, last = dice.choice(ways)
    holder = value
    for key in way:
        holder = holder[key]
    how = dice.randrange(4)
    if how == 0 and isinstance(holder, dict):
        del holder[last]
    elif how == 1 and isinstance(holder, dict):
        holder[dice.choice(["", "id", "data", "result", "x"])] = holder.pop(last)
    else:
        holder[last] = dice.choice(OTHERS)
    return json.dumps(value).encode()


BODIES: list[Callable[[random.Random, bytes], bytes]] = [flipped, cut, doubled, shortened, filled, swapped, swapped]
GENTLE: list[Callable[[random.Random, bytes], bytes]] = [
    flipped,
    cut,
    swapped,
]  # none turns a refusal into a confirmation


def mutated(dice: random.Random, true: Answer, *, yes: bool) -> Answer:
    """Return the answer with one to three changes."""
    status, body, headers = true.status, true.body, dict(true.headers)
    for _ in range(dice.choice([1, 1, 2, 3]) if yes else 1):
        what = dice.random()
        if what < 0.75:
            body = dice.choice(BODIES if yes else GENTLE)(dice, body)
        elif what < 0.9:
            headers[dice.choice(["retry-after", "date", "content-type", "content-encoding"])] = dice.choice(JUNK)
        else:
            status = dice.choice(_OTHER if yes else _OTHER + _REFUSING)
    return Answer(status, body, headers)
