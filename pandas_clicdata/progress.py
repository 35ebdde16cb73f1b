"""The progress of a call: a bar, one line in the log at its end, and a warning before a costly call."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from tqdm.std import tqdm

from pandas_clicdata.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY_REQUESTS = 1_000  # a call that needs more, one after another, logs a warning before the first

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """A session that counts its requests and the seconds of their responses."""

    responses: int
    seconds: float


@dataclass
class Done:
    """The units that are done so far. A bar that can't be drawn must not stop a call that writes rows."""

    bar: tqdm[Any] | None
    count: int = 0

    def update(self, n: float = 1, total: int | None = None) -> None:
        """Add ``n`` units. ``total`` is the number of all units, if it is known now."""
        self.count += int(n)
        if self.bar is None:
            return
        with suppress(Exception):
            if total is not None and total != self.bar.total:
                began, n = self.bar.start_t, self.bar.n + n
                self.bar.reset(total)  # sets n to 0, and the widget's own total too
                self.bar.start_t = began
            self.bar.update(n)


@contextmanager
def bar(
    progress: bool | None,
    what: str,
    total: int | None,
    unit: str = "row",
    *,
    session: Sender | None = None,
    result: Callable[[], str] | None = None,
) -> Iterator[Done]:
    """Count the units of a call, and show them as a bar: always, never, or by default in a notebook and on a terminal.

    ``total`` is the number of units, if known. With the session of the call, one line is logged at the end, unless the
    call fails; ``result`` returns its text. The line counts the responses that the session got meanwhile, including
    those to calls of other threads.
    """
    if progress not in (None, True, False):
        raise InputError("progress must be True, False or None")
    in_kernel = False
    if progress is not False and "IPython" in sys.modules:
        with suppress(AttributeError):  # not in IPython, or in one on a terminal
            in_kernel = sys.modules["IPython"].get_ipython().kernel is not None
    if progress is None:
        with suppress(AttributeError, ValueError):  # stderr is None, closed, or only has write and flush
            progress = in_kernel or sys.stderr.isatty()
    began, requests = time.monotonic(), session.responses if session else 0
    with ExitStack() as stack:
        done = Done(None)
        if progress:
            with suppress(Exception):
                done.bar = stack.enter_context(_draw(what, total, unit, in_kernel))
        yield done
    if session is not None and _log.isEnabledFor(logging.INFO):
        text = result() if result else f"{what}: {done.count:,} {unit}{'' if done.count == 1 else 's'}"
        seconds, answered = time.monotonic() - began, session.responses - requests
        _log.info("%s; %.1f s, %s request%s", text, seconds, f"{answered:,}", "" if answered == 1 else "s")


@contextmanager
def _draw(what: str, total: int | None, unit: str, in_kernel: bool) -> Iterator[tqdm[Any]]:
    """Draw a bar that disappears at the end."""
    options: dict[str, Any] = {"total": total, "desc": what, "unit": f" {unit}s", "unit_scale": True, "leave": False}
    output = None
    if not in_kernel:
        width = shutil.get_terminal_size().columns - 1  # tqdm asks only a real stderr for its width
        shown = tqdm(**options, file=_Stderr(), ncols=width)
    else:
        # A separate output: the output of tqdm would stay in the notebook, and be empty.
        show = import_module("IPython.display").display
        try:
            import_module("ipywidgets")  # without it, tqdm raises late, and its incomplete bar writes to stderr
            shown = import_module("tqdm.notebook").tqdm(**options, display=False)
            output = show(shown.container, display_id=True)
        except Exception:  # noqa: BLE001  # ipywidgets is missing or broken
            output = show({"text/plain": ""}, raw=True, display_id=True)
            shown = tqdm(**options, file=_Output(output), ncols=_COLUMNS)
    try:
        yield shown
    finally:
        with suppress(Exception):
            shown.close()
        with suppress(Exception):
            if output is not None:
                output.update({}, raw=True)


_COLUMNS = 100  # characters of a bar of text in a notebook


class _Stderr:
    """The current stderr. A broken stderr must not stop a call that writes rows."""

    def write(self, text: str) -> None:
        with suppress(Exception):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(Exception):
            sys.stderr.flush()


class _Output:
    """An output of a cell that shows the line written last."""

    def __init__(self, output: Any) -> None:
        self._output = output

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            with suppress(Exception):
                self._output.update({"text/plain": line}, raw=True)

    def flush(self) -> None:
        pass


# ---------------------------------------------------------------------------------------------------------
# Cost


def warn_of_cost(session: Sender, what: str, requests: int, cheaper: str) -> None:
    """Log a warning before a call that sends very many requests: their number and time, and a cheaper way."""
    if requests <= MANY_REQUESTS:
        return
    pace = session.seconds / session.responses if session.responses else None
    takes = "" if pace is None else f", about {_duration(pace * requests)} at this session's pace ({1e3 * pace:.0f} ms)"
    _log.warning("%s: %s requests, one after another%s. %s", what, f"{requests:,}", takes, cheaper)


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
