"""Recorded conversations of each endpoint, played to the client.

The cassettes were recorded from this package's own sandbox, not from the service. To record them again:
``pytest tests/test_cassettes.py --record-mode=rewrite``. With the credentials of an account in the environment, this
records from the service instead, into ``tests/cassettes/real``: only reads, without the account's names and cells.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import vcr
from vcr.request import Request
from vcr.stubs import VCRHTTPResponse

import pandas_clicdata
import real_service
from pandas_clicdata import Account, Dashboard, Data, Schedule, Session, Team, User
from pandas_clicdata.sandbox import start
from pandas_clicdata.session.manager import environment_params, environment_sources
from sample import LONG
from scrubbing import Scrubber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.sandbox import Sandbox

PORT = 18_099  # the sandbox's port in the cassettes; a recording uses any free port
FOLDER = Path(__file__).parent / "cassettes" / "test_cassettes"
LOGIN = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
# The sandbox's credentials, and all that would be a secret of a real service.
SECRETS = re.compile(
    r"sandbox-(secret|password|api-key|refresh-token)|Bearer (?!TOKEN)|Basic |[Aa]uthorization|CLICDATA-API-KEY"
    r"|n3w-password",
    re.IGNORECASE,
)
FRAME = pd.DataFrame({"shop": ["01", "02"], "visits": [17, 2**53 + 1]})


def _masked_request(request: Request) -> Request:
    body = request.body or b""
    body = body.read() if hasattr(body, "read") else body
    body = body if isinstance(body, bytes) else body.encode()
    for field in (b"client_secret", b"refresh_token"):
        body = re.sub(field + rb"=[^&]*", field + b"=SECRET", body)
    body = re.sub(rb'"password":"[^"]*"', b'"password":"SECRET"', body)
    uri = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{PORT}", request.uri)
    return Request(request.method, uri, body, request.headers)  # bytes, which are readable in the file


def _masked_response(response: Any) -> Any:
    text = response["body"]["string"]
    for field in (b"access_token", b"refresh_token"):
        text = re.sub(b'"' + field + rb'": ?"[^"]*"', b'"' + field + b'":"TOKEN"', text)
    response["body"]["string"] = text
    response["headers"]["Content-Length"] = [str(len(text))]
    return response


# With an account in the environment, a recording is of the service. Tests see no credentials.
_METHOD = environment_sources(os.environ)[0]
REAL_LOGIN = real_service.Login(url="https://api.clicdata.com/")
REAL_LOGIN.update(environment_params(os.environ, _METHOD) if _METHOD else {})
REAL_LOGIN.pop("api_version", None)
REAL_FOLDER = Path(os.environ.get("CLICDATA_CASSETTES", real_service.FOLDER))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    records_service = _METHOD is not None and metafunc.config.getoption("--record-mode") not in (None, "none")
    if "name" in metafunc.fixturenames:
        there = [name for name in real_service.NAMES if (REAL_FOLDER / f"{name}.yaml").exists()]
        metafunc.parametrize("name", real_service.NAMES if records_service else there)
    if "conversation" in metafunc.fixturenames:
        marks = [pytest.mark.skip("what is recorded is the service")] if records_service else []
        each = [pytest.param(one, id=one.__name__, marks=marks) for one in CONVERSATIONS]
        metafunc.parametrize("api_version", [None, "2022.01"], ids=["legacy", "modern"])
        metafunc.parametrize("conversation", each)


@pytest.fixture
def scrubber() -> Scrubber:
    return Scrubber(REAL_LOGIN["url"])


@pytest.fixture
def vcr_config(request: pytest.FixtureRequest, scrubber: Scrubber, record_mode: str) -> dict[str, Any]:
    if not is_of_the_service(request):
        return {
            **real_service.CONFIG,
            "match_on": [*real_service.CONFIG["match_on"], "body"],
            "filter_headers": ["authorization", "clicdata-api-key", "user-agent"],
            "before_record_request": _masked_request,
            "before_record_response": _masked_response,
        }
    return {**real_service.CONFIG, **(scrubber.hooks if record_mode != "none" else {})}


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest, default_cassette_name: str) -> str:
    of_service = is_of_the_service(request)
    return str(REAL_FOLDER / request.node.callspec.params["name"]) if of_service else default_cassette_name


def is_of_the_service(request: pytest.FixtureRequest) -> bool:
    return request.function is test_the_service_answers_as_recorded


@pytest.fixture(autouse=True)
def read_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VCRHTTPResponse, "read1", real_service.read_pieces)


@pytest.fixture
def account(request: pytest.FixtureRequest, record_mode: str) -> Iterator[Callable[[str | None], Session]]:
    """A session in a dialect; while recording, on a sandbox that is fresh for each test."""
    opened: list[Any] = []

    def connected(api_version: str | None) -> Session:
        url = f"http://127.0.0.1:{PORT}/"
        if record_mode != "none":
            opened.append(start(schedule_seconds=0.05))
            url = opened[0].url
        opened.append(Session(**LOGIN, url=url, api_version=api_version))
        return opened[-1]

    yield connected
    for one in reversed(opened):
        one.close()


# ---------------------------------------------------------------------------------------------------------
# The conversations: each ends with asserts about the results of the client


def list_data_sets(s: Session) -> None:
    listed = Data(session=s).get_data()
    assert listed["rec_id"].tolist() == [1001, 1002, 1003]
    assert listed["name"].tolist()[:2] == ["Shops", "Orders"]
    assert Data(session=s).get_data(name="shop", refresh=False)["name"].tolist() == ["Shops"]


def read_rows(s: Session) -> None:
    shops = pandas_clicdata.read_clicdata(1001, parse_dates=["opened"], session=s)
    assert shops["shop_code"].iloc[0] == "00101"
    assert shops["opened"].iloc[0] == pd.Timestamp("2016-04-12")
    assert len(shops) > 5


def push_change_and_history(s: Session) -> None:
    rec_id = FRAME.clicdata.push("Visits", session=s).rec_id
    assert rec_id == 1004
    FRAME.head(1).clicdata.append(rec_id, session=s)
    FRAME.assign(visits=0).tail(1).clicdata.update_rows(rec_id, on="shop", keep=False, session=s)
    Data(session=s).delete_data(rec_id, {"shop": "01"}, multiple_rows="first")
    now = pandas_clicdata.read_clicdata(rec_id, session=s)
    assert now.to_numpy().tolist() == [["02", 0], ["01", 17]]
    versions = Data(session=s).get_data_history(rec_id)
    assert versions["row_count"].tolist() == [2, 3, 3, 2]
    first = pandas_clicdata.read_clicdata(rec_id, ver_id=int(versions["version"].iloc[0]), session=s)
    pd.testing.assert_frame_equal(first, FRAME)


def refresh(s: Session) -> None:
    for method in ("reload", "recreate", "update", "append", "updateappend"):
        assert isinstance(Data(session=s).rebuild_data(1002, method), dict)


def refusals(s: Session) -> None:
    with pytest.raises(pandas_clicdata.errors.NotFound):
        pandas_clicdata.read_clicdata(77, session=s)
    with pytest.raises(pandas_clicdata.errors.Conflict, match="1001"):
        Data(session=s).create_data("Shops", {"a": "text"})
    with pytest.raises(pandas_clicdata.errors.ApiError, match="nope"):
        pd.DataFrame({"nope": [1]}).clicdata.append(1001, session=s)


def account_and_activity(s: Session) -> None:
    assert len(Account(session=s).get_account()) > 0
    assert isinstance(Account(session=s).get_account_activity(), pd.DataFrame)
    assert isinstance(Account(session=s).get_account_activity("dashboards"), pd.DataFrame)


def dashboards(s: Session) -> None:
    listed = Dashboard(session=s).get_dashboard()
    name = listed["name"].iloc[0]
    picture = Dashboard(session=s).get_dashboard_thumbnail(name, output="image")
    assert picture.format == "PNG"
    assert len(Dashboard(session=s).get_dashboard(name=name)) == 1


def dashboard_snapshot(s: Session) -> None:
    picture = Dashboard(session=s).get_dashboard_snapshot(rec_id=int(Dashboard(session=s).get_dashboard().iloc[0, 0]))
    assert picture.format == "PNG"


def schedules(s: Session) -> None:
    schedule = Schedule(session=s)
    first = int(schedule.get_schedule(output="dict")[0]["id"])
    assert schedule.get_schedule(first, output="dict")["id"] == first
    schedule.trigger_schedule(first)


def teams(s: Session) -> None:
    team, user = Team(session=s), int(User(session=s).get_user(output="dict")[0]["id"])
    made = team.create_team("Night shift", "made by a test")
    team.update_team(made, desc="changed")
    team.add_user(made, user)
    team.set_parameter(made, "region", "north")
    [item] = [one for one in team.get_team(output="dict") if one["id"] == made]
    assert item["description"] == "changed"
    assert item["users"] == [user]
    assert item["parameters"] == [{"name": "region", "value": "north"}]
    team.remove_parameter(made, "region")
    team.remove_user(made, user)
    team.delete_team(made)
    assert made not in [one["id"] for one in team.get_team(output="dict")]


def users(s: Session) -> None:
    user = User(session=s)
    made = user.create_user("new@shops.example", "Ada", "New")
    user.update_user(made, last_name="Newer")
    user.set_password(made, "n3w-password")
    assert user.get_user(made, output="dict")["last_name"] == "Newer"
    with pytest.raises(pandas_clicdata.errors.Conflict):
        user.create_user("new@shops.example", "Ada", "Twice")
    user.delete_user(made)
    with pytest.raises(pandas_clicdata.errors.NotFound):
        user.get_user(made)


CONVERSATIONS = [
    list_data_sets,
    read_rows,
    push_change_and_history,
    refresh,
    refusals,
    account_and_activity,
    dashboards,
    dashboard_snapshot,
    schedules,
    teams,
    users,
]


@pytest.mark.vcr
def test_a_recorded_conversation_still_holds(
    account: Callable[[str | None], Session],
    conversation: Callable[[Session], None],
    api_version: str | None,
    vcr: Any,
    record_mode: str,
) -> None:
    conversation(account(api_version))
    assert record_mode != "none" or vcr.all_played, "the cassette holds more than was asked for"


def names() -> list[str]:
    return [
        f"test_a_recorded_conversation_still_holds[{dialect}-{function.__name__}].yaml"
        for dialect in ("legacy", "modern")
        for function in CONVERSATIONS
    ]


def test_each_cassette_is_played_by_a_test() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(names())


def test_no_cassette_holds_a_secret() -> None:
    for path in [*FOLDER.iterdir(), *REAL_FOLDER.glob("*.yaml")]:
        found = SECRETS.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name}: {found}"


def test_every_endpoint_is_in_a_cassette() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.iterdir())
    asked = re.findall(r"method: (\w+)\n *uri: http://127\.0\.0\.1:\d+(/[^?\n]*)", text)
    seen = {(method, re.sub(r"/\d+", "/{id}", path)) for method, path in asked}
    seen = {(method, path.replace("/v/{id}", "/v/{ver}")) for method, path in seen}
    spec = """
        POST /oauth20/token
        GET /data
        GET /data/{id}
        GET /data/{id}/versions
        GET /data/{id}/v/{ver}
        POST /data
        POST /data/{id}/row
        POST /data/{id}/insert
        PUT /data/{id}/row
        DELETE /data/{id}/row
        POST /data/{id}/rebuild
        POST /data/{id}/recreate
        POST /data/{id}/update
        POST /data/{id}/delete
        POST /data/{id}/append
        POST /data/{id}/updateappend
        POST /table/{id}/refresh
        GET /account
        GET /account/activity/users
        GET /account/activity/dashboards
        GET /dashboard
        GET /dashboard/{id}/thumbnail
        GET /dashboard/{id}/snapshot
        GET /schedule
        GET /schedule/{id}
        POST /schedule/{id}/trigger
        GET /team
        POST /team
        PUT /team/{id}
        DELETE /team/{id}
        POST /team/{id}/user
        DELETE /team/{id}/user
        POST /team/{id}/parameter
        DELETE /team/{id}/parameter
        GET /user
        GET /user/{id}
        POST /user
        PUT /user/{id}
        DELETE /user/{id}
        PUT /user/{id}/password
    """
    assert {tuple(line.split()) for line in spec.strip().splitlines()} <= seen


# ---------------------------------------------------------------------------------------------------------
# Recordings of the service itself


@pytest.mark.vcr
def test_the_service_answers_as_recorded(name: str, vcr: Any, record_mode: str, scrubber: Scrubber) -> None:
    records = record_mode != "none"
    unread = real_service.record(name, REAL_LOGIN, scrubber) if records else real_service.play(name, vcr)
    assert not unread, "the client can't read these answers; the recording is kept"


WRITES: dict[str, Callable[[Session, int], object]] = {
    "append": lambda s, rec_id: FRAME.clicdata.append(rec_id, session=s),
    "create": lambda s, rec_id: FRAME.clicdata.create_table("New", session=s),
    "update": lambda s, rec_id: Data(session=s).update_data(rec_id, {"shop": "01"}, {"visits": 0}),
    "delete": lambda s, rec_id: Data(session=s).delete_data(rec_id, {"shop": "01"}),
    "refresh": lambda s, rec_id: Data(session=s).rebuild_data(rec_id),
    "trigger": lambda s, rec_id: Schedule(session=s).trigger_schedule(3001),
    "create a user": lambda s, rec_id: User(session=s).create_user("new@shops.example", "Ada", "New"),
    "update a team": lambda s, rec_id: Team(session=s).update_team(4001, "Other"),
    "delete a team": lambda s, rec_id: Team(session=s).delete_team(4001),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("api_version", [None, "2022.01"], ids=["legacy", "modern"])
def test_recording_the_service_sends_no_write(api_version: str | None, write: str, tmp_path: Path) -> None:
    with start() as sandbox, sandbox.session(api_version=api_version) as session:
        rec_id = sandbox.create("Visits", {"shop": "text", "visits": "number"})
        scrubber = Scrubber(sandbox.url)
        with vcr.use_cassette(str(tmp_path / "new.yaml"), **real_service.CONFIG, **scrubber.hooks):
            with pytest.raises(pandas_clicdata.errors.ClicDataError):
                WRITES[write](session, rec_id)
        assert len(scrubber.refused) == 1
        assert {request.method for request in sandbox.requests if request.path != "/oauth20/token"} <= {"GET"}


RECORD = ("--record-mode=rewrite", "-p", "no:cacheprovider")


SERVICES: dict[str, dict[str, Any]] = {
    "one": {
        "paging": "none",
        "large_page_size": "refused",
        "datetimes": "iso",
        "ids": "id",
        "shapes": "rich",
    },
    "other": {
        "require_version": True,
        "paging": "total",
        "page_number": "ignored",
        "large_page_size": "error",
        "ids": "rec_id",
    },
}


def _fill(sandbox: Sandbox) -> list[str]:
    """Put canaries into every name, text, cell and id; return them and the other private texts of the account."""
    with sandbox._database.transaction() as db:
        db.execute("UPDATE sqlite_sequence SET seq = seq + ?", (first := 730_000_000 + secrets.randbelow(10**6),))

    def canary() -> str:
        owned.append(f"C{secrets.token_hex(6)}")
        return f"{owned[-1]} é's"

    owned = [str(first)[:6], "sandbox-", "Sandbox Trading", "sandbox.example", "127.0.0.1", "Jane", "Doe"]
    number = secrets.randbelow(10**12) + 10**12
    owned += [str(number), str(number)[:9]]
    columns = {canary(): name for name in ("text", "number", "datetime", "date", "text", "number")}
    cells = (canary(), number, "1987-06-05 14:43:21.25", "1987-06-05", "name", number / 1000)
    owned += ["1987-", "14:43:21"]
    rec_id = sandbox.create(canary(), columns, canary())
    sandbox.append(rec_id, [dict(zip(columns, cells, strict=True)), dict.fromkeys(columns)])
    sandbox.append(sandbox.create(canary(), {canary(): "number"}), [])
    with sandbox.session(auth_method="basic") as s:
        user = User(session=s).create_user(f"{canary()[:13]}@{canary()[:13]}.example", canary(), canary())
        team = Team(session=s).create_team(canary(), canary())
        Team(session=s).add_user(team, user)
        Team(session=s).set_parameter(team, canary(), canary())
        series = {"name": canary(), "rec_id": rec_id, "group": next(iter(columns)), "product": [[*columns][1]]}
        chart = {"kind": "bars", "unit": canary(), "series": [{**series, "prefix": 10}]}
        dashboard = sandbox._account.create_dashboard(canary(), canary(), chart)
        task = {"type": "refresh", "rec_id": rec_id, "mode": "reload"}
        sandbox._account.create_schedule(canary(), canary(), "daily", [task], enabled=True)
        Dashboard(session=s).get_dashboard_snapshot(rec_id=dashboard)
    return owned


def _state(sandbox: Sandbox) -> list[Any]:
    return [(data_set, sandbox.rows(data_set.rec_id)) for data_set in sandbox.data_sets()] + sandbox.refreshes()


# The reported differences of each switch. Other rows and other names must not be reported as differences.
TOLD = {
    "one": {
        "paging": "O1 flags: none; sandbox: has_more_data",
        "large_page_size": "O1 status: 400, error ValidationError; sandbox: 200",
        "datetimes": "O4 cells: YYYY-MM-DDTHH:MM:SS.ff; sandbox: none such",
        "ids": "O18 key rec_id: missing; sandbox: an integer",
        "shapes": "O18 key frequency: an object; sandbox: a text",
        "shapes of versions": "O7 key row_count: missing; sandbox: an integer",
        "shapes of users": "O18 key parameters[].name: a text; sandbox: missing",
    },
    "other": {
        "require_version": "O12 status: 200, error APIVersionRequired; sandbox: 200",
        "paging": "O1 flags: current_page, page_size, result_count, result_total_count; sandbox: current_page,",
        "page_number": "O1 rows: some; sandbox: none",
        "large_page_size": "O1 status: 200, error ValidationError; sandbox: 200",
        "ids": "O18 key id: missing; sandbox: an integer",
    },
}


def test_no_traceback_shows_the_login() -> None:
    assert "s3cret" not in repr(real_service.Login(client_secret="s3cret"))


def _holds(text: str, word: str) -> bool:
    """Return whether a text holds a word. A short word counts only as a whole word: tokens may hold it by chance."""
    return bool(re.search(rf"\b{re.escape(word)}\b", text)) if len(word) < 5 else word in text


@pytest.mark.skipif(not LONG, reason="with --long")
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_recorded_without_a_write_and_without_what_is_its_own(service: str, tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    with start(sample=False, **SERVICES[service]) as sandbox:
        owned, before = _fill(sandbox), _state(sandbox)
        sandbox.requests.clear()
        login = {f"CLICDATA_{name.upper()}": value for name, value in real_service.login_of(sandbox).items()}
        recorded = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n0", __file__, "-k", "test_the_service", *RECORD],
            env={**os.environ, **login, "CLICDATA_CASSETTES": str(there)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert f"{len(real_service.NAMES)} passed" in recorded.stdout, recorded.stdout
        asked = {(one.method, one.path) for one in sandbox.requests}
        assert {one for one in asked if one[0] != "GET"} == {("POST", "/oauth20/token")}
        assert _state(sandbox) == before

    for path in there.iterdir():
        text = " ".join(path.read_text(encoding="utf-8").split()).lower()
        assert not [word for word in owned if _holds(text, word.lower())], path.name
    for name in real_service.NAMES:
        with vcr.use_cassette(str(there / f"{name}.yaml"), record_mode="none", **real_service.CONFIG) as cassette:
            assert not real_service.play(name, cassette)
            assert cassette.all_played, name

    real_service.record_sandbox(here)
    lines = real_service.differences(there, here)
    missing = [switch for switch, line in TOLD[service].items() if not any(each.startswith(line) for each in lines)]
    assert not missing, "\n".join(lines)
    numbers = {line.partition(" ")[0] for line in lines if line.startswith("O")}
    assert numbers == {line.partition(" ")[0] for line in TOLD[service].values()}, "\n".join(lines)
    assert not real_service.differences(here, here)
    assert isinstance(real_service.differences(REAL_FOLDER, here), list)
