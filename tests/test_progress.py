"""The progress bar is shown when it should be, and a broken stderr stops no call; the log and cost of a call."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from endpoints.literal import LiteralSession
from pandas_clicdata import Session, read_clicdata, sandbox
from pandas_clicdata.errors import InputError
from pandas_clicdata.progress import bar

if TYPE_CHECKING:
    from pandas_clicdata.sandbox import Sandbox

READ_AND_APPEND = """
import sys, threading
import pandas as pd
from pandas_clicdata import Session, read_clicdata
with Session(api_key=sys.argv[2], url=sys.argv[1]) as session:
    for progress in (False, None):
        read_clicdata(1001, session=session, progress=progress)
        pd.DataFrame({"a": [1]}).clicdata.push("New" + str(progress), session=session, progress=progress)
print(sorted(thread.name for thread in threading.enumerate() if "clicdata" not in thread.name))
print("multiprocessing.synchronize" in sys.modules)
"""


def test_a_bar_that_is_not_shown_starts_no_thread_and_makes_no_lock(clicdata_sandbox: Sandbox) -> None:
    command = [sys.executable, "-c", READ_AND_APPEND, clicdata_sandbox.url, clicdata_sandbox.credentials.api_key]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["['MainThread']", "False"]
    assert done.stderr == ""


class Terminal:
    """A stderr that is or is not a terminal."""

    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal
        self.written = ""

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("progress", "terminal", "shown"),
    [(None, True, True), (None, False, False), (True, True, True), (True, False, True), (False, True, False)],
)
def test_the_bar_is_shown_on_request_or_on_a_terminal(
    progress: bool | None, terminal: bool, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = Terminal(terminal)
    monkeypatch.setattr(sys, "stderr", stderr)
    with bar(progress, "read 5", 10) as counted:
        for _ in range(10):
            counted.update(1)
    assert ("read 5" in stderr.written) is shown
    if not shown:
        assert stderr.written == ""


class WriteOnly:
    """A stderr with write and flush only."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


class Broken(WriteOnly):
    """A stderr that breaks after some writes."""

    def __init__(self, error: Exception, writes: int) -> None:
        self.error = error
        self.writes = writes

    def write(self, text: str) -> int:
        self.writes -= 1
        if self.writes < 0:
            raise self.error
        return len(text)


NO_LETTER = UnicodeEncodeError("ascii", "é", 0, 1, "no such letter")


@pytest.mark.parametrize("progress", [None, True, False])
@pytest.mark.parametrize("stderr", [None, WriteOnly(), Broken(BrokenPipeError(), 0), Broken(NO_LETTER, 3)])
def test_a_stderr_that_cannot_show_a_bar_stops_nothing(
    stderr: Any, progress: bool | None, monkeypatch: pytest.MonkeyPatch, clicdata_session: Session
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    frame = pd.DataFrame({"a": [1, 2]})
    assert frame.clicdata.push("Bars", progress=progress, session=clicdata_session).rows_appended == 2
    with bar(progress, "read 5", 10) as counted:
        for _ in range(10):
            counted.update(1)


class Kernel:
    """IPython in a kernel without ipywidgets. It holds the outputs of the present cell."""

    def __init__(self) -> None:
        self.outputs: list[list[Any]] = []
        self.kernel = self

    def get_ipython(self) -> Kernel:
        return self

    def display(self, data: Any, *, display_id: bool = True, raw: bool = False) -> Any:
        history = [data]
        self.outputs.append(history)
        return SimpleNamespace(update=lambda data, raw: history.append(data))


def test_a_notebook_shows_text_without_ipywidgets_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel()
    stderr = Terminal(terminal=False)
    monkeypatch.setattr(sys, "stderr", stderr)
    for name, module in {"IPython": kernel, "IPython.display": kernel, "tqdm.notebook": None}.items():
        monkeypatch.setitem(sys.modules, name, module)
    with bar(None, "read 5", None) as done:
        done.update(1, total=4)
    [history] = kernel.outputs
    assert any("read 5" in shown.get("text/plain", "") for shown in history)
    assert any("/4.00" in shown.get("text/plain", "") for shown in history)
    assert history[-1] == {}
    assert stderr.written == ""
    with bar(False, "read 5", None) as done:
        done.update(1)
    assert len(kernel.outputs) == 1


def test_a_read_shows_a_total_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal(terminal=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    with sandbox.start(page_size=10) as box, Session(api_key=box.credentials.api_key, url=box.url) as session:
        rec_id = pd.DataFrame({"a": range(25)}).clicdata.push("Counted", session=session, progress=False).rec_id
        read_clicdata(rec_id, session=session, nrows=12)
        assert "/12.0" in stderr.written
        read_clicdata(rec_id, session=session)
        assert "/25.0" in stderr.written


def test_each_finished_call_logs_one_line(clicdata_session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="pandas_clicdata")
    frame = pd.DataFrame({"who": ["Secretary", "Treasurer"], "n": [1, 2]})
    rec_id = frame.clicdata.push("Lines", session=clicdata_session).rec_id
    read_clicdata(rec_id, session=clicdata_session)
    frame.clicdata.update_rows(rec_id, on="who", keep=False, session=clicdata_session)
    with pytest.raises(InputError):
        frame.clicdata.update_rows(rec_id, on="whom", session=clicdata_session)
    read_clicdata(rec_id, session=clicdata_session, nrows=1)
    lines = [record.getMessage() for record in caplog.records if " requests" in record.getMessage()]
    lines += [record.getMessage() for record in caplog.records if record.getMessage().endswith(" 1 request")]
    ends = r"; \d+\.\d s, \d+ requests?"
    expected = [
        rf"2 of 2 rows appended to data set {rec_id} in 1 chunk{ends}",
        rf"read {rec_id}: 2 rows{ends}",
        rf"update rows of data set {rec_id}, 2 keys: 2 accepted \(ClicData doesn't say how many rows\){ends}",
        rf"read {rec_id}: 1 row{ends}",
    ]
    assert len(lines) == len(expected)
    assert all(any(re.fullmatch(one, line) for line in lines) for one in expected), lines
    assert not any("Secretary" in line for line in lines)


def test_the_cost_of_many_requests_is_logged_before_them(caplog: pytest.LogCaptureFixture) -> None:
    class Stop(Exception):
        pass

    class Service(LiteralSession):
        modern_delete = None

        def call(self, request: Any) -> Any:
            raise Stop

    frame = pd.DataFrame({"shop": ["n", "s"] * 700, "k": range(1400)})
    session: Any = Service({})
    for seconds, expected in ((0, ""), (14.0, ", about 5 min at this session's pace (200 ms)")):
        session.responses, session.seconds = (70, seconds) if seconds else (0, 0.0)
        caplog.clear()
        with pytest.raises(Stop):
            frame.clicdata.delete_rows(5, on=["shop", "k"], keep=False, session=session)
        [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert warning == (
            f"delete rows of 5: 1,400 requests, one after another{expected}. "
            "If all rows of a 'shop' may be deleted, on='shop' needs 2"
        )
    caplog.clear()
    with pytest.raises(Stop):
        frame.head(1000).clicdata.update_rows(5, on="k", keep=False, session=session)
    assert not caplog.records
