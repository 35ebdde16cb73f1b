"""A bar on stderr that says how far a long call is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tqdm.std import tqdm

from pandas_clicdata.errors import InputError

if TYPE_CHECKING:
    from typing import Any


def bar(progress: bool | None, what: str, total: int | None, unit: str = "row") -> tqdm[Any]:
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
    tqdm
        To be called ``update(n)`` on, and closed.
    """
    if progress not in (None, True, False):
        raise InputError("progress must be True, False or None")
    hidden = None if progress is None else not progress
    return tqdm(total=total, desc=what, unit=f" {unit}s", unit_scale=True, disable=hidden, leave=False)
