"""The endpoints under ``/user``, ``/team`` and ``/profile``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from pandas_clicdata.sandbox.answers import Answer, Refusal, done, invalid, listing, rule, value

if TYPE_CHECKING:
    from pandas_clicdata.sandbox.answers import Call
    from pandas_clicdata.sandbox.people import People

_PARAMETERS = [{"name": "country", "value": "FR"}, {"name": "level", "value": 2}]  # C: the shape (O18)


class _NewUser(msgspec.Struct, forbid_unknown_fields=True):
    email_address: str
    first_name: str
    last_name: str
    license: str = "viewer"  # C
    password: str | None = None


class _UserChanges(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    email_address: str | msgspec.UnsetType = msgspec.UNSET
    first_name: str | msgspec.UnsetType = msgspec.UNSET
    last_name: str | msgspec.UnsetType = msgspec.UNSET
    license: str | msgspec.UnsetType = msgspec.UNSET


class _Password(msgspec.Struct, forbid_unknown_fields=True):
    password: str


class _NewTeam(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    description: str = ""


class _TeamChanges(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET


class _Member(msgspec.Struct, forbid_unknown_fields=True):
    user_id: int


class _Parameter(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    value: str | int | float | bool


class _ParameterName(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class PeopleCalls:
    """The calls about users and teams."""

    def __init__(self, people: People) -> None:
        self._people = people

    # -- users ------------------------------------------------------------------------

    def users(self, call: Call) -> Answer:
        """``GET /user``."""
        return listing(call, "users", [_shown(call, user) for user in self._people.users()], counted=True)

    def user(self, call: Call, user_id: int) -> Answer:
        """``GET /user/{id}``."""
        return value(call, _shown(call, self._people.user(user_id)))

    def create_user(self, call: Call) -> Answer:
        """``POST /user``."""
        wanted = call.decoded(_NewUser)
        if wanted.password == "":
            raise invalid("password is empty.")
        return value(call, self._people.create_user(**msgspec.structs.asdict(wanted)))

    def update_user(self, call: Call, user_id: int) -> Answer:
        """``PUT /user/{id}``."""
        self._people.update_user(user_id, _changes(call.decoded(_UserChanges)))
        return done(call)

    def delete_user(self, call: Call, user_id: int) -> Answer:
        """``DELETE /user/{id}``."""
        self._people.delete_user(user_id)
        return done(call)

    def set_password(self, call: Call, user_id: int) -> Answer:
        """``PUT /user/{id}/password``."""
        self._people.set_password(user_id, call.decoded(_Password).password)
        return done(call)

    def profile(self, call: Call) -> Answer:
        """``GET /profile/user``."""
        user = None if call.caller.username is None else self._people.user_by_mail(call.caller.username)
        if user is None:  # C: the response to an app without a user
            raise Refusal(403, "NoUser", "This login is not that of a user: use Basic or an authorization code.")
        return value(call, user)

    # -- teams ------------------------------------------------------------------------

    def teams(self, call: Call) -> Answer:
        """``GET /team``."""
        return listing(call, "teams", self._people.teams(), counted=True)

    def create_team(self, call: Call) -> Answer:
        """``POST /team``."""
        wanted = call.decoded(_NewTeam)
        return value(call, self._people.create_team(wanted.name, wanted.description))

    def update_team(self, call: Call, team_id: int) -> Answer:
        """``PUT /team/{id}``."""
        self._people.update_team(team_id, _changes(call.decoded(_TeamChanges)))
        return done(call)

    def delete_team(self, call: Call, team_id: int) -> Answer:
        """``DELETE /team/{id}``."""
        self._people.delete_team(team_id)
        return done(call)

    def add_member(self, call: Call, team_id: int) -> Answer:
        """``POST /team/{id}/user``."""
        self._people.add_member(team_id, call.decoded(_Member).user_id)
        return done(call)

    def remove_member(self, call: Call, team_id: int) -> Answer:
        """``DELETE /team/{id}/user``."""
        if not call.body and "user_id" in call.args:
            self._people.remove_member(team_id, call.number("user_id", 0))
        else:
            self._people.remove_member(team_id, call.decoded(_Member).user_id)
        return done(call)

    def set_parameter(self, call: Call, team_id: int) -> Answer:
        """``POST /team/{id}/parameter``."""
        wanted = call.decoded(_Parameter)
        self._people.set_parameter(team_id, wanted.name, wanted.value)
        return done(call)

    def remove_parameter(self, call: Call, team_id: int) -> Answer:
        """``DELETE /team/{id}/parameter``; C: whether the name goes in the body or in the query."""
        if not call.body and "name" in call.args:
            self._people.remove_parameter(team_id, call.args["name"])
        else:
            self._people.remove_parameter(team_id, call.decoded(_ParameterName).name)
        return done(call)


def _shown(call: Call, user: dict[str, Any]) -> dict[str, Any]:
    return {**user, "parameters": _PARAMETERS} if call.settings.switches.shapes == "rich" else user


def _changes(wanted: msgspec.Struct) -> dict[str, Any]:
    """Return the fields to change; refuse a body without any."""
    changes: dict[str, Any] = {
        name: new for name, new in msgspec.structs.asdict(wanted).items() if new is not msgspec.UNSET
    }
    if not changes:
        raise invalid(f"Nothing to change; the fields are {', '.join(wanted.__struct_fields__)}.")
    return changes


_rule = partial(rule, PeopleCalls)
RULES = [
    _rule("GET", "/user", PeopleCalls.users, "user_read"),
    _rule("POST", "/user", PeopleCalls.create_user, "user_write"),
    _rule("GET", "/user/{user_id}", PeopleCalls.user, "user_read"),
    _rule("PUT", "/user/{user_id}", PeopleCalls.update_user, "user_write"),
    _rule("DELETE", "/user/{user_id}", PeopleCalls.delete_user, "user_write"),
    _rule("PUT", "/user/{user_id}/password", PeopleCalls.set_password, "user_write"),
    _rule("GET", "/profile/user", PeopleCalls.profile, "user_read"),
    _rule("GET", "/team", PeopleCalls.teams, "team_read"),
    _rule("POST", "/team", PeopleCalls.create_team, "team_write"),
    _rule("PUT", "/team/{team_id}", PeopleCalls.update_team, "team_write"),
    _rule("DELETE", "/team/{team_id}", PeopleCalls.delete_team, "team_write"),
    _rule("POST", "/team/{team_id}/user", PeopleCalls.add_member, "team_write"),
    _rule("DELETE", "/team/{team_id}/user", PeopleCalls.remove_member, "team_write"),
    _rule("POST", "/team/{team_id}/parameter", PeopleCalls.set_parameter, "team_write"),
    _rule("DELETE", "/team/{team_id}/parameter", PeopleCalls.remove_parameter, "team_write"),
]
