"""What answers hold besides lists of records: one object, the id of what was made, a yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pandas_clicdata.endpoints.noun import new_id
from pandas_clicdata.errors import ClicDataError, Conflict, CreateAmbiguous, NotFound, ProtocolError
from pandas_clicdata.session.retry import Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pandas_clicdata.session.wire import Reply, Request


def with_id(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A record with its identifier first, under the name of the argument that takes it."""
    spellings = ("id", name, "rec_id", "RecId")  # C: which one it is
    found = next((item[key] for key in spellings if item.get(key) is not None), None)
    return {name: found, **{key: value for key, value in item.items() if key not in spellings}}


def one(reply: Reply, *names: str) -> dict[str, Any]:
    """The object in an answer: bare, under one of the names, or alone in a list.

    Raises
    ------
    NotFound
        The list is empty.
    ProtocolError
        There is no object, or there are several.
    """
    value = reply.value()
    if isinstance(value, dict):
        value = next((value[name] for name in names if isinstance(value.get(name), (dict, list))), value)
    operation = reply.request.operation
    if value == []:
        raise NotFound(f"{operation}: ClicData knows none of that id", operation=operation)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise ProtocolError(f"{operation}: ClicData's answer is not one object", operation=operation)
    return value


def said(reply: Reply) -> dict[str, Any]:
    """What ClicData said to a write."""
    value = reply.value()
    return value if isinstance(value, dict) else {"result": value}


def made(
    call: Callable[[Request], Reply], asked: Request, look: Callable[[], Sequence[Any]], *, what: str, sign: str
) -> int:
    """The id of what a create made.

    Parameters
    ----------
    call : callable
        Sends a `Request` and gives its `Reply`.
    asked : Request
        The create.
    look : callable
        Gives the ids of all that look like what was to be made.
    what, sign : str
        What it is, and by what it is looked for: ``"team"``, ``"name"``.

    Raises
    ------
    Conflict
        There was one already; the message names it.
    CreateAmbiguous
        The answer was lost, or held no id and exactly one can't be found.
    """
    failure: ClicDataError
    try:
        reply = call(asked)
        found = new_id(reply)
        if found is not None:
            return found
    except Conflict as error:
        error.args = (f"{error.args[0]}. {_looked(look, what, sign)}.",)
        raise
    except ClicDataError as error:
        if outcome(error) is not Outcome.UNKNOWN:
            raise
        failure = error
    else:
        return _unnamed(asked, look, what, sign)
    raise CreateAmbiguous(
        f"{asked.operation}: the answer was lost, it may be made or not ({failure}). {_looked(look, what, sign)}. "
        "Make sure before you create it again."
    ) from failure


def _unnamed(asked: Request, look: Callable[[], Sequence[Any]], what: str, sign: str) -> int:
    """The id of what ClicData said it made, without saying which."""
    try:
        found = look()
        if len(found) == 1:
            return int(found[0])
    except (ClicDataError, TypeError, ValueError):
        pass
    raise CreateAmbiguous(
        f"{asked.operation}: ClicData said that it was made, but not with which id. {_looked(look, what, sign)}."
    )


def _looked(look: Callable[[], Sequence[Any]], what: str, sign: str) -> str:
    try:
        found = look()
    except ClicDataError as error:
        return f"Looking for a {what} of that {sign} failed too ({error})"
    if not found:
        return f"No {what} has that {sign} now"
    verb = "has" if len(found) == 1 else "have"
    return f"{what.capitalize()} {' and '.join(map(str, found))} {verb} that {sign} now"
