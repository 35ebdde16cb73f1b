"""One delete or update: its request in either dialect, the counts in its response, and the error if that is lost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pandas_clicdata.errors import (
    ApiError,
    ClicDataError,
    DeleteAmbiguous,
    InputError,
    NotFound,
    UpdateAmbiguous,
    WriteError,
)
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.session.wire import Caller, Dialect, Reply, Request, call_in_dialect, json_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

MULTIPLE_ROWS = ("all", "first")
DELETES = (("POST", "delete"), ("DELETE", "row"))  # C: where the modern dialect deletes rows, the likelier first (O3)
COUNTS = ("rows_deleted", "rows_updated", "rows_inserted", "rows_found")  # C: the counts of a response (O3)


class Cell(msgspec.Struct):
    """A cell of a filter; its value is JSON."""

    column: str
    value: msgspec.Raw


parse_filter = msgspec.json.Decoder(list[Cell]).decode


def send_delete(caller: Caller, rec_id: int, find: bytes, multiple_rows: str) -> Reply:
    """Delete the rows whose cells equal those of ``find``, by the first path that exists at the service.

    The session remembers the path. A request to a path that doesn't exist changes nothing, so the next path follows.
    """
    missing: list[ApiError] = []
    for place in [caller.modern_delete] if caller.modern_delete else DELETES:
        try:
            reply = call_in_dialect(caller, partial(delete_request, rec_id, find, multiple_rows, place=place))
        except ApiError as error:
            if not _is_missing(error):
                raise
            missing.append(error)
            if caller.dialect is Dialect.LEGACY:
                break
        else:
            if reply.request.dialect is Dialect.MODERN:
                caller.modern_delete = place
            return reply
    raise _nowhere(rec_id, missing)


def send_update(caller: Caller, rec_id: int, find: bytes, data: bytes, multiple_rows: str) -> Reply:
    """Set the cells of ``data`` in the rows whose cells equal those of ``find``."""
    return call_in_dialect(caller, partial(update_request, rec_id, find, data, multiple_rows))


def delete_request(
    rec_id: int, find: bytes, multiple_rows: str, dialect: Dialect = Dialect.LEGACY, place: tuple[str, str] = DELETES[0]
) -> Request:
    """Return the request that deletes the rows whose cells equal those of ``find``."""
    legacy, modern = _legacy(multiple_rows, find), _modern(multiple_rows, find)
    if dialect is Dialect.LEGACY:
        return Request("delete rows", "DELETE", f"/data/{rec_id}/row", body=_body(legacy))
    method, path = place
    # C: neither dialect reads a body in both grammars as a delete without a filter (O3).
    fields = {**legacy, **modern} if path == "row" else modern
    return Request("delete rows", method, f"/data/{rec_id}/{path}", body=_body(fields))


def update_request(
    rec_id: int, find: bytes, data: bytes, multiple_rows: str, dialect: Dialect = Dialect.LEGACY
) -> Request:
    """Return the request that sets the cells of ``data`` in the rows whose cells equal those of ``find``."""
    legacy, modern = _legacy(multiple_rows, find), _modern(multiple_rows, find)
    if dialect is Dialect.LEGACY:
        # C: that "data" is one flat list of cells like "find" (O3).
        return Request("update rows", "PUT", f"/data/{rec_id}/row", body=_body({**legacy, "data": data}))
    values = b",".join(b"%b:%b" % (json_body(cell.column), cell.value) for cell in parse_filter(data))
    # In the legacy dialect this path is a refresh: `Request.dialect` keeps the two apart.
    return Request("update rows", "POST", f"/data/{rec_id}/update", body=_body({**modern, "data": b"{%b}" % values}))


def _legacy(multiple_rows: str, find: bytes) -> dict[str, bytes]:
    if not find.strip() or not parse_filter(find):
        raise InputError("an empty filter would mean every row: nothing was sent")
    return {"multiplerows": json_body(multiple_rows), "find": find}  # C: the names of these keys (O3)


def _modern(multiple_rows: str, find: bytes) -> dict[str, bytes]:
    # C: that "equals" with one value means this value (O3, O17).
    cells = [(json_body(cell.column), cell.value) for cell in parse_filter(find)]
    columns = b",".join(b'{"name":%b,"comparator":"equals","values":[%b]}' % cell for cell in cells)
    condition = b'{"condition":[{"columns":[%b],"operator":"and"}]}' % columns
    return {"multiple_rows": json_body(multiple_rows), "filter": condition}


def _body(fields: Mapping[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in fields.items())


def _is_missing(error: ApiError) -> bool:
    """Whether there is no such path or no such data set, so that nothing was done."""
    no_such_method = error.status == 405 or error.code == "405"
    return outcome(error) is Outcome.REFUSED and (isinstance(error, NotFound) or no_such_method)


def _nowhere(rec_id: int, missing: Sequence[ApiError]) -> ApiError:
    """Return the error to raise: a `NotFound` if any path returned one, since the other path may not exist."""
    error = next((one for one in missing if isinstance(one, NotFound)), missing[-1])
    if len(missing) > 1:
        places = " nor by ".join(f"{method} /data/{rec_id}/{path}" for method, path in DELETES)
        error.args = (f"{error.args[0]}. There is no data set {rec_id}, or it can be changed neither by {places}.",)
    return error


def counts_of(reply: Reply) -> dict[str, int]:
    """Return the counts of rows in a response. A value that is no count is ignored."""
    value = reply.value()
    named = value if isinstance(value, dict) else {}
    found = {name: named.get(name, reply.field(name)) for name in COUNTS}
    return {name: count for name, count in found.items() if type(count) is int and 0 <= count < 2**63}


def rows_changed(operation: str, counts: Mapping[str, int], multiple_rows: str) -> int | None:
    """Return how many rows a change reached, by the counts of its response; None if the response has no count."""
    own = counts.get("rows_deleted" if operation == "delete rows" else "rows_updated")
    if own is not None:
        return own
    said = [count for name, count in counts.items() if multiple_rows == "all" or name != "rows_found"]
    return max(said, default=None)


def cheaper_way(operation: str, keys: pd.DataFrame) -> str:
    """Return advice, as a sentence: how the same change may need fewer requests than one per key."""
    if operation == "update rows":
        return "Where many rows get the same values, Data.update_data sets them with one request"
    if len(keys.columns) == 1:
        return "Where the rows share a value of another column, on= that column needs a request per value only"
    distinct = keys.nunique()
    return f"If all rows of a {distinct.idxmin()!r} may be deleted, on={distinct.idxmin()!r} needs {distinct.min():,}"


def check_first(operation: str, counts: Mapping[str, int], multiple_rows: str) -> None:
    """Raise if a change of the first row reached more rows."""
    counted = rows_changed(operation, counts, multiple_rows)
    if multiple_rows == "first" and counted is not None and counted > 1:
        raise WriteError(f"{operation}: only the first row was meant, but ClicData counts {counted:,} changed rows")


def lost_error(operation: str, failure: ClicDataError, *, repeatable: bool) -> UpdateAmbiguous | DeleteAmbiguous:
    """Return the error for a change whose response was lost."""
    advice = (
        "The same call can be made again: it has no further effect."
        if repeatable
        else "Look at the rows before you make the call again: it would change further rows."
    )
    kind = DeleteAmbiguous if operation == "delete rows" else UpdateAmbiguous
    error = kind(f"{operation}: the response was lost, it may be done or not ({failure}). {advice}")
    error.safe_to_repeat = repeatable
    return error
