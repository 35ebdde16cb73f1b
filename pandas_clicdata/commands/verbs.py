"""The commands that write rows (``push``, ``append`` ...), and ``resume`` and ``receipt`` of a journal."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pandas_clicdata import AppendReceipt, resume_append
from pandas_clicdata.arguments import check_name
from pandas_clicdata.changes.compare import count_rows
from pandas_clicdata.commands.console import Command, Console, is_terminal, pass_console
from pandas_clicdata.commands.files import Source, Target, write_rows
from pandas_clicdata.commands.options import (
    data_set_argument,
    dry_run_option,
    find_data_set,
    is_id,
    name_option,
    parse_share,
    source_argument,
    types_option,
    wrong_call,
)
from pandas_clicdata.commands.outcome import Exit, anything_done, exit_of
from pandas_clicdata.errors import InputError, NotFound, ProtocolError, ReadError
from pandas_clicdata.frames.compare import columns_seen
from pandas_clicdata.frames.parse import parse_page
from pandas_clicdata.frames.types import join_names
from pandas_clicdata.progress import bar
from pandas_clicdata.session.pages import PAGE_SIZE, iter_pages, retry_while_changing
from pandas_clicdata.session.wire import get
from pandas_clicdata.uploads.append import AppendOptions, ask_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pandas_clicdata.session.session import Session

    _Function = TypeVar("_Function", bound=Callable[..., Any])

# ---------------------------------------------------------------------------------------------------------
# Options


def _file_argument(function: Callable[..., Any]) -> Any:
    """Add the argument FILE as ``source``, and the option ``types``."""
    return source_argument(types_option("Send a column as this type: day=date. Repeat it for more.")(function))


def _options(*options: Callable[[Any], Any]) -> Callable[[_Function], _Function]:
    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_workers = click.option("--workers", type=click.IntRange(1, 32), default=1, metavar="N", help="Requests at once.")
_on = click.option("--on", multiple=True, required=True, metavar="NAME", help="A key column; repeat it for more.")
_match = click.option(
    "--match",
    type=click.Choice(["exact", "wide"]),
    help="Whether case and blanks make keys different (exact) or not (wide).",
)
_journal = click.option(
    "--journal", type=click.Path(), metavar="PATH", help="A new file for the receipt; 'resume' continues from it."
)
_verify = _options(
    click.option("--verify", type=click.Choice(["count", "tag"]), help="How to find out which rows are stored."),
    click.option("--exclusive", is_flag=True, help="With --verify count: no other program writes meanwhile."),
)


def _parse_kept(_: click.Context, __: click.Parameter, given: str | None) -> Target | None:
    if given is None:
        return None
    target = Target(given, None)
    if target.is_stdout or target.format not in ("csv", "json"):
        raise click.UsageError("--keep takes a file that ends in .csv or .json.")
    if os.path.lexists(given):
        raise click.UsageError(
            f"--keep: there is a file {given} already, which may be the only copy of deleted rows. Name another file, "
            "such as one with the date and time in its name."
        )
    return target


_keep = click.option(
    "--keep",
    type=click.Path(),
    callback=_parse_kept,
    metavar="FILE",
    help="Write the rows to this new CSV or JSON file before they are deleted.",
)
_tag = click.option("--tag-column", metavar="NAME", help="With --verify tag: the text column for the stamps.")


def _rows(
    console: Console, source: Source, rec_id: int | None, types: dict[str, str], sends: Sequence[str] | None = None
) -> tuple[Any, dict[str, str] | None]:
    """Return the rows of a file, read for this data set, and the types to send them with.

    ``sends`` are the columns that the request sends; by default all.
    """
    if rec_id is None:
        frame, types = source.read(types, None)
        return frame, types or None
    known = ask_columns(console.session, rec_id, needed=False)

    def look(names: list[str]) -> Mapping[str, Sequence[str]]:
        return _first_cells(console.session, rec_id, {name for name in names if sends is None or name in sends})

    frame, types = source.read(types, None if known is None else known.holds, look)
    return frame, types or None


def _first_cells(session: Session, rec_id: int, names: Collection[str]) -> dict[str, Sequence[str]]:
    """Read page after page until each of these columns shows a cell. Return the types that they hold."""
    request = get("read the columns", f"/data/{rec_id}", key="data")

    def read() -> dict[str, Sequence[str]]:
        holds: dict[str, Sequence[str]] = {}
        with (
            bar(None, f"read {rec_id} before", None, session=session) as shown,
            closing(iter_pages(session, request, PAGE_SIZE, workers=0)) as pages,
        ):
            for page in pages:
                shown.update(page.count, page.total)
                columns = zip(*parse_page(page.rows, None)[1:], strict=True)
                left = {name: cells for name, cells in columns if name in names and name not in holds}
                seen = columns_seen({name: cells for name, cells in left.items() if cells.count(None) < len(cells)})
                holds |= {} if seen is None else seen.holds
                if len(holds) == len(names):
                    break
        return holds

    try:
        return retry_while_changing(read) if names else {}
    except (ProtocolError, ReadError) as error:
        example = min(names)
        raise InputError(
            f"page 1 shows no cell of {join_names(map(repr, sorted(names)))}, and the other pages can't be read "
            f"({str(error).rstrip('.')}): name the types, such as --types {example}=text or --types {example}=number"
        ) from error


def _write(
    console: Console,
    verb: str,
    *key: Sequence[str] | None,
    source: Source,
    data_set: str,
    is_name: bool,
    types: dict[str, str],
    keep: Target | None = None,
    **options: Any,
) -> Exit:
    """Carry out a verb of ``df.clicdata`` with the rows of a file, and write its receipt or plan."""
    rec_id = find_data_set(console.session, data_set, is_name=is_name)
    frame, typed = _rows(console, source, rec_id, types)
    is_dry = options.pop("dry_run")
    call = getattr(frame.clicdata, verb)
    done = call(rec_id, *key, types=typed, dry_run=is_dry or keep is not None, session=console.session, **options)
    return console.finish(done if is_dry or keep is None else _apply(console, done, keep))


def _apply(console: Console, plan: Any, keep: Target | None) -> Any:
    """Carry out a plan, and return its receipt. Its rows to delete are written to a new file before."""
    if keep is None or not plan.ok:
        return plan.apply()
    rows = plan.deletes
    if not len(rows.columns):  # the data set has no rows, which would show its columns
        rows = plan.frame.iloc[:0]
    path = Path(keep.path)
    path.touch(exist_ok=False)
    try:
        keep.save(lambda file: write_rows(rows, keep.format, file))
        if not console.as_json:
            console.note(f"{count_rows(len(rows))} to delete, written to {path} first")
        return plan.apply()
    except BaseException as error:
        if exit_of(error) is not Exit.IN_DOUBT and not anything_done(console.session.last_receipt):
            path.unlink()
            if not console.as_json:
                console.note(f"no row was deleted, and {path} is removed")
        raise


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse options of an append that don't go together, before any row is read."""
    known = {field.name for field in fields(AppendOptions)}
    try:
        AppendOptions(**{name: value for name, value in options.items() if name in known})
    except InputError as error:
        raise click.UsageError(". ".join(error.problems)) from None


