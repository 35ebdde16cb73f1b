"""What is stored of an append, what is not, and what is in doubt."""

from __future__ import annotations

import enum
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.decode import frame_of_records

if TYPE_CHECKING:
    import pandas as pd


class State(enum.Enum):
    """What is known of a chunk."""

    PENDING = "pending"  # never sent, or known not to have arrived
    SENDING = "sending"  # on the wire
    APPLIED = "applied"  # stored, each row once
    REFUSED = "refused"  # the service said that it stored nothing of it
    PARTIAL = "partial"  # stored in part, and it isn't known which rows
    IN_DOUBT = "in doubt"  # stored or not: the answer was lost
    VERIFIED = "verified"  # was in doubt, and was found stored


_STORED = (State.APPLIED, State.VERIFIED)
_IN_DOUBT = (State.SENDING, State.PARTIAL, State.IN_DOUBT)


@dataclass
class Chunk:
    """The rows of one request: ``start`` to ``stop`` (not included), by position in the frame."""

    number: int
    start: int
    stop: int
    state: State = State.PENDING
    rows_inserted: int | None = None
    error: str | None = None

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.stop - self.start


class AppendReceipt:
    """What became of each row of an append.

    Attributes
    ----------
    rec_id : int
        The data set.
    rows_total : int
        Rows of the frame.
    """

    def __init__(self, rec_id: int, rows_total: int) -> None:
        self.rec_id = rec_id
        self.rows_total = rows_total
        self._chunks: list[Chunk] = []

    def plan(self, bounds: list[tuple[int, int]]) -> list[Chunk]:
        """Put these in the place of the chunks that are still pending, and return them."""
        kept = [chunk for chunk in self._chunks if chunk.state is not State.PENDING]
        planned = [Chunk(len(kept) + i, start, stop) for i, (start, stop) in enumerate(bounds)]
        self._chunks = kept + planned
        return planned

    # -----------------------------------------------------------------------------------------------------
    # Counts

    @property
    def rows_appended(self) -> int:
        """Rows that are known to be stored, each once."""
        return self._count(_STORED)

    @property
    def rows_in_doubt(self) -> int:
        """Rows that may be stored (once) or not."""
        return self._count(_IN_DOUBT)

    @property
    def rows_remaining(self) -> int:
        """Rows that are known not to be stored."""
        return self.rows_total - self.rows_appended - self.rows_in_doubt

    @property
    def complete(self) -> bool:
        """Whether every row is known to be stored."""
        return self.rows_appended == self.rows_total

    def _count(self, states: tuple[State, ...]) -> int:
        return sum(chunk.rows for chunk in self._chunks if chunk.state in states)

    # -----------------------------------------------------------------------------------------------------
    # Rows

    @property
    def chunks(self) -> pd.DataFrame:
        """A row per chunk.

        Returns
        -------
        DataFrame
            ``start`` and ``stop`` (positions in the frame, Int64), ``rows`` (Int64), ``state`` (text:
            pending, sending, applied, refused, partial, in doubt, verified), ``rows_inserted`` (what the
            service counted, Int64, missing where it doesn't say) and ``error`` (text).
        """
        schema = {
            "start": "integer",
            "stop": "integer",
            "rows": "integer",
            "state": "text",
            "rows_inserted": "integer",
            "error": "text",
        }
        records = [
            {
                "start": chunk.start,
                "stop": chunk.stop,
                "rows": chunk.rows,
                "state": chunk.state.value,
                "rows_inserted": chunk.rows_inserted,
                "error": chunk.error,
            }
            for chunk in self._chunks
        ]
        return frame_of_records(records, schema)

    def remaining(self, df: pd.DataFrame) -> pd.DataFrame:
        """The rows that are known not to be stored.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended.

        Returns
        -------
        DataFrame
            Those of its rows, in order, with its index, columns and dtypes.

        Raises
        ------
        InputError
            The frame has another number of rows than the one that was appended.
        """
        return self._rows(df, self.remaining_spans())

    def in_doubt(self, df: pd.DataFrame) -> pd.DataFrame:
        """The rows that may be stored or not.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended.

        Returns
        -------
        DataFrame
            Those of its rows, in order, with its index, columns and dtypes.

        Raises
        ------
        InputError
            The frame has another number of rows than the one that was appended.
        """
        return self._rows(df, self._spans(_IN_DOUBT))

    def _spans(self, states: tuple[State, ...]) -> list[range]:
        spans = [range(chunk.start, chunk.stop) for chunk in self._chunks if chunk.state in states]
        return sorted(spans, key=lambda span: span.start)

    def remaining_spans(self) -> list[range]:
        """The positions of the rows that are known not to be stored."""
        spans = self._spans(_STORED + _IN_DOUBT)
        starts = [0, *(span.stop for span in spans)]
        stops = [*(span.start for span in spans), self.rows_total]
        return [range(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]

    def _rows(self, df: pd.DataFrame, spans: list[range]) -> pd.DataFrame:
        if len(df) != self.rows_total:
            raise InputError(
                f"this receipt is of a frame with {self.rows_total} rows, and the one given has {len(df)}: "
                "give the frame that was appended"
            )
        return df.iloc[[position for span in spans for position in span]]

    # -----------------------------------------------------------------------------------------------------
    # To be looked at

    def __repr__(self) -> str:
        return f"<AppendReceipt: {self.summary()}>"

    def summary(self) -> str:
        """One line that says what is stored, in doubt and not stored."""
        stored = f"{self.rows_appended:,} of {_some(self.rows_total, 'row')} appended to data set {self.rec_id}"
        parts = [f"{stored} in {_some(len(self._chunks), 'chunk')}"]
        if self.rows_in_doubt:
            parts.append(f"{self.rows_in_doubt:,} in doubt: .in_doubt(df)")
        if self.rows_remaining:
            parts.append(f"{self.rows_remaining:,} not stored: .remaining(df)")
        return "; ".join(parts)

    def _repr_html_(self) -> str:
        counts = (
            ("data set", str(self.rec_id)),
            ("rows", f"{self.rows_total:,}"),
            ("appended", f"{self.rows_appended:,}"),
            ("in doubt", f"{self.rows_in_doubt:,}"),
            ("not stored", f"{self.rows_remaining:,}"),
            ("chunks", f"{len(self._chunks):,}"),
        )
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in counts
        )
        return f"<table><caption>AppendReceipt</caption><tbody>{cells}</tbody></table>"


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
