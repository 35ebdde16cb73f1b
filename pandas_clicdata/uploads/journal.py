"""The journal of an append: its table of chunks in an SQLite file, so that another process can go on."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from pandas_clicdata.errors import InputError, JournalBusy
from pandas_clicdata.frames.encode import RowFormat
from pandas_clicdata.uploads.receipt import AppendReceipt, Chunk, Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 4  # the user_version of the file, negative until the run of an append has ended
_PATIENCE = 5.0  # seconds to wait while another process reads or writes
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS job (text TEXT NOT NULL, audited INTEGER)",
    "CREATE TABLE IF NOT EXISTS chunk (number INTEGER PRIMARY KEY, start INTEGER, stop INTEGER, state TEXT,"
    " row_format TEXT, sha256 TEXT, rows_inserted INTEGER, reason TEXT, doubted INTEGER)",
)
_PUT = "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

_Statement = tuple[str, tuple[Any, ...]]


class Journal:
    """An open journal. `create` or `reopen` makes it; `ReceiptWriter` guards it against several threads.

    It always holds an open write transaction: SQLite lets others read meanwhile, but not write, and ends it with the
    process. SQLite's write-ahead log, a second file whose name ends in ``-wal``, holds the newest changes
    until `close`.
    """

    def __init__(self, path: str, *, new: bool) -> None:
        self.path = path
        self._is_empty = new
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._is_open = True
        try:
            self._db.execute("PRAGMA synchronous = EXTRA")  # a commit survives a loss of power
            if not new:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(f"PRAGMA busy_timeout = {1000 * _PATIENCE:.0f}")
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: str) -> Journal:
        """Create a journal that only its owner may read.

        Raises
        ------
        InputError
            There is something of that name, or the folder can't be used.
        """
        _check_folder(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        try:
            os.close(os.open(path, flags, 0o600))
        except FileExistsError:
            raise InputError(
                f"journal: there is a file {path} already. If it is of an append that did not end, go on with "
                f"pandas_clicdata.resume_append(df, {path!r}); else remove it, or name another"
            ) from None
        except OSError as error:
            raise InputError(f"journal: {path} can't be made: {error.strerror or error}") from None
        try:
            return cls(path, new=True)
        except sqlite3.Error as error:
            raise InputError(f"the journal {path} can't be used: {error}. Choose another disk") from None

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> tuple[Journal, AppendReceipt]:
        """Open a journal that exists, and read its receipt.

        Raises
        ------
        JournalBusy
            Another process, or another call, writes to it.
        InputError
            It can't be opened, read or trusted.
        """
        path = checked_path(path)
        _check_folder(path)
        _check_file(path)
        journal = None
        try:
            journal = cls(path, new=False)
            return journal, _read(journal._db, path)
        except BaseException as error:
            if journal is not None:
                journal.close()
            if isinstance(error, sqlite3.Error):
                raise _unreadable(path, error) from None
            raise

    # -----------------------------------------------------------------------------------------------------
    # Writing: each change is whole or none, and safe on the disk when the call returns; OSError if not

    def begin(self, job: Job, chunks: Iterable[Chunk]) -> None:
        """Write the job and all its chunks, in the place of those before."""
        self._commit(
            *((statement, ()) for statement in _SCHEMA),
            (f"PRAGMA user_version = {-FORMAT}", ()),
            ("DELETE FROM job", ()),
            ("INSERT INTO job VALUES (?, NULL)", (msgspec.json.encode(job).decode(),)),
            ("DELETE FROM chunk", ()),
            *((_PUT, _row(chunk)) for chunk in chunks),
            ("COMMIT", ()),
            ("PRAGMA journal_mode = WAL", ()),  # a commit takes one fsync instead of five
        )
        self._is_empty = False

    def write(self, changes: Mapping[int, Chunk | None]) -> None:
        """Write chunks by their number, and delete those that are None."""
        self._commit(
            *(
                ("DELETE FROM chunk WHERE number = ?", (number,)) if chunk is None else (_PUT, _row(chunk))
                for number, chunk in changes.items()
            )
        )

    def write_audit(self, *, passed: bool) -> None:
        """Write whether the audit passed."""
        self._commit(("UPDATE job SET audited = ?", (passed,)))

    def _commit(self, *statements: _Statement) -> None:
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                self._db.execute(statement, values)
            self._db.commit()
            self._db.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._db.rollback()
            if isinstance(error, sqlite3.Error):
                raise OSError(str(error)) from None
            raise

    def close(self) -> None:
        """Let others write. A journal that is still empty is removed, so that the same call can be made again."""
        if not self._is_open:
            return
        try:
            self._db.rollback()
            if self._db.execute("PRAGMA user_version").fetchone() == (-FORMAT,):
                self._db.execute(f"PRAGMA user_version = {FORMAT}")
            self._db.execute("PRAGMA journal_mode = DELETE")  # one file again
        except sqlite3.Error:  # a full disk: keep the log, which the last connection would delete
            with suppress(sqlite3.Error), closing(_reader(self.path)) as reader:
                reader.execute("PRAGMA user_version").fetchone()
                self._db.close()
        self._db.close()
        self._is_open = False
        if self._is_empty:
            for path in (self.path, _log_of(self.path), f"{self.path}-shm"):
                with suppress(OSError):
                    os.unlink(path)  # noqa: PTH108  # a path as the caller gave it

    def __del__(self) -> None:
        """Let others write, if an interrupt kept `close` from being called."""
        if getattr(self, "_is_open", False):
            self.close()


def load(path: str | os.PathLike[str]) -> AppendReceipt:
    """Read the receipt in a journal, which may be in use."""
    path = checked_path(path)
    _check_file(path)
    try:
        with closing(_reader(path)) as db:
            db.execute("BEGIN")
            return _read(db, path)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from None


def _reader(path: str) -> sqlite3.Connection:
    """Return a connection that leaves the write-ahead log when it is closed."""
    return sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=_PATIENCE, isolation_level=None)


def checked_path(path: object) -> str:
    """Return the path of a journal as text.

    Raises
    ------
    InputError
        It is no path.
    """
    try:
        found = os.fspath(path)  # type: ignore[call-overload]  # anything may be given
    except TypeError:
        found = None
    if not isinstance(found, str) or not found or "\0" in found:
        raise InputError(f"journal must be the path of a file, not {path!r}")
    return found


# ---------------------------------------------------------------------------------------------------------
# Rows and chunks


def _row(chunk: Chunk) -> tuple[Any, ...]:
    return (
        chunk.number,
        chunk.start,
        chunk.stop,
        chunk.state.value,
        chunk.row_format,
        chunk.sha256,
        chunk.rows_inserted,
        chunk.reason,
        chunk.doubted,
    )


def _read(db: sqlite3.Connection, path: str) -> AppendReceipt:
    [found] = db.execute("PRAGMA user_version").fetchone()
    if not found and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise _unusable(path, "it is empty: nothing was sent under it. Remove it and append anew")
    if abs(found) != FORMAT:
        raise _unusable(path, f"it has format {abs(found)}, and this version of the package reads format {FORMAT}")
    jobs = db.execute("SELECT text, audited FROM job").fetchall()
    rows = db.execute("SELECT * FROM chunk ORDER BY start").fetchall()
    try:
        [(text, audited)] = jobs
        job = msgspec.json.decode(text, type=Job)
        receipt = AppendReceipt(job, _chunks(rows, job.rows))
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise _unusable(path, f"it is damaged: {error}") from None
    receipt.audited = None if audited is None else bool(audited)
    receipt.journal = path
    return receipt


def _chunks(rows: list[tuple[Any, ...]], most: int) -> list[Chunk]:
    chunks, end = [], 0
    for number, start, stop, state, row_format, sha256, rows_inserted, reason, doubted in rows:
        if not end <= start < stop <= most:
            raise ValueError(f"chunk {number} has the rows {start} to {stop}")
        if row_format is not None:
            RowFormat(row_format)
        if state == State.SENDING.value:
            state, reason = State.IN_DOUBT.value, "it was on the wire when the process ended"
        end = stop
        chunks.append(
            Chunk(number, start, stop, State(state), row_format, sha256, rows_inserted, reason, bool(doubted))
        )
    return chunks


def _unreadable(path: str, error: sqlite3.Error) -> InputError | JournalBusy:
    if "locked" in str(error):
        return JournalBusy(
            f"the journal {path} is in use by another process, or by another call in this one: let it end"
        )
    return _unusable(path, str(error))


def _unusable(path: str, why: str) -> InputError:
    return InputError(f"the journal {path} can't be used: {why}")


# ---------------------------------------------------------------------------------------------------------
# The file


def _log_of(path: str) -> str:
    """Return the path of SQLite's write-ahead log."""
    return f"{path}-wal"


