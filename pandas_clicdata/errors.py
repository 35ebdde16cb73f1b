"""Everything that can go wrong, as one tree.

``except ClicDataError`` catches all of it. Below it, the class says who has to act: `UsageError` (the
call; nothing was sent), `AuthError` (the credentials), `ApiError` (ClicData said no), `TransportError`
(no complete answer came), `ProtocolError` (an answer that can't be understood), `ReadError` (a read that
would not be the whole truth) and `WriteError` (a write that stopped, or whose fate is unknown).

No error holds a request, a response or a secret, and text that came from the server is cut short and
freed of control characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pandas_clicdata.uploads.changes import ChangeReceipt
    from pandas_clicdata.uploads.receipt import AppendReceipt

__all__ = [
    "ApiError",
    "ApiVersionError",
    "AppendAmbiguous",
    "AppendInterrupted",
    "AuthError",
    "BadCredentials",
    "ClicDataError",
    "Conflict",
    "CreateAmbiguous",
    "DeadlineExceeded",
    "DeleteAmbiguous",
    "InputError",
    "JournalBusy",
    "JournalMismatch",
    "NotConnected",
    "NotFound",
    "PagingLoop",
    "PermissionDenied",
    "ProtocolError",
    "RateLimited",
    "ReadError",
    "RedirectRefused",
    "SchemaDrift",
    "TlsError",
    "TooLarge",
    "TornRead",
    "TornReadWarning",
    "TransportError",
    "UpdateAmbiguous",
    "UsageError",
    "WriteError",
]

_LONGEST_SERVER_TEXT = 500


def server_text(text: object) -> str:
    """Text from the server, fit to be shown: at most 500 characters, none of them a control character."""
    shown = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * _LONGEST_SERVER_TEXT])
    shown = " ".join(shown.split())
    if len(shown) > _LONGEST_SERVER_TEXT:
        shown = shown[: _LONGEST_SERVER_TEXT - 1] + "…"
    return shown


class ClicDataError(Exception):
    """The root of every error this package raises.

    Attributes
    ----------
    receipt : AppendReceipt, ChangeReceipt or None
        What was done of an append, or of a delete or update row by row, that this error ended; None for any
        other call.
    in_doubt : bool
        Whether the call was a write that the service may have applied all the same.
    """

    receipt: AppendReceipt | ChangeReceipt | None = None
    in_doubt: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Arguments of the subclasses differ; what a copy or another process needs is text and state.
        state = {name: value for name, value in self.__dict__.items() if name != "receipt"}
        return (_rebuilt, (type(self), self.args, state))


def _rebuilt(kind: type[ClicDataError], args: tuple[Any, ...], state: dict[str, Any]) -> ClicDataError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(ClicDataError):
    """The call can't be made as it stands. Nothing was sent."""


class NotConnected(UsageError):
    """There is no session to use, or the session was closed."""


class InputError(UsageError, ValueError):
    """A bad argument, column or cell. Nothing was sent.

    Attributes
    ----------
    problems : tuple of str
        Every problem found, one sentence each.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        if len(self.problems) == 1:
            message = self.problems[0]
        else:
            listed = "".join(f"\n  - {problem}" for problem in self.problems)
            message = f"{len(self.problems)} problems, nothing was sent:{listed}"
        super().__init__(message)


class JournalMismatch(UsageError):
    """The frame, the table, the account or the chunks are not those of the append that is to go on."""


class JournalBusy(UsageError):
    """Another process, or another call in this one, is at work with the journal."""


class _Answered(ClicDataError):
    """An error that ClicData itself stated."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        description: str | None = None,
        operation: str | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.description = description
        self.operation = operation
        super().__init__(message)


class AuthError(_Answered):
    """The credentials don't let this call through.

    Attributes
    ----------
    status : int or None
        The HTTP status of the answer.
    code, description : str or None
        What ClicData said.
    operation : str or None
        The call that was refused.
    """


class BadCredentials(AuthError):
    """ClicData refused the credentials: a wrong id, secret, password, key or token."""


class PermissionDenied(AuthError):
    """The credentials are good, but lack the right (scope) this call needs."""


