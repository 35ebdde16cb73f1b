"""The arguments of the verbs that change rows: their types for editors, and their checks."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

from pandas_clicdata.arguments import check_choice, check_count, check_flag
from pandas_clicdata.changes.compare import MATCH, MatchBy
from pandas_clicdata.changes.replace import ORDERS, ReplaceOptions
from pandas_clicdata.changes.verbs import ChangeOptions, SyncOptions
from pandas_clicdata.errors import InputError
from pandas_clicdata.session.ahead import checked_workers
from pandas_clicdata.uploads.append import AppendOptions, SendArguments
from pandas_clicdata.uploads.change import MULTIPLE_ROWS

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from pandas_clicdata.session.session import Session

    Names = str | Sequence[str]
    Types = Mapping[str, str] | None


class NewArguments(TypedDict, total=False):
    """Further arguments of `create_table`."""

    index: bool | None
    session: Session | None


class PushArguments(SendArguments, total=False):
    """Further arguments of `push`."""

    session: Session | None


class AppendArguments(PushArguments, total=False):
    """Further arguments of `append`."""

    types: Mapping[str, str] | None


class CommonArguments(TypedDict, total=False):
    """The arguments that all verbs share that change rows."""

    types: Mapping[str, str] | None
    index: bool | None
    match: MatchBy | None
    keep: bool
    workers: int
    progress: bool | None
    session: Session | None


class ChangeArguments(CommonArguments, total=False):
    """Further arguments of `delete_rows`."""

    multiple_rows: Literal["all", "first"]
    unmatched: Literal["ignore", "raise"]
    max_rows: int | None


class UpdateArguments(ChangeArguments, total=False):
    """Further arguments of `update_rows`."""

    columns: Sequence[str] | None


class UpsertArguments(CommonArguments, total=False):
    """Further arguments of `upsert`."""

    columns: Sequence[str] | None
    missing: Literal["set", "keep"]
    duplicates: Literal["raise", "all"]
    tolerance: Mapping[str, float | timedelta] | None
    max_updates: int | None
    recheck: bool | None
    chunksize: int | None
    compress: bool


class SyncArguments(UpsertArguments, total=False):
    """Further arguments of `sync`."""

    max_deletes: float | None


class ReplaceArguments(CommonArguments, total=False):
    """Further arguments of `replace`."""

    order: Literal["delete_first", "append_first"]
    batch_column: str | None
    allow_empty: bool
    max_deleted: float | None
    journal: str | os.PathLike[str] | None
    chunksize: int | None
    compress: bool


def change_options(
    multiple_rows: str,
    match: str | None,
    unmatched: str,
    workers: int,
    progress: bool | None,
    keep: bool,
    max_rows: int | None,
) -> tuple[ChangeOptions, bool]:
    """Return the checked arguments of a change by key, and whether the data set must be read first."""
    check_choice("multiple_rows", multiple_rows, MULTIPLE_ROWS)
    check_choice("unmatched", unmatched, ("ignore", "raise"))
    keep = bool(check_flag("keep", keep))
    if checked_workers(workers) > 1 and multiple_rows == "first":
        raise InputError('multiple_rows="first" needs workers=1: it is not known which row is the first')
    options = ChangeOptions(
        multiple_rows=multiple_rows,
        match=_checked_match(match),
        unmatched=unmatched,
        max_rows=max_rows,
        workers=workers,
        progress=check_flag("progress", progress),
        keep=keep,
    )
    return options, keep or max_rows is not None or unmatched == "raise"


def sync_options(
    missing: str,
    duplicates: str,
    tolerance: Mapping[str, float | timedelta] | None,
    match: str | None,
    max_updates: int | None,
    recheck: bool | None,
    keep: bool,
    chunksize: int | None,
    workers: int,
    compress: bool,
    progress: bool | None,
) -> SyncOptions:
    """Return the checked arguments of an upsert."""
    check_choice("missing", missing, ("set", "keep"))
    check_choice("duplicates", duplicates, ("raise", "all"))
    append = AppendOptions(
        chunksize=chunksize, workers=workers, compress=compress, progress=progress, index=False, check=False
    )
    return SyncOptions(
        missing=missing,
        duplicates=duplicates,
        tolerance=_checked_tolerance(tolerance),
        match=_checked_match(match),
        max_updates=None if max_updates is None else check_count("max_updates", max_updates),
        recheck=check_flag("recheck", recheck),
        keep=bool(check_flag("keep", keep)),
        append=append,
    )


def replace_options(
    order: str,
    batch_column: str | None,
    *,
    allow_empty: bool,
    max_deleted: float | None,
    match: str | None,
    keep: bool,
    index: bool | None,
    append: AppendOptions,
) -> ReplaceOptions:
    """Return the checked arguments of a replace."""
    check_choice("order", order, ORDERS)
    problems = []
    if batch_column is not None and (not isinstance(batch_column, str) or not batch_column.strip()):
        problems.append(f"batch_column must be the name of a column, not {batch_column!r}")
    if order == "append_first" and batch_column is None:
        problems.append(
            'order="append_first" needs batch_column=: a text column of the data set that gets one stamp per run, so '
            "that the rows of earlier runs differ from the new ones"
        )
    if problems:
        raise InputError(problems)
    return ReplaceOptions(
        index=check_flag("index", index),
        order=order,
        batch_column=batch_column,
        allow_empty=bool(check_flag("allow_empty", allow_empty)),
        max_deleted=checked_share("max_deleted", max_deleted),
        match=_checked_match(match),
        keep=bool(check_flag("keep", keep)),
        append=append,
    )


def checked_share(argument: str, value: Any, of: str = "rows") -> float | None:
    """Return a checked limit: an int is a number of rows or users, a float is a share of them."""
    if value is None:
        return None
    if isinstance(value, float) and 0 <= value <= 1:
        return float(value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 0:
        return int(value)
    raise InputError(f"{argument} must be a number of {of}, or a share between 0.0 and 1.0, not {value!r}")


def _checked_tolerance(tolerance: Any) -> dict[str, Any]:
    """Return the tolerance of each column: a `timedelta`, or a number as Decimal."""
    checked: dict[str, Any] = {}
    try:
        for name, limit in dict({} if tolerance is None else tolerance).items():
            exact: Any = limit if isinstance(limit, timedelta) else Decimal(str(limit))
            if isinstance(limit, (str, bool, np.timedelta64)) or not exact >= type(exact)(0):
                raise ValueError
            checked[name] = exact
    except (TypeError, ValueError, ArithmeticError):
        raise InputError(
            f"tolerance must give columns a number or a timedelta, 0 at least, not {tolerance!r}"
        ) from None
    return checked


def _checked_match(match: Any) -> MatchBy | None:
    if match is not None:
        check_choice("match", match, MATCH)
    by: MatchBy | None = match
    return by
