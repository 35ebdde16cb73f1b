"""``demo``: push a table to a sandbox over HTTP, change it, and read it back."""

from __future__ import annotations

import csv
import io
import re
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pandas as pd
import pyarrow as pa
from pyarrow import parquet as pq

import pandas_clicdata
from pandas_clicdata.errors import ClicDataError
from pandas_clicdata.frames.types import clicdata_types
from pandas_clicdata.uploads.receipt import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pandas_clicdata import DataFrame

MOST_ROWS = 1_000_000  # of a file, unless the caller wants more
_READ_OFTEN = 100_000  # rows; a larger table is read only twice
_WIDTH = 100  # of the terminal
_INDENT = " " * 10
_SAMPLE = 1 << 16  # bytes at the start of a file, from which the separator is guessed
_ENCODINGS = ("utf-8", "cp1252", "latin-1")
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = ";\t|,"
_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_PARQUET = b"PAR1"
_SUFFIXES = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "Excel"),
    ".parquet": "parquet",
    ".pq": "parquet",
}
_OTHER_SUFFIXES = (".json", ".jsonl", ".ndjson", ".geojson", ".xml", ".html", ".htm")
_OTHER_TEXT = re.compile(rb"(\xef\xbb\xbf)?\s*(\{|\[\s*[\[{]|<(\?xml|!doctype|html))", re.IGNORECASE)
_DATETIME = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?"
_NUMBER = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
_COMMA_NUMBER = r"\s*[+-]?\d+,\d+\s*"
_LOSSY = r"\s*(-?0\d.*|\+.*|-?\d{16,}\s*)"  # a number would lose its zero, its plus, or its last digits
_SHAPES = {"date": _DATETIME, "number": _NUMBER, "decimal": f"(({_NUMBER})|({_COMMA_NUMBER}))"}


class _Differs(Exception):
    """The rows that were read differ from the rows that were sent."""


class _Table(NamedTuple):
    """A table, and the name of its data set."""

    frame: DataFrame
    name: str
    python: str  # the code that reads the file


