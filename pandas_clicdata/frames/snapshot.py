"""The caller's frame as it was when it was checked, whatever he does to it while it is being sent."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pandas as pd

from pandas_clicdata.errors import InputError


class Snapshot:
    """A shallow copy of a frame that knows when its cells are no longer those that were checked.

    With copy-on-write (always in pandas 3) a change of the caller's frame does not reach the copy. Without it
    both share their cells, and a copy of those could be far larger than all else; so a checksum of each block
    of rows is kept, and a block that changed is refused.

    Parameters
    ----------
    frame : DataFrame
        The caller's frame.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame.copy(deep=False)
        self._shared = not _copies_on_write()
        self._checksums: dict[tuple[int, int], int] = {}

    def note(self, blocks: list[tuple[int, int]]) -> None:
        """Take the checksums of blocks of rows."""
        if self._shared:
            self._checksums = {block: self._checksum(*block) for block in blocks}

    def verify(self, block: tuple[int, int]) -> None:
        """Check a block of rows.

        Raises
        ------
        InputError
            If cells of it were changed.
        """
        if self._shared and self._checksum(*block) != self._checksums[block]:
            start, stop = block
            raise InputError(
                f"The frame was changed while it was being sent (between rows {start} and {stop - 1}, by position). "
                "What was sent until now is what it held before. Send a copy: df.copy()."
            )

    def _checksum(self, start: int, stop: int) -> int:
        checksum = 0
        for position in range(self.frame.shape[1]):
            for cells in _memory(self.frame.iloc[:, position].array[start:stop]):
                memory: Any = np.ascontiguousarray(cells)
                checksum = zlib.crc32(memory, checksum)
        return checksum


def _copies_on_write() -> bool:
    return int(pd.__version__.split(".")[0]) >= 3 or pd.options.mode.copy_on_write is True


def _memory(array: Any) -> list[Any]:
    """Return what of an array can be changed in place: its numbers, or which objects it holds.

    Arrow's arrays can't be; of arrays of other packages it is not known.
    """
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return [array.codes]
    if isinstance(dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)):
        return [array.view("i8")]
    if isinstance(array, pd.arrays.NumpyExtensionArray) or isinstance(dtype, np.dtype):
        return [np.asarray(array)]
    if isinstance(dtype, pd.StringDtype) and dtype.storage == "python":
        return [np.asarray(array, dtype=object)]
    numpy_dtype = np.dtype(bool) if isinstance(dtype, pd.BooleanDtype) else getattr(dtype, "numpy_dtype", None)
    if isinstance(numpy_dtype, np.dtype) and not isinstance(dtype, pd.ArrowDtype):
        return [array.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0)), array.isna()]
    return []
