"""read_clicdata: one data set as a frame."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas.api.extensions import no_default

from pandas_clicdata.endpoints.data import Data
from pandas_clicdata.endpoints.noun import whole_id
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.decode import Assembler
from pandas_clicdata.progress import bar
from pandas_clicdata.session import manager
from pandas_clicdata.session.pages import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pandas_clicdata.accessor import DataFrame
    from pandas_clicdata.session.pages import Page
    from pandas_clicdata.session.session import Session


@overload
def read_clicdata(
    rec_id: int,
    *,
    ver_id: int | None = ...,
    columns: Sequence[str] | None = ...,
    dtype: Any = ...,
    dtype_backend: Any = ...,
    parse_dates: Sequence[str] | Mapping[str, Any] | None = ...,
    index_col: str | Sequence[str] | None = ...,
    nrows: int | None = ...,
    chunksize: None = ...,
    progress: bool | None = ...,
    session: Session | None = ...,
) -> DataFrame: ...


@overload
def read_clicdata(
    rec_id: int,
    *,
    ver_id: int | None = ...,
    columns: Sequence[str] | None = ...,
    dtype: Any = ...,
    dtype_backend: Any = ...,
    parse_dates: Sequence[str] | Mapping[str, Any] | None = ...,
    index_col: str | Sequence[str] | None = ...,
    nrows: int | None = ...,
    chunksize: int,
    progress: bool | None = ...,
    session: Session | None = ...,
) -> Iterator[DataFrame]: ...


def read_clicdata(
    rec_id: int,
    *,
    ver_id: int | None = None,
    columns: Sequence[str] | None = None,
    dtype: Any = None,
    dtype_backend: Literal["numpy_nullable", "pyarrow"] | Any = no_default,
    parse_dates: Sequence[str] | Mapping[str, Any] | None = None,
    index_col: str | Sequence[str] | None = None,
    nrows: int | None = None,
    chunksize: int | None = None,
    progress: bool | None = None,
    session: Session | None = None,
) -> DataFrame | Iterator[DataFrame]:
    """Read a data set, all its pages, as one frame.

    ``GET /data/{id}``, or ``GET /data/{id}/v/{ver}`` for a stored version. Types are settled over all pages:
    whole numbers are int64 (Int64 with missing values among them, exact to the last digit), other numbers
    float64, true and false bool (boolean), and text stays text: "01234" is no number and "2026-11-24" no date
    unless ``dtype`` or ``parse_dates`` says so.

    Parameters
    ----------
    rec_id : int
        The data set.
    ver_id : int, optional
        A stored version of it, which can't change while it is read.
    columns : sequence of str, optional
        Only these columns, in this order.
    dtype : dtype, or mapping of column to dtype, optional
        As in pandas; the names of ClicData's types are understood too: ``{"day": "date"}``.
    dtype_backend : {"numpy_nullable", "pyarrow"}, optional
        As in pandas; by default its usual dtypes.
    parse_dates : sequence of str, or mapping, optional
        Columns of text to turn into datetimes. Naive ones stay naive, those with an offset become UTC.
    index_col : str or sequence of str, optional
        Columns to use as the index.
    nrows : int, optional
        Read no more rows than this, and ask for no more pages than that takes.
    chunksize : int, optional
        Rows a frame: gives an iterator of frames that asks for pages as they are needed.
    progress : bool, optional
        Whether to show a bar on stderr; by default where that is a terminal.
    session : Session, optional
        What to read through; the default session if not given.

    Returns
    -------
    DataFrame, or iterator of DataFrame
        The rows in ClicData's order, a column per column of the data set. ``df.attrs["clicdata"]`` says
        which data set it was.

    Raises
    ------
    InputError
        An argument can't be used, or a column can't be turned into the dtype asked for.
    NotFound
        There is no such data set or version.
    ReadError
        The rows that came would not be the whole data set; no part of it is returned.

    Examples
    --------
    >>> df = pandas_clicdata.read_clicdata(rec_id, parse_dates=["opened"], index_col="shop")
    >>> df["opened"].dtype.kind
    'M'
    """
    rec_id = whole_id("rec_id", rec_id)
    ver_id = None if ver_id is None else whole_id("ver_id", ver_id)
    limit = None if nrows is None else _whole("nrows", nrows, least=0)
    each = None if chunksize is None else _whole("chunksize", chunksize, least=1)
    assembler = Assembler(
        columns=columns,
        dtype=dtype,
        dtype_backend=dtype_backend,
        parse_dates=parse_dates,
        index_col=index_col,
    )
    shown = bar(progress, f"read {rec_id}", limit)
    size = PAGE_SIZE if limit is None else max(1, min(PAGE_SIZE, limit))
    pages = Data(session=manager.current(session)).pages(rec_id, ver_id, page_size=size)
    frames = _frames(pages, assembler, limit, each, shown, {"rec_id": rec_id, "ver_id": ver_id})
    if each is not None:
        return frames
    [frame] = frames
    return frame


def _frames(
    pages: Iterator[Page],
    assembler: Assembler,
    limit: int | None,
    each: int | None,
    shown: Any,
    source: dict[str, Any],
) -> Iterator[DataFrame]:
    """Frames of ``each`` rows, at most ``limit`` in all; one frame of everything without ``each``."""
    given = 0

    def frame(rows: int | None) -> DataFrame:
        nonlocal given
        made: Any = assembler.take(rows)
        made.attrs["clicdata"] = source
        given += len(made)
        return made  # type: ignore[no-any-return]  # the same class, but for its accessor's type

    with shown:
        for page in pages:
            shown.update(assembler.add(page.rows))
            if limit is not None and given + assembler.rows >= limit:
                break
            while each is not None and assembler.rows > each:
                yield frame(each)
    while each is not None and assembler.rows > each and (limit is None or limit - given > each):
        yield frame(each)
    rest = None if limit is None else limit - given
    if each is None or given == 0 or (rest != 0 and assembler.rows):
        yield frame(rest)


def _whole(name: str, value: Any, *, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise InputError(f"{name} must be a whole number of rows, {least} at least, not {value!r}")
    return number
