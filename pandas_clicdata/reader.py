"""read_clicdata and read_arrow read a data set as a frame, or as a table of Arrow. datasets lists the data sets."""

from __future__ import annotations

import warnings
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

import pyarrow as pa
from pandas.api.extensions import no_default

from pandas_clicdata.arguments import check_choice, check_count, check_flag, check_name
from pandas_clicdata.endpoints.data import Data
from pandas_clicdata.endpoints.versions import check_version, rows_request, stored_version
from pandas_clicdata.errors import CALLER, InputError, TornReadWarning, public, short_traceback
from pandas_clicdata.frames.arrow import batches_of, table_of
from pandas_clicdata.frames.cache import CachedPage, CachedVersion
from pandas_clicdata.frames.compare import columns_seen
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.names import DATA_SET, find_id
from pandas_clicdata.progress import bar
from pandas_clicdata.session import manager
from pandas_clicdata.session.ahead import checked_workers
from pandas_clicdata.session.pages import PAGE_SIZE, Page, iter_pages, retry_while_changing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import pandas as pd

    from pandas_clicdata.accessor import DataFrame
    from pandas_clicdata.frames.filters import Filters
    from pandas_clicdata.session.pages import OnTorn
    from pandas_clicdata.session.session import Session


@public
def datasets(text: str | None = None, *, session: Session | None = None) -> pd.DataFrame:
    """List the data sets of the account.

    Parameters
    ----------
    text : str, optional
        List only data sets with this text in their name.
    session : Session, optional
        The session to use; by default the default session.

    Returns
    -------
    DataFrame
        One row for each data set, as in `Data.get_data`, with ``rec_id`` as the index.

    Raises
    ------
    InputError
        ``text`` is not a str.

    Notes
    -----
    ``GET /data``.

    Examples
    --------
    >>> pandas_clicdata.datasets("sho")["name"]
    rec_id
    1001    Shops
    Name: name, dtype: ...
    """
    return Data(session=session).get_data(name=None if text is None else check_name("text", text)).set_index("rec_id")


@overload
def read_clicdata(
    rec_id: int | str,
    *,
    ver_id: int | Literal["latest"] | None = ...,
    columns: Sequence[str] | None = ...,
    dtype: Any = ...,
    dtype_backend: Any = ...,
    parse_dates: Literal["infer", False] | Sequence[str] | Mapping[str, Any] | None = ...,
    index_col: str | Sequence[str] | None = ...,
    filters: Filters | None = ...,
    skiprows: int | None = ...,
    nrows: int | None = ...,
    chunksize: None = ...,
    on_torn: Literal["raise", "warn"] = ...,
    on_drift: Literal["raise", "union"] = ...,
    cache: bool = ...,
    workers: int = ...,
    progress: bool | None = ...,
    session: Session | None = ...,
) -> DataFrame: ...


@overload
def read_clicdata(
    rec_id: int | str,
    *,
    ver_id: int | Literal["latest"] | None = ...,
    columns: Sequence[str] | None = ...,
    dtype: Any = ...,
    dtype_backend: Any = ...,
    parse_dates: Literal["infer", False] | Sequence[str] | Mapping[str, Any] | None = ...,
    index_col: str | Sequence[str] | None = ...,
    filters: Filters | None = ...,
    skiprows: int | None = ...,
    nrows: int | None = ...,
    chunksize: int,
    on_torn: Literal["raise", "warn"] = ...,
    on_drift: Literal["raise", "union"] = ...,
    cache: bool = ...,
    workers: int = ...,
    progress: bool | None = ...,
    session: Session | None = ...,
) -> Iterator[DataFrame]: ...


