"""Deleting and updating rows by key: one request for each distinct key of a frame, and a receipt."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import ClicDataError, InputError, WriteError
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.frames.types import checked_types, noted_types, with_levels
from pandas_clicdata.progress import bar, warn_of_cost
from pandas_clicdata.session.pages import Page, retry_while_changing
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.uploads.change import cheaper_way, counts_of, lost_error, send_delete, send_update
from pandas_clicdata.uploads.change_receipt import ChangeReceipt
from pandas_clicdata.uploads.matching import Finder, MatchBy, Reach, count_rows, frame_of_rows
from pandas_clicdata.uploads.receipt import receipt_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from pandas_clicdata.session.wire import Caller, Reply

    Pages = Callable[[], Iterable[Page]]
    Encode = Callable[[pd.DataFrame], FrameEncoder]

_log = logging.getLogger(__name__)

_STATE_AFTER = {Outcome.NOT_SENT: "pending", Outcome.REFUSED: "refused", Outcome.UNKNOWN: "in doubt"}


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
    index: bool | None = None,
    types: Mapping[str, str] | None = None,
    pages: Pages | None = None,
    max_rows: int | None = None,
) -> ChangeReceipt:
    """Delete the rows whose values in the columns ``on`` equal those of a row of the frame.

    With ``pages``, which returns the pages of the data set, the rows are read before and kept. Nothing is deleted if
    they are more than ``max_rows``, or if it is not known which would go and ``match`` doesn't decide.
    """
    frame, encode = _prepared(frame, rec_id, index, types)
    columns = _key_columns(frame, on)
    keys = _distinct_keys(frame, columns, encode)
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
    index: bool | None = None,
    types: Mapping[str, str] | None = None,
    pages: Pages,
) -> pd.DataFrame:
    """Return the rows that `delete_rows` may delete now. Nothing is deleted."""
    frame, encode = _prepared(frame, rec_id, index, types)
    keys = _distinct_keys(frame, _key_columns(frame, on), encode)
    reach = _reach(caller, rec_id, keys, multiple_rows, pages, progress)
    shown = reach.shown(match)
    if match is None and reach.question:  # which holds cells
        _log.warning("delete_rows would refuse without match=: not all %d rows shown equal a key exactly", len(shown))
    return frame_of_rows([found.row for found in shown], rec_id)


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
    *,
    index: bool | None = None,
    types: Mapping[str, str] | None = None,
) -> ChangeReceipt:
    """Set the other columns of the rows whose values in ``on`` equal those of a row of the frame."""
    frame, encode = _prepared(frame, rec_id, index, types)
    columns = _key_columns(frame, on)
    others = [column for column in frame.columns if column not in columns]
    if not others:
        raise InputError("there is no column beside those of on=: nothing would be set")
    values = list(encode(frame[others]).rows_as(RowFormat.CELLS))
    keys = _distinct_keys(frame, columns, encode, values, wide=match != "exact")
    sends = [partial(send_update, caller, rec_id, find, values[row], multiple_rows) for find, row in keys.items()]
    receipt = ChangeReceipt(rec_id, "update rows", frame[columns].iloc[list(keys.values())], multiple_rows)
    return _change(caller, receipt, sends, progress)


def _prepared(
    frame: pd.DataFrame, rec_id: int, index: bool | None, types: Mapping[str, str] | None
) -> tuple[pd.DataFrame, Encode]:
    """Return the frame with the levels of its index as columns, and what encodes a choice of its columns."""
    noted, problems = noted_types(frame.attrs, rec_id), list[str]()
    frame = with_levels(frame, index)
    asked = {} if types is None else checked_types(types, list(frame.columns), problems)
    if problems:
        raise InputError(problems)

    def encode(part: pd.DataFrame) -> FrameEncoder:
        own = {name: kind for name, kind in asked.items() if name in part.columns}
        return FrameEncoder(part, types=own, index=False, noted=noted)

    return frame, encode


def _key_columns(frame: pd.DataFrame, on: Any) -> list[str]:
    names = [on] if isinstance(on, str) else list(on) if isinstance(on, Iterable) else []
    if not names:
        raise InputError("on must name the key columns, one at least")
    if not all(isinstance(name, Hashable) for name in names):
        raise InputError(f"on must be a column or a list of columns, not {on!r}")
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
    frame: pd.DataFrame,
    columns: list[str],
    encode: Encode,
    values: Sequence[bytes] | None = None,
    *,
    wide: bool = False,
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
    for row, find in enumerate(encode(keyed).rows_as(RowFormat.CELLS)):
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
        what, pending = f"{receipt.operation} of {receipt.rec_id}", receipt.pending()
        warn_of_cost(caller, what, len(pending), cheaper_way(receipt.operation, receipt._keys))
        with bar(progress, what, len(sends), "key", session=caller, result=receipt.summary) as shown:
            shown.update(len(sends) - len(pending))
            for position in pending:
                receipt.mark(position, "sending")
                try:
                    counts = counts_of(sends[position]())
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
    elif receipt.keys_applied or receipt.keys_accepted:
        stopped = WriteError(f"stopped: {error}. {receipt.summary()}.")
    stopped.receipt = receipt
    return stopped
