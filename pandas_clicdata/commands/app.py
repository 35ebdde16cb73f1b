"""The command ``clicdata``: its options, and how it runs one of its commands."""

from __future__ import annotations

import io
import logging
import signal
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from pandas_clicdata.commands import account, local, login, tables, verbs
from pandas_clicdata.commands.console import Console, flush_streams, profile_option
from pandas_clicdata.commands.outcome import Exit, exit_of, without_python
from pandas_clicdata.errors import ClicDataError
from pandas_clicdata.session.session import package_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMPLETE = "_CLICDATA_COMPLETE"  # the variable by which a shell asks for completions


@click.group(
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 refused, 2 wrong call, 3 in doubt or stopped midway, 4 credentials, 5 not found, "
    "75 try later, 130 interrupted.",
)
@click.version_option(package_version(), "--version", prog_name="clicdata")
def app() -> None:
    """Read and write the data sets of ClicData, and manage the account.

    Data goes to stdout, everything else to stderr. The credentials come from a profile, which "clicdata login" writes,
    or from the environment: CLICDATA_CLIENT_ID and CLICDATA_CLIENT_SECRET, or CLICDATA_API_KEY. "clicdata doctor" shows
    the settings.
    """


app.params.append(profile_option())
for _command in (*tables.COMMANDS, *verbs.COMMANDS, *account.COMMANDS, *login.COMMANDS, *local.COMMANDS):
    app.add_command(_command)


def run(arguments: Sequence[str] | None = None, prog_name: str | None = None) -> int:
    """Run one of the commands.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments of the command line; by default the arguments of this process.
    prog_name : str, optional
        The name of the command in its help texts; by default the name by which it was called.

    Returns
    -------
    int
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have letters that the terminal lacks
    given = [*sys.argv[1:]] if arguments is None else [*arguments]
    console = Console()
    with warnings.catch_warnings(), _interrupt_on_sigterm(), _Waits(console):
        warnings.showwarning = lambda message, *_, **__: console.note(without_python(f"warning: {message}"))
        try:
            code = app.main(given, prog_name, COMPLETE, standalone_mode=False, obj=console)
            console.flush()
        except click.ClickException as error:
            console.as_json = console.as_json or ("--json" in given and not _takes_json_file(error))
            code = Exit.WRONG_CALL if isinstance(error, click.UsageError) else Exit.REFUSED
            console.fail(error, code)
        except (click.Abort, KeyboardInterrupt) as error:
            code = _interrupted(console, error)
        except Exception as error:
            if isinstance(error, OSError) and isinstance(error.__context__, KeyboardInterrupt):  # click can't write
                code = _interrupted(console, error.__context__)
            elif isinstance(error, (ClicDataError, OSError, ImportError)) or hasattr(error, "receipt"):
                code = exit_of(error)
                console.fail(error, code, getattr(error, "receipt", None))
            else:
                raise
        finally:
            console.close()
            flush_streams()
    return int(code or 0)


class _Waits(logging.Handler):
    """Write warnings, and why a call waits, to stderr: a command must not seem to hang. With ``--json`` write none."""

    _OF_WAITS = ("pandas_clicdata.session.session", "pandas_clicdata.uploads.verify")

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console, self._log = console, logging.getLogger("pandas_clicdata")

    def __enter__(self) -> None:
        self._level = self._log.level
        self._log.addHandler(self)
        self._log.setLevel(min(logging.INFO, self._log.getEffectiveLevel()))

    def __exit__(self, *_: object) -> None:
        self._log.setLevel(self._level)
        self._log.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record between the progress bars."""
        is_wait = record.levelno == logging.INFO and record.name in self._OF_WAITS
        if (is_wait or record.levelno >= logging.WARNING) and not self._console.as_json:
            with tqdm.external_write_mode(sys.stderr):
                self._console.note(without_python(record.getMessage()))


@contextmanager
def _interrupt_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, with a receipt: schedulers and containers stop a job by it."""
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # only the main thread can set it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _takes_json_file(error: click.ClickException) -> bool:
    """Return whether ``--json`` of the command names a file."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    return any(param.name == "json" and param.expose_value for param in getattr(command, "params", ()))


def _interrupted(console: Console, error: BaseException) -> Exit:
    """Write the error and the receipt of a command that Ctrl-C ended."""
    cause = error.__cause__ if isinstance(error, click.Abort) else error
    receipt = getattr(cause, "receipt", None)
    shown: Any = KeyboardInterrupt("interrupted")
    shown.in_doubt = getattr(cause, "in_doubt", False)  # the session sets it
    console.fail(shown, Exit.INTERRUPTED, receipt)
    return Exit.INTERRUPTED
