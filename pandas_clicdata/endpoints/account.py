"""The account: usage and limits, and the activity of users and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.arguments import Output, check_choice, check_output
from pandas_clicdata.endpoints.answers import parse_object
from pandas_clicdata.endpoints.endpoint import Endpoint
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import get

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

# C: every key but id, name and domain (O24)
METRICS = {
    "metric": "text",
    "used": "number",
    "limit": "number",
    "share": "number",
    "id": "object",
    "name": "text",
    "domain": "text",
}
ACTIVITY = {  # C: every key (O18)
    "users": {"user_id": "integer", "email_address": "text", "date": "datetime", "action": "text"},
    "dashboards": {"dashboard_id": "integer", "name": "text", "date": "datetime", "views": "integer"},
}


class Account(Endpoint):
    """The account of a session."""

    @overload
    def get_account(self, output: Literal["df"] = ...) -> pd.DataFrame: ...

    @overload
    def get_account(self, output: Literal["dict"]) -> dict[str, Any]: ...

    def get_account(self, output: Output = "df") -> pd.DataFrame | dict[str, Any]:
        """Read usage and limits of the account.

        Parameters
        ----------
        output : {"df", "dict"}, default "df"
            A frame, or a dict as ClicData sent it.

        Returns
        -------
        DataFrame or dict
            A row per metric: ``metric`` (text), ``used``, ``limit`` and ``share``, which is used / limit (Float64).
            Each row repeats ``id`` (unconverted), ``name``, ``domain`` (text) of the account and any other key
            that ClicData sends, so that the frames of several accounts can be concatenated. An account without
            metrics is one row.

        Raises
        ------
        InputError
            ``output`` is not one of its choices.

        Notes
        -----
        ``GET /account``.

        Examples
        --------
        >>> usage = Account().get_account()
        >>> usage.loc[usage["metric"] == "dashboards", ["used", "limit"]].to_numpy().tolist()
        [[3.0, 50.0]]
        """
        check_output(output)
        account = parse_object(self._call(get("read the account", "/account")), "account")
        if output == "dict":
            return account
        metrics = _parse_metrics(account)
        parsed = {*_METRIC_KEYS, *(metric["metric"] for metric in metrics if isinstance(metric["metric"], str))}
        repeated = {key: account.get(key) for key in ("id", "name", "domain")}
        repeated.update({key: value for key, value in account.items() if key not in parsed})
        frame = frame_of_records([{**metric, **repeated} for metric in metrics] or [repeated], METRICS)
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
        """Read the actions of users, or the views of dashboards.

        Parameters
        ----------
        entity : {"users", "dashboards"}, default "users"
            The objects whose activity to read.
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData sent them.

        Returns
        -------
        DataFrame or list of dict
            A row per event. Users: ``user_id`` (Int64), ``email_address`` (text), ``date`` (datetime, UTC),
            ``action`` (text). Dashboards: ``dashboard_id`` (Int64), ``name`` (text), ``date`` (datetime, UTC),
            ``views`` (Int64). Any other key that ClicData sends follows.

        Raises
        ------
        InputError
            An argument is not one of its choices.

        Notes
        -----
        ``GET /account/activity/users``, ``GET /account/activity/dashboards``.

        Examples
        --------
        >>> views = Account().get_account_activity("dashboards")
        >>> views.columns.tolist()
        ['dashboard_id', 'name', 'date', 'views']
        """
        entity_ = check_choice("entity", entity, tuple(ACTIVITY))
        check_output(output)
        request = get(f"read the activity of {entity_}", f"/account/activity/{entity_}", key=entity_)
        listed = records(self._call, request)
        return listed if output == "dict" else frame_of_records(listed, ACTIVITY[entity_])


_METRIC_KEYS = ("metrics", "usage")  # C: the keys that may hold the metrics (O24)


def _parse_metrics(account: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record per metric. The metrics have a key of their own, or are keys beside ``name``."""
    metrics = [metric for key in _METRIC_KEYS if key in account for metric in _parse_list(account[key])]
    others = ((key, value) for key, value in account.items() if key not in {*_METRIC_KEYS, "id", "name", "domain"})
    return metrics or [_parse_metric(key, value) for key, value in others if _is_metric(value)]


def _parse_list(metrics: Any) -> list[dict[str, Any]]:
    if isinstance(metrics, list):
        return [_parse_metric(item.get("metric", item.get("name")), item) for item in metrics if isinstance(item, dict)]
    return [_parse_metric(name, value) for name, value in metrics.items()] if isinstance(metrics, dict) else []


def _parse_metric(name: Any, value: Any) -> dict[str, Any]:
    cells = value if isinstance(value, dict) else {"used": value}
    others = {key: cell for key, cell in cells.items() if key not in METRICS}
    return {"metric": name, "used": cells.get("used"), "limit": cells.get("limit"), **others}


def _is_metric(value: Any) -> bool:
    if isinstance(value, dict):
        return "used" in value or "limit" in value
    return isinstance(value, (int, float)) and not isinstance(value, bool)
