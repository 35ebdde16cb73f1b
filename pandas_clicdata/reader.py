"""read_clicdata: one data set as a frame."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas.api.extensions import no_default

from pandas_clicdata.endpoints.arguments import check_choice, check_count, check_flag, check_id
from pandas_clicdata.endpoints.data import Data, stored_version
from pandas_clicdata.errors import TornReadWarning
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.progress import bar
from pandas_clicdata.session import manager
from pandas_clicdata.session.ahead import checked_workers
from pandas_clicdata.session.pages import PAGE_SIZE, retry_while_changing

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pandas_clicdata.accessor import DataFrame
    from pandas_clicdata.session.pages import OnTorn, Page
    from pandas_clicdata.session.session import Session


@overload
def read_clicdata(
    rec_id: int,
    *,
    ver_id: int | Literal["latest"] | None = ...,
    columns: Sequence[str] | None = ...,
    dtype: Any = ...,
    dtype_backend: Any = ...,
    parse_dates: Sequence[str] | Mapping[str, Any] | None = ...,
    index_col: str | Sequence[str] | None = ...,
    nrows: int | None = ...,
    chunksize: None = ...,
    on_torn: Literal["raise", "warn"] = ...,
    on_drift: Literal["raise", "union"] = ...,
    workers: int = ...,
    progress: bool | None = ...,
    session: Session | None = ...,
) -> DataFrame: ...


@overload
def read_clicdata(
    rec_id: int,
    *,
    ver_id: int | Literal["latest"] | None = ...,
    columns: Sequence[str] | None = ...,
    dtype: Any = ...,
    dtype_backend: Any = ...,
    parse_dates: Sequence[str] | Mapping[str, Any] | None = ...,
    index_col: str | Sequence[str] | None = ...,
    nrows: int | None = ...,
    chunksize: int,
    on_torn: Literal["raise", "warn"] = ...,
    on_drift: Literal["raise", "union"] = ...,
    workers: int = ...,
    progress: bool | None = ...,
    session: Session | None = ...,
) -> Iterator[DataFrame]: ...


def read_clicdata(
    rec_id: int,
    *,
    ver_id: int | Literal["latest"] | None = None,
    columns: Sequence[str] | None = None,
    dtype: Any = None,
    dtype_backend: Literal["numpy_nullable", "pyarrow"] | Any = no_default,
    parse_dates: Sequence[str] | Mapping[str, Any] | None = None,
    index_col: str | Sequence[str] | None = None,
    nrows: int | None = None,
    chunksize: int | None = None,
    on_torn: Literal["raise", "warn"] = "raise",
    on_drift: Literal["raise", "union"] = "raise",
    workers: int = 1,
    progress: bool | None = None,
    session: Session | None = None,
) -> DataFrame | Iterator[DataFrame]:
    """Read a data set, all its pages, as one frame.

    ``GET /data/{id}``, or ``GET /data/{id}/v/{ver}`` for a stored version. Types are settled over all pages:
    whole numbers are int64 (Int64 with missing values among them, exact to the last digit), other numbers
    float64, true and false bool (boolean), and text stays text: "01234" is no number and "2026-11-24" no date
    unless ``dtype`` or ``parse_dates`` says so.

    ClicData gives a data set page by page, and others may write to it meanwhile. Where it counts the rows (it does
    from version 2022.01 on), a read during which the count changes is begun anew, twice at most, before it is given up.
    What a count doesn't show, such as one row more and another one less between two pages, only a stored version is
    proof against: ``ver_id="latest"``, where Data History is on.

    Parameters
    ----------
    rec_id : int
        The data set.
    ver_id : int or "latest", optional
        A stored version of it, which can't change while it is read; or the newest there is.
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
        Rows a frame: gives an iterator of frames that asks for pages as they are needed. What was given can't be
        read anew: the iterator raises.
    on_torn : {"raise", "warn"}, default "raise"
        What to do when the data set changed while it was read, the last time too: raise `TornRead`, or give the frame
        with a `TornReadWarning` and ``df.attrs["clicdata"]["torn"]`` True.
    on_drift : {"raise", "union"}, default "raise"
        What to do when a page has other columns than the first one: read anew and then raise `SchemaDrift`, or take all
        columns, missing where a page lacked them.
    workers : int, default 1
        Pages requested at once, 32 at most. Where ClicData doesn't count the rows, a few may be requested in vain.
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
    TornRead, SchemaDrift, PagingLoop
        The rows that came would not be the whole data set; no part of it is returned.

    Examples
    --------
    >>> df = pandas_clicdata.read_clicdata(rec_id, parse_dates=["opened"], index_col="shop_code")
    >>> df["opened"].dtype.kind
    'M'
    """
    rec_id = check_id("rec_id", rec_id)
    if ver_id is not None and ver_id != "latest":
        ver_id = check_id("ver_id", ver_id)
    limit = None if nrows is None else check_count("nrows", nrows)
    each = None if chunksize is None else check_count("chunksize", chunksize, least=1)
    check_choice("on_torn", on_torn, ("raise", "warn"))
    workers = checked_workers(workers)
    progress = check_flag("progress", progress)
    wishes: dict[str, Any] = {
        "columns": _kept(columns),
        "dtype": dtype,
        "dtype_backend": dtype_backend,
        "parse_dates": _kept(parse_dates),
        "index_col": _kept(index_col),
        "on_drift": on_drift,
    }
    FrameBuilder(**wishes)  # refuses what makes no sense before anything is sent
    data = Data(session=manager.current(session))
    version = None if ver_id is None else stored_version(data.session, rec_id, ver_id)
    number, total = version or (None, None)

    def taken(on_torn: OnTorn) -> _Taker:
        builder = FrameBuilder(**wishes)
        taker = _Taker(builder, limit, each, {"rec_id": rec_id, "ver_id": number})
        taker.pages = data.pages(
            rec_id,
            number,
            page_size=PAGE_SIZE if limit is None else max(1, min(PAGE_SIZE, limit)),
            workers=workers,
            wanted=taker.wanted,
            total=total,
            on_torn=on_torn,
        )
        return taker

    if each is not None:
        return taken(on_torn).frames(bar(progress, f"read {rec_id}", limit))

    def read(on_torn: OnTorn) -> tuple[DataFrame, str | None]:
        taker = taken(on_torn)
        [frame] = taker.frames(bar(progress, f"read {rec_id}", limit))
        return frame, taker.torn

    frame, torn = retry_while_changing(partial(read, "raise"), last=partial(read, on_torn))
    if torn is not None:
        warnings.warn(TornReadWarning(torn), stacklevel=2)
    return frame


class _Taker:
    """Makes frames of pages: of ``each`` rows, or one of everything; at most ``limit`` rows in all."""

    def __init__(self, builder: FrameBuilder, limit: int | None, each: int | None, source: dict[str, Any]) -> None:
        self._assembler = builder
        self._left = limit
        self._each = each
        self._source = source
        self.pages: Generator[Page, None, None]
        self.torn: str | None = None

    def wanted(self) -> int | None:
        """Rows that the next frame still lacks, None for no bound."""
        bounds = [bound - self._assembler.rows for bound in (self._left, self._each) if bound is not None]
        return min(bounds) if bounds else None

    def frames(self, shown: Any) -> Iterator[DataFrame]:
        """The frames, each as soon as its rows are there; one without rows when there are none at all."""
        given = False
        with shown, closing(self.pages) as pages:
            for page in pages:
                self._note(page)
                shown.update(self._assembler.add(page.rows))
                while self._each is not None and self._assembler.rows >= self._each and self._left != 0:
                    yield self._frame(self._each)
                    given = True
                if self._left is not None and self._assembler.rows >= self._left:
                    break
        if not given or (self._assembler.rows and self._left != 0):
            yield self._frame(None)

    def _note(self, page: Page) -> None:
        if page.torn is None or self.torn is not None:
            return
        self.torn = page.torn
        self._source = {**self._source, "torn": True}
        if self._each is not None:
            warnings.warn(TornReadWarning(page.torn), stacklevel=3)  # where the next frame was asked for

    def _frame(self, rows: int | None) -> DataFrame:
        most = [bound for bound in (rows, self._left) if bound is not None]
        made: Any = self._assembler.take(min(most) if most else None)
        made.attrs["clicdata"] = dict(self._source)
        if self._left is not None:
            self._left -= len(made)
        return made  # type: ignore[no-any-return]  # the same class, but for its accessor's type


def _kept(names: Any) -> Any:
    """The same names, such that they can be gone through more than once."""
    return list(names) if isinstance(names, Iterator) else names
