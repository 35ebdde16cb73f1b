"""Users: list, read, create, update, delete, and their passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from pandas_clicdata.endpoints import bulk
from pandas_clicdata.endpoints.answers import made, one, said, with_id
from pandas_clicdata.endpoints.data import OUTPUTS, Output
from pandas_clicdata.endpoints.noun import Noun, checked_choice, checked_text, whole_id
from pandas_clicdata.errors import ApiError, AuthError, ClicDataError, InputError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.session.credentials import Secret
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import Request, get, json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

T = TypeVar("T")

# C: user_id and license.
USERS = {
    "user_id": "integer",
    "email_address": "text",
    "first_name": "text",
    "last_name": "text",
    "license": "text",
    "last_login_date": "datetime",
}
CREATED = {"email_address": "text", "user_id": "integer", "state": "text", "error": "text"}
LICENSES = ("viewer", "editor")  # C: how the two kinds are spelled

_REQUIRED = ("email_address", "first_name", "last_name")
_OPTIONAL = ("license", "password")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")  # whether it can be a mail address; which one is good, the service decides


class User(Noun):
    """The users of an account.

    Parameters
    ----------
    session : Session, optional
        What to call through; the default session if not given.
    **connection_params
        Those of `Session`, for a session of its own.
    """

    @overload
    def get_user(self, user_id: int | None = ..., output: Literal["df"] = ...) -> pd.DataFrame: ...

    @overload
    def get_user(self, user_id: None = ..., *, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    @overload
    def get_user(self, user_id: int, output: Literal["dict"]) -> dict[str, Any]: ...

    @overload
    def get_user(
        self, user_id: int | None = ..., output: Output = ...
    ) -> pd.DataFrame | list[dict[str, Any]] | dict[str, Any]: ...

    def get_user(
        self, user_id: int | None = None, output: Output = "df"
    ) -> pd.DataFrame | list[dict[str, Any]] | dict[str, Any]:
        """List the users, or read one.

        ``GET /user``, ``GET /user/{id}``

        Parameters
        ----------
        user_id : int, optional
            The user to read. Not given, all are listed.
        output : {"df", "dict"}, default "df"
            A frame, or what ClicData gave: a list of dicts, or one dict if ``user_id`` is given.

        Returns
        -------
        DataFrame, list of dict or dict
            A row per user: ``user_id`` (Int64), ``email_address``, ``first_name``, ``last_name``, ``license`` (text),
            ``last_login_date`` (datetime, UTC), and whatever else ClicData says.

        Raises
        ------
        InputError
            An argument can't be used.
        NotFound
            There is no such user.

        Examples
        --------
        >>> users = User().get_user()
        >>> users.loc[users["license"] == "viewer", "email_address"].tolist()
        ['li@example.com', 'ayse@example.com']
        """
        checked_choice("output", output, OUTPUTS)
        if user_id is not None:
            reply = self._call(get("read a user", f"/user/{whole_id('user_id', user_id)}"))
            user = one(reply, "users", "user")  # C: the name under which one user comes, if any
            return user if output == "dict" else _frame([user])
        listed = self._listed()
        return listed if output == "dict" else _frame(listed)

    def _listed(self) -> list[dict[str, Any]]:
        return records(self._call, get("list users", "/user", key="users"))

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

        ``POST /user``. It is never repeated by itself.

        Parameters
        ----------
        email : str
            The mail address, which must be new in the account.
        first_name, last_name : str
            The name.
        license : {"viewer", "editor"}, default "viewer"
            What the user may do: look, or change things too.
        password : str, optional
            A first password. Not given, ClicData decides how the user gets one.

        Returns
        -------
        int
            The new ``user_id``.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        Conflict
            There is a user of that address.
        CreateAmbiguous
            The answer was lost: the user may be made or not. The message says who has that address now.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().get_user(user_id)["last_name"].item()
        'Lee'
        """
        body: dict[str, Any] = {
            "email_address": _checked_address("email", email),
            "first_name": checked_text("first_name", first_name),
            "last_name": checked_text("last_name", last_name),
            "license": checked_choice("license", license, LICENSES),
        }
        secret = None if password is None else _checked_password(password)
        del password
        return self._created(body, secret)

    def _created(self, body: Mapping[str, Any], secret: Secret | None) -> int:
        address = body["email_address"]

        def look() -> list[Any]:
            users = [with_id(user, "user_id") for user in self._listed()]
            return [user["user_id"] for user in users if _same_address(user.get("email_address"), address)]

        def send() -> int:
            whole = body if secret is None else {**body, "password": secret.reveal()}
            asked = Request("create a user", "POST", "/user", body=json_body(whole))
            return made(self._call, asked, look, what="user", sign="address")

        return _kept_secret(send, secret)

    def create_users(self, users: pd.DataFrame, *, progress: bool | None = None) -> pd.DataFrame:
        """Create a user for each row of a frame.

        ``POST /user``, once per row. The whole frame is checked before the first request. A row that ClicData refuses
        does not stop the rest; refused credentials, a rate limit or a lost answer do.

        Parameters
        ----------
        users : DataFrame
            The columns ``email_address`` (or ``email``), ``first_name``, ``last_name``; if wanted ``license``, where a
            missing value is ``"viewer"``, and ``password``, where a missing value is none; and no others. It is not
            changed.
        progress : bool, optional
            Whether to show a bar on stderr; by default where that is a terminal.

        Returns
        -------
        DataFrame
            A row per row of ``users``, with its index: ``email_address`` (text), ``user_id`` (Int64), ``state``
            (``"created"``, ``"refused"``, ``"in doubt"``, ``"not sent"``), ``error`` (text, why not). When a frame is
            returned every row was answered, so that each is created or refused.

        Raises
        ------
        InputError
            The frame can't be used; every problem is named with its row label, and nothing was sent.
        WriteError
            It stopped midway: ``.receipt`` is the frame, ``.in_doubt`` whether a row of it is. If it stopped at the
            first row with nothing done, the error is the one that stopped it.

        Examples
        --------
        >>> people = pd.DataFrame({"email": ["jo@example.com"], "first_name": ["Jo"], "last_name": ["Lee"]})
        >>> made = User().create_users(people)
        >>> people[made["state"] != "created"].empty
        True
        """
        bodies, secrets = _checked_users(users)
        rows = [{"email_address": body["email_address"], "user_id": None} for body in bodies]
        run = bulk.Run("create users", rows, CREATED, users)
        del users  # which holds the passwords, from what a traceback leads to

        def send(position: int) -> dict[str, Any]:
            return {"user_id": self._created(bodies[position], secrets[position]), "state": "created"}

        return run.through(send, progress)

    # -----------------------------------------------------------------------------------------------------
    # Changing

    def update_user(
        self,
        user_id: int,
        *,
        email: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        license: Literal["viewer", "editor"] | None = None,  # noqa: A002  # ClicData's own word
    ) -> dict[str, Any]:
        """Change what is known of a user.

        ``PUT /user/{id}``

        Parameters
        ----------
        user_id : int
            The user.
        email, first_name, last_name : str, optional
            What is to change; what is not given stays.
        license : {"viewer", "editor"}, optional
            What the user may do from now on.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument can't be used, or nothing would change; nothing was sent.
        NotFound
            There is no such user.
        Conflict
            Another user has that address.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().update_user(user_id, license="editor")
        {'success': True}
        """
        path = f"/user/{whole_id('user_id', user_id)}"
        body = {}
        if email is not None:
            body["email_address"] = _checked_address("email", email)
        if first_name is not None:
            body["first_name"] = checked_text("first_name", first_name)
        if last_name is not None:
            body["last_name"] = checked_text("last_name", last_name)
        if license is not None:
            body["license"] = checked_choice("license", license, LICENSES)
        if not body:
            raise InputError("nothing to update: give email, first_name, last_name or license")
        return said(self._call(Request("update a user", "PUT", path, body=json_body(body))))

    def delete_user(self, user_id: int) -> dict[str, Any]:
        """Delete a user.

        ``DELETE /user/{id}``

        Parameters
        ----------
        user_id : int
            The user.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            ``user_id`` is no id; nothing was sent.
        NotFound
            There is no such user.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().delete_user(user_id)
        {'success': True}
        """
        return said(self._call(Request("delete a user", "DELETE", f"/user/{whole_id('user_id', user_id)}")))

    def set_password(self, user_id: int, password: str) -> dict[str, Any]:
        """Give a user another password.

        ``PUT /user/{id}/password``. No error, log or traceback of this package shows the password.

        Parameters
        ----------
        user_id : int
            The user.
        password : str
            The new password.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such user.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().set_password(user_id, "correct horse battery staple")
        {'success': True}
        """
        path = f"/user/{whole_id('user_id', user_id)}/password"
        secret = _checked_password(password)
        del password

        def send() -> dict[str, Any]:
            body = json_body({"password": secret.reveal()})
            return said(self._call(Request("set a password", "PUT", path, body=body)))

        return _kept_secret(send, secret)


