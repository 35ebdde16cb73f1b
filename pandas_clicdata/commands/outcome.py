"""The exit code of a command; receipts and cells as text and as JSON."""

from __future__ import annotations

import math
import re
import shlex
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from pandas_clicdata.changes.change_receipt import ChangeReceipt
from pandas_clicdata.errors import (
    AuthError,
    ClicDataError,
    JournalBusy,
    NotConnected,
    NotFound,
    RateLimited,
    RedirectRefused,
    TlsError,
    TornRead,
    TransportError,
    WriteError,
)
from pandas_clicdata.session.wire import OF_EACH_ACCOUNT
from pandas_clicdata.uploads.receipt import AppendReceipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

_SERVER_FAULT = 500  # the lowest HTTP status that is not the caller's fault
_MISSING = ("nan", "NaT", "<NA>")  # missing cells as pandas writes them
_MOST_SPANS = 20  # of rows, in the text about a receipt


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    REFUSED = 1
    WRONG_CALL = 2
    IN_DOUBT = 3  # or stopped midway
    CREDENTIALS = 4
    NOT_FOUND = 5
    TRY_LATER = 75  # EX_TEMPFAIL of sysexits.h
    INTERRUPTED = 130  # as a shell reports a Ctrl-C


def exit_of(error: BaseException) -> Exit:
    """Return the exit code for an error: IN_DOUBT if rows may have been written, whatever the error is."""
    receipt = getattr(error, "receipt", None)
    if isinstance(error, WriteError) or is_in_doubt(error, receipt) or anything_done(receipt):
        return Exit.IN_DOUBT
    if isinstance(error, (AuthError, NotConnected)):
        return Exit.CREDENTIALS
    if isinstance(error, NotFound):
        return Exit.REFUSED if error.operation in OF_EACH_ACCOUNT else Exit.NOT_FOUND
    if isinstance(error, (RateLimited, JournalBusy, TornRead)):
        return Exit.TRY_LATER
    if isinstance(error, TransportError) and not isinstance(error, (TlsError, RedirectRefused)):
        return Exit.TRY_LATER
    if isinstance(error, ClicDataError) and (getattr(error, "status", None) or 0) >= _SERVER_FAULT:
        return Exit.TRY_LATER
    return Exit.REFUSED


def is_in_doubt(error: BaseException, receipt: Any = None) -> bool:
    """Return whether the service may have done the work of the command, or may still do it."""
    parts = [receipt, *(getattr(receipt, name, None) for name in _PARTS)]
    doubtful = any(_count(part, name) for part in parts for name in ("rows_in_doubt", "keys_in_doubt"))
    return doubtful or bool(getattr(error, "in_doubt", False) or getattr(error, "_goes_on", False))


# ---------------------------------------------------------------------------------------------------------
# Receipts


_PARTS = ("appended", "updated", "deleted")  # the receipts in a `SyncReceipt`


def anything_done(receipt: Any) -> bool:
    """Return whether any row was written, or may have been written, or a data set was created."""
    counts = ("rows_appended", "rows_in_doubt", "keys_applied", "keys_accepted", "keys_in_doubt", "anything_done")
    return _is_new(receipt) or any(_count(receipt, name) for name in counts)


def _is_new(receipt: Any) -> bool:
    """Return whether the data set was created for the rows."""
    return isinstance(receipt, AppendReceipt) and receipt.job.made


def _count(receipt: Any, name: str) -> Any:
    """Return a count of a receipt; None if it has none. The rows in doubt of a `ChangeReceipt` are a frame."""
    if name == "rows_in_doubt" and isinstance(receipt, ChangeReceipt):
        return None if receipt._kept is None else receipt._doubted
    return getattr(receipt, name, None)