@public
def read_clicdata(
    rec_id: int | str,
    *,
    ver_id: int | Literal["latest"] | None = None,
    columns: Sequence[str] | None = None,
    dtype: Any = None,
    dtype_backend: Literal["numpy_nullable", "pyarrow"] | Any = no_default,
    parse_dates: Literal["infer", False] | Sequence[str] | Mapping[str, Any] | None = None,
    index_col: str | Sequence[str] | None = None,
    filters: Filters | None = None,
    skiprows: int | None = 0,
    nrows: int | None = None,
    chunksize: int | None = None,
    on_torn: Literal["raise", "warn"] = "raise",
    on_drift: Literal["raise", "union"] = "raise",
    cache: bool = False,
    workers: int = 1,
    progress: bool | None = None,
    session: Session | None = None,
) -> DataFrame | Iterator[DataFrame]:
    """Read all pages of a data set as one frame.

    All pages decide the type of a column. Whole numbers are int64 (Int64 with missing values, exact to the last digit),
    other numbers are float64, and true and false are bool or boolean. Text stays text: "01234" is no number. Text
    becomes a date only if ``dtype`` or ``parse_dates`` says so, or if the session knows that the column holds dates.

    ClicData returns a data set page by page, and others may write to it meanwhile. From version 2022.01 on, it counts
    the rows. If the count changes during a read, the data set is read again, twice at most. A count can't show that one
    row came and another one was deleted. A stored version can't change: read ``ver_id="latest"`` if Data History is on.
    If pages don't show whether more follow, the read ends one request later, at a page that is empty, refused, or the
    same for every page number.

    Parameters
    ----------
    rec_id : int or str
        The data set, by its id or exact name.
    ver_id : int or "latest", optional
        A stored version of the data set, which can't change; "latest" is the newest one. By default the current rows.
    columns : sequence of str, optional
        The columns to return, in this order; by default all.
    dtype : dtype, or mapping of column to dtype, optional
        As in pandas. The names of ClicData types work too: ``{"day": "date"}``.
    dtype_backend : {"numpy_nullable", "pyarrow"}, optional
        As in pandas; by default the usual dtypes of pandas.
    parse_dates : "infer", sequence of str, mapping, or False, optional
        Columns of text to convert to datetimes; False converts none. Naive datetimes stay naive, others become UTC. By
        default, columns that this session created or read as dates or datetimes are converted if each text is one.
        "infer" converts each column that ``dtype`` doesn't name if each text is a date or a datetime as ClicData writes
        it. It can't be used with ``chunksize``, as later rows may hold other text.
    index_col : str or sequence of str, optional
        Columns to use as the index.
    filters : list of tuples, or list of lists of tuples, optional
        Conditions for the rows to return, as in `pandas.read_parquet`. A row must match all conditions of a list:
        ``[("country", "==", "FR"), ("area_m2", ">", 400)]``. With a list of lists, it must match one list. The
        operators are ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``in`` and ``not in``; the last two take a list.
        ClicData can't filter rows, so **all pages are still requested**. Each page is filtered when it comes, and
        memory holds only the rows that match. Cells are compared before ``dtype`` and ``parse_dates``: text letter by
        letter, or as a timestamp with a date or datetime of Python (UTC if one of the two has no offset). Missing
        cells match no condition, not even ``!=`` and ``not in``.
    skiprows : int, default 0; None is 0 too
        The number of rows to leave out at the start, before ``filters`` and ``nrows``. Their pages are requested too.
    nrows : int, optional
        The largest number of rows to return. No page after these rows is requested.
    chunksize : int, optional
        The number of rows of each frame of an iterator, which is returned. It requests pages as they are needed. It
        can't read again if the data set changed, so it raises.
    on_torn : {"raise", "warn"}, default "raise"
        What to do if the data set changed during the last read too: raise `TornRead`, or return the frame with a
        `TornReadWarning`; ``df.attrs["clicdata"]["torn"]`` is then True.
    on_drift : {"raise", "union"}, default "raise"
        What to do if a page has other columns than the first page: read again and then raise `SchemaDrift`, or
        return all columns, with missing cells where a page doesn't have the column.
    cache : bool, default False
        Whether to store the rows of a stored version in a file, and to read them from the file the next time. It needs
        ``ver_id``; for "latest", a request asks which version is the newest. The file is in the user's cache folder
        (``~/.cache/pandas_clicdata``), and only the user can read it. It is written when all rows were read. It stays
        until you delete it, also if ClicData deletes the version or the user may no longer read it.
    workers : int, default 1
        The number of pages to request at once, 32 at most. If ClicData doesn't count rows, a few requests find no rows.
    progress : bool, optional
        Whether to show a bar; by default in a notebook, and if stderr is a terminal.
    session : Session, optional
        The session to use; by default the default session.

    Returns
    -------
    DataFrame, or iterator of DataFrame
        The rows in ClicData's order. ``df.attrs["clicdata"]`` names the data set, and its ``"types"`` show which texts
        were dates and which were datetimes. So the frame can be written back to that data set without ``types=``. If
        the data set has no rows, the frame has only the columns that ``columns`` or ``dtype`` names.

    Raises
    ------
    InputError
        An argument can't be used, or a column can't be converted to the requested dtype.
    NotFound
        There is no such data set or version.
    TornRead, SchemaDrift, PagingLoop
        The rows are not the whole data set; no part of it is returned.

    Notes
    -----
    ``GET /data/{id}``, or ``GET /data/{id}/v/{ver}`` for a stored version.

    Examples
    --------
    >>> df = pandas_clicdata.read_clicdata(rec_id, parse_dates=["opened"], index_col="shop_code")
    >>> df["opened"].dtype.kind
    'M'
    >>> large = pandas_clicdata.read_clicdata(rec_id, filters=[("country", "==", "FR"), ("area_m2", ">", 300)])
    >>> large["city"].tolist()
    ['Lille']
    """
    builder = FrameBuilder(
        columns=columns,
        dtype=dtype,
        dtype_backend=dtype_backend,
        parse_dates=parse_dates,
        index_col=index_col,
        on_drift=on_drift,
        filters=filters,
        skiprows=check_count("skiprows", 0 if skiprows is None else skiprows),
    )
    reading = _begun(rec_id, ver_id, builder, nrows, chunksize, on_torn, cache, workers, progress, session)
    return reading.whole() if chunksize is None else reading.chunks()


