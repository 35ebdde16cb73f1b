"""``doctor --probe-writes``: the questions that need a new data set. Nothing else is changed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from pandas_clicdata.commands.own_set import COLUMNS, NEWER, OwnSet, read_all
from pandas_clicdata.commands.questions import (
    BY_HAND,
    MODERN,
    Finder,
    NotKnown,
    Response,
    Result,
    Service,
    id_of,
    label,
)
from pandas_clicdata.commands.shapes import compare_datetimes, date_pattern, instant_of, kind_of
from pandas_clicdata.errors import ApiVersionError
from pandas_clicdata.frames.match import fold
from pandas_clicdata.names import ID_KEYS, parse_integer
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.uploads.chunk import LEGACY_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "zz_probe"
TEXTS = {"a": "a", "A": "A", "a and a blank": "a ", "a with an accent": "\u00e1", "empty": "", "null": None}
SENT = ("2024-01-02 03:04:05", "2024-01-02 03:04:05.123", "2024-01-02 03:04:05.1234567")  # as the package sends them
SPELLINGS = (
    *SENT,
    "2024-01-02T03:04:05",
    "2024-01-02 03:04:05.123456789",
    "2024-01-02T03:04:05Z",
    "2024-01-02T03:04:05+02:00",
    "2024-01-02 03:04:05-05:30",
)
LONG_DECIMAL = "0.12345678901234567890"
LARGE_INTEGER = 2**53 + 1
# The methods; each has the name of its question. Deletes run while rows are few, limits at the end.
ORDER = """
    create deletes no_filter text_comparison other_comparison several_values datetimes extremes rows_found existing_keys
    unknown_columns missing_columns history gzip teams_write name_twice insert_limit row_limit
