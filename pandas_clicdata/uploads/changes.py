"""Deleting and updating rows by key: one request for each distinct key of a frame, and a receipt."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import ClicDataError, DeleteAmbiguous, InputError, UpdateAmbiguous, WriteError
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.progress import bar
from pandas_clicdata.session.pages import Page, retry_while_changing
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.session.wire import Caller, Request
from pandas_clicdata.uploads.matching import Finder, Match, cells_of, is_number
from pandas_clicdata.uploads.receipt import receipt_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

MULTIPLE_ROWS = ("all", "first")
_STATE_AFTER = {Outcome.NOT_SENT: "pending", Outcome.REFUSED: "refused", Outcome.UNKNOWN: "in doubt"}


def delete_request(rec_id: int, find: bytes, multiple_rows: str) -> Request:
    """Return the request that deletes the rows whose cells equal those of ``find``."""
    return Request("delete rows", "DELETE", f"/data/{rec_id}/row", body=_body(multiple_rows, find))


def update_request(rec_id: int, find: bytes, data: bytes, multiple_rows: str) -> Request:
    """Return the request that sets the cells of ``data`` in the rows whose cells equal those of ``find``."""
    return Request("update rows", "PUT", f"/data/{rec_id}/row", body=_body(multiple_rows, find, data))


def _body(multiple_rows: str, find: bytes, data: bytes | None = None) -> bytes:
    if find.strip() in (b"", b"[]"):
        raise InputError("an empty filter would mean every row: nothing was sent")
    # C: the names of these keys, and that "data" is one flat list of cells like "find".
    body = b'{"multiplerows":"%b","find":%b' % (multiple_rows.encode(), find)
    return body + (b"}" if data is None else b',"data":%b}' % data)


def lost_error(operation: str, failure: ClicDataError, *, repeatable: bool) -> UpdateAmbiguous | DeleteAmbiguous:
    """Return the error for a change whose response was lost."""
    advice = (
        "To make the same call again has no further effect."
        if repeatable
        else "Look at the rows before you make the call again: it would change further ones."
    )
    kind = DeleteAmbiguous if operation == "delete rows" else UpdateAmbiguous
    error = kind(f"{operation}: the response was lost, it may be done or not ({failure}). {advice}")
    error.safe_to_repeat = repeatable
    return error


class ChangeReceipt:
    """What is known of each distinct key of a delete or an update.

    Attributes
    ----------
    rec_id : int
        The data set.
    operation : {"delete rows", "update rows"}
        What was done.
    keys_total, keys_applied, keys_in_doubt : int
        Distinct keys, keys whose change was made, and keys whose response was lost.
    """

    def __init__(self, rec_id: int, operation: str, keys: pd.DataFrame, kept: Sequence[Match] | None = None) -> None:
        self.rec_id = rec_id
        self.operation = operation
        self._keys = keys
        self._kept = kept
        self._states = ["pending"] * len(keys)

    def mark(self, position: int, state: str) -> None:
        """Note the state of a key."""
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
        """The rows of the key whose response was lost: deleted or not.

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
        """Return one line: what was done."""
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

    With ``pages``, which returns the pages of the data set, the rows are read before and kept; if they are more than
    ``max_rows``, nothing is deleted.
    """
    columns = _key_columns(frame, on)
    keys = _distinct_keys(frame, columns)
    kept = None if pages is None else _matches(rec_id, list(keys), multiple_rows, pages, progress)
    if kept is not None and max_rows is not None and len(kept) > max_rows:
        raise InputError(
            f"{len(kept):,} rows would go, and max_rows is {max_rows:,}: nothing was deleted. dry_run=True shows them"
        )
    requests = [delete_request(rec_id, find, multiple_rows) for find in keys]
    receipt = ChangeReceipt(rec_id, "delete rows", frame[columns].iloc[list(keys.values())], kept)
    return _change(caller, receipt, requests, progress, repeatable=multiple_rows == "all")


def matching_rows(
    rec_id: int,
    frame: pd.DataFrame,
    on: Any,
    multiple_rows: str,
    progress: bool | None,
    *,
    pages: Callable[[], Iterable[Page]],
) -> pd.DataFrame:
    """Return the rows that `delete_rows` would delete now. Nothing is deleted."""
    keys = _distinct_keys(frame, _key_columns(frame, on))
    return frame_of_rows([match.row for match in _matches(rec_id, list(keys), multiple_rows, pages, progress)])


def _matches(
    rec_id: int, keys: list[bytes], multiple_rows: str, pages: Callable[[], Iterable[Page]], progress: bool | None
) -> list[Match]:
    def read() -> list[Match]:
        finder = Finder(keys, first_only=multiple_rows == "first")
        with bar(progress, f"read {rec_id}", None) as shown:
            for page in pages():
                shown.update(finder.add(page.rows))
        return finder.matches()

    return retry_while_changing(read)


def frame_of_rows(rows: Sequence[bytes]) -> pd.DataFrame:
    """Return rows of JSON as a frame that holds every digit of their numbers."""
    builder = FrameBuilder()
    builder.add(b"[" + b",".join(rows) + b"]")
    frame = builder.take()
    named = [cells_of(row) for row in rows]
    for name in frame.columns:
        cells = [bytes(row[name]) if name in row else b"null" for row in named]
        if any(map(_exceeds_float, cells)):
            exact: Any = [Decimal(cell.decode()) if is_number(cell) else None for cell in cells]
            frame = frame.assign(**{name: exact})
    return frame


def _exceeds_float(cell: bytes) -> bool:
    """Whether a number that is no integer has more digits than a float."""
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
    return _change(caller, receipt, requests, progress, repeatable=multiple_rows == "all")


def _key_columns(frame: pd.DataFrame, on: Any) -> list[str]:
    names = [on] if isinstance(on, str) else list(on) if isinstance(on, Iterable) else []
    if not names:
        raise InputError("on must name the key columns, one at least")
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
    """Return each distinct key, as JSON, with the position of its first row in the frame."""
    keyed = frame[columns]
    missing = keyed.isna().any(axis=1).to_numpy()
    if missing.any():
        labels = ", ".join(repr(label) for label in frame.index[missing][:5])
        raise InputError(
            f"on: {int(missing.sum())} rows have a missing value in a key column (row labels {labels}): it isn't "
            "known which rows of ClicData match them. Leave them out, such as with df.dropna(subset=[...])"
        )
    keys: dict[bytes, int] = {}
    conflicting = []
    for row, find in enumerate(FrameEncoder(keyed).rows_as(RowFormat.CELLS)):
        first = keys.setdefault(find, row)
        if values is not None and values[first] != values[row]:
            conflicting.append(row)
    if conflicting:
        labels = ", ".join(repr(label) for label in frame.index[conflicting][:5])
        raise InputError(
            f"on: {len(conflicting)} rows have other values for a key than an earlier row of the frame (row "
            f"labels {labels}): keep one row per key"
        )
    return keys


def _change(
    caller: Caller, receipt: ChangeReceipt, requests: Sequence[Request], progress: bool | None, *, repeatable: bool
) -> ChangeReceipt:
    """Send the requests one by one, up to the first that fails."""
    with receipt_on_interrupt(receipt, ".receipt of this interrupt"):
        with bar(progress, f"{receipt.operation} of {receipt.rec_id}", len(requests), "key") as shown:
            for position, request in enumerate(requests):
                receipt.mark(position, "sending")
                try:
                    caller.call(request).value()
                except BaseException as error:
                    receipt.mark(position, _STATE_AFTER[outcome(error)])
                    if not isinstance(error, ClicDataError):
                        raise
                    stopped = _stopped(receipt, error, repeatable=repeatable)
                    raise stopped from (error.__cause__ if stopped is error else error)
                receipt.mark(position, "applied")
                shown.update(1)
        return receipt


def _stopped(receipt: ChangeReceipt, error: ClicDataError, *, repeatable: bool) -> ClicDataError:
    """Return the error to raise: if nothing was changed, the error itself."""
    stopped: ClicDataError = error
    if outcome(error) is Outcome.UNKNOWN:
        stopped = lost_error(receipt.operation, error, repeatable=repeatable)
    elif receipt.keys_applied:
        stopped = WriteError(f"stopped: {error}. {receipt.summary()}.")
    stopped.receipt = receipt
    return stopped
