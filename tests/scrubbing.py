"""Replaces the private parts of a recorded conversation, and keeps its shape.

Names, cells, ids, hosts and texts are replaced, each by the same replacement wherever it occurs in a recording, so an
id in a path still equals the id in a list. Types, lengths, formats of numbers and dates, null, booleans, and the
words of the API itself stay.
"""

from __future__ import annotations

import base64
import io
import json
import re
import secrets
import string
from datetime import date, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from PIL import Image, UnidentifiedImageError
from vcr.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "https://service.invalid"
TOKEN_PATH = "/oauth20/token"
NO_ID = 999_999_999  # marks a missing value
MOST_ENTRIES = 500  # of a list in a cassette; a longer list can't be cut, as its flags and counts would be wrong

# The words of the API. A key or a path stays if it holds no other word.
WORDS = frozenset(
    """
    accept access account accounts action actions active activity address admin administrator after age all
    allocated allow allowed and any api append archived are at author available average back bad based batch
    bearer been bin boolean by bytes cache calendar category changed chart chunk clicdata client code color
    column columns comment completed condition conditions config connection connections connector connectors
    content control cookie copy count country create created creation credits cron current daily dashboard
    dashboards data dataset datasets date datetime day days default delete deleted deletes desc description
    destination detail details dimension disabled display domain done duration edited editor email emails
    enabled encoding end ended entity entries error errors etag every exceeded exist exists expired expires
    export exports external fail failed false feature features field fields file files filter filters finish
    finished first flag flags folder folders forbidden format found free frequency friday from full grant group
    groups guid has height hidden history host hour hours icon id ids image images in includethumbnail info
    insert insufficient internal interval invalid is item items job jobs json key keys kind label language last
    latest length level license licenses limit limits link links list locale locked login logins many max
    maximum measure member members merge message meta metadata method metric metrics min minimum minute minutes missing
    mode modified module modules monday month monthly months more multiple name names next no none not note
    number numbers oauth oauth20 object of off offset on only operation operator option options order owner
    owners page pages pagination parameter parameters parent password path paused pending percent percentage
    period permission permissions picture plan plans plural position preview previous primary private profile
    progress public quota quotas range rate ratelimit read readonly reason rebuild rec record records recreate
    recurrence refresh refreshable refreshed refreshes region reload remaining removed repeat report request
    requests required reset result results retry revision role roles row rows run running runs saturday schedule
    scheduled schedules schema scope scopes second seconds secret security server service session settings share
    shared size snapshot sort source sources start started state static status step steps stopped storage strict
    string sub subscription succeeded success sum sunday supported system table tables tag tags task tasks team
    teams template text thumbnail thursday time timeout times timestamp timezone title to token too total
    transport trigger triggered true tuesday type types unauthorized unique uniquekeyavailable unit units
    unknown unlimited unsupported update updateappend updated uri url usage use used user users v valid
    validation value values vary ver version versions via view viewed viewer views visible waiting wednesday
    week weekly weeks width with workspace write x year yearly zone
    """.split()  # noqa: SIM905 - a list would be ten times as long
)
# Numbers under the keys of COUNTS stay, and texts under ENUMERATIONS if all their words are the API's.
COUNTS = {"count", "row_count", "result_count", "result_total_count", "current_page", "page_size", "expires_in"}
ENUMERATIONS = {"code", "error", "source", "license", "type", "mode", "frequency", "kind", "last_status", "status"}
ENUMERATIONS |= {"state", "token_type", "scope", "data_type", "days", "day", "time_zone"}
_PARTS = re.compile(r"[A-Z]?[a-z]+(?:20)?|[A-Z]+(?![a-z])")
_NUMBER = re.compile(r"(-?)(\d+)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:([T ])(\d{2}:\d{2}(?::\d{2})?)(\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2})?", re.ASCII)
_ROWS = re.compile(r"/(?:data|table)/\d+(?:/v/\d+)?/?")
_KEPT_HEADERS = ("content-type", "content-length", "retry-after")
_LONGEST_TEXT = 2_000  # characters of a response that is no JSON


def is_known(text: str) -> bool:
    """Whether a text consists of the API's own words."""
    rest = _PARTS.sub("", text).strip("_- ")
    return set(rest) <= set("_- ") and all(part.lower() in WORDS for part in _PARTS.findall(text)) and bool(text)


