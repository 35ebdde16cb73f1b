"""Files of rows: read as frames, with text left as text, and written whole or not at all."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import secrets
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet as pq

from pandas_clicdata.endpoints.pictures import draft_of
from pandas_clicdata.errors import ClicDataError, InputError
from pandas_clicdata.frames.columns import pc
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.frames.pieces import frames_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

FORMATS = ("csv", "json", "parquet", "arrow")
_SUFFIXES = {
    **{f".{name}": name for name in FORMATS},
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".pq": "parquet",
    ".feather": "arrow",
}
STDIO = "-"
_IS_CUT = "a quotation mark is not closed: the file may be cut"
_LONGEST_HEAD = 1 << 20  # bytes of the line with the names of the columns
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

# Texts that are numbers without a loss. More than 15 digits may be a code.
_INTEGER = "^-?(0|[1-9][0-9]{{0,{}}})$"
_DECIMAL = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,17})?([eE][-+]?[0-9]{1,3})?$"
_LONG_DECIMAL = "[eE]|^.{17}"  # 15 digits and a point have 16 characters
_BOOLEAN = "^([Tt]rue|TRUE|[Ff]alse|FALSE)$"


def format_of(path: str, asked: str | None) -> str:
    """Return the format that was asked for, else the format of the suffix; for stdin and stdout CSV."""
    if asked is not None:
        return asked
    if path == STDIO:
        return "csv"
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise click.UsageError(f"{path}: the suffix {suffix!r} is none of {', '.join(_SUFFIXES)}: say --format.")
    return _SUFFIXES[suffix]


# ---------------------------------------------------------------------------------------------------------
# Reading


class Source:
    """A file of rows, or stdin.

    Parameters
    ----------
    path : str
        The file; ``-`` is stdin.
    file_format : str or None
        One of `FORMATS`; None goes by the suffix.
    separator, encoding : str or None
        For a CSV file; default: a comma (a tab in ``.tsv`` and ``.tab``), and UTF-8 (UTF-16 if its mark is there).
    """

    def __init__(self, path: str, file_format: str | None, separator: str | None, encoding: str | None) -> None:
        self.path, self.format = path, format_of(path, file_format)
        self.name = "stdin" if path == STDIO else path
        is_tabbed = Path(path).suffix.lower() in (".tsv", ".tab")
        self._separator, self._encoding = separator or ("\t" if is_tabbed else ","), encoding
        self._is_separator_given = bool(separator)

    @property
    def is_text(self) -> bool:
        """Whether the cells of the file have no types."""
        return self.format == "csv"

    def read(
        self,
        types: Mapping[str, str],
        holds: Mapping[str, Sequence[str]] | None,
        look: Callable[[list[str]], Mapping[str, Sequence[str]]] | None = None,
        *,
        all_text: bool = False,
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        """Return the rows, and the ClicData types to send them with.

        The cells of a CSV file are text. They are sent as the type that the data set ``holds`` in their column. If that
        isn't known, a column becomes numbers, or true and false, if all cells are. One cell like ``007`` makes it text.

        Parameters
        ----------
        types : mapping of str to str
            The ClicData types of columns, as the caller chose them.
        holds : mapping or None
            The types that each column of the data set holds; None if it is new, or if they are not known.
        look : function, optional
            Returns the types that columns hold of which page 1 shows no cell. It is called if the cells of a CSV file
            could be numbers, or true and false, in such columns.
        all_text : bool, default False
            Whether all cells of a CSV file stay text, such as passwords.

        Raises
        ------
        InputError
            The file can't be read in its format.
        """
        try:
            data = self._bytes()
            if not self.is_text:
                return self._frame(data), dict(types)
            if all_text:
                [frame] = frames_of(self._table(data))
                return frame, dict(types)
            return self._cells(data, dict(types), dict(holds or {}), look)
        except (pa.ArrowException, LookupError, ValueError, TypeError, RecursionError, csv.Error) as error:
            if isinstance(error, ClicDataError):
                raise
            said = " ".join(str(error).split())
            hint = ": say which --encoding it has" if isinstance(error, UnicodeError) or "UTF8" in said else ""
            raise InputError(f"{self.name} can't be read as {self.format}{hint} ({said})") from None

    def _bytes(self) -> bytes:
        if self.path == STDIO and sys.stdin is None:
            raise ValueError("it is closed")
        return sys.stdin.buffer.read() if self.path == STDIO else Path(self.path).read_bytes()

    def _frame(self, data: bytes) -> pd.DataFrame:
        if self.format == "json":
            rows = json.loads(data, parse_constant=_refuse_constant, parse_float=Decimal, object_pairs_hook=_Pairs)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ValueError("it holds no list of objects")
            if repeated := [(number, row.repeated) for number, row in enumerate(rows) if row.repeated]:
                raise ValueError("row {} has the key {!r} twice".format(*repeated[0]))
            [frame] = frames_of(rows)
            return frame
        if self.format == "parquet":
            table = pq.read_table(pa.BufferReader(data))
        else:
            is_file = data.startswith(b"ARROW1")
            with (pa.ipc.open_file if is_file else pa.ipc.open_stream)(pa.BufferReader(data)) as reader:
                table = reader.read_all()
        [frame] = frames_of(table)
        return frame

    def _cells(
        self,
        data: bytes,
        types: dict[str, str],
        holds: dict[str, Sequence[str]],
        look: Callable[[list[str]], Mapping[str, Sequence[str]]] | None,
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        table = self._table(data)
        unseen = [
            name
            for name, cells in zip(table.column_names, table.columns, strict=True)
            if holds.get(name) == [] and name not in types and _parsed(cells, None, is_guess=True) is not None
        ]
        if unseen and look is not None:
            holds.update(look(unseen))
        for place, name in enumerate(table.column_names):
            held, cells = [*holds.get(name, ())], table.column(place)
            wanted = types.get(name) or (held[0] if len(held) == 1 else None)
            parsed = _parsed(cells, wanted, is_guess=wanted is None and not held)
            if parsed is not None:
                table = table.set_column(place, name, parsed)
            elif name not in types and wanted in ("number", "checkbox"):
                types[name] = wanted  # a cell of another type raises an error that names it
        [frame] = frames_of(table)
        return frame, types

    def _table(self, data: bytes) -> pa.Table:
        """Return all cells as text. An empty cell is missing, and ``""`` is empty text.

        An empty line is the empty cell of the only column. Among several columns, it is skipped.
        """
        encoding = self._encoding or next((name for bom, name in _BOMS.items() if data.startswith(bom)), "utf-8")
        if codecs.lookup(encoding).name != "utf-8":
            data = data.decode(encoding).encode()
        data = data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
        head = codecs.getincrementaldecoder("utf-8")().decode(data[:_LONGEST_HEAD])
        names = next(filter(None, csv.reader(io.StringIO(head, newline=""), delimiter=self._separator)), [])
        if not any(names):
            raise ValueError("it has no line with the names of the columns")
        if len(names) == 1 and not self._is_separator_given and {*names[0]} & {*";\t|"}:
            raise ValueError(
                f"its first line would be one column, {names[0]!r}: say how the columns are separated, such as with "
                "--sep ';' or --sep tab; --sep , reads one column"
            )
        if "" in names:
            raise ValueError(f"column {names.index('') + 1} has no name in the first line")
        if len(set(names)) < len(names):
            raise ValueError(f"columns come twice: {sorted({name for name in names if names.count(name) > 1})}")
        last = [secrets.token_hex(16)] * len(names)  # a row of its own, unless a quotation mark before it is open
        line_break = b"" if data.endswith((b"\r", b"\n")) else b"\n"
        data += line_break + self._separator.join(last).encode() + b"\n"
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(data),
                arrow_csv.ReadOptions(block_size=max(1 << 20, min(len(data) + 1, 1 << 30))),
                arrow_csv.ParseOptions(
                    delimiter=self._separator, newlines_in_values=True, ignore_empty_lines=len(names) > 1
                ),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowException as error:
            raise ValueError(_IS_CUT if last[0] in str(error) else str(error)) from None
        if table.column_names != names:
            raise ValueError("the line with the names of the columns can't be read for certain")
        if [cell for column in table.slice(max(len(table) - 1, 0)).columns for cell in column.to_pylist()] != last:
            raise ValueError(_IS_CUT)
        return table.slice(0, len(table) - 1)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


class _Pairs(dict[str, Any]):
    """A JSON object, and the first of its keys that it repeats."""

    __qualname__ = "object"  # its name in messages about cells

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.repeated = next((key for key in keys if keys.count(key) > 1), None) if len(self) < len(pairs) else None


def _parsed(cells: pa.ChunkedArray, wanted: str | None, *, is_guess: bool) -> pa.ChunkedArray | None:
    """Return cells as numbers, or as true and false, if every cell is; None if not, or if neither is wanted."""
    if cells.null_count == len(cells):
        return None

    def is_all(pattern: str) -> bool:
        return pc.all(pc.match_substring_regex(cells, pattern)).as_py() is True

    if is_guess or wanted in ("number", "percentage", "money"):
        if is_all(_INTEGER.format(14 if is_guess else 17)):
            return cells.cast(pa.int64())
        if is_all(_DECIMAL):
            numbers = cells.cast(pa.float64())
            return numbers if _keeps_digits(cells, numbers) else None
    if (is_guess or wanted == "checkbox") and is_all(_BOOLEAN):
        return pc.equal(pc.utf8_lower(cells), "true")
    return None


def _keeps_digits(cells: pa.ChunkedArray, numbers: pa.ChunkedArray) -> bool:
    """Return whether the numbers, as they will be written, are equal to the texts. Up to 15 digits they are."""
    doubtful = pc.match_substring_regex(cells, _LONG_DECIMAL)
    pairs = zip(cells.filter(doubtful).to_pylist(), numbers.filter(doubtful).to_pylist(), strict=True)
    return all(Decimal(text) == Decimal(repr(number)) for text, number in pairs)


# ---------------------------------------------------------------------------------------------------------
# Writing


class Target:
    """A file to write, or stdout. A file that exists is replaced.

    Parameters
    ----------
    path : str
        The file; ``-`` is stdout.
    file_format : str or None
        One of `FORMATS`; None goes by the suffix.

    Raises
    ------
    UsageError
        No file can be written at this path. The error comes before the rows are read.
    """

    def __init__(self, path: str, file_format: str | None) -> None:
        self.path, self.format = path, format_of(path, file_format)
        self.is_stdout = path == STDIO
        self._file = Path(os.path.realpath(path))  # a link stays; the file that it names is replaced
        if not self.is_stdout:
            if self._file.is_dir():
                raise click.UsageError(f"{path} is a folder: name a file in it.")
            if not self._file.parent.is_dir():
                raise click.UsageError(f"There is no folder {self._file.parent}.")

    def save(self, write: Callable[[BinaryIO], object]) -> None:
        """Write the file under another name beside it, and rename it when it is complete."""
        if self._file.exists() and not self._file.is_file():  # a device or a pipe
            with self._file.open("wb") as file:
                write(file)
            return
        with draft_of(self._file, write) as draft:
            if self._file.exists():
                draft.chmod(self._file.stat().st_mode & 0o777)
            os.replace(draft, self._file)  # noqa: PTH105  # os.replace is documented to be atomic


def write_rows(rows: Any, file_format: str, file: BinaryIO) -> None:
    """Write rows that were read: a frame as CSV or JSON, an Arrow table as Parquet or Arrow."""
    if file_format == "csv":
        if len(rows.columns):
            file.write(_csv_of(rows))
    elif file_format == "json":
        file.write(b"[" + b",\n".join(FrameEncoder(rows, index=False).rows_as(RowFormat.OBJECTS)) + b"]\n")
    elif file_format == "parquet":
        pq.write_table(rows, file)
    else:
        with pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)


def _csv_of(rows: pd.DataFrame) -> bytes:
    """Return rows as CSV. A missing cell is empty, also in the only column, and empty text is ``""``."""
    missing, empty, line = (secrets.token_hex(16) for _ in range(3))
    named = rows.rename(columns=lambda name: str(name).replace("\r", f"{line}\n"))
    # to_csv writes missing cells as it writes empty text, and a lone \r without quotes
    text = named.replace("", empty).replace("\r", f"{line}\n", regex=True).to_csv(index=False, na_rep=missing)
    return text.replace(missing, "").replace(empty, '""').replace(f"{line}\n", "\r").encode()
