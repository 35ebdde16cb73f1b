"""Make the users of an account, or the members of a team, match a frame: plan, requests, receipt."""

from __future__ import annotations

import html
import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pandas_clicdata.arguments import check_flag, check_text
from pandas_clicdata.changes.carry import ROUNDS
from pandas_clicdata.changes.work import too_many
from pandas_clicdata.endpoints.bulk import IN_DOUBT, NOT_SENT, REFUSED, send_pending
from pandas_clicdata.errors import ClicDataError, InputError, ProtocolError, SyncAmbiguous, SyncInterrupted, public
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.frames.types import refuse_made_up_rows
from pandas_clicdata.names import USER, list_all, parse_integer, rename_id
from pandas_clicdata.progress import bar, warn_of_cost
from pandas_clicdata.uploads import verify
from pandas_clicdata.uploads.receipt import counted, receipt_html, receipt_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

    from pandas_clicdata.session.session import Session

CREATED, UPDATED, DEACTIVATED = "created", "updated", "deactivated"
ADDED, REMOVED, UNCHANGED = "added", "removed", "unchanged"

_TO_DO = {  # in the order of the requests: users are removed last
    CREATED: "to create",
    ADDED: "to add",
    UPDATED: "to update",
    REMOVED: "to remove",
    DEACTIVATED: "to deactivate (the API can only delete a user)",
    UNCHANGED: "unchanged",
}
_PERSON = {"user_id": "integer", "email_address": "text"}
_CELLS = {"email_address": "text", "column": "text", "old": "text", "new": "text"}
_STATES = {**_PERSON, "state": "text", "error": "text"}
_MOST_SHOWN = 5  # rows of a frame in HTML
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")  # a first check; the service decides

_log = logging.getLogger(__name__)


class Step(NamedTuple):
    """A change that makes one user match the frame. ``state`` is the state of the user after it.

    ``row`` is the position in the frame, None for a user that the frame lacks.
    """

    state: str
    address: str | None
    user_id: int | None
    row: int | None = None
    old: Mapping[str, Any] = {}
    new: Mapping[str, Any] = {}

    @property
    def key(self) -> Any:
        """The key of the user in a later list: the address, or the id of a user that the frame lacks."""
        return self.user_id if self.row is None else fold(self.address)

    @property
    def request(self) -> tuple[Any, ...]:
        """The values of the request, and the old cells of an update. Equal values mean the same request."""
        return self.state, self.key, self.user_id, self.new, self.old if self.state == UPDATED else None


class Found(NamedTuple):
    """The comparison with a list of users: steps, their problems, and the users that stay but that the frame lacks."""

    steps: list[Step]
    problems: list[str]
    kept: Sequence[Mapping[str, Any]]


# ---------------------------------------------------------------------------------------------------------
# The users of the account, and the addresses of a frame


def known_users(session: Session) -> list[dict[str, Any]]:
    """List the users, each with its ``user_id`` and ``email_address``."""
    users = [rename_id(user, "user_id") for user in list_all(USER, session)]
    for user in users:
        user["user_id"] = parse_integer(user["user_id"])
        if user["user_id"] is None:
            raise ProtocolError("list users: ClicData listed a user whose id is not a number", operation="list users")
    if users and not any(fold(user.get("email_address")) for user in users):
        raise ProtocolError("list users: ClicData listed no user with an email_address", operation="list users")
    return users


