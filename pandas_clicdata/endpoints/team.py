"""Teams: list, create, update, delete; their users and parameters."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.arguments import Output, check_flag, check_name, check_output, check_text
from pandas_clicdata.changes.arguments import checked_share
from pandas_clicdata.endpoints.answers import count, create
from pandas_clicdata.endpoints.bulk import send_rows
from pandas_clicdata.endpoints.endpoint import Endpoint
from pandas_clicdata.endpoints.people import (
    ADDED,
    REMOVED,
    UNCHANGED,
    Addresses,
    Found,
    Step,
    UserPlan,
    UserReceipt,
    by_address,
    check_switch,
    fold,
    guard,
    known_users,
    planned,
)
from pandas_clicdata.errors import InputError, NotFound, ProtocolError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.names import TEAM, USER, check_id_or_name, find_id, list_all, parse_integer, rename_id
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import Request, get, json_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from typing_extensions import Self

    from pandas_clicdata.session.session import Session

TEAMS = {  # C: every key, in responses (O18) and in bodies (O19)
    "team_id": "integer",
    "name": "text",
    "description": "text",
    "users": "integer",
    "parameters": "integer",
}
TEAM_USERS = {"team_id": "integer", "team": "text", "user_id": "integer"}
TEAM_PARAMETERS = {"team_id": "integer", "team": "text", "name": "text", "value": "text"}
REPORT = {"user_id": "integer", "state": "text", "error": "text"}


class Team(Endpoint):
    """The teams of an account."""

    # -----------------------------------------------------------------------------------------------------
    # Reading

    @overload
    def get_team(self, output: Literal["df"] = ...) -> pd.DataFrame: ...

    @overload
    def get_team(self, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    def get_team(self, output: Output = "df") -> pd.DataFrame | list[dict[str, Any]]:
        """List the teams.

        Parameters
        ----------
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData sent them.

        Returns
        -------
        DataFrame or list of dict
            A row per team: ``team_id`` (Int64), ``name``, ``description`` (text), ``users`` and ``parameters`` (Int64:
            their numbers; `get_team_users` and `get_team_parameters` list them), and any other key that ClicData sends.

        Raises
        ------
        InputError
            ``output`` is not one of its choices.

        Notes
        -----
        ``GET /team``.

        Examples
        --------
        >>> Team().get_team()["name"].tolist()
        ['Sales', 'North']
        """
        check_output(output)
        listed = self._list()
        return listed if output == "dict" else frame_of_records([_count_members(team) for team in listed], TEAMS)

    def get_team_users(self) -> pd.DataFrame:
        """List the users of each team.

        Returns
        -------
        DataFrame
            A row per team and user: ``team_id`` (Int64), ``team`` (text, its name), ``user_id`` (Int64, as in
            `User.get_user`), and any other key that ClicData sends.

        Notes
        -----
        ``GET /team``.

        Examples
        --------
        >>> people = Team().get_team_users().merge(User().get_user(), on="user_id")
        >>> people.loc[people["team"] == "North", "first_name"].tolist()
        ['Zoë', 'Ayşe']
        """
        return frame_of_records([row for team in self._list() for row in _parse_users(team)], TEAM_USERS)

    def get_team_parameters(self) -> pd.DataFrame:
        """List the parameters of the teams.

        Returns
        -------
        DataFrame
            A row per team and parameter: ``team_id`` (Int64), ``team`` (text, its name), ``name``, ``value`` (text),
            and any other key that ClicData sends.

        Notes
        -----
        ``GET /team``.

        Examples
        --------
        >>> Team().get_team_parameters()[["team", "name", "value"]].to_numpy().tolist()
        [['North', 'country', 'FR']]
        """
        return frame_of_records([row for team in self._list() for row in _parse_parameters(team)], TEAM_PARAMETERS)

    def _list(self) -> list[dict[str, Any]]:
        return records(self._call, get("list teams", "/team", key="teams"))

    # -----------------------------------------------------------------------------------------------------
    # Creating, updating, deleting

    def create_team(self, name: str, desc: str = "") -> int:
        """Create a team.

        The request is never repeated.

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
            A team of that name exists.
        CreateAmbiguous
            The response was lost: the team may be created or not. The message names the teams of that name.

        Notes
        -----
        ``POST /team``.

        Examples
        --------
        >>> team_id = Team().create_team("South", "the shops of the south")
        >>> team_id in Team().get_team()["team_id"].tolist()
        True
        """
        body = {"name": check_name("name", name), "description": check_text("desc", desc, empty=True)}

        def find() -> list[Any]:
            return [rename_id(team, "team_id")["team_id"] for team in self._list() if team.get("name") == name]

        request = Request("create a team", "POST", "/team", body=json_body(body))
        return create(self._call, request, find, what="team", key="name")

    def update_team(self, team_id: int | str, name: str | None = None, desc: str | None = None) -> dict[str, Any]:
        """Change the name or description of a team.

        Parameters
        ----------
        team_id : int or str
            The team, by its id or exact name.
        name, desc : str, optional
            The new values. An argument that is not given changes nothing.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            An argument can't be used, or there is nothing to change; nothing was sent.
        NotFound
            There is no such team.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``PUT /team/{id}``.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> Team().update_team(team_id, desc="south of the river")
        {'success': True}
        """
        body = {}
        if name is not None:
            body["name"] = check_name("name", name)
        if desc is not None:
            body["description"] = check_text("desc", desc, empty=True)
        if not body:
            raise InputError("nothing to update: give name or desc")
        held, team_id = self._find(TEAM, team_id)
        return held._write("update a team", "PUT", f"/team/{team_id}", body)

    def delete_team(self, team_id: int | str) -> dict[str, Any]:
        """Delete a team. Its users stay.

        Parameters
        ----------
        team_id : int or str
            The team, by its id or exact name.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            ``team_id`` can't be used; nothing was sent.
        NotFound
            There is no such team.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``DELETE /team/{id}``.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> Team().delete_team(team_id)
        {'success': True}
        """
        held, team_id = self._find(TEAM, team_id)
        return held._write("delete a team", "DELETE", f"/team/{team_id}")

    # -----------------------------------------------------------------------------------------------------
    # Users

    def add_user(self, team_id: int | str, user_id: int | str) -> dict[str, Any]:
        """Add a user to a team.

        Parameters
        ----------
        team_id : int or str
            The team, by its id or exact name.
        user_id : int or str
            The user, by the id or mail address.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such team or user.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``POST /team/{id}/user``.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> user_id = User().get_user()["user_id"].iloc[0]
        >>> Team().add_user(team_id, user_id)
        {'success': True}
        """
        held, team_id, user_id = self._find_both(team_id, user_id)
        return held._write("add a user to a team", "POST", f"/team/{team_id}/user", {"user_id": user_id})

    def add_users(
        self, team_id: int | str, users: pd.DataFrame | Iterable[int | str], *, progress: bool | None = None
    ) -> pd.DataFrame:
        """Add many users to a team.

        All ids are checked before the first request. If ClicData refuses a user, the others still follow. Refused
        credentials, a rate limit or a lost response stop the call.

        Parameters
        ----------
        team_id : int or str
            The team, by its id or exact name.
        users : DataFrame, Series or iterable of int or str
            The ids or mail addresses, or a frame with the column ``user_id``, such as `User.get_user` and
            `User.create_users` return.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.

        Returns
        -------
        DataFrame
            A row per user, with the index of ``users``: ``user_id`` (Int64), ``state`` (``"added"``, ``"refused"``,
            ``"in doubt"``, ``"not sent"``), ``error`` (text). If the call returns, each user was added or refused.

        Raises
        ------
        InputError
            An id can't be used, or is given twice; nothing was sent.
        WriteError
            The call stopped midway: ``.receipt`` is the frame, ``.in_doubt`` is True if a row is in doubt. If the
            first request fails and nothing was done, its own error is raised.

        Notes
        -----
        ``POST /team/{id}/user``, once per user.

        Examples
        --------
        >>> team_id = Team().create_team("Everybody")
        >>> Team().add_users(team_id, User().get_user())["state"].unique().tolist()
        ['added']
        """
        check_id_or_name(TEAM, team_id)
        asked, index = _check_users(users)
        progress = check_flag("progress", progress)
        held = Team(session=self.session)
        team = held._find(TEAM, team_id)[1]
        ids = _find_users(asked, held.session)
        rows = [{"user_id": user_id} for user_id in ids]

        def send(position: int) -> dict[str, Any]:
            held.add_user(team, ids[position])
            return {"state": "added"}

        return send_rows(
            "add users to a team", rows, send, schema=REPORT, index=index, progress=progress, session=held.session
        )

    def remove_user(self, team_id: int | str, user_id: int | str) -> dict[str, Any]:
        """Remove a user from a team.

        Parameters
        ----------
        team_id : int or str
            The team, by its id or exact name.
        user_id : int or str
            The user, by the id or mail address.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such team, or the user is not in it.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``DELETE /team/{id}/user``.

        Examples
        --------
        >>> first = Team().get_team_users().iloc[0]
        >>> Team().remove_user(first["team_id"], first["user_id"])
        {'success': True}
        """
        held, team_id, user_id = self._find_both(team_id, user_id)
        body = {"user_id": user_id}  # C: that it goes in the body (O19)
        return held._write("remove a user from a team", "DELETE", f"/team/{team_id}/user", body)

    def _find_both(self, team_id: int | str, user_id: int | str) -> tuple[Self, int, int]:
        """Return both ids. Both are checked before one is looked up; see `_find`."""
        check_id_or_name(USER, user_id)
        held, team_id = self._find(TEAM, team_id)
        held, user_id = held._find(USER, user_id)
        return held, team_id, user_id

    @overload
    def sync_users(
        self,
        team_id: int | str,
        frame: pd.DataFrame,
        on: str = ...,
        *,
        remove: bool = ...,
        dry_run: Literal[False] = ...,
        max_removed: float | None = ...,
        progress: bool | None = ...,
    ) -> UserReceipt: ...

    @overload
    def sync_users(
        self,
        team_id: int | str,
        frame: pd.DataFrame,
        on: str = ...,
        *,
        remove: bool = ...,
        dry_run: bool,
        max_removed: float | None = ...,
        progress: bool | None = ...,
    ) -> UserReceipt | UserPlan: ...

    def sync_users(
        self,
        team_id: int | str,
        frame: pd.DataFrame,
        on: str = "email_address",
        *,
        remove: bool = False,
        dry_run: bool = False,
        max_removed: float | None = None,
        progress: bool | None = None,
    ) -> UserReceipt | UserPlan:
        """Make the users of a team match a frame.

        It can be called again after any error: it lists the users and does the rest.

        Parameters
        ----------
        team_id : int or str
            The team, by its id or exact name.
        frame : DataFrame
            A row per user, with the address of a user of the account. The letter case of an address doesn't matter.
        on : str, default "email_address"
            The column with the address. If the frame lacks the default column, ``email`` is used.
        remove : bool, default False
            Whether to remove users that the frame lacks from the team, after all others. They stay in the account.
        dry_run : bool, default False
            Whether to return the plan instead of carrying it out.
        max_removed : int or float, optional
            The most users to remove: a number, or as a float a share of the team (0.1). By default ten users, or
            a tenth of the team if that is more. An empty frame is always refused.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.

        Returns
        -------
        UserReceipt, or UserPlan with ``dry_run``
            The state of each user. A user that ClicData refuses doesn't stop the others.

        Raises
        ------
        InputError
            An address is missing, is in two rows, or belongs to no user; or too many users would be removed. Nothing
            was sent.
        NotFound
            There is no such team.
        SyncInterrupted
            It stopped midway, with nothing in doubt: see ``.receipt``.
        SyncAmbiguous
            Responses were lost, and listing the users three times did not resolve the doubt: see ``.receipt``.

        Notes
        -----
        ``GET /user`` and ``GET /team``, then ``POST /team/{id}/user`` and ``DELETE /team/{id}/user``, once per user to
        add or remove.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> people = pd.DataFrame({"email_address": ["li@example.com", "Zoe@example.com"]})
        >>> Team().sync_users(team_id, people)
        <UserReceipt: sync users of team ...: 2 added>
        """
        check_id_or_name(TEAM, team_id)
        wanted = Addresses(frame, on)
        takes_away, dry = check_switch("remove", remove), check_switch("dry_run", dry_run)
        most = checked_share("max_removed", max_removed, "users")
        if wanted.problems and not dry:
            raise InputError([f"{problem}. Nothing was sent" for problem in wanted.problems])
        progress = check_flag("progress", progress)
        held, team_id = self._find(TEAM, team_id)
        path = f"/team/{team_id}/user"

        def look() -> Found:
            users = known_users(held.session)
            addresses = {user["user_id"]: user.get("email_address") for user in users}
            members = held._members(team_id)
            steps, problems = _compare(wanted, users, members)
            others = [user_id for user_id in members if fold(addresses.get(user_id)) not in wanted.folded]
            kept = [{"user_id": user_id, "email_address": addresses.get(user_id)} for user_id in others]
            if takes_away:
                pairs = zip(others, kept, strict=True)
                steps += [Step(REMOVED, addresses.get(user_id), user_id, old=user) for user_id, user in pairs]
                kept = []
            problems += guard(steps, REMOVED, len(members), most, "max_removed")
            return Found(steps, problems, kept)

        def send(step: Step) -> dict[str, Any]:
            body = {"user_id": step.user_id}
            if step.state == ADDED:
                held._write("add a user to a team", "POST", path, body)
            else:
                held._write("remove a user from a team", "DELETE", path, body)
            return {}

        plan = UserPlan(
            held.session,
            f"sync users of team {team_id}",
            wanted.index,
            look,
            send,
            problems=wanted.problems,
            progress=progress,
        )
        return planned(plan, dry_run=dry)

    def _members(self, team_id: int) -> list[int]:
        """Return the ids of the users of a team."""
        teams = records(self._call, get("list teams", "/team", key="teams", fresh=True))
        team = next((team for team in teams if parse_integer(rename_id(team, "team_id")["team_id"]) == team_id), None)
        if team is None:
            raise NotFound(f"list teams: there is no team {team_id}", operation="list teams")
        if not isinstance(team.get("users"), list):  # a count, or nothing: the users are unknown
            raise ProtocolError(f"list teams: ClicData doesn't list the users of team {team_id}")
        ids = [parse_integer(user["user_id"]) for user in _parse_users(team)]
        if None in ids:
            raise ProtocolError(f"list teams: ClicData listed a user of team {team_id} whose id is not a number")
        return [user_id for user_id in ids if user_id is not None]

    # -----------------------------------------------------------------------------------------------------
    # Parameters

    def set_parameter(self, team_id: int | str, name: str, value: str | float | bool) -> dict[str, Any]:
        """Create or change a parameter of a team.

        Parameters
        ----------
        team_id : int or str
            The team, by its id or exact name.
        name : str
            The name of the parameter.
        value : str, int, float or bool
            Its value.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such team.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``POST /team/{id}/parameter``.

        Examples
        --------
        >>> team_id = Team().create_team("South")
        >>> Team().set_parameter(team_id, "region", "south")
        {'success': True}
        """
        body = {"name": check_name("name", name), "value": _check_value(value)}
        held, team_id = self._find(TEAM, team_id)
        return held._write("set a parameter of a team", "POST", f"/team/{team_id}/parameter", body)

    def remove_parameter(self, team_id: int | str, name: str) -> dict[str, Any]:
        """Remove a parameter of a team.

        Parameters
        ----------
        team_id : int or str
            The team, by its id or exact name.
        name : str
            The parameter.

        Returns
        -------
        dict
            The response of ClicData.

        Raises
        ------
        InputError
            An argument can't be used; nothing was sent.
        NotFound
            There is no such team or parameter.
        TransportError
            ``.in_doubt`` is True if the change may have been made. The request was not sent again.

        Notes
        -----
        ``DELETE /team/{id}/parameter``.

        Examples
        --------
        >>> first = Team().get_team_parameters().iloc[0]
        >>> Team().remove_parameter(first["team_id"], first["name"])
        {'success': True}
        """
        body = {"name": check_name("name", name)}  # C: that it goes in the body (O19)
        held, team_id = self._find(TEAM, team_id)
        return held._write("remove a parameter of a team", "DELETE", f"/team/{team_id}/parameter", body)


def _compare(
    wanted: Addresses, users: Sequence[dict[str, Any]], members: Sequence[int]
) -> tuple[list[Step], list[str]]:
    """Return the step that adds each user of the frame to the team, and the problems of rows without a step."""
    there, steps, problems = by_address(users), list[Step](), list[str]()
    for row, address in enumerate(wanted.listed):
        if address is None:
            continue
        try:
            user = wanted.only(row, there.get(fold(address), ()))
        except InputError as error:
            problems.append(str(error))
            continue
        if user is None:
            problems.append(
                f"row {wanted.labels[row]!r}: no user has the address {address}: User().sync_users adds one"
            )
            continue
        state = UNCHANGED if user["user_id"] in members else ADDED
        cells = {"email_address": user["email_address"]}
        steps.append(Step(state, user["email_address"], user["user_id"], row, new=cells if state == ADDED else {}))
    return steps, problems


def _check_users(users: Any) -> tuple[list[int | str], pd.Index | None]:
    """Return the ids or addresses, and the index of the frame or Series that holds them."""
    if hasattr(users, "columns"):
        if list(users.columns).count("user_id") != 1:
            raise InputError("the frame must have one column user_id")
        users = users["user_id"]
    if isinstance(users, (str, bytes)) or not hasattr(users, "__iter__"):
        raise InputError(f"users must be a frame with a column user_id, or a list, not {type(users).__name__}")
    index = users.index if hasattr(users, "iloc") else None
    ids: dict[int | str, None] = {}
    problems = []
    for position, user_id in enumerate(users):
        where = f"position {position}" if index is None else f"row {index[position]!r}"
        try:
            number = check_id_or_name(USER, user_id)
        except InputError as error:
            problems.append(f"{where}: {error}")
            continue
        if number in ids:
            problems.append(f"{where}: user {number} is given twice")
        ids[number] = None
    if problems:
        raise InputError(problems)
    return list(ids), index


def _find_users(asked: Sequence[int | str], session: Session) -> list[int]:
    """Return the ids of users that were given by id or by address. The users are listed once, or not at all."""
    listing = cache(partial(list_all, USER, session))
    ids = [find_id(USER, user, session, listing) for user in asked]
    if repeated := [user_id for user_id in dict.fromkeys(ids) if ids.count(user_id) > 1]:
        raise InputError(f"users: user {repeated[0]} is given twice, by the id and by the address")
    return ids


def _check_value(value: Any) -> str | float | bool:
    plain = value.item() if getattr(value, "ndim", None) == 0 else value  # a NumPy scalar as Python's
    if isinstance(plain, str):
        return check_text("value", plain, empty=True)
    if isinstance(plain, (int, float)) and abs(plain) <= 2**53:  # False for NaN
        return plain
    raise InputError(f"value must be text, True, False or a finite number up to 2**53, not {value!r}")


def _count_members(team: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **rename_id(team, "team_id"),
        "users": count(team.get("users")),
        "parameters": count(team.get("parameters")),
    }


def _team_cells(team: Mapping[str, Any]) -> dict[str, Any]:
    return {"team_id": rename_id(team, "team_id")["team_id"], "team": team.get("name")}


def _parse_users(team: Mapping[str, Any]) -> list[dict[str, Any]]:
    users = team.get("users")
    if not isinstance(users, list):
        return []
    rows = [rename_id(u, "user_id") if isinstance(u, dict) else {"user_id": u} for u in users]  # C: which (O18)
    return [{**row, **_team_cells(team)} for row in rows]


def _parse_parameters(team: Mapping[str, Any]) -> list[dict[str, Any]]:
    parameters = team.get("parameters")
    if isinstance(parameters, dict):  # C: a list of objects, or one object of values by name (O18)
        parameters = [{"name": name, "value": value} for name, value in parameters.items()]
    return [{**item, **_team_cells(team)} for item in (parameters or []) if isinstance(item, dict)]
