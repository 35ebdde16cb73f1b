"""Stored versions on disk: a parquet file in the user's cache folder holds the unchanged pages of one version."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from platformdirs import user_cache_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FORMAT = "1"
_COLUMNS = pa.schema([("rows", pa.binary()), ("length", pa.int64()), ("is_last", pa.bool_())])
_OTHERS = 0o077  # the rights of other users

_log = logging.getLogger(__name__)


class CachedPage(NamedTuple):
    """The rows of a page as a JSON array, their number, and whether no page follows."""

    rows: bytes
    length: int
    is_last: bool


class CachedVersion:
    """The cache file of a stored version. If it can't be read or written, this is logged, and pages are requested."""

    def __init__(self, account: str, rec_id: int, version: int) -> None:  # account: a hash of service and user
        self.path = user_cache_path("pandas_clicdata", appauthor=False) / f"{account}-{rec_id}-{version}.parquet"
        known = {"format": _FORMAT, "account": account, "rec_id": str(rec_id), "version": str(version)}
        self._schema = _COLUMNS.with_metadata(known)

    def pages(self) -> Iterator[CachedPage] | None:
        """Return the pages; None if the file is missing or incomplete."""
        pages = self._read()
        try:
            first = next(pages)  # finds a broken file before a page is used
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, pa.ArrowException) as problem:
            _log.warning("the cache file %s can't be used (%s) and will be replaced", self.path, problem)
            return None
        return chain([first], pages)

    def _read(self) -> Iterator[CachedPage]:
        import pyarrow.parquet as pq  # this import takes as long as the rest of a read

        with self.path.open("rb") as opened:  # once: another process may remove it
            status = os.fstat(opened.fileno())
            if os.name == "posix" and (status.st_mode & _OTHERS or status.st_uid != os.geteuid()):
                raise ValueError("other users may have written it, or may read it")
            file = pq.ParquetFile(opened, page_checksum_verification=True)
            if not file.schema_arrow.equals(self._schema, check_metadata=True):
                raise ValueError("it is of another version, or of another release of this package")

            def page(number: int) -> CachedPage:
                [row] = file.read_row_group(number).to_pylist()
                return CachedPage(**row)

            ends = [page(number).is_last for number in range(file.num_row_groups)]
            if ends != [False] * (len(ends) - 1) + [True]:
                raise ValueError("it is incomplete")
            yield from map(page, range(len(ends)))

    @contextmanager
    def writer(self) -> Iterator[Callable[[CachedPage], None]]:
        """Return a function that adds a page. After the last page, the complete file gets its name."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f"{self.path.stem}-")  # mode 0600
        except OSError as problem:
            _log.warning("the version is not cached: %s", problem)
            yield lambda _: None
            return
        import pyarrow.parquet as pq

        file = os.fdopen(handle, "wb")
        table = pq.ParquetWriter(file, self._schema, compression="zstd", write_page_checksum=True)
        state = {"failed": False}

        def add(page: CachedPage) -> None:
            if state["failed"]:
                return
            try:
                table.write_batch(pa.RecordBatch.from_pylist([page._asdict()], self._schema))
                if page.is_last:
                    table.close()
                    file.close()
                    os.replace(name, self.path)  # noqa: PTH105
            except (OSError, ValueError, pa.ArrowException) as problem:
                state["failed"] = True
                _log.warning("the version is not cached: %s", problem)

        try:
            yield add
        finally:
            with suppress(OSError, ValueError, pa.ArrowException):
                table.close()
            with suppress(OSError):
                file.close()  # writes what is left, and fails again if the disk is full
            with suppress(OSError):
                os.unlink(name)  # noqa: PTH108  # no such file if it was renamed
