"""Data sets as dask frames, and dask frames to data sets. Needs the extra ``dask``.

Importing this module registers ``ddf.clicdata``.

>>> import pandas_clicdata.dask
>>> ddf = pandas_clicdata.dask.read_clicdata(rec_id)
"""

from __future__ import annotations

import math
import uuid
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
from dask.dataframe.dask_expr import new_collection
from dask.dataframe.dask_expr._expr import Lengths
from dask.dataframe.dask_expr._expr import Literal as Constant
from dask.dataframe.dask_expr._reductions import Len
from dask.dataframe.dask_expr.io import FromMapProjectable
from dask.dataframe.extensions import register_dataframe_accessor
from dask.dataframe.utils import clear_known_categories
from pandas.api.extensions import no_default

from pandas_clicdata.arguments import check_count, check_flag
from pandas_clicdata.changes.arguments import replace_options
from pandas_clicdata.changes.replace import replace_source
from pandas_clicdata.changes.replace_pieces import check_columns, replace_pieces
from pandas_clicdata.changes.verbs import pages_of
from pandas_clicdata.endpoints.answers import parse_version
from pandas_clicdata.endpoints.versions import check_version, list_versions, rows_request, stored_version
from pandas_clicdata.errors import ApiError, InputError, PagingLoop, TornRead, public, public_methods
from pandas_clicdata.frames.columns import TEXT
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.dtypes import check_dtype
from pandas_clicdata.names import DATA_SET, find_id
from pandas_clicdata.session import manager
from pandas_clicdata.session.ahead import Ahead
from pandas_clicdata.session.pages import PAGE_SIZE, Page, Part, iter_pages
from pandas_clicdata.uploads.append import AppendOptions
from pandas_clicdata.writer import append, push

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Unpack

    from pandas_clicdata.changes.sync_receipt import SyncReceipt
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.append import AppendArguments
    from pandas_clicdata.uploads.receipt import AppendReceipt

__all__ = ["ClicDataDaskAccessor", "read_clicdata"]


