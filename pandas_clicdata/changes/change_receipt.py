"""The receipt of a delete or an update: the known state of each distinct key."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from pandas_clicdata.changes.compare import count_rows
from pandas_clicdata.errors import InputError, public
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.frames.match import match as match_rows
from pandas_clicdata.frames.rows import frame_of_rows
from pandas_clicdata.session import manager
from pandas_clicdata.uploads.change import COUNTS, parse_filter, rows_changed
from pandas_clicdata.uploads.receipt import counted, receipt_html

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from pandas_clicdata.accessor import DataFrame
    from pandas_clicdata.changes.compare import Change, Comparison
    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.changes.sync_receipt import SyncReceipt
    from pandas_clicdata.session.session import Session

LONG = 5.0  # seconds; the summary mentions a first read that took longer


class Match(NamedTuple):
    """A row as JSON, its place in the data set, and the position of the key that reaches it."""

    place: int
    key: int
    row: bytes


class Kept(NamedTuple):
    """The rows that keys may reach, and for each key the first key that the service may not distinguish from it.

    ``exact`` are the places of the rows that equal a key exactly. ``read`` rows were read first, in ``seconds``.
    """

    matches: list[Match]
    first_keys: Sequence[int]
    exact: frozenset[int]
    names: Sequence[str]  # of the columns of the data set
    read: int = 0
    seconds: float = 0.0


class ChangeReceipt:
    """The known state of each distinct key of a delete or an update.

    Attributes
    ----------
    rec_id : int
        The data set.
    operation : {"delete rows", "update rows"}
        The change.
    keys_total, keys_applied, keys_accepted, keys_unchanged, keys_unmatched, keys_in_doubt : int
        Numbers of distinct keys: all keys; keys that reached rows; keys that ClicData accepted without a count, in a
        data set that was not read; keys whose cells were equal already; keys that reached no row; keys in doubt.
    rows_changed : int or None
        The rows that ClicData counts as changed for the confirmed keys.
    """

    def __init__(
        self,
        plan: Plan,
        operation: str,
        keys: pd.DataFrame,
        rows: Sequence[int],
        changes: Sequence[Change | None],
        states: Sequence[str],
        multiple_rows: str = "all",
        kept: Kept | None = None,
    ) -> None:
        self.rec_id, self.operation = plan.known_rec_id, operation
        self.multiple_rows, self.exact = multiple_rows, plan.match == "exact"
        self.changes = changes
        self._keys = keys
        self._kept = kept
        self._session: Session | None = plan.session
        self._rows_of_frame, self._index = rows, plan.frame.index
        self._states = list(states)
        self._counts: list[dict[str, int]] = [{} for _ in self._states]
        self._group_of = range(len(keys)) if kept is None else kept.first_keys
        self._groups: dict[int, list[int]] = {}
        for position, first in enumerate(self._group_of):
            self._groups.setdefault(first, []).append(position)
        matches = [] if kept is None else kept.matches
        self._kept_rows = Counter(self._group_of[match.key] for match in matches)
        self._exact_rows = Counter(self._group_of[match.key] for match in matches if kept and match.place in kept.exact)

    @classmethod
    def of_keys(cls, plan: Plan, compared: Comparison, multiple_rows: str, seconds: float | None) -> ChangeReceipt:
        """Return the receipt of all keys of a frame; ``seconds`` is the time of the read, None without a read."""
        change_of = {change.row: change for change in [*plan.work.updates, *plan.work.deletes]}
        unmatched, rows = {*plan.work.unmatched.tolist()}, compared.keys.tolist()
        changes = [change_of.get(row) for row in rows]
        states = ["pending" if row in change_of else "unmatched" if row in unmatched else "unchanged" for row in rows]
        kept = None
        if seconds is not None:
            at = {row: position for position, row in enumerate(rows)}
            exact = frozenset(np.flatnonzero(compared.exact.remote >= 0).tolist())
            groups = [at[row] for row in compared.group[rows].tolist()]
            kept = Kept(_matches(plan, changes), groups, exact, plan.there.names, compared.there.count, seconds)
        keys = plan.frame[plan.on].iloc[rows]
        return cls(plan, plan.verb, keys, rows, changes, states, multiple_rows, kept)

    @classmethod
    def of_changes(cls, plan: Plan, operation: str, changes: Sequence[Change], *, keep: bool) -> ChangeReceipt | None:
        """Return the receipt of these changes of a plan; None if there are none."""
        if not changes:
            return None
        if changes[0].row >= 0:
            keys = plan.frame[plan.on].iloc[[change.row for change in changes]]
        else:
            names = dict.fromkeys(cell.column for change in changes for cell in parse_filter(change.find))
            keys = plan.rows_there([change.places[0] for change in changes])[[*names]]
        kept = None
        if keep:
            matches = _matches(plan, changes)
            groups = _groups(plan, changes)
            exact = frozenset(match.place for match in matches)
            if plan.match == "wide" and changes[0].row >= 0:
                same = match_rows(plan.rows, plan.there, plan.on, wide=False).remote >= 0
                exact &= frozenset(np.flatnonzero(same).tolist())
            kept = Kept(matches, groups, exact, plan.there.names)
        return cls(
            plan, operation, keys, [change.row for change in changes], changes, ["pending"] * len(changes), kept=kept
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}  # a session can't be pickled

    def __dir__(self) -> list[str]:
        inner = {
            "changes",
            "counted",
            "disjoint",
            "exact",
            "known",
            "mark",
            "of_changes",
            "of_keys",
            "outcome",
            "pending",
            "reached",
            "state",
        }
        return sorted({*super().__dir__()} - inner)  # for this package only

    @property
    def disjoint(self) -> bool:
        """Whether all filters are by the same columns, so that no two of them reach the same row."""
        finds = (parse_filter(change.find) for change in self.changes if change is not None)
        return len({tuple(cell.column for cell in find) for find in finds}) < 2

    def pending(self) -> list[int]:
        """Return the positions of the keys that must still be sent."""
        return [position for position, state in enumerate(self._states) if state == "pending"]

    def mark(self, position: int, state: str, counts: dict[str, int] | None = None) -> None:
        """Note the state of a key, and the rows that the response counts."""
        self._counts[position] = counts or {}
        self._states[position] = state

    def state(self, position: int) -> str:
        """Return the noted state of a key."""
        return self._states[position]

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do, and nothing is in doubt."""
        return not {*self._states} & {"pending", "sending", "in doubt", "refused"}

    def known(self, position: int) -> int | None:
        """Return how many rows the changes of a key and of its group may reach; None if not known."""
        if self._kept is not None:
            return self._kept_rows[self._group_of[position]]
        return 1 if self.multiple_rows == "first" else None

    def counted(self, position: int) -> int | None:
        """Return how many rows the changes of a key's group reached so far; None if a response has no count."""
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
    def keys_pending(self) -> int:
        """Keys that are known not to be sent, or not to be done."""
        return self._states.count("pending")

    @property
    def keys_applied(self) -> int:
        """Keys that reached rows: ClicData confirmed the change, and it counted rows or the first read found some."""
        return self._known_states().count("applied")

    @property
    def keys_accepted(self) -> int:
        """Keys that ClicData confirmed without a count of rows, in a data set that was not read."""
        return self._known_states().count("accepted")

    @property
    def keys_unchanged(self) -> int:
        """Keys whose cells were equal already; they were not sent."""
        return self._known_states().count("unchanged")

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
        """Rows that ClicData counts as changed for the confirmed keys; None if a response has no count."""
        return self._total(range(self.keys_total))

    @property
    def keys(self) -> pd.DataFrame:
        """A row per distinct key.

        Returns
        -------
        DataFrame
            The key columns with the dtypes of the frame, ``state`` (text: pending, sending, applied, accepted,
            unchanged, unmatched, refused, in doubt), and the rows that ClicData counts (Int64, missing without a
            count): ``rows_deleted`` or ``rows_updated``, and ``rows_found`` and ``rows_inserted`` if any response has
            them. The index has the label of the first row of each key.
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
            The key columns. The index has the label of the first row of each key.
        """
        return self._keys.iloc[[n for n, state in enumerate(self._known_states()) if state == "unmatched"]]

    @property
    @public
    def rows(self) -> DataFrame:
        """The changed rows, as before the change. ``.rows.clicdata.append(rec_id)`` puts deleted rows back.

        Returns
        -------
        DataFrame
            Rows of the keys that were applied, in their order in the data set. Rows in doubt are left out.

        Raises
        ------
        InputError
            The rows were not kept: ``keep=False``.
        """
        frame: Any = frame_of_rows(self._rows_of("changed"), self.rec_id, self._names)
        return frame  # type: ignore[no-any-return]  # the same class; only the accessor's type differs

    @property
    @public
    def rows_in_doubt(self) -> pd.DataFrame:
        """Kept rows that may be changed or not: the response of their key was lost, or counts fewer rows.

        Returns
        -------
        DataFrame
            As `rows`.

        Raises
        ------
        InputError
            The rows were not kept.
        """
        return frame_of_rows(self._rows_of("in doubt"), self.rec_id, self._names)

    @property
    def _names(self) -> Sequence[str]:
        return () if self._kept is None else self._kept.names

    @public
    def remaining(self, df: pd.DataFrame) -> DataFrame:
        """Return the rows of the frame whose change is known not to be done: refused, or not sent.

        Parameters
        ----------
        df : DataFrame
            The frame of the call.

        Returns
        -------
        DataFrame
            Rows of ``df``, one for each key, in order, with its index, columns and dtypes.

        Raises
        ------
        InputError
            ``df`` is another frame.
        """
        return self._of_frame(df, {"pending", "refused"})

    @public
    def in_doubt(self, df: pd.DataFrame) -> DataFrame:
        """Return the rows of the frame whose change may be done or not.

        Parameters
        ----------
        df : DataFrame
            The frame of the call.

        Returns
        -------
        DataFrame
            As `remaining`.

        Raises
        ------
        InputError
            ``df`` is another frame.
        """
        return self._of_frame(df, {"in doubt", "sending"})

    def _of_frame(self, df: pd.DataFrame, states: set[str]) -> DataFrame:
        check_frame(df, self._index)
        rows = zip(self._rows_of_frame, self._states, strict=True)
        found: Any = df.iloc[sorted(row for row, state in rows if state in states and row >= 0)]
        return found  # type: ignore[no-any-return]  # the same class; only the accessor's type differs

    def reached(self) -> list[Match]:
        """Return the kept rows that were changed, or may have been."""
        return sorted([*self._matches_of("changed"), *self._matches_of("in doubt")])

    @overload
    def undo(
        self, *, dry_run: Literal[False] = ..., progress: bool | None = ..., session: Session | None = ...
    ) -> SyncReceipt: ...

    @overload
    def undo(self, *, dry_run: Literal[True], progress: bool | None = ..., session: Session | None = ...) -> Plan: ...

    @public
    def undo(
        self, *, dry_run: bool = False, progress: bool | None = None, session: Session | None = None
    ) -> SyncReceipt | Plan:
        """Undo the change: append the deleted rows again, or set the old cells.

        The data set is read first. If its rows differ from the rows that this write left, or should have left, another
        writer has changed them since. Then nothing is done. Rows that are appended again are at the end.

        Parameters
        ----------
        dry_run : bool, default False
            Whether to write nothing, and return the plan.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        session : Session, optional
            The session to send through. By default the session of the call; after unpickling, the default session.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            The rows that were deleted, updated and appended. It has an `undo` too.

        Raises
        ------
        InputError
            Rows have been changed since, or were not kept (``keep=False``); nothing was written.
        SyncInterrupted, SyncAmbiguous
            It stopped midway, or it isn't known which changes are done.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})
        >>> rec_id = df.clicdata.push("Fridge").rec_id
        >>> receipt = df.head(1).clicdata.delete_rows(rec_id, on="item")
        >>> receipt.undo().complete
        True
        >>> sorted(pd.read_clicdata(rec_id)["item"])
        ['a', 'b']
        """
        from pandas_clicdata.changes.undo import undo_changes  # imports this module

        return undo_changes(manager.current(session or self._session), self, dry_run=dry_run, progress=progress)

    def _rows_of(self, fate: str) -> list[bytes]:
        return [found.row for found in self._matches_of(fate)]

    def _matches_of(self, fate: str) -> list[Match]:
        if self._kept is None:
            raise InputError("the rows were not kept: with keep=False they are not read first")
        group_of, exact = self._group_of, self._kept.exact
        fates = {(first, same): self._fate(first, exact=same) for first in self._kept_rows for same in (True, False)}
        return [one for one in self._kept.matches if fates[group_of[one.key], one.place in exact] == fate]

    def _fate(self, first: int, *, exact: bool) -> str:
        """Return the outcome for kept rows of a group of keys: the rows that equal a key exactly, or the others."""
        states = {self._states[position] for position in self._groups[first]}
        counted, named = self.counted(first), self._exact_rows[first]
        if counted == 0 and not states & {"in doubt", "sending"}:  # 0 as well if no key was applied
            return "there"
        if counted is not None and counted >= self._kept_rows[first]:
            return "changed"
        # However ClicData compares text, a row that equals a key exactly is changed.
        if states != {"applied"} or (counted is not None and counted < named):
            return "in doubt"
        return "changed" if exact else "there" if counted == named else "in doubt"

    def __repr__(self) -> str:
        return f"<ChangeReceipt: {self.summary()}>"

    def summary(self) -> str:
        """Return one line: the known results of the change."""
        return f"{self.operation} of data set {self.rec_id}, {counted(self.keys_total, 'key')}: {self.outcome()}"

    def outcome(self) -> str:
        """Return the known results of the change, without the data set."""
        notes = {
            "accepted (ClicData doesn't say how many rows)": self.keys_accepted,
            "unchanged": self.keys_unchanged,
            "reached no row: .unmatched": self.keys_unmatched,
            "in doubt: .keys": self.keys_in_doubt,
            "refused: .keys": self._states.count("refused"),
            "not sent: .keys": self.keys_pending,
        }
        parts = [self._rows_summary(), *(f"{count:,} {note}" for note, count in notes.items() if count)]
        if self._doubted:
            parts.append(f"{count_rows(self._doubted)} {self._done} or not: .rows_in_doubt")
        if self._kept is not None and self._kept.seconds >= LONG:
            parts.append(f"{count_rows(self._kept.read)} read before, in {self._kept.seconds:.0f} s")
        return "; ".join(filter(None, parts))

    @property
    def _doubted(self) -> int:
        return 0 if self._kept is None else len(self._rows_of("in doubt"))

    def _rows_summary(self) -> str:
        """Return how many rows were changed for certain, and how many of them were kept."""
        kept = 0 if self._kept is None else len(self._rows_of("changed"))
        counted = [self._changed(position) or 0 for position, state in enumerate(self._states) if state == "applied"]
        changed = max(kept, sum(counted))
        if not changed and (self.keys_accepted or self.keys_in_doubt or self._doubted):
            return ""
        what = "copy" if self._done == "deleted" else "old cells"
        copy = f" ({what}{'' if kept == changed else f' of {kept:,}'} in .rows)" if kept else ""
        return f"{count_rows(changed)} {self._done}{copy}"

    @property
    def _done(self) -> str:
        return "deleted" if self.operation == "delete rows" else "updated"

    def _repr_html_(self) -> str:
        states = Counter(self._known_states())
        advice = {
            "unmatched": "these keys reached no row: look at .unmatched",
            "in doubt": "check whether it is done: .in_doubt(df)",
            "sending": "check whether it is done: .in_doubt(df)",
            "refused": "ClicData refused them: .keys names the keys, .remaining(df) has the rows",
            "pending": "they were not sent: .remaining(df)",
        }
        steps = [advice[state] for state in states if state in advice]
        if self._doubted:
            steps.append("check whether the rows are still as they were: .rows_in_doubt")
        counts = {f"keys {state}": f"{count:,}" for state, count in states.items()}
        if self._kept is not None:
            counts["read before"] = f"{count_rows(self._kept.read)} in {self._kept.seconds:.1f} s"
        return receipt_html(self, {"data set": str(self.rec_id), **counts}, steps)


