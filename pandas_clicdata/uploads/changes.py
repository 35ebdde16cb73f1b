"""Deleting and updating the rows that a frame names: one request per distinct key, and a report of each."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import (
    ClicDataError,
    DeleteAmbiguous,
    InputError,
    UpdateAmbiguous,
    WriteError,
)
from pandas_clicdata.frames.decode import Assembler
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.progress import bar
from pandas_clicdata.session.pages import Page, whole
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.session.wire import Caller, Request
from pandas_clicdata.uploads.matching import Finder, Match, cells_of, is_number
from pandas_clicdata.uploads.receipt import receipt_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

MULTIPLE_ROWS = ("all", "first")
_AFTER = {Outcome.NOT_SENT: "pending", Outcome.REFUSED: "refused", Outcome.UNKNOWN: "in doubt"}


def delete_request(rec_id: int, find: bytes, multiple_rows: str) -> Request:
    """The request that deletes the rows whose cells equal those of ``find``."""
    return Request("delete rows", "DELETE", f"/data/{rec_id}/row", body=_body(multiple_rows, find))


def update_request(rec_id: int, find: bytes, data: bytes, multiple_rows: str) -> Request:
    """The request that sets the cells of ``data`` in the rows whose cells equal those of ``find``."""
    return Request("update rows", "PUT", f"/data/{rec_id}/row", body=_body(multiple_rows, find, data))


def _body(multiple_rows: str, find: bytes, data: bytes | None = None) -> bytes:
    if find.strip() in (b"", b"[]"):
        raise InputError("an empty filter would mean every row: nothing was sent")
    # C: the names of these keys, and that "data" is one flat list of cells like "find".
    body = b'{"multiplerows":"%b","find":%b' % (multiple_rows.encode(), find)
    return body + (b"}" if data is None else b',"data":%b}' % data)


def lost(
    kind: type[UpdateAmbiguous | DeleteAmbiguous], operation: str, failure: ClicDataError, *, repeatable: bool
) -> UpdateAmbiguous | DeleteAmbiguous:
    """The error for a change whose answer was lost."""
    advice = (
        "To make the same call again does no more than what it should have done."
        if repeatable
        else "Look at the rows before you make the call again: it would reach further ones."
    )
    error = kind(f"{operation}: the answer was lost, it may be done or not ({failure}). {advice}")
    error.safe_to_repeat = repeatable
    return error


class ChangeReceipt:
    """What became of each distinct key of a delete or an update.

    Attributes
    ----------
    rec_id : int
        The data set.
    operation : {"delete rows", "update rows"}
        What was done.
    keys_total, keys_applied, keys_in_doubt : int
        Distinct keys, those whose change was made, and those whose answer was lost.
    """

    def __init__(self, rec_id: int, operation: str, keys: pd.DataFrame, kept: Sequence[Match] | None = None) -> None:
        self.rec_id = rec_id
        self.operation = operation
        self._keys = keys
        self._kept = kept
        self._states = ["pending"] * len(keys)

    def mark(self, position: int, state: str) -> None:
        """Note what became of a key."""
        self._states[position] = state

    @property
    def keys_total(self) -> int:
        """Distinct keys."""
        return len(self._states)

    @property
    def keys_applied(self) -> int:
        """Keys whose change was made."""
        return self._states.count("applied")

    @property
    def keys_in_doubt(self) -> int:
        """Keys whose change may have been made or not."""
        return self._states.count("in doubt") + self._states.count("sending")

    @property
    def keys(self) -> pd.DataFrame:
        """A row per distinct key.

        Returns
        -------
        DataFrame
            The key columns with the dtypes of the frame, and ``state`` (text: pending, sending, applied,
            refused, in doubt); the index is that of the first row of each key.
        """
        return self._keys.assign(state=self._states)

    @property
    def rows(self) -> pd.DataFrame:
        """The rows that were deleted, as they were read before: ``.rows.clicdata.append(rec_id)`` puts them back.

        Returns
        -------
        DataFrame
            The rows of the keys that were applied, in the order they had in the data set.

        Raises
        ------
        InputError
            They were not kept: it was an update, or they were deleted with ``keep=False``.
        """
        return self._rows_of("applied")

    @property
    def rows_in_doubt(self) -> pd.DataFrame:
        """The rows of the key whose answer was lost: deleted or still there.

        Returns
        -------
        DataFrame
            As `rows`.

        Raises
        ------
        InputError
            They were not kept.
        """
        return self._rows_of("in doubt", "sending")

    def _rows_of(self, *states: str) -> pd.DataFrame:
        if self._kept is None:
            raise InputError(
                "the rows were not kept: delete_rows reads and keeps them before they go, unless keep=False"
            )
        return frame_of_rows([match.row for match in self._kept if self._states[match.key] in states])

    def __repr__(self) -> str:
        return f"<ChangeReceipt: {self.summary()}>"

    def summary(self) -> str:
        """One line that says what was done."""
        parts = [f"{self.operation} of data set {self.rec_id}: {self.keys_applied:,} of {self.keys_total:,} keys done"]
        if self.keys_in_doubt:
            parts.append(f"{self.keys_in_doubt:,} in doubt")
        if self._kept is not None:
            kept = sum(self._states[match.key] == "applied" for match in self._kept)
            parts.append(f"{kept:,} {'row' if kept == 1 else 'rows'} kept: .rows")
        return "; ".join(parts)


def delete_rows(
    caller: Caller,
    rec_id: int,
    frame: pd.DataFrame,
    on: Any,
    multiple_rows: str,
    progress: bool | None,
    *,
    pages: Callable[[], Iterable[Page]] | None = None,
    max_rows: int | None = None,
) -> ChangeReceipt:
    """Delete the rows whose values in the columns ``on`` equal those of a row of the frame.

    With ``pages``, which gives the pages of the data set, the rows are read before and kept; and if they are more than
    ``max_rows``, nothing is deleted.
    """
    columns = _key_columns(frame, on)
    keys = _distinct_keys(frame, columns)
    kept = None if pages is None else _reached(rec_id, list(keys), multiple_rows, pages, progress)
    if kept is not None and max_rows is not None and len(kept) > max_rows:
        raise InputError(
            f"{len(kept):,} rows would go, and max_rows is {max_rows:,}: nothing was deleted. dry_run=True shows them"
        )
    requests = [delete_request(rec_id, find, multiple_rows) for find in keys]
    receipt = ChangeReceipt(rec_id, "delete rows", frame[columns].iloc[list(keys.values())], kept)
    return _change(caller, receipt, requests, DeleteAmbiguous, multiple_rows == "all", progress)


def reached_rows(
    rec_id: int,
    frame: pd.DataFrame,
    on: Any,
    multiple_rows: str,
    progress: bool | None,
    *,
    pages: Callable[[], Iterable[Page]],
) -> pd.DataFrame:
    """The rows that `delete_rows` would delete now. Nothing is deleted."""
    keys = _distinct_keys(frame, _key_columns(frame, on))
    return frame_of_rows([match.row for match in _reached(rec_id, list(keys), multiple_rows, pages, progress)])


def _reached(
    rec_id: int,
    finds: list[bytes],
    multiple_rows: str,
    pages: Callable[[], Iterable[Page]],
    progress: bool | None,
) -> list[Match]:
    def read(_: bool) -> list[Match]:
        finder = Finder(finds, first_only=multiple_rows == "first")
        with bar(progress, f"read {rec_id}", None) as shown:
            for page in pages():
                shown.update(finder.look(page.rows))
        return finder.found()

    return whole(read)


def frame_of_rows(rows: Sequence[bytes]) -> pd.DataFrame:
    """Rows as they came, as a frame that holds every digit of their numbers."""
    assembler = Assembler()
    assembler.add(b"[" + b",".join(rows) + b"]")
    frame = assembler.take()
    named = [cells_of(row) for row in rows]
    for name in frame.columns:
        cells = [bytes(row[name]) if name in row else b"null" for row in named]
        if any(map(_is_no_float, cells)):
            exact: Any = [Decimal(cell.decode()) if is_number(cell) else None for cell in cells]
            frame = frame.assign(**{name: exact})
    return frame


def _is_no_float(cell: bytes) -> bool:
    """Whether a number has more digits than a float: a fraction, as integers keep theirs."""
    if not is_number(cell) or not any(mark in cell for mark in b".eE"):
        return False
    return Decimal(cell.decode()) != Decimal(repr(float(cell)))


def update_rows(
    caller: Caller, rec_id: int, frame: pd.DataFrame, on: Any, multiple_rows: str, progress: bool | None
) -> ChangeReceipt:
    """Set the other columns of the rows whose values in ``on`` equal those of a row of the frame."""
    columns = _key_columns(frame, on)
    others = [column for column in frame.columns if column not in columns]
    if not others:
        raise InputError("there is no column beside those of on=: nothing would be set")
    values = list(FrameEncoder(frame[others]).rows_as(RowFormat.CELLS))
    keys = _distinct_keys(frame, columns, values)
    requests = [update_request(rec_id, find, values[row], multiple_rows) for find, row in keys.items()]
    receipt = ChangeReceipt(rec_id, "update rows", frame[columns].iloc[list(keys.values())])
    return _change(caller, receipt, requests, UpdateAmbiguous, multiple_rows == "all", progress)


def _key_columns(frame: pd.DataFrame, on: Any) -> list[str]:
    names = [on] if isinstance(on, str) else list(on) if isinstance(on, Iterable) else []
    if not names:
        raise InputError("on must name the columns that tell which rows are meant, one at least")
    if len(set(names)) != len(names):
        raise InputError("on names a column twice")
    unknown = [name for name in names if name not in frame.columns]
    if unknown:
        raise InputError(
            f"on: the frame has no column {', '.join(map(repr, unknown))}; it has {', '.join(map(repr, frame.columns))}"
        )
    if frame.columns.has_duplicates:
        raise InputError("the frame has several columns of the same name")
    return names


def _distinct_keys(frame: pd.DataFrame, columns: list[str], values: Sequence[bytes] | None = None) -> dict[bytes, int]:
    """The encoded key of each row that has a new one, with that row's position in the frame."""
    keyed = frame[columns]
    missing = keyed.isna().any(axis=1).to_numpy()
    if missing.any():
        labels = ", ".join(repr(label) for label in frame.index[missing][:5])
        raise InputError(
            f"on: {int(missing.sum())} rows have a missing value in a key column (row labels {labels}): it isn't "
            "known which rows ClicData takes for equal to it. Leave them out, such as with df.dropna(subset=[...])"
        )
    keys: dict[bytes, int] = {}
    contradicting = []
    for row, find in enumerate(FrameEncoder(keyed).rows_as(RowFormat.CELLS)):
        first = keys.setdefault(find, row)
        if values is not None and values[first] != values[row]:
            contradicting.append(row)
    if contradicting:
        labels = ", ".join(repr(label) for label in frame.index[contradicting][:5])
        raise InputError(
            f"on: {len(contradicting)} rows want other values for a key than an earlier row of the frame (row "
            f"labels {labels}): keep one row per key"
        )
    return keys