def _check_file(path: str) -> None:
    """Refuse what is no plain file, a file that others may write to, and one without its write-ahead log."""
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        raise InputError(f"the journal {path} can't be opened: {error.strerror or error}") from None
    if not stat.S_ISREG(mode):
        raise _unusable(path, "it is no plain file")
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _unusable(path, "others may write to it")
    if os.path.lexists(_log_of(path)):
        return
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            header = file.read(64)
    except OSError as error:
        raise InputError(f"the journal {path} can't be opened: {error.strerror or error}") from None
    has_log, user_version = header[18:19] == b"\2", int.from_bytes(header[60:64], "big", signed=True)
    if header.startswith(b"{"):
        raise _unusable(
            path,
            "an earlier version of this package wrote it, as lines of JSON. Go on with that version, or look which "
            "rows are stored and append the others",
        )
    if has_log and user_version == -FORMAT:
        raise _unusable(
            path,
            f"the file {_log_of(path)} is missing, which may name chunks that were sent. Put it back, or look which "
            "rows are stored and append the others",
        )


def _check_folder(path: str) -> None:
    """Refuse a folder in which others could replace the journal."""
    folder = os.path.dirname(path) or "."  # noqa: PTH120
    try:
        mode = os.stat(folder).st_mode  # noqa: PTH116
    except OSError as error:
        raise InputError(f"journal: the folder {folder} can't be used: {error.strerror or error}") from None
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise InputError(f"journal: others may write to the folder {folder}: choose one of your own, or chmod go-w it")
