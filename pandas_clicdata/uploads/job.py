"""The description of an append, as its journal holds it."""

from __future__ import annotations

import msgspec


class Replaced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which rows an append replaces: rows with the same cells in ``by``, or all."""

    by: list[str] = []
    index: bool | None = None  # as the caller gave it
    order: str = "delete_first"
    batch_column: str | None = None
    stamp: str | None = None  # the cell of the new rows in the batch column
    match: str | None = None
    max_deleted: float | None = None
    deleted: bool = False  # whether the replaced rows are deleted
    groups: str | None = None  # the digest of all groups, if the new rows come in pieces


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data set, columns and options of an append; ``made`` says that the data set was created for the rows."""

    append_id: str
    rec_id: int
    columns: list[str]  # of the first piece, like the types
    types: dict[str, str] | None = None
    index: bool = False
    levels_left_out: list[str] = []  # named levels of the index
    account: str
    chunksize: int | None = None
    compress: bool = False
    errors: str = "raise"
    tag_column: str | None = None
    rows_before: int | None = None  # of the data set, if they were counted
    made: bool = False
    check: bool | None = None
    left_empty: list[str] = []  # columns of the data set that the frame lacks, if they were compared
    has_key: bool = False  # whether the data set is known to have a unique key
    replaces: Replaced | None = None
