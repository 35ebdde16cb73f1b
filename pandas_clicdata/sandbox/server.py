"""A ClicData on this machine: `start`, and the running `Sandbox`."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from operator import index
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pandas_clicdata.sandbox.account import Account
from pandas_clicdata.sandbox.account_calls import AccountCalls
from pandas_clicdata.sandbox.answers import Settings
from pandas_clicdata.sandbox.copies import copies_of
from pandas_clicdata.sandbox.data_calls import DataCalls
from pandas_clicdata.sandbox.database import Database
from pandas_clicdata.sandbox.faults import Faults, Received
from pandas_clicdata.sandbox.listener import HOST, Listener
from pandas_clicdata.sandbox.logins import Credentials, Logins
from pandas_clicdata.sandbox.people import People
from pandas_clicdata.sandbox.people_calls import PeopleCalls
from pandas_clicdata.sandbox.rows import Column, read_rows
from pandas_clicdata.sandbox.sample import load_sample
from pandas_clicdata.sandbox.service import Service
from pandas_clicdata.sandbox.store import DataSet, Store
from pandas_clicdata.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from pandas_clicdata import Session
    from pandas_clicdata.frames.pieces import Rows


def start(
    port: int = 0,
    path: str | Path | None = None,
    sample: bool | None = None,
    *,
    data: Mapping[str, Rows] | None = None,
    page_size: int = 1000,
    max_page_size: int = 10_000,
    require_version: bool = False,
    token_lifetime: int = 3600,
    latency: float = 0.0,
    history: bool = True,
    insert_limit: int = 500,
    row_limit: int | None = None,
    refresh_limit: int | None = None,
    requests_per_minute: int | None = None,
    schedule_seconds: float = 2.0,
    record: bool = True,
    paging: Literal["flags", "none", "total"] = "flags",
    page_number: Literal["honoured", "ignored"] = "honoured",
    large_page_size: Literal["capped", "refused", "error", "ignored"] = "capped",
    deletes: Literal["both", "/delete", "DELETE /row"] = "both",
    text_comparison: Literal["exact", "sql_server"] = "exact",
    datetimes: Literal["as sent", "iso"] = "as sent",
    existing_keys: Literal["store", "skip"] = "store",
    unknown_columns: Literal["refuse", "drop"] = "refuse",
    ids: Literal["both", "id", "rec_id"] = "both",
    shapes: Literal["plain", "rich"] = "plain",
) -> Sandbox:
    """Start a sandbox: a ClicData on this machine, at 127.0.0.1.

    Parameters
    ----------
    port : int, default 0
        The port to listen on; 0 for any free port.
    path : str or Path, optional
        The SQLite file that stores everything. By default everything is in memory, and lost at the end.
    sample : bool, optional
        Whether a new account has the samples: data sets, dashboards, schedules, teams and users. By default it has
        them, unless ``data`` is given.
    data : mapping of str to DataFrame, optional
        Data sets of a new account by name, as ``df.clicdata.push`` makes them: ``{"Shops": df}``. Their ids begin at
        1001, or after the ids of the samples. A value may also be anything else that `pandas_clicdata.push` takes.
    page_size : int, default 1000
        Rows per page if the caller doesn't choose. In the legacy dialect no caller can choose.
    max_page_size : int, default 10000
        The most rows per page, even if the caller requests more.
    require_version : bool, default False
        Whether calls without ``api_version`` are refused, as they always are with an API key.
    token_lifetime : int, default 3600
        Lifetime of an access token in seconds.
    latency : float, default 0.0
        Seconds by which each request is delayed.
    history : bool, default True
        Whether Data History is on for new data sets, so that each write makes a version that can be read.
    insert_limit : int, default 500
        The most rows of one ``/data/{id}/insert``.
    row_limit, refresh_limit : int, optional
        The most rows and refreshes of the account; by default there is no limit.
    requests_per_minute : int, optional
        The most requests in a minute; further ones get a 429. By default there is no limit.
    schedule_seconds : float, default 2.0
        Seconds that a triggered schedule runs.
    record : bool, default True
        Whether ``.requests`` keeps every request. Switch it off for long runs.
    paging : {"flags", "none", "total"}, default "flags"
        Whether a page has flags and totals, neither, or only the total.
    page_number : {"honoured", "ignored"}, default "honoured"
        Whether ``page`` chooses the page; when ignored, each response is the first page.
    large_page_size : {"capped", "refused", "error", "ignored"}, default "capped"
        The response to a ``page_size`` above ``max_page_size``: the maximum, a 400, or an error under HTTP 200.
        With "ignored", the sandbox never reads ``page_size``.
    deletes : {"both", "/delete", "DELETE /row"}, default "both"
        Where a modern row delete is accepted; the other path responds 404 or 405.
    text_comparison : {"exact", "sql_server"}, default "exact"
        Whether filters and keys compare text exactly, or without letter case and trailing blanks.
    datetimes : {"as sent", "iso"}, default "as sent"
        How a read writes a datetime: as it was sent, or as ``YYYY-MM-DDTHH:MM:SS``. A fraction or offset stays.
    existing_keys : {"store", "skip"}, default "store"
        What an append does with a row whose key exists; `Sandbox.set_key` sets the key columns.
        With "skip", ``rows_inserted`` counts the new rows and ``rows_found`` the rows whose key exists.
    unknown_columns : {"refuse", "drop"}, default "refuse"
        Whether an append with an unknown column is refused, or the cells of that column are dropped.
    ids : {"both", "id", "rec_id"}, default "both"
        The name of the identifier in lists of data sets.
    shapes : {"plain", "rich"}, default "plain"
        With "rich", the ``frequency`` of a schedule is an object with days, times and a time zone, a version has
        ``size`` and ``kind`` instead of ``row_count``, and a user has ``parameters``.

    Returns
    -------
    Sandbox
        It runs until ``.close()``, or until the end of its ``with`` block.

    Raises
    ------
    OSError
        If the port is taken.
    ValueError
        If an argument is none of its choices.
    InputError
        If a frame of ``data`` can't be sent; every problem is named.

    Examples
    --------
    >>> from pandas_clicdata.sandbox import start
    >>> with start() as sandbox:
    ...     sandbox.url.startswith("http://127.0.0.1:")
    True
    >>> with start(data={"Visits": pd.DataFrame({"shop": ["01", "02"], "visits": [17, 4]})}) as sandbox:
    ...     sandbox.rows(1001)
    [{'shop': '01', 'visits': 17}, {'shop': '02', 'visits': 4}]
    """
    settings = Settings(
        page_size=page_size,
        max_page_size=max_page_size,
        require_version=require_version,
        token_lifetime=token_lifetime,
        latency=latency,
        history=history,
        insert_limit=insert_limit,
        row_limit=row_limit,
        refresh_limit=refresh_limit,
        requests_per_minute=requests_per_minute,
        schedule_seconds=schedule_seconds,
        record=record,
        switches=Switches(
            paging=paging,
            page_number=page_number,
            large_page_size=large_page_size,
            deletes=deletes,
            text_comparison=text_comparison,
            datetimes=datetimes,
            existing_keys=existing_keys,
            unknown_columns=unknown_columns,
            ids=ids,
            shapes=shapes,
        ),
    )
    sandbox = Sandbox(settings, port=port, path=path, sample=data is None if sample is None else sample)
    try:
        sandbox._push(data or {})
    except BaseException:
        sandbox.close()
        raise
    return sandbox


class Sandbox:
    """A running sandbox. `start` makes one.

    Attributes
    ----------
    url : str
        The address of the sandbox.
    credentials : Credentials
        The accepted credentials: ``client_id``, ``client_secret``, ``username``, ``password``, ``api_key`` and
        ``refresh_token``, the same in every sandbox.
    faults : Faults
        Adds faults: the sandbox refuses, delays or drops requests.
    requests : list of Received
        Every received request: ``method``, ``path``, ``query``, ``headers``, ``body``, ``json`` and the
        ``status`` of the response.
    """

    def __init__(
        self, settings: Settings, *, port: int = 0, path: str | Path | None = None, sample: bool = True
    ) -> None:
        self.credentials = Credentials()
        self._settings = settings
        self._database = Database(path)
        try:
            self._store = Store(
                self._database, row_limit=settings.row_limit, text_comparison=settings.switches.text_comparison
            )
            people = People(self._database)
            self._account = Account(self._database, self._store, people, settings)
            if self._database.is_new:
                self._fill(people, sample=sample)
            self._logins = Logins(self.credentials, people, settings)
            self.faults = Faults(self._logins)
            endpoints = (DataCalls(self._store), AccountCalls(self._account, people, self._store), PeopleCalls(people))
            self._service = Service(endpoints, self._logins, self.faults, settings)
            self._listener = Listener(port, self._service)
        except BaseException:
            self._database.close()
            raise
        self.requests: list[Received] = self._service.requests
        self.url = f"http://{HOST}:{self._listener.port}/"
        self._closed = False

    def _fill(self, people: People, *, sample: bool) -> None:
        """Add the user of `credentials` and the samples to a new account."""
        people.create_user(self.credentials.username, "Jane", "Doe", "editor", self.credentials.password)
        if sample:
            load_sample(self._store, self._account, people, history=self._settings.history)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Sandbox at {self.url}{', closed' if self._closed else ''}>"

    def close(self) -> None:
        """Stop. A file keeps its data, memory does not. Closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._listener.close()
            self.faults.settle()
            self._database.close()

    def session(self, **overrides: Any) -> Session:
        """Return a `Session` of this package, connected to this sandbox.

        Parameters
        ----------
        **overrides
            Any parameter of `Session`. ``auth_method`` chooses which of the sandbox's credentials are used, by default
            those for ``"client_credentials"`` or for the credentials given here, which replace the sandbox's own.

        Returns
        -------
        Session
            The caller must close it; it is a context manager.
        """
        from pandas_clicdata import Session  # import the client only if it is needed

        method = overrides.pop("auth_method", None) or _method_of(overrides)
        return Session(**{"url": self.url, "auth_method": method, **self._login_by(method), **overrides})

    def _login_by(self, method: str) -> dict[str, str]:
        known = asdict(self.credentials)
        names = {
            "client_credentials": ("client_id", "client_secret"),
            "basic": ("client_id", "username", "password"),
            "api_key": ("api_key",),
            "authorization_code": ("client_id", "client_secret"),
        }.get(method, ())
        login = {name: known[name] for name in names}
        if method == "authorization_code":  # a refresh token works once, so each session gets its own
            login["refresh_token"] = self._logins.new_refresh_token()
        return login

    def _push(self, data: Mapping[str, Rows]) -> None:
        """Push the data sets of a new account, with default settings except history and the limit of rows."""
        if not data or not self._database.is_new:
            return
        from pandas_clicdata import push

        asked = self._service.settings
        self._service.settings = Settings(history=asked.history, record=False)
        with self.session(api_version=None) as session:
            for name, rows in data.items():
                push(rows, name, session=session, progress=False, audit=False)
        self._service.settings = asked

    def copy_from(self, session: Session, rec_ids: int | str | Iterable[int | str], rows: int = 1000) -> list[DataSet]:
        """Copy the first rows of data sets of an account, for tests on the shapes of real data.

        The account only gets ``GET /data`` and ``GET /data/{id}``. The copies have the ids, names, columns and cells
        of the account. If the sandbox has one of these ids or names already, by a sample or by ``data``, start it with
        ``sample=False``, copy, and push frames of your own after that. The cells are real: with ``path``, the file
        holds them.

        Parameters
        ----------
        session : Session
            The session with the account.
        rec_ids : int, str, or iterable of these
            The data sets: ids, or exact names.
        rows : int, default 1000
            The most rows of each data set.

        Returns
        -------
        list of DataSet
            The copies, with their ``columns``. ClicData names no types, so they are inferred from the cells:
            ``checkbox``, ``number``, ``date``, ``datetime`` or ``text``. Without rows there are no columns.

        Raises
        ------
        LookupError
            The account has no such data set, or several with this name; nothing is copied.
        ValueError
            The sandbox has a data set with such an id or name, or ``rows`` is no integer from 1; nothing is copied.
        ClicDataError
            The account can't be read; nothing is copied.

        Examples
        --------
        >>> with pandas_clicdata.sandbox.start(sample=False) as own:
        ...     [copied] = own.copy_from(session, "Shops", rows=2)
        ...     own.count(copied.rec_id)
        2
        """
        copies = copies_of(session, rec_ids, rows)
        with self._database.transaction():
            for copy in copies:
                if any(copy.rec_id == one.rec_id or copy.name == one.name for one in self.data_sets()):
                    raise ValueError(
                        f"the sandbox has a data set {copy.rec_id} or {copy.name!r} already: start it with "
                        "sample=False and without data=, copy, and push your frames after that; names must differ"
                    )
                history = self._settings.history
                self._store.create(copy.name, copy.description, copy.columns, history=history, rec_id=copy.rec_id)
                if copy.rows:
                    self._store.append(copy.rec_id, copy.rows)
            return [self._store.data_set(copy.rec_id) for copy in copies]

    # -- inspection, and another writer ----------------------------------------------

    def data_sets(self) -> list[DataSet]:
        """Return the data sets without rows: ``rec_id``, ``name``, ``columns``, ``row_count``, ``version``, ..."""
        return self._store.data_sets()

    def count(self, rec_id: int) -> int:
        """Return the number of rows of a data set."""
        return self._store.data_set(index(rec_id)).row_count

    def rows(self, rec_id: int, version: int | None = None, *, exact: bool = False) -> list[dict[str, Any]]:
        """Return the rows as they are stored.

        Parameters
        ----------
        rec_id : int
            The data set.
        version : int, optional
            A stored version; by default the current rows.
        exact : bool, default False
            Whether numbers with a fraction or exponent are `decimal.Decimal` instead of `float`.

        Returns
        -------
        list of dict
            Column name to value, in the order of the columns.
        """
        fraction = Decimal if exact else float
        stored = self._store.rows(index(rec_id), version=None if version is None else index(version))[0]
        return [json.loads(row, parse_float=fraction) for row in stored]

    def create(
        self, name: str, columns: Mapping[str, str], description: str = "", *, history: bool | None = None
    ) -> int:
        """Create an empty data set without the API and return its ``rec_id``.

        ``columns`` maps names to ClicData types. ``history`` says whether the data set has Data History; by
        default as in `start`.
        """
        wanted = [Column(*column) for column in columns.items()]
        kept = self._settings.history if history is None else history
        return self._store.create(name, description, wanted, history=kept)

    def set_key(self, rec_id: int, columns: Sequence[str]) -> None:
        """Set the key columns of a data set, as its owner would by hand; an empty list removes the key."""
        self._store.set_key(index(rec_id), columns)

    def append(self, rec_id: int, rows: Sequence[Mapping[str, object]]) -> None:
        """Append rows without the API, as another writer would."""
        body, at = msgspec.json.encode({"data": rows}), index(rec_id)
        self._store.append(at, read_rows(body, self._store.data_set(at).columns))

    def delete(self, rec_id: int, find: Mapping[str, object]) -> int:
        """Delete the matching rows without the API, as another writer would, and return their number."""
        wanted = {name: [msgspec.json.encode(value)] for name, value in find.items()}
        return self._store.delete(index(rec_id), wanted, first_only=False)

    def refreshes(self, rec_id: int | None = None) -> list[str]:
        """Return the word of each refresh, such as ``"reload"``, oldest first."""
        return self._store.refreshes(rec_id)

    def runs(self, schedule_id: int) -> list[str]:
        """Return the outcome of each run of a schedule, oldest first: ``"succeeded"`` or ``"failed"``."""
        return self._account.runs(index(schedule_id))


def _method_of(overrides: Mapping[str, object]) -> str:
    if "api_key" in overrides:
        return "api_key"
    if "refresh_token" in overrides:
        return "authorization_code"
    return "basic" if {"username", "password"} & overrides.keys() else "client_credentials"