def describe(receipt: Any) -> dict[str, Any]:
    """Return a receipt for JSON: its counts, and the positions of rows that are in doubt or not stored."""
    names = (
        *("rec_id", "verb", "operation", "complete", "rows_total", "rows_appended", "rows_found", "rows_in_doubt"),
        *("rows_remaining", "rows_refused", "rows_changed", "keys_total", "keys_applied", "keys_accepted"),
        *("keys_unchanged", "keys_unmatched", "keys_in_doubt", "keys_pending", "unchanged", "append_id", "audited"),
        *("journal", "requests"),
    )
    shown = {name: _count(receipt, name) for name in names if name in dir(receipt)}
    if hasattr(receipt, "rows_appended"):
        chunks = receipt.chunks[["start", "stop", "state"]].itertuples(index=False)
        found = [(int(start), int(stop), state) for start, stop, state in chunks]
        shown["in_doubt"] = _joined(found, ("sending", "in doubt", "partial", "doubled"))
        shown["remaining"] = _joined(found, ("pending", "refused"))
        shown["created"] = _is_new(receipt)
    if hasattr(receipt, "users"):
        shown["users"] = records(receipt.users)
    for name in _PARTS:
        if (part := getattr(receipt, name, None)) is not None:
            shown[name] = describe(part)
    return {"kind": type(receipt).__name__, **shown, "summary": without_python(receipt.summary())}


def columns_of(plan: Any) -> Any:
    """Return the columns of a plan, one per row; a plan for users has none."""
    columns = getattr(plan, "columns", None)
    return plan.inserts.iloc[:0, :0] if columns is None else columns.reset_index()


def describe_plan(plan: Any) -> dict[str, Any]:
    """Return a plan for JSON, with each column, and each cell that would change."""
    return {
        "verb": plan.verb,
        "rec_id": getattr(plan, "rec_id", None),
        "ok": plan.ok,
        "problems": [*map(without_python, plan.problems)],
        "summary": without_python(plan.summary()),
        "requests": plan.requests,
        "columns": records(columns_of(plan)),
        "rows_to_append": len(plan.inserts),
        "cells_to_update": records(plan.updates),
        "rows_to_delete": records(plan.deletes),
        "unchanged": plan.unchanged,
    }


# Words about Python code in a message of the package, and words for the command instead.
_OF_PYTHON = {
    r": \.(\w+\.)?(in_doubt|keys|problems|refused|remaining|rows|rows_in_doubt|unmatched|unsettled)\b(\(df\))?": "",
    r" \((copy|old cells)( of [\d,]+)? in \.[a-z_.]+\)| \(tolerance= permits small ones\)": "",
    r'; errors="collect" stores [^.;]*| \(check=True reads [^()]*\)': "",
    r"receipt\.resume\(df\) reads[^.]*\. To call it again is safe too": "To call it again is safe",
    r": (replace\()?allow_empty=True(\) does that| permits it)": "",
    r"Data\(\)\.get_data\(\) (lists the data sets)[\w ]*": r"'clicdata list' \1. If it is a name of digits, add --name",
    r"\n  - session= of the call, connect\(\.\.\.\): not given": "",
    r"Call pandas_clicdata\.connect\([^()]*\), set these": "Set these",
    r"with clicdata login; (without an account, try) [\w.()]*\(\)\.": r"with 'clicdata login'; \1 'clicdata sandbox'.",
    r": (duplicates=\"all\" sets all of these rows)": r"; in Python, \1",
    r"Data\(\)\.get_data\([^()]*\)": "'clicdata list'",
    r"Data\(\)\.get_data_history\((\d+)\)": r"'clicdata history \1'",
    r"Schedule\(\)\.get_schedule\(\d*\)": "'clicdata schedule list'",
    r"(pandas_clicdata\.)?resume_append\(df, (['\"])(.*?)\2\)": r"'clicdata resume FILE \3'",
    r"resume_append\(df, receipt\)": "'clicdata resume FILE JOURNAL'",
    r"push\(\.\.\., (if_exists=\"\w+\")\)": r"\1",
    r" A text is always a name: give the id as a number, \w+=\d+\.": " Without --name, it is an id.",
    r"\bgive \w+_id as a number, one of\b": "give an id, one of",
    r"\bd?types?=\{(['\"])(.+?)\1: '(\w+)'\}": r"--types '\2=\3'",
    r"\bdtype=\{(['\"])(.+?)\1: \.\.\.\}": r"--types '\2=...'",
    r"\btypes=(?=[.,; ]|$)": "--types",
    r"\bmax_deleted\b": "max_deletes",
    r"\bin_doubt=\"(stored|missing)\"": r"--in-doubt \1",
    r"\b([Tt])he frame\b": r"\1he file",
}
_ARGUMENT = re.compile(
    r"(?<![\w'\"`/\\.-])(append_id|dry_run|exclusive|if_exists|journal|match|max_deactivated|max_deletes|max_removed|"
    r"max_rows|max_updates|tag_column|verify|workers)(=(True|\"[\w.]+\"|[\d.]*\d)?)?(?![\w'\"`(/\\-]|\.\w)"
)


