"""A bar on stderr that says how far a long call is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tqdm.std import tqdm

from pandas_clicdata.errors import InputError

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self


class Hidden:
    """A bar that nobody sees.

    One of tqdm's, though hidden, would start a thread, and take a lock that it shares with every forked process: a
    child that was killed with it in hand would hold up all the others for ever.
    """

    def update(self, n: float = 1) -> None:
        """Count, for nobody."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def bar(progress: bool | None, what: str, total: int | None, unit: str = "row") -> tqdm[Any] | Hidden:
    """A bar that counts rows.

    Parameters
    ----------
    progress : bool or None
        Whether to show it; None shows it where stderr is a terminal.
    what : str
        What is being done.
    total : int or None
        How many there are to do, if that is known.
    unit : str, default "row"
        What is counted.

    Returns
    -------
    tqdm or Hidden
        To be called ``update(n)`` on, and closed.
    """
    if progress not in (None, True, False):
        raise InputError("progress must be True, False or None")
    if not (sys.stderr.isatty() if progress is None and sys.stderr is not None else progress):
        return Hidden()
    return tqdm(total=total, desc=what, unit=f" {unit}s", unit_scale=True, leave=False)
