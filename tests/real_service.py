"""Conversations that only read: they record the service itself, and list its differences from the sandbox.

``python tests/real_service.py`` prints the differences of the recordings in ``tests/cassettes/real``.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import vcr
from vcr.cassette import Cassette
from vcr.stubs import VCRHTTPResponse

from pandas_clicdata import Account, Dashboard, Data, Schedule, Session, Team, User
from pandas_clicdata.errors import ApiError, AuthError, ClicDataError, ProtocolError, ReadError
from pandas_clicdata.sandbox import start
from pandas_clicdata.session.wire import TABLE_VERSION, get, parsed, query_of
from scrubbing import HOST, NO_ID, TOKEN_PATH, Number, Scrubber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pandas_clicdata.sandbox import Sandbox

FOLDER = Path(__file__).parent / "cassettes" / "real"
VERSIONS = {"legacy": None, "2022.01": "2022.01", "2025.3": "2025.3"}
MOST_ROWS = 100  # of the data set that is read
MOST_LOOKED_AT = 30  # data sets to look at for one that is small enough
CONFIG: dict[str, Any] = {
    "match_on": ["method", "scheme", "host", "port", "path", "query"],
    "decode_compressed_response": True,
}


def read_pieces(response: Any, amount: int, decode_content: bool = False) -> bytes:
    """``read1`` of urllib3's responses takes ``decode_content``; that of vcrpy's doesn't."""
    return response._content.read1(amount)


# ---------------------------------------------------------------------------------------------------------
# The conversations


class Login(dict[str, Any]):
    """The arguments of a session. No traceback of pytest shows them."""

    def __repr__(self) -> str:
        return "Login(...)"