# ---------------------------------------------------------------------------------------------------------
# New rows


@click.command(cls=Command)
@_file_argument
@click.argument("name")
@name_option("NAME")
@click.option("--desc", default="", metavar="TEXT", help="A description.")
@click.option(
    "--if-exists",
    type=click.Choice(["fail", "append", "replace"]),
    default="fail",
    help="What to do if there is a data set of that name (default: fail).",
)
@_options(dry_run_option, _journal, _verify, _tag, _workers)
@pass_console
def push(
    console: Console,
    /,
    source: Source,
    name: str,
    is_name: bool,
    types: dict[str, str],
    if_exists: Any,
    **options: Any,
) -> Exit:
    """Create the data set NAME with the columns of FILE, and append its rows."""
    if is_id(name) and not is_name:
        raise click.UsageError(
            f"{name} looks like an id: 'append' writes to an existing data set; --name makes a new one of this name."
        )
    with wrong_call():
        check_name("the name", name)
    _check_options(options)
    rec_id = None
    if if_exists != "fail" and source.is_text:  # an existing data set decides what the cells are
        with suppress(NotFound):
            rec_id = find_data_set(console.session, name, is_name=is_name)
    frame, typed = _rows(console, source, rec_id, types)
    done = frame.clicdata.push(name, types=typed, if_exists=if_exists, session=console.session, **options)
    return console.finish(done)


@click.command(cls=Command)
@_file_argument
@data_set_argument
@_options(dry_run_option, _journal)
@click.option(
    "--append-id", metavar="ID", help="Your id of this append: the same rows with the same id are stored once."
)
@_options(_verify, _tag, _workers)
@pass_console
def append(console: Console, /, types: dict[str, str], **options: Any) -> Exit:
    """Append the rows of FILE to DATASET, an id or a name."""
    _check_options(options)
    return _write(console, "append", types=types, **options)


# ---------------------------------------------------------------------------------------------------------
# Rows by their key


