"""The parts of a response that a report may show: known words, JSON types, counts, formats of dates. No I/O."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pandas_clicdata.frames.match import _timestamp
from pandas_clicdata.session.wire import _BY_CODE, _plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

# Known keys of the API. Any other key may be a column, a parameter or a name.
_WORDS = """
    RecId access_token action code columns count creation_date current_page dashboard dashboard_id dashboards data
    data_type date days description domain editor email_address enabled error error_description expires_in first_name
    frequency has_more_data has_more_results history id interval kind last_data_update_date last_login_date last_name
    last_page last_run_date last_status last_update_date license limit message metric metrics mode month name
    next_run_date page_size pagination parameter parameters position rec_id refresh_token refreshes result result_count
    result_total_count row_count rows rows_deleted rows_found rows_inserted rows_updated schedule schedules scope share
    size source status storage success table tables tasks team team_id teams thumbnail time time_zone timezone times
    token_type total type updated url usage used user user_id users value version versions views
"""
_OTHER_CODES = """
    accessdenied datahistoryoff duplicate internalerror internalservererror invalidjson invalidscope methodnotallowed
    nouser unsupportedmediatype
"""
_HEADERS = """
    allow api-deprecated-versions api-supported-versions cache-control connection content-encoding content-length
    content-type date etag expires last-modified pragma retry-after server set-cookie strict-transport-security
    transfer-encoding vary via www-authenticate x-content-type-options x-frame-options x-powered-by x-ratelimit-limit
    x-ratelimit-remaining x-ratelimit-reset x-request-id
"""
_CONTENT_TYPES = """
    application/json application/octet-stream application/problem+json image/gif image/jpeg image/png image/webp
    text/html text/json text/plain
"""
WORDS, CODES = frozenset(_WORDS.split()), frozenset([*_BY_CODE, *_OTHER_CODES.split()])
HEADERS, CONTENT_TYPES = frozenset(_HEADERS.split()), frozenset(_CONTENT_TYPES.split())
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|[-+]\d\d:?\d\d))?)?"
    r"|\d{1,2}/\d{1,2}/\d{4}(?: \d{1,2}:\d\d(?::\d\d)?(?: [AP]M)?)?|/Date\(-?\d{1,16}\)/|\d\d:\d\d:\d\d",
    re.ASCII,
)
_DEEPEST = 4  # levels of a shape


def date_pattern(value: object) -> str | None:
    """Return the format of a date or time, with ``d`` for each digit; None for anything else."""
    if isinstance(value, str) and len(value) < 40 and _DATE.fullmatch(value):
        return re.sub(r"\d", "d", value)
    return None


def kind_of(value: object) -> str:
    """Return the JSON type of a value; for a date its format."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, (float, Decimal)):
        return "number"
    if isinstance(value, str):
        return date_pattern(value) or "text"
    return "list" if isinstance(value, list) else "object"


def show_key(key: str) -> str:
    """Return a known key; for any other key only its length."""
    return key if key in WORDS else f"<other, {len(key)} letters>"


def show_code(code: object) -> str:
    """Return the code of an error if it is known or a status; for any other code only its length."""
    text = str(code)
    return (
        text
        if _plain(text) in CODES or (text.isascii() and text.isdigit() and len(text) == 3)
        else f"<other code, {len(text)}>"
    )


def show_headers(headers: Mapping[str, str]) -> str:
    """Return the names of known headers, and the number of other headers."""
    others = len(headers.keys() - HEADERS)
    return ", ".join([*sorted(headers.keys() & HEADERS), *([f"{others} others"] if others else [])]) or "none"


def show_content_type(headers: Mapping[str, str]) -> str:
    """Return the type of a body if it is a usual one."""
    found = headers.get("content-type", "").split(";")[0].strip().lower()
    return found if found in CONTENT_TYPES else "another content type" if found else "no content type"


def show_seconds(value: object) -> str:
    """Return a lifetime of whole minutes, up to a day; for any other value its JSON type."""
    kind = kind_of(value)
    return f"{value} s" if kind == "integer" and value in range(60, 86_401, 60) else kind


def shape(value: object, depth: int = 0) -> str:
    """Return the keys and types of JSON."""
    if isinstance(value, list):
        return f"list of {len(value)}" + (f" {shape_of_all(value, depth)}" if value else "")
    return shape_of_all([value], depth)


def shape_of_all(values: Sequence[Any], depth: int = 0) -> str:
    """Return the JSON types of several values; the keys of all objects together."""
    if depth == _DEEPEST:
        return "|".join(sorted({kind_of(value) for value in values}))
    shown = {kind_of(value) for value in values if not isinstance(value, (dict, list))}
    if nested := [value for value in values if isinstance(value, list)]:
        items = [item for value in nested for item in value]
        shown.add(f"list of {shape_of_all(items, depth + 1)}" if items else "list")
    if objects := [value for value in values if isinstance(value, dict)]:
        held = {key: [one[key] for one in objects if key in one] for key in keys_of(objects)}
        pairs = sorted(f"{show_key(key)}: {shape_of_all(found, depth + 1)}" for key, found in held.items())
        shown.add("{" + ", ".join(pairs) + "}")
    return "|".join(sorted(shown))


def shape_of_rows(rows: Sequence[Any]) -> str:
    """Return the number of rows, and the JSON types of their columns, without the names of the columns."""
    columns: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items() if isinstance(row, dict) else ():
            columns.setdefault(name, set()).add(kind_of(value))
    counted = Counter("/".join(sorted(kinds - {"null"})) or "null" for kinds in columns.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counted.items()))
    named = all(isinstance(row, dict) for row in rows)
    return f"{len(rows)} rows" + (f" of {len(columns)} columns ({kinds})" if columns and named else "")


def keys_of(items: Iterable[Any]) -> set[str]:
    """Return the keys of all items that are objects."""
    return {key for item in items if isinstance(item, dict) for key in item}


def instant_of(value: object) -> tuple[datetime, str] | None:
    """Return a datetime in whole seconds and its fraction, as the package compares them; None for anything else."""
    pattern = date_pattern(value) or ""
    return _timestamp(value) if len(pattern) > len("dddd-dd-dd") else None


def compare_datetimes(sent: str, got: object) -> str:
    """Return how a datetime that was read differs from the datetime that was sent."""
    if got == sent:
        return "comes back as sent"
    before, after, wall = map(instant_of, (sent, got, sent[:19]))
    pattern = date_pattern(got) or "text"
    if before is None or after is None or wall is None:
        return f"comes back as {kind_of(got)}"
    changes, shift = [pattern], after[0] - before[0]
    if sent[19:].strip(".0123456789") and not pattern[19:].strip(".d"):
        changes.append("without its offset" + ("" if shift else ", as UTC"))
        shift = shift and after[0] - wall[0]
    if shift:
        changes.append(f"SHIFTED by {shift.total_seconds() / 3600:+.2f} h")
    if before[1] != after[1]:
        cut = before[1].startswith(after[1])
        changes.append(f"fraction cut to {len(after[1])} digits" if cut else "another fraction")
    return f"comes back as {', '.join(changes)}"
