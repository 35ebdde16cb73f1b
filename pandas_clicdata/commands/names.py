"""How a command names a data set, a column and a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from pandas_clicdata.frames.types import COLUMN_TYPES
from pandas_clicdata.names import DATA_SET, find_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pandas_clicdata import Session

    _Function = TypeVar("_Function", bound=Callable[..., Any])


def data_set_argument(function: _Function) -> _Function:
    """Add the argument ``data_set``, and the option ``is_name``."""
    function = click.option("--name", "is_name", is_flag=True, help="DATASET is a name, even if it is all digits.")(
        function
    )
    return click.argument("data_set", metavar="DATASET")(function)


def is_id(text: str) -> bool:
    """Return whether a text is an id: digits."""
    return text.isascii() and text.isdecimal()


def find_data_set(session: Session, text: str, *, is_name: bool) -> int:
    """Return the id that a text is, or the id of the only data set of exactly this name."""
    if is_id(text) and not is_name:
        return int(text)
    return find_id(DATA_SET, text, session)


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
