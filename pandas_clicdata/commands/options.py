"""The arguments and options that several commands take."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pandas_clicdata.arguments import check_id, check_text
from pandas_clicdata.commands.files import FORMATS, Source
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.types import COLUMN_TYPES
from pandas_clicdata.names import DATA_SET, find_id, parse_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pandas_clicdata import Session

    _Function = TypeVar("_Function", bound=Callable[..., Any])

# ---------------------------------------------------------------------------------------------------------
# Ids and names


def name_option(what: str) -> Callable[[_Function], _Function]:
    """Return a decorator that adds the option ``is_name`` for an argument."""
    return click.option("--name", "is_name", is_flag=True, help=f"{what} is a name, even if it is all digits.")


def data_set_argument(function: _Function) -> _Function:
    """Add the argument ``data_set``, and the option ``is_name``."""
    return click.argument("data_set", metavar="DATASET")(name_option("DATASET")(function))


def is_id(text: str) -> bool:
    """Return whether a text is an id: digits."""
    return parse_integer(text) is not None


def id_or_name(text: str, *, is_name: bool = False) -> int | str:
    """Return an argument as the package takes it: digits are an id, all else is a name."""
    with wrong_call():
        return check_id("the id", int(text)) if is_id(text) and not is_name else check_text("the name", text)


@contextmanager
def wrong_call() -> Iterator[None]:
    """Let an `InputError` about an argument of the command end it as a wrong call."""
    try:
        yield
    except InputError as error:
        raise click.UsageError(f"{error}.") from None


def find_data_set(session: Session, text: str, *, is_name: bool) -> int:
    """Return the id in a text, or the id of the only data set with exactly this name."""
    return find_id(DATA_SET, id_or_name(text, is_name=is_name), session)


# ---------------------------------------------------------------------------------------------------------
# Columns


def types_option(help_text: str) -> Callable[[_Function], _Function]:
    """Return a decorator that adds the option ``types``: a dict of column to ClicData type."""
    return click.option(
        "--types", "--type", "types", multiple=True, metavar="NAME=TYPE", callback=_parse_types, help=help_text
    )


def _parse_types(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    types: dict[str, str] = {}
    for text in given:
        name, equals, column_type = text.rpartition("=")  # a name may hold an equals sign
        if not equals or not name or column_type not in COLUMN_TYPES:
            raise click.BadParameter(f"{text!r} is not NAME=TYPE, with a type of {', '.join(COLUMN_TYPES)}.")
        types[name] = column_type
    return types


# ---------------------------------------------------------------------------------------------------------
# Files


_EXISTING = click.Path(exists=True, dir_okay=False, allow_dash=True)


def _parse_separator(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    separator = "\t" if given in ("\\t", "tab") else given
    if separator is not None and (len(separator) != 1 or separator in '"\r\n'):
        raise click.BadParameter(f"{given!r} is not one character: use ';', '|' or tab.")
    return separator


def source_argument(function: Callable[..., Any]) -> Any:
    """Add the argument FILE and its options for reading, together as ``source``."""

    @click.option("--encoding", metavar="NAME", help="The encoding of a CSV file (default: UTF-8).")
    @click.option(
        "--sep",
        "separator",
        callback=_parse_separator,
        metavar="CHARACTER",
        help="The separator of a CSV file: a character, or tab.",
    )
    @click.option("--format", "file_format", type=click.Choice(FORMATS), help="Default: by the suffix; CSV from stdin.")
    @click.argument("file", type=_EXISTING)
    @wraps(function)
    def with_source(
        *arguments: Any, file: str, file_format: str | None, separator: str | None, encoding: str | None, **more: Any
    ) -> Any:
        return function(*arguments, source=Source(file, file_format, separator, encoding), **more)

    return with_source


# ---------------------------------------------------------------------------------------------------------
# Others

_POSITIVE = click.FloatRange(min=0, min_open=True)
timeout_option = click.option("--timeout", type=_POSITIVE, default=600, help="Seconds to wait at most (default: 600).")
dry_run_option = click.option("--dry-run", is_flag=True, help="Write nothing, and print the plan.")


def parse_share(_: click.Context, __: click.Parameter, given: str | None) -> float | int | None:
    """Return a number of rows, or a share as a float."""
    if given is None or is_id(given):
        return given if given is None else int(given)
    try:
        share = float(given.removesuffix("%")) / (100 if given.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise click.BadParameter(f"{given!r} is neither a number of rows nor a share like 0.1 or 10%.")
    return share
