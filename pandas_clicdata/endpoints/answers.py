"""Parse responses that are not lists of records: one object, the id of a new object, a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pandas_clicdata.errors import ClicDataError, Conflict, CreateAmbiguous, InputError, NotFound, ProtocolError
from pandas_clicdata.names import ID_KEYS, parse_integer, rename_id
from pandas_clicdata.session.retry import Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pandas_clicdata.session.wire import Reply, Request

HAS_KEY = ("unique_key", "unique_key_available", "uniquekeyavailable")  # C: every one (O18)


def count(nested: Any) -> Any:
    """Return the length of a list or of a JSON object; return any other value, such as a number, unchanged."""
    return len(nested) if isinstance(nested, (list, dict)) else nested


def has_unique_key(record: Mapping[str, Any]) -> bool:
    """Return whether the record of a data set says that it has a unique key."""
    values = [record.get(name) for name in HAS_KEY]
    return any(value and str(value).lower() != "false" for value in values)


def parse_data_set(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a data set with its ``rec_id``."""
    named = rename_id(record, "rec_id")
    if named["rec_id"] is None:
        raise ProtocolError("list data sets: ClicData listed a data set without an id")
    return named


def parse_data_set_id(record: Mapping[str, Any]) -> int:
    """Return the id in the record of a data set."""
    rec_id = parse_integer(parse_data_set(record)["rec_id"])
    if rec_id is None:
        raise ProtocolError("list data sets: ClicData listed a data set whose id is not a number")
    return rec_id


def only_id_of(records: Sequence[Mapping[str, Any]], name: str) -> int:
    """Return the id of the only data set of a name; an InputError if there are several."""
    ids = [parse_data_set_id(record) for record in records]
    if len(ids) > 1:
        raise InputError(f"several data sets are called {name!r} ({ids}): append to one by its rec_id")
    return ids[0]


class Version(NamedTuple):
    """A stored version of a data set, and its number of rows if ClicData sends one."""

    number: int
    rows: int | None


def parse_version(record: Mapping[str, Any]) -> Version:
    """Return a stored version from its record in the list of versions."""
    key = next((key for key in ("version", "ver_id", "id") if key in record), "version")  # C: which key (O7)
    number, rows = parse_integer(record.get(key)), record.get("row_count")
    if number is None or number < 1:
        raise ProtocolError("list versions: ClicData listed a version without a number", operation="list versions")
    return Version(number, rows if isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0 else None)


def parse_new_id(reply: Reply) -> int | None:
    """Return the id in the response to a create, bare or in an object; None if there is none."""
    value = reply.value()
    if isinstance(value, dict):
        value = next((value[key] for key in ID_KEYS if key in value), None)
    number = parse_integer(value.strip() if isinstance(value, str) else value)
    return number if number is not None and number > 0 else None


def parse_object(reply: Reply, *names: str) -> dict[str, Any]:
    """Return the object in a response: bare, under one of the names, or alone in a list.

    Raises `NotFound` for an empty list, and a `ProtocolError` if there is no object or there are several.
    """
    value = reply.value()
    if isinstance(value, dict):
        value = next((value[name] for name in names if isinstance(value.get(name), (dict, list))), value)
    operation = reply.request.operation
    if value == []:
        raise NotFound(f"{operation}: ClicData found nothing with this id", operation=operation)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise ProtocolError(f"{operation}: ClicData's response is not one object", operation=operation)
    return value


def parse_result(reply: Reply) -> dict[str, Any]:
    """Return the response to a write as a dict."""
    value = reply.value()
    return value if isinstance(value, dict) else {"result": value}


def create(
    call: Callable[[Request], Reply], request: Request, find: Callable[[], Sequence[Any]], *, what: str, key: str
) -> int:
    """Send a create once and return the new id.

    ``find`` returns the ids of the objects that have the same key now. ``what`` and ``key`` are the kind of object and
    of key: ``"team"``, ``"name"``.

    Raises a `Conflict` that names the id of an older object with that key. Raises `CreateAmbiguous` if the response
    was lost, or if the response has no id and ``find`` does not return exactly one.
    """
    try:
        reply = call(request)
        new_id = parse_new_id(reply)
    except Conflict as error:
        error.args = (f"{error.args[0]}. {_describe_found(find, what, key)}.",)
        raise
    except ClicDataError as error:
        if outcome(error) is not Outcome.UNKNOWN:
            raise
        failure = error
    else:
        return new_id if new_id is not None else _find_created(request, find, what, key)
    raise CreateAmbiguous(
        f"{request.operation}: the response was lost; the {what} may be created or not ({failure}). "
        f"{_describe_found(find, what, key)}. Check this before you create it again."
    ) from failure


def _find_created(request: Request, find: Callable[[], Sequence[Any]], what: str, key: str) -> int:
    """Return the id of a new object whose create succeeded without an id in the response."""
    try:
        [only] = find()
        return int(only)
    except (ClicDataError, TypeError, ValueError):  # ValueError: none or several
        raise CreateAmbiguous(
            f"{request.operation}: the {what} was created, but ClicData's response has no id. "
            f"{_describe_found(find, what, key)}."
        ) from None


def _describe_found(find: Callable[[], Sequence[Any]], what: str, key: str) -> str:
    try:
        found = find()
    except ClicDataError as error:
        return f"Looking for a {what} of that {key} failed too ({str(error).rstrip('.')})"
    if not found:
        return f"No {what} has that {key} now"
    verb = "has" if len(found) == 1 else "have"
    return f"{what.capitalize()} {' and '.join(map(str, found))} {verb} that {key} now"
