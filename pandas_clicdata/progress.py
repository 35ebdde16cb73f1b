"""A progress bar on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tqdm.std import tqdm

from pandas_clicdata.errors import InputError

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self


class NoBar:
    """A bar that is not shown. tqdm's own hidden bar would start a thread and share a lock with forked processes."""

    def update(self, n: float = 1) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def bar(progress: bool | None, what: str, total: int | None, unit: str = "row") -> tqdm[Any] | NoBar:
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
    if not (sys.stderr.isatty() if progress is None and sys.stderr is not None else progress):
        return NoBar()
    return tqdm(total=total, desc=what, unit=f" {unit}s", unit_scale=True, leave=False)
