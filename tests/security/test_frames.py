"""No secret leaves with a frame: to disk, to a notebook, in a dump of variables, to a spreadsheet (S6, S22, S29)."""

from __future__ import annotations

import inspect
import io
import pickle
import random
import traceback
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from canaries import PACKAGE, Canaries, chain
from pandas_clicdata import Account, Dashboard, Data, Schedule, Session, Team, User, errors
from scripted import Says, ScriptedServer, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.sandbox import Sandbox

METHODS = ["client_credentials", "basic", "api_key", "authorization_code"]


def secrets_of(sandbox: Sandbox, session: Session) -> list[bytes]:
    known = sandbox.credentials
    found = [known.client_secret, known.password, known.api_key, known.refresh_token]
    if session._tokens.token is not None:
        found.append(session._tokens.token.value.reveal())
    return [text.encode() for text in found]


def frames(session: Session) -> Iterator[tuple[str, pd.DataFrame]]:
    """Return the frames of every call without arguments, and the frames of one data set."""
    for noun in (Account, Dashboard, Data, Schedule, Team, User):
        for name, method in vars(noun).items():
            if not name.startswith("get_"):
                continue
            parameters = inspect.signature(method).parameters.values()
            wanted = [one for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
            if [one.name for one in wanted] == ["self"]:
                try:
                    yield f"{noun.__name__}.{name}", getattr(noun(session=session), name)()
                except errors.InputError:
                    continue  # it wants one of two arguments
    data = Data(session=session)
    yield "Data.get_data(1001)", data.get_data(1001)
    yield "Data.get_data_history", data.get_data_history(1001)
    yield "read_clicdata", pandas_clicdata.read_clicdata(1001, session=session)
    yield "read_clicdata, a version", pandas_clicdata.read_clicdata(1001, ver_id="latest", session=session)
    yield from (("a chunk", one) for one in pandas_clicdata.read_clicdata(1001, chunksize=4, session=session))
    receipt = pd.DataFrame({"a": [1, 2]}).clicdata.push("New", session=session)
    yield "AppendReceipt.chunks", receipt.chunks
    gone = pd.DataFrame({"a": [1]}).clicdata.delete_rows(receipt.rec_id, on="a", session=session)
    yield "ChangeReceipt.rows", gone.rows
    yield "ChangeReceipt.keys", gone.keys


@pytest.mark.parametrize("method", METHODS)
def test_no_data_frame_holds_a_secret(method: str, clicdata_sandbox: Sandbox) -> None:
    """S29: Parquet and pickle hold ``attrs`` too."""
    seen = 0
    with clicdata_sandbox.session(auth_method=method) as session:
        for name, df in frames(session):
            seen += 1
            file = io.BytesIO()
            df.astype(str).to_parquet(file)
            stored = file.getvalue() + pickle.dumps(df) + repr(df.attrs).encode() + df.to_html().encode()
            assert not [one for one in secrets_of(clicdata_sandbox, session) if one in stored], name
            assert not [kind for kind in (b"Session", b"Credentials", b"Token") if kind in pickle.dumps(df.attrs)], name
    assert seen >= 18


def test_the_scan_would_find_one(clicdata_sandbox: Sandbox) -> None:
    with clicdata_sandbox.session() as session:
        df = Data(session=session).get_data(1001)
        df.attrs["session"] = secrets_of(clicdata_sandbox, session)[-1].decode()
        file = io.BytesIO()
        df.to_parquet(file)
        for stored in (file.getvalue(), pickle.dumps(df), repr(df.attrs).encode()):
            assert [one for one in secrets_of(clicdata_sandbox, session) if one in stored]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_traceback_with_its_variables_shows_no_secret(
    status: int, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """C22, S6: local variables of this package's frames, as pytest -l and error reporters print them."""
    caplog.set_level("DEBUG", logger="pandas_clicdata")  # DEBUG keeps our frames in tracebacks
    secret = Canaries()

    def script(seen: Seen) -> Says:
        if seen.path == "/oauth20/token":
            return Says({"access_token": secret.access_token, "refresh_token": secret.refresh_token})
        return Says(str(seen.headers).encode(), status)  # a service that repeats the request

    with ScriptedServer(script) as server, Session(url=server.url, max_retries=1, **secret.login(method)) as session:
        session._sleep = lambda seconds: None
        with pytest.raises(errors.ClicDataError) as caught:
            pandas_clicdata.read_clicdata(5, session=session)
    shown = 0
    for error in chain(caught.value):
        trace = traceback.TracebackException.from_exception(error, capture_locals=True, limit=None)
        ours = [frame for frame in trace.stack if frame.filename.startswith(PACKAGE)]
        assert not secret.sightings("".join(traceback.StackSummary.from_list(ours).format()), str(trace))
        shown += sum(len(frame.locals or ()) for frame in ours)
    assert shown > 10


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", *"\uff1d\uff0b\uff0d\uff20"]


def test_spreadsheet_formulas_are_neither_changed_nor_run(session: Session) -> None:
    """S22: rows are only data in reads and writes; numbers stay numbers."""
    df = pd.DataFrame({"t": FORMULAS, "n": [-5] * len(FORMULAS)})
    receipt = df.clicdata.push("Formulas")
    back = pandas_clicdata.read_clicdata(receipt.rec_id)
    assert back["t"].tolist() == FORMULAS
    assert back["n"].tolist() == df["n"].tolist()


def test_the_id_of_an_append_can_not_be_guessed(session: Session) -> None:
    """S33: not even somebody who knows the seed of `random` can."""
    ids: set[Any] = set()
    for _ in range(2):
        random.seed(5)
        receipt = pd.DataFrame({"a": [1]}).clicdata.push("Ids", if_exists="append")
        ids.add(receipt.append_id)
    assert len(ids) == 2
