"""``doctor --probe``: the questions that reading settles. Every request except a log-in is a GET."""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from pandas_clicdata.commands import shapes
from pandas_clicdata.commands.questions import (
    MODERN,
    VERSIONS,
    Finder,
    NotKnown,
    Response,
    Result,
    Service,
    id_of,
    label,
    lines_by_version,
    why_refused,
)
from pandas_clicdata.endpoints.account import _METRIC_KEYS, ACTIVITY
from pandas_clicdata.endpoints.dashboard import DASHBOARDS
from pandas_clicdata.endpoints.data import DATA_SETS
from pandas_clicdata.endpoints.data import VERSIONS as STORED_VERSIONS
from pandas_clicdata.endpoints.pictures import parse_picture
from pandas_clicdata.endpoints.schedule import SCHEDULES
from pandas_clicdata.endpoints.team import TEAMS
from pandas_clicdata.endpoints.user import USERS
from pandas_clicdata.errors import ApiVersionError, BadCredentials, ClicDataError, NotFound, UsageError
from pandas_clicdata.names import ID_KEYS
from pandas_clicdata.session.wire import TABLE_VERSION

LISTING = (None, MODERN, TABLE_VERSION)  # the versions to ask for lists
MOST_LOOKED_AT = 8  # data sets to look at for one with several pages
SIZES = (5, 1000, 100_000)
FAR = 99_999
FLAGS = ("has_more_data", "has_more_results", "last_page")
TOTALS = {"count", "result_total_count"}
# The methods; each has the name of its question.
KEYS = """
    legacy paths paging page_number last_page page_size ids shapes versions account dates missing_id bad_version token
    wrong_login picture filters
"""
_UNUSED_ID = 2_000_000_011
_BAD_VERSION = "1999.01"


