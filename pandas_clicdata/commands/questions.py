"""The open questions: the code that guesses, the requests to the service, the report without names and cells."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from pandas_clicdata.commands.shapes import shape, show_code, show_key
from pandas_clicdata.errors import ClicDataError, PermissionDenied
from pandas_clicdata.names import ID_KEYS, parse_integer
from pandas_clicdata.sandbox.switches import Switches
from pandas_clicdata.session.session import Session, package_version
from pandas_clicdata.session.transport import HttpRequest, Limits, Transport
from pandas_clicdata.session.wire import FIRST_MODERN, LOG_IN, TABLE_VERSION, Answer, Query, Replay, Request, json_body

MODERN = FIRST_MODERN
VERSIONS = (None, "2021.08", MODERN, TABLE_VERSION)
WIDTH = 100


class Question(NamedTuple):
    """An open question, and the file and name in the package that guess its answer."""

    number: str
    text: str
    file: str
    name: str


# CONTRIBUTING.md has the same numbers.
QUESTIONS = {
    "legacy": Question("O12", "Do calls without a version still answer?", "session/session.py", "_change_version"),
    "paths": Question("O13", "Which path gives rows, in which version?", "endpoints/versions.py", "rows_request"),
    "paging": Question("O1", "How does a page say that more pages follow?", "session/pages.py", "_more"),
    "page_number": Question("O1", "Does `page` choose the page?", "session/pages.py", "page_query"),
    "last_page": Question("O1", "What is the response for a page beyond the end?", "session/pages.py", "take"),
    "page_size": Question("O1", "Which page_size is accepted?", "session/pages.py", "PAGE_SIZE"),
    "ids": Question("O18", "Which key holds the id in lists of data sets?", "names.py", "ID_KEYS"),
    "data_sets": Question("O18", "Which keys does a data set have?", "endpoints/data.py", "DATA_SETS"),
    "dashboards": Question("O18", "Which keys does a dashboard have?", "endpoints/dashboard.py", "DASHBOARDS"),
    "schedules": Question("O18", "Which keys does a schedule have?", "endpoints/schedule.py", "SCHEDULES"),
    "teams": Question("O18", "Which keys does a team have?", "endpoints/team.py", "TEAMS"),
    "users": Question("O18", "Which keys does a user have?", "endpoints/user.py", "USERS"),
    "user_activity": Question("O18", "Which keys does the activity of users have?", "endpoints/account.py", "ACTIVITY"),
    "views": Question("O18", "Which keys does the activity of dashboards have?", "endpoints/account.py", "ACTIVITY"),
    "shapes": Question("O18", "What do schedules, users and versions hold?", "endpoints/schedule.py", "SCHEDULES"),
    "versions": Question("O7", "Which keys does a stored version have?", "endpoints/data.py", "VERSIONS"),
    "account": Question("O24", "Which keys does the account have?", "endpoints/account.py", "_METRIC_KEYS"),
    "dates": Question("O4", "In which format do rows give dates?", "frames/match.py", "_TIMESTAMP"),
    "missing_id": Question("O20", "What is the response for an unknown id?", "session/wire.py", "_BY_STATUS"),
    "bad_version": Question("O20", "What is the response for a bad version?", "session/wire.py", "_CODES"),
    "token": Question("O21", "What is the response to a log-in?", "session/credentials.py", "_lifetime"),
    "wrong_login": Question(
        "O21", "What is the response to a wrong log-in?", "session/credentials.py", "_REFUSED_LOGIN"
    ),
    "picture": Question("O23", "How is a picture sent?", "endpoints/pictures.py", "parse_picture"),
    "filters": Question("O23", "Is a filter `true` or `True`?", "session/wire.py", "query_of"),
    "create": Question("O14", "How is a data set created?", "endpoints/answers.py", "parse_new_id"),
    "name_twice": Question("O14", "What is the response for a name that exists?", "session/wire.py", "_BY_STATUS"),
    "deletes": Question("O3", "Where are rows deleted in the modern dialect?", "uploads/change.py", "DELETES"),
    "no_filter": Question("O3", "What does a delete by no known column remove?", "uploads/change.py", "delete_request"),
    "text_comparison": Question("O2", "How do filters compare text?", "frames/match.py", "fold"),
    "other_comparison": Question("O2", "How do filters compare null and numbers?", "frames/match.py", "match"),
    "several_values": Question("O17", "What do several values of a filter mean?", "sandbox/rows.py", "read_filter"),
    "datetimes": Question("O4", "How do datetimes come back?", "frames/cells.py", "_LONGEST_DATETIME"),
    "extremes": Question("O8", "Do extreme cells come back?", "frames/types.py", "clicdata_types"),
    "rows_found": Question("O5", "What does rows_found count?", "uploads/chunk.py", "row_counts"),
    "existing_keys": Question("O5", "What does an append do with a key that exists?", "uploads/chunk.py", "row_counts"),
    "unknown_columns": Question(
        "O10", "What does an append do with an unknown column?", "sandbox/switches.py", "unknown_columns"
    ),
    "missing_columns": Question("O10", "Is an append without one column accepted?", "frames/encode.py", "FrameEncoder"),
    "insert_limit": Question("O16", "How many rows does an append accept?", "uploads/chunk.py", "MODERN_ROWS"),
    "row_limit": Question("O16", "Does the legacy append accept 501 rows?", "uploads/chunk.py", "LEGACY_ROWS"),
    "gzip": Question("O16", "Is a body in gzip accepted?", "uploads/append.py", "AppendOptions"),
    "teams_write": Question("O19", "Which bodies make, change and remove a team?", "endpoints/team.py", "TEAMS"),
    "users_write": Question("O19", "Which bodies make and remove a user?", "endpoints/user.py", "LICENSES"),
    "history": Question("O7", "Does each append make a stored version?", "endpoints/data.py", "VERSIONS"),
    "legacy_refresh": Question("O6", "What do /rebuild and /reload do?", "endpoints/refresh.py", "REFRESHES"),
    "modern_refresh": Question("O22", "Does a modern refresh wait?", "endpoints/refresh.py", "REFRESHES"),
    "display_names": Question("O9", "Does the API use display names?", "frames/encode.py", "FrameEncoder"),
}
# Questions that the API alone can't answer.
BY_HAND = {
    "legacy_refresh": "refresh a copy of a file's data set by POST /data/{id}/rebuild and /reload, then "
    "read the name of the task in ClicData",
    "modern_refresh": "refresh such a copy by POST /table/{id}/refresh and see whether the response waits for the task",
    "display_names": "give a column of the data set another display name, then read it and append under either name",
    "users_write": "make and remove a user whose address is your own",
}


class Result(NamedTuple):
    """The answer to a question in a word, whether the code guessed right (None: not known), and its details."""

    answer: str
    guessed: bool | None
    seen: list[str]


class NotKnown(Exception):
    """A question can't be settled here; the text says why."""


