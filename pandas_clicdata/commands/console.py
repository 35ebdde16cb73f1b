"""The session and the output of a command, and the options that all commands take."""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from pandas_clicdata.commands.outcome import (
    Exit,
    columns_of,
    describe,
    describe_plan,
    is_in_doubt,
    printable,
    receipt_lines,
    records,
    rows_of,
    text_of,
    without_python,
)
from pandas_clicdata.errors import InputError, WriteError
from pandas_clicdata.session import profiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from pandas_clicdata import Session

_MOST_SHOWN = 5  # rows of a table of a plan


class Console:
    """The session of one command, stdout for its data, and stderr for everything else."""

    def __init__(self) -> None:
        self.as_json = False
        self.profile: str | None = None
        self._session: Session | None = None
        self._takes_output = True

    @property
    def session(self) -> Session:
        """The session of the command, opened at its first use."""
        if self._session is None:
            from pandas_clicdata import connect

            self._session = connect(profile=self.profile)
        return self._session

    def close(self) -> None:
        """Close the session, if one was opened."""
        if self._session is not None:
            self._session.close()

    # -----------------------------------------------------------------------------------------------------
    # stdout

    def write(self, data: bytes) -> None:
        """Write data to stdout. Raises a `ClickException` if that fails."""
        if not self._put(data):
            raise click.ClickException("the result could not be written")

    def _put(self, data: bytes) -> bool:
        """Write to stdout, and return whether it takes the data. The reader of a pipe may have closed it."""
        problem = "it is closed"
        try:
            if self._takes_output and sys.stdout is not None:
                sys.stdout.flush()
                if data:  # a full device refuses to write even nothing
                    sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
                return True
        except BrokenPipeError:
            _drop(sys.stdout)
            return True
        except (OSError, ValueError) as error:
            _drop(sys.stdout)
            problem = getattr(error, "strerror", None) or str(error)
        if self._takes_output:
            self.note(f"warning: stdout can't be written: {problem}")
        self._takes_output = False
        return False

    def _report(self, values: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Write an object with ``--json``. Without it, or if stdout takes nothing, write lines to stderr."""
        if not (self.as_json and self._put(_encoded(values))):
            for line in lines:
                self.note(line)

    def flush(self) -> None:
        """Flush stdout, where commands may have printed data. Raises a `ClickException` if that fails."""
        if self._takes_output and sys.stdout is not None:
            self.write(b"")

    def show(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table: aligned on a terminal, with tabs in a pipe, as an object with ``--json``."""
        if self.as_json:
            self.result({name: records(frame)})
        else:
            self.write(_lines(frame).encode())

    def show_plan(self, plan: Any) -> None:
        """Write a plan: the changes that a verb would make."""
        if self.as_json:
            self.write(_encoded({"ok": plan.ok, "exit_code": int(not plan.ok), "plan": describe_plan(plan)}))
            return
        lines = [without_python(plan.summary()), *(f"problem: {without_python(one)}" for one in plan.problems)]
        self.write("".join(f"{printable(line)}\n" for line in lines).encode())
        tables = {
            "columns": columns_of(plan).drop(columns="rows", errors="ignore"),
            "to append": plan.inserts,
            "cells to update": plan.updates,
            "to delete": plan.deletes,
        }
        for title, table in tables.items():
            if len(table):
                first = f", the first {_MOST_SHOWN} of {len(table):,}" if len(table) > _MOST_SHOWN else ""
                shown = table if title == "columns" else table.head(_MOST_SHOWN)
                self.write(f"\n{title}{'' if title == 'columns' else first}\n{_lines(shown)}".encode())

    def show_receipt(self, receipt: Any, code: Exit, *, is_data: bool = False) -> Exit:
        """Write a receipt, and return the exit code. ``is_data`` writes its text to stdout, not to stderr."""
        values = {"ok": code is Exit.DONE, "exit_code": int(code), "receipt": describe(receipt)}
        lines = receipt_lines(receipt)
        if is_data:
            self.write(_encoded(values) if self.as_json else "".join(f"{line}\n" for line in lines).encode())
        else:
            self._report(values, lines)
        return code

    def finish(self, done: Any) -> Exit:
        """Write the plan or the receipt of a verb, and return the exit code."""
        if hasattr(done, "apply"):
            self.show_plan(done)
            return Exit.DONE if done.ok else Exit.REFUSED
        whole = (
            done.complete and getattr(done, "audited", None) is not False and not len(getattr(done, "unsettled", ()))
        )
        return self.show_receipt(done, Exit.DONE if whole else Exit.IN_DOUBT)

    def result(self, values: Mapping[str, Any], text: str | None = None) -> None:
        """Write a result: an object with ``--json``, else its text to stderr. Without text, it is data."""
        values = {"ok": True, "exit_code": 0, **values}
        if text is not None:
            self._report(values, [text])
        elif self.as_json:
            self.write(_encoded(values))

    def result_of_rows(self, values: Mapping[str, Any], rows: bytes) -> None:
        """Write a result with rows that are already JSON."""
        head = json.dumps({"ok": True, "exit_code": 0, **values})[:-1].encode()
        self.write(head + b', "data": ' + rows.rstrip() + b"}\n")

    # -----------------------------------------------------------------------------------------------------
    # stderr

    def note(self, text: str) -> None:
        """Write a message to stderr, if it can be written."""
        try:
            click.echo(printable(text), err=True)
        except (OSError, ValueError):
            _drop(sys.stderr)

    def note_rows(self, rows: pd.DataFrame) -> None:
        """Write the first rows of a table to stderr."""
        self.note(_lines(rows.head(_MOST_SHOWN)) + ("..." if len(rows) > _MOST_SHOWN else ""))

    def fail(self, error: BaseException, code: Exit, receipt: Any = None) -> None:
        """Write an error, and the receipt of the rows."""
        message = str(error) or type(error).__name__
        if isinstance(error, click.ClickException):
            message = error.format_message()
        message = without_python(message)
        is_lost = getattr(error, "in_doubt", False) and not isinstance(error, WriteError)  # a WriteError says more
        if receipt is None and is_lost:
            message = f"{message.removesuffix('.')}. ClicData may have done it: look before you call again."
        about = {"type": type(error).__name__, "message": message, "in_doubt": is_in_doubt(error, receipt)}
        for name in ("status", "code", "retry_after"):
            if (value := getattr(error, name, None)) not in (None, math.inf):
                about[name] = value
        shown = None if receipt is None else describe(receipt)
        lines = [
            f"error: {message}",
            *(line for line in ([] if receipt is None else receipt_lines(receipt)) if line not in message),
        ]
        if isinstance(error, click.UsageError) and error.ctx is not None:
            lines.insert(0, f"{error.ctx.get_usage()}\nSee '{error.ctx.command_path} --help'.")
        self._report({"ok": False, "exit_code": int(code), "error": about, "receipt": shown}, lines)


def _encoded(values: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(values, default=str, ensure_ascii=False, allow_nan=False)}\n".encode(errors="replace")


def _drop(stream: TextIO | None) -> None:
    """Send later output of a stream to the null device, so that no flush fails at the end."""
    if stream is None:
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def flush_streams() -> None:
    """Flush both streams. If Python's own flush at the exit failed, it would change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            _drop(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal. Python has none for a stream that was closed at its start."""
    return stream is not None and stream.isatty()


def _lines(frame: pd.DataFrame) -> str:
    """Return a table as text: aligned on a terminal, with tabs elsewhere."""
    rows = [list(map(str, frame.columns)), *([text_of(cell) for cell in row] for row in rows_of(frame))]
    if is_terminal(sys.stdout):
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)
    return "".join("\t".join(row) + "\n" for row in rows)


pass_console = click.make_pass_decorator(Console, ensure=True)


def _set_profile(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        try:
            context.ensure_object(Console).profile = profiles.check_name(value)
        except InputError as error:
            raise click.BadParameter(f"{error}.") from None


def profile_option() -> click.Option:
    """Return the option that names the profile with the credentials."""
    return click.Option(
        ["--profile"],
        metavar="NAME",
        expose_value=False,
        callback=_set_profile,
        help="The profile with the credentials; default: as for connect.",
    )


def _set_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Console).as_json = True


class Command(click.Command):
    """A command that calls ClicData, with the options that all such commands take."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.params.append(profile_option())
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_set_json,
                help="Write the result or the error as one JSON object.",
            )
        )


class Group(click.Group):
    """A group whose commands are of the class `Command`."""

    command_class = Command
