"""Users: list, read, create, update, delete, set a password, sync with a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from pandas_clicdata.arguments import Output, check_choice, check_flag, check_name, check_output, check_text
from pandas_clicdata.changes.arguments import checked_share
from pandas_clicdata.endpoints.answers import create, parse_object
from pandas_clicdata.endpoints.bulk import send_rows
from pandas_clicdata.endpoints.endpoint import Endpoint
from pandas_clicdata.endpoints.people import (
    CREATED,
    DEACTIVATED,
    UNCHANGED,
    UPDATED,
    Addresses,
    Found,
    Step,
    UserPlan,
    UserReceipt,
    by_address,
    cells_of,
    check_address,
    check_switch,
    fold,
    guard,
    known_users,
    planned,
)
from pandas_clicdata.errors import ApiError, AuthError, ClicDataError, InputError, RateLimited
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.names import USER, list_all, parse_integer, rename_id
from pandas_clicdata.session.credentials import Secret, without
from pandas_clicdata.session.wire import Request, get, json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

T = TypeVar("T")

USERS = {  # C: the keys user_id and license (O18)
    "user_id": "integer",
    "email_address": "text",
    "first_name": "text",
    "last_name": "text",
    "license": "text",
    "last_login_date": "datetime",
}
REPORT = {"email_address": "text", "user_id": "integer", "state": "text", "error": "text"}
LICENSES = ("viewer", "editor")  # C: the spelling of the two kinds (O19)

_REQUIRED = ("email_address", "first_name", "last_name")
_OPTIONAL = ("license", "password")


class User(Endpoint):
    """The users of an account."""

    @overload
    def get_user(self, user_id: int | str | None = ..., output: Literal["df"] = ...) -> pd.DataFrame: ...

    @overload
    def get_user(self, user_id: None = ..., *, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    @overload
    def get_user(self, user_id: int | str, output: Literal["dict"]) -> dict[str, Any]: ...

    @overload
    def get_user(
        self, user_id: int | str | None = ..., output: Output = ...
    ) -> pd.DataFrame | list[dict[str, Any]] | dict[str, Any]: ...

    def get_user(
        self, user_id: int | str | None = None, output: Output = "df"
    ) -> pd.DataFrame | list[dict[str, Any]] | dict[str, Any]:
        """List the users, or read one.

        Parameters
        ----------
        user_id : int or str, optional
            The user to read, by the id or mail address. Without it, all are listed.
        output : {"df", "dict"}, default "df"
            A frame, or dicts as ClicData sent them: a list, or one dict if ``user_id`` is given.

        Returns
        -------
        DataFrame, list of dict or dict
            A row per user: ``user_id`` (Int64), ``email_address``, ``first_name``, ``last_name``, ``license`` (text),
            ``last_login_date`` (datetime, UTC), and any other key that ClicData sends. Each parameter
            is a column, such as ``parameters.region``, and so is each key of an object.

        Raises
        ------
        InputError
            An argument can't be used.
        NotFound
            There is no such user.

        Notes
        -----
        ``GET /user``, ``GET /user/{id}``.

        Examples
        --------
        >>> users = User().get_user()
        >>> users.loc[users["license"] == "viewer", "email_address"].tolist()
        ['li@example.com', 'ayse@example.com']
        """
        check_output(output)
        if user_id is not None:
            held, user_id = self._find(USER, user_id)
            reply = held._call(get("read a user", f"/user/{user_id}"))
            user = parse_object(reply, "users", "user")  # C: the key of one user, if any (O18)
            return user if output == "dict" else _to_frame([user])
        listed = self._list()
        return listed if output == "dict" else _to_frame(listed)

    def _list(self) -> list[dict[str, Any]]:
        return list_all(USER, self.session)

    # -----------------------------------------------------------------------------------------------------
    # Creating

    def create_user(
        self,
        email: str,
        first_name: str,
        last_name: str,
        *,
        license: Literal["viewer", "editor"] = "viewer",  # noqa: A002  # ClicData's own word
        password: str | None = None,
    ) -> int:
        """Create a user.

        The request is never repeated.

        Parameters
        ----------
        email : str
            The mail address. No other user of the account may have it.
        first_name, last_name : str
            The name.
        license : {"viewer", "editor"}, default "viewer"
            Whether the user may only view, or also edit.
        password : str, optional
            A first password. Without it, ClicData decides how the user gets one.

        Returns
        -------
        int
            The new ``user_id``.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        Conflict
            A user with that address exists.
        CreateAmbiguous
            The response was lost: the user may be created or not. The message names the user with that address.

        Notes
        -----
        ``POST /user``.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().get_user(user_id)["last_name"].item()
        'Lee'
        """
        hidden = None if password is None else Secret(password)
        del password  # a traceback can show local variables
        body: dict[str, Any] = {
            "email_address": check_address("email", email),
            "first_name": check_name("first_name", first_name),
            "last_name": check_name("last_name", last_name),
            "license": check_choice("license", license, LICENSES),
        }
        return self._create(body, None if hidden is None else _check_password(hidden))

    def _create(self, body: Mapping[str, Any], secret: Secret | None) -> int:
        address = body["email_address"]

        def find() -> list[Any]:
            users = [rename_id(user, "user_id") for user in self._list()]
            return [user["user_id"] for user in users if fold(user.get("email_address")) == fold(address)]

        def send() -> int:
            full_body = body if secret is None else {**body, "password": secret.reveal()}
            request = Request("create a user", "POST", "/user", body=json_body(full_body))
            return create(self._call, request, find, what="user", key="address")

        return _call_with_secret(send, secret)

    def create_users(self, users: pd.DataFrame, *, progress: bool | None = None) -> pd.DataFrame:
        """Create a user for each row of a frame.

        The whole frame is checked before the first request. If ClicData refuses a row, the others still follow.
        Refused credentials, a rate limit or a lost response stop the call.

        Parameters
        ----------
        users : DataFrame
            The columns ``email_address`` (or ``email``), ``first_name``, ``last_name``, and optionally ``license``
            (a missing value means ``"viewer"``) and ``password`` (may be missing). Other columns are refused.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.

        Returns
        -------
        DataFrame
            A row per row of ``users``, with its index: ``email_address`` (text), ``user_id`` (Int64), ``state``
            (``"created"``, ``"refused"``, ``"in doubt"``, ``"not sent"``), ``error`` (text). If the call returns, each
            user was created or refused.

        Raises
        ------
        InputError
            The frame can't be used. The message names every problem with its row label. Nothing was sent.
        WriteError
            The call stopped midway: ``.receipt`` is the frame, ``.in_doubt`` is True if a row is in doubt. If the
            first request fails and nothing was done, its own error is raised.

        Notes
        -----
        ``POST /user``, once per row.

        Examples
        --------
        >>> people = pd.DataFrame({"email": ["jo@example.com"], "first_name": ["Jo"], "last_name": ["Lee"]})
        >>> report = User().create_users(people)
        >>> people[report["state"] != "created"].empty
        True
        """
        problems, bodies, secrets = _check_users(users)
        index = None if problems else users.index
        del users  # a traceback can show local variables, and this one holds passwords
        if problems:
            raise InputError(problems)
        progress = check_flag("progress", progress)
        rows = [{"email_address": body["email_address"], "user_id": None} for body in bodies]

        def send(position: int) -> dict[str, Any]:
            return {"user_id": self._create(bodies[position], secrets[position]), "state": "created"}

        return send_rows(
            "create users", rows, send, schema=REPORT, index=index, progress=progress, session=self.session
        )

    # -----------------------------------------------------------------------------------------------------
    # Changing

    def update_user(
        self,
        user_id: int | str,
        *,
        email: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        license: Literal["viewer", "editor"] | None = None,  # noqa: A002  # ClicData's own word
    ) -> dict[str, Any]:
        """Change the address, name or license of a user.

        Parameters
        ----------
        user_id : int or str
            The user, by the id or mail address.
        email, first_name, last_name : str, optional
            The new values. An argument that is not given changes nothing.
        license : {"viewer", "editor"}, optional
            Whether the user may only view, or also edit.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            An argument can't be used, or there is nothing to change; nothing was sent.
        NotFound
            There is no such user.
        Conflict
            Another user has that address.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``PUT /user/{id}``.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().update_user(user_id, license="editor")
        {'success': True}
        """
        body = {}
        if email is not None:
            body["email_address"] = check_address("email", email)
        if first_name is not None:
            body["first_name"] = check_name("first_name", first_name)
        if last_name is not None:
            body["last_name"] = check_name("last_name", last_name)
        if license is not None:
            body["license"] = check_choice("license", license, LICENSES)
        if not body:
            raise InputError("nothing to update: give email, first_name, last_name or license")
        held, user_id = self._find(USER, user_id)
        return held._write("update a user", "PUT", f"/user/{user_id}", body)

    def delete_user(self, user_id: int | str) -> dict[str, Any]:
        """Delete a user.

        Parameters
        ----------
        user_id : int or str
            The user, by the id or mail address.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            ``user_id`` can't be used; nothing was sent.
        NotFound
            There is no such user.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``DELETE /user/{id}``.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().delete_user(user_id)
        {'success': True}
        """
        held, user_id = self._find(USER, user_id)
        return held._write("delete a user", "DELETE", f"/user/{user_id}")

    def set_password(self, user_id: int | str, password: str) -> dict[str, Any]:
        """Set the password of a user.

        No error, log or traceback of this package shows the password.

        Parameters
        ----------
        user_id : int or str
            The user, by the id or mail address.
        password : str
            The new password.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such user.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``PUT /user/{id}/password``.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().set_password(user_id, "correct horse battery staple")
        {'success': True}
        """
        hidden = Secret(password)
        del password  # a traceback can show local variables
        secret = _check_password(hidden)
        held, user_id = self._find(USER, user_id)

        def send() -> dict[str, Any]:
            return held._write("set a password", "PUT", f"/user/{user_id}/password", {"password": secret.reveal()})

        return _call_with_secret(send, secret)

    # -----------------------------------------------------------------------------------------------------
    # All users of a frame

    @overload
    def sync_users(
        self,
        frame: pd.DataFrame,
        on: str = ...,
        *,
        deactivate: bool = ...,
        dry_run: Literal[False] = ...,
        max_deactivated: float | None = ...,
        progress: bool | None = ...,
    ) -> UserReceipt: ...

    @overload
    def sync_users(
        self,
        frame: pd.DataFrame,
        on: str = ...,
        *,
        deactivate: bool = ...,
        dry_run: bool,
        max_deactivated: float | None = ...,
        progress: bool | None = ...,
    ) -> UserReceipt | UserPlan: ...

    def sync_users(
        self,
        frame: pd.DataFrame,
        on: str = "email_address",
        *,
        deactivate: bool = False,
        dry_run: bool = False,
        max_deactivated: float | None = None,
        progress: bool | None = None,
    ) -> UserReceipt | UserPlan:
        """Make the users of the account match a frame: create new users, update cells that differ.

        Users are matched by their address, regardless of letter case. It can be called again after any error: it lists
        the users and does the rest.

        Parameters
        ----------
        frame : DataFrame
            A row per user: the address, and any of ``first_name``, ``last_name`` (new users need both), ``license``
            (a new user without one is a viewer) and ``password`` (of new users only; it is never shown). A missing cell
            changes nothing. Other columns are not sent, and the plan and the receipt name them.
        on : str, default "email_address"
            The column with the address. If the frame lacks the default column, ``email`` is used.
        deactivate : bool, default False
            Whether to delete the users that the frame lacks (``DELETE /user/{id}``), also from their teams: the API
            can't only deactivate a user. They are deleted last. The session's own user is never deleted, if
            it is known: by ``GET /profile/user``, or by a log-in with Basic.
        dry_run : bool, default False
            Whether to return the plan instead of carrying it out.
        max_deactivated : int or float, optional
            The most users to delete: a number, or as a float a share of all (0.1). By default ten users, or a tenth of
            all if that is more. An empty frame is always refused.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.

        Returns
        -------
        UserReceipt, or UserPlan with ``dry_run``
            The state of each user. A user that ClicData refuses doesn't stop the others.

        Raises
        ------
        InputError
            An address is missing or is in two rows, a cell can't be sent, or too many users would be deactivated.
            Nothing was sent.
        SyncInterrupted
            It stopped midway, with nothing in doubt: see ``.receipt``.
        SyncAmbiguous
            Responses were lost, and listing the users three times did not resolve the doubt: see ``.receipt``.

        Notes
        -----
        ``GET /user``, then ``POST /user``, ``PUT /user/{id}`` and ``DELETE /user/{id}``, once per user that differs.

        Examples
        --------
        >>> people = User().get_user()
        >>> people.loc[people["first_name"] == "Zoë", "license"] = "viewer"
        >>> User().sync_users(people, dry_run=True).updates[["email_address", "column", "old", "new"]]
             email_address   column     old     new
        2  zoe@example.com  license  editor  viewer
        >>> User().sync_users(people).complete
        True
        """
        wanted, problems = _read_frame(frame, on)
        del frame  # a traceback can show local variables, and this one may hold passwords
        if wanted is None:
            raise InputError(problems)
        takes_away, dry = check_switch("deactivate", deactivate), check_switch("dry_run", dry_run)
        most, progress = checked_share("max_deactivated", max_deactivated, "users"), check_flag("progress", progress)
        if wanted.problems and not dry:
            raise InputError([f"{problem}. Nothing was sent" for problem in wanted.problems])

        def look() -> Found:
            users = known_users(self.session)
            steps, problems = _compare(wanted, users)
            kept = [user for user in users if fold(user.get("email_address")) not in wanted.folded]
            if takes_away and kept:
                mine = self._own_keys()
                going = [user for user in kept if fold(user.get("email_address")) and not mine & {*_keys(user)}]
                kept = [user for user in kept if user not in going]
                steps += [Step(DEACTIVATED, user["email_address"], user["user_id"], old=user) for user in going]
            problems += guard(steps, DEACTIVATED, len(users), most, "max_deactivated")
            return Found(steps, problems, kept)

        def send(step: Step) -> dict[str, Any]:
            if step.state == CREATED:
                assert step.row is not None
                return {"user_id": self._create(step.new, wanted.secrets[step.row])}
            if step.state == UPDATED:
                self._write("update a user", "PUT", f"/user/{step.user_id}", step.new)
            else:
                self._write("delete a user", "DELETE", f"/user/{step.user_id}")
            return {}

        plan = UserPlan(
            self.session,
            "sync users",
            wanted.index,
            look,
            send,
            problems=wanted.problems,
            notes=wanted.notes,
            progress=progress,
        )
        return planned(plan, dry_run=dry)

    def _own_keys(self) -> set[Any]:
        """Return the id and the address of the session's own user, if they are known."""
        found: dict[str, Any] = {}
        try:
            reply = self._call(get("read the profile", "/profile/user"))
            found = rename_id(parse_object(reply, "user", "profile", "users"), "user_id")
        except (ApiError, AuthError) as error:  # a log-in without a user, or without the right to read it
            if isinstance(error, RateLimited):
                raise
        return {*_keys(found), fold(self.session.username)} - {None, ""}


