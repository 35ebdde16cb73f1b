"""The progress bar: when it is shown, and that a broken stderr stops no call."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from pandas_clicdata.progress import bar

if TYPE_CHECKING:
    from pandas_clicdata import Session
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
