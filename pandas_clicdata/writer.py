"""``append`` and ``push``: write rows of any source to ClicData, even if they don't fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pandas_clicdata.arguments import check_choice, check_name
from pandas_clicdata.endpoints.data import Data, create_and_append
from pandas_clicdata.errors import public
from pandas_clicdata.session import manager
from pandas_clicdata.uploads.append import AppendOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pandas_clicdata.frames.pieces import Rows
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.append import AppendArguments
    from pandas_clicdata.uploads.receipt import AppendReceipt

IF_EXISTS = ("fail", "append")


@public
def append(
    data: Rows, rec_id: int | str, *, session: Session | None = None, **options: Unpack[AppendArguments]
) -> AppendReceipt:
    """Append rows to a data set: of a frame, of Arrow data, or of an iterable of pieces.

    It works like ``df.clicdata.append``, with the same arguments. The pieces of an iterable are one append, with one
    receipt and one journal, and row positions continue from piece to piece. The next piece is read while one is sent,
    so two pieces are in memory.

    Parameters
    ----------
    data : DataFrame, Arrow data, list of dict, or iterable of these
        The rows. Arrow data are objects with ``__arrow_c_stream__`` or ``__arrow_c_array__``: frames of polars, tables
        and readers of pyarrow, results of duckdb. A frame or a table in memory is one piece, and is checked as a whole
        before the first row is sent. A stream is cut into pieces of 100,000 rows. An iterable is read in the thread
        of the caller, one piece at a time.

        The first piece decides the columns. It also decides their ClicData types, unless ``types`` does. A piece that
        differs stops the append.
    rec_id : int or str
        The data set, by its id or exact name. Its columns are matched by name.
    session : Session, optional
        The session to send through; the default session if not given.
    **options
        As in ``df.clicdata.append``: ``types``, ``chunksize``, ``index``, ``workers``, ``compress``, ``progress``,
        ``journal``, ``verify``, ``exclusive``, ``tag_column``, ``errors``, ``audit``, ``check`` and ``append_id``.

    Returns
    -------
    AppendReceipt
        Every row of every piece was appended; ``.pieces`` has a row for each piece.

    Raises
    ------
    InputError
        The first piece can't be sent, or its columns are not those of the data set; nothing was sent.
    AppendInterrupted
        It stopped midway. A reason can be a later piece that differs, or an error in reading it, which is then the
        cause. The receipt counts the pieces that were begun. Continue with `resume_append` and all pieces again.
    AppendAmbiguous
        It stopped midway, and some rows are in doubt.
    NotFound, ApiError, AuthError, TransportError
        No row was stored.

    Examples
    --------
    >>> rec_id = pandas_clicdata.push([{"day": "mon", "mm": 2.5}], "Rain").rec_id
    >>> pieces = (pd.DataFrame({"day": [day] * 24, "mm": 0.5}) for day in ("tue", "wed", "thu"))
    >>> receipt = pandas_clicdata.append(pieces, rec_id)
    >>> receipt
    <AppendReceipt: 72 of 72 rows appended to data set ... in 3 chunks of 3 pieces>
    >>> receipt.pieces["stop"].tolist()
    [24, 48, 72]
    """
    return Data(session=session).append_data(rec_id, data, **options)


@public
def push(
    data: Rows,
    name: str,
    desc: str = "",
    if_exists: Literal["fail", "append"] = "fail",
    *,
    session: Session | None = None,
    **options: Unpack[AppendArguments],
) -> AppendReceipt:
    """Create a data set with the columns of the first piece, and append all rows.

    It works like ``df.clicdata.push``, with the same arguments.

    Parameters
    ----------
    data : DataFrame, Arrow data, list of dict, or iterable of these
        The rows, as in `append`. A column without a value in the first piece is text, unless ``types`` says otherwise.
    name : str
        The name of the data set.
    desc : str, default ""
        A description.
    if_exists : {"fail", "append"}, default "fail"
        What to do if a data set of that name exists: raise `Conflict`, or append to it.
    session : Session, optional
        The session to send through; the default session if not given.
    **options
        As in `append`.

    Returns
    -------
    AppendReceipt
        Every row of every piece was appended; ``.rec_id`` is the data set.

    Raises
    ------
    InputError
        The first piece can't be sent; nothing was sent.
    Conflict
        With ``if_exists="fail"``: a data set of that name exists.
    CreateAmbiguous
        The response was lost, and the list of data sets didn't show whether it was created.
    WriteError
        The append stopped, as in `append`: ``.receipt`` says which rows are stored.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"shop": ["01", "02"], "visits": [17, 4]})
    >>> pandas_clicdata.push(table, "Visits")
    <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
    """
    check_name("name", name)
    check_choice("if_exists", if_exists, IF_EXISTS)
    checked, endpoint = AppendOptions(**options), Data(session=manager.current(session))
    return create_and_append(endpoint, name, data, desc, checked, may_exist=if_exists == "append")