def _frame(users: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of_records([with_id(user, "user_id") for user in users], USERS)


def _same_address(one: object, other: str) -> bool:
    return isinstance(one, str) and one.casefold() == other.casefold()


# ---------------------------------------------------------------------------------------------------------
# Checking


def _checked_address(name: str, value: Any) -> str:
    address = checked_text(name, value)
    if not _ADDRESS.fullmatch(address) or not address.isprintable():
        raise InputError(f"{name} must be a mail address, not {value!r}")
    return address


def _checked_password(value: Any) -> Secret:
    """The password, put away where nothing shows it; no message says it."""
    try:
        if isinstance(value, str) and value and checked_text("password", value, empty=True):
            return Secret(value)
    except InputError:
        pass
    raise InputError("password must be text that is not empty and can be sent")


def _checked_users(users: Any) -> tuple[list[dict[str, Any]], list[Secret | None]]:
    """The body of each row, and its password apart from it."""
    if not hasattr(users, "columns") or not hasattr(users, "iloc"):
        raise InputError(f"users must be a DataFrame, not {type(users).__name__}")
    names = ["email_address" if name == "email" else name for name in users.columns]
    problems = [f"the column {name} is missing" for name in _REQUIRED if name not in names]
    problems += [f"the column {name!r} stands twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    unknown = [name for name in names if name not in (*_REQUIRED, *_OPTIONAL)]
    if unknown:
        known = ", ".join((*_REQUIRED, *_OPTIONAL))
        problems.append(f"unknown columns {', '.join(map(repr, unknown))}: leave them out (known: {known})")
    if problems:
        raise InputError(problems)
    cells = {name: _column(users.iloc[:, position]) for position, name in enumerate(names)}
    return _checked_rows(cells, list(users.index))


def _column(series: Any) -> list[Any]:
    return [None if missing else cell for cell, missing in zip(series.tolist(), series.isna().tolist(), strict=True)]


def _checked_rows(
    cells: Mapping[str, list[Any]], labels: list[Any]
) -> tuple[list[dict[str, Any]], list[Secret | None]]:
    bodies: list[dict[str, Any]] = []
    secrets: list[Secret | None] = []
    problems: list[str] = []
    first: dict[str, Any] = {}  # the label of the row that has an address
    checks: dict[str, Callable[[Any], Any]] = {
        "email_address": lambda cell: _checked_address("email_address", cell),
        "first_name": lambda cell: checked_text("first_name", cell),
        "last_name": lambda cell: checked_text("last_name", cell),
        "license": lambda cell: checked_choice("license", "viewer" if cell is None else cell, LICENSES),
        "password": lambda cell: None if cell is None else _checked_password(cell),
    }
    for row, label in enumerate(labels):
        body: dict[str, Any] = {}
        for name, check in checks.items():
            try:
                body[name] = check(cells[name][row] if name in cells else None)
            except InputError as error:
                problems.append(f"row {label!r}: {error}")
        secrets.append(body.pop("password", None))
        bodies.append(body)
        address = body.get("email_address", "").casefold()
        if address and address in first:
            problems.append(f"row {label!r}: {body['email_address']} stands in row {first[address]!r} too")
        first.setdefault(address, label)
    if problems:
        raise InputError(problems)
    return bodies, secrets


# ---------------------------------------------------------------------------------------------------------
# Keeping secrets


def _kept_secret(send: Callable[[], T], secret: Secret | None) -> T:
    """What a call gives; an error of it neither says the password nor leads to a frame that holds it."""
    if secret is None:
        return send()
    try:
        return send()
    except ClicDataError as error:
        failure = error
    _forget(failure, secret.reveal())
    raise failure


def _forget(error: BaseException, password: str) -> None:
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link.args = tuple(_without(password, arg) for arg in link.args)
        if isinstance(link, (ApiError, AuthError)):
            link.code, link.description = _without(password, link.code), _without(password, link.description)
        link = link.__cause__ or link.__context__


def _without(password: str, text: Any) -> Any:
    return text.replace(password, "***") if isinstance(text, str) else text