def _matches(plan: Plan, changes: Sequence[Change | None]) -> list[Match]:
    """Return the rows that changes may reach, in their order in the data set."""
    reached = sorted((place, at) for at, change in enumerate(changes) if change for place in change.places)
    rows = plan.there.raw([place for place, _ in reached])
    return [Match(place, at, row) for (place, at), row in zip(reached, rows, strict=True)]


def _groups(plan: Plan, changes: Sequence[Change]) -> list[int]:
    """Return for each change the first change whose key the service may not distinguish from its own."""
    if changes[0].row >= 0:
        return list(range(len(changes)))
    groups: list[int] = []
    first_of: dict[tuple[str, ...], Any] = {}
    seen: dict[tuple[Any, ...], int] = {}
    for at, change in enumerate(changes):
        names = tuple(cell.column for cell in parse_filter(change.find))
        if names not in first_of:
            first_of[names] = match_rows(plan.there, plan.there, names, wide=True).local
        groups.append(seen.setdefault((names, int(first_of[names][change.places[0]])), at))
    return groups


def check_frame(df: pd.DataFrame, index: pd.Index[Any]) -> None:
    """Raise an `InputError` if a frame has another index than the frame of the call."""
    if len(df) != len(index) or not df.index.equals(index):
        raise InputError("this is not the frame of the call: give the frame of the call, unchanged")
