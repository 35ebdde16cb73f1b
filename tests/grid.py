"""The possible flags of pages and accepted page sizes (O1): each combination, in both dialects."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox


class Paging(NamedTuple):
    """The switches of a sandbox, and the version to call it with."""

    paging: Any
    page_number: Any
    large_page_size: Any
    version: str | None

    def __str__(self) -> str:
        return "-".join(map(str, self))

    @contextmanager
    def start(self, page_size: int) -> Iterator[tuple[Sandbox, Session]]:
        """Start a sandbox with pages of at most this size, and open a session whose sleeps take no time."""
        *switches, version = self._asdict().items()
        with (
            start(sample=False, page_size=page_size, max_page_size=page_size, **dict(switches)) as sandbox,
            sandbox.session(api_version=version[1]) as session,
        ):
            session._sleep = lambda seconds: None
            yield sandbox, session


GRID = [
    Paging(paging, page_number, large_page_size, version)
    for paging in ("flags", "none", "total")
    for page_number in ("honoured", "ignored")
    for large_page_size, version in (
        ("capped", None),  # the legacy dialect has no page size
        *((word, "2022.01") for word in ("capped", "refused", "error", "ignored")),
    )
]
