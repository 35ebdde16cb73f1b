"""Teams: list, create, update, delete, their users and their parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.endpoints import bulk
from pandas_clicdata.endpoints.answers import made, said, with_id
from pandas_clicdata.endpoints.data import OUTPUTS, Output
from pandas_clicdata.endpoints.noun import Noun, checked_choice, checked_text, whole_id
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import Request, get, json_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

# C: every key, in answers and in bodies.
TEAMS = {
    "team_id": "integer",
    "name": "text",
    "description": "text",
    "users": "integer",
    "parameters": "integer",
}
TEAM_USERS = {"team_id": "integer", "team": "text", "user_id": "integer"}
TEAM_PARAMETERS = {"team_id": "integer", "team": "text", "name": "text", "value": "text"}
ADDED = {"user_id": "integer", "state": "text", "error": "text"}


class Team(Noun):
    """The teams of an account.

    Parameters
    ----------
    session : Session, optional
        What to call through; the default session if not given.
    **connection_params
        Those of `Session`, for a session of its own.
    """

    # -----------------------------------------------------------------------------------------------------
    # Reading

    @overload
    def get_team(self, output: Literal["df"] = ...) -> pd.DataFrame: ...

    @overload
    def get_team(self, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    def get_team(self, output: Output = "df") -> pd.DataFrame | list[dict[str, Any]]:
        """List the teams.

        ``GET /team``

        Parameters
        ----------
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData gave them.

        Returns
        -------
        DataFrame or list of dict
            A row per team: ``team_id`` (Int64), ``name``, ``description`` (text), ``users`` and ``parameters`` (Int64:
            how many; `get_team_users` and `get_team_parameters` have them), and whatever else ClicData says.

        Raises
        ------
        InputError
            ``output`` is none of the two.

        Examples
        --------
        >>> Team().get_team()["name"].tolist()
        ['Sales', 'North']
        """
        checked_choice("output", output, OUTPUTS)
        listed = self._listed()
        return listed if output == "dict" else frame_of_records([_counted(team) for team in listed], TEAMS)

    def get_team_users(self) -> pd.DataFrame:
        """Who is in which team.

        ``GET /team``

        Returns
        -------
        DataFrame
            A row per team and user: ``team_id`` (Int64), ``team`` (text, its name), ``user_id`` (Int64, as in
            `User.get_user`), and whatever else ClicData says of the user.

        Examples
        --------
        >>> people = Team().get_team_users().merge(User().get_user(), on="user_id")
        >>> people.loc[people["team"] == "North", "first_name"].tolist()
        ['Zoë', 'Ayşe']
        """
        return frame_of_records([row for team in self._listed() for row in _users(team)], TEAM_USERS)

    def get_team_parameters(self) -> pd.DataFrame:
        """The parameters of the teams.

        ``GET /team``

        Returns
        -------
        DataFrame
            A row per team and parameter: ``team_id`` (Int64), ``team`` (text, its name), ``name``, ``value`` (text),
            and whatever else ClicData says of the parameter.

        Examples
        --------
        >>> Team().get_team_parameters()[["team", "name", "value"]].to_numpy().tolist()
        [['North', 'country', 'FR']]
        """
        return frame_of_records([row for team in self._listed() for row in _parameters(team)], TEAM_PARAMETERS)

    def _listed(self) -> list[dict[str, Any]]:
        return records(self._call, get("list teams", "/team", key="teams"))

    # -----------------------------------------------------------------------------------------------------
    # Creating, updating, deleting

    def create_team(self, name: str, desc: str = "") -> int:
        """Create a team.

        ``POST /team``. It is never repeated by itself.

        Parameters
        ----------
        name : str
            Its name.
        desc : str, default ""
            A description.

        Returns
        -------
        int
            The new ``team_id``.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        Conflict
            There is a team of that name.
        CreateAmbiguous
            The answer was lost: the team may be made or not. The message says which teams have that name now.

        Examples
        --------
        >>> team_id = Team().create_team("South", "the shops of the south")
        >>> team_id in Team().get_team()["team_id"].tolist()
        True
        """
        body = {"name": checked_text("name", name), "description": checked_text("desc", desc, empty=True)}

        def look() -> list[Any]:
            return [with_id(team, "team_id")["team_id"] for team in self._listed() if team.get("name") == name]

        asked = Request("create a team", "POST", "/team", body=json_body(body))
        return made(self._call, asked, look, what="team", sign="name")

    def update_team(self, team_id: int, name: str | None = None, desc: str | None = None) -> dict[str, Any]:
        """Rename a team, or describe it anew.

        ``PUT /team/{id}``

        Parameters
        ----------
        team_id : int
            The team.
        name, desc : str, optional
            What is to change; what is not given stays.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument can't be used, or nothing would change; nothing was sent.
        NotFound
            There is no such team.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> Team().update_team(team_id, desc="south of the river")
        {'success': True}
        """
        team_id = whole_id("team_id", team_id)
        body = {}
        if name is not None:
            body["name"] = checked_text("name", name)
        if desc is not None:
            body["description"] = checked_text("desc", desc, empty=True)
        if not body:
            raise InputError("nothing to update: give name or desc")
        return self._write("update a team", "PUT", f"/team/{team_id}", body)

    def delete_team(self, team_id: int) -> dict[str, Any]:
        """Delete a team. Its users stay.

        ``DELETE /team/{id}``

        Parameters
        ----------
        team_id : int
            The team.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            ``team_id`` is no id; nothing was sent.
        NotFound
            There is no such team.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> Team().delete_team(team_id)
        {'success': True}
        """
        return self._write("delete a team", "DELETE", f"/team/{whole_id('team_id', team_id)}")

    # -----------------------------------------------------------------------------------------------------
    # Users

    def add_user(self, team_id: int, user_id: int) -> dict[str, Any]:
        """Put a user into a team.

        ``POST /team/{id}/user``

        Parameters
        ----------
        team_id : int
            The team.
        user_id : int
            The user.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument is no id; nothing was sent.
        NotFound
            There is no such team or user.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> user_id = User().get_user()["user_id"].iloc[0]
        >>> Team().add_user(team_id, user_id)
        {'success': True}
        """
        return said(self._call(_adding(whole_id("team_id", team_id), whole_id("user_id", user_id))))

    def add_users(
        self, team_id: int, users: pd.DataFrame | Iterable[int], *, progress: bool | None = None
    ) -> pd.DataFrame:
        """Put many users into a team.

        ``POST /team/{id}/user``, once per user. All ids are checked before the first request. A user that ClicData
        refuses does not stop the rest; refused credentials, a rate limit or a lost answer do.

        Parameters
        ----------
        team_id : int
            The team.
        users : DataFrame, Series or iterable of int
            The ids: the column ``user_id`` of a frame, such as `User.get_user` and `User.create_users` give, or
            the ids themselves.
        progress : bool, optional
            Whether to show a bar on stderr; by default where that is a terminal.

        Returns
        -------
        DataFrame
            A row per user, with the index of ``users``: ``user_id`` (Int64), ``state`` (``"added"``, ``"refused"``,
            ``"in doubt"``, ``"not sent"``), ``error`` (text, why not). When a frame is returned every user was
            answered, so that each is added or refused.

        Raises
        ------
        InputError
            An id can't be used, or stands twice; nothing was sent.
        WriteError
            It stopped midway: ``.receipt`` is the frame, ``.in_doubt`` whether a row of it is. If it stopped at the
            first user with nothing done, the error is the one that stopped it.

        Examples
        --------
        >>> team_id = Team().create_team("Everybody")
        >>> Team().add_users(team_id, User().get_user())["state"].unique().tolist()
        ['added']
        """
        team_id = whole_id("team_id", team_id)
        ids = _checked_ids(users)
        run = bulk.Run("add users to a team", [{"user_id": user_id} for user_id in ids], ADDED, users)

        def send(position: int) -> dict[str, Any]:
            self._call(_adding(team_id, ids[position])).value()
            return {"state": "added"}

        return run.through(send, progress)

    def remove_user(self, team_id: int, user_id: int) -> dict[str, Any]:
        """Take a user out of a team.

        ``DELETE /team/{id}/user``

        Parameters
        ----------
        team_id : int
            The team.
        user_id : int
            The user.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument is no id; nothing was sent.
        NotFound
            There is no such team, or no such user in it.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> first = Team().get_team_users().iloc[0]
        >>> Team().remove_user(first["team_id"], first["user_id"])
        {'success': True}
        """
        body = {"user_id": whole_id("user_id", user_id)}  # C: that it travels in the body
        path = f"/team/{whole_id('team_id', team_id)}/user"
        return self._write("remove a user from a team", "DELETE", path, body)

    # -----------------------------------------------------------------------------------------------------
    # Parameters

    def set_parameter(self, team_id: int, name: str, value: str | float | bool) -> dict[str, Any]:
        """Set a parameter of a team, whether or not it had one of that name.

        ``POST /team/{id}/parameter``

        Parameters
        ----------
        team_id : int
            The team.
        name : str
            The parameter.
        value : str, int, float or bool
            Its value.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such team.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> Team().set_parameter(team_id, "region", "south")
        {'success': True}
        """
        body = {"name": checked_text("name", name), "value": _checked_value(value)}
        path = f"/team/{whole_id('team_id', team_id)}/parameter"
        return self._write("set a parameter of a team", "POST", path, body)

    def remove_parameter(self, team_id: int, name: str) -> dict[str, Any]:
        """Take a parameter away from a team.

        ``DELETE /team/{id}/parameter``

        Parameters
        ----------
        team_id : int
            The team.
        name : str
            The parameter.

        Returns
        -------
        dict
            What ClicData said.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such team, or no such parameter of it.
        TransportError
            ``.in_doubt`` says whether it may be done all the same. It was not sent again.

        Examples
        --------
        >>> first = Team().get_team_parameters().iloc[0]
        >>> Team().remove_parameter(first["team_id"], first["name"])
        {'success': True}
        """
        body = {"name": checked_text("name", name)}  # C: that it travels in the body
        path = f"/team/{whole_id('team_id', team_id)}/parameter"
        return self._write("remove a parameter of a team", "DELETE", path, body)

    def _write(self, operation: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return said(self._call(Request(operation, method, path, body=None if body is None else json_body(body))))


def _adding(team_id: int, user_id: int) -> Request:
    body = json_body({"user_id": user_id})
    return Request("add a user to a team", "POST", f"/team/{team_id}/user", body=body)


def _checked_ids(users: Any) -> list[int]:
    if hasattr(users, "columns"):
        if list(users.columns).count("user_id") != 1:
            raise InputError("the frame must have one column user_id")
        users = users["user_id"]
    if isinstance(users, (str, bytes)) or not hasattr(users, "__iter__"):
        raise InputError(f"users must be a frame with a column user_id, or ids, not {type(users).__name__}")
    labels = users.index if hasattr(users, "iloc") else None
    ids: dict[int, None] = {}
    problems = []
    for position, user_id in enumerate(users):
        where = f"position {position}" if labels is None else f"row {labels[position]!r}"
        try:
            checked = whole_id("user_id", user_id)
        except InputError as error:
            problems.append(f"{where}: {error}")
            continue
        if checked in ids:
            problems.append(f"{where}: user {checked} stands there twice")
        ids[checked] = None
    if problems:
        raise InputError(problems)
    return list(ids)


def _checked_value(value: Any) -> str | float | bool:
    plain = value.item() if hasattr(value, "item") else value  # numpy's
    if isinstance(plain, str):
        return checked_text("value", plain, empty=True)
    if isinstance(plain, (int, float)) and math.isfinite(plain) and abs(plain) <= 2**53:
        return plain
    raise InputError(f"value must be text, True, False or a finite number up to 2**53, not {value!r}")


def _counted(team: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **with_id(team, "team_id"),
        "users": _count(team.get("users")),
        "parameters": _count(team.get("parameters")),
    }


def _count(nested: Any) -> int | None:
    return len(nested) if isinstance(nested, (list, dict)) else None


def _head(team: Mapping[str, Any]) -> dict[str, Any]:
    return {"team_id": with_id(team, "team_id")["team_id"], "team": team.get("name")}


def _users(team: Mapping[str, Any]) -> list[dict[str, Any]]:
    users = team.get("users")
    return [  # C: whether a user stands there as an id or as an object
        {**(with_id(user, "user_id") if isinstance(user, dict) else {"user_id": user}), **_head(team)}
        for user in (users if isinstance(users, list) else [])
    ]


def _parameters(team: Mapping[str, Any]) -> list[dict[str, Any]]:
    stated = team.get("parameters")
    if isinstance(stated, dict):  # C: a list of objects, or one object of values by name
        stated = [{"name": name, "value": value} for name, value in stated.items()]
    return [{**item, **_head(team)} for item in (stated or []) if isinstance(item, dict)]