class TooLong(Exception):
    """A list is too long for a recording."""


class Number(str):
    """A number of JSON with its original digits."""


class Pairs(list[Any]):
    """The keys and values of a JSON object."""


class Scrubber:
    """The replacements of one recording. `request` and `response` are hooks of vcrpy.

    `request` raises before anything is sent if the request is neither a GET nor the log-in. The client reports that as
    a lost response, so ``refused`` notes the request. ``too_long`` is a list that isn't recorded. While ``paused``,
    nothing is recorded.
    """

    def __init__(self, url: str) -> None:
        self.paused = False
        self.refused: list[str] = []
        self.too_long: str | None = None
        self._prefix = urlsplit(url).path.rstrip("/")
        self._path = ""
        self._replaced = {str(NO_ID): str(NO_ID)}
        self._used: set[str] = set()
        self._days: dict[str, str] = {}
        self._times: dict[str, str] = {}

    @property
    def hooks(self) -> dict[str, Any]:
        # Functions, as pytest-recording makes a deep copy of its configuration: it would copy the object of a method.
        return {
            "before_record_request": lambda request: self.request(request),
            "before_record_response": lambda response: self.response(response),
        }

    # -- hooks ------------------------------------------------------------------------

    def request(self, request: Request) -> Request:
        parts = urlsplit(request.uri)
        self._path = parts.path.removeprefix(self._prefix)
        if request.method != "GET" and (request.method, self._path) != ("POST", TOKEN_PATH):
            self.refused.append(f"{request.method} {self._path}")
            raise PermissionError(f"{self.refused[-1]} is no reading: it was not sent")
        path = "/".join(self._segment(segment) for segment in self._path.split("/"))
        query = urlencode([(name, self._parameter(name, value)) for name, value in parse_qsl(parts.query)])
        body = b"" if request.method == "GET" else masked_form(request.body)
        headers = {name: value for name, value in request.headers.items() if name.lower() in ("accept", "content-type")}
        return Request(request.method, f"{HOST}{path}{'?' if query else ''}{query}", body, headers)

    def response(self, response: dict[str, Any]) -> dict[str, Any] | None:
        if self.paused:
            return None
        try:
            body = self.body(response["body"]["string"])
        except TooLong as error:
            self.too_long = str(error)
            return None
        headers = {"Content-Length": [str(len(body))]}
        for name, values in response["headers"].items():
            if is_known(name) and name.lower() not in ("content-length", "content-encoding", "transfer-encoding"):
                headers[name] = list(values) if name.lower() in _KEPT_HEADERS else ["REPLACED"]
        code = response["status"]["code"]
        phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else ""
        return {"status": {"code": code, "message": phrase}, "headers": headers, "body": {"string": body}}

    def _segment(self, segment: str) -> str:
        return segment if is_known(segment) else self.text(segment)

    def _parameter(self, name: str, value: str) -> str:
        keeps = name in ("api_version", "page", "page_size") or value.lower() in ("true", "false")
        return value if keeps else self.text(value)

    # -- bodies -----------------------------------------------------------------------

    def body(self, body: bytes) -> bytes:
        text = body.decode("utf-8", "replace")
        try:
            parsed = json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=Pairs)
        except ValueError:
            return (_picture(text) or self.text(text[:_LONGEST_TEXT])).encode()
        return written(self._top(parsed) if _ROWS.fullmatch(self._path) else self._value(parsed, "")).encode()

    def _top(self, value: Any) -> Any:
        """Return the response to a read. The entries of its lists are rows, and their keys are names of columns."""
        if not isinstance(value, Pairs):
            return self._value(value, None)
        return Pairs(
            (self._key(name), self._value(inner, None if type(inner) is list else name)) for name, inner in value
        )

    def _value(self, value: Any, key: str | None) -> Any:
        """Return a value of a key; with None for the key, a cell of a row."""
        if isinstance(value, Pairs):
            if key is None:
                return Pairs((self.text(name), self._value(inner, None)) for name, inner in value)
            return Pairs((self._key(name), self._value(inner, name)) for name, inner in value)
        if isinstance(value, list):
            if len(value) > MOST_ENTRIES:
                raise TooLong(f"{self._path} lists {len(value)} entries, and a recording holds {MOST_ENTRIES} at most")
            return [self._value(one, key) for one in value]
        if isinstance(value, Number):
            return value if key in COUNTS else Number(self._number(value))
        if isinstance(value, str):
            return self._string(value, key)
        return value

    def _key(self, name: str) -> str:
        return name if is_known(name) else self.text(name)

    def _string(self, value: str, key: str | None) -> str:
        if key is not None and key.endswith("_token"):
            return "TOKEN"
        if key in ENUMERATIONS and (is_known(value) or re.fullmatch("[1-5][0-9][0-9]", value)):
            return value
        return _picture(value) or self.text(value)

    # -- replacements -----------------------------------------------------------------

    def text(self, text: str) -> str:
        """Return the replacement of a text: letters for letters, digits for digits, a date for a date."""
        if not text.strip() or _NUMBER.fullmatch(text):
            return self._number(text)
        if (moment := _MOMENT.fullmatch(text)) is not None:
            return self._moment(*moment.groups())
        if _TIME.fullmatch(text):
            return self._time(text)
        return self._once(text, lambda: "".join(map(_letter, text)))

    def _number(self, text: str) -> str:
        match = _NUMBER.fullmatch(text)
        if match is None or not text.strip("-0."):  # a zero, or NaN and Infinity, which JSON lacks
            return text
        sign, whole, fraction, exponent = (part or "" for part in match.groups())
        firsts = "0" if whole[0] == "0" else "1" if len(whole) >= 19 else "123456789"  # within 64 bits

        def draw() -> str:
            rest = whole[1:] if set(whole) == {"0"} else "".join(secrets.choice("0123456789") for _ in whole[1:])
            digits = secrets.choice(firsts) + rest
            places = "".join(place if place in ".0" else secrets.choice("123456789") for place in fraction)
            return f"{sign}{digits}{places}{exponent}"

        return self._once(text, draw)

    def _moment(self, day: str, between: str | None, time: str | None, fraction: str | None, offset: str | None) -> str:
        if day not in self._days:
            self._days[day] = (date(2001, 1, 1) + timedelta(days=len(self._days))).isoformat()
        if time is None:
            return self._days[day]
        places = "".join(place if place in ".0" else "7" for place in fraction or "")
        return f"{self._days[day]}{between}{self._time(time)}{places}{offset or ''}"

    def _time(self, time: str) -> str:
        if not time.strip("0:"):  # midnight
            return time
        if time not in self._times:
            minutes, seconds = divmod(61 * (len(self._times) + 1), 60)
            self._times[time] = f"{minutes // 60 % 24:02}:{minutes % 60:02}:{seconds:02}"[: len(time)]
        return self._times[time]

    def _once(self, text: str, draw: Callable[[], str]) -> str:
        """Return the replacement of a text: a different one for each text, while there are unused ones."""
        if text not in self._replaced:
            for attempt in range(500):
                new = draw()
                if new not in self._used and (new != text or attempt > 100):  # there are only nine digits
                    break
            self._used.add(new)
            self._replaced[text] = new
        return self._replaced[text]