def _change(
    caller: Caller,
    receipt: ChangeReceipt,
    requests: Sequence[Request],
    ambiguous: type[UpdateAmbiguous | DeleteAmbiguous],
    repeatable: bool,
    progress: bool | None,
) -> ChangeReceipt:
    with receipt_on_interrupt(receipt, ".receipt of this interrupt"):
        with bar(progress, f"{receipt.operation} of {receipt.rec_id}", len(requests), "key") as shown:
            for position, request in enumerate(requests):
                _one(caller, receipt, position, request, ambiguous, repeatable)
                shown.update(1)
        return receipt


def _one(
    caller: Caller,
    receipt: ChangeReceipt,
    position: int,
    request: Request,
    ambiguous: type[UpdateAmbiguous | DeleteAmbiguous],
    repeatable: bool,
) -> None:
    receipt.mark(position, "sending")
    failure: ClicDataError
    try:
        caller.call(request).value()
        receipt.mark(position, "applied")
        return
    except ClicDataError as error:
        failure = error
    except BaseException as interrupt:
        receipt.mark(position, _AFTER[outcome(interrupt)])
        raise
    raise _ended(receipt, position, failure, ambiguous, repeatable)


def _ended(
    receipt: ChangeReceipt,
    position: int,
    failure: ClicDataError,
    ambiguous: type[UpdateAmbiguous | DeleteAmbiguous],
    repeatable: bool,
) -> ClicDataError:
    what = outcome(failure)
    ended: ClicDataError
    receipt.mark(position, _AFTER[what])
    if what is Outcome.UNKNOWN:
        ended = lost(ambiguous, receipt.operation, failure, repeatable=repeatable)
    else:
        if not receipt.keys_applied:
            failure.receipt = receipt
            return failure
        ended = WriteError(f"stopped: {failure}. {receipt.summary()}.")
    ended.receipt = receipt
    ended.__cause__ = failure
    return ended
