"""The journal: what happens to an append, on disk before it happens, so that another process can go on."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING

from pandas_clicdata.errors import InputError, JournalBusy
from pandas_clicdata.uploads import entries, promises
from pandas_clicdata.uploads.entries import Promised
from pandas_clicdata.uploads.receipt import AppendReceipt

if TYPE_CHECKING:
    from pandas_clicdata.uploads.entries import Entry, Job, Sending

_NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NOT_AWAITED = getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for somebody to write


class Journal:
    """A journal that is open for writing, and locked.

    The lock falls away with the process. Made by `create` and `reopen`. It is safe to use from several threads.
    """

    def __init__(self, path: str, file: int, size: int) -> None:
        self.path = path
        self._file = file
        self._size = size  # bytes that are written whole
        self._owed: list[bytes] = []  # lines that are still to be written
        self._broken = False
        self._lock = threading.Lock()
        self._syncing = threading.Lock()  # so that it is not closed meanwhile
        self._boot = promises.boot_of(file)
        self._promises = 0
        self._seconds = 0.0  # that they took together

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Journal:
        """A new journal, without a line.

        Raises
        ------
        InputError
            There is something of that name, or the folder can't be used.
        """
        path = checked_path(path)
        _check_folder(path)
        try:
            file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _NOT_FOLLOWED, 0o600)
        except FileExistsError:
            raise InputError(
                f"journal: there is a file {path} already. If it is of an append that did not end, go on with "
                f"pandas_clicdata.resume_append(df, {path!r}); else remove it, or name another"
            ) from None
        except OSError as error:
            raise InputError(f"journal: {path} can't be made: {error.strerror or error}") from None
        journal = cls(path, file, 0)
        try:
            _lock(file, path)
            _settle_folder(path)
        except BaseException:
            journal.discard()
            raise
        return journal

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> tuple[Journal, AppendReceipt]:
        """A journal that is there, and what it says.

        Raises
        ------
        JournalBusy
            Somebody is at work with it.
        InputError
            It can't be opened, read or believed.
        """
        path = checked_path(path)
        _check_folder(path)
        file = _opened(path, os.O_RDWR | os.O_APPEND)
        journal = cls(path, file, os.fstat(file).st_size)
        try:
            _lock(file, path)
            receipt, journal._size = _receipt(path, file, journal._boot)
            os.ftruncate(file, journal._size)  # a torn line at the end would spoil the next one
        except BaseException:
            journal.close()
            raise
        return journal, receipt

    # -----------------------------------------------------------------------------------------------------
    # Writing

    def note(self, entry: Job | Entry) -> None:
        """Write what has happened. If it can't be written now, that shows at the next `promise`."""
        with self._lock:
            self._owed.append(entries.written(entry))
            with contextlib.suppress(OSError):
                self._write()

    def promise(self, entry: Job | Entry) -> None:
        """Write what is going to happen: it is safe on the disk when this returns.

        Raises
        ------
        OSError
            It can't be written, and must not happen.
        """
        began = time.perf_counter()
        self._promise(entries.written(entry), safe=True)
        self._promises += 1
        self._seconds += time.perf_counter() - began

    def promise_ahead(self, coming: list[Sending]) -> None:
        """Write that chunks are going to be sent in this order, after those that were promised before.

        Each goes out when the one before it is stored and that is noted; none before `sync`.

        Raises
        ------
        OSError
            It can't be written, and must not happen.
        """
        assert self._boot is not None
        self._promise(entries.written(Promised(coming, self._boot)), safe=False)

    def sync(self) -> None:
        """See that what was written is safe on the disk.

        Raises
        ------
        OSError
            That isn't known, and what was promised must not happen.
        """
        began = time.perf_counter()
        with self._syncing:
            os.fsync(self._file)
        self._promises += 1
        self._seconds += time.perf_counter() - began

    @property
    def outlives(self) -> bool:
        """Whether the system keeps what this process wrote when it is killed."""
        return self._boot is not None

    def together(self, seconds: float) -> int:
        """How many chunks are worth one promise, where each takes that long."""
        if self._boot is None or not self._promises:
            return 1
        return promises.together(self._seconds / self._promises, seconds)

    @property
    def owes(self) -> bool:
        """Whether something that was noted could not be written."""
        return bool(self._owed) or self._broken

    def _promise(self, line: bytes, *, safe: bool) -> None:
        with self._lock:
            size = self._size
            try:
                self._write(line)
                if safe:
                    os.fsync(self._file)
            except BaseException:
                if self._size > size:  # written, but not safe, or an interrupt came just then
                    self._size -= len(line)
                    self._mend()
                raise

    def _write(self, line: bytes = b"") -> None:
        """Write the lines that are owed, and one more, or none of them: an interrupt may come anywhere."""
        if self._broken:
            raise OSError("it could not be mended after a failed write")
        size, owed = self._size, self._owed
        text = memoryview(b"".join([*owed, line]))
        if not text:
            return
        if os.fstat(self._file).st_size > size:  # another interrupt came while the last write was taken back
            os.ftruncate(self._file, size)
        try:
            written = 0
            while written < len(text):
                written += os.write(self._file, text[written:])
            self._size, self._owed = size + len(text), []
        except BaseException:
            self._size, self._owed = size, owed
            self._mend()
            raise

    def _mend(self) -> None:
        """Take away what was written beyond the lines that count."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._broken = True

    # -----------------------------------------------------------------------------------------------------
    # Ending

    def close(self) -> None:
        """Write what is owed, and let others have it. Closing twice does no harm."""
        with self._syncing, self._lock:
            if self._file < 0:
                return
            with contextlib.suppress(OSError):
                self._write()
                os.fsync(self._file)
            file, self._file = self._file, -1
            try:
                _unlock(file)
            finally:
                os.close(file)

    def __del__(self) -> None:
        """Let others have it, if an interrupt came when nobody had it yet who would close it."""
        if getattr(self, "_file", -1) >= 0:
            os.close(self._file)

    def discard(self) -> None:
        """Remove a journal under which nothing was sent, so that the same call can be made again."""
        if not self._size:
            with contextlib.suppress(OSError):
                os.unlink(self.path)  # noqa: PTH108  # a path as the caller gave it
        self._owed = []
        self.close()


def loaded(path: str | os.PathLike[str]) -> AppendReceipt:
    """The receipt in a journal, which may be in use."""
    path = checked_path(path)
    file = _opened(path, os.O_RDONLY)
    try:
        return _receipt(path, file, promises.boot_of(file))[0]
    finally:
        os.close(file)


def checked_path(path: object) -> str:
    """The path of a journal as text.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        found = os.fspath(path)  # type: ignore[call-overload]  # anything may be given
    except TypeError:
        found = None
    if not isinstance(found, str) or not found or "\0" in found:
        raise InputError(f"journal must be the path of a file, not {path!r}")
    return found


