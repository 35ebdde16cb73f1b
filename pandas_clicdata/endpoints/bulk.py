"""One request per row of a frame, with a report that leaves no row out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pandas_clicdata.errors import ApiError, ApiVersionError, ClicDataError, RateLimited, WriteError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.progress import bar
from pandas_clicdata.session.retry import Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

NOT_SENT, REFUSED, IN_DOUBT = "not sent", "refused", "in doubt"


class Run:
    """What becomes of each row.

    Parameters
    ----------
    operation : str
        What is done: ``"create users"``.
    rows : sequence of mapping
        What the report says of each row from the start.
    schema : mapping of str to str
        The columns of the report, as `frame_of_records` takes them; ``state`` and ``error`` are among them.
    like : DataFrame, Series or any
        Whose index the report has, if it has one.
    """

    def __init__(self, operation: str, rows: Sequence[Mapping[str, Any]], schema: Mapping[str, str], like: Any) -> None:
        self._operation = operation
        self._rows: list[dict[str, Any]] = [{**row, "state": NOT_SENT, "error": None} for row in rows]
        self._schema = schema
        self._index = like.index if hasattr(like, "iloc") else None

    def through(self, send: Callable[[int], Mapping[str, Any]], progress: bool | None) -> pd.DataFrame:
        """Go through the rows.

        Parameters
        ----------
        send : callable
            Is given the position of a row, makes its request, and gives what the report is to say then.
        progress : bool or None
            Whether to show a bar; None shows it where stderr is a terminal.

        Returns
        -------
        DataFrame
            The report, in which each row was answered.

        Raises
        ------
        WriteError
            It stopped midway; ``.receipt`` is the report.
        ClicDataError
            It stopped at the first row, and nothing was done.
        """
        try:
            with bar(progress, self._operation, len(self._rows), "row") as shown:
                for position in range(len(self._rows)):
                    failure = self._one(position, send)
                    if failure is not None:
                        raise self._ended(position, failure)
                    shown.update(1)
            return self.report()
        except (KeyboardInterrupt, SystemExit) as interrupt:
            interrupt.receipt = self.report()  # type: ignore[union-attr]  # for who catches a Ctrl-C
            raise

    def _one(self, position: int, send: Callable[[int], Mapping[str, Any]]) -> ClicDataError | None:
        """Make the request of a row; the error is one that stops the rest."""
        row = self._rows[position]
        row["state"] = IN_DOUBT
        try:
            row.update(send(position))
        except ClicDataError as error:
            row.update(state=_state(error), error=str(error))
            return None if row["state"] == REFUSED else error.with_traceback(None)
        return None

    def _ended(self, position: int, failure: ClicDataError) -> ClicDataError:
        in_doubt = self._rows[position]["state"] == IN_DOUBT
        if position == 0 and not in_doubt:
            return failure
        counts = ", ".join(f"{count} {state}" for state, count in self._counts().items())
        ended = WriteError(
            f"{self._operation}: stopped at row {position} ({failure}). Of all rows: {counts}; see .receipt"
        )
        ended.receipt = cast("Any", self.report())
        ended.in_doubt = in_doubt
        ended.__cause__ = failure
        return ended

    def _counts(self) -> dict[str, int]:
        states = [row["state"] for row in self._rows]
        return {state: states.count(state) for state in dict.fromkeys(states)}

    def report(self) -> pd.DataFrame:
        """A row per row, in the same order and with the same index."""
        frame = frame_of_records(self._rows, self._schema)
        if self._index is not None:
            frame.index = self._index
        return frame


def _state(error: ClicDataError) -> str:
    """What an error means for the one row; only a refusal that is about this row lets the rest go on."""
    what = outcome(error)
    if what is Outcome.UNKNOWN:
        return IN_DOUBT
    about_this_row = isinstance(error, ApiError) and not isinstance(error, (RateLimited, ApiVersionError))
    return REFUSED if what is Outcome.REFUSED and about_this_row else NOT_SENT
