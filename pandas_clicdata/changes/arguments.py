"""The arguments of the verbs that change rows: their types for editors, and their checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from pandas_clicdata.arguments import check_choice, check_count, check_flag
from pandas_clicdata.changes.compare import MATCH, MatchBy
from pandas_clicdata.changes.verbs import ChangeOptions, SyncOptions
from pandas_clicdata.errors import InputError
from pandas_clicdata.session.ahead import checked_workers
from pandas_clicdata.uploads.append import AppendOptions
from pandas_clicdata.uploads.change import MULTIPLE_ROWS

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from pandas_clicdata.session.session import Session

    Names = str | Sequence[str]
    Types = Mapping[str, str] | None


class NewArguments(TypedDict, total=False):
    """Further arguments of `create_table`."""

    index: bool | None
    session: Session | None


class PushArguments(TypedDict, total=False):
    """Further arguments of `push`."""

    chunksize: int | None
    index: bool | None
    workers: int
    compress: bool
    progress: bool | None
    journal: str | os.PathLike[str] | None
    verify: Literal["count", "tag"] | None
    exclusive: bool
    tag_column: str | None
    errors: Literal["raise", "collect"]
    audit: bool | None
    check: bool | None
    session: Session | None


class AppendArguments(PushArguments, total=False):
    """Further arguments of `append`."""

    types: Mapping[str, str] | None


class CommonArguments(TypedDict, total=False):
    """What the verbs share that change rows."""

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


def change_options(
    multiple_rows: str,
    match: str | None,
    unmatched: str,
    workers: int,
    progress: bool | None,
    keep: bool,
    max_rows: int | None,
) -> tuple[ChangeOptions, bool]:
    """Return the checked arguments of a change by key, and whether the data set must be read before."""
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
        tolerance=dict(tolerance or {}),
        match=_checked_match(match),
        max_updates=None if max_updates is None else check_count("max_updates", max_updates),
        recheck=check_flag("recheck", recheck),
        keep=bool(check_flag("keep", keep)),
        append=append,
    )


def _checked_match(match: Any) -> MatchBy | None:
    if match is not None:
        check_choice("match", match, MATCH)
    by: MatchBy | None = match
    return by
