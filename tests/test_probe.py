"""``doctor --probe`` and ``--probe-writes``: their requests, their findings, and secrets they never show."""

from __future__ import annotations

import ast
import functools
import io
import itertools
import json
import random
import re
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pandas_clicdata
from canaries import Canaries
from pandas_clicdata.__main__ import main
from pandas_clicdata.commands import shapes
from pandas_clicdata.commands.own_set import COLUMNS
from pandas_clicdata.commands.questions import QUESTIONS, SETTLED_BY, SWITCHES, WIDTH, Service, settle, switches_of
from pandas_clicdata.commands.reads import FAR, SIZES, Reads
from pandas_clicdata.commands.writes import Writes
from pandas_clicdata.sandbox import start
from pandas_clicdata.sandbox.switches import Switches
from sample import LONG
from scripted import TOKEN, Says, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.sandbox import Sandbox
    from pandas_clicdata.sandbox.faults import Received
    from scripted import Seen

PACKAGE = Path(pandas_clicdata.__path__[0])
CONTRIBUTING = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
METHODS = {
    "client_credentials": ("client_id", "client_secret"),
    "basic": ("client_id", "username", "password"),
    "api_key": ("api_key",),
}


def ignore(_: str) -> None:
    """Capture the output for the user besides the report."""


@contextmanager
def service_of(sandbox: Sandbox, method: str = "client_credentials") -> Iterator[Service]:
    known = sandbox.credentials
    service = Service(url=sandbox.url, **{name: getattr(known, name) for name in METHODS[method]})
    try:
        yield service
    finally:
        service.close()


def answers(report: list[dict[str, Any]]) -> dict[str, str]:
    return {one["key"]: one["answer"] for one in report}


def by_key(report: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in report}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(sandbox: Sandbox, method: str = "client_credentials") -> None:
        monkeypatch.setenv("CLICDATA_URL", sandbox.url)
        for name in METHODS[method]:
            monkeypatch.setenv(f"CLICDATA_{name.upper()}", getattr(sandbox.credentials, name))

    return use


# ---------------------------------------------------------------------------------------------------------
# The table of questions