def by_address(users: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the users of each address, regardless of letter case."""
    found: dict[str, list[dict[str, Any]]] = {}
    for user in users:
        if key := fold(user.get("email_address")):
            found.setdefault(key, []).append(user)
    return found


def fold(address: object) -> str:
    """Return an address without its letter case, to compare it; empty text if the value is not text."""
    return address.casefold() if isinstance(address, str) else ""


def check_address(name: str, value: Any) -> str:
    """Return a mail address."""
    address = check_text(name, value)
    if not _ADDRESS.fullmatch(address) or not address.isprintable():
        raise InputError(f"{name} must be a mail address, not {value!r}")
    return address


class Addresses:
    """The mail addresses of a frame, by position; None if a row has no usable address.

    Attributes
    ----------
    problems : list of str
        Rows whose address is missing, invalid, or the same as in an earlier row; or a frame without rows.
    """

    def __init__(self, frame: Any, on: Any) -> None:
        if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
            raise InputError(f"the users must be a DataFrame, not {type(frame).__name__}")
        refuse_made_up_rows()
        columns = list(frame.columns)
        if repeated := [name for name in dict.fromkeys(columns) if columns.count(name) > 1]:
            raise InputError([f"the column {name!r} stands twice" for name in repeated])
        if on == "email_address" and on not in columns and "email" in columns:
            on = "email"
        if not isinstance(on, str) or on not in columns:
            raise InputError(f"on: the frame has no column {on!r}; it has {', '.join(map(repr, columns))}")
        self.on, self.index, self.labels = on, frame.index, list(frame.index)
        self.problems = [] if self.labels else ["the frame has no rows, so every user would be missing in it"]
        self.listed: list[str | None] = []
        first_labels: dict[str, Any] = {}
        for label, cell in zip(self.labels, cells_of(frame[on]), strict=True):
            address = self._check(label, cell)
            if address is not None and fold(address) in first_labels:
                self.problems.append(f"row {label!r}: {address} stands in row {first_labels[fold(address)]!r} too")
                address = None
            if address is not None:
                first_labels[fold(address)] = label
            self.listed.append(address)
        self.folded = frozenset(first_labels)

    def _check(self, label: Any, cell: Any) -> str | None:
        try:
            if cell is None:
                raise InputError(f"{self.on} is missing: leave the row out, or fill it in")
            return check_address(self.on, cell)
        except InputError as error:
            self.problems.append(f"row {label!r}: {error}")
            return None

    def only(self, row: int, users: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Return the only user of an address, None if there is none; raise if there are several."""
        if len(users) > 1:
            ids = " and ".join(str(user["user_id"]) for user in users)
            raise InputError(f"row {self.labels[row]!r}: users {ids} have the address {self.listed[row]}")
        return users[0] if users else None


def cells_of(series: Any) -> list[Any]:
    """Return the cells of a column, None for a missing one."""
    return [None if missing else cell for cell, missing in zip(series.tolist(), series.isna().tolist(), strict=True)]


def check_switch(name: str, value: Any) -> bool:
    """Return True or False."""
    flag = check_flag(name, value)
    if flag is None:
        raise InputError(f"{name} must be True or False, not None")
    return flag


def guard(steps: Sequence[Step], state: str, there: int, most: float | None, argument: str) -> list[str]:
    """Return the problem, in a list, if more users would be removed than allowed; else an empty list."""
    count = sum(step.state == state for step in steps)
    would = f"{count:,} of {there:,} users would be {state}"
    problem = too_many(would, count, there, most, argument)
    return [] if problem is None else [problem]


# ---------------------------------------------------------------------------------------------------------
# The plan


class UserPlan:
    """The changes that `User.sync_users` or `Team.sync_users` would make. Making a plan writes nothing.

    Attributes
    ----------
    verb : str
        ``"sync users"``, or ``"sync users of team 4001"``.
    problems : list of str
        Why the plan can't be applied, as in `InputError`. Empty if it can be applied.
    """

    def __init__(
        self,
        session: Session,
        verb: str,
        index: pd.Index[Any],
        look: Callable[[], Found],
        send: Callable[[Step], Mapping[str, Any]],
        *,
        problems: Sequence[str] = (),
        notes: Sequence[str] = (),
        progress: bool | None = None,
    ) -> None:
        self.verb, self.session, self.look, self.send, self.progress = verb, session, look, send, progress
        self._index, self._notes = index, list(notes)
        found = look()
        self.steps, self._kept = found.steps, found.kept
        self.problems = [*problems, *found.problems]

    def __dir__(self) -> list[str]:
        inner = {"check", "look", "progress", "send", "session", "steps", "summary"}
        return sorted({*super().__dir__()} - inner)  # for this package only

    @property
    def ok(self) -> bool:
        """Whether the plan can be applied: there are no problems."""
        return not self.problems

    def _steps(self, *states: str) -> list[Step]:
        return [step for step in self.steps if step.state in states]

    @property
    @public
    def inserts(self) -> pd.DataFrame:
        """The users that would be created, or added to the team. No password is shown.

        Returns
        -------
        DataFrame
            ``user_id`` (Int64, missing for a new user), ``email_address`` (text), and the other cells that would be
            sent. The index is that of the frame.
        """
        steps = self._steps(CREATED, ADDED)
        return self._labelled([{**step.new, "user_id": step.user_id} for step in steps], _PERSON, steps)

    @property
    @public
    def updates(self) -> pd.DataFrame:
        """The cells that would change.

        Returns
        -------
        DataFrame
            A row per cell: ``email_address``, ``column``, ``old``, ``new`` (text). The index is that of the frame.
        """
        cells = [(step, name) for step in self._steps(UPDATED) for name in step.new]
        listed = [
            {"email_address": step.address, "column": name, "old": step.old.get(name), "new": step.new[name]}
            for step, name in cells
        ]
        return self._labelled(listed, _CELLS, [step for step, _ in cells])

    def _labelled(self, listed: list[dict[str, Any]], schema: Mapping[str, str], steps: Sequence[Step]) -> pd.DataFrame:
        frame = frame_of_records(listed, schema)
        frame.index = self._index.take([step.row for step in steps if step.row is not None])
        return frame

    @property
    @public
    def deletes(self) -> pd.DataFrame:
        """The users that would be deactivated, or removed from the team.

        Returns
        -------
        DataFrame
            The users as ClicData listed them.
        """
        return frame_of_records([step.old for step in self._steps(DEACTIVATED, REMOVED)], _PERSON)

    @property
    @public
    def kept(self) -> pd.DataFrame:
        """The users that the frame lacks, but that would stay.

        Returns
        -------
        DataFrame
            The users as ClicData listed them.
        """
        return frame_of_records(self._kept, _PERSON)

    @property
    def unchanged(self) -> int:
        """How many users match the frame already."""
        return len(self._steps(UNCHANGED))

    @property
    def requests(self) -> int:
        """The number of requests that write: one for each user that would change."""
        return len(self.steps) - self.unchanged

    @property
    def seconds(self) -> float | None:
        """About how many seconds these requests take, at the session's pace; None before its first response."""
        return self.requests * self.session.seconds / self.session.responses if self.session.responses else None

    @public
    def apply(self) -> UserReceipt:
        """Carry the plan out. The users are listed once more first.

        Returns
        -------
        UserReceipt
            The state of each user.

        Raises
        ------
        InputError
            There are problems, or the users have changed since the plan was made; nothing was sent.
        SyncInterrupted
            It stopped midway, with nothing in doubt: see ``.receipt``.
        SyncAmbiguous
            Responses were lost, and the list of users did not resolve the doubt: see ``.receipt``.
        """
        self.check()
        found = self.look()
        to_do = [[step.request for step in steps if step.state != UNCHANGED] for steps in (self.steps, found.steps)]
        if to_do[0] != to_do[1] or found.problems:
            raise InputError(
                "the users have changed since the plan was made, so the plan would be different now. Nothing was "
                "sent: make a new plan"
            )
        return carry(self)

    def check(self) -> None:
        """Raise an `InputError` if there are problems."""
        if self.problems:
            raise InputError([f"{problem}. Nothing was sent" for problem in self.problems])

    def summary(self) -> str:
        """Return one line: what would be done, and its cost."""
        parts = _counted([step.state for step in self.steps], _TO_DO)
        if self._kept:
            parts.append(f"{len(self._kept):,} not in the frame stay")
        cost = counted(self.requests, "request")
        if self.seconds is not None and self.requests:
            cost += f", about {self.seconds:,.1f} s"
        parts += [cost, *self._notes]
        if self.problems:
            parts.append(f"{len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}: .problems")
        return f"{self.verb}: {'; '.join(parts)}"

    def __repr__(self) -> str:
        return f"<UserPlan: {self.summary()}>"

    def _repr_html_(self) -> str:
        parts = [f"<p>UserPlan: {html.escape(self.summary())}</p>"]
        parts += [f"<p>{html.escape(problem)}</p>" for problem in self.problems]
        for title, table in (("to add", self.inserts), ("to update", self.updates), ("to remove", self.deletes)):
            if len(table):
                more = f", the first {_MOST_SHOWN} of them" if len(table) > _MOST_SHOWN else ""
                parts.append(f"<p>{title}: {len(table):,}{more}</p>{table.head(_MOST_SHOWN).to_html(notebook=True)}")
        return "".join(parts)


def _counted(states: Sequence[str], words: Mapping[str, str]) -> list[str]:
    return [f"{states.count(state):,} {text}" for state, text in words.items() if state in states]


# ---------------------------------------------------------------------------------------------------------
# The receipt


class UserReceipt:
    """The state of each user after a `User.sync_users` or `Team.sync_users`.

    Attributes
    ----------
    verb : str
        ``"sync users"``, or ``"sync users of team 4001"``.
    """

    def __init__(self, plan: UserPlan) -> None:
        self.verb, self._notes = plan.verb, plan._notes
        self.rows: list[dict[str, Any]] = [
            {
                "user_id": step.user_id,
                "email_address": step.address,
                "state": UNCHANGED if step.state == UNCHANGED else NOT_SENT,
                "error": None,
            }
            for step in plan.steps
        ]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__()} - {"rows", "states", "summary"})  # for this package only

    @property
    def states(self) -> list[str]:
        """The state of each user."""
        return [row["state"] for row in self.rows]

    @property
    @public
    def users(self) -> pd.DataFrame:
        """A row per user: the users of the frame in its order, then the users to remove, which the frame lacks.

        Returns
        -------
        DataFrame
            ``user_id`` (Int64), ``email_address`` (text), ``state`` (text: created, updated, deactivated, added,
            removed, unchanged, refused, in doubt, not sent), ``error`` (text).
        """
        return frame_of_records(self.rows, _STATES)

    @property
    def complete(self) -> bool:
        """Whether each user matches the frame now."""
        return not {REFUSED, IN_DOUBT, NOT_SENT} & {*self.states}

    def summary(self) -> str:
        """Return one line: how many users are in which state."""
        parts = _counted(self.states, {state: state for state in (*_TO_DO, REFUSED, IN_DOUBT, NOT_SENT)})
        return f"{self.verb}: {'; '.join([*(parts or ['nothing to do']), *self._notes])}"

    def __repr__(self) -> str:
        return f"<UserReceipt: {self.summary()}>"

    def _repr_html_(self) -> str:
        counts = {state: f"{self.states.count(state):,}" for state in dict.fromkeys(self.states)}
        steps = [] if self.complete else ["call it again: it lists the users and does what is left"]
        if REFUSED in self.states:
            steps.append("the users that ClicData refused, and why: .users")
        return receipt_html(cast("Any", self), counts, steps)


