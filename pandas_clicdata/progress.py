"""A progress bar on stderr."""

from __future__ import annotations

import shutil
import sys
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from tqdm.std import tqdm

from pandas_clicdata.errors import InputError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any


class NoBar:
    """A bar that is not shown. tqdm's own hidden bar would start a thread and share a lock with forked processes."""

    def update(self, n: float = 1) -> None:
        """Do nothing."""


class _Stderr:
    """The present stderr. A broken one must not stop a call that writes rows."""

    def write(self, text: str) -> None:
        with suppress(Exception):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(Exception):
            sys.stderr.flush()


def bar(
    progress: bool | None, what: str, total: int | None, unit: str = "row"
) -> AbstractContextManager[tqdm[Any] | NoBar]:
    """Return a progress bar, to be used in a ``with`` statement.

    Parameters
    ----------
    progress : bool or None
        Whether to show the bar; None shows it if stderr is a terminal.
    what : str
        The text beside the bar.
    total : int or None
        The number of units, if known.
    unit : str, default "row"
        The name of a unit.
    """
    if progress not in (None, True, False):
        raise InputError("progress must be True, False or None")
    if progress is None:
        with suppress(AttributeError, ValueError):  # stderr is None, closed, or only has write and flush
            progress = sys.stderr.isatty()
    if not progress:
        return nullcontext(NoBar())
    width = shutil.get_terminal_size().columns - 1  # tqdm asks only a real stderr for its width
    return tqdm(total=total, desc=what, unit=f" {unit}s", unit_scale=True, leave=False, file=_Stderr(), ncols=width)
