"""Rows and stored versions of a data set: the requests for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pandas_clicdata.arguments import check_id
from pandas_clicdata.endpoints.answers import Version, parse_version
from pandas_clicdata.errors import NotFound
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import Request, get

if TYPE_CHECKING:
    from pandas_clicdata.session.wire import Caller


def rows_request(rec_id: int, ver_id: int | None) -> Request:
    """Return the request for the rows of a data set or of one of its versions, without a page number."""
    if ver_id is None:
        return get("read rows", f"/data/{rec_id}", key="data")
    return get("read a version", f"/data/{rec_id}/v/{ver_id}", key="data")


def check_version(ver_id: Any) -> int | Literal["latest"]:
    """Return the number of a version, or "latest"."""
    return "latest" if isinstance(ver_id, str) and ver_id == "latest" else check_id("ver_id", ver_id)


def stored_version(caller: Caller, rec_id: int, ver_id: int | Literal["latest"]) -> Version:
    """Return a version by its number; or the newest one, from ``GET /data/{id}/versions``, or raise `NotFound`."""
    ver_id = check_version(ver_id)
    if ver_id != "latest":
        return Version(ver_id, None)
    versions = [parse_version(record) for record in list_versions(caller, rec_id)]
    if not versions:
        raise NotFound(f"data set {rec_id} has no stored version yet", operation="list versions")
    return max(versions)  # C: that the newest version has the highest number (O7)


def list_versions(caller: Caller, rec_id: int) -> list[dict[str, Any]]:
    """Return the stored versions of a data set, as the service lists them."""
    return records(caller.call, get("list versions", f"/data/{rec_id}/versions", key="versions"))