# ---------------------------------------------------------------------------------------------------------
# Carrying out a plan


def planned(plan: UserPlan, *, dry_run: bool) -> UserReceipt | UserPlan:
    """Return the plan, or carry it out and return its receipt."""
    if dry_run:
        return plan
    plan.check()
    return carry(plan)


def carry(plan: UserPlan) -> UserReceipt:
    """Send a request for each user. If a response was lost, find out whether its request was applied."""
    receipt, steps, session = UserReceipt(plan), list(plan.steps), plan.session
    session.last_receipt = cast("Any", receipt)
    order = [at for state in _TO_DO for at, step in enumerate(steps) if step.state == state != UNCHANGED]

    def send(at: int) -> dict[str, Any]:
        return {"state": steps[at].state, **plan.send(steps[at])}

    warn_of_cost(session, plan.verb, len(order), "ClicData takes one user at a time")
    with (
        receipt_on_interrupt(cast("Any", receipt), "session.last_receipt"),
        bar(plan.progress, plan.verb, len(order), "user", session=session, result=receipt.summary) as shown,
    ):
        for left in reversed(range(ROUNDS + 1)):
            stopped = send_pending(receipt.rows, order, send, shown)
            if stopped is not None and receipt.rows[stopped.position]["state"] != IN_DOUBT:
                raise _stopped(receipt, steps, stopped.error)
            if IN_DOUBT not in receipt.states:
                break
            failure = None if stopped is None else stopped.error
            if not left or failure is None:
                raise _ambiguous(receipt, "a response was lost, and its effect could not be found out") from failure
            _log.warning("%s: a response was lost; the users are listed to see its effect", plan.verb)
            _look(plan, receipt, steps, failure)
    return receipt


