"""The endpoints under ``/user``, ``/team`` and ``/profile``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pandas_clicdata.sandbox.answers import Answer, Refusal, done, invalid, listing, value
from pandas_clicdata.sandbox.routes import ID, Route, rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.routing import Rule

    from pandas_clicdata.sandbox.answers import Call, Settings
    from pandas_clicdata.sandbox.people import People


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


_new_user = msgspec.json.Decoder(_NewUser)
_user_changes = msgspec.json.Decoder(_UserChanges)
_password = msgspec.json.Decoder(_Password)
_new_team = msgspec.json.Decoder(_NewTeam)
_team_changes = msgspec.json.Decoder(_TeamChanges)
_member = msgspec.json.Decoder(_Member)
_parameter = msgspec.json.Decoder(_Parameter)
_parameter_name = msgspec.json.Decoder(_ParameterName)


class PeopleCalls:
    """What can be asked of users and teams."""

    def __init__(self, people: People, settings: Settings) -> None:
        self._people = people
        self._settings = settings

    # -- users --------------------------------------------------------------------------------------------

    def users(self, call: Call) -> Answer:
        """``GET /user``."""
        return listing(call, "users", self._people.users(), self._settings, counted=True)

    def user(self, call: Call, user_id: int) -> Answer:
        """``GET /user/{id}``."""
        return value(call, self._people.user(user_id))

    def create_user(self, call: Call) -> Answer:
        """``POST /user``."""
        wanted = call.decoded(_new_user)
        if wanted.password == "":
            raise invalid("password is empty.")
        return value(call, self._people.create_user(**msgspec.structs.asdict(wanted)))

    def update_user(self, call: Call, user_id: int) -> Answer:
        """``PUT /user/{id}``."""
        self._people.update_user(user_id, _changes(call.decoded(_user_changes)))
        return done(call)

    def delete_user(self, call: Call, user_id: int) -> Answer:
        """``DELETE /user/{id}``."""
        self._people.delete_user(user_id)
        return done(call)

    def set_password(self, call: Call, user_id: int) -> Answer:
        """``PUT /user/{id}/password``."""
        self._people.set_password(user_id, call.decoded(_password).password)
        return done(call)

    def profile(self, call: Call) -> Answer:
        """``GET /profile/user``."""
        user = None if call.caller.username is None else self._people.user_by_mail(call.caller.username)
        if user is None:  # C: what an app without a user gets
            raise Refusal(403, "NoUser", "This login is not that of a user: use Basic or an authorization code.")
        return value(call, user)

    # -- teams --------------------------------------------------------------------------------------------

    def teams(self, call: Call) -> Answer:
        """``GET /team``."""
        return listing(call, "teams", self._people.teams(), self._settings, counted=True)

    def create_team(self, call: Call) -> Answer:
        """``POST /team``."""
        wanted = call.decoded(_new_team)
        return value(call, self._people.create_team(wanted.name, wanted.description))

    def update_team(self, call: Call, team_id: int) -> Answer:
        """``PUT /team/{id}``."""
        self._people.update_team(team_id, _changes(call.decoded(_team_changes)))
        return done(call)

    def delete_team(self, call: Call, team_id: int) -> Answer:
        """``DELETE /team/{id}``."""
        self._people.delete_team(team_id)
        return done(call)

    def add_member(self, call: Call, team_id: int) -> Answer:
        """``POST /team/{id}/user``."""
        self._people.add_member(team_id, call.decoded(_member).user_id)
        return done(call)

    def remove_member(self, call: Call, team_id: int) -> Answer:
        """``DELETE /team/{id}/user``."""
        if not call.body and "user_id" in call.args:
            self._people.remove_member(team_id, call.number("user_id", 0))
        else:
            self._people.remove_member(team_id, call.decoded(_member).user_id)
        return done(call)

    def set_parameter(self, call: Call, team_id: int) -> Answer:
        """``POST /team/{id}/parameter``."""
        wanted = call.decoded(_parameter)
        self._people.set_parameter(team_id, wanted.name, wanted.value)
        return done(call)

    def remove_parameter(self, call: Call, team_id: int) -> Answer:
        """``DELETE /team/{id}/parameter``; C: whether the name goes in the body or in the query."""
        if not call.body and "name" in call.args:
            self._people.remove_parameter(team_id, call.args["name"])
        else:
            self._people.remove_parameter(team_id, call.decoded(_parameter_name).name)
        return done(call)


def _changes(wanted: msgspec.Struct) -> dict[str, Any]:
    """What is to change; that nothing is would be a mistake."""
    changes: dict[str, Any] = {
        name: new for name, new in msgspec.structs.asdict(wanted).items() if new is not msgspec.UNSET
    }
    if not changes:
        raise invalid(f"Nothing to change; there are {', '.join(wanted.__struct_fields__)}.")
    return changes


def _rule(verb: str, path: str, answer: Callable[..., Answer], scope: str) -> Rule:
    return rule(verb, path, Route(PeopleCalls, answer, scope))


_USER, _TEAM = ID.format("user_id"), ID.format("team_id")
RULES = [
    _rule("GET", "/user", PeopleCalls.users, "user_read"),
    _rule("POST", "/user", PeopleCalls.create_user, "user_write"),
    _rule("GET", f"/user/{_USER}", PeopleCalls.user, "user_read"),
    _rule("PUT", f"/user/{_USER}", PeopleCalls.update_user, "user_write"),
    _rule("DELETE", f"/user/{_USER}", PeopleCalls.delete_user, "user_write"),
    _rule("PUT", f"/user/{_USER}/password", PeopleCalls.set_password, "user_write"),
    _rule("GET", "/profile/user", PeopleCalls.profile, "user_read"),
    _rule("GET", "/team", PeopleCalls.teams, "team_read"),
    _rule("POST", "/team", PeopleCalls.create_team, "team_write"),
    _rule("PUT", f"/team/{_TEAM}", PeopleCalls.update_team, "team_write"),
    _rule("DELETE", f"/team/{_TEAM}", PeopleCalls.delete_team, "team_write"),
    _rule("POST", f"/team/{_TEAM}/user", PeopleCalls.add_member, "team_write"),
    _rule("DELETE", f"/team/{_TEAM}/user", PeopleCalls.remove_member, "team_write"),
    _rule("POST", f"/team/{_TEAM}/parameter", PeopleCalls.set_parameter, "team_write"),
    _rule("DELETE", f"/team/{_TEAM}/parameter", PeopleCalls.remove_parameter, "team_write"),
]