@overload
def read_arrow(
    rec_id: int | str,
    *,
    ver_id: int | Literal["latest"] | None = ...,
    columns: Sequence[str] | None = ...,
    dtype: Any = ...,
    parse_dates: Literal["infer", False] | Sequence[str] | Mapping[str, Any] | None = ...,
    filters: Filters | None = ...,
    skiprows: int | None = ...,
    nrows: int | None = ...,
    chunksize: None = ...,
    on_torn: Literal["raise", "warn"] = ...,
    on_drift: Literal["raise", "union"] = ...,
    cache: bool = ...,
    workers: int = ...,
    progress: bool | None = ...,
    session: Session | None = ...,
) -> pa.Table: ...


@overload
def read_arrow(
    rec_id: int | str,
    *,
    ver_id: int | Literal["latest"] | None = ...,
    columns: Sequence[str] | None = ...,
    dtype: Any = ...,
    parse_dates: Literal["infer", False] | Sequence[str] | Mapping[str, Any] | None = ...,
    filters: Filters | None = ...,
    skiprows: int | None = ...,
    nrows: int | None = ...,
    chunksize: int,
    on_torn: Literal["raise", "warn"] = ...,
    on_drift: Literal["raise", "union"] = ...,
    cache: bool = ...,
    workers: int = ...,
    progress: bool | None = ...,
    session: Session | None = ...,
) -> pa.RecordBatchReader: ...