def _receipt(path: str, file: int, boot: str | None) -> tuple[AppendReceipt, int]:
    text = _contents(file, path)
    try:
        job, happened, size = entries.read(text)
        receipt = AppendReceipt(job)
        for entry in happened:
            receipt.enter(entry)
    except (KeyError, ValueError) as error:  # an InputError too
        raise InputError(f"the journal {path} can't be used: {error}") from None
    receipt.cut_short(boot)
    receipt.journal = path
    return receipt, size


# ---------------------------------------------------------------------------------------------------------
# The file


def _opened(path: str, how: int) -> int:
    try:
        file = os.open(path, how | _NOT_FOLLOWED | _NOT_AWAITED)
    except OSError as error:
        raise InputError(f"the journal {path} can't be opened: {error.strerror or error}") from None
    found = os.fstat(file)
    others_write = os.name == "posix" and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISREG(found.st_mode) or others_write:
        os.close(file)
        why = "others may write to it" if others_write else "it is no plain file"
        raise InputError(f"the journal {path} can't be used: {why}")
    return file


def _contents(file: int, path: str) -> bytes:
    pieces = []
    try:
        while piece := os.read(file, 1 << 20):
            pieces.append(piece)
    except OSError as error:
        raise InputError(f"the journal {path} can't be read: {error.strerror or error}") from None
    return b"".join(pieces)


def _check_folder(path: str) -> None:
    """Refuse a folder in which others could put another file in the place of the journal."""
    folder = os.path.dirname(path) or "."  # noqa: PTH120
    try:
        mode = os.stat(folder).st_mode  # noqa: PTH116
    except OSError as error:
        raise InputError(f"journal: the folder {folder} can't be used: {error.strerror or error}") from None
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise InputError(f"journal: others may write to the folder {folder}: choose one of your own, or chmod go-w it")


def _settle_folder(path: str) -> None:
    """See to it that the new file's name outlives a loss of power."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)  # noqa: PTH120
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # where no line stands: Windows keeps others from reading what is locked

    def _take(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)

    def _unlock(file: int) -> None:
        with contextlib.suppress(OSError):
            os.lseek(file, _FAR, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: int) -> None:
        """Nothing is to be done: closing lets the lock go."""


def _lock(file: int, path: str) -> None:
    try:
        _take(file)
    except (BlockingIOError, PermissionError):
        raise JournalBusy(
            f"the journal {path} is in use by another process, or by another call in this one: let it end"
        ) from None
    except OSError as error:
        raise InputError(
            f"the journal {path} can't be locked: {error.strerror or error}. Choose another disk"
        ) from None
