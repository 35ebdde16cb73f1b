"""``list``, ``columns``, ``count``, ``history``, ``read`` and ``refresh``: show data sets, write rows to a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import click

from pandas_clicdata import Data, read_arrow, read_clicdata
from pandas_clicdata.changes.compare import count_rows
from pandas_clicdata.commands.console import Command, Console, pass_console
from pandas_clicdata.commands.files import FORMATS, STDIO, Target, write_rows
from pandas_clicdata.commands.options import data_set_argument, find_data_set, is_id, timeout_option, types_option
from pandas_clicdata.endpoints.refresh import REFRESHED, REFRESHES

if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTED = ("rec_id", "name", "last_data_update_date", "source", "description")


@click.command("list", cls=Command)
@click.argument("text", required=False)
@pass_console
def list_data_sets(console: Console, text: str | None) -> None:
    """List the data sets, or only those with TEXT in their names."""
    listed = Data(session=console.session).get_data(name=text)
    console.show("data_sets", listed if console.as_json else listed[[*_LISTED]])


@click.command(cls=Command)
@data_set_argument
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="The most rows to look at; default: all.")
@pass_console
def columns(console: Console, data_set: str, is_name: bool, rows: int | None) -> None:
    """Show the columns of DATASET, an id or a name: what they hold, and the types to create them with."""
    rec_id = find_data_set(console.session, data_set, is_name=is_name)
    console.show("columns", Data(session=console.session).get_columns(rec_id, rows))


@click.command(cls=Command)
@data_set_argument
@pass_console
def count(console: Console, data_set: str, is_name: bool) -> None:
    """Count the rows of DATASET, an id or a name."""
    rec_id = find_data_set(console.session, data_set, is_name=is_name)
    rows = Data(session=console.session).count_rows(rec_id)
    if console.as_json:
        console.result({"rec_id": rec_id, "rows": rows})
    else:
        console.write(f"{rows}\n".encode())


@click.command(cls=Command)
@data_set_argument
@pass_console
def history(console: Console, data_set: str, is_name: bool) -> None:
    """List the stored versions of DATASET, an id or a name."""
    rec_id = find_data_set(console.session, data_set, is_name=is_name)
    console.show("versions", Data(session=console.session).get_data_history(rec_id))


def _parse_version(_: click.Context, __: click.Parameter, given: str | None) -> int | str | None:
    if given is None or given == "latest":
        return given
    if not is_id(given) or not int(given):
        raise click.BadParameter(f"{given!r} is neither a number above 0 nor 'latest'.")
    return int(given)


@click.command(cls=Command)
@data_set_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    default=STDIO,
    metavar="FILE",
    help="A file, written whole or not at all; - is stdout (default).",
)
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Default: by the suffix; CSV on stdout.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Read only this column; repeat it for more.")
@click.option("--rows", type=click.IntRange(min=0), metavar="N", help="The most rows to read.")
@click.option(
    "--version", "ver_id", callback=_parse_version, metavar="N|latest", help="A stored version, or the newest."
)
@click.option("--workers", type=click.IntRange(1, 32), default=1, metavar="N", help="Pages requested at once.")
@types_option("Read a column as this type: day=date. Repeat it for more.")
@pass_console
def read(
    console: Console,
    data_set: str,
    is_name: bool,
    output: str,
    file_format: str | None,
    columns: Sequence[str],
    rows: int | None,
    ver_id: Any,
    workers: int,
    types: dict[str, str],
) -> None:
    """Read DATASET, an id or a name, and write its rows to a file or to stdout.

    All pages are read before the first row is written.
    """
    if console.as_json and output == STDIO and file_format not in (None, "json"):
        raise click.UsageError(f"--json writes JSON to stdout, and --format says {file_format}: leave one out")
    target = Target(output, "json" if console.as_json and output == STDIO else file_format)
    session = console.session
    rec_id = find_data_set(session, data_set, is_name=is_name)
    options: dict[str, Any] = {
        "ver_id": ver_id,
        "columns": [*columns] or None,
        "dtype": types or None,
        "nrows": rows,
        "workers": workers,
        "session": session,
    }
    reads: Any = read_clicdata if target.format in ("csv", "json") else read_arrow
    found = reads(rec_id, **options)
    about = {"rec_id": rec_id, "rows": len(found)}
    if not target.is_stdout:
        target.save(lambda file: write_rows(found, target.format, file))
        console.result({**about, "file": output}, f"{count_rows(len(found))} of data set {rec_id} written to {output}")
        return
    written = io.BytesIO()
    write_rows(found, target.format, written)
    if console.as_json:
        console.result_of_rows(about, written.getvalue())
    else:
        console.write(written.getvalue())


@click.command(cls=Command)
@data_set_argument
@click.option(
    "--method", type=click.Choice([*REFRESHES]), default="reload", help="What happens to the rows (default: reload)."
)
@click.option("--wait", is_flag=True, help="Wait for the end of the refresh.")
@timeout_option
@pass_console
def refresh(console: Console, data_set: str, is_name: bool, method: Any, wait: bool, timeout: float) -> None:
    """Refresh DATASET, an id or a name, from its source.

    With --wait, the exit code is 3 if the refresh may go on after --timeout.
    """
    rec_id = find_data_set(console.session, data_set, is_name=is_name)
    response = Data(session=console.session).rebuild_data(rec_id, method, wait, timeout)
    said = f"{response[REFRESHED]}: refreshed" if wait else "the refresh was accepted"
    console.result({"rec_id": rec_id, "response": response}, f"data set {rec_id}: {said} ({method})")


COMMANDS = (list_data_sets, columns, count, history, read, refresh)
