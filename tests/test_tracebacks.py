"""Tracebacks end at the line of the user; bugs and logging at level DEBUG keep all frames."""

from __future__ import annotations

import inspect
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import Dashboard, Data, Session, errors, read_clicdata, reader
from pandas_clicdata.errors import AppendAmbiguous, ClicDataError, public
from pandas_clicdata.uploads import append, run
from scripted import TOKEN, Says, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

# Python 3.10 can't drop the frame of the decorator, or of the generator that yields chunks.
LAST = set() if sys.version_info >= (3, 11) else {errors.__file__, reader.__file__}
FRAME = pd.DataFrame({"a": [1, 2]})
SECRET = "hush-hush"
CALLS: dict[str, Callable[[Session], object]] = {
    "append": lambda session: FRAME.clicdata.append(77, session=session),
    "an argument": lambda session: FRAME.clicdata.append("x", session=session),
    "delete": lambda session: FRAME.clicdata.delete_rows(77, on="a", session=session),
    "read": lambda session: read_clicdata(77, session=session),
    "read in chunks": lambda session: list(read_clicdata(77, session=session, chunksize=5)),
    "an endpoint": lambda session: Dashboard(session=session).get_dashboard_snapshot("none"),
    "two sessions": lambda session: Data(session=session, api_key=SECRET),
    "connect": lambda session: pandas_clicdata.connect(api_key=SECRET, url="ftp://x"),
    "a session": lambda session: Session(api_key=SECRET, url="ftp://x"),
    "a receipt": lambda session: (
        FRAME.clicdata.delete_rows(
            FRAME.clicdata.push("Traced", session=session).rec_id, on="a", keep=False, session=session
        ).rows
    ),
}


def frames_of(error: BaseException) -> list[str]:
    return [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]


def failure_of(call: Callable[[], object]) -> BaseException:
    with pytest.raises((ClicDataError, TypeError)) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("name", CALLS)
def test_the_traceback_ends_at_the_line_of_the_user(name: str, clicdata_session: Session) -> None:
    error = failure_of(lambda: CALLS[name](clicdata_session))
    assert isinstance(error, ClicDataError)
    files = frames_of(error)
    own = files.count(__file__)
    assert files[:own] == [__file__] * own
    assert set(files[own:]) <= LAST
    assert len(files) - own <= 1
    assert error.__context__ is None


def test_the_cause_is_kept_without_its_frames() -> None:
    def script(seen: Any) -> Says:
        return TOKEN if "token" in seen.path else Says(raw=lambda connection: connection.close())

    with ScriptedServer(script) as server:
        with Session(client_id="i", client_secret="s", url=server.url, max_retries=0) as session:
            error = failure_of(lambda: FRAME.clicdata.append(5, session=session))
    assert isinstance(error, AppendAmbiguous)
    assert isinstance(error.__cause__, ClicDataError)
    assert frames_of(error.__cause__) == []


def test_an_exception_that_the_user_handles_is_left_alone(clicdata_session: Session) -> None:
    def call() -> None:
        try:
            raise KeyError("mine")
        except KeyError:
            FRAME.clicdata.append(77, session=clicdata_session)

    error = failure_of(call)
    assert isinstance(error.__context__, KeyError)
    assert frames_of(error.__context__) == [__file__]


def test_a_bug_keeps_its_frames_but_no_arguments(monkeypatch: pytest.MonkeyPatch, clicdata_session: Session) -> None:
    def broken(*_: object) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(run.Run, "run", broken)
    error = failure_of(lambda: FRAME.clicdata.append(77, session=clicdata_session))
    assert append.__file__ in frames_of(error)
    error = failure_of(lambda: Session(api_key=SECRET, nothing=1))  # type: ignore[call-arg]
    assert all(SECRET not in repr(frame.f_locals) for frame, _ in traceback.walk_tb(error.__traceback__))


def test_logging_at_level_debug_keeps_all_frames(clicdata_session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="pandas_clicdata")
    assert append.__file__ in frames_of(failure_of(lambda: FRAME.clicdata.append(77, session=clicdata_session)))


def test_a_public_function_keeps_its_signature() -> None:
    def function(a: int, *, b: str = "x") -> str:
        """Return a text."""
        return f"{a}{b}"

    assert inspect.signature(public(function)) == inspect.signature(function)
    assert public(function).__doc__ == function.__doc__
    assert "dry_run" in inspect.signature(pd.DataFrame.clicdata.delete_rows).parameters
