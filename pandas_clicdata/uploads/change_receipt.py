"""The receipt of a delete or an update: what is known of each distinct key."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pandas_clicdata.errors import InputError, public
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.uploads.change import COUNTS, rows_changed
from pandas_clicdata.uploads.matching import Kept, count_rows, frame_of_rows
from pandas_clicdata.uploads.receipt import receipt_html

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

LONG = 5.0  # seconds of reading before a delete that a line about it mentions


class ChangeReceipt:
    """What is known of each distinct key of a delete or an update.

    Attributes
    ----------
    rec_id : int
        The data set.
    operation : {"delete rows", "update rows"}
        What was done.
    keys_total, keys_applied, keys_accepted, keys_unmatched, keys_in_doubt : int
        Distinct keys; keys that reached rows; keys that ClicData accepted without a number of rows, in a data set that
        was not read; keys that reached no row; and keys whose response was lost.
    rows_changed : int or None
        The rows that ClicData says it changed for the keys that it confirmed.
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
        if kept is not None:
            self._states = ["pending" if self._kept_rows[first] else "unmatched" for first in self._group_of]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__()} - {"counted", "known", "mark", "pending"})  # for this package only

    def pending(self) -> list[int]:
        """Return the positions of the keys to send: all but keys that match no row of the data set."""
        return [position for position, state in enumerate(self._states) if state == "pending"]

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
        """Keys that reached rows: ClicData confirmed the change, and counted rows or had some to change."""
        return self._known_states().count("applied")

    @property
    def keys_accepted(self) -> int:
        """Keys that ClicData confirmed without a number of rows, in a data set that was not read."""
        return self._known_states().count("accepted")

    @property
    def keys_unmatched(self) -> int:
        """Keys that reached no row: none matched when the data set was read, or ClicData counted none."""
        return self._known_states().count("unmatched")

    @property
    def keys_in_doubt(self) -> int:
        """Keys whose change may have been made or not."""
        return self._states.count("in doubt") + self._states.count("sending")

    def _known_states(self) -> list[str]:
        return [self._known_state(position) for position in range(self.keys_total)]

    def _known_state(self, position: int) -> str:
        state = self._states[position]
        if state != "applied":
            return state
        if self.counted(position) == 0:
            return "unmatched"
        has_rows = self._kept_rows[self._group_of[position]] or self._changed(position) is not None
        return "applied" if has_rows else "accepted"

    @property
    def rows_changed(self) -> int | None:
        """Rows that ClicData says it changed for the keys that it confirmed; None if it didn't say for each."""
        return self._total(range(self.keys_total))

    @property
    def keys(self) -> pd.DataFrame:
        """A row per distinct key.

        Returns
        -------
        DataFrame
            The key columns with the dtypes of the frame, ``state`` (text: pending, sending, applied, accepted,
            unmatched, refused, in doubt), and the rows that ClicData says it reached (Int64, missing where it didn't
            say): ``rows_deleted`` or ``rows_updated``, and ``rows_found`` and ``rows_inserted`` if any response has
            them. The index is that of the first row of each key.
        """
        said = set().union(*self._counts) | {"rows_deleted" if self.operation == "delete rows" else "rows_updated"}
        table = frame_of_records(self._counts, {name: "integer" for name in COUNTS if name in said})
        columns = {"state": self._known_states(), **{name: table[name].array for name in table.columns}}
        taken = self._keys.columns
        return self._keys.assign(**{f"{name} (ClicData)" if name in taken else name: columns[name] for name in columns})

    @property
    @public
    def unmatched(self) -> pd.DataFrame:
        """The keys that reached no row.

        Returns
        -------
        DataFrame
            The key columns. The index is that of the first row of each key.
        """
        return self._keys.iloc[[n for n, state in enumerate(self._known_states()) if state == "unmatched"]]

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
        return frame_of_rows(self._rows_of("deleted"), self.rec_id)

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
        return frame_of_rows(self._rows_of("in doubt"), self.rec_id)

    def _rows_of(self, fate: str) -> list[bytes]:
        if self._kept is None:
            raise InputError(
                "the rows were not kept: only delete_rows reads and keeps them before, and keep=False skips the reading"
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
        """Return one line: what is known of the change."""
        keys = f"{self.keys_total:,} {'key' if self.keys_total == 1 else 'keys'}"
        notes = {
            "accepted (ClicData doesn't say how many rows)": self.keys_accepted,
            "reached no row: .unmatched": self.keys_unmatched,
            "in doubt: .keys": self.keys_in_doubt,
            "refused: .keys": self._states.count("refused"),
            "not sent: .keys": self._states.count("pending"),
        }
        parts = [self._rows_summary(), *(f"{count:,} {note}" for note, count in notes.items() if count)]
        if self._doubted:
            parts.append(f"{count_rows(self._doubted)} deleted or not: .rows_in_doubt")
        if self._kept is not None and self._kept.seconds >= LONG:
            parts.append(f"{count_rows(self._kept.read)} read before, in {self._kept.seconds:.0f} s")
        return f"{self.operation} of data set {self.rec_id}, {keys}: {'; '.join(filter(None, parts))}"

    @property
    def _doubted(self) -> int:
        return 0 if self._kept is None else len(self._rows_of("in doubt"))

    def _rows_summary(self) -> str:
        """Return how many rows were changed for certain, and how many of them were kept."""
        kept = 0 if self._kept is None else len(self._rows_of("deleted"))
        counted = [self._changed(position) or 0 for position, state in enumerate(self._states) if state == "applied"]
        changed = max(kept, sum(counted))
        if not changed and (self.keys_accepted or self.keys_in_doubt or self._doubted):
            return ""
        copy = f" (copy{'' if kept == changed else f' of {kept:,}'} in .rows)" if kept else ""
        return f"{count_rows(changed)} {'deleted' if self.operation == 'delete rows' else 'updated'}{copy}"

    def _repr_html_(self) -> str:
        states = Counter(self._known_states())
        advice = {
            "unmatched": "these keys reached no row: look at .unmatched",
            "in doubt": "look whether it is done: .keys names the keys",
            "sending": "look whether it is done: .keys names the keys",
            "refused": "ClicData refused them: .keys names the keys",
            "pending": "they were not sent: .keys names the keys",
        }
        steps = [advice[state] for state in states if state in advice]
        if self._doubted:
            steps.append("look whether the rows are still there: .rows_in_doubt")
        counts = {f"keys {state}": f"{count:,}" for state, count in states.items()}
        if self._kept is not None:
            counts["read before"] = f"{count_rows(self._kept.read)} in {self._kept.seconds:.1f} s"
        return receipt_html(self, {"data set": str(self.rec_id), **counts}, steps)