class _Wanted(Addresses):
    """The users of a frame: addresses, cells by column, and passwords, which are never shown."""

    def __init__(self, frame: Any, on: Any) -> None:
        super().__init__(frame, on)
        names = [name for name in frame.columns if name != self.on]
        if "email_address" in names or (self.on != "email" and "email" in names):
            raise InputError(f"on={self.on!r} has the address, but there is another column for it: drop one of them")
        self.cells = {name: cells_of(frame[name]) for name in ("first_name", "last_name", "license") if name in names}
        hidden = cells_of(frame["password"]) if "password" in names else [None] * len(self.labels)
        self.secrets = [None if cell is None else Secret(cell) for cell in hidden]
        others = [name for name in names if name not in self.cells and name not in ("password", *USERS)]
        self.notes = [f"not sent: {', '.join(map(repr, others))}"] if others else []


def _read_frame(frame: Any, on: Any) -> tuple[_Wanted | None, Sequence[str]]:
    """Return the users of a frame, or its problems. The caller raises: its variables hold no passwords."""
    try:
        return _Wanted(frame, on), ()
    except InputError as error:
        return None, error.problems


def _compare(wanted: _Wanted, users: Sequence[dict[str, Any]]) -> tuple[list[Step], list[str]]:
    """Return the step that makes each user match the frame, and the problems of rows without a step."""
    there, steps, problems, lacking = by_address(users), list[Step](), list[str](), list[Any]()
    for row, address in enumerate(wanted.listed):
        if address is None:
            continue
        label = wanted.labels[row]
        cells = {name: cells[row] for name, cells in wanted.cells.items()}
        try:
            user = wanted.only(row, there.get(fold(address), ()))
        except InputError as error:
            problems.append(f"{error}: delete or rename all but one")
            continue
        if user is None:
            if len({"first_name", "last_name"} & {*cells}) < 2:
                lacking.append(label)
                continue
            body = {"email_address": address, "license": None, **cells}
            steps.append(Step(CREATED, address, None, row, new=_check_cells(label, body, problems)))
            if (secret := wanted.secrets[row]) is not None:
                _check_cells(label, {"password": secret.reveal()}, problems)
        else:
            new = {name: cell for name, cell in cells.items() if not (cell is None or _equal(cell, user.get(name)))}
            new = _check_cells(label, new, problems)
            old = {name: user.get(name) for name in new}
            steps.append(Step(UPDATED if new else UNCHANGED, user["email_address"], user["user_id"], row, old, new))
    if lacking:
        shown = ", ".join(map(repr, lacking[:5]))
        problems.append(f"new users need the columns first_name and last_name ({len(lacking)} rows, labels {shown})")
    return steps, problems


