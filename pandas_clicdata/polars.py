"""``df.clicdata`` and ``lf.clicdata`` of polars. Importing this module registers both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import polars as pl  # pyright: ignore[reportMissingImports]  # an extra

from pandas_clicdata import writer
from pandas_clicdata.errors import public_methods

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.append import AppendArguments
    from pandas_clicdata.uploads.receipt import AppendReceipt


class ClicDataNamespace:
    """Write this frame of polars to ClicData.

    Parameters
    ----------
    frame : polars.DataFrame or polars.LazyFrame
        The frame. A lazy frame is collected in batches, each time that it is appended.
    """

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def append(
        self, rec_id: int | str, *, session: Session | None = None, **options: Unpack[AppendArguments]
    ) -> AppendReceipt:
        """Append the rows to a data set.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name. Its columns are matched by name.
        session : Session, optional
            The session to send through; the default session if not given.
        **options
            As in `pandas_clicdata.append`.

        Returns
        -------
        AppendReceipt
            Every row was appended. A lazy frame is appended in pieces of 100,000 rows.

        Raises
        ------
        InputError
            The rows can't be sent; nothing was sent.
        WriteError
            It stopped midway: ``.receipt`` says which rows are stored. Continue with `pandas_clicdata.resume_append`,
            which takes frames of polars too.

        Examples
        --------
        >>> import polars as pl
        >>> import pandas_clicdata.polars
        >>> df = pl.DataFrame({"shop": ["01", "02"], "visits": [17, 4]})
        >>> receipt = df.clicdata.push("Visits")
        >>> df.lazy().filter(pl.col("visits") > 9).clicdata.append(receipt.rec_id)
        <AppendReceipt: 1 of 1 row appended to data set ... in 1 chunk>
        """
        return writer.append(self._frame, rec_id, session=session, **options)

    def push(
        self,
        name: str,
        desc: str = "",
        if_exists: Literal["fail", "append"] = "fail",
        *,
        session: Session | None = None,
        **options: Unpack[AppendArguments],
    ) -> AppendReceipt:
        """Create a data set with the columns of the frame, and append the rows.

        Parameters
        ----------
        name : str
            The name of the data set.
        desc : str, default ""
            A description.
        if_exists : {"fail", "append"}, default "fail"
            What to do if a data set of that name exists: raise `Conflict`, or append to it.
        session : Session, optional
            The session to send through; the default session if not given.
        **options
            As in `pandas_clicdata.append`.

        Returns
        -------
        AppendReceipt
            Every row was appended; ``.rec_id`` is the data set.

        Raises
        ------
        Conflict
            With ``if_exists="fail"``: a data set of that name exists.
        WriteError
            The append stopped midway, as in `append`.

        Examples
        --------
        >>> import polars as pl
        >>> import pandas_clicdata.polars
        >>> pl.DataFrame({"mm": [0.5, 2.25]}).clicdata.push("Rain")
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
        """
        return writer.push(self._frame, name, desc, if_exists, session=session, **options)


public_methods(ClicDataNamespace)
pl.api.register_dataframe_namespace("clicdata")(ClicDataNamespace)
pl.api.register_lazyframe_namespace("clicdata")(ClicDataNamespace)