@click.command(cls=Command)
@_file_argument
@data_set_argument
@_options(_on, _match, dry_run_option)
@click.option("--max-updates", type=click.IntRange(min=0), metavar="N", help="Do nothing if more keys would change.")
@_options(_workers)
@pass_console
def upsert(console: Console, /, on: Sequence[str], **options: Any) -> Exit:
    """Update the rows of DATASET whose key is in FILE, and append the others.

    If the command stops midway, call it again: it does the rest.
    """
    return _write(console, "upsert", [*on], **options)


def _most_deletes(name: str, default: str) -> Callable[[_Function], _Function]:
    return click.option(
        "--max-deletes",
        name,
        callback=parse_share,
        metavar="N",
        help=f"The most rows to delete, as a number or a share like 10%; else do nothing. Default: {default}.",
    )


@click.command(cls=Command)
@_file_argument
@data_set_argument
@_options(
    _on, _match, dry_run_option, _most_deletes("max_deletes", "ten rows, or a tenth if that is more"), _keep, _workers
)
@pass_console
def sync(console: Console, /, on: Sequence[str], **options: Any) -> Exit:
    """Make DATASET hold the rows of FILE: as upsert, then delete the other rows.

    If the command stops midway, call it again: it does the rest.
    """
    return _write(console, "sync", [*on], **options)


@click.command(cls=Command)
@_file_argument
@data_set_argument
@click.option(
    "--by",
    multiple=True,
    metavar="NAME",
    help="Delete only rows whose value in this column is in FILE; repeat it for more. Default: all rows.",
)
@_options(_match, dry_run_option, _journal, _most_deletes("max_deleted", "no limit"), _keep, _workers)
@pass_console
def replace(console: Console, /, by: Sequence[str], **options: Any) -> Exit:
    """Delete rows of DATASET, and append the rows of FILE, such as the rows of a month."""
    return _write(console, "replace", [*by] or None, **options)


@click.command(cls=Command)
@_file_argument
@data_set_argument
@_options(_on, _match, dry_run_option)
@click.option("--max-rows", type=click.IntRange(min=0), metavar="N", help="Delete nothing if more rows match.")
@click.option("--yes", is_flag=True, help="Don't ask; needed where there is no terminal.")
@_options(_keep, _workers)
@pass_console
def delete(
    console: Console,
    /,
    source: Source,
    data_set: str,
    is_name: bool,
    types: dict[str, str],
    on: Sequence[str],
    keep: Target | None,
    yes: bool,
    dry_run: bool,
    **more: Any,
) -> Exit:
    """Delete the rows of DATASET that equal a row of FILE in the columns --on."""
    if not (yes or dry_run) and not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise click.UsageError("There is no terminal to ask at: add --yes to delete, or --dry-run to look.")
    rec_id = find_data_set(console.session, data_set, is_name=is_name)
    frame, typed = _rows(console, source, rec_id, types, on)
    plan: Any = frame.clicdata.delete_rows(rec_id, [*on], types=typed, dry_run=True, session=console.session, **more)
    if dry_run:
        return console.finish(plan)
    rows = plan.deletes
    if plan.ok and not yes:
        console.note_rows(rows)
        if not click.confirm(f"Delete {count_rows(len(rows))} of data set {rec_id}?", err=True):
            refused = {"ok": False, "exit_code": int(Exit.REFUSED), "rec_id": rec_id, "deleted": False}
            console.result(refused, "nothing was deleted")
            return Exit.REFUSED
    return console.finish(_apply(console, plan, keep))


# ---------------------------------------------------------------------------------------------------------
# Receipts


@click.command(cls=Command)
@_file_argument
@click.argument("journal", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--in-doubt", type=click.Choice(["stored", "missing"]), help="The state of the rows in doubt, if you looked."
)
@_options(_verify, _workers)
@pass_console
def resume(console: Console, /, source: Source, journal: str, types: dict[str, str], **options: Any) -> Exit:
    """Continue an append or a replace of FILE that stopped, from its JOURNAL.

    Stored rows are not sent again. FILE must be unchanged.
    """
    job = AppendReceipt.load(journal).job
    frame, _ = _rows(console, source, job.rec_id, {**(job.types or {}), **types})
    return console.finish(resume_append(frame, journal, session=console.session, **options))


@click.command(cls=Command)
@click.argument("journal", type=click.Path(exists=True, dir_okay=False))
@pass_console
def receipt(console: Console, journal: str) -> Exit:
    """Show the receipt of an append, from its JOURNAL.

    The exit code is 3 if rows are in doubt or not stored.
    """
    found = AppendReceipt.load(journal)
    return console.show_receipt(found, Exit.DONE if found.complete else Exit.IN_DOUBT, is_data=True)


COMMANDS = (push, append, upsert, sync, replace, delete, resume, receipt)
