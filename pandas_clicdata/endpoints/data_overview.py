"""The calls of `Data` that describe a data set without returning its rows."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pandas_clicdata.arguments import check_count
from pandas_clicdata.endpoints.endpoint import Endpoint
from pandas_clicdata.endpoints.versions import rows_request
from pandas_clicdata.frames.overview import Overview
from pandas_clicdata.names import DATA_SET
from pandas_clicdata.session.pages import PAGE_SIZE, iter_pages, retry_while_changing
from pandas_clicdata.uploads.verify import count_rows

if TYPE_CHECKING:
    import pandas as pd


class DataOverview(Endpoint):
    """The part of `Data` with these calls."""

    def count_rows(self, rec_id: int | str) -> int:
        """Count the rows of a data set.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.

        Returns
        -------
        int
            The number of rows.

        Raises
        ------
        InputError
            ``rec_id`` can't be used.
        NotFound
            There is no such data set.
        ReadError
            The rows can't be counted: the data set changed meanwhile, or ClicData ignores page numbers.

        Notes
        -----
        ``GET /data/{id}``: one request from version 2022.01 on, where ClicData counts; else a request per page.

        Examples
        --------
        >>> Data().count_rows("Shops")
        10
        """
        data, rec_id = self._find(DATA_SET, rec_id)
        return retry_while_changing(lambda: count_rows(data.session, rec_id))

    def get_columns(self, rec_id: int | str, nrows: int | None = None) -> pd.DataFrame:
        """Describe the columns of a data set from its rows: the API has no list of columns.

        Only one page at a time is in memory.

        Parameters
        ----------
        rec_id : int or str
            The data set, by its id or exact name.
        nrows : int, optional
            How many of the first rows to read at most; by default all rows.

        Returns
        -------
        DataFrame
            A row per column, in the order of the data set: ``name``; ``holds`` (text: the types of its cells, such as
            ``"numbers"``, ``"dates"`` or ``"numbers and text"``); ``missing`` (float64: the share of cells that are
            missing, from 0 to 1); ``example`` (object: the first cell that is not missing); ``type`` (text: the
            ClicData type for `create_data` that fits all its cells). For a data set without rows, there are no columns.

        Raises
        ------
        InputError
            An argument can't be used.
        NotFound
            There is no such data set.
        ReadError
            The data set could not be read completely.

        Notes
        -----
        ``GET /data/{id}``, a request per page.

        Examples
        --------
        >>> Data().get_columns("Shops").head(3)
                name holds  missing            example  type
        0  shop_code  text      0.0              00101  text
        1       name  text      0.0  Lille Grand'Place  text
        2       city  text      0.1              Lille  text
        """
        most = None if nrows is None else check_count("nrows", nrows, least=1)
        data, rec_id = self._find(DATA_SET, rec_id)

        def read() -> pd.DataFrame:
            overview = Overview()

            def missing() -> int | None:
                return None if most is None else most - overview.rows

            request = rows_request(rec_id, None)
            with closing(iter_pages(data.session, request, PAGE_SIZE, wanted=missing)) as pages:
                for page in pages:
                    overview.add(page.rows, missing())
                    if missing() == 0:
                        break
            return overview.frame()

        return retry_while_changing(read)