def _equal(cell: Any, other: Any) -> bool:
    return isinstance(cell, str) and cell == other


def _keys(user: Mapping[str, Any]) -> tuple[int | None, str]:
    return parse_integer(user.get("user_id")), fold(user.get("email_address"))


def _to_frame(users: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of_records([rename_id(user, "user_id") for user in users], USERS)


# ---------------------------------------------------------------------------------------------------------
# Checking


def _check_password(hidden: Secret) -> Secret:
    """Return a password that can be sent. No message and no local variable here shows it."""
    try:
        checked = Secret(check_text("password", hidden.reveal(), empty=True))
        if checked.reveal():
            return checked
    except InputError:
        pass
    raise InputError("password must be text that is not empty and can be sent")


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "email_address": lambda cell: check_address("email_address", cell),
    "first_name": lambda cell: check_name("first_name", cell),
    "last_name": lambda cell: check_name("last_name", cell),
    "license": lambda cell: check_choice("license", "viewer" if cell is None else cell, LICENSES),
    "password": lambda cell: None if cell is None else _check_password(Secret(cell)),
}


def _check_cells(label: Any, cells: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the cells of a row that can be sent, and add the problems of the other cells."""
    checked = {}
    for name, cell in cells.items():
        try:
            checked[name] = _CHECKS[name](cell)
        except InputError as error:
            problems.append(f"row {label!r}: {error}")
    return checked


def _check_users(users: Any) -> tuple[list[str], list[dict[str, Any]], list[Secret | None]]:
    """Return all problems, and each row's body and password. The caller raises: its variables hold no passwords."""
    if not hasattr(users, "columns") or not hasattr(users, "iloc"):
        return [f"users must be a DataFrame, not {type(users).__name__}"], [], []
    names = ["email_address" if name == "email" else name for name in users.columns]
    problems = [f"the column {name} is missing" for name in _REQUIRED if name not in names]
    problems += [f"the column {name!r} stands twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    unknown = [name for name in names if name not in (*_REQUIRED, *_OPTIONAL)]
    if unknown:
        known = ", ".join((*_REQUIRED, *_OPTIONAL))
        problems.append(f"unknown columns {', '.join(map(repr, unknown))}: leave them out (known: {known})")
    if problems:
        return problems, [], []
    columns = {name: cells_of(users.iloc[:, position]) for position, name in enumerate(names)}
    return _check_rows(columns, list(users.index))


def _check_rows(
    columns: Mapping[str, list[Any]], labels: list[Any]
) -> tuple[list[str], list[dict[str, Any]], list[Secret | None]]:
    bodies: list[dict[str, Any]] = []
    secrets: list[Secret | None] = []
    problems: list[str] = []
    first_labels: dict[str, Any] = {}  # the label of the first row with each address
    for row, label in enumerate(labels):
        cells = {name: columns[name][row] if name in columns else None for name in _CHECKS}
        body = _check_cells(label, cells, problems)
        secrets.append(body.pop("password", None))
        bodies.append(body)
        address = body.get("email_address", "").casefold()
        if address and address in first_labels:
            problems.append(f"row {label!r}: {body['email_address']} stands in row {first_labels[address]!r} too")
        first_labels.setdefault(address, label)
    return problems, bodies, secrets


# ---------------------------------------------------------------------------------------------------------
# Keeping secrets


def _call_with_secret(send: Callable[[], T], secret: Secret | None) -> T:
    """Call ``send``. If it fails, remove the password from the text of its error, and drop its traceback."""
    if secret is None:
        return send()
    try:
        return send()
    except ClicDataError as error:
        failure = error
    _remove_password(failure, secret.reveal())
    raise failure


def _remove_password(failure: BaseException, password: str) -> None:
    def hide(text: Any) -> Any:
        return without(password, text) if isinstance(text, str) else text

    error: BaseException | None = failure
    while error is not None:
        error.__traceback__ = None
        error.args = tuple(hide(argument) for argument in error.args)
        if isinstance(error, (ApiError, AuthError)):
            error.code, error.description = hide(error.code), hide(error.description)
        error = error.__cause__ or error.__context__
