"""The conversation of each endpoint, as it was recorded, played to the client.

The cassettes were recorded from this package's own sandbox, not from the service. To record them anew:
``pytest tests/test_cassettes.py --record-mode=rewrite``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from vcr.request import Request
from vcr.stubs import VCRHTTPResponse

import pandas_clicdata
from pandas_clicdata import Account, Dashboard, Data, Schedule, Session, Team, User
from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PORT = 18_099  # where the sandbox stood when the cassettes were recorded
FOLDER = Path(__file__).parent / "cassettes" / "test_cassettes"
LOGIN = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
# Each of the sandbox's own credentials, and whatever else would be a secret if the service were real.
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
    return Request(request.method, request.uri, body, request.headers)  # bytes, which are readable in the file


def _masked_response(response: Any) -> Any:
    text = response["body"]["string"]
    for field in (b"access_token", b"refresh_token"):
        text = re.sub(b'"' + field + rb'": ?"[^"]*"', b'"' + field + b'":"TOKEN"', text)
    response["body"]["string"] = text
    response["headers"]["Content-Length"] = [str(len(text))]
    return response


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    return {
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "filter_headers": ["authorization", "clicdata-api-key", "user-agent"],
        "before_record_request": _masked_request,
        "before_record_response": _masked_response,
        "decode_compressed_response": True,
    }


@pytest.fixture(autouse=True)
def read_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the responses of vcrpy what urllib3's have: ``read1`` takes ``decode_content``."""

    def read1(response: Any, amount: int, decode_content: bool = False) -> bytes:
        return response._content.read1(amount)

    monkeypatch.setattr(VCRHTTPResponse, "read1", read1)


@pytest.fixture
def account(request: pytest.FixtureRequest, record_mode: str) -> Iterator[Callable[[str | None], Session]]:
    """A session in a dialect; while recording, on a sandbox that is fresh for each test."""
    opened: list[Any] = []

    def connected(api_version: str | None) -> Session:
        if record_mode != "none":
            opened.append(start(port=PORT, schedule_seconds=0.05))
        opened.append(Session(**LOGIN, url=f"http://127.0.0.1:{PORT}/", api_version=api_version))
        return opened[-1]

    yield connected
    for one in reversed(opened):
        one.close()


# ---------------------------------------------------------------------------------------------------------
# The conversations: each ends by asserting what the client made of the answers


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
    FRAME.assign(visits=0).tail(1).clicdata.update_rows(rec_id, on="shop", session=s)
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
    text = Dashboard(session=s).get_dashboard_snapshot(rec_id=int(Dashboard(session=s).get_dashboard().iloc[0, 0]))
    assert text.startswith("iVBOR")


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
@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("api_version", [None, "2022.01"], ids=["legacy", "modern"])
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
    for path in FOLDER.iterdir():
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