@public
def read_arrow(
    rec_id: int | str,
    *,
    ver_id: int | Literal["latest"] | None = None,
    columns: Sequence[str] | None = None,
    dtype: Any = None,
    parse_dates: Literal["infer", False] | Sequence[str] | Mapping[str, Any] | None = None,
    filters: Filters | None = None,
    skiprows: int | None = 0,
    nrows: int | None = None,
    chunksize: int | None = None,
    on_torn: Literal["raise", "warn"] = "raise",
    on_drift: Literal["raise", "union"] = "raise",
    cache: bool = False,
    workers: int = 1,
    progress: bool | None = None,
    session: Session | None = None,
) -> pa.Table | pa.RecordBatchReader:
    """Read all pages of a data set as a table of Arrow.

    The requests, the checks and the types are those of `read_clicdata`: whole numbers are int64, other numbers are
    float64 and text is string. A column that mixes types is refused, since Arrow has no type for it.

    Parameters
    ----------
    rec_id : int or str
        The data set, by its id or exact name.
    ver_id, columns, parse_dates, filters, skiprows, nrows, on_torn, on_drift, cache, workers, progress, session
        As in `read_clicdata`.
    dtype : dtype, or mapping of column to dtype, optional
        As in `read_clicdata`. Types of Arrow work too: ``{"price": pyarrow.float64()}``.
    chunksize : int, optional
        The number of rows of each batch of a reader, which is returned. The call requests the pages of the first batch,
        and the reader requests others as they are needed. The first batch decides the types. If a later cell has
        another type, the reader raises: name a column in ``dtype`` if its first cells are whole or missing.

    Returns
    -------
    pyarrow.Table or pyarrow.RecordBatchReader
        The rows in ClicData's order. ``schema.metadata[b"clicdata"]`` holds the ``df.attrs["clicdata"]`` of
        `read_clicdata` as JSON. For polars, write ``polars.from_arrow(read_arrow(rec_id))``.

    Raises
    ------
    InputError
        An argument can't be used, or a column has no type of Arrow or can't be converted to the requested dtype.
    NotFound
        There is no such data set or version.
    TornRead, SchemaDrift, PagingLoop
        The rows are not the whole data set. A reader raises this at the batch that shows it, and returns no more rows.

    Examples
    --------
    >>> table = pandas_clicdata.read_arrow(rec_id, parse_dates=["opened"])
    >>> print(table.schema.field("opened").type)
    timestamp[us]
    >>> sum(batch.num_rows for batch in pandas_clicdata.read_arrow(rec_id, chunksize=2)) == table.num_rows
    True
    """
    builder = FrameBuilder(
        columns=columns,
        dtype=dtype,
        dtype_backend="pyarrow",
        parse_dates=parse_dates,
        on_drift=on_drift,
        filters=filters,
        skiprows=check_count("skiprows", 0 if skiprows is None else skiprows),
    )
    reading = _begun(rec_id, ver_id, builder, nrows, chunksize, on_torn, cache, workers, progress, session)
    if chunksize is None:
        return table_of(reading.whole())
    frames = reading.chunks()
    first = table_of(next(frames))
    builder.hold(builder.types())
    return pa.RecordBatchReader.from_batches(first.schema, _batches(first, frames))


def _batches(first: pa.Table, frames: Iterator[DataFrame]) -> Iterator[pa.RecordBatch]:
    with short_traceback:
        yield from batches_of(first, first.schema)
        for frame in frames:
            yield from batches_of(table_of(frame), first.schema)


def _begun(
    rec_id: int | str,
    ver_id: int | Literal["latest"] | None,
    builder: FrameBuilder,
    nrows: int | None,
    chunksize: int | None,
    on_torn: OnTorn,
    cache: bool,
    workers: int,
    progress: bool | None,
    session: Session | None,
) -> _Reading:
    """Check the arguments of a read, and find the stored version. No page is requested yet."""
    ver_id = None if ver_id is None else check_version(ver_id)
    if check_flag("cache", cache) and ver_id is None:
        raise InputError(
            "cache=True needs ver_id=: a stored version can't change, and the current rows can. "
            'ver_id="latest" is the newest version'
        )
    nrows = None if nrows is None else check_count("nrows", nrows)
    chunksize = None if chunksize is None else check_count("chunksize", chunksize, least=1)
    if chunksize is not None and builder.infers_dates:
        raise InputError('parse_dates="infer" needs all rows: with chunksize=, name the columns')
    check_choice("on_torn", on_torn, ("raise", "warn"))
    workers = checked_workers(workers)
    progress = check_flag("progress", progress)
    session = manager.current(session)
    rec_id = find_id(DATA_SET, rec_id, session)
    known = session.columns.get(rec_id)
    if known is not None and builder.takes_dates:
        builder.dates = known.dates
    version = None if ver_id is None else stored_version(session, rec_id, ver_id)
    kept = CachedVersion(session.account, rec_id, version.number) if cache and version is not None else None
    return _Reading(
        session, rec_id, version or (None, None), builder, nrows, chunksize, on_torn, workers, progress, kept
    )