class Asked:
    """Makes calls one after another. A refusal counts as an answer; answers that can't be parsed are noted."""

    def __init__(self) -> None:
        self.unread: list[str] = []

    def __call__(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return call(*args, **options)
        except (ProtocolError, ReadError) as error:
            self.unread.append(str(error))
        except (ApiError, AuthError):
            pass
        return None


def data_sets(asked: Asked, s: Session, rec_id: int) -> None:
    asked(Data(session=s).get_data)
    asked(Data(session=s).get_data, refresh=True)
    asked(s.call, get("list tables", "/table", api_version=TABLE_VERSION, query=query_of(page=1, page_size=100)))


def rows(asked: Asked, s: Session, rec_id: int) -> None:
    asked(Data(session=s).get_data, rec_id, output="dict")
    sizes = [] if s.api_version is None else [{"page": 1, "page_size": size} for size in (5, 100_000)]
    for query in ({"page": 2}, {"page": 99_999}, *sizes):
        asked(s.call, get("read rows", f"/data/{rec_id}", key="data", query=query_of(**query)))
    if s.api_version is not None:
        asked(s.call, get("read rows", f"/table/{rec_id}", key="data"))


def history(asked: Asked, s: Session, rec_id: int) -> None:
    listed = asked(Data(session=s).get_data_history, rec_id, output="dict") or [{}]
    number = next((listed[-1][key] for key in ("version", "ver_id", "id") if key in listed[-1]), None)
    if number is not None:
        asked(Data(session=s).get_data_history, rec_id, number, output="dict")


def account(asked: Asked, s: Session, rec_id: int) -> None:
    asked(Account(session=s).get_account)
    for entity in ("users", "dashboards"):
        asked(Account(session=s).get_account_activity, entity)


def dashboards(asked: Asked, s: Session, rec_id: int) -> None:
    asked(Dashboard(session=s).get_dashboard)
    listed = asked(Dashboard(session=s).get_dashboard, output="dict")
    if listed and (first := _id_of(listed[0])):
        asked(Dashboard(session=s).get_dashboard_thumbnail, rec_id=first)
        asked(Dashboard(session=s).get_dashboard_snapshot, rec_id=first)


def schedules(asked: Asked, s: Session, rec_id: int) -> None:
    asked(Schedule(session=s).get_schedule)
    listed = asked(Schedule(session=s).get_schedule, output="dict")
    if listed and (first := _id_of(listed[0])):
        asked(Schedule(session=s).get_schedule, first)


def people(asked: Asked, s: Session, rec_id: int) -> None:
    asked(Team(session=s).get_team)
    asked(User(session=s).get_user)
    listed = asked(User(session=s).get_user, output="dict")
    if listed and (first := _id_of(listed[0])):
        asked(User(session=s).get_user, first)


def refusals(asked: Asked, s: Session, rec_id: int) -> None:
    asked(Data(session=s).get_data, NO_ID)
    asked(s.call, get("ask for a bad version", "/data", api_version="1999.01"))


CONVERSATIONS = {
    each.__name__: each for each in (data_sets, rows, history, account, dashboards, schedules, people, refusals)
}
NEED_ROWS = ("rows", "history")
NAMES = [f"{name}-{version}" for name in CONVERSATIONS for version in VERSIONS]


def _id_of(record: Mapping[str, Any]) -> int | None:
    return next((record[key] for key in ("id", "rec_id", "RecId", "user_id") if key in record), None)


def record(name: str, login: Mapping[str, Any], scrubber: Scrubber) -> list[str]:
    """Record one conversation with a service in a cassette, and return the answers that can't be parsed."""
    kind, _, version = name.partition("-")
    if login.get("auth_method") == "api_key" and VERSIONS[version] is None:
        pytest.skip("an API key has no legacy dialect")
    rec_id = 0
    if kind in NEED_ROWS:
        scrubber.paused = True
        with Session(**login) as session:
            rec_id = choose(session)
        scrubber.paused = False
    unread = converse(name, login, rec_id)
    assert not scrubber.refused
    if scrubber.too_long:
        pytest.skip(scrubber.too_long)
    return unread


def play(name: str, cassette: Cassette) -> list[str]:
    """Play a recorded conversation again, and return the answers that can't be parsed."""
    paths = [urlsplit(request.uri).path for request in cassette.requests]
    asked_for = [found for path in paths if (found := re.match(r"/data/(\d+)", path))]
    login = {"client_id": "an-app", "client_secret": "SECRET"}
    if TOKEN_PATH not in paths:
        login = {"client_id": "an-app", "username": "jane@example.com", "password": "SECRET"}
    return converse(name, {**login, "url": HOST}, int(asked_for[0][1]) if asked_for else 0)


def converse(name: str, login: Mapping[str, Any], rec_id: int) -> list[str]:
    kind, _, version = name.partition("-")
    asked = Asked()
    with Session(**login, api_version=VERSIONS[version]) as session:
        CONVERSATIONS[kind](asked, session, rec_id)
    return asked.unread


def choose(session: Session) -> int:
    """Return the data set with the most types of cells, of those with at most `MOST_ROWS` rows."""
    found: list[tuple[int, int]] = []
    listed = Data(session=session).get_data()["rec_id"].dropna().astype(int).tolist()
    for rec_id in listed[:MOST_LOOKED_AT]:
        rows_seen = first_rows(session, rec_id)
        if 0 < len(rows_seen) <= MOST_ROWS:
            found.append((len({kind_of(cell) for row in rows_seen for cell in row.values()}), rec_id))
    if not found:
        pytest.skip(f"none of the first {MOST_LOOKED_AT} data sets has 1 to {MOST_ROWS} rows")
    return max(found)[1]


def first_rows(session: Session, rec_id: int) -> list[dict[str, Any]]:
    """Return the rows of a data set; of a large one, a few more than `MOST_ROWS`."""
    found: list[dict[str, Any]] = []
    try:
        for page in Data(session=session).pages(rec_id, page_size=MOST_ROWS + 1):
            found += [row for row in parsed(page.rows, "read rows") if isinstance(row, dict)]
            if len(found) > MOST_ROWS:
                break
    except ReadError:  # an error in its pages is worth a recording
        pass
    except ClicDataError:
        return []
    return found


# ---------------------------------------------------------------------------------------------------------
# What a recording shows


class Endpoint(NamedTuple):
    """An endpoint: its request, and the conversation."""

    conversation: str
    call: str  # method, path, and what is special about the query
    version: str


class Facts:
    """The facts of an endpoint: its statuses and flags, and the types of values by key and of cells."""

    def __init__(self) -> None:
        self.cells: set[str] = set()
        self.seen: dict[str, set[str]] = defaultdict(set)
        self.kinds: dict[str, set[str]] = defaultdict(set)


_DIGITS = re.compile(r"\d")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:([T ])(\d{2}:\d{2}(?::\d{2})?)(\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?")
_FLAGS = ("count", "has_more_data", "pagination")


def kind_of(value: Any) -> str:
    """Return the type of a value, and the format of a date or a number in a text."""
    if isinstance(value, (dict, list)) or value is None or isinstance(value, bool):
        return {dict: "an object", list: "a list", bool: "true or false"}.get(type(value), "null")
    if isinstance(value, (int, float, Number)):
        return "a number with a fraction" if re.search("[.eE]", str(value)) else "an integer"
    if (moment := _MOMENT.fullmatch(value)) is not None:
        _, between, time, fraction, offset = (part or "" for part in moment.groups())
        clock = "HH:MM:SS"[: len(time)] + ("." if fraction else "") + "f" * len(fraction[1:])
        return f"YYYY-MM-DD{between}{clock}{'Z' if offset == 'Z' else re.sub('[0-9]', 'x', offset).replace('-', '+')}"
    return "a text of digits" if value.isdigit() else "a text"


def facts_of(folder: Path) -> dict[Endpoint, Facts]:
    """Return the facts in the cassettes of a folder."""
    found: dict[Endpoint, Facts] = defaultdict(Facts)
    for path in sorted(folder.glob("*.yaml")):
        for request, response in Cassette.load(path=str(path), record_mode="none").data:
            parts = urlsplit(request.uri)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            template = re.sub(r"/v/\d+", "/v/{ver}", re.sub(r"/(?!v/)(\w+)/\d+", r"/\1/{id}", parts.path))
            special = [f"page={page}" for page in ("2", "99999") if query.get("page") == page]
            special += [f"page_size={size}" for size in ("5", "100000") if query.get("page_size") == size]
            call = " ".join([f"{request.method} {template}", *special])
            endpoint = Endpoint(path.stem.partition("-")[0], call, query.get("api_version", "no version"))
            _note(found[endpoint], response, query, rows=_holds_rows(call))
    return found


def _holds_rows(call: str) -> bool:
    return re.fullmatch(r"GET /(data|table)/{id}(/v/{ver})?( .*)?", call) is not None


def _note(facts: Facts, response: dict[str, Any], query: dict[str, str], *, rows: bool) -> None:
    status, body = response["status"]["code"], response["body"]["string"]
    types = [
        value for name, values in response["headers"].items() if name.lower() == "content-type" for value in values
    ]
    facts.seen["content type"].update(one.partition(";")[0] for one in types)
    try:
        value = json.loads(body, parse_int=Number, parse_float=Number)
    except ValueError:
        facts.seen["status"].add(f"{status}, no JSON")
        return
    error = value.get("error") if isinstance(value, dict) else None
    if error or status >= 300:
        code = error.get("code") if isinstance(error, dict) else error
        facts.seen["status"].add(f"{status}, error {code}")
        return
    facts.seen["status"].add(str(status))
    payload = value
    if isinstance(value, dict):
        flags = value.get("pagination") if isinstance(value.get("pagination"), dict) else {}
        said = sorted({*flags, *(name for name in _FLAGS if name in value and name != "pagination")})
        facts.seen["flags"].add(", ".join(said) or "none")
        if "page_size" in query and "page_size" in flags:
            facts.seen["page_size in the flags"].add(
                "as asked" if flags["page_size"] == query["page_size"] else "another"
            )
        facts.seen["keys of the response"].add(", ".join(sorted(name for name in value if name not in _FLAGS)))
        names = [name for name in value if name not in (*_FLAGS, "success")]
        payload = value[names[0]] if len(names) == 1 else value
    if rows:
        _note_rows(facts, payload, query)
    else:
        _note_kinds(facts.kinds, payload, "")


def _note_rows(facts: Facts, payload: list[Any], query: dict[str, str]) -> None:
    if query.get("page", "1") != "1":
        facts.seen["rows"].add("some" if payload else "none")
    if query.get("page_size") == "5":
        facts.seen["rows"].add("5 at most" if len(payload) <= 5 else "more than 5")
    for row in payload:
        facts.seen["kind of a row"].add(kind_of(row))
        facts.cells.update(map(kind_of, row.values() if isinstance(row, dict) else row))


def _note_kinds(kinds: dict[str, set[str]], value: Any, path: str) -> None:
    if path:
        kinds[path].add(kind_of(value))
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in (*_FLAGS, "success"):
                _note_kinds(kinds, inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        objects = [one for one in value if isinstance(one, dict)]
        for name in {name for one in objects for name in one if any(name not in other for other in objects)}:
            kinds[f"{path}[].{name}" if path else name].add("nothing")
        for one in value:
            _note_kinds(kinds, one, f"{path}[]" if path else "")


# ---------------------------------------------------------------------------------------------------------
# Differences


def question(endpoint: Endpoint, what: str) -> str:
    """Return the number of the open question that a difference at an endpoint belongs to."""
    kind, call, version = endpoint
    if TOKEN_PATH in call:
        return "O21"
    if version == "no version" and "APIVersionRequired" in what:
        return "O12"
    if kind == "refusals":
        return "O20"
    if what.startswith("cells"):
        return "O4"
    if what.startswith(("flags", "rows", "page_size")) or "page" in call:
        return "O1"
    if "/thumbnail" in call or "/snapshot" in call:
        return "O23"
    if call == "GET /account":
        return "O24"
    return {"rows": "O13", "history": "O7"}.get(kind, "O18")


def differences(there: Path, here: Path) -> list[str]:
    """Return the differences between the recordings of two folders by question; under each, a line for each call."""
    theirs, ours = facts_of(there), facts_of(here)
    found: dict[tuple[int, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for endpoint in sorted(theirs.keys() & ours.keys()):
        for what in _compared(theirs[endpoint], ours[endpoint]):
            versions = found[int(question(endpoint, what)[1:]), what][endpoint.call]
            if endpoint.version not in versions:
                versions.append(endpoint.version)
    lines = []
    for (number, what), calls in sorted(found.items()):
        lines.append(f"O{number} {what}")
        lines += [f"    {call} ({', '.join(versions)})" for call, versions in calls.items()]
    recorded = {path.stem for path in there.glob("*.yaml")}
    return lines + [f"not recorded: {name}" for name in NAMES if name not in recorded]


def _compared(theirs: Facts, ours: Facts) -> Iterator[str]:
    for aspect in sorted(theirs.seen.keys() & ours.seen.keys()):
        there, here = theirs.seen[aspect], ours.seen[aspect]
        if there != here:
            yield f"{aspect}: {_joined(there)}; sandbox: {_joined(here)}"
    if ours.cells and (new := theirs.cells - ours.cells):
        yield f"cells: {_joined(new)}; sandbox: none such"
    if not theirs.kinds or not ours.kinds:
        return
    for key in sorted({*theirs.kinds, *ours.kinds}):
        there, here = theirs.kinds.get(key, set()), ours.kinds.get(key, set())
        if not there:
            if "nothing" not in here and _has_siblings(theirs.kinds, key):
                yield f"key {key}: missing; sandbox: {_joined(here)}"
        elif not here:
            yield f"key {key}: {_joined(there)}; sandbox: missing"
        elif new := there - here - {"null"}:
            yield f"key {key}: {_joined(new)}; sandbox: {_joined(here)}"


def _has_siblings(kinds: Mapping[str, set[str]], key: str) -> bool:
    """Return whether an object with this key has other keys, so that this key could have been seen."""
    parent = key.rpartition(".")[0]
    return not parent or any(other.startswith(f"{parent}.") for other in kinds)


def _joined(values: Iterable[str]) -> str:
    return " or ".join(sorted(values))


def record_sandbox(folder: Path) -> None:
    """Record the same conversations from a sandbox."""
    with start() as sandbox:
        seed(sandbox)
        for name in NAMES:
            scrubber = Scrubber(sandbox.url)
            with vcr.use_cassette(str(folder / f"{name}.yaml"), **CONFIG, **scrubber.hooks):
                record(name, login_of(sandbox), scrubber)


def login_of(sandbox: Sandbox) -> dict[str, str]:
    known = sandbox.credentials
    return {"url": sandbox.url, "client_id": known.client_id, "client_secret": known.client_secret}


def seed(sandbox: Sandbox) -> int:
    """Add a data set with cells of all kinds, and some activity."""
    columns = ("text", "number", "datetime", "date", "percentage", "checkbox", "dropdown", "id", "money", "time")
    rec_id = sandbox.create("All kinds", {f"a {name}": name for name in columns})
    at = "2024-02-03 04:05:06"
    cells = ("one", 2**53 + 1, at, "2024-02-03", 0.25, True, "7", 7, 12.5, "23:59:59")
    sandbox.append(rec_id, [dict(zip((f"a {name}" for name in columns), row, strict=True)) for row in (cells,)])
    sandbox.append(rec_id, [{f"a {name}": None for name in columns}, {"a datetime": f"{at}.25", "a number": 1.5}])
    with sandbox.session(auth_method="basic") as session:
        [first, *_] = Dashboard(session=session).get_dashboard(output="dict")
        Dashboard(session=session).get_dashboard_snapshot(rec_id=first["id"])
    return rec_id


def main() -> None:
    """Print the differences."""
    VCRHTTPResponse.read1 = read_pieces
    there = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with tempfile.TemporaryDirectory() as here:
        record_sandbox(Path(here))
        for line in differences(there, Path(here)):
            print(line)  # noqa: T201


if __name__ == "__main__":
    main()