Finder = Callable[[], Result]


# ---------------------------------------------------------------------------------------------------------
# Asking


class _Listening(Transport):
    """A transport that keeps the last response to a call, and the last one to a log-in."""

    call: Answer | None = None
    log_in: Answer | None = None

    def send(self, request: HttpRequest, limits: Limits) -> Answer | ClicDataError:
        answer = super().send(request, limits)
        kept = answer if isinstance(answer, Answer) else None
        if request.operation == LOG_IN:
            self.log_in = kept
        else:
            self.call = kept
        return answer


class _ListeningSession(Session):
    def _begin(self) -> None:
        super()._begin()
        self._transport = self.heard = _Listening(self._url, self._verify)


@dataclass(frozen=True)
class Response:
    """The outcome of one request. Only `outcome` and `shape` may be shown."""

    error: ClicDataError | None
    answer: Answer | None
    text: bytes = b""  # the payload, as the package finds it

    @cached_property
    def body(self) -> Any:
        """The parsed body, with every digit; None if it isn't JSON."""
        try:
            return json.loads(self.answer.body if self.answer else b"", parse_float=Decimal)
        except (ValueError, RecursionError):
            return None

    @property
    def payload(self) -> Any:
        """The JSON without the modern envelope."""
        return self.body.get("result", self.body) if isinstance(self.body, dict) else self.body

    @property
    def items(self) -> list[Any] | None:
        """The payload if it is a list, else the only list in it; None if there is no such list."""
        payload = self.payload
        if self.error is None and isinstance(payload, dict):
            lists = [value for value in payload.values() if isinstance(value, list)]
            payload = lists[0] if len(lists) == 1 else None
        return payload if self.error is None and isinstance(payload, list) else None

    @property
    def place(self) -> str:
        """The keys that lead to the list."""
        payload, body = self.payload, self.body
        names = ["result"] if isinstance(body, dict) and "result" in body else []
        if isinstance(payload, dict):
            names += [show_key(key) for key, value in payload.items() if isinstance(value, list)]
        return f"under {'.'.join(names)}" if names else "as a bare list"

    @property
    def flags(self) -> dict[str, Any]:
        """The values beside the rows of a page."""
        if not isinstance(self.body, dict):
            return {}
        pagination = self.body.get("pagination")
        beside = {key: value for key, value in self.body.items() if not isinstance(value, list)}
        beside = {key: value for key, value in beside.items() if key not in ("success", "result")}
        return pagination if isinstance(pagination, dict) else beside

    @property
    def outcome(self) -> str:
        """The HTTP status, and the code of an error."""
        if self.answer is None:
            return f"no answer ({type(self.error).__name__})"
        status, code = str(self.answer.status), getattr(self.error, "code", None)
        if self.error is None or code == status:
            return status
        return f"{status} {show_code(code)}" if code else f"{status} ({type(self.error).__name__})"

    @property
    def shape(self) -> str:
        """The HTTP status, and the keys and types of the body."""
        body = self.body
        return self.outcome if body is None else f"{self.outcome}: {shape(body)}"


