"""Reads of a data set that others change meanwhile, page by page, compared with a list (C23).

``CLICDATA_READS`` is how many in each way: 40 if it isn't set, 700 for ``--long``, over 2,000 in each dialect.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import totals
from pandas_clicdata import Session, errors, read_clicdata
from pandas_clicdata.session.wire import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

READS = int(os.environ.get("CLICDATA_READS", "40"))
SIZE = 5  # rows a page


class Changing(Session):
    """A session whose service is a list. The list may change before each page is returned."""

    def __init__(self, dice: random.Random, api_version: str | None, *, silent: bool = False) -> None:
        super().__init__(api_key="k", url="https://api.clicdata.test/", api_version=api_version)
        self.dice = dice
        self.silent = silent  # whether no page says if more follow
        self.rows = list(range(dice.randrange(3, 30)))
        self.next = 1000  # no number is used twice
        self.often = dice.choice([0.0, 0.05, 0.2, 0.5])
        self.kinds = dice.choice([("insert",), ("delete",), ("insert", "delete"), ("insert", "delete", "replace")])
        self.at_the_end = dice.random() < 0.5  # the positions at which rows are inserted and deleted
        self.instants = {tuple(self.rows)}
        self.version = tuple(self.rows)
        self.stored = {"versions": [{"version": 1, "row_count": len(self.rows)}]}
        self.counts: list[int] = []  # the rows of the list at each page of the current read
        self._service = threading.Lock()
        self._sleep = lambda seconds: None

    def _send(self, request: Request, *_: Any) -> Answer:
        with self._service:
            body = self.stored if request.path.endswith("/versions") else self.page(request)
            return Answer(200, json.dumps(body).encode())

    def page(self, request: Request) -> dict[str, Any]:
        while self.dice.random() < self.often:
            self.change()
        number = int(dict(request.query)["page"])
        rows = self.version if "/v/" in request.path else self.rows
        if number == 1:
            self.counts = []
        self.counts.append(len(rows))
        found = [{"n": n} for n in rows[(number - 1) * SIZE : number * SIZE]]
        more = number * SIZE < len(rows)
        if self.silent:
            return {"data": found}
        if self.api_version is None:
            return {"data": found, "has_more_data": more}
        flags = {"result_count": len(found), "result_total_count": len(rows), "has_more_results": more}
        return {"success": True, "result": found, "pagination": flags}

    def change(self) -> None:
        kind = self.dice.choice(self.kinds)
        if kind != "insert" and self.rows:
            del self.rows[-1 if self.at_the_end else self.dice.randrange(len(self.rows))]
            self.instants.add(tuple(self.rows))
        if kind != "delete":
            self.rows.insert(len(self.rows) if self.at_the_end else self.dice.randrange(len(self.rows) + 1), self.next)
            self.next += 1
            self.instants.add(tuple(self.rows))


HOW: dict[str, dict[str, Any]] = {"at once": {}, "side by side": {"workers": 4}, "in chunks": {"chunksize": 7}}


def outcome_of(service: Changing, **how: Any) -> str:
    """The result of a read: whole, flagged, or wrong without a warning or an error."""
    try:
        read = read_clicdata(5, session=service, progress=False, **how)
        frames = list(read) if "chunksize" in how else [read]
    except errors.ReadError:
        assert len(service.instants) > 1, "nothing was changed, and yet it was flagged"
        return "flagged"
    numbers = tuple(int(n) for frame in frames if len(frame) for n in frame["n"])
    return "whole" if numbers in service.instants else "wrong"


def outcomes(api_version: str | None, how: dict[str, Any], *, silent: bool = False) -> Iterator[tuple[Changing, str]]:
    seed = random.randrange(1 << 32)
    sys.stderr.write(f"seed {seed}\n")  # shown if it fails
    for number in range(READS):
        with Changing(random.Random(f"{seed} {number}"), api_version, silent=silent) as service:
            yield service, outcome_of(service, **how)


@pytest.mark.parametrize("how", HOW)
def test_a_torn_read_is_flagged_where_rows_are_counted(how: str) -> None:
    """C23: each wrong read is flagged, unless the count was the same at each page (F43)."""
    found = Counter[str]()
    for service, outcome in outcomes("2022.01", HOW[how]):
        found[outcome] += 1
        if outcome == "wrong":
            assert set(service.kinds) >= {"insert", "delete"}, "only inserts or only deletes, and no flag"
            assert how == "side by side" or len(set(service.counts)) == 1, "the count changed, and nothing was said"
    sys.stderr.write(f"{found}\n")
    assert found["whole"] > 0
    assert found["flagged"] > 0
    totals.add("reads while others wrote", READS)
    totals.add("reads while others wrote: torn and flagged", found["flagged"])
    totals.add("reads while others wrote: torn as no count can show (F43)", found["wrong"])


@pytest.mark.parametrize("silent", [False, True], ids=["flags", "no flags"])
@pytest.mark.parametrize("how", HOW)
def test_appends_tear_no_read_where_rows_are_not_counted(how: str, silent: bool) -> None:
    """C23: the legacy dialect has no counts to flag a read. Appends meanwhile do no harm, but deletes may."""
    found = Counter[str]()
    for service, outcome in outcomes(None, HOW[how], silent=silent):
        found[outcome] += 1
        if service.kinds == ("insert",) and service.at_the_end and how != "side by side":
            assert outcome == "whole" or (silent and outcome == "flagged")
    sys.stderr.write(f"{found}\n")
    totals.add("reads without counts while others wrote", READS)
    totals.add("reads without counts while others wrote: torn, which only counts could show", found["wrong"])


@pytest.mark.parametrize(
    ("api_version", "silent"), [(None, False), (None, True), ("2022.01", False)], ids=["legacy", "no flags", "modern"]
)
@pytest.mark.parametrize("how", HOW)
def test_a_stored_version_is_whole_whatever_others_do(how: str, api_version: str | None, silent: bool) -> None:
    """C23, F43: the advised reads of a stored version are whole."""
    found = Counter(outcome for _, outcome in outcomes(api_version, {"ver_id": "latest", **HOW[how]}, silent=silent))
    assert found == {"whole": READS}
    totals.add("reads of a stored version while others wrote", READS)