@public
def read_clicdata(
    rec_id: int | str,
    *,
    ver_id: int | Literal["latest"] = "latest",
    columns: Sequence[str] | None = None,
    dtype: Any = None,
    dtype_backend: Literal["numpy_nullable", "pyarrow"] | Any = no_default,
    parse_dates: Sequence[str] | Mapping[str, Any] | None = None,
    partition_rows: int = 25_000,
    live: bool = False,
) -> dd.DataFrame:
    """Read a data set as a dask frame, whose partitions are ranges of its pages.

    This process reads the list of versions, page 1 and the last page; the rows are read when they are computed. The
    frame is pinned to a stored version, so that two computations agree. Each process that computes a partition uses its
    own default session: the one of its `connect`, else one from its environment or profile. No credentials are in the
    graph.

    Parameters
    ----------
    rec_id : int or str
        The data set, by its id or exact name.
    ver_id : int or "latest", default "latest"
        The stored version, which needs Data History; by default the version that is the newest now.
    columns : sequence of str, optional
        Only these columns, in this order. Columns that dask finds unused are not parsed.
    dtype : dtype, or mapping of column to dtype, optional
        As in `pandas_clicdata.read_clicdata`. All partitions have the dtypes of the first and the last page. A cell of
        another type on another page raises an error. So a column may need ``dtype`` if it has only whole numbers, or
        no cells, on these two pages.
    dtype_backend : {"numpy_nullable", "pyarrow"}, optional
        As in pandas. By default the usual dtypes of pandas, except Int64 for whole numbers and boolean for true and
        false: any page may have missing cells. A column without cells is text.
    parse_dates : sequence of str, or mapping, optional
        Columns of text to turn into datetimes.
    partition_rows : int, default 25000
        The most rows of a partition. It has at least one page.
    live : bool, default False
        Whether to read the current rows, if there is no history. ClicData must count them, as it does from version
        2022.01 on: a page with another count than page 1 raises `TornRead`. It is not noticed if one row is added and
        another one deleted between two pages. Two computations may differ.

    Returns
    -------
    dask.dataframe.DataFrame
        Rows in ClicData's order. Its index is the position of each row; length and divisions are known.

    Raises
    ------
    InputError
        An argument can't be used, or ClicData doesn't count the rows.
    NotFound
        There is no such data set or version, or no version is stored.
    TornRead, PagingLoop
        The pages are not the whole data set. A computation raises `TornRead` too, and never returns a part.

    Examples
    --------
    >>> ddf = pandas_clicdata.dask.read_clicdata(rec_id)
    >>> len(ddf), ddf.npartitions, ddf.divisions
    (10, 1, (0, 9))
    >>> print(round(ddf["area_m2"].sum().compute(), 2))
    2073.9
    """
    partition_rows = check_count("partition_rows", partition_rows, least=1)
    live = bool(check_flag("live", live))
    if live and ver_id != "latest":
        raise InputError("live=True reads the current rows: leave out ver_id")
    if isinstance(parse_dates, str):
        raise InputError("parse_dates must name the columns: each partition is read on its own")
    arguments = {"dtype": dtype, "dtype_backend": dtype_backend, "parse_dates": parse_dates}
    builder = FrameBuilder(columns=columns, **arguments)
    ver_id, session = check_version(ver_id), manager.current()
    rec_id = find_id(DATA_SET, rec_id, session)
    number, total = (None, None) if live else stored_version(session, rec_id, ver_id)
    if number is not None and total is None:
        total = dict(map(parse_version, list_versions(session, rec_id))).get(number)
    first, last, total = _first_and_last(session, rec_id, number, total)
    builder.add(first.rows)
    builder.add(last.rows if last.number > 1 else b"[]")
    types, meta = _types_and_meta(builder, dtype, parse_dates)
    names = [*meta.columns] if first.rows.startswith(b"[[") else None
    once = uuid.uuid4().hex if live else ""
    size, step = max(1, first.count), max(1, partition_rows // max(1, first.count))
    reader = _PartReader(rec_id, number, session.account, total, size, names, arguments, types, meta, once)
    starts = [*range(1, last.number + 1, step)]
    ends = [min(start + step - 1, last.number) for start in starts]
    divisions = (*((start - 1) * size for start in starts), max(0, total - 1))
    mapped = dd.from_map(reader, starts, ends, columns=[*meta.columns], meta=meta, divisions=divisions)
    [parts] = mapped.expr.find_operations(FromMapProjectable)  # dask may convert text on top of it
    operands = [*parts.operands]
    operands[parts._parameters.index("label")] = "clicdata"  # to older versions, nodes of one name are equal
    return new_collection(mapped.expr.substitute(parts, _CountedParts(*operands)))


def _first_and_last(session: Session, rec_id: int, version: int | None, total: int | None) -> tuple[Page, Page, int]:
    """Return the first and the last page of a data set, and the number of its rows, or raise if they don't fit."""
    request = rows_request(rec_id, version)

    def page_at(number: int, size: int) -> Page:
        part = Part(number, number, size)
        with closing(iter_pages(session, request, PAGE_SIZE, workers=0, total=total, part=part)) as pages:
            return next(pages)

    first = page_at(1, 0)
    total = first.count if total is None and first.more is False else first.total if total is None else total
    if total is None:
        raise InputError(
            f"ClicData doesn't count the rows of data set {rec_id} here, so they can't be divided: read a stored "
            "version, or take pandas_clicdata.read_clicdata(rec_id, chunksize=...)"
        )
    size = max(1, first.count)
    number = max(1, math.ceil(total / size))
    last = page_at(number, size) if number > 1 else first
    if last.count != total - (number - 1) * first.count:
        raise TornRead(
            f"read rows: page 1 has {first.count:,} rows and page {number:,} has {last.count:,}, but {total:,} were "
            "counted. The data set changed while it was read, or rows are missing."
        )
    if number > 1 and last.rows == first.rows and _has_rows(page_at, number + 1, size):
        raise PagingLoop(f"read rows: page 1, {number:,} and {number + 1:,} are the same: page numbers are ignored")
    return first, last, total


def _has_rows(page_at: Callable[[int, int], Page], number: int, size: int) -> bool:
    """Return whether a page beyond the end has rows."""
    try:
        return page_at(number, size).count > 0
    except (ApiError, TornRead) as error:  # C: it is refused (O1); or more rows come than were counted
        return isinstance(error, TornRead)


def _types_and_meta(builder: FrameBuilder, dtype: Any, parse_dates: Any) -> tuple[dict[Any, Any], pd.DataFrame]:
    """Return the Arrow types of all pages, and a frame without rows that has the dtypes of all partitions."""
    by_column, other = ({}, None) if dtype is None else check_dtype(dtype)
    asked = {name: by_column.get(name, other) for name in builder.types()}
    types = {name: TEXT if kind == pa.null() else kind for name, kind in builder.types().items()}
    for name, kind in types.items():
        if kind is None and asked[name] is None and name not in (parse_dates or ()):
            raise InputError(f"Column {name!r} mixes cells of several types: name one in dtype={{{name!r}: 'text'}}.")
    builder.hold(types)
    meta = builder.take().iloc[:0]
    categories = [
        name for name, found in zip(meta.columns, meta.dtypes, strict=True) if isinstance(found, pd.CategoricalDtype)
    ]
    unknown = [name for name in categories if getattr(asked.get(name), "categories", None) is None]
    return types, clear_known_categories(meta, unknown) if unknown else meta


class _CountedParts(FromMapProjectable):  # type: ignore[misc]  # dask has no types
    """Ranges of pages with known numbers of rows, so that dask reads no page to count its rows."""

    def _simplify_up(self: Any, parent: Any, dependents: Any) -> Any:
        if not isinstance(parent, (Len, Lengths)):
            return FromMapProjectable._simplify_up(self, parent, dependents)
        pages = list(zip(*self.iterables, strict=True))
        lengths = [
            len(self.func.index(*pages[at])) for at in (self._partitions if self._filtered else range(len(pages)))
        ]
        return Constant(sum(lengths) if isinstance(parent, Len) else tuple(lengths))


@dataclass(frozen=True)
class _PartReader:
    """Reads a range of pages of a version, or of the current rows, in any process. It holds no credentials."""

    rec_id: int
    version: int | None
    account: str
    total: int
    size: int  # rows of each page but the last one
    names: list[str] | None  # of all columns, if rows are JSON arrays
    arguments: dict[str, Any]
    types: dict[Any, Any]
    meta: pd.DataFrame
    once: str  # makes the keys of dask unique if the rows may change

    def index(self, first: int, last: int) -> pd.RangeIndex:
        """Return the positions of the rows of these pages."""
        return pd.RangeIndex((first - 1) * self.size, min(last * self.size, self.total))

    def __call__(self, first: int, last: int, *, columns: list[Any]) -> pd.DataFrame:
        """Read the columns of these pages."""
        index = self.index(first, last)
        if not columns:
            return pd.DataFrame(index=index)
        arguments = dict(self.arguments)
        if isinstance(dates := arguments["parse_dates"], Mapping):
            arguments["parse_dates"] = {name: asked for name, asked in dates.items() if name in columns}
        elif dates is not None:
            arguments["parse_dates"] = [name for name in dates if name in columns]
        builder = FrameBuilder(columns=self.names or columns, **arguments)
        builder.hold(self.types)
        for page in self._pages(first, last):
            builder.add(page.rows)
        if builder.rows != len(index):
            raise TornRead(
                f"read rows: {builder.rows:,} rows came on the pages {first:,} to {last:,}, and {len(index):,} were "
                "counted. The data set changed, or rows are missing: read it again."
            )
        frame = builder.take()[columns] if len(index) else self.meta[columns]
        self._check_dtypes(frame, index)
        return frame.set_axis(index)

    def _pages(self, first: int, last: int) -> Iterator[Page]:
        session: Session = manager.current()
        if session.account != self.account:
            raise InputError(
                "This process is connected to another account, user, key or url than the one that made the dask frame"
            )
        request, part = rows_request(self.rec_id, self.version), Part(first, last, self.size)
        with closing(iter_pages(session, request, PAGE_SIZE, total=self.total, part=part)) as pages:
            yield from pages

    def _check_dtypes(self, frame: pd.DataFrame, index: pd.RangeIndex) -> None:
        for name, found, expected in zip(frame.columns, frame.dtypes, self.meta[[*frame.columns]].dtypes, strict=True):
            if found != expected and not isinstance(found, pd.CategoricalDtype):
                raise InputError(
                    f"Column {name!r} is {found} in the rows {index.start} to {index.stop - 1}, and {expected} on the "
                    f"first page: name another dtype={{{name!r}: ...}}."
                )


# ---------------------------------------------------------------------------------------------------------
# Writing


class ClicDataDaskAccessor:
    """The verbs that write this dask frame to ClicData.

    Parameters
    ----------
    ddf : dask.dataframe.DataFrame
        The dask frame. This process sends its rows, partition after partition; nothing is sent by its workers.
    """

    def __init__(self, ddf: dd.DataFrame) -> None:
        self._ddf = ddf

    def __repr__(self) -> str:
        return f"<ddf.clicdata of {self._ddf.npartitions:,} partitions: append, push, replace, partitions>"

    def append(
        self,
        rec_id: int | str,
        *,
        ahead: int = 4,
        client: Any = None,
        session: Session | None = None,
        **options: Unpack[AppendArguments],
    ) -> AppendReceipt:
        """Append the rows to a data set, in the order of the partitions.

        The columns are compared with those of the data set before anything is computed. This process sends all rows,
        as one append with one receipt and one journal. A worker that is killed, or a task that dask runs twice, doesn't
        change the rows that are sent. A result that several partitions need, such as a shuffle, is computed for each of
        them: ``persist`` the frame first.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name. Its columns are matched by name.
        ahead : int, default 4
            Partitions that are computed in advance, all at once. On a cluster, give at least the number of its workers.
        client : distributed.Client, optional
            The cluster that computes. By default dask decides, as for ``ddf.compute()``.
        session : Session, optional
            The session to send through; the default session if not given.
        **options
            As in `pandas_clicdata.append`.

        Returns
        -------
        AppendReceipt
            Every row was appended. The first piece is the frame's meta, without rows; each other piece is a partition.

        Raises
        ------
        InputError
            The columns can't be sent, or are not those of the data set; nothing was computed or sent.
        AppendInterrupted
            It stopped midway. A partition that can't be computed also stops it; this error is the cause. Continue with
            ``resume_append(ddf.clicdata.partitions(), journal)``. A partition whose rows differ now from the rows that
            were sent is refused with `JournalMismatch`.
        AppendAmbiguous
            It stopped midway, and some rows are in doubt.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"day": ["mon", "tue"], "mm": [0.5, 2.25]}), npartitions=2)
        >>> rec_id = ddf.clicdata.push("Rain").rec_id
        >>> ddf.clicdata.append(rec_id)
        <AppendReceipt: 2 of 2 rows appended to data set ... in 2 chunks of 3 pieces>
        """
        return append(self.partitions(ahead=ahead, client=client), rec_id, session=session, **options)

    def push(
        self,
        name: str,
        desc: str = "",
        if_exists: Literal["fail", "append"] = "fail",
        *,
        ahead: int = 4,
        client: Any = None,
        session: Session | None = None,
        **options: Unpack[AppendArguments],
    ) -> AppendReceipt:
        """Create a data set with the columns of the meta, and append the rows.

        Parameters
        ----------
        name, desc, if_exists, session
            As in `pandas_clicdata.push`.
        ahead, client
            As in `append`.
        **options
            As in `pandas_clicdata.append`. A column of objects is text, unless ``types`` has another type.

        Returns
        -------
        AppendReceipt
            Every row was appended; ``.rec_id`` is the data set.

        Raises
        ------
        InputError
            The columns can't be sent; nothing was computed or sent.
        Conflict
            With ``if_exists="fail"``: a data set of that name exists.
        WriteError
            The append stopped, as in `append`: ``.receipt`` says which rows are stored.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> dd.from_pandas(pd.DataFrame({"shop": ["01", "02"]}), npartitions=1).clicdata.push("Doors")
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk of 2 pieces>
        """
        rows = self.partitions(ahead=ahead, client=client)
        return push(rows, name, desc, if_exists, session=session, **options)

    def replace(
        self,
        rec_id: int | str,
        by: str | Sequence[str] | None = None,
        *,
        allow_empty: bool = False,
        max_deleted: float | None = None,
        match: Literal["exact", "wide"] | None = None,
        types: Mapping[str, str] | None = None,
        index: bool | None = None,
        journal: str | os.PathLike[str] | None = None,
        append_id: str | None = None,
        tag_column: str | None = None,
        chunksize: int | None = None,
        workers: int = 1,
        compress: bool = False,
        progress: bool | None = None,
        ahead: int = 4,
        client: Any = None,
        session: Session | None = None,
    ) -> SyncReceipt:
        """Delete the rows of a data set that this frame replaces, and append the frame, such as to load a month again.

        With ``by``, the frame is computed twice. First, the workers compute the distinct values of these columns, and
        the rows of the data set with these values are deleted. Then the partitions are computed one after another, as
        in `append`. A partition with a row of another group stops the call. Without ``by``, all rows are deleted; the
        data set is read first, and held in memory.

        Old rows are deleted first, so they are missing while the frame is computed and sent: ``persist`` the frame
        first, if it fits into the memory of the cluster. ``order="append_first"`` and ``batch_column=`` of
        ``df.clicdata.replace`` are not offered. Old rows are not kept; Data History may have them.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        by : str or sequence of str, optional
            The columns that name the groups: ``"month"``. They have no missing values, and are no levels of the index.
        allow_empty : bool, default False
            Whether an empty frame without ``by`` may empty the data set.
        max_deleted : int or float, optional
            Refuse to delete more rows than this number or, as a float, this share of the data set. The data set is then
            read first, and held in memory.
        match : {"exact", "wide"}, optional
            Whether groups that differ only in letter case, trailing blanks, or the form of a letter are different.
        types, index, chunksize, workers, compress, progress
            As in `append`.
        journal : str or path, optional
            A new file, as in `append`. No row is sent before the file notes that the old rows are deleted.
        append_id : str, optional
            Your own id for this replace, with ``journal``: the same call continues where it stopped, and does nothing
            if it is complete.
        tag_column : str, optional
            A text column of the data set that gets stamps. If a response to an append is lost, they show whether its
            rows are stored.
        ahead, client, session
            As in `append`.

        Returns
        -------
        SyncReceipt
            Which rows were deleted and appended. Its ``remaining``, ``in_doubt`` and ``resume`` need a frame in memory:
            see ``.appended`` for each partition, and continue by the same call.

        Raises
        ------
        InputError
            The frame can't be sent, or it isn't known which rows would be deleted; nothing was written.
        JournalMismatch
            The journal is of another replace, or the frame has other groups than the stopped one; nothing was sent.
        SyncInterrupted
            It stopped midway, with nothing in doubt: ``.receipt`` says which rows are deleted and appended. A partition
            that can't be computed, or that differs the second time, also stops it. It is safe to repeat the call: it
            deletes and appends again, or with ``append_id`` and ``journal`` sends the rest.
        SyncAmbiguous
            A response was lost, and its effect is unknown: ``.receipt``. The call can be repeated with a new journal.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"month": ["Jan", "Jan", "Feb"], "sold": [1, 2, 3]}), npartitions=2)
        >>> rec_id = ddf.clicdata.push("Sales").rec_id
        >>> january = dd.from_pandas(pd.DataFrame({"month": ["Jan"], "sold": [4]}), npartitions=1)
        >>> january.clicdata.replace(rec_id, by="month")
        <SyncReceipt: replace of data set ...: 1 of 1 row appended ...; deleted: 1 accepted ...>
        >>> pd.read_clicdata(rec_id)
          month  sold
        0   Feb     3
        1   Jan     4
        """
        if append_id is not None and journal is None:
            raise InputError("append_id= needs journal=, which shows an earlier run")
        send = AppendOptions(
            types=types,
            index=index,
            journal=journal,
            append_id=append_id,
            verify=None if tag_column is None else "tag",
            tag_column=tag_column,
            chunksize=chunksize,
            workers=workers,
            compress=compress,
            progress=progress,
        )
        options = replace_options(
            "delete_first",
            None,
            allow_empty=allow_empty,
            max_deleted=max_deleted,
            match=match,
            keep=False,
            index=None,
            append=send,
        )
        parts, session = self.partitions(ahead=ahead, client=client), manager.current(session)
        rec_id, empty = find_id(DATA_SET, rec_id, session), self._ddf._meta.reset_index(drop=True)
        on = replace_source(empty, rec_id, by, options).on
        self._check_not_read(rec_id, session)
        types = check_columns(session, rec_id, self._ddf._meta, options)
        groups = empty
        if on:
            distinct = self._ddf[on].drop_duplicates(split_out=1)
            groups = distinct.compute() if client is None else client.compute(distinct).result()
            groups = groups.reset_index(drop=True)
        return replace_pieces(session, rec_id, parts, groups, on or None, options, types, pages_of(session, rec_id))

    def _check_not_read(self, rec_id: int, session: Session) -> None:
        """Raise if the frame reads the current rows of the data set, which would be deleted before they are read."""
        for parts in self._ddf.expr.find_operations(FromMapProjectable):
            reads = parts.func
            is_current = isinstance(reads, _PartReader) and reads.version is None
            if is_current and (reads.rec_id, reads.account) == (rec_id, session.account):
                raise InputError(
                    "the frame reads the current rows of this data set (live=True), which would be deleted before they "
                    "are read: persist the frame first, or read a stored version"
                )

    def partitions(self, *, ahead: int = 4, client: Any = None) -> Iterator[pd.DataFrame]:
        """Compute the partitions in order, some of them in advance.

        For `resume_append`, which needs all partitions again.

        Parameters
        ----------
        ahead, client
            As in `append`.

        Yields
        ------
        DataFrame
            The meta, which has no rows, and each partition. Nothing is computed before the first partition is needed.

        Raises
        ------
        InputError
            An argument can't be used.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"n": range(5)}), npartitions=2)
        >>> [len(frame) for frame in ddf.clicdata.partitions()]
        [0, 3, 2]
        """
        ahead = check_count("ahead", ahead, least=1)
        if client is not None and not hasattr(client, "compute"):
            raise InputError(f"client must be a distributed.Client, not {type(client).__name__}")
        return _computed(self._ddf, ahead, client)


def _computed(ddf: Any, ahead: int, client: Any) -> Iterator[pd.DataFrame]:
    yield ddf._meta
    parts = iter(ddf.to_delayed())  # unlike ddf.partitions, each of these keeps its number
    with Ahead(ahead) as pool:
        submit = client.compute if client is not None else lambda part: pool.submit(part.compute)
        coming = deque(map(submit, islice(parts, ahead)))
        while coming:
            frame = coming.popleft().result()
            coming.extend(map(submit, islice(parts, 1)))
            yield frame


public_methods(ClicDataDaskAccessor)
register_dataframe_accessor("clicdata")(ClicDataDaskAccessor)
