"""A path and verb, and who answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from werkzeug.routing import Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.sandbox.answers import Answer

ID = "<int(max=9223372036854775807):{}>"
"""An id in a path, to be given its name."""


class Route(NamedTuple):
    """Who answers, and what the caller needs for it.

    ``noun`` is the class whose method ``answer`` is: the routes are the same for every sandbox, and each
    has its own instance.
    """

    noun: type
    answer: Callable[..., Answer]
    scope: str
    needs_version: bool = False


def rule(verb: str, path: str, route: Route) -> Rule:
    """A path and verb as Werkzeug knows them."""
    return Rule(path, methods=[verb], endpoint=route)