class Service:
    """Sends requests to an account, in any version of the API."""

    def __init__(self, **params: Any) -> None:
        self._session = _ListeningSession(**{**params, "api_version": None, "max_retries": 1})
        self._asked: dict[tuple[str, str | None, Query], Response] = {}
        self.url = self._session.url
        self.method = self._session.auth_method

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    @property
    def log_in(self) -> Answer | None:
        """The last response of the token endpoint."""
        return self._session.heard.log_in

    def get(self, path: str, version: str | None, **query: object) -> Response:
        """Send a GET request; for the same path, version and query only once."""
        pairs = tuple((name, str(value)) for name, value in query.items())
        if (path, version, pairs) not in self._asked:
            self._asked[path, version, pairs] = self.send("GET", path, version, query=pairs)
        return self._asked[path, version, pairs]

    def send(self, method: str, path: str, version: str | None, body: object = None, **more: Any) -> Response:
        """Send a request; a body is bytes, or a value to send as JSON."""
        replay = Replay.FREELY if method == "GET" else Replay.IF_NOTHING_WAS_DONE
        text = body if body is None or isinstance(body, bytes) else json_body(body)
        heard = self._session.heard
        heard.call = None
        try:
            reply = self._session.call(
                Request("probe", method, path, body=text, api_version=version, replay=replay, **more)
            )
        except ClicDataError as error:
            return Response(error, heard.call)
        return Response(None, heard.call, reply.payload)


def id_of(item: object) -> int | None:
    """Return the id of a listed item; None if it has none, or if its keys of ids disagree."""
    found = {parse_integer(item[key]) for key in ID_KEYS if key in item} if isinstance(item, dict) else set()
    return found.pop() if len(found) == 1 else None


def label(version: str | None) -> str:
    """Return a version for the report."""
    return version or "no version"


def lines_by_version(responses: Mapping[str | None, str]) -> list[str]:
    """Return a line for each text, with the versions that gave it."""
    versions: dict[str, list[str]] = {}
    for version, text in responses.items():
        versions.setdefault(text, []).append(label(version))
    return [f"{', '.join(listed)}: {text}" for text, listed in versions.items()]