class Reads:
    """The read questions of one account."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def finders(self) -> dict[str, Finder]:
        """Return the function that settles each question, by its key."""
        lists = {
            "data_sets": ("/data", DATA_SETS),
            "dashboards": ("/dashboard", DASHBOARDS),
            "schedules": ("/schedule", SCHEDULES),
            "teams": ("/team", TEAMS),
            "users": ("/user", USERS),
            "user_activity": ("/account/activity/users", ACTIVITY["users"]),
            "views": ("/account/activity/dashboards", ACTIVITY["dashboards"]),
        }
        of_lists: dict[str, Finder] = {key: partial(self.keys, *wanted) for key, wanted in lists.items()}
        return {**{key: getattr(self, key) for key in KEYS.split()}, **of_lists}

    # -- data sets to look at ---------------------------------------------------------

    @cached_property
    def _ids(self) -> list[int]:
        """The ids of the data sets."""
        responses = [self._service.get("/data", version) for version in LISTING]
        listed = next((items for response in responses if (items := response.items) is not None), None)
        if listed is None:
            raise why_refused(responses)
        return [rec_id for item in listed if (rec_id := id_of(item)) is not None]

    @cached_property
    def _first_pages(self) -> dict[int, list[Any]]:
        """The first rows of the first data sets, by id."""
        found = {}
        for rec_id in self._ids[:MOST_LOOKED_AT]:
            pages = (self._service.get(f"/data/{rec_id}", version).items for version in LISTING)
            found[rec_id] = next((rows for rows in pages if rows is not None), [])
        return found

    @cached_property
    def _rec_id(self) -> int:
        """The id of the data set with the longest first page."""
        best = max(self._first_pages, key=lambda rec_id: len(self._first_pages[rec_id]), default=None)
        if best is None or not self._first_pages[best]:
            raise NotKnown("no data set with rows can be read by this log-in")
        return best

    @cached_property
    def _readable(self) -> dict[str | None, Response]:
        """The first page of the sample in each version that gives rows."""
        pages = {version: self._service.get(f"/data/{self._rec_id}", version) for version in VERSIONS}
        return {version: page for version, page in pages.items() if page.items is not None}

    # -- versions and paths -----------------------------------------------------------

    def legacy(self) -> Result:
        """O12: whether calls without a version are answered."""
        response = self._service.get("/data", None)
        shown = _list_seen(response) if response.error is None else response.shape
        seen = [f"GET /data without a version, by {self._service.method}: {shown}"]
        if response.error is None:
            return Result("yes", True, seen)
        if response.answer is None:
            raise NotKnown(response.outcome)
        required = isinstance(response.error, ApiVersionError)
        return Result("no, a version is required" if required else "no", required, seen)

    def paths(self) -> Result:
        """O13: which path gives rows, in which version."""
        seen, works = [], False
        for name in ("data", "table"):
            found = {version: self._service.get(f"/{name}/{self._rec_id}", version) for version in VERSIONS[1:]}
            works = works or (name == "data" and found[MODERN].items is not None)
            lines = lines_by_version({version: _rows_seen(page) for version, page in found.items()})
            seen += [f"/{name}/{{id}} {line}" for line in lines]
        return Result("/data/{id}" if works else f"not /data/{{id}} at {MODERN}", works, seen)

    # -- pages ------------------------------------------------------------------------

    def paging(self) -> Result:
        """O1: the flags of a page. A read needs none of them; only a flag that isn't a boolean refutes the code."""
        words = {version: _paging_word(page.flags) for version, page in self._readable.items() if version in LISTING}
        if not words:
            raise NotKnown(f"rows come only at {', '.join(map(label, self._readable))}")
        seen = {}
        for version, page in self._readable.items():
            follows = "more pages follow" if self._service.get(self._path, version, page=2).items else "the only page"
            seen[version] = f"{len(page.items or [])} rows, {follows}, beside the rows: {shapes.shape(page.flags)}"
        kinds = set(words.values())
        answer = kinds.pop() if len(kinds) == 1 else "differs"
        return Result(answer, "no boolean" not in words.values(), lines_by_version(seen))

    def page_number(self) -> Result:
        """O1: whether ``page`` chooses the page."""
        return self._compare_pages(2)

    def last_page(self) -> Result:
        """O1: the response for a page beyond the end."""
        return self._compare_pages(FAR)

    def _compare_pages(self, number: int) -> Result:
        """Compare a page with page 1, with five rows a page in versions that have ``page_size``."""
        seen: dict[str | None, str] = {}
        words = set()
        for version in self._readable:
            first, other = self._page(version, 1), self._page(version, number)
            if first.items is None:
                seen[version] = f"page 1: {first.outcome}"
                continue
            word = _compare(first, other)
            if word == "same" and number < FAR and _compare(first, self._page(version, FAR)) != "same":
                word = "rows"  # equal rows, but `page` has an effect
            if word == "no answer":
                seen[version] = f"page {number}: {other.outcome}"
                continue
            words.add("honoured" if number < FAR and word != "same" else "ignored" if number < FAR else word)
            rows = "" if other.items is None else f": {len(other.items)} rows"
            seen[version] = f"page {number}: {other.outcome}{rows}{', the same as page 1' * (word == 'same')}"
        handled = {"honoured"} if number < FAR else {"empty", "refused", "same"}
        guessed = words <= handled if words else None
        answer = words.pop() if len(words) == 1 else "differs" if words else "not known"
        return Result(answer, guessed, lines_by_version(seen))

    def _page(self, version: str | None, number: int) -> Response:
        return self._service.get(self._path, version, page=number, **({"page_size": 5} if version else {}))

    @property
    def _path(self) -> str:
        return f"/data/{self._rec_id}"

    def page_size(self) -> Result:
        """O1: which ``page_size`` is accepted."""
        version = next((version for version in (MODERN, TABLE_VERSION) if version in self._readable), None)
        if version is None:
            raise NotKnown("no version with page_size gives rows")
        pages = {size: self._service.get(self._path, version, page=1, page_size=size) for size in SIZES}
        seen = [f"{label(version)}, page_size {size}: {_size_seen(page, size)}" for size, page in pages.items()]
        small = pages[5].items
        if small is not None and len(small) > 5:
            return Result("ignored", False, seen)
        refused = [page for page in pages.values() if page.error is not None and page.answer is not None]
        if any(page.answer is None for page in pages.values()):
            return Result("not known", None, seen)
        if len(self._first_pages[self._rec_id]) <= 5 and not refused:
            seen.append("no data set of more than 5 rows was found: it can't be seen whether page_size is ignored")
            return Result("not known", None, seen)
        if refused:
            under_200 = any(page.answer and page.answer.status == 200 for page in refused)
            return Result("error" if under_200 else "refused", pages[1000].error is None, seen)
        largest = pages[SIZES[-1]].items or []
        follows = self._service.get(self._path, version, page=2, page_size=SIZES[-1]).items
        if follows and len(largest) == len(self._readable[version].items or []):
            seen.append("the largest page_size gives as many rows as no page_size")
            return Result("ignored above a maximum", True, seen)
        stated = any(page.flags.get("page_size") not in (None, size) for size, page in pages.items())
        return Result("capped" if stated or follows else "all three", True, seen)

    # -- keys of lists ----------------------------------------------------------------

    def ids(self) -> Result:
        """O18: the key of the id in lists of data sets."""
        listed = {version: self._service.get("/data", version) for version in LISTING}
        names = {version: shapes.keys_of(page.items) & set(ID_KEYS) for version, page in listed.items() if page.items}
        if not names:
            raise why_refused(list(listed.values()))
        shown = {version: ", ".join(sorted(found)) or "no known key" for version, found in names.items()}
        kinds = {"both" if {"id", "rec_id"} <= found else next(iter(found), "none") for found in names.values()}
        answer = kinds.pop() if len(kinds) == 1 else "differs"
        return Result(answer, all(names.values()), lines_by_version(shown))

    def keys(self, path: str, known: dict[str, str]) -> Result:
        """O18: the keys of a list."""
        responses = {version: self._service.get(path, version) for version in LISTING}
        seen = lines_by_version({version: _list_seen(response) for version, response in responses.items()})
        lists = [items for response in responses.values() if (items := response.items) is not None]
        if not lists:
            raise why_refused(list(responses.values()))
        return _compare_keys([item for items in lists for item in items], known, seen)

    def versions(self) -> Result:
        """O7: the keys of a stored version."""
        return _compare_keys(self._versions.items or [], STORED_VERSIONS, [_list_seen(self._versions)])

    @cached_property
    def _versions(self) -> Response:
        """The stored versions of the first data set that has any."""
        ids = [self._rec_id, *self._ids[:3]]
        responses = [self._service.get(f"/data/{rec_id}/versions", version) for rec_id in ids for version in LISTING]
        found = next((response for response in responses if response.items), None)
        if found is None:
            raise NotKnown(f"no data set with history was found ({', '.join(sorted({r.outcome for r in responses}))})")
        return found

    def shapes(self) -> Result:
        """O7, O18: whether lists have the keys that the product shows. The package reads both."""
        versions: list[dict[str, Any]] = []
        with suppress(NotKnown):
            versions = self._versions.items or []
        found = {
            "the frequency of a schedule is an object": {
                isinstance(one.get("frequency"), dict) for one in self._listed("/schedule")
            },
            "a user has parameters": {"parameters" in one for one in self._listed("/user")},
            "a stored version has no row_count": {"row_count" not in shapes.keys_of([one]) for one in versions},
        }
        kinds = set().union(*found.values())
        if not kinds:
            raise NotKnown("no schedule, user or stored version was found")
        words = {True: "yes", False: "no"}
        seen = [
            f"{what}: {', '.join(words[one] for one in sorted(ones)) or 'not known'}" for what, ones in found.items()
        ]
        return Result("differs" if len(kinds) > 1 else "rich" if kinds == {True} else "plain", True, seen)

    def _listed(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list in the first version that gives it."""
        lists = [items for version in LISTING if (items := self._service.get(path, version).items) is not None]
        return [item for item in lists[0] if isinstance(item, dict)] if lists else []

    def account(self) -> Result:
        """O24: the keys of the account."""
        responses = {version: self._service.get("/account", version) for version in LISTING}
        seen = lines_by_version({version: response.shape for version, response in responses.items()})
        payloads = [response.payload for response in responses.values() if response.error is None]
        if not payloads:
            raise why_refused(list(responses.values()))
        found = [key for key in _METRIC_KEYS if any(isinstance(one, dict) and key in one for one in payloads)]
        return Result(f"metrics under {', '.join(found)}" if found else "no metrics", bool(found), seen)

    def dates(self) -> Result:
        """O4: the format of datetimes in the rows that are there."""
        rows = [row for page in self._first_pages.values() for row in page if isinstance(row, dict)]
        patterns = {shapes.date_pattern(cell) or "" for row in rows for cell in row.values()}
        found = sorted(pattern for pattern in patterns if "d:d" in pattern and "-" in pattern)
        if not found:
            raise NotKnown("no date with a time is in the rows looked at")
        styles = {"iso" if "T" in pattern else "as sent" if " " in pattern else "other" for pattern in found}
        answer = styles.pop() if len(styles) == 1 else "differs"
        return Result({"as sent": "with a blank", "iso": "with a T"}.get(answer, answer), answer != "other", found)

    # -- errors and log-ins -----------------------------------------------------------

    def missing_id(self) -> Result:
        """O20: the response for an unknown id."""
        unused = next(number for number in range(_UNUSED_ID, _UNUSED_ID + 1000) if number not in self._ids)
        return self._find_error(f"/data/{unused}", LISTING, NotFound)

    def bad_version(self) -> Result:
        """O20: the response for a bad version."""
        return self._find_error("/data", (_BAD_VERSION,), ApiVersionError)

    def _find_error(self, path: str, versions: tuple[str | None, ...], kind: type[ClicDataError]) -> Result:
        responses = {version: self._service.get(path, version) for version in versions}
        seen = lines_by_version({v: _rows_seen(r) if r.error is None else r.shape for v, r in responses.items()})
        other = UsageError if kind is ApiVersionError else ApiVersionError  # this error settles nothing
        answered = [one for one in responses.values() if one.answer and not isinstance(one.error, other)]
        if not answered:
            raise NotKnown("; ".join(seen))
        headers = {name: value for one in answered if one.answer for name, value in one.answer.headers.items()}
        guessed = all(isinstance(one.error, kind) for one in answered)
        seen.append(f"headers: {shapes.show_headers(headers)}")
        return Result(", ".join(sorted({one.outcome for one in answered})), guessed, seen)

    def token(self) -> Result:
        """O21: a log-in that succeeds."""
        self._service.get("/data", None)
        log_in = self._service.log_in
        if log_in is None:
            raise NotKnown(f"{self._service.method} asks for no token")
        body = Response(None, log_in).body
        lifetime = body.get("expires_in") if isinstance(body, dict) else None
        seen = [f"{log_in.status}: {shapes.shape(body)}", f"expires_in: {shapes.show_seconds(lifetime)}"]
        return Result(shapes.show_seconds(lifetime), isinstance(lifetime, int) and lifetime > 60, seen)

    def wrong_login(self) -> Result:
        """O21: a log-in with an invented id and secret, so that no account is locked."""
        needs = {"basic": ("client_id", "username", "password"), "api_key": ("api_key",)}
        names = needs.get(self._service.method, ("client_id", "client_secret"))
        stranger = Service(url=self._service.url, **{name: f"probe-{secrets.token_hex(12)}" for name in names})
        try:
            response = stranger.get("/account", MODERN)
            answer = response.answer or stranger.log_in
        finally:
            stranger.close()
        if answer is None:
            raise NotKnown(response.outcome)
        found = Response(response.error, answer)
        seen = [f"by {stranger.method}: {found.shape}"]
        return Result(found.outcome, isinstance(response.error, BadCredentials), seen)

    # -- pictures and filters ---------------------------------------------------------

    def picture(self) -> Result:
        """O23: how a picture is sent."""
        responses = [self._service.get("/dashboard", version) for version in LISTING]
        listed = [rec_id for response in responses for item in response.items or [] if (rec_id := id_of(item))]
        if not listed:
            raise why_refused(responses)
        seen, formats = {}, set()
        for version in LISTING:
            response = self._service.send("GET", f"/dashboard/{listed[0]}/thumbnail", version, in_text=True)
            seen[version] = response.outcome
            if response.error is None and response.answer is not None:
                kind = _format_of(response)
                formats.add(kind)
                body = "bare text" if response.body is None else shapes.shape(response.body)
                body += " with a data URL" if b"data:" in response.text[:20].lower() else ""
                seen[version] += f" {shapes.show_content_type(response.answer.headers)}, {body}: {kind}"
        if not formats:
            raise NotKnown("; ".join(lines_by_version(seen)))
        return Result(", ".join(sorted(formats)), "no picture" not in formats, lines_by_version(seen))

    def filters(self) -> Result:
        """O23: whether a filter is ``true`` or ``True``."""
        version = next(
            (version for version in LISTING if self._service.get("/data", version).items is not None), MODERN
        )
        counts: dict[str, int | None] = {}
        seen = []
        for word in ("", "true", "false", "True"):
            response = self._service.get("/data", version, **({"refresh": word} if word else {}))
            counts[word] = None if response.items is None else len(response.items)
            shown = response.outcome if response.items is None else f"{len(response.items)} data sets"
            seen.append(f"{label(version)}, {f'refresh={word}' if word else 'no filter'}: {shown}")
        some, others, every = counts["true"], counts["false"], counts[""]
        if every is None:
            raise NotKnown("; ".join(seen))
        if some is None or others is None:
            return Result("true is refused", False, seen)
        if some + others != every or not some or not others:
            return Result("not known", None, seen)
        return Result("true and True" if counts["True"] == some else "true", True, seen)


def _rows_seen(page: Response) -> str:
    return page.outcome if page.items is None else f"{page.outcome}: {shapes.shape_of_rows(page.items)} {page.place}"


def _list_seen(page: Response) -> str:
    """Return the number of items of a list, and the keys that lead to it."""
    return page.outcome if page.items is None else f"{page.outcome}: {len(page.items)} items {page.place}"


def _paging_word(flags: dict[str, Any]) -> str:
    stated = [flags[name] for name in FLAGS if flags.get(name) is not None]
    if stated:
        return "flags" if all(isinstance(flag, bool) for flag in stated) else "no boolean"
    return "total" if flags.keys() & TOTALS else "none"


def _size_seen(page: Response, size: int) -> str:
    if page.items is None:
        return page.outcome
    stated = page.flags.get("page_size")
    said = "" if stated is None else f", {size} is stated" if stated == size else ", another size is stated"
    return f"{page.outcome}: {len(page.items)} rows{said}"


def _compare(first: Response, other: Response) -> str:
    """Return how a page differs from the first one."""
    if other.items is None:
        return "refused" if other.answer is not None else "no answer"
    if not other.items:
        return "empty"
    return "same" if other.items == first.items else "rows"


def _compare_keys(items: list[Any], known: dict[str, str], seen: list[str]) -> Result:
    """Compare the keys of a list with the keys that the code expects."""
    if not items:
        raise NotKnown("the list is empty")
    found = shapes.keys_of(items)
    ids = [name for name, kind in known.items() if name.endswith("_id") and kind == "integer"][:1]
    names = {*ID_KEYS, *ids} if ids else set()
    missing = sorted(key for key in known if key not in ids and key not in found)
    if ids and not names & found:
        missing.insert(0, "an id")
    others = sorted(shapes.show_key(key) for key in found - known.keys() - names)
    seen = [
        *seen,
        f"each item: {shapes.shape_of_all(items)}",
        f"missing: {', '.join(missing) or 'none'}; more than expected: {', '.join(others) or 'none'}",
    ]
    return Result("other keys" if missing else "as expected", not missing, seen)


def _format_of(response: Response) -> str:
    """Return the format of the picture in a response."""
    try:
        return f"base64 of {parse_picture(response.text, 'probe').format}"
    except ClicDataError:
        return "no picture"
