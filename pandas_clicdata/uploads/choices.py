"""How to append: what the caller may choose, checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pandas_clicdata.errors import InputError
from pandas_clicdata.session.wire import Caller
from pandas_clicdata.uploads.journal import checked_path

if TYPE_CHECKING:
    import os

VERIFY = (None, "count", "tag")
ERRORS = ("raise", "collect")


class Sender(Caller, Protocol):
    """What an append needs of a session."""

    @property
    def account(self) -> str:
        """A fingerprint of the account."""
        ...

    @property
    def read_timeout(self) -> float:
        """Seconds that each step of reading an answer may take."""
        ...

    def now(self) -> float:
        """The second on its clock."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass on that clock."""
        ...


@dataclass(frozen=True, kw_only=True)
class How:
    """How to append.

    ``audit`` is None where the default is meant: to count the rows in the end if ``verify`` is given or the data set
    was made for them.
    """

    chunksize: int | None = None
    workers: int = 1
    compress: bool = False
    progress: bool | None = None
    journal: str | None = None
    verify: str | None = None
    tag_column: str | None = None
    errors: str = "raise"
    audit: bool | None = None


def checked_how(
    *,
    chunksize: int | None = None,
    workers: int = 1,
    compress: bool = False,
    progress: bool | None = None,
    journal: str | os.PathLike[str] | None = None,
    verify: Any = None,
    exclusive: Any = False,
    tag_column: Any = None,
    errors: Any = "raise",
    audit: bool | None = None,
) -> How:
    """How to append, of what the caller said.

    Raises
    ------
    InputError
        It makes no sense. Every problem is named.
    """
    problems = [*_verify_problems(verify, exclusive, workers), *_tag_problems(verify, tag_column)]
    if not isinstance(errors, str) or errors not in ERRORS:
        problems.append(f'errors must be "raise" or "collect", not {errors!r}')
    if problems:
        raise InputError(problems)
    return How(
        chunksize=chunksize,
        workers=workers,
        compress=compress,
        progress=progress,
        journal=None if journal is None else checked_path(journal),
        verify=verify,
        tag_column=tag_column,
        errors=errors,
        audit=audit,
    )


def checked_verify(verify: Any, exclusive: Any, workers: int) -> str | None:
    """How to settle what is in doubt.

    Raises
    ------
    InputError
        It makes no sense.
    """
    problems = _verify_problems(verify, exclusive, workers)
    if problems:
        raise InputError(problems)
    return None if verify is None else str(verify)


def _verify_problems(verify: Any, exclusive: Any, workers: int) -> list[str]:
    if verify is not None and (not isinstance(verify, str) or verify not in VERIFY):
        return [f'verify must be None, "count" or "tag", not {verify!r}']
    if not isinstance(exclusive, bool):
        return [f"exclusive must be True or False, not {exclusive!r}"]
    problems = []
    if verify == "count" and not exclusive:
        problems.append(
            'verify="count" can only be trusted while nobody else writes to the data set, which only you can know: '
            'say so with exclusive=True, or use verify="tag"'
        )
    if verify == "count" and workers > 1:
        problems.append('verify="count" can\'t tell the chunks of several workers apart: use workers=1 or verify="tag"')
    if exclusive and verify != "count":
        problems.append('exclusive=True goes with verify="count"')
    return problems


def _tag_problems(verify: Any, tag_column: Any) -> list[str]:
    if verify == "tag" and (not isinstance(tag_column, str) or not tag_column.strip()):
        return ['verify="tag" needs tag_column="...": the name of a text column of the data set, for the stamps']
    if verify != "tag" and tag_column is not None:
        return ['tag_column= goes with verify="tag"']
    return []
