"""Deleting and updating rows by key: one request for each distinct key of a frame, and a receipt."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import ClicDataError, InputError, WriteError, public
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.progress import bar, warn_of_cost
from pandas_clicdata.session.pages import Page, retry_while_changing
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.uploads.change import (
    COUNTS,
    cheaper_way,
    counts_of,
    lost_error,
    rows_changed,
    send_delete,
    send_update,
)
from pandas_clicdata.uploads.matching import Finder, Kept, MatchBy, Reach, count_rows, frame_of_rows
from pandas_clicdata.uploads.receipt import receipt_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from pandas_clicdata.session.wire import Caller, Reply

    Pages = Callable[[], Iterable[Page]]

_log = logging.getLogger(__name__)

_STATE_AFTER = {Outcome.NOT_SENT: "pending", Outcome.REFUSED: "refused", Outcome.UNKNOWN: "in doubt"}


class ChangeReceipt:
    """What is known of each distinct key of a delete or an update.

    Attributes
    ----------
    rec_id : int
        The data set.
    operation : {"delete rows", "update rows"}
        What was done.
    keys_total, keys_applied, keys_in_doubt : int
        Distinct keys, keys whose change ClicData confirmed, and keys whose response was lost.
    rows_changed : int or None
        The rows that ClicData says it changed for the confirmed keys.
    """

    def __init__(
        self, rec_id: int, operation: str, keys: pd.DataFrame, multiple_rows: str = "all", kept: Kept | None = None
    ) -> None:
        self.rec_id = rec_id
        self.operation = operation
        self.multiple_rows = multiple_rows
        self._keys = keys
        self._kept = kept
        self._states = ["pending"] * len(keys)
        self._counts: list[dict[str, int]] = [{} for _ in self._states]
        self._group_of = range(len(keys)) if kept is None else kept.first_keys
        self._groups: dict[int, list[int]] = {}
        for position, first in enumerate(self._group_of):
            self._groups.setdefault(first, []).append(position)
        matches = [] if kept is None else kept.matches
        self._kept_rows = Counter(self._group_of[match.key] for match in matches)
        self._exact_rows = Counter(self._group_of[match.key] for match in matches if kept and match.place in kept.exact)

    def mark(self, position: int, state: str, counts: dict[str, int] | None = None) -> None:
        """Note the state of a key, and the rows that the response counts."""
        self._counts[position] = counts or {}
        self._states[position] = state

    def known(self, position: int) -> int | None:
        """Return how many rows the change of a key may reach, with those of the same group; None if not known."""
        if self._kept is not None:
            return self._kept_rows[self._group_of[position]]
        return 1 if self.multiple_rows == "first" else None

    def counted(self, position: int) -> int | None:
        """Return how many rows the changes of a group of keys reached so far; None if one response didn't say."""
        return self._total(self._groups[self._group_of[position]])

    def _total(self, positions: Iterable[int]) -> int | None:
        said = [self._changed(position) for position in positions if self._states[position] == "applied"]
        return None if None in said else sum(filter(None, said))

    def _changed(self, position: int) -> int | None:
        return rows_changed(self.operation, self._counts[position], self.multiple_rows)

    @property
    def keys_total(self) -> int:
        """Distinct keys."""
        return len(self._states)

    @property
    def keys_applied(self) -> int:
        """Keys whose change ClicData confirmed, be it of no row."""
        return self._states.count("applied")

    @property
    def keys_in_doubt(self) -> int:
        """Keys whose change may have been made or not."""
        return self._states.count("in doubt") + self._states.count("sending")

    @property
    def rows_changed(self) -> int | None:
        """Rows that ClicData says it changed for the keys that were applied; None if it didn't say for each."""
        return self._total(range(self.keys_total))

    @property
    def keys(self) -> pd.DataFrame:
        """A row per distinct key.

        Returns
        -------
        DataFrame
            The key columns with the dtypes of the frame, ``state`` (text: pending, sending, applied, refused, in
            doubt), and the rows that ClicData says it reached (Int64, missing where it didn't say): ``rows_deleted``
            or ``rows_updated``, and ``rows_found`` and ``rows_inserted`` if any response has them. The index is that
            of the first row of each key.
        """
        said = set().union(*self._counts) | {"rows_deleted" if self.operation == "delete rows" else "rows_updated"}
        table = frame_of_records(self._counts, {name: "integer" for name in COUNTS if name in said})
        columns = {"state": self._states, **{name: table[name].array for name in table.columns}}
        taken = self._keys.columns
        return self._keys.assign(**{f"{name} (ClicData)" if name in taken else name: columns[name] for name in columns})

    @property
    @public
    def rows(self) -> pd.DataFrame:
        """The rows that were deleted, as they were read before: ``.rows.clicdata.append(rec_id)`` puts them back.

        Returns
        -------
        DataFrame
            The rows of the keys that were applied, in the order they had in the data set, as far as it is known
            that they were deleted.

        Raises
        ------
        InputError
            They were not kept: it was an update, or they were deleted with ``keep=False``.
        """
        return frame_of_rows(self._rows_of("deleted"))

    @property
    @public
    def rows_in_doubt(self) -> pd.DataFrame:
        """The rows of the key whose response was lost, or that counts fewer rows than were kept: deleted or not.

        Returns
        -------
        DataFrame
            As `rows`.

        Raises
        ------
        InputError
            They were not kept.
        """
        return frame_of_rows(self._rows_of("in doubt"))

    def _rows_of(self, fate: str) -> list[bytes]:
        if self._kept is None:
            raise InputError(
                "the rows were not kept: delete_rows reads and keeps them before they go, unless keep=False"
            )
        group_of, exact = self._group_of, self._kept.exact
        fates = {(first, same): self._fate(first, exact=same) for first in self._kept_rows for same in (True, False)}
        return [row for place, key, row in self._kept.matches if fates[group_of[key], place in exact] == fate]

    def _fate(self, first: int, *, exact: bool) -> str:
        """Return what is known of the kept rows of a group of keys: those equal to a key exactly, or the others."""
        states = {self._states[position] for position in self._groups[first]}
        counted, named = self.counted(first), self._exact_rows[first]
        if counted == 0 and not states & {"in doubt", "sending"}:  # 0 as well if no key was applied
            return "there"
        if counted is not None and counted >= self._kept_rows[first]:
            return "deleted"
        # A row that equals a key goes first of all, however ClicData compares text.
        if states != {"applied"} or (counted is not None and counted < named):
            return "in doubt"
        return "deleted" if exact else "there" if counted == named else "in doubt"

    def __repr__(self) -> str:
        return f"<ChangeReceipt: {self.summary()}>"

    def summary(self) -> str:
        """Return one line: what was done."""
        parts = [f"{self.operation} of data set {self.rec_id}: {self.keys_applied:,} of {self.keys_total:,} keys done"]
        if empty := [position for position in range(self.keys_total) if self._changed(position) == 0]:
            parts.append(f"{len(empty):,} of them changed no row")
        if self.keys_in_doubt:
            parts.append(f"{self.keys_in_doubt:,} in doubt")
        if self._kept is not None:
            kept, doubted = len(self._rows_of("deleted")), len(self._rows_of("in doubt"))
            parts.append(f"{count_rows(kept)} kept: .rows")
            parts += [f"{count_rows(doubted)} deleted or not: .rows_in_doubt"] if doubted else []
            parts.append(f"{count_rows(self._kept.read)} read before, in {self._kept.seconds:.1f} s")
        elif self.rows_changed:
            parts.append(f"{count_rows(self.rows_changed)} changed")
        return "; ".join(parts)


