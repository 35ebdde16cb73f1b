"""``demo``, ``doctor``, ``sandbox`` and ``stubs``: the commands that print text and take no ``--json``."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

import click

from pandas_clicdata.commands.console import Console, pass_console
from pandas_clicdata.commands.outcome import Exit
from pandas_clicdata.session.manager import PROFILE


@click.command()
@click.argument("file", type=click.Path(), required=False)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=1_000_000,
    metavar="N",
    help="The most rows to read (default: 1,000,000).",
)
@click.option("--api-version", default="auto", help='The dialect: "auto" (default), "none" or "2022.01".')
def demo(file: str | None, rows: int, api_version: str) -> int:
    """Push a table to a sandbox, change it and read it back.

    FILE is a table of your own: CSV, Excel or parquet.
    """
    from pandas_clicdata.commands.demo import demo as run_demo

    return run_demo(file, None if api_version.lower() == "none" else api_version, rows)


@click.command()
@click.option("--probe", "reads", is_flag=True, help="Ask the open questions that reads can answer.")
@click.option(
    "--probe-writes", "writes", is_flag=True, help="Ask the open questions that need writes, to a new data set."
)
@click.option("--json", "file", type=click.Path(), metavar="FILE", help="A file for the report of a probe, as JSON.")
@click.option("--yes", is_flag=True, help="With --probe-writes: agree to the new data set.")
@click.option(
    "--data-set", type=int, metavar="ID", help="With --probe-writes: the data set of an earlier run, now with a key."
)
@pass_console
def doctor(console: Console, /, reads: bool, writes: bool, file: str | None, yes: bool, data_set: int | None) -> int:
    """Show where each setting comes from, and whether a call succeeds."""
    if console.profile is not None:
        os.environ[PROFILE] = console.profile
    if reads and writes:
        raise click.UsageError("--probe and --probe-writes don't go together")
    if not (reads or writes) and (yes or file is not None or data_set is not None):
        raise click.UsageError("--json, --yes and --data-set go with --probe or --probe-writes")
    if reads or writes:
        from pandas_clicdata.commands.probe import probe

        return probe(writes=writes, file=file, agreed=yes, data_set=data_set)
    from pandas_clicdata.commands.doctor import doctor as run_doctor

    return run_doctor()


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="The port (default: any free port)."
)
@click.option("--path", type=click.Path(), metavar="FILE", help="A file for the data (default: keep it in memory).")
def sandbox(port: int, path: str | None) -> int:
    """Run a sandbox, a ClicData on this machine, until Ctrl-C."""
    from pandas_clicdata.sandbox import start

    with start(port=port, path=path, record=False) as service:
        click.echo(f"ClicData sandbox at {service.url}  (Ctrl-C ends it)\n")
        click.echo("These credentials work here, and only here:")
        click.echo(f"  CLICDATA_URL={service.url}")
        for name, value in sorted(vars(service.credentials).items()):
            click.echo(f"  CLICDATA_{name.upper()}={value}")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return Exit.INTERRUPTED


@click.command()
@click.argument("folder", type=click.Path(file_okay=False), default="typings")
def stubs(folder: str) -> int:
    """Write types of pandas with df.clicdata and pd.read_clicdata, for pyright and Pylance.

    FOLDER is the folder where pyright and Pylance look for your own types; by default "typings". The types are a copy
    of the installed pandas-stubs.
    """
    from pandas_clicdata.commands.stubs import stubs as write

    return write(folder)


COMMANDS = (demo, doctor, sandbox, stubs)
