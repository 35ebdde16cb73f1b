"""Find ids by exact names: of data sets, dashboards, schedules and teams, and of users by mail address."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from pandas_clicdata.arguments import check_id, check_text
from pandas_clicdata.errors import InputError, NotFound, ProtocolError
from pandas_clicdata.session import manager
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import get

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pandas_clicdata.session.session import Session

ID_KEYS = ("id", "rec_id", "RecId")  # C: which one the service uses (O18)
_MOST_DIGITS = 19  # of an id; int() raises ValueError beyond some thousand digits
_MOST_SHOWN = 10
_LONGEST_SHOWN = 100  # characters of a name


class Kind(NamedTuple):
    """A kind of object: its word, the argument for its id, path and key of its list, the key of its name."""

    what: str
    argument: str
    path: str
    key: str
    name: str = "name"
    named: str = "named"


DATA_SET = Kind("data set", "rec_id", "/data", "data")
DASHBOARD = Kind("dashboard", "rec_id", "/dashboard", "dashboards")
SCHEDULE = Kind("schedule", "rec_id", "/schedule", "schedules")
TEAM = Kind("team", "team_id", "/team", "teams")
USER = Kind("user", "user_id", "/user", "users", "email_address", "of the address")


def find_id(
    kind: Kind, value: Any, session: Session | None = None, listing: Callable[[], Sequence[Any]] | None = None
) -> int:
    """Return an id that was given, or the id of the only object of exactly this name, by one request per call.

    A text is a name, even one of digits. Letter case and blanks count, except letter case in a mail address. Without
    ``listing``, the list comes from the session, and never from an HTTP cache: names may change.
    """
    if not isinstance(value, str):
        return check_id(kind.argument, value)
    name = check_text(kind.argument, value)
    listed = (listing or (lambda: list_all(kind, session)))()
    wanted = _fold(kind, name)
    found = [record for record in listed if _fold(kind, record.get(kind.name)) == wanted]
    if not found:
        raise NotFound(_none(kind, name, listed), operation=f"look up a {kind.what}")
    if len(found) > 1:
        raise InputError(
            f"{len(found)} {kind.what}s are {kind.named} {_shown(name)}: give {kind.argument} as a number, one of "
            f"{', '.join(str(_id(kind, record)) for record in found)}"
        )
    number = parse_integer(_id(kind, found[0]))
    if number is None:
        raise ProtocolError(
            f"look up a {kind.what}: ClicData listed {_shown(name)} without an id", operation=f"look up a {kind.what}"
        )
    return check_id(kind.argument, number)


def check_id_or_name(kind: Kind, value: Any) -> int | str:
    """Return an id as an int, or a name; nothing is looked up."""
    return check_text(kind.argument, value) if isinstance(value, str) else check_id(kind.argument, value)


def list_all(kind: Kind, session: Session | None = None) -> list[dict[str, Any]]:
    """Return the records of all objects of a kind in the account."""
    request = get(f"list {kind.what}s", kind.path, key=kind.key, fresh=True)
    return records(manager.current(session).call, request)


def rename_id(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a record with its id first, under the name of the argument that takes the id."""
    keys = dict.fromkeys(("id", name, *ID_KEYS))
    found = next((record[key] for key in keys if record.get(key) is not None), None)
    return {name: found, **{key: value for key, value in record.items() if key not in keys}}


def parse_integer(value: object) -> int | None:
    """Return an integer that ClicData sent as a number or as digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fold(kind: Kind, name: Any) -> Any:
    return name.casefold() if kind is USER and isinstance(name, str) else name


def _id(kind: Kind, record: Mapping[str, Any]) -> Any:
    return rename_id(record, kind.argument)[kind.argument]


def _none(kind: Kind, name: str, listed: Sequence[Mapping[str, Any]]) -> str:
    """Return the message that no object has a name, with similar names."""
    ids = {record[kind.name]: _id(kind, record) for record in listed if isinstance(record.get(kind.name), str)}
    squeezed: dict[str, list[str]] = {}
    for other in ids:
        squeezed.setdefault(_squeeze(other), []).append(other)
    wanted = _squeeze(name)
    parts = [other for text, names in squeezed.items() if wanted and wanted in text for other in names]
    close = [other for text in get_close_matches(wanted, squeezed, 3) for other in squeezed[text]]
    meant = [*dict.fromkeys([*squeezed.get(wanted, []), *close, *parts])]
    listing = [f"{_shown(other)} ({kind.argument} {ids[other]})" for other in meant or ids][:_MOST_SHOWN]
    more = len(meant or ids) - len(listing)
    shown = (", ".join(listing) or "none") + (f", and {more:,} more" if more else "")
    shown = f"did you mean {shown}?" if meant else f"there are: {shown}."
    said = f"there is no {kind.what} {kind.named} {_shown(name)}; {shown}"
    if wanted in squeezed:
        said += " Letter case and blanks count."
    if name.strip().isdecimal() and len(name) <= _MOST_DIGITS:
        said += f" A text is always a name: give the id as a number, {kind.argument}={int(name)}."
    return said


def _squeeze(name: str) -> str:
    return "".join(name.split()).casefold()


def _shown(name: str) -> str:
    """Return a name in quotes, so that blanks at its end and invisible characters can be seen."""
    return repr(name if len(name) <= _LONGEST_SHOWN else name[: _LONGEST_SHOWN - 1] + "…")