# ---------------------------------------------------------------------------------------------------------
# Keys of a frame


def delete_rows(
    caller: Caller,
    rec_id: int,
    frame: pd.DataFrame,
    on: Any,
    multiple_rows: str,
    progress: bool | None,
    *,
    match: MatchBy | None = None,
    pages: Pages | None = None,
    max_rows: int | None = None,
) -> ChangeReceipt:
    """Delete the rows whose values in the columns ``on`` equal those of a row of the frame.

    With ``pages``, which returns the pages of the data set, the rows are read before and kept. Nothing is deleted if
    they are more than ``max_rows``, or if it is not known which would go and ``match`` doesn't decide.
    """
    columns = _key_columns(frame, on)
    keys = _distinct_keys(frame, columns)
    kept = None
    if pages is not None:
        began = time.monotonic()
        kept = _reach(caller, rec_id, keys, multiple_rows, pages, progress).kept(match)
        kept = kept._replace(seconds=time.monotonic() - began)
        if max_rows is not None and len(kept.matches) > max_rows:
            raise InputError(
                f"{len(kept.matches):,} rows would go, and max_rows is {max_rows:,}: nothing was deleted. "
                "dry_run=True shows them"
            )
    sends = [partial(send_delete, caller, rec_id, find, multiple_rows) for find in keys]
    receipt = ChangeReceipt(rec_id, "delete rows", frame[columns].iloc[list(keys.values())], multiple_rows, kept)
    return _change(caller, receipt, sends, progress)


def matching_rows(
    caller: Caller,
    rec_id: int,
    frame: pd.DataFrame,
    on: Any,
    multiple_rows: str,
    progress: bool | None,
    *,
    match: MatchBy | None = None,
    pages: Pages,
) -> pd.DataFrame:
    """Return the rows that `delete_rows` may delete now. Nothing is deleted."""
    keys = _distinct_keys(frame, _key_columns(frame, on))
    reach = _reach(caller, rec_id, keys, multiple_rows, pages, progress)
    shown = reach.shown(match)
    if match is None and reach.question:  # which holds cells
        _log.warning("delete_rows would refuse without match=: not all %d rows shown equal a key exactly", len(shown))
    return frame_of_rows([found.row for found in shown])