def masked_form(body: Any) -> bytes:
    """Return a log-in without its credentials."""
    body = body.read() if hasattr(body, "read") else body or b""
    text = body if isinstance(body, str) else body.decode()
    fields = parse_qsl(text, keep_blank_values=True)
    return urlencode([(name, value if name == "grant_type" else "SECRET") for name, value in fields]).encode()


def written(value: Any) -> str:
    """Return parsed JSON as JSON, with the original digits of its numbers."""
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{written(inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return value if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def _letter(letter: str) -> str:
    """Return another character of the same kind; ASCII marks and blanks stay."""
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
        if letter in kind:
            return secrets.choice(kind.replace(letter, ""))
    if letter.isascii():
        return letter
    return "É" if letter.isupper() else "é" if letter.islower() else "字" if letter.isalpha() else "·"


def _picture(text: str) -> str | None:
    """Return a small picture of the same format if a text holds one as base64, alone or as a data URL."""
    start = text.find(";base64,") + len(";base64,") if text.startswith("data:") else 0
    bare = re.sub(r"\s", "", text[start:])
    if len(bare) < 40:
        return None
    try:
        kind = Image.open(io.BytesIO(base64.b64decode(bare, validate=True))).format
    except (ValueError, UnidentifiedImageError, OSError):
        return None
    small = io.BytesIO()
    Image.new("RGB", (2, 2)).save(small, kind)
    return text[:start] + base64.b64encode(small.getvalue()).decode()
