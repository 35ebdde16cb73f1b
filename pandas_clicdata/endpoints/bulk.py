"""One request per row of a frame, and a report with the state of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pandas_clicdata.errors import ApiError, ApiVersionError, ClicDataError, RateLimited, WriteError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.progress import bar, warn_of_cost
from pandas_clicdata.session.retry import Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

    from pandas_clicdata.progress import Done, Sender

NOT_SENT, REFUSED, IN_DOUBT = "not sent", "refused", "in doubt"


def send_rows(
    operation: str,
    records: Sequence[Mapping[str, Any]],
    send: Callable[[int], Mapping[str, Any]],
    *,
    schema: Mapping[str, str],
    index: pd.Index | None,
    progress: bool | None,
    session: Sender,
) -> pd.DataFrame:
    """Send a request per row, and return a report with the state of each row.

    ``records`` has the first cells of each row of the report. ``send`` sends the request of the row at a position, and
    returns the row's state and other cells for the report. ``schema`` and ``index`` are the report's; its columns
    include ``state`` and ``error``.

    Raises the error of the first row if nothing was done; else a `WriteError` whose ``receipt`` is the report.
    """
    rows = [{**record, "state": NOT_SENT, "error": None} for record in records]

    def report() -> pd.DataFrame:
        frame = frame_of_records(rows, schema)
        if index is not None:
            frame.index = index
        return frame

    try:
        warn_of_cost(session, operation, len(rows), "ClicData takes one user at a time")
        with bar(progress, operation, len(rows), session=session) as shown:
            stopped = send_pending(rows, range(len(rows)), send, shown)
            if stopped is not None:
                raise _error(operation, rows, stopped, report)
        return report()
    except (KeyboardInterrupt, SystemExit) as interrupt:
        interrupt.receipt = report()  # type: ignore[union-attr]  # exceptions take any attribute
        raise


class Stopped(NamedTuple):
    """The row whose failed request stopped the call, and its error."""

    position: int
    error: ClicDataError


def send_pending(
    rows: Sequence[dict[str, Any]],
    order: Iterable[int],
    send: Callable[[int], Mapping[str, Any]],
    shown: Done,
) -> Stopped | None:
    """Send the requests of the rows at these positions that are not sent yet, and note the state of each row.

    A row that ClicData refuses doesn't stop the others.
    """
    for position in order:
        row = rows[position]
        if row["state"] == NOT_SENT:
            failure = _send_row(row, send, position)
            if failure is not None:
                return Stopped(position, failure)
            shown.update(1)
    return None


def _send_row(row: dict[str, Any], send: Callable[[int], Mapping[str, Any]], position: int) -> ClicDataError | None:
    """Send the request of a row. Return its error unless the row was done or refused."""
    row["state"] = IN_DOUBT  # in case of an interrupt
    try:
        row.update(send(position))
    except ClicDataError as error:
        row.update(state=_state_after(error), error=str(error))
        return None if row["state"] == REFUSED else error.with_traceback(None)
    return None


def _state_after(error: ClicDataError) -> str:
    """Return the state of a row whose request failed: refused only if the error is about this row itself."""
    result = outcome(error)
    if result is Outcome.UNKNOWN:
        return IN_DOUBT
    is_about_row = isinstance(error, ApiError) and not isinstance(error, (RateLimited, ApiVersionError))
    return REFUSED if result is Outcome.REFUSED and is_about_row else NOT_SENT


def _error(
    operation: str, rows: Sequence[Mapping[str, Any]], where: Stopped, report: Callable[[], pd.DataFrame]
) -> ClicDataError:
    """Return the error to raise: the failure itself if nothing was done, else a `WriteError` with the report."""
    position, failure = where
    in_doubt = rows[position]["state"] == IN_DOUBT
    if position == 0 and not in_doubt:
        return failure
    states = [row["state"] for row in rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    stopped = WriteError(
        f"{operation}: stopped at row {position} ({str(failure).rstrip('.')}). Of all rows: {counts}; see .receipt"
    )
    stopped.receipt = cast("Any", report())
    stopped.in_doubt = in_doubt
    stopped.__cause__ = failure
    return stopped