def why_refused(responses: list[Response]) -> NotKnown:
    """Return why a question can't be settled if no response is a success."""
    refused = any(isinstance(one.error, PermissionDenied) for one in responses)
    reason = "this log-in has no right to it" if refused else "no version gives it"
    return NotKnown(f"{reason} ({', '.join(sorted({one.outcome for one in responses}))})")


# ---------------------------------------------------------------------------------------------------------
# The report


def settle(finders: Mapping[str, Finder]) -> list[dict[str, Any]]:
    """Return the result of each question. A question that fails doesn't stop the others."""
    report = []
    for key, find in finders.items():
        question = QUESTIONS[key]
        try:
            result = find()
        except NotKnown as reason:
            result = Result("not known", None, [str(reason)])
        except Exception as error:  # noqa: BLE001  # only its type: its text may hold a cell
            result = Result("not known", None, [f"the probe failed here: {type(error).__name__}"])
        report.append(
            {
                "number": question.number,
                "question": question.text,
                "key": key,
                "answer": result.answer,
                "found": result.seen,
                "verdict": {True: "confirmed", False: "refuted", None: "not known"}[result.guessed],
                "code": f"pandas_clicdata/{question.file}: {question.name}",
            }
        )
    return sorted(report, key=lambda one: int(one["number"][1:]))


SWITCHES = {name: set(get_args(kind)) for name, kind in get_type_hints(Switches).items()}
# The questions that settle a switch, and their words for its values, where the names differ.
SETTLED_BY = {"large_page_size": ("page_size",), "datetimes": ("datetimes", "dates")}
_WORDS = {"with a T": "iso", "with a blank": "as sent", "all three": "capped", "ignored above a maximum": "capped"}


def switches_of(report: list[dict[str, Any]]) -> dict[str, str]:
    """Return the arguments of `sandbox.start` with which the sandbox behaves as the report says."""
    answers = {one["key"]: _WORDS.get(one["answer"], one["answer"]) for one in report}
    found = {}
    for switch, values in SWITCHES.items():
        settled = [answers[key] for key in SETTLED_BY.get(switch, (switch,)) if answers.get(key) in values]
        if settled:
            found[switch] = settled[0]
    return found


def print_report(report: list[dict[str, Any]], title: str) -> None:
    """Print a report in lines that fit a terminal."""
    verdicts = Counter(one["verdict"] for one in report)
    _print_wrapped(f"{title} of pandas_clicdata {package_version()}: {len(report)} questions", 0)
    _print_wrapped(f"confirmed ({verdicts['confirmed']}): the service does what the code expects.")
    _print_wrapped(f"refuted ({verdicts['refuted']}): it does something else; the code to change is named.")
    _print_wrapped(f"not known ({verdicts['not known']}): it can't be seen with this account; the reason is named.")
    _print_wrapped("No name, cell, id or secret is in this report, so it can be pasted into a public issue.", 0)
    for one in report:
        verdict = "" if one["answer"] == one["verdict"] else f" ({one['verdict']})"
        print(f"\n{one['number']:<4} {one['question']}  {one['answer']}{verdict}")
        for line in one["found"]:
            _print_wrapped(line)
        _print_wrapped(f"code: {one['code']}")
    if refuted := [f"{one['number']} {one['code']}" for one in report if one["verdict"] == "refuted"]:
        print("\nTo change:")
        for line in refuted:
            _print_wrapped(line)
    if switches := switches_of(report):
        print("\nA sandbox that behaves like this:")
        arguments = ", ".join(f'{name}="{value}"' for name, value in switches.items())
        _print_wrapped(f"pandas_clicdata.sandbox.start({arguments})")


def _print_wrapped(line: str, indent: int = 5) -> None:
    blanks = " " * indent
    shown = textwrap.fill(line, WIDTH, initial_indent=blanks, subsequent_indent=blanks + "    ", break_on_hyphens=False)
    print(shown)


def write_json(report: list[dict[str, Any]], path: str) -> None:
    """Write a report as JSON."""
    text = json.dumps({"pandas_clicdata": package_version(), "questions": report}, indent=2)
    Path(path).write_text(f"{text}\n", encoding="ascii")