def _reach(
    caller: Caller, rec_id: int, keys: Iterable[bytes], multiple_rows: str, pages: Pages, progress: bool | None
) -> Reach:
    def read() -> Reach:
        finder = Finder(list(keys), first_only=multiple_rows == "first")
        with bar(progress, f"read {rec_id} before", None, session=caller) as shown:
            for page in pages():
                shown.update(finder.add(page.rows), page.total)
        return Reach(finder)

    return retry_while_changing(read)


def update_rows(
    caller: Caller,
    rec_id: int,
    frame: pd.DataFrame,
    on: Any,
    multiple_rows: str,
    progress: bool | None,
    match: str | None,
) -> ChangeReceipt:
    """Set the other columns of the rows whose values in ``on`` equal those of a row of the frame."""
    columns = _key_columns(frame, on)
    others = [column for column in frame.columns if column not in columns]
    if not others:
        raise InputError("there is no column beside those of on=: nothing would be set")
    values = list(FrameEncoder(frame[others]).rows_as(RowFormat.CELLS))
    keys = _distinct_keys(frame, columns, values, wide=match != "exact")
    sends = [partial(send_update, caller, rec_id, find, values[row], multiple_rows) for find, row in keys.items()]
    receipt = ChangeReceipt(rec_id, "update rows", frame[columns].iloc[list(keys.values())], multiple_rows)
    return _change(caller, receipt, sends, progress)


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


def _distinct_keys(
    frame: pd.DataFrame, columns: list[str], values: Sequence[bytes] | None = None, *, wide: bool = False
) -> dict[bytes, int]:
    """Return each distinct key, as JSON, with the position of its first row in the frame.

    An InputError if a row has other ``values`` than an earlier one of the same key, or of one that the service may take
    for the same if it compares text widely.
    """
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
    if values is not None:
        rows = list(keys.values())
        firsts = Finder(list(keys), first_only=False).first_keys("wide" if wide else "exact")
        alike = [
            (rows[first], row) for first, row in zip(firsts, rows, strict=True) if values[rows[first]] != values[row]
        ]
        if alike:
            labels = ", ".join(f"{frame.index[first]!r} and {frame.index[row]!r}" for first, row in alike[:5])
            raise InputError(
                f"on: {len(alike)} rows have other values than an earlier row whose key may be the same to ClicData "
                f"(row labels {labels}): keep one row per key"
                + (', or give match="exact" if you know that it sees letter case and trailing blanks' if wide else "")
            )
    return keys


# ---------------------------------------------------------------------------------------------------------
# All changes of a frame


def _change(
    caller: Caller, receipt: ChangeReceipt, sends: Sequence[Callable[[], Reply]], progress: bool | None
) -> ChangeReceipt:
    """Send the change of each key, up to the first that fails or reaches more rows than were known before."""
    repeatable = receipt.multiple_rows == "all"
    with receipt_on_interrupt(receipt, ".receipt of this interrupt"):
        what = f"{receipt.operation} of {receipt.rec_id}"
        warn_of_cost(caller, what, len(sends), cheaper_way(receipt.operation, receipt._keys))
        with bar(progress, what, len(sends), "key", session=caller, result=receipt.summary) as shown:
            for position, send in enumerate(sends):
                receipt.mark(position, "sending")
                try:
                    counts = counts_of(send())
                except BaseException as error:
                    receipt.mark(position, _STATE_AFTER[outcome(error)])
                    if not isinstance(error, ClicDataError):
                        raise
                    stopped = _stopped(receipt, error, repeatable=repeatable)
                    raise stopped from (error.__cause__ if stopped is error else error)
                receipt.mark(position, "applied", counts)
                known, counted = receipt.known(position), receipt.counted(position)
                if known is not None and counted is not None and counted > known:
                    raise _overrun(receipt, position, known, counted)
                shown.update(1)
        return receipt


def _overrun(receipt: ChangeReceipt, position: int, known: int, counted: int) -> WriteError:
    error = WriteError(
        f"stopped: ClicData counts {count_rows(counted)} for the key of row label {receipt.keys.index[position]!r}, "
        f"and {known:,} may have matched it: others changed that were neither meant nor kept. {receipt.summary()}."
    )
    error.receipt = receipt
    return error


def _stopped(receipt: ChangeReceipt, error: ClicDataError, *, repeatable: bool) -> ClicDataError:
    """Return the error to raise: if nothing was changed, the error itself."""
    stopped: ClicDataError = error
    if outcome(error) is Outcome.UNKNOWN:
        stopped = lost_error(receipt.operation, error, repeatable=repeatable)
    elif receipt.keys_applied:
        stopped = WriteError(f"stopped: {error}. {receipt.summary()}.")
    stopped.receipt = receipt
    return stopped