@functools.cache
def names_in(path: Path) -> set[str]:
    """The functions, classes, variables and fields that a module defines."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def test_each_question_names_code_that_is_there() -> None:
    for question in QUESTIONS.values():
        assert question.name in names_in(PACKAGE / question.file), question
        assert re.search(rf"\b{question.number}\b", CONTRIBUTING), question
    asked = {question.number for question in QUESTIONS.values()}
    assert set(re.findall(r"\bO\d+\b", CONTRIBUTING)) <= asked


def test_each_switch_of_the_sandbox_is_told_by_a_question() -> None:
    assert {key for switch in SWITCHES for key in SETTLED_BY.get(switch, (switch,))} <= QUESTIONS.keys()


# ---------------------------------------------------------------------------------------------------------
# What is sent


def sent(sandbox: Sandbox, start: int = 0) -> list[Received]:
    return [one for one in sandbox.requests[start:] if one.path != "/oauth20/token"]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_probe_only_reads(method: str, strict: bool) -> None:
    with start(require_version=strict, page_size=50) as sandbox, service_of(sandbox, method) as service:
        report = settle(Reads(service).finders())
        requests = sent(sandbox)
        assert {one.method for one in requests} == {"GET"}
        assert {one.body for one in requests} == {b""}
        assert {int(one.query["page"]) for one in requests if "page" in one.query} == {1, 2, FAR}
        assert {int(one.query["page_size"]) for one in requests if "page_size" in one.query} == set(SIZES)
        strange = [one for one in sandbox.requests if one.status == 401]
        assert len(strange) == 1  # the log-in with an invented id and secret
        mine = [value.encode() for value in vars(sandbox.credentials).values()]
        assert not [value for value in mine if value in strange[0].body + str(strange[0].headers).encode()]
        assert len(sandbox.data_sets()) == 3
    found = answers(report)
    assert len(found) == 24
    assert found["legacy"] == ("no, a version is required" if strict or method == "api_key" else "yes")
    assert found["missing_id"] == "404 NotFound"
    assert found["bad_version"] == "200 InvalidVersion"
    assert found["token"] == ("3600 s" if method == "client_credentials" else "not known")
    assert found["wrong_login"] == f"401 {'invalid_client' if method == 'client_credentials' else 'Unauthorized'}"
    assert found["picture"] == "base64 of PNG"
    assert {one["answer"] for one in report if one["number"] == "O18"} <= {"as expected", "both", "plain", "not known"}
    assert not [one for one in report if "failed" in str(one["found"])]


@pytest.mark.parametrize("method", METHODS)
def test_a_probe_of_writes_touches_only_what_it_made(method: str) -> None:
    with start() as sandbox, service_of(sandbox, method) as service:
        before = {one.rec_id: sandbox.rows(one.rec_id) for one in sandbox.data_sets()}
        told: list[str] = []
        report = settle(Writes(service, told.append).finders())
        [made] = [one for one in sandbox.data_sets() if one.rec_id not in before]
        assert made.name.startswith("zz_probe 20")
        assert {rec_id: sandbox.rows(rec_id) for rec_id in before} == before
        writes = [(one.method, one.path) for one in sent(sandbox) if one.method != "GET"]
        [team] = {path.split("/")[2] for _, path in writes if path.startswith("/team/")}
        begins = (f"/data/{made.rec_id}/", f"/team/{team}")
        others = [one for one in writes if not one[1].startswith(begins)]
        assert sorted(others) == [("POST", "/data"), ("POST", "/data"), ("POST", "/team")]
        assert not [one for one in sandbox.requests if one.method == "GET" and one.path == f"/team/{team}"]
        with sandbox.session() as session:
            assert len(pandas_clicdata.Team(session=session).get_team()) == 2
    assert len(told) == 1
    assert f"data set {made.rec_id}" in told[0]
    assert str(made.rec_id) not in json.dumps(report)
    found = answers(report)
    assert (found["deletes"], found["teams_write"], found["history"]) == ("both", "all taken", "yes")
    assert (found["several_values"], found["extremes"]) == ("any of them", "as sent")
    assert (found["create"], found["insert_limit"], found["gzip"]) == ("POST /data, 2022.01", "500 rows taken", "taken")
    assert not [one for one in report if "failed" in str(one["found"])]


NO_CLEAR_ID = [b'{"success":true,"result":1001}', b'{"success":true}', b'{"success":true,"result":"x"}', b"", b"[]"]


@pytest.mark.parametrize("body", [*NO_CLEAR_ID, b'{"success":true,"result":{"id":1001,"name":"zz_probe"}}'])
def test_without_a_clear_id_of_its_own_it_stops(body: bytes) -> None:
    with start() as sandbox, service_of(sandbox) as service:
        sandbox.faults.answer(body, applied=True, method="POST", path=re.compile("^/data$"))
        told: list[str] = []
        report = settle(Writes(service, told.append).finders())
        assert [(one.method, one.path) for one in sent(sandbox) if one.method != "GET"] == [("POST", "/data")]
    assert "zz_probe" in told[0]
    assert {one["verdict"] for one in report} == {"not known"}


def test_a_data_set_with_rows_is_not_its_own() -> None:
    with start() as sandbox, service_of(sandbox) as service:
        sandbox.faults.answer(b'{"success":true,"result":[{"k":"x"}]}', method="GET", path="/data/1004")
        settle(Writes(service, ignore).finders())
        assert [one.path for one in sent(sandbox) if one.method != "GET"] == ["/data"]


@pytest.mark.parametrize("body", [b'{"success":true,"result":4001}', b'{"success":true}', b"{}"])
def test_a_team_without_a_clear_id_is_left_alone(body: bytes) -> None:
    with start() as sandbox, service_of(sandbox) as service:
        sandbox.faults.answer(body, applied=True, method="POST", path="/team")
        told: list[str] = []
        settle(Writes(service, told.append).finders())
        assert not [one.path for one in sent(sandbox) if one.path.startswith("/team/")]
    assert "remove it" in told[1]


def test_an_id_that_the_list_gives_to_another_name_is_not_its_own() -> None:
    with start() as sandbox, service_of(sandbox) as service:
        sandbox.faults.edit(lambda body: body.replace(b"zz_probe", b"zz_other"), method="GET", path="/data", times=None)
        settle(Writes(service, ignore).finders())
        assert [one.path for one in sent(sandbox) if one.method != "GET"] == ["/data"]


@pytest.mark.parametrize("method", ["client_credentials", "basic"])
def test_where_only_the_legacy_dialect_answers(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pandas_clicdata.sandbox.service.KNOWN_VERSIONS", ())
    with start(text_comparison="sql_server", page_size=80) as sandbox, service_of(sandbox, method) as service:
        report = [*settle(Reads(service).finders()), *settle(Writes(service, ignore).finders())]
        writes = [one.path for one in sent(sandbox) if one.method != "GET"]
        assert all(path.startswith(("/data/1004/", "/team/4003")) or path in ("/data", "/team") for path in writes)
    found = answers(report)
    assert (found["paging"], found["page_number"], found["page_size"]) == ("flags", "honoured", "not known")
    assert (found["text_comparison"], found["teams_write"]) == ("sql_server", "all taken")
    assert (found["deletes"], found["paths"]) == ("DELETE /row, without a version", "not /data/{id} at 2022.01")
    assert not [one for one in report if "failed" in str(one["found"])]


# ---------------------------------------------------------------------------------------------------------
# What is found out


READS = ("paging", "page_number", "page_size", "ids", "dates", "shapes")
WRITES = ("create", "deletes", "text_comparison", "datetimes", "unknown_columns")


def found_out(**switches: Any) -> dict[str, str]:
    """Return the switches of a sandbox by its two reports; the user ticks a key column between them."""
    with start(page_size=60, max_page_size=300, **switches) as sandbox, service_of(sandbox) as service:
        finders = Reads(service).finders()
        report = settle({key: finders[key] for key in READS})
        finders = Writes(service, ignore).finders()
        report += settle({key: finders[key] for key in WRITES})
        rec_id = sandbox.data_sets()[-1].rec_id
        sandbox.set_key(rec_id, ["k"])
        return switches_of([*report, *settle(Writes(service, ignore, rec_id).finders())])


def covering(seed: int = 1) -> list[dict[str, str]]:
    """Return some combinations in which each pair of values of two switches occurs."""
    chance = random.Random(seed)
    values = [(name, sorted(choices)) for name, choices in sorted(SWITCHES.items())]
    missing = {
        frozenset({(one, a), (other, b)})
        for (one, first), (other, second) in itertools.combinations(values, 2)
        for a, b in itertools.product(first, second)
    }
    chosen = []
    while missing:
        must = dict(min(missing, key=sorted))
        tried = [{name: must.get(name) or chance.choice(choices) for name, choices in values} for _ in range(60)]
        best = max(tried, key=lambda one: sum(pair <= one.items() for pair in missing))
        missing = {pair for pair in missing if not pair <= best.items()}
        chosen.append(best)
    return chosen


@pytest.mark.wide(3)
@pytest.mark.parametrize("switches", covering(), ids=lambda switches: "-".join(switches.values()))
def test_each_pair_of_switches_is_told(switches: dict[str, str]) -> None:
    assert found_out(**switches) == switches


READ_SWITCHES = ("page_number", "large_page_size", "ids", "datetimes")
WRITE_SWITCHES = (
    "page_number",
    "deletes",
    "text_comparison",
    "datetimes",
    "existing_keys",
    "unknown_columns",
)


@pytest.mark.skipif(not LONG, reason="with --long")
@pytest.mark.parametrize("names", [READ_SWITCHES, WRITE_SWITCHES])
@pytest.mark.parametrize("paging", sorted(SWITCHES["paging"]))
def test_combinations_of_switches_are_told(names: tuple[str, ...], paging: str) -> None:
    usual = {one.name: one.default for one in fields(Switches)}
    every = list(itertools.product(*(sorted(SWITCHES[name]) for name in names)))
    for chosen in random.Random(paging).sample(every, len(every) // 3):
        switches = {**usual, "paging": paging, **dict(zip(names, chosen, strict=True))}
        assert found_out(**switches) == switches


def test_equal_rows_are_no_ignored_page_number() -> None:
    with start(sample=False) as sandbox, service_of(sandbox) as service:
        sandbox.append(sandbox.create("ones", {"n": "number"}), [{"n": 1}] * 12)
        finders = Reads(service).finders()
        assert answers(settle({"page_number": finders["page_number"]})) == {"page_number": "honoured"}


def test_what_the_package_takes_either_way_is_confirmed() -> None:
    switches: dict[str, Any] = {"paging": "none", "text_comparison": "sql_server", "datetimes": "iso", "shapes": "rich"}
    with start(existing_keys="skip", page_size=60, **switches) as sandbox, service_of(sandbox) as service:
        report = [*settle(Reads(service).finders()), *settle(Writes(service, ignore).finders())]
        rec_id = sandbox.data_sets()[-1].rec_id
        sandbox.set_key(rec_id, ["k"])
        keyed = by_key(settle(Writes(service, ignore, rec_id).finders()))
    found = by_key(report)
    keys = ("paging", "last_page", "text_comparison", "datetimes", "dates", "rows_found", "shapes")
    assert {key: found[key]["verdict"] for key in keys} == dict.fromkeys(keys, "confirmed")
    assert found["rows_found"]["answer"] == "rows that were there"
    assert (keyed["existing_keys"]["answer"], keyed["existing_keys"]["verdict"]) == ("skip", "confirmed")


def test_what_an_answer_without_a_version_would_settle_is_not_known_by_key() -> None:
    with start() as sandbox, service_of(sandbox, "api_key") as service:
        found = by_key(settle(Writes(service, ignore).finders()))["row_limit"]
    assert (found["verdict"], found["found"]) == ("not known", ["no call without a version is answered"])


def test_how_rows_and_pictures_are_wrapped_is_told() -> None:
    def bare(body: bytes) -> bytes:
        [rows] = [value for value in json.loads(body).values() if isinstance(value, list)]
        return json.dumps(rows).encode()

    with start() as sandbox, service_of(sandbox) as service:
        sandbox.faults.edit(bare, path=re.compile(r"^/data/\d+$"), times=None)
        sandbox.faults.edit(
            lambda body: body.replace(b"iVBOR", b"data:image/png;base64,iVBOR", 1),
            path=re.compile("/thumbnail$"),
            times=None,
        )
        finders = Reads(service).finders()
        found = by_key(settle({key: finders[key] for key in ("paths", "picture")}))
    assert "as a bare list" in str(found["paths"]["found"])
    assert found["picture"]["answer"] == "base64 of PNG"
    assert "bare text with a data URL" in str(found["picture"]["found"])


@pytest.mark.parametrize(("most", "word"), [(300, "capped"), (60, "ignored above a maximum")])
def test_a_large_page_size_that_is_ignored_is_not_capped(most: int, word: str) -> None:
    with start(sample=False, page_size=60, max_page_size=most) as sandbox, service_of(sandbox) as service:
        sandbox.append(sandbox.create("long", {"n": "number"}), [{"n": n} for n in range(400)])
        assert answers(settle({"page_size": Reads(service).page_size}))["page_size"] == word


def test_a_delete_without_a_column_may_remove_every_row_it_made() -> None:
    with start() as sandbox, service_of(sandbox) as service:

        def every_row(request: Received) -> Received:
            if b'"columns":[]' in request.body:
                for row in sandbox.rows(1004):
                    sandbox.delete(1004, {"k": row["k"]})
            return request

        sandbox.faults.edit_request(every_row, method="POST", path="/data/1004/delete", times=None)
        found = by_key(settle(Writes(service, ignore).finders()))
    assert found["no_filter"]["verdict"] == "confirmed"  # the package never sends it
    assert "/delete by no column: 400 ValidationError; 4 of 4 rows deleted" in found["no_filter"]["found"]
    assert found["text_comparison"]["answer"] == "exact"


def test_rows_that_others_put_among_its_own_are_not_shown() -> None:
    known = Canaries()
    with start() as sandbox, service_of(sandbox) as service:

        def add() -> None:
            row = sandbox.rows(1004)[-1]
            sandbox.append(1004, [{**row, "k": f"{row['part']} {known.cell}"}])

        sandbox.faults.call(add, method="POST", path="/data/1004/update", times=None)
        report = settle(Writes(service, ignore).finders())
    assert not known.sightings(json.dumps(report))
    assert "outside" in str(by_key(report)["other_comparison"]["found"])


@pytest.mark.parametrize(("word", "count"), [("store", 2), ("skip", 1)])
def test_a_key_that_was_ticked_by_hand(word: Any, count: int) -> None:
    with start(existing_keys=word, sample=False) as sandbox, service_of(sandbox) as service:
        rec_id = sandbox.create("zz_probe of yesterday", COLUMNS)
        assert answers(settle(Writes(service, ignore, rec_id).finders()))["existing_keys"] == "not known"
        assert sandbox.count(rec_id) == 1  # of the question about history
        sandbox.set_key(rec_id, ["k"])
        assert answers(settle(Writes(service, ignore, rec_id).finders()))["existing_keys"] == word
        assert sandbox.count(rec_id) == 2 + count


@pytest.mark.parametrize("rec_id", [1001, 9999, 0, -1])
def test_a_data_set_of_another_name_is_refused(rec_id: int) -> None:
    with start() as sandbox, service_of(sandbox) as service:
        report = settle(Writes(service, ignore, rec_id).finders())
        assert {one.method for one in sent(sandbox)} == {"GET"}
    assert "must be the id of a data set that is called zz_probe" in str(report)


def test_a_service_that_deletes_too_much_is_shown_as_dangerous() -> None:
    with start() as sandbox, service_of(sandbox) as service:

        def every_row(request: Received) -> Received:
            for row in sandbox.rows(1004):
                sandbox.delete(1004, {"k": row["k"]})
            return request

        sandbox.faults.edit_request(every_row, method="POST", path="/data/1004/delete")
        report = by_key(settle(Writes(service, ignore).finders()))
    assert (report["deletes"]["answer"], report["deletes"]["verdict"]) == ("DANGEROUS", "refuted")
    assert "a filter that fits no row removed 2 of 2 rows" in str(report["deletes"]["found"])


@pytest.mark.parametrize(
    ("got", "shown"),
    [
        ("2024-01-02T03:04:05+02:00", "comes back as sent"),
        ("2024-01-02 01:04:05", "comes back as dddd-dd-dd dd:dd:dd, without its offset, as UTC"),
        ("2024-01-02 03:04:05", "comes back as dddd-dd-dd dd:dd:dd, without its offset"),
        ("2024-01-02 05:04:05", "comes back as dddd-dd-dd dd:dd:dd, without its offset, SHIFTED by +2.00 h"),
        ("2024-01-02T01:04:05Z", "comes back as dddd-dd-ddTdd:dd:ddZ"),
        ("2024-01-02T03:04:05Z", "comes back as dddd-dd-ddTdd:dd:ddZ, SHIFTED by +2.00 h"),
        ("2024-01-02T01:04:05.5Z", "comes back as dddd-dd-ddTdd:dd:dd.dZ, another fraction"),
        (1704164645, "comes back as integer"),
        (None, "comes back as null"),
        ("a secret", "comes back as text"),
    ],
)
def test_what_becomes_of_a_datetime(got: object, shown: str) -> None:
    assert shapes.compare_datetimes("2024-01-02T03:04:05+02:00", got) == shown


def test_a_fraction_that_is_cut() -> None:
    assert shapes.compare_datetimes("2024-01-02 03:04:05.1234567", "2024-01-02 03:04:05.123000") == (
        "comes back as dddd-dd-dd dd:dd:dd.dddddd, fraction cut to 3 digits"
    )


def test_a_question_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pandas_clicdata.session.session.time.sleep", lambda seconds: None)
    with start() as sandbox, service_of(sandbox) as service:
        sandbox.faults.drop(path="/dashboard", times=None)
        sandbox.faults.error("Forbidden", status=403, path="/team", times=None)
        sandbox.faults.answer("<html>welcome</html>", content_type="text/html", path="/schedule", times=None)
        reads = Reads(service)
        found = {
            one["key"]: one
            for one in settle({**reads.finders(), "account": lambda: {}["a secret"]})  # type: ignore[index]
        }
    assert "no version gives it (no answer (TransportError))" in str(found["dashboards"]["found"])
    assert "this log-in has no right to it (403 Forbidden)" in str(found["teams"]["found"])
    assert "no version gives it (200 (ProtocolError))" in str(found["schedules"]["found"])
    assert found["account"]["found"] == ["the probe failed here: KeyError"]
    assert {found[key]["verdict"] for key in ("dashboards", "teams", "schedules", "account")} == {"not known"}
    assert found["users"]["verdict"] == found["ids"]["verdict"] == "confirmed"


def test_an_empty_account_settles_what_it_can() -> None:
    with start(sample=False) as sandbox, service_of(sandbox) as service:
        report = settle(Reads(service).finders())
    assert "no data set with rows can be read by this log-in" in str(report)
    assert answers(report)["bad_version"] == "200 InvalidVersion"
    assert not [one for one in report if "failed" in str(one["found"])]


# ---------------------------------------------------------------------------------------------------------
# What is never shown


IDS = re.compile(r"\b(?:100[1-9]|200[1-3]|300[1-3]|400[1-3]|500[1-5])\b")


def poison(known: Canaries, body: bytes, *, values: bool, keys: bool) -> bytes:
    """Add a secret key to each object of JSON; replace its texts, or all its keys."""

    def poisoned(value: Any) -> Any:
        if isinstance(value, dict):
            named = {f"{known.cell} {key}" if keys else key: poisoned(one) for key, one in value.items()}
            return {**named, known.owner: known.cell}
        if isinstance(value, list):
            return [poisoned(one) for one in value]
        return known.cell if values and isinstance(value, str) else value

    try:
        whole = json.loads(body)
    except ValueError:
        return body
    if keys:  # of rows: the key of their list stays
        return json.dumps({key: poisoned(one) if isinstance(one, list) else one for key, one in whole.items()}).encode()
    return json.dumps(poisoned(whole)).encode()


def run(command: str, path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return all output of a probe, except stderr."""
    status = main(["doctor", command, "--yes", "--json", str(path)])
    assert status == 0
    return capsys.readouterr().out + path.read_text(encoding="utf-8")


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("command", ["--probe", "--probe-writes"])
def test_no_name_cell_id_or_secret_is_shown(
    command: str,
    values: bool,
    tmp_path: Path,
    environment: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = Canaries()
    with start(page_size=50) as sandbox:
        environment(sandbox)
        if command == "--probe":
            of_rows = re.compile(r"^/(data|table)/\d+$")
            sandbox.faults.edit(lambda body: poison(known, body, values=values, keys=True), path=of_rows, times=None)
        sandbox.faults.edit(lambda body: poison(known, body, values=values, keys=False), times=None)
        sandbox.faults.edit(
            lambda body: json.dumps({**json.loads(body), known.owner: known.cell, "scope": known.cell}).encode(),
            path="/oauth20/token",
            times=None,
        )
        shown = run(command, tmp_path / "report.json", capsys)
        mine = vars(sandbox.credentials).values()
        assert not [value for value in (*mine, sandbox.url, "127.0.0.1") if value in shown]
    assert not known.sightings(shown, caplog.text)
    assert not IDS.findall(shown)
    assert "zz_probe 20" not in shown
    assert not [
        word for word in ("Orders", "shop_code", "placed_at", "example.com", "Müller", "Best sellers") if word in shown
    ]
    if command == "--probe":
        assert f"<other, {len(known.owner)} letters>" in shown


HOSTILE: dict[str, Callable[[Canaries], Says]] = {
    "code": lambda known: Says({"error": {"code": known.cell, "description": known.owner}}, 400),
    "text": lambda known: Says(known.cell.encode(), 500, {"Content-Type": f"text/{known.owner}"}),
    "page": lambda known: Says(f"<html>{known.cell}</html>".encode(), 200, {"Content-Type": "text/html"}),
    "list": lambda known: Says(
        {known.owner: [{known.cell: known.owner, "id": 424242, "name": known.cell}]},
        headers={"Content-Type": f"image/{known.owner}"},
    ),
    "rows": lambda known: Says({"data": [[known.cell, 424242]] * 7, "pagination": {known.owner: 424242}}),
    "flags": lambda known: Says(
        {"success": True, "result": [{"id": 424242, known.cell: known.cell}] * 9, known.owner: "x"}
    ),
    "deep": lambda known: Says(
        {"result": {known.owner: {known.cell: {"a": {known.cell: {known.cell: [known.cell]}}}}}}
    ),
    "redirect": lambda known: Says("", 302, {"Location": f"https://{known.owner}/"}),
    "number": lambda known: Says({"error": {"code": 424242, "message": known.cell}, "expires_in": 424242}, 409),
}


@pytest.mark.parametrize("command", ["--probe", "--probe-writes"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_the_service_sends(
    kind: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = Canaries()
    monkeypatch.setattr("pandas_clicdata.session.session.time.sleep", lambda seconds: None)
    monkeypatch.setattr("pandas_clicdata.commands.probe._find_failure", lambda service: None)

    def script(seen: Seen) -> Says:
        if seen.path == "/oauth20/token" and b"probe-" not in seen.body:
            return TOKEN
        says = HOSTILE[kind](known)
        return Says(says.body, says.status, {**says.headers, f"X-{known.owner}": known.owner})

    with ScriptedServer(script) as server:
        for name, value in {
            "URL": server.url,
            "CLIENT_ID": known.client_id,
            "CLIENT_SECRET": known.client_secret,
        }.items():
            monkeypatch.setenv(f"CLICDATA_{name}", value)
        shown = run(command, tmp_path / "report.json", capsys)
        methods = {seen.method for seen in server.seen if seen.path != "/oauth20/token"}
        assert methods <= ({"GET"} if command == "--probe" else {"GET", "POST"})
    assert not known.sightings(shown)
    assert known.owner.split("-")[1] not in shown  # in lower case too, as names of headers are
    assert "424242" not in shown
    assert "failed here" not in shown


# ---------------------------------------------------------------------------------------------------------
# The command


@pytest.mark.parametrize("command", ["--probe", "--probe-writes"])
def test_the_report_can_be_read(
    command: str, tmp_path: Path, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with start(large_page_size="error", text_comparison="sql_server", page_size=60, max_page_size=300) as sandbox:
        environment(sandbox)
        assert main(["doctor", command, "--yes", "--json", str(tmp_path / "report.json")]) == 0
    out, beside = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= WIDTH
    assert out.isascii()
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["pandas_clicdata"] == pandas_clicdata.__version__
    assert {key for one in report["questions"] for key in one} == {
        "number", "question", "key", "answer", "found", "verdict", "code",
    }  # fmt: skip
    assert all(f"{one['number']:<4} {one['question']}" in out for one in report["questions"])
    assert ("To change:" in out) is (command == "--probe")
    wanted = {"--probe": 'large_page_size="error"', "--probe-writes": 'text_comparison="sql_server"'}
    assert wanted[command] in out
    assert ("can't remove it" in beside) is (command == "--probe-writes")


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1), (None, 1)])
def test_writes_are_agreed_to_first(
    typed: str | None,
    status: int,
    environment: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keyboard = io.StringIO(typed or "")
    monkeypatch.setattr(keyboard, "isatty", lambda: typed is not None)
    monkeypatch.setattr("sys.stdin", keyboard)
    with start(sample=False) as sandbox:
        environment(sandbox)
        assert main(["doctor", "--probe-writes"]) == status
        assert len(sandbox.data_sets()) == (status == 0)
        assert ({one.method for one in sent(sandbox)} == {"GET"}) is (status != 0)
    beside = capsys.readouterr().err
    assert "zz_probe 20" in beside
    assert "The API can't remove a data set" in beside
    assert ("Nothing was written" in beside) is (status != 0)


def test_without_a_log_in_the_doctor_is_named(
    environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--probe"]) == 4
    with start() as sandbox:
        environment(sandbox)
        monkeypatch.setenv("CLICDATA_CLIENT_SECRET", "wr0ng-secret")
        assert main(["doctor", "--probe-writes", "--yes"]) == 4
        assert not sent(sandbox)
        monkeypatch.setenv("CLICDATA_URL", "http://example.com")
        assert main(["doctor", "--probe"]) == 1
    out, beside = capsys.readouterr()
    assert out == ""
    assert beside.count("python -m pandas_clicdata doctor") == 3
    assert "wr0ng" not in beside


def test_a_probe_reads_or_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--probe", "--probe-writes"]) == 2
    assert "--probe" in capsys.readouterr().err
