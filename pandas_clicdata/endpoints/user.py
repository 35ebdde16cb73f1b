"""Users: list, read, create, update, delete, set a password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from pandas_clicdata.arguments import Output, check_choice, check_flag, check_id, check_name, check_output, check_text
from pandas_clicdata.endpoints.answers import create, parse_object, rename_id
from pandas_clicdata.endpoints.bulk import send_rows
from pandas_clicdata.endpoints.endpoint import Endpoint
from pandas_clicdata.errors import ApiError, AuthError, ClicDataError, InputError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.session.credentials import Secret, without
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import Request, get, json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
CREATED = {"email_address": "text", "user_id": "integer", "state": "text", "error": "text"}
LICENSES = ("viewer", "editor")  # C: the spelling of the two kinds (O19)

_REQUIRED = ("email_address", "first_name", "last_name")
_OPTIONAL = ("license", "password")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")  # a first check; the service decides


class User(Endpoint):
    """The users of an account."""

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
            The user to read. Without it, all are listed.
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

        Examples
        --------
        >>> users = User().get_user()
        >>> users.loc[users["license"] == "viewer", "email_address"].tolist()
        ['li@example.com', 'ayse@example.com']
        """
        check_output(output)
        if user_id is not None:
            reply = self._call(get("read a user", f"/user/{check_id('user_id', user_id)}"))
            user = parse_object(reply, "users", "user")  # C: the key of one user, if any (O18)
            return user if output == "dict" else _to_frame([user])
        listed = self._list()
        return listed if output == "dict" else _to_frame(listed)

    def _list(self) -> list[dict[str, Any]]:
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

        ``POST /user``. The request is never repeated.

        Parameters
        ----------
        email : str
            The mail address. No other user of the account may have it.
        first_name, last_name : str
            The name.
        license : {"viewer", "editor"}, default "viewer"
            Whether the user may only look, or change things too.
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

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().get_user(user_id)["last_name"].item()
        'Lee'
        """
        hidden = None if password is None else Secret(password)
        del password  # a traceback can show local variables
        body: dict[str, Any] = {
            "email_address": _check_address("email", email),
            "first_name": check_name("first_name", first_name),
            "last_name": check_name("last_name", last_name),
            "license": check_choice("license", license, LICENSES),
        }
        return self._create(body, None if hidden is None else _check_password(hidden))

    def _create(self, body: Mapping[str, Any], secret: Secret | None) -> int:
        address = body["email_address"]

        def find() -> list[Any]:
            users = [rename_id(user, "user_id") for user in self._list()]
            return [user["user_id"] for user in users if _is_same_address(user.get("email_address"), address)]

        def send() -> int:
            full_body = body if secret is None else {**body, "password": secret.reveal()}
            request = Request("create a user", "POST", "/user", body=json_body(full_body))
            return create(self._call, request, find, what="user", key="address")

        return _call_with_secret(send, secret)

    def create_users(self, users: pd.DataFrame, *, progress: bool | None = None) -> pd.DataFrame:
        """Create a user for each row of a frame.

        ``POST /user``, once per row. The whole frame is checked before the first request. After a row that ClicData
        refuses, the rest follows; refused credentials, a rate limit or a lost response stop the call.

        Parameters
        ----------
        users : DataFrame
            The columns ``email_address`` (or ``email``), ``first_name``, ``last_name``, and optionally ``license``
            (a missing value means ``"viewer"``) and ``password`` (a missing value means none). Others are refused.
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
            The frame can't be used; every problem is named with its row label, and nothing was sent.
        WriteError
            The call stopped midway: ``.receipt`` is the frame, ``.in_doubt`` is True if a row is in doubt. If the
            first request fails and nothing was done, its own error is raised.

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
            "create users", rows, send, schema=CREATED, index=index, progress=progress, session=self.session
        )

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
        """Change the address, name or license of a user.

        ``PUT /user/{id}``

        Parameters
        ----------
        user_id : int
            The user.
        email, first_name, last_name : str, optional
            The new values. An argument that is not given changes nothing.
        license : {"viewer", "editor"}, optional
            Whether the user may only look, or change things too.

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
            ``.in_doubt`` says whether the change may be done. The request was not sent again.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().update_user(user_id, license="editor")
        {'success': True}
        """
        path = f"/user/{check_id('user_id', user_id)}"
        body = {}
        if email is not None:
            body["email_address"] = _check_address("email", email)
        if first_name is not None:
            body["first_name"] = check_name("first_name", first_name)
        if last_name is not None:
            body["last_name"] = check_name("last_name", last_name)
        if license is not None:
            body["license"] = check_choice("license", license, LICENSES)
        if not body:
            raise InputError("nothing to update: give email, first_name, last_name or license")
        return self._write("update a user", "PUT", path, body)

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
            The response of ClicData.

        Raises
        ------
        InputError
            ``user_id`` is no id; nothing was sent.
        NotFound
            There is no such user.
        TransportError
            ``.in_doubt`` says whether the change may be done. The request was not sent again.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().delete_user(user_id)
        {'success': True}
        """
        return self._write("delete a user", "DELETE", f"/user/{check_id('user_id', user_id)}")

    def set_password(self, user_id: int, password: str) -> dict[str, Any]:
        """Set the password of a user.

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
            The response of ClicData.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such user.
        TransportError
            ``.in_doubt`` says whether the change may be done. The request was not sent again.

        Examples
        --------
        >>> user_id = User().create_user("jo@example.com", "Jo", "Lee")
        >>> User().set_password(user_id, "correct horse battery staple")
        {'success': True}
        """
        hidden = Secret(password)
        del password  # a traceback can show local variables
        path = f"/user/{check_id('user_id', user_id)}/password"
        secret = _check_password(hidden)

        def send() -> dict[str, Any]:
            return self._write("set a password", "PUT", path, {"password": secret.reveal()})

        return _call_with_secret(send, secret)


def _to_frame(users: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of_records([rename_id(user, "user_id") for user in users], USERS)


def _is_same_address(address: object, other: str) -> bool:
    return isinstance(address, str) and address.casefold() == other.casefold()


# ---------------------------------------------------------------------------------------------------------
# Checking


def _check_address(name: str, value: Any) -> str:
    address = check_text(name, value)
    if not _ADDRESS.fullmatch(address) or not address.isprintable():
        raise InputError(f"{name} must be a mail address, not {value!r}")
    return address


def _check_password(hidden: Secret) -> Secret:
    """Return a password that can be sent. No message and no local variable here shows it."""
    try:
        checked = Secret(check_text("password", hidden.reveal(), empty=True))
        if checked.reveal():
            return checked
    except InputError:
        pass
    raise InputError("password must be text that is not empty and can be sent")


def _check_users(users: Any) -> tuple[list[str], list[dict[str, Any]], list[Secret | None]]:
    """Return all problems, and the body and the password of each row. The caller raises: it has no passwords."""
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
    columns = {name: _cells(users.iloc[:, position]) for position, name in enumerate(names)}
    return _check_rows(columns, list(users.index))


def _cells(series: Any) -> list[Any]:
    return [None if missing else cell for cell, missing in zip(series.tolist(), series.isna().tolist(), strict=True)]


def _check_rows(
    columns: Mapping[str, list[Any]], labels: list[Any]
) -> tuple[list[str], list[dict[str, Any]], list[Secret | None]]:
    bodies: list[dict[str, Any]] = []
    secrets: list[Secret | None] = []
    problems: list[str] = []
    first_labels: dict[str, Any] = {}  # the label of the first row with each address
    checks: dict[str, Callable[[Any], Any]] = {
        "email_address": lambda cell: _check_address("email_address", cell),
        "first_name": lambda cell: check_name("first_name", cell),
        "last_name": lambda cell: check_name("last_name", cell),
        "license": lambda cell: check_choice("license", "viewer" if cell is None else cell, LICENSES),
        "password": lambda cell: None if cell is None else _check_password(Secret(cell)),
    }
    for row, label in enumerate(labels):
        body: dict[str, Any] = {}
        for name, check in checks.items():
            try:
                body[name] = check(columns[name][row] if name in columns else None)
            except InputError as error:
                problems.append(f"row {label!r}: {error}")
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