def _look(plan: UserPlan, receipt: UserReceipt, steps: list[Step], failure: ClicDataError) -> None:
    """Wait, list the users again, and note which steps are done and which are left."""
    verify.wait(plan.session, 0.0)
    try:
        found = {step.key: step for step in plan.look().steps}
    except ClicDataError as error:
        raise _ambiguous(receipt, f"the users could not be listed again ({error})") from failure
    for at, row in enumerate(receipt.rows):
        now = found.get(steps[at].key)
        if row["state"] not in (IN_DOUBT, NOT_SENT) or (now is None and steps[at].row is not None):
            continue
        if now is None or now.state == UNCHANGED:
            row["state"] = steps[at].state if row["state"] == IN_DOUBT else UNCHANGED
            row["user_id"] = row["user_id"] if now is None else now.user_id
        else:
            row["state"], steps[at] = NOT_SENT, now
        row["error"] = None


def _ambiguous(receipt: UserReceipt, what: str) -> SyncAmbiguous:
    error = SyncAmbiguous(
        f"{what}. {receipt.summary()}. It is safe to call it again: it lists the users and does what is left"
    )
    error.receipt = cast("Any", receipt)
    return error


def _stopped(receipt: UserReceipt, steps: Sequence[Step], error: ClicDataError) -> ClicDataError:
    """Return the error to raise: the failure itself if nothing was done."""
    done = any(row["state"] == step.state != UNCHANGED for row, step in zip(receipt.rows, steps, strict=True))
    stopped: ClicDataError = error
    if done:
        stopped = SyncInterrupted(f"stopped: {str(error).rstrip('.')}. {receipt.summary()}. Call it again")
        stopped.__cause__ = error
    stopped.receipt = cast("Any", receipt)
    return stopped
