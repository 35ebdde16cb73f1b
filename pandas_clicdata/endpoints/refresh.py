"""Refresh a data set from its source, and wait for the end of the refresh."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pandas_clicdata.arguments import check_choice, check_flag
from pandas_clicdata.endpoints.answers import parse_data_set_id, parse_result
from pandas_clicdata.endpoints.waiting import check_timeout, wait_until
from pandas_clicdata.errors import NotFound, ProtocolError, server_text
from pandas_clicdata.names import DATA_SET
from pandas_clicdata.progress import bar
from pandas_clicdata.session import wire
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import Dialect, Request, call_in_dialect, get

if TYPE_CHECKING:
    from pandas_clicdata.endpoints.endpoint import Endpoint

_OPERATION = "refresh a data set"

# The legacy path and the modern mode of each method.
REFRESHES = {
    # C: /rebuild from ClicData's list of endpoints; its client of 2020 used /reload (O6)
    "reload": ("rebuild", "reload"),
    "recreate": ("recreate", "rebuild"),  # C: the only method whose mode has another name (O22)
    "update": ("update", "update"),
    "append": ("append", "append"),
    "updateappend": ("updateappend", "updateappend"),
}
REFRESHED = "last_data_update_date"  # C: this date of the list changes at the end of a refresh, and only then (O22)
DATE_STEP = 1.0  # C: seconds after which a date of the list surely differs (O18)


def refresh(
    endpoint: Endpoint, rec_id: int | str, method: str, wait: bool, timeout: float, progress: bool | None
) -> dict[str, Any]:
    """Refresh a data set; with ``wait``, return its record in the list of data sets after the refresh."""
    legacy_path, mode = REFRESHES[check_choice("method", method, tuple(REFRESHES))]
    wait, timeout, progress = bool(check_flag("wait", wait)), check_timeout(timeout), check_flag("progress", progress)
    endpoint, rec_id = endpoint._find(DATA_SET, rec_id)

    def request(dialect: Dialect) -> Request:
        if dialect is Dialect.LEGACY:
            return Request(_OPERATION, "POST", f"/data/{rec_id}/{legacy_path}")
        body, path = wire.json_body({"mode": mode}), f"/table/{rec_id}/refresh"
        return Request(_OPERATION, "POST", path, body=body, api_version=wire.TABLE_VERSION)

    session = endpoint.session
    if not wait:
        session.columns[rec_id] = None  # the source may have other columns by now
        return parse_result(call_in_dialect(session, request))
    with bar(progress, f"refresh {rec_id}", None, "second") as shown:
        before = _listed(endpoint, rec_id)[REFRESHED]
        if before is not None:
            endpoint._sleep(DATE_STEP)
        session.columns[rec_id] = None
        call_in_dialect(session, request).value()
        too_late = (
            f"{REFRESHED} is still {server_text(before)} after {timeout:g} s (timeout=). It doesn't change if the "
            "refresh failed or the data set has no source; Data().get_data(refresh=True) lists data sets with a source"
        )
        ends = f"The refresh of data set {rec_id} was requested, and may go on."
        read = partial(_listed, endpoint, rec_id)
        return wait_until(
            lambda one: one[REFRESHED] != before, read, endpoint, timeout, shown.update, _OPERATION, too_late, ends
        )


def _listed(endpoint: Endpoint, rec_id: int) -> dict[str, Any]:
    """Return the record of a data set in the list, with the date of its last change."""
    listed = records(endpoint._call, get("list data sets", "/data", key="data"))
    record = next((record for record in listed if parse_data_set_id(record) == rec_id), None)
    if record is None:
        raise NotFound(f"list data sets: there is no data set {rec_id}", operation="list data sets")
    if REFRESHED not in record:
        raise ProtocolError(
            f"list data sets: ClicData doesn't say when data set {rec_id} was changed ({REFRESHED}), so the end of a "
            "refresh can't be seen: call without wait=True",
            operation="list data sets",
        )
    return record