"""


class Writes:
    """The questions about writes. ``create`` must run first: without its data set nothing is written."""

    def __init__(self, service: Service, note: Callable[[str], None], rec_id: int | None = None) -> None:
        self._service = service
        self._note = note
        self._given = rec_id
        self._made: OwnSet | None = None
        self._made_in: str | None = None  # the version of the create that was accepted
        self._name = f"{PREFIX} {datetime.now():%Y-%m-%d %H:%M:%S}"
        self._version = MODERN if service.get("/data", MODERN).items is not None else None

    @property
    def name(self) -> str:
        """The name of the data set and of the team that will be made."""
        return self._name

    def finders(self) -> dict[str, Finder]:
        """Return the function that settles each question, in the order in which they must run."""
        if self._given is not None:
            return {"existing_keys": self.existing_keys, "history": self.history}
        by_hand = {key: partial(_by_hand, text) for key, text in BY_HAND.items()}
        return {**{key: getattr(self, key) for key in ORDER.split()}, **by_hand}

    @property
    def _own(self) -> OwnSet:
        if self._made is None and self._given is not None:
            self._made = self._find_given(self._given)
        if self._made is None:
            raise NotKnown("no data set was made for it")
        return self._made

    # -- O14: create the data set, and make sure that it is new -------------------------

    def create(self) -> Result:
        """O14: how a data set is created."""
        if self._named("/data"):
            raise NotKnown("a data set of that name exists already: nothing was made")
        seen = []
        for version in dict.fromkeys((self._version, None)):
            for columns in ({**COLUMNS, **NEWER}, COLUMNS):
                response = self._send_create(version, columns)
                types = "all types" if len(columns) > len(COLUMNS) else "without money and time"
                seen.append(f"POST /data, {label(version)}, {types}: {response.shape}")
                if response.error is None:
                    self._made, self._made_in = self._make_sure(response), version
                    return Result(f"POST /data, {label(version)}", True, seen)
                if outcome(response.error) is Outcome.UNKNOWN:
                    self._note(f"It isn't known whether the data set {self._name!r} was made: look for it in ClicData.")
                    raise NotKnown("; ".join(seen))
        return Result("refused", False, seen)

    def _send_create(self, version: str | None, columns: Mapping[str, str]) -> Response:
        listed = [{"name": name, "data_type": kind} for name, kind in columns.items()]
        body = {"name": self._name, "description": "made by doctor --probe-writes; can be removed", "columns": listed}
        return self._service.send("POST", "/data", version, body)

    def _make_sure(self, response: Response) -> OwnSet:
        """Return the new data set, if only it has the new name, and it is empty; else raise `NotKnown`."""
        rec_id = _new_id(response)
        try:
            sure = rec_id is not None and self._named("/data") == [rec_id]
            sure = sure and not read_all(self._service, f"/data/{rec_id}", self._version)
        except NotKnown:
            sure = False
        if rec_id is None or not sure:
            self._note(f"A data set {self._name!r} was probably made, but its id is not clear.")
            raise NotKnown(f"{response.shape}; that isn't the id of an empty data set of the new name: stopped")
        self._note(f"Made: data set {rec_id}, {self._name!r}. The API can't remove it: remove it in ClicData.")
        return OwnSet(self._service, rec_id, self._version)

    def _named(self, path: str) -> list[int | None]:
        """Return the ids of all data sets or teams of the new name."""
        listed = read_all(self._service, path, self._version, **({"name": self._name} if path == "/data" else {}))
        return [id_of(item) for item in listed if isinstance(item, dict) and item.get("name") == self._name]

    def _find_given(self, rec_id: int) -> OwnSet:
        listed = read_all(self._service, "/data", self._version)
        names = [item.get("name") for item in listed if id_of(item) == rec_id]
        if len(names) != 1 or not str(names[0]).startswith(PREFIX):
            raise NotKnown(f"--data-set must be the id of a data set that is called {PREFIX}...: nothing was sent")
        return OwnSet(self._service, rec_id, self._version)

    def name_twice(self) -> Result:
        """O14: the response for a name that exists."""
        _ = self._own  # raises without a data set
        response = self._send_create(self._made_in, COLUMNS)
        if response.error is None:
            self._note(f"There are two data sets {self._name!r} now: remove both in ClicData.")
            return Result("taken", False, [response.outcome])
        return Result("refused", response.answer is not None and response.answer.status == 409, [response.shape])

    # -- O3: deletes, while there are only a few rows -----------------------------------

    def deletes(self) -> Result:
        """O3: path and body of a delete."""
        own, works, seen = self._own, [], []
        for form in ("/delete", "DELETE /row") if own.version else ("DELETE /row",):
            own.must_insert(own.row("o3", f"1 {form}"), own.row("o3", f"2 {form}"))
            before = len(own.rows())
            response = own.delete(form, k=[own.part("o3 none")])
            if (left := len(own.rows())) < before:
                seen.append(f"{form}: a filter that fits no row removed {before - left} of {before} rows")
                return Result("DANGEROUS", False, seen)
            seen.append(f"{form}, a filter that fits no row: {response.shape}; no row was deleted")
            response = own.delete(form, k=[own.row("o3", f"1 {form}")["k"]])
            names, after = own.rows_of("o3"), len(own.rows())
            went = f"1 {form}" not in names
            seen.append(
                f"{form}, a filter that fits one row: {response.shape}; {before - after} of {before} rows deleted"
            )
            if went and before - after != 1:
                return Result("DANGEROUS", False, seen)
            works += [form] if went else []
        answer = "both" if len(works) == 2 else works[0] if works else "neither"
        return Result(answer if own.version or not works else f"{answer}, without a version", bool(works), seen)

    def no_filter(self) -> Result:
        """O3: a filter by an unknown column, and a filter without columns, which the package never sends."""
        own, seen, went = self._own, [], 0
        for form in ("/delete", "DELETE /row") if own.version else ("DELETE /row",):
            own.must_insert(own.row("o3b", f"1 {form}"), own.row("o3b", f"2 {form}"))
            for what, find in (("an unknown column", {"zz_unknown": ["x"]}), ("no column", {})):
                before = len(own.rows())
                response = own.delete(form, **find)
                gone = before - len(own.rows())
                went += gone if find else 0
                seen.append(f"{form} by {what}: {response.outcome}; {gone} of {before} rows deleted")
        return Result("removes rows" if went else "removes nothing", not went, seen)

    # -- O2, O17: filters -----------------------------------------------------------------

    def text_comparison(self) -> Result:
        """O2: case, blanks and accents."""
        own = self._own
        self._insert_texts(own, "o2")
        reached, shown = own.reached("o2", "t", ["a"])
        seen = [f'rows {", ".join(TEXTS)}; t equals "a": {shown}']
        if reached is None:
            raise NotKnown(seen[0])
        names = {"A": "case", "a and a blank": "blanks", "a with an accent": "accents"}
        without = [names.get(name, "more") for name in TEXTS if name in reached - {"a"}]
        answer = "nothing" if "a" not in reached else f"without {', '.join(without)}" if without else "exact"
        expected = "a" in reached and all(fold(TEXTS[name] or "") == "a" for name in reached)
        return Result("sql_server" if without == ["case", "blanks"] else answer, expected, seen)

    def other_comparison(self) -> Result:
        """O2: empty text, null, numbers, and no value at all."""
        own = self._own
        self._insert_texts(own, "o2b")
        wanted: dict[str, tuple[str, list[Any]]] = {
            "empty text": ("t", [""]),
            "null": ("t", [None]),
            "a number": ("n", [1]),
            "a number as text": ("n", ["1"]),
            **({"no values": ("t", [])} if own.version else {}),
        }
        found = {what: own.reached("o2b", name, values) for what, (name, values) in wanted.items()}
        seen = [f"{what}: {shown}" for what, (_, shown) in found.items()]
        reached = {what: names for what, (names, _) in found.items()}
        good = reached["empty text"] == {"empty"} and not reached.get("no values")
        good = good and reached["null"] in (None, set(), {"null"})
        return Result("as expected" if good else "otherwise", good, seen)

    def _insert_texts(self, own: OwnSet, part: str) -> None:
        own.must_insert(*(own.row(part, name, t=text, n=1) for name, text in TEXTS.items()))

    def several_values(self) -> Result:
        """O17: what several values of a filter mean."""
        own = self._own
        if own.version is None:
            raise NotKnown("the legacy filter takes one value a column")
        own.must_insert(*(own.row("o17", name, t=name) for name in ("x", "y", "z")))
        reached, shown = own.reached("o17", "t", ["x", "y"])
        seen = [f"equals x and y: {shown}"]
        others = {word: own.reached("o17", "t", ["x"], word)[1] for word in ("in", "contains", "notequals")}
        seen += [f"comparator {comparator}, x: {line}" for comparator, line in others.items()]
        if reached is None:
            return Result("refused", False, seen)
        words = {frozenset("xy"): "any of them", frozenset("x"): "the first", frozenset(): "nothing"}
        answer = words.get(frozenset(reached), "otherwise")
        return Result(answer, answer == "any of them", seen)

    # -- O4, O8, O10: cells -----------------------------------------------------------------

    def datetimes(self) -> Result:
        """O4: how datetimes come back."""
        own = self._own
        responses = {text: own.insert(own.row("o4", text, at=text)) for text in SPELLINGS}
        rows = own.rows_of("o4")
        seen, back = [], {}
        for text, response in responses.items():
            if text in rows:
                back[text] = rows[text].get("at")
                shown = compare_datetimes(text, back[text])
            else:
                shown = f"{response.outcome}, not stored"
            seen.append(f"{date_pattern(text)}: {shown}")
        if not back:
            raise NotKnown("; ".join(seen))
        same = all(text == got for text, got in back.items())
        iso = all(text.replace(" ", "T") == got for text, got in back.items())
        answer = "as sent" if same else "iso" if iso else "otherwise"
        kept = all(text in back and instant_of(text) == instant_of(back[text]) for text in SENT)
        return Result(answer, kept, seen)

    def extremes(self) -> Result:
        """O8: whether extreme cells come back."""
        own = self._own
        sent: dict[str, tuple[str, Any, Any]] = {
            "2**53 + 1": ("n", LARGE_INTEGER, LARGE_INTEGER),
            "20 digits": ("n", msgspec.Raw(LONG_DECIMAL.encode()), Decimal(LONG_DECIMAL)),
            "percentage 0.25": ("p", 0.25, Decimal("0.25")),
            "true": ("c", True, True),
            "false": ("c", False, False),
        }
        responses = {
            name: own.insert(own.row("o8", name, **{column: cell})) for name, (column, cell, _) in sent.items()
        }
        rows = own.rows_of("o8")
        seen, same = [], True
        for name, (column, _, expected) in sent.items():
            got = rows.get(name, {}).get(column)
            exact = got == expected and isinstance(got, bool) == isinstance(expected, bool)
            same = same and exact
            missing = f"{responses[name].outcome}, not stored"
            changed = f"comes back as another {kind_of(got)}" + (" (25)" if got == 25 else "")
            seen.append(f"{name}: {missing if name not in rows else 'comes back as sent' if exact else changed}")
        return Result("as sent" if same else "changed", same, seen)

    def unknown_columns(self) -> Result:
        """O10: an append with an unknown column."""
        own = self._own
        response = own.insert(own.row("o10", "more", zz_unknown="x"))
        row = own.rows_of("o10").get("more")
        if row is None:
            refused = response.error is not None
            return Result("refuse" if refused else "loses the row", refused, [response.outcome])
        answer = "adds the column" if row.get("zz_unknown") == "x" else "drop"
        return Result(answer, False, [f"{response.outcome}; the row is stored"])

    def missing_columns(self) -> Result:
        """O10: an append without one column."""
        own = self._own
        response = own.insert(own.row("o10b", "less"))
        row = own.rows_of("o10b").get("less")
        if row is None:
            return Result("refused" if response.error is not None else "loses the row", False, [response.outcome])
        cells = {kind_of(row.get(name)) for name in ("t", "n", "c", "at")}
        seen = f"{response.outcome}; the missing cells are {', '.join(sorted(cells))}"
        return Result("stored", cells == {"null"}, [seen])

    # -- O5, O7, O16: appends ----------------------------------------------------------------

    def rows_found(self) -> Result:
        """O5: what ``rows_found`` counts, without a key."""
        own = self._own
        response = own.must_insert(own.row("o5", "1"), own.row("o5", "2"))
        inserted, found = _counts(response)
        answer = {None: "not in the answer", 0: "rows that were there", 2: "rows sent"}.get(found, "otherwise")
        seen = [f"2 new rows: {response.shape}"]
        if inserted is not None:
            seen.append(f"rows_inserted is {'2, as sent' if inserted == 2 else 'another number'}")
        return Result(answer, None if inserted is None else inserted == 2, seen)

    def existing_keys(self) -> Result:
        """O5: an append with a key that exists; the user ticks the key by hand."""
        own = self._own
        if self._given is None:
            raise NotKnown(
                "by hand: tick column k as key of the new data set in ClicData, then run --probe-writes --data-set ID"
            )
        keyed = read_all(self._service, "/data", self._version, uniquekeyavailable="true")
        if self._given not in map(id_of, keyed):
            raise NotKnown("the data set has no key yet: tick column k as its key in ClicData")
        own.must_insert(own.row("o5k", "row", t="first"))
        response = own.insert(own.row("o5k", "row", t="second"))
        texts = [str(row.get("t")) for row in own.rows() if row.get("k") == own.row("o5k", "row")["k"]]
        words = {("first", "second"): "store", ("first",): "skip", ("second",): "replace"}
        answer = words.get(tuple(sorted(texts)), "otherwise")
        # A skipped row leaves no doubt if the response counts it as found.
        handled = answer == "store" or (answer == "skip" and _counts(response) == (0, 1))
        seen = f"a row whose key exists: {response.shape}; {len(texts)} such rows after it"
        return Result(answer, handled, [seen])

    def history(self) -> Result:
        """O7: whether each append makes a stored version."""
        own = self._own
        before = own.stored_versions()
        if before is None:
            raise NotKnown("Data History is off: switch it on in ClicData, then run --probe-writes --data-set ID")
        own.must_insert(own.row("o7", "1"))
        after = own.stored_versions()
        made = (after or 0) - before
        return Result("yes" if made == 1 else "no", made == 1, [f"one append made {made} versions"])

    def gzip(self) -> Result:
        """O16: compressed bodies."""
        own = self._own
        response = own.insert(own.row("o16", "gzip"), zipped=True)
        stored = "gzip" in own.rows_of("o16")
        seen = f"{response.outcome}; {'stored' if stored else 'not stored'}"
        return Result("taken" if stored else "refused", stored, [seen])

    def insert_limit(self) -> Result:
        """O16: 500 and 501 rows in the modern dialect."""
        own = self._own
        if own.version is None:
            raise NotKnown("the modern dialect doesn't answer")
        found = {count: self._insert_many(own, count, legacy=False) for count in (501, 500)}
        seen = [f"{count} rows: {response.outcome}" for count, response in found.items()]
        taken = [count for count, response in found.items() if response.error is None]
        return Result(f"{max(taken)} rows taken" if taken else "fewer than 500", taken == [500], seen)

    def row_limit(self) -> Result:
        """O16: 501 rows in the legacy dialect."""
        response = self._insert_many(self._own, 501, legacy=True)
        if isinstance(response.error, ApiVersionError):
            raise NotKnown("no call without a version is answered")
        seen = [f"501 rows: {response.outcome}; {LEGACY_ROWS:,} at once are not tried"]
        return Result("no", False, seen) if response.error is not None else Result("yes", None, seen)

    @staticmethod
    def _insert_many(own: OwnSet, count: int, *, legacy: bool) -> Response:
        part = f"o16 {count} {legacy}"
        return own.insert(*(own.row(part, str(number)) for number in range(count)), legacy=legacy)

    # -- O19: a new team, which is removed again ------------------------------------------------

    def teams_write(self) -> Result:
        """O19: the bodies of writes to a team."""
        _ = self._own  # raises if the id of the new data set isn't known
        if self._named("/team"):
            raise NotKnown("a team of that name exists already: nothing was made")
        made = self._service.send("POST", "/team", self._version, {"name": self._name, "description": "removed again"})
        seen = [f"POST /team: {made.shape}"]
        if made.error is not None and outcome(made.error) is not Outcome.UNKNOWN:
            return Result("refused", False, seen)
        team_id = _new_id(made)
        if team_id is None or self._named("/team") != [team_id]:
            self._note(f"A team {self._name!r} may be there now: look for it in ClicData and remove it.")
            raise NotKnown("the id in the response isn't the id of the new team: nothing else was sent")
        path = f"/team/{team_id}"
        steps: tuple[tuple[str, str, Any], ...] = (
            ("PUT", path, {"description": "changed"}),
            ("POST", f"{path}/parameter", {"name": PREFIX, "value": "1"}),
            ("DELETE", f"{path}/parameter", {"name": PREFIX}),
            ("DELETE", path, None),
        )
        good = True
        for method, step, body in steps:
            response = self._service.send(method, step, self._version, body)
            good = good and response.error is None
            seen.append(f"{method} {step.replace(str(team_id), '{id}')}: {response.shape}")
        if self._named("/team"):
            self._note(f"The team {self._name!r} couldn't be removed: remove it in ClicData.")
            return Result("not removed", False, seen)
        return Result("all taken" if good else "not all taken", good, seen)


def _by_hand(what: str) -> Result:
    raise NotKnown(f"by hand: {what}")


def _counts(response: Response) -> tuple[int | None, int | None]:
    """Return the numbers of inserted and of found rows in a response."""
    counts = response.payload if isinstance(response.payload, dict) else {}
    inserted, found = (counts.get(name) for name in ("rows_inserted", "rows_found"))
    return (inserted if isinstance(inserted, int) else None), (found if isinstance(found, int) else None)


def _new_id(response: Response) -> int | None:
    """Return the id in the response to a create."""
    value = response.payload
    if isinstance(value, dict):
        value = next((value[key] for key in ID_KEYS if key in value), None)
    found = parse_integer(value)
    return found if found and found > 0 else None
