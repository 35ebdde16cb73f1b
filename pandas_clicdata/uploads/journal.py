"""The journal of an append: its table of chunks in an SQLite file, so that another process can resume it."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pandas_clicdata.errors import InputError, JournalBusy
from pandas_clicdata.frames.encode import RowFormat
from pandas_clicdata.uploads.job import Job
from pandas_clicdata.uploads.receipt import AppendReceipt, Chunk, Piece, State

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 5  # the user_version of the file; versions 1 to 3 were lines of JSON, and 4 held one frame each
_PATIENCE = 5.0  # seconds to wait while another process reads or writes
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS job (text TEXT NOT NULL, run TEXT, audited INTEGER, ended INTEGER)",
    "CREATE TABLE IF NOT EXISTS piece (number INTEGER PRIMARY KEY, start INTEGER, stop INTEGER, fingerprint TEXT)",
    "CREATE TABLE IF NOT EXISTS chunk (number INTEGER PRIMARY KEY, start INTEGER, stop INTEGER, state TEXT,"
    " row_format TEXT, sha256 TEXT, rows_inserted INTEGER, reason TEXT, doubted INTEGER)",
)
_PUT = "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
# msgspec writes no subclasses, such as the text and the numbers of numpy.
_encode = msgspec.json.Encoder(enc_hook=lambda of: str.__str__(of) if isinstance(of, str) else float(of)).encode


class Journal:
    """An open journal. `create` or `reopen` makes it; `ReceiptWriter` locks it against other threads.

    A journal keeps a write transaction open. Until its end, others can read the journal, but not write to it.
    """

    _is_open = False
    _pieces = 0  # how many pieces it holds

    def __init__(self, path: str, *, new: bool) -> None:
        self.path = path
        self._is_empty = new
        self._db = _connected(path, patience=0)
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
        """Create a journal that only its owner may read. Raises InputError if that is not possible."""
        _check_folder(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        try:
            os.close(os.open(path, flags, 0o600))
        except FileExistsError:
            if os.path.isdir(path):  # noqa: PTH112
                raise InputError(f"journal: {path} is a folder: name a new file in it") from None
            raise InputError(
                f"journal: there is a file {path} already. If it is of an append that did not end, continue with "
                f"pandas_clicdata.resume_append(df, {path!r}); else remove it, or name another file, such as "
                "one with the date in its name"
            ) from None
        except OSError as error:
            raise InputError(f"journal: {path} can't be made: {error.strerror or error}") from None
        try:
            return cls(path, new=True)
        except sqlite3.Error as error:
            raise _problem(path, error) from None

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> tuple[Journal, AppendReceipt]:
        """Open a journal that exists, and read its receipt. Raises JournalBusy if another call writes to it."""
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
                raise _problem(path, error) from None
            raise

    def begin(self, receipt: AppendReceipt, run: str) -> None:
        """Write the job and all its pieces and chunks, instead of the old ones. As `write`, it raises OSError."""
        self._pieces = 0
        self._commit(
            *((statement, ()) for statement in _SCHEMA),
            (f"PRAGMA user_version = {FORMAT}", ()),
            ("DELETE FROM job", ()),
            ("INSERT INTO job VALUES (?, ?, NULL, ?)", (_encode(receipt.job).decode(), run, receipt.ended)),
            ("DELETE FROM piece", ()),
            ("DELETE FROM chunk", ()),
            *self._new_pieces(receipt),
            *((_PUT, _row(chunk)) for chunk in receipt.table.values()),
        )
        self._is_empty, self._pieces = False, len(receipt.parts)

    def write(self, changes: Mapping[int, Chunk | None], receipt: AppendReceipt) -> None:
        """Write chunks by their number; None deletes a chunk. All changes are safe on the disk, or none (OSError)."""
        pieces = self._new_pieces(receipt)
        self._commit(
            ("UPDATE job SET audited = ?, ended = ?", (receipt.audited, receipt.ended)),
            *pieces,
            *(
                ("DELETE FROM chunk WHERE number = ?", (number,)) if chunk is None else (_PUT, _row(chunk))
                for number, chunk in changes.items()
            ),
        )
        self._pieces += len(pieces)

    def _new_pieces(self, receipt: AppendReceipt) -> list[tuple[str, tuple[Any, ...]]]:
        new = enumerate(receipt.parts[self._pieces :], self._pieces)
        return [("INSERT INTO piece VALUES (?, ?, ?, ?)", (number, *piece)) for number, piece in new]

    def _commit(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        if not os.path.exists(self.path):  # noqa: PTH110  # SQLite would write on into a deleted file
            raise FileNotFoundError("it was removed")
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
                self._db.execute("BEGIN IMMEDIATE")  # chunks may be on the wire: no other process may write yet
            if isinstance(error, sqlite3.Error):
                raise OSError(str(error)) from None
            raise

    def close(self) -> None:
        """Let others write. A journal that is still empty is removed, so that the same call can be made again."""
        if self._is_open:
            with suppress(sqlite3.Error):
                self._db.rollback()
            self._db.close()
            self._is_open = False
            if self._is_empty:
                with suppress(OSError):
                    Path(self.path).unlink()

    def __del__(self) -> None:
        """Let others write, if an interrupt kept `close` from being called."""
        self.close()


def load(path: str | os.PathLike[str]) -> AppendReceipt:
    """Read the receipt in a journal, which may be in use."""
    path = checked_path(path)
    _check_file(path)
    try:
        with closing(_connected(path, patience=_PATIENCE)) as db:
            db.execute("BEGIN")
            receipt = _read(db, path)
            receipt.run = "none"  # another process may continue without this receipt
            return receipt
    except sqlite3.Error as error:
        raise _problem(path, error) from None


def discard_empty(path: str) -> bool:
    """Remove a journal if nothing was sent under it, and return whether it was removed. Raises JournalBusy."""
    _check_folder(path)
    _check_file(path)
    try:
        with closing(Journal(path, new=False)) as journal:
            [tables] = journal._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            journal._is_empty = not tables
            return not tables
    except sqlite3.Error as error:
        raise _problem(path, error) from None


def discard(path: str) -> None:
    """Remove a journal under which no row was sent. Raises JournalBusy if it is in use."""
    journal, _ = Journal.reopen(path)
    journal._is_empty = True
    journal.close()


def checked_path(path: object) -> str:
    """Return the path of a journal as text. Raises InputError if it is no path."""
    try:
        found = os.fspath(path)  # type: ignore[call-overload]  # anything may be given
        os.fsencode(found)
    except (TypeError, UnicodeEncodeError):
        found = None
    if not isinstance(found, str) or not found or "\0" in found:
        raise InputError(f"journal must be the path of a file, not {path!r}")
    return os.path.abspath(found)  # noqa: PTH100  # the folder may change while the receipt lives


def _connected(path: str, *, patience: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)


def _problem(path: str, problem: object) -> InputError | JournalBusy:
    if "locked" in str(problem):
        return JournalBusy(
            f"the journal {path} is in use by another process, or by another call in this one: let it end"
        )
    if "not a database" in str(problem) and Path(path).read_bytes()[:1] == b"{":
        problem = (
            "an earlier version of this package wrote it, as lines of JSON. Continue with that version, or look "
            "which rows are stored and append the others"
        )
    return InputError(f"the journal {path} can't be used: {problem}")


# ---------------------------------------------------------------------------------------------------------
# Rows and chunks


def _row(chunk: Chunk) -> tuple[Any, ...]:
    return astuple(replace(chunk, state=chunk.state.value))[:-1]  # type: ignore[arg-type]  # all but the error


def _read(db: sqlite3.Connection, path: str) -> AppendReceipt:
    [found] = db.execute("PRAGMA user_version").fetchone()
    if not found and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise _problem(
            path, 'it is empty: nothing was sent under it. Remove it and append again (a push: if_exists="append")'
        )
    if found != FORMAT:
        raise _problem(path, f"it has format {found}, and this version of the package reads format {FORMAT}")
    jobs = db.execute("SELECT text, run, audited, ended FROM job").fetchall()
    pieces = db.execute("SELECT start, stop, fingerprint FROM piece ORDER BY number").fetchall()
    rows = db.execute("SELECT * FROM chunk ORDER BY start").fetchall()
    try:
        [(text, run, audited, ended)] = jobs
        job, parts = msgspec.json.decode(text, type=Job), [Piece(*row) for row in pieces]
        receipt = AppendReceipt(job, parts, ended=bool(ended), table={row[0]: _chunk(row) for row in rows})
        _check_chunks(receipt)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise _problem(path, f"it is damaged: {error}") from None
    receipt.audited = None if audited is None else bool(audited)
    receipt.journal = path
    receipt.run = run
    return receipt


def _chunk(row: tuple[Any, ...]) -> Chunk:
    chunk = Chunk(*row)
    state = State(chunk.state)
    if state is State.SENDING:
        return replace(chunk, state=State.IN_DOUBT, reason="it was on the wire when the process ended")
    return replace(chunk, state=state)


def _check_chunks(receipt: AppendReceipt) -> None:
    end = 0
    for number, piece in enumerate(receipt.parts):
        if not end == piece.start <= piece.stop:
            raise ValueError(f"piece {number} begins at row {piece.start}")
        end = piece.stop
    if not receipt.parts:
        raise ValueError("it has no piece")
    end = 0
    for chunk in receipt.table.values():
        known = receipt.rows_total if chunk.state is not State.FOUND else chunk.stop
        if not end <= chunk.start < chunk.stop <= known:
            raise ValueError(f"chunk {chunk.number} has the {chunk.label}")
        if not 0 <= chunk.rows_found <= chunk.rows:
            raise ValueError(f"of the {chunk.label}, {chunk.rows_inserted} were inserted")
        if chunk.row_format is not None or chunk.sha256 is not None:
            RowFormat(chunk.row_format)
        end = chunk.stop


# ---------------------------------------------------------------------------------------------------------
# The file


def _check_file(path: str) -> None:
    """Refuse a path that is no plain file, and a file that others may write to."""
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode):
            raise _problem(path, "it is no plain file")
        if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _problem(path, "others may write to it")
    except OSError as error:
        raise InputError(f"the journal {path} can't be opened: {error.strerror or error}") from None


def _check_folder(path: str) -> None:
    """Refuse a folder in which others could replace the journal."""
    folder = os.path.dirname(path) or "."  # noqa: PTH120
    try:
        mode = os.stat(folder).st_mode  # noqa: PTH116
    except OSError as error:
        raise InputError(f"journal: the folder {folder} can't be used: {error.strerror or error}") from None
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise InputError(f"journal: others may write to the folder {folder}: choose one of your own, or chmod go-w it")
