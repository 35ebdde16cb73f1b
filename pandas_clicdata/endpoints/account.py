"""The account: what is used of what, and who did what when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.endpoints.answers import one
from pandas_clicdata.endpoints.data import OUTPUTS, Output
from pandas_clicdata.endpoints.noun import Noun, checked_choice
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import get

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

# C: the names of the keys, but for id, name and domain.
METRICS = {
    "metric": "text",
    "used": "number",
    "limit": "number",
    "share": "number",
    "id": "object",
    "name": "text",
    "domain": "text",
}
ACTIVITY = {
    "users": {"user_id": "integer", "email_address": "text", "date": "datetime", "action": "text"},
    "dashboards": {"dashboard_id": "integer", "name": "text", "date": "datetime", "views": "integer"},
}


class Account(Noun):
    """The account.

    Parameters
    ----------
    session : Session, optional
        What to call through; the default session if not given.
    **connection_params
        Those of `Session`, for a session of its own.
    """

    @overload
    def get_account(self, output: Literal["df"] = ...) -> pd.DataFrame: ...

    @overload
    def get_account(self, output: Literal["dict"]) -> dict[str, Any]: ...

    def get_account(self, output: Output = "df") -> pd.DataFrame | dict[str, Any]:
        """Usage and limits of the account.

        ``GET /account``

        Parameters
        ----------
        output : {"df", "dict"}, default "df"
            A frame, or a dict as ClicData gave it.

        Returns
        -------
        DataFrame or dict
            A row per metric: ``metric`` (text), ``used``, ``limit`` and ``share``, which is used / limit (Float64);
            then ``id`` (as it came), ``name``, ``domain`` (text) of the account and whatever else ClicData says
            of it, the same in each row, so that the frames of several accounts can be put below each other. An
            account that tells no metrics is one row without them.

        Raises
        ------
        InputError
            ``output`` is none of the two.

        Examples
        --------
        >>> usage = Account().get_account()
        >>> usage.loc[usage["metric"] == "dashboards", ["used", "limit"]].to_numpy().tolist()
        [[3.0, 50.0]]
        """
        checked_choice("output", output, OUTPUTS)
        account = one(self._call(get("read the account", "/account")), "account")
        if output == "dict":
            return account
        named = {key: account.get(key) for key in ("id", "name", "domain")}
        metrics = _metrics(account)
        told = {metric["metric"] for metric in metrics}
        more = {key: value for key, value in account.items() if key not in {*named, *told, *_HOLDERS}}
        frame = frame_of_records([{**metric, **named, **more} for metric in metrics] or [{**named, **more}], METRICS)
        frame["share"] = frame["used"] / frame["limit"].where(frame["limit"] > 0)
        return frame

    @overload
    def get_account_activity(
        self, entity: Literal["users", "dashboards"] = ..., output: Literal["df"] = ...
    ) -> pd.DataFrame: ...

    @overload
    def get_account_activity(
        self, entity: Literal["users", "dashboards"] = ..., *, output: Literal["dict"]
    ) -> list[dict[str, Any]]: ...

    @overload
    def get_account_activity(
        self, entity: Literal["users", "dashboards"], output: Literal["dict"]
    ) -> list[dict[str, Any]]: ...

    def get_account_activity(
        self, entity: Literal["users", "dashboards"] = "users", output: Output = "df"
    ) -> pd.DataFrame | list[dict[str, Any]]:
        """What users did, or how often dashboards were looked at.

        ``GET /account/activity/users``, ``GET /account/activity/dashboards``

        Parameters
        ----------
        entity : {"users", "dashboards"}, default "users"
            Whose activity.
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData gave them.

        Returns
        -------
        DataFrame or list of dict
            A row per event: of users ``user_id`` (Int64), ``email_address`` (text), ``date`` (datetime, UTC),
            ``action`` (text); of dashboards ``dashboard_id`` (Int64), ``name`` (text), ``date`` (datetime, UTC),
            ``views`` (Int64); and whatever else ClicData says.

        Raises
        ------
        InputError
            An argument is none of its choices.

        Examples
        --------
        >>> views = Account().get_account_activity("dashboards")
        >>> views.columns.tolist()
        ['dashboard_id', 'name', 'date', 'views']
        """
        entity_ = checked_choice("entity", entity, tuple(ACTIVITY))
        checked_choice("output", output, OUTPUTS)
        asked = get(f"read the activity of {entity_}", f"/account/activity/{entity_}", key=entity_)
        listed = records(self._call, asked)
        return listed if output == "dict" else frame_of_records(listed, ACTIVITY[entity_])


_HOLDERS = ("metrics", "usage")  # C: the keys that may hold the metrics


def _metrics(account: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A record per metric, in whichever of the likely shapes they come.

    C: an object of objects under a key of its own is proposed; a list of them, and bare numbers, under such a key or
    beside the name of the account, are read too.
    """
    stated = [account[key] for key in _HOLDERS if key in account]
    found = [metric for holder in stated for metric in _held(holder)]
    beside = ((name, value) for name, value in account.items() if name not in {*_HOLDERS, "id", "name", "domain"})
    return found or [_metric(name, value) for name, value in beside if _is_measured(value)]


def _held(holder: Any) -> list[dict[str, Any]]:
    if isinstance(holder, list):
        return [_metric(item.get("metric", item.get("name")), item) for item in holder if isinstance(item, dict)]
    return [_metric(name, value) for name, value in holder.items()] if isinstance(holder, dict) else []


def _metric(name: Any, value: Any) -> dict[str, Any]:
    stated = value if isinstance(value, dict) else {"used": value}
    more = {key: cell for key, cell in stated.items() if key not in METRICS}
    return {"metric": name, "used": stated.get("used"), "limit": stated.get("limit"), **more}


def _is_measured(value: Any) -> bool:
    """Whether a value is that of a metric: a number, or an object that says what is used."""
    if isinstance(value, dict):
        return "used" in value or "limit" in value
    return isinstance(value, (int, float)) and not isinstance(value, bool)