@dataclass
class _Reading:
    """Reads a data set as one frame, or as frames of ``chunksize`` rows; at most ``nrows`` rows in all."""

    session: Session
    rec_id: int
    version: tuple[int | None, int | None]  # its number and its count of rows
    builder: FrameBuilder
    nrows: int | None
    chunksize: int | None
    on_torn: OnTorn
    workers: int
    progress: bool | None
    cache: CachedVersion | None
    torn: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)  # the types of their cells, by name
    left: int | None = None  # rows that are still to be returned; None for all

    def whole(self) -> DataFrame:
        """Return one frame. If the data set changes meanwhile, read it again, twice at most."""
        [frame] = retry_while_changing(lambda: [*self.frames("raise")], last=lambda: [*self.frames(self.on_torn)])
        if self.torn is not None:
            warnings.warn(TornReadWarning(self.torn), stacklevel=CALLER + 1)
        return frame

    def chunks(self) -> Iterator[DataFrame]:
        """Yield the frames to the user."""
        with short_traceback:
            yield from self.frames(self.on_torn)

    def frames(self, on_torn: OnTorn) -> Iterator[DataFrame]:
        """Yield each frame as soon as its rows have come. If there are no rows at all, yield one empty frame."""
        self.builder.clear()
        self.torn, self.left = None, self.nrows
        number, total = self.version
        pages: Generator[Page, None, None] = iter_pages(
            self.session,
            rows_request(self.rec_id, number),
            PAGE_SIZE if self.nrows is None or self.builder.filter else max(1, min(PAGE_SIZE, self.nrows)),
            workers=self.workers,
            wanted=self._missing_rows,
            total=total,
            on_torn=on_torn,
        )
        if self.cache is not None:
            pages = _through_cache(self.cache, pages, total)
        is_first, bar_rows = True, total if self.builder.filter else self.nrows or total
        with (
            bar(self.progress, f"read {self.rec_id}", bar_rows, session=self.session) as done,
            closing(pages),
        ):
            for page in pages:
                if page.torn is not None and self.torn is None:
                    self.torn = page.torn
                    if self.chunksize is not None:
                        warnings.warn(TornReadWarning(page.torn), stacklevel=3)
                rows, all_rows = self.builder.add(page.rows), page.total if total is None else total
                if self.nrows is not None and not self.builder.filter:
                    rows, all_rows = min(rows, self.nrows - done.count), min(self.nrows, all_rows or self.nrows)
                done.update(rows, all_rows)
                if page.number == 1 and self.version[0] is None and self.builder.first:
                    known = columns_seen(self.builder.first, self.session.columns.get(self.rec_id))
                    self.columns = {"columns": dict(known.holds)} if known else {}
                    self.session.columns[self.rec_id] = known
                while (missing := self._missing_rows()) is not None and missing <= 0:
                    is_first = False
                    yield self._take()
                    if self.left == 0:
                        return
        if is_first or self.builder.rows:
            yield self._take()

    def _missing_rows(self) -> int | None:
        """Return how many rows the next frame still lacks; None for all."""
        bound = min((bound for bound in (self.left, self.chunksize) if bound is not None), default=None)
        return None if bound is None else bound - self.builder.rows

    def _take(self) -> DataFrame:
        missing = self._missing_rows()
        frame: Any = self.builder.take(None if missing is None else self.builder.rows + missing)
        notes: dict[str, Any] = dict(self.columns) if self.torn is None else {**self.columns, "torn": True}
        if self.builder.noted:
            notes["types"] = dict(self.builder.noted)
            known = self.session.columns.get(self.rec_id)
            if known is not None:
                self.session.columns[self.rec_id] = known._replace(dates=known.dates.union(self.builder.noted))
        frame.attrs["clicdata"] = {"rec_id": self.rec_id, "ver_id": self.version[0], **notes}
        self.left = None if self.left is None else self.left - len(frame)
        return frame  # type: ignore[no-any-return]  # the same class, but for its accessor's type


def _through_cache(
    cache: CachedVersion, pages: Generator[Page, None, None], total: int | None
) -> Generator[Page, None, None]:
    """Yield the pages of a version from its file. If there is none, yield ``pages``, and write them to the file."""
    kept = cache.pages()
    if kept is not None:
        for number, (rows, length, is_last) in enumerate(kept, 1):
            yield Page(number, rows, length, more=not is_last, total=total)
        return
    with closing(pages), cache.writer() as add:
        for page in pages:
            if page.torn is None:
                add(CachedPage(page.rows, page.count, is_last=page.more is False))
            yield page