def without_python(text: str) -> str:
    """Return a text without the attributes of a receipt, and with options of the command as arguments."""
    for pattern, words in _OF_PYTHON.items():
        text = re.sub(pattern, words, text)
    return _ARGUMENT.sub(_option, text)


def _option(found: re.Match[str]) -> str:
    name, equals, value = found.groups()
    if equals is None and "_" not in name:  # a usual word
        return found[0]
    shown = {None: "", "True": "", '"..."': " NAME"}.get(value, f" {value}".replace('"', ""))
    return f"--{name.replace('_', '-')}{shown}"


def receipt_lines(receipt: Any) -> list[str]:
    """Return a receipt as lines of text: its summary, the rows in doubt or not stored, and how to continue."""
    shown = describe(receipt)
    lines = [shown["summary"]]
    stored = shown.get("appended", {}) if shown.get("verb") == "replace" else shown  # it appends all rows of the file
    for name, words in (("in_doubt", "in doubt"), ("remaining", "not stored")):
        if spans := stored.get(name):
            lines.append(f"{words}: {name_spans(spans)}; the first row of the file is row 0")
    lines += [
        f"{user['email_address']}: {user['state']}, {user['error'] or 'no reason is known'}"
        for user in shown.get("users", ())
        if user["state"] in ("refused", "in doubt", "not sent")
    ]
    is_empty = bool(stored.get("created")) and 0 < stored["rows_total"] == stored["rows_remaining"]
    if is_empty:
        lines.append(f"data set {shown['rec_id']} was created, and has no rows")
    if stored.get("journal") and not shown["complete"]:
        lines.append(f"continue with: clicdata resume FILE {shlex.quote(stored['journal'])}")
    elif is_empty:
        types = [f" --types {shlex.quote(f'{name}={of}')}" for name, of in (receipt.job.types or {}).items()]
        lines.append(f"continue with: clicdata append FILE {shown['rec_id']}{''.join(types)}")
    return lines


def _joined(chunks: Iterable[tuple[int, int, str]], states: Sequence[str]) -> list[list[int]]:
    """Return the spans of the chunks in these states; adjoining spans are joined."""
    spans: list[list[int]] = []
    for start, stop, state in chunks:
        if state in states:
            if spans and spans[-1][1] == start:
                spans[-1][1] = stop
            else:
                spans.append([start, stop])
    return spans


def name_spans(spans: Sequence[Sequence[int]]) -> str:
    """Return spans of rows for a message."""
    shown = [f"rows {start} to {stop - 1}" if stop - start > 1 else f"row {start}" for start, stop in spans]
    return ", ".join(shown[:_MOST_SPANS]) + (
        f" and {len(shown) - _MOST_SPANS} more" if len(shown) > _MOST_SPANS else ""
    )


# ---------------------------------------------------------------------------------------------------------
# Cells


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table for JSON."""
    return [dict(zip(map(str, frame.columns), map(_plain, row), strict=True)) for row in rows_of(frame)]


def rows_of(frame: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    """Return the rows of a table."""
    return frame.itertuples(index=False, name=None)


def _plain(cell: Any) -> Any:
    """Return a cell as a value for JSON; a missing cell is None."""
    if isinstance(cell, (dict, list, tuple, str, bool, int)) or cell is None:
        return cell
    if str(cell) in _MISSING:
        return None
    item: Callable[[], Any] | None = getattr(cell, "item", None)
    cell = item() if item is not None else cell
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    return cell.isoformat() if hasattr(cell, "isoformat") else cell


def text_of(cell: Any) -> str:
    """Return a cell for a table of text: in one line, and empty if it is missing."""
    plain = _plain(cell)
    return "" if plain is None else printable(str(plain), blanks=False)


def printable(text: str, *, blanks: bool = True) -> str:
    """Return text with its control characters escaped; ``blanks`` keeps line breaks and tabs."""
    keep = "\n\t" if blanks else ""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)
