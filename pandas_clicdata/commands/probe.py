"""``doctor --probe`` and ``--probe-writes``: check the guesses of the package at the service."""

from __future__ import annotations

import os
import sys

from pandas_clicdata.commands.console import is_terminal
from pandas_clicdata.commands.outcome import Exit, exit_of
from pandas_clicdata.commands.questions import Service, print_report, settle, write_json
from pandas_clicdata.commands.reads import Reads
from pandas_clicdata.commands.writes import Writes
from pandas_clicdata.errors import ApiError, PermissionDenied, UsageError
from pandas_clicdata.session import manager
from pandas_clicdata.session.wire import FIRST_MODERN


def probe(*, writes: bool, file: str | None, agreed: bool, data_set: int | None) -> int:
    """Ask the open questions and print a report that holds no name, cell, id or secret.

    Parameters
    ----------
    writes : bool
        Whether to make a data set and ask the questions that need one.
    file : str or None
        A file for the same report as JSON.
    agreed : bool
        Whether the user has agreed to the data set already.
    data_set : int or None
        The id of a data set that an earlier run made, and in which the user ticked a key.

    Returns
    -------
    int
        0 if the questions were asked, 1 if the user did not agree to the writes, else the exit code of the error.
    """
    params, _ = manager.sources(os.environ)
    try:
        service = None if params is None else Service(**params)
    except UsageError as error:
        return _stop("The settings can't be used", error)
    if service is None:
        return _stop("There are no credentials", None)
    try:
        if (failure := _find_failure(service)) is not None:
            return _stop("The account can't be reached", failure)
        if writes:
            asked = Writes(service, _note, data_set)
            if not (agreed or _agree(asked.name, data_set)):
                _note("Nothing was written.")
                return Exit.REFUSED
            report, title = settle(asked.finders()), "Probe of writes"
        else:
            report, title = settle(Reads(service).finders()), "Probe"
    finally:
        service.close()
    print_report(report, title)
    if file is not None:
        write_json(report, file)
    return 0


def _find_failure(service: Service) -> Exception | None:
    """Return the error of the log-in; None if it is accepted, in any version."""
    errors = [service.get("/account", version).error for version in (None, FIRST_MODERN)]
    is_reached = any(error is None or isinstance(error, (ApiError, PermissionDenied)) for error in errors)
    return None if is_reached else errors[0]


def _stop(what: str, error: Exception | None) -> Exit:
    """Print what is wrong, and return the exit code. No error: there are no credentials."""
    _note(f"{what}. What to change: python -m pandas_clicdata doctor")
    return Exit.CREDENTIALS if error is None else exit_of(error)


def _agree(name: str, data_set: int | None) -> bool:
    """Ask the user at the terminal. Without a terminal, return False."""
    if data_set is None:
        _note(f"This makes a data set {name!r} with about 1,600 rows, and a team of that name that it removes again.")
        _note("The API can't remove a data set: remove it in ClicData afterwards. Nothing else is changed.")
    else:
        _note(f"This appends three rows to data set {data_set}, if its name begins with zz_probe.")
    if not is_terminal(sys.stdin):
        _note("Add --yes to agree where there is no terminal.")
        return False
    _note("Go on? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _note(text: str, end: str = "\n") -> None:
    """Print a message that isn't in the report, since it may hold a name or an id."""
    print(text, file=sys.stderr, end=end, flush=True)