class ApiError(_Answered):
    """ClicData said no, whatever the HTTP status of the answer.

    Attributes
    ----------
    status : int or None
        The HTTP status; 200 is possible, the service states errors under it.
    code, description : str or None
        What ClicData said.
    operation : str or None
        The call that was refused, such as ``"append rows"``.
    retry_after : float or None
        Seconds after which the service takes calls again, if it said so.
    """

    retry_after: float | None = None


class NotFound(ApiError, LookupError):
    """There is no such data set, version, dashboard, schedule, team or user."""


class Conflict(ApiError):
    """Something of that name is there already."""


class TooLarge(ApiError):
    """The request was too large for the service."""


class RateLimited(ApiError):
    """Too many calls, and waiting was not, or no longer, worth it. Nothing was done: see ``.retry_after``."""


class ApiVersionError(ApiError):
    """The service wants another ``api_version`` than the one this session is pinned to."""


class TransportError(ClicDataError):
    """No complete answer came.

    Attributes
    ----------
    sent : {"no", "unknown"}
        ``"no"``: nothing of the request reached the service. ``"unknown"``: it may have been received
        and applied.
    operation : str or None
        The call that got no answer.
    reason : str or None
        What happened, in a few words: ``"the host name can't be found"``, ``"the connection was refused"``.
    """

    def __init__(
        self,
        message: str,
        *,
        sent: Literal["no", "unknown"] = "unknown",
        operation: str | None = None,
        reason: str | None = None,
    ) -> None:
        self.sent: Literal["no", "unknown"] = sent
        self.reason = reason
        self.operation = operation
        super().__init__(message)


class DeadlineExceeded(TransportError):
    """The call, with all its attempts, took longer than ``deadline`` seconds."""


class TlsError(TransportError):
    """The secure connection could not be made: the certificate is not trusted or not for this host."""


class RedirectRefused(TransportError):
    """The service answered with a redirect. None is ever followed: it could carry secrets elsewhere."""


class ProtocolError(ClicDataError):
    """An answer that is not what was promised: HTML under 200, cut JSON, too large, not an image.

    Attributes
    ----------
    status : int or None
        The HTTP status of the answer.
    operation : str or None
        The call that was answered so.
    """

    def __init__(
        self, message: str, *, status: int | None = None, operation: str | None = None, repeat: int = 0
    ) -> None:
        self.status = status
        self.operation = operation
        self._repeat = repeat  # how often asking again may help
        super().__init__(message)


class ReadError(ClicDataError):
    """A read that would not be the whole truth. No part of it is returned as if it were the whole."""


class PagingLoop(ReadError):
    """The service repeats a page, or promises more pages without end."""


class TornRead(ReadError):
    """The data set changed while it was read."""


class SchemaDrift(ReadError):
    """The columns changed from one page to the next."""


class TornReadWarning(UserWarning):
    """The data set changed while it was read, and the frame was wanted all the same: ``on_torn="warn"``."""


class WriteError(ClicDataError):
    """A write that stopped before its end, or whose fate is unknown. ``.receipt`` says what is stored."""


class AppendInterrupted(WriteError):
    """Some rows are stored, the rest is not, and none is in doubt: ``.receipt.remaining(df)``."""


class AppendAmbiguous(WriteError):
    """The answer to a chunk was lost: its rows may be stored or not. They were not sent again."""

    in_doubt = True


class CreateAmbiguous(WriteError):
    """The answer to a create was lost, and it can't be told whether the object was made."""

    in_doubt = True


class UpdateAmbiguous(WriteError):
    """The answer to an update was lost: it may have been applied or not.

    Attributes
    ----------
    safe_to_repeat : bool
        Whether the same update can be made again without a further effect.
    """

    in_doubt = True
    safe_to_repeat = False


class DeleteAmbiguous(WriteError):
    """The answer to a delete was lost: it may have been applied or not.

    Attributes
    ----------
    safe_to_repeat : bool
        Whether the same delete can be made again without a further effect on the rows that were there.
    """

    in_doubt = True
    safe_to_repeat = False