def demo(file: str | None, api_version: str | None, rows: int = MOST_ROWS) -> int:
    """Push a table, change it, read it back after every step and compare.

    Parameters
    ----------
    file : str or None
        A CSV, Excel or parquet file; None takes the sample of the package.
    api_version : str or None
        As in `Session`: ``"auto"``, None or a version.
    rows : int, default 1000000
        The most rows to read of the file.

    Returns
    -------
    int
        0 if every comparison was equal, else 1.
    """
    from pandas_clicdata import sandbox

    try:
        table = _read_file(Path(file), rows) if file else _read_sample()
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        print(f"can't read {file}: {_one_line(error)}", file=sys.stderr)
        return 1
    began = time.perf_counter()
    try:
        with sandbox.start(record=False) as service:
            print(f"sandbox   a ClicData on this machine, at {service.url}")
            with service.session(api_version=api_version) as session:
                pandas_clicdata.session.manager.make_default(session)
                _run(table.frame, f"Demo of {table.name}")
    except (_Differs, AssertionError) as error:
        print(f"DIFFERS   {error}", file=sys.stderr)
        return 1
    except ClicDataError as error:
        print(f"FAILED    {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"done      everything came back as it was sent, in {time.perf_counter() - began:.1f} s")
    print("\nThe same on your account, with CLICDATA_CLIENT_ID and CLICDATA_CLIENT_SECRET set:\n")
    print(f"    import pandas as pd, pandas_clicdata\n    df = {table.python}")
    print(f"    df.clicdata.push({table.name!r})")
    return 0


# -- the file ----------------------------------------------------------------------------


def _read_sample() -> _Table:
    path = Path(str(pandas_clicdata.__path__[0])) / "sandbox" / "sample" / "orders.csv"
    print("reading   orders.csv, a sample of the package: give a file of yours to see your own table")
    frame, _ = _read_csv(path, path.read_bytes(), MOST_ROWS)
    return _Table(frame, "orders", 'pd.read_csv("your.csv")')


def _read_file(path: Path, rows: int) -> _Table:
    """Read a file, and print how it was read."""
    if path.is_dir():
        raise ValueError("it is a folder, not a file")
    if not path.exists():
        raise ValueError("there is no such file")
    size = path.stat().st_size
    if not size:
        raise ValueError("it is empty")
    shown = f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB" if size >= 1e3 else f"{size} bytes"
    print(f"reading   {path.name} ({shown})", flush=True)
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
    reads = _find_reader(path, head)
    frame, arguments = reads(path, head, rows + 1)
    if not len(frame.columns):
        raise ValueError("it has no columns")
    if len(frame) > rows:
        frame = frame.iloc[:rows]
        print(f"{_INDENT}only its first {rows:,} rows: --rows N takes more")
    frame.columns = [str(column) for column in frame.columns]
    print(f"{_INDENT}{_size(frame)}")
    options = "".join(f", {name}={value!r}" for name, value in arguments.items())
    return _Table(frame, path.stem, f"pd.{reads.__name__[1:]}({path.name!r}{options})")


def _find_reader(path: Path, head: bytes) -> Callable[[Path, bytes, int], tuple[DataFrame, dict[str, Any]]]:
    """Return the reader of a file, by its first bytes. A suffix of another format raises: any text reads as CSV."""
    if head.startswith(_PARQUET):
        return _read_parquet
    if head.startswith(_EXCEL):
        return _read_excel
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        raise ValueError(f"its name ends in {suffix}, but it holds no {_SUFFIXES[suffix]}: it is broken, or misnamed")
    if suffix in _OTHER_SUFFIXES or _OTHER_TEXT.match(head):
        raise ValueError("it looks like JSON, XML or HTML: CSV, Excel and parquet can be read")
    return _read_csv


def _read_parquet(path: Path, _: bytes, rows: int) -> tuple[DataFrame, dict[str, Any]]:
    taken, count = [], 0
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        for batch in file.iter_batches():
            taken.append(batch)
            count += len(batch)
            if count >= rows:
                break
    names = [f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]
    integers = {pa.from_numpy_dtype(name.lower()): pd.api.types.pandas_dtype(name) for name in names}

    def exact(kind: pa.DataType) -> Any:
        return pd.ArrowDtype(kind) if pa.types.is_decimal(kind) else integers.get(kind)

    frame = pa.Table.from_batches(taken, schema).slice(0, rows).to_pandas(types_mapper=exact)
    print(f"{_INDENT}read as parquet")
    return _with_index(frame), {}


def _read_excel(path: Path, _: bytes, rows: int) -> tuple[DataFrame, dict[str, Any]]:
    try:
        frame = pd.read_excel(path, nrows=rows, dtype=object)  # object: "01" stays text
    except ImportError as error:
        needed = getattr(error.__context__, "name", None) or "a package that reads Excel"
        raise ValueError(f"pandas needs {needed} for it: install that, or save the file as CSV") from None
    except OSError:
        raise
    except Exception:  # noqa: BLE001  # each package that reads Excel has errors of its own for a broken file
        raise ValueError("it looks like Excel, but can't be read as that") from None
    print(f"{_INDENT}read as Excel, its first sheet")
    return cast("DataFrame", frame.convert_dtypes()), {}


def _with_index(frame: pd.DataFrame) -> DataFrame:
    """Return a frame with the named levels of its index as columns."""
    unnamed = [number for number, name in enumerate(frame.index.names) if name is None]
    if len(unnamed) < frame.index.nlevels:
        frame = frame.reset_index(level=[n for n in range(frame.index.nlevels) if n not in unnamed])
    return frame.reset_index(drop=True)  # type: ignore[return-value]


def _read_csv(path: Path, head: bytes, rows: int) -> tuple[DataFrame, dict[str, Any]]:
    """Read CSV in its own encoding and with its own separator, and print both."""
    bom = next((name for mark, name in _BOMS.items() if head.startswith(mark)), None)
    if bom is None and b"\0" in head:
        raise ValueError("it is not text: CSV, Excel and parquet can be read")
    separator = _find_separator(head.decode(bom or "latin-1", "replace"))
    encoding, lines = _find_encoding(path, (bom,) if bom else _ENCODINGS, separator, rows)
    if not lines.width:
        raise ValueError("it has no columns")
    shape = {"sep": separator, "encoding": encoding, "index_col": False, "on_bad_lines": "skip"}
    kinds = _find_kinds(path, rows, shape)
    text = [name for name, kind in kinds.items() if kind == "lossy"]
    dates = [name for name, kind in kinds.items() if kind == "date"]
    commas = separator != "," and "decimal" in kinds.values()
    options: dict[str, Any] = {
        **({"sep": separator} if separator != "," else {}),
        **({"encoding": encoding} if encoding not in ("utf-8", "utf-8-sig") else {}),
        **({"decimal": ","} if commas else {}),
        **({"index_col": False} if lines.wide else {}),
        **({"on_bad_lines": "skip"} if lines.long else {}),
        **({"dtype": dict.fromkeys(text, "str")} if text else {}),
        **({"parse_dates": dates, "date_format": "ISO8601"} if dates else {}),
    }
    read = {**options, **shape, "dtype": dict.fromkeys([*text, *dates], "string")}
    read = {name: value for name, value in read.items() if name not in ("parse_dates", "date_format")}
    frame = pd.read_csv(path, **read, nrows=rows, dtype_backend="numpy_nullable", low_memory=False)
    for name in dates:  # parse_dates of pandas 2.2 takes no missing values in the nullable text that is read here
        with suppress(ValueError):  # a date that pandas can't hold: text stays text
            frame[name] = pd.to_datetime(frame[name], format="ISO8601")
    _print_findings(separator, encoding, commas, text, lines, len(frame))
    return frame, options


def _find_encoding(path: Path, encodings: Iterable[str], separator: str, rows: int) -> tuple[str, _Lines]:
    """Return the first encoding that decodes every row that will be read, and the shape of these rows."""
    for encoding in encodings:
        with suppress(UnicodeError):
            return encoding, _scan(path, encoding, separator, rows)
    raise ValueError("its first bytes name an encoding, but it has another one")


def _find_separator(text: str) -> str:
    """Return the separator that divides the most lines into as many cells as the header has."""
    lines = text[: text.rfind("\n") + 1] or text

    def fit(separator: str) -> tuple[bool, int, int, bool]:
        rows = [row for row in csv.reader(io.StringIO(lines, newline=""), delimiter=separator) if row]
        width = len(rows[0]) if rows else 0
        same = sum(len(row) >= width and not any(row[width:]) for row in rows)  # a separator may end each line
        divides = width > 1 and 2 * same > len(rows)
        return divides, same, width, divides is (separator != ",")  # a comma may be a decimal comma

    return max(_SEPARATORS, key=fit)


class _Lines(NamedTuple):
    """The numbers of rows and columns, whether a row is wider, and the lines with too many or too few cells."""

    rows: int
    width: int
    wide: bool
    long: list[int]
    short: list[int]


def _scan(path: Path, encoding: str, separator: str, rows: int) -> _Lines:
    """Decode each row that will be read, and find the lines with too many or too few cells."""
    csv.field_size_limit(2**31 - 1)
    count, wide, long, short = 0, False, [], []
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader((line.replace("\0", "") for line in file), delimiter=separator)
        width = len(next(filter(None, reader), ()))
        for row in filter(None, reader):
            wide = wide or len(row) > width
            if len(row) < width:
                short.append(reader.line_num)
            elif any(row[width:]):
                long.append(reader.line_num)
            count += 1
            if count == rows:
                break
    return _Lines(count, width, wide, long, short)


def _find_kinds(path: Path, rows: int, shape: dict[str, Any]) -> dict[str, str | None]:
    """Return the shape of the cells of each column, "lossy" for numbers that must stay text, None for other text."""
    possible: dict[str, set[str]] = {}
    lossy: set[str] = set()
    filled: set[str] = set()
    with pd.read_csv(path, **shape, dtype="string[pyarrow]", nrows=rows, chunksize=100_000) as chunks:
        for chunk in chunks:
            for name in map(str, chunk):
                cells = chunk[name].dropna()
                kinds = possible.setdefault(name, set(_SHAPES))
                kinds &= {kind for kind in kinds if cells.str.fullmatch(_SHAPES[kind]).all()}
                if kinds & {"number", "decimal"} and cells.str.fullmatch(_LOSSY).any():
                    lossy.add(name)
                if len(cells):
                    filled.add(name)
    return {
        name: "lossy"
        if kinds & {"number", "decimal"} and name in lossy
        else next(iter(sorted(kinds, reverse=True)), None)
        for name, kinds in possible.items()
        if name in filled
    }


def _print_findings(separator: str, encoding: str, commas: bool, text: list[str], lines: _Lines, count: int) -> None:
    if lines.width > 1:
        found = f"CSV with {'tabs' if separator == chr(9) else repr(separator)} in {encoding}"
    else:
        found = f"CSV with one column in {encoding}"
    print(f"{_INDENT}read as {found}{', with decimal commas' if commas else ''}")
    if text:
        _print_wrapped(f"kept as text, since numbers would lose zeros, signs or digits: {', '.join(text)}")
    if lines.short:
        what = f"fewer cells than the header, the first is line {lines.short[0]:,}: the cells at their ends are missing"
        _print_wrapped(f"{counted(len(lines.short), 'row')} with {what}")
    if lines.long:
        left_out = lines.rows - count
        what = f"{left_out:,} left out" if left_out else "the cells beyond it left out"
        _print_wrapped(
            f"{counted(len(lines.long), 'row')} with more cells than the header, the first is line"
            f" {lines.long[0]:,}: {what}"
        )


def _size(frame: pd.DataFrame) -> str:
    return f"{counted(len(frame), 'row')} x {counted(len(frame.columns), 'column')}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _print_wrapped(text: str) -> None:
    print(textwrap.fill(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT))


# -- the trip ----------------------------------------------------------------------------


def _run(table: DataFrame, name: str) -> None:
    data = pandas_clicdata.Data()
    print(textwrap.fill(f"connect   as {data.session!r}", _WIDTH, subsequent_indent=_INDENT))
    print(f"list      {', '.join(data.get_data()['name'])}")

    receipt = table.clicdata.push(name, desc="made by python -m pandas_clicdata demo")
    rec_id = receipt.rec_id
    print(f"push      {receipt.summary()}")
    types = ", ".join(f"{column}: {kind}" for column, kind in clicdata_types(table).items())
    _print_wrapped(textwrap.shorten(types, 4 * (_WIDTH - 10), placeholder=" ..."))

    def compare(expected: DataFrame) -> None:
        _check_equal(pandas_clicdata.read_clicdata(rec_id, dtype=table.dtypes), expected, "read      ")

    compare(table)
    _print_rows(table)
    last = table.tail(3)
    key = _find_key(table)
    keep = len(table) <= _READ_OFTEN
    if key is None:
        print(f"append    {last.clicdata.append(rec_id).summary()}")
        compare(_concat(table, last))
        _print_wrapped(
            "no column of text or integers has a different value in each row, so no row is deleted or updated"
        )
    else:
        print(f"delete    {last.clicdata.delete_rows(rec_id, on=[key], keep=keep).summary()}")
        print(f"append    {last.clicdata.append(rec_id).summary()}")
        column, value = _choose_change(table, key)
        expected = table
        if column is not None:
            changed = last.tail(2)[[key]].assign(**{column: value}).astype({column: table[column].dtype})
            print(f"update    {changed.clicdata.update_rows(rec_id, on=key).summary()}")
            expected = table.assign(**{column: table[column].mask(table[key].isin(changed[key]), value)})
        compare(expected)
    _show_history(data, rec_id, table, read=keep)
    _show_account()


def _concat(table: DataFrame, more: DataFrame) -> DataFrame:
    return pd.concat([table, more], ignore_index=True).astype(table.dtypes)


def _print_rows(table: DataFrame) -> None:
    """Print the first rows, with as many columns as fit."""
    for columns in range(min(len(table.columns), 12), 0, -1):
        shown = table.head(3).to_string(index=False, max_cols=columns, max_colwidth=24)
        if columns == 1 or max(map(len, shown.splitlines())) <= _WIDTH - len(_INDENT):
            print(textwrap.indent(shown, _INDENT))
            return


def _find_key(table: DataFrame) -> str | None:
    """Return the first column of integers or texts without missing and without equal cells."""
    for name in table.columns:
        cells = table[name]
        if not len(cells) or cells.isna().any():
            continue
        if pd.api.types.is_string_dtype(cells):
            if cells.str.strip().str.casefold().is_unique:  # texts that differ by more than case and blanks
                return str(name)
        elif pd.api.types.is_integer_dtype(cells) and cells.is_unique:
            return str(name)
    return None


def _choose_change(table: DataFrame, key: str) -> tuple[str | None, Any]:
    """Return a column besides the key, and a value of its type to set."""
    others = [column for column in table.columns if column != key]
    for column in others:
        if pd.api.types.is_numeric_dtype(table[column]) and not pd.api.types.is_bool_dtype(table[column]):
            return str(column), 0
    return (str(others[0]), table[others[0]].iloc[0]) if others else (None, None)


def _show_history(data: pandas_clicdata.Data, rec_id: int, table: DataFrame, *, read: bool) -> None:
    versions = data.get_data_history(rec_id)
    last = f", the last of {counted(versions['row_count'].iloc[-1], 'row')}" if len(versions) else ""
    print(f"history   {counted(len(versions), 'version')}{last}")
    complete = versions.loc[versions["row_count"] == len(table), "version"]
    if read and len(complete):
        version = int(complete.iloc[0])
        then = pandas_clicdata.read_clicdata(rec_id, ver_id=version, dtype=table.dtypes)
        _check_equal(then, table, f"version   {version:,}: ")


def _show_account() -> None:
    account = pandas_clicdata.Account().get_account()
    used = [
        f"{metric} {used:,.0f} of {limit:,.0f}" for metric, used, limit in account[["metric", "used", "limit"]].values
    ]
    print(textwrap.fill(f"account   {', '.join(used)}", _WIDTH, subsequent_indent=_INDENT))
    dashboard = pandas_clicdata.Dashboard()
    name = dashboard.get_dashboard()["name"].iloc[0]
    picture = dashboard.get_dashboard_snapshot(name, output="image")
    print(f"picture   the dashboard {name!r}: {picture.width} x {picture.height} pixels")


def _check_equal(read: pd.DataFrame, expected: pd.DataFrame, what: str) -> None:
    days = [name for name, kind in clicdata_types(expected).items() if kind in ("date", "time")]
    text = {name: expected[name].map(str, na_action="ignore").astype(object) for name in days}  # a read gives text
    try:
        pd.testing.assert_frame_equal(read, expected.assign(**text).reset_index(drop=True))
    except AssertionError as error:
        raise _Differs(f"{what.strip()} {error}") from None
    print(f"{what}{_size(read)}, equal to the rows that were sent", flush=True)
