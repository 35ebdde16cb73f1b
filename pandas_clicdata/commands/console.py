"""The session and the output of a command, and the options that all commands take."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from pandas_clicdata import Session

_MOST_SHOWN = 5  # rows of a table of a plan


class Console:
    """The session of one command, stdout for its data, and stderr for everything else."""

    def __init__(self) -> None:
        self.as_json = False
        self.profile: str | None = None
        self._session: Session | None = None

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
        """Write data to stdout. If the reader of a pipe has closed it, drop the rest."""
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            drop_stdout()

    def show(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table: aligned on a terminal, with tabs in a pipe, as an object with ``--json``."""
        if self.as_json:
            self.result({name: records(frame)})
        else:
            self.write(_lines(frame).encode())

    def show_plan(self, plan: Any) -> None:
        """Write a plan: the changes that a verb would make."""
        if self.as_json:
            self._write_json({"ok": plan.ok, "exit_code": int(not plan.ok), "plan": describe_plan(plan)})
            return
        lines = [plan.summary(), *(f"problem: {problem}" for problem in plan.problems)]
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
        if self.as_json:
            self._write_json({"ok": code is Exit.DONE, "exit_code": int(code), "receipt": describe(receipt)})
        elif is_data:
            self.write("".join(f"{line}\n" for line in receipt_lines(receipt)).encode())
        else:
            for line in receipt_lines(receipt):
                self.note(line)
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
        """Write a result: an object with ``--json``, else its text to stderr."""
        if self.as_json:
            self._write_json({"ok": True, **values})
        elif text is not None:
            self.note(text)

    def result_of_rows(self, values: Mapping[str, Any], rows: bytes) -> None:
        """Write a result with rows that are already JSON."""
        head = json.dumps({"ok": True, **values})[:-1].encode()
        self.write(head + b', "data": ' + rows.rstrip() + b"}\n")

    def _write_json(self, values: Mapping[str, Any]) -> None:
        self.write(f"{json.dumps(values, default=str, ensure_ascii=False, allow_nan=False)}\n".encode(errors="replace"))

    # -----------------------------------------------------------------------------------------------------
    # stderr

    def note(self, text: str) -> None:
        """Write a message to stderr."""
        with suppress(OSError):
            click.echo(printable(text), err=True)

    def note_rows(self, rows: pd.DataFrame) -> None:
        """Write the first rows of a table to stderr."""
        self.note(_lines(rows.head(_MOST_SHOWN)) + ("..." if len(rows) > _MOST_SHOWN else ""))

    def fail(self, error: BaseException, code: Exit, receipt: Any = None) -> None:
        """Write an error, and the receipt of the rows."""
        message = str(error) or type(error).__name__
        if isinstance(error, click.ClickException):
            message = error.format_message()
        if self.as_json:
            about = {"type": type(error).__name__, "message": message, "in_doubt": is_in_doubt(error, receipt)}
            for name in ("status", "code", "retry_after"):
                if (value := getattr(error, name, None)) is not None:
                    about[name] = value
            shown = None if receipt is None else describe(receipt)
            self._write_json({"ok": False, "exit_code": int(code), "error": about, "receipt": shown})
            return
        if isinstance(error, click.UsageError) and error.ctx is not None:
            self.note(f"{error.ctx.get_usage()}\nSee '{error.ctx.command_path} --help'.")
        message = without_python(message)
        self.note(f"error: {message}")
        for line in [] if receipt is None else receipt_lines(receipt):
            if line not in message:
                self.note(line)


def drop_stdout() -> None:
    """Send later output of stdout to the null device, so that no flush fails at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(frame: pd.DataFrame) -> str:
    """Return a table as text: aligned on a terminal, with tabs elsewhere."""
    rows = [list(map(str, frame.columns)), *([text_of(cell) for cell in row] for row in rows_of(frame))]
    if sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)
    return "".join("\t".join(row) + "\n" for row in rows)


pass_console = click.make_pass_decorator(Console, ensure=True)


def _set_profile(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Console).profile = value


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
