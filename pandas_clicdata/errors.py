"""All errors of the package, as one tree.

`ClicDataError` is the root. Its subclasses show what has to change: `UsageError` (the call; nothing was
sent), `AuthError` (the credentials), `ApiError` (ClicData refused the request), `TransportError` (no
complete response came), `ProtocolError` (the response can't be parsed), `ReadError` (the rows are not the
whole data set) and `WriteError` (a write stopped midway, or its result is unknown).

No error holds a request, a response or a secret. Text of the server is shortened, and has no control characters.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType, TracebackType

    _Public = TypeVar("_Public", bound=Callable[..., Any])

__all__ = [
    "ApiError",
    "ApiVersionError",
    "AppendAmbiguous",
    "AppendInterrupted",
    "AuthError",
    "BadCredentials",
    "ClicDataError",
    "ClicDataWarning",
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
    "SyncAmbiguous",
    "SyncInterrupted",
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


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__


def server_text(text: object) -> str:
    """Return text of the server in one line of at most 500 characters, without control characters."""
    shown = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * _LONGEST_SERVER_TEXT])
    shown = " ".join(shown.split())
    if len(shown) > _LONGEST_SERVER_TEXT:
        shown = shown[: _LONGEST_SERVER_TEXT - 1] + "…"
    return shown


class Receipt(Protocol):
    """An `AppendReceipt`, a `ChangeReceipt` or a `SyncReceipt`: which part of a write was done."""

    @property
    def rec_id(self) -> int:
        """The data set."""
        ...

    def summary(self) -> str:
        """Return one line of text."""
        ...


class ClicDataError(Exception):
    """The base class of every error of this package.

    Attributes
    ----------
    receipt : AppendReceipt, ChangeReceipt, SyncReceipt, UserReceipt, DataFrame or None
        Which part of a write was done before this error: a DataFrame for `create_users` and `add_users`, None for a
        call without parts. A pickle of the error has it too, with the deleted or refused rows that it keeps.
    in_doubt : bool
        Whether the call was a write that the service may have applied although this error was raised.
    """

    receipt: Receipt | None = None
    in_doubt: bool = False
    _goes_on: bool = False  # only the wait for a run ended; the run goes on

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses take different arguments, so pickle can't call them with .args.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[ClicDataError], args: tuple[Any, ...], state: dict[str, Any]) -> ClicDataError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(ClicDataError):
    """The call can't be made like this. Nothing was written."""


class NotConnected(UsageError):
    """There is no session to use, the session was closed, or a profile can't be used."""


class InputError(UsageError, ValueError):
    """A bad argument, column or cell. Nothing was written.

    Attributes
    ----------
    problems : tuple of str
        One sentence for every problem.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        if len(self.problems) == 1:
            message = self.problems[0]
        else:
            listed = "".join(f"\n  - {problem}" for problem in self.problems)
            message = f"{len(self.problems)} problems, nothing was written:{listed}"
        super().__init__(message)


class JournalMismatch(UsageError):
    """The frame, data set, account or chunks differ from those of the append to resume."""


class JournalBusy(UsageError):
    """Another process, or another call in this process, uses the journal."""


class _ErrorResponse(ClicDataError):
    """An error that ClicData sent."""

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


class AuthError(_ErrorResponse):
    """The credentials don't allow this call.

    Attributes
    ----------
    status : int or None
        The HTTP status of the response.
    code, description : str or None
        Code and text of ClicData.
    operation : str or None
        The operation that was refused.
    """


class BadCredentials(AuthError):
    """ClicData refused the credentials: a wrong id, secret, password, key or token."""


class PermissionDenied(AuthError):
    """The credentials are valid, but without the right (scope) for this call."""


class ApiError(_ErrorResponse):
    """ClicData refused the request.

    Attributes
    ----------
    status : int or None
        The HTTP status. ClicData sends some errors with status 200.
    code, description : str or None
        Code and text of ClicData.
    operation : str or None
        The operation that was refused, such as ``"append rows"``.
    retry_after : float or None
        Seconds to wait before the next call, if the service sent them.
    """

    retry_after: float | None = None


class NotFound(ApiError, LookupError):
    """There is no such data set, version, dashboard, schedule, team or user."""


class Conflict(ApiError):
    """An object of that name exists already."""


class TooLarge(ApiError):
    """The request was too large for the service."""


class RateLimited(ApiError):
    """Too many calls, and the wait would be too long. Nothing was done: see ``.retry_after``."""


class ApiVersionError(ApiError):
    """The service requires another ``api_version`` than the one of this session."""


class TransportError(ClicDataError):
    """No complete response came.

    Attributes
    ----------
    sent : {"no", "unknown"}
        ``"no"``: the request did not reach the service. ``"unknown"``: the service may have received and
        applied the request.
    operation : str or None
        The operation without a response.
    reason : str or None
        The cause in a few words: ``"the host name can't be found"``, ``"the connection was refused"``.
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
    """A request, with all its attempts, took longer than ``deadline`` seconds, or a wait longer than ``timeout``."""


class TlsError(TransportError):
    """The TLS connection failed: the certificate is not trusted or not for this host."""


class RedirectRefused(TransportError):
    """The service answered with a redirect. Redirects are never followed: they could send secrets elsewhere."""


class ProtocolError(ClicDataError):
    """The response can't be parsed: HTML with status 200, incomplete JSON, too large, not an image.

    Attributes
    ----------
    status : int or None
        The HTTP status of the response.
    operation : str or None
        The operation that got this response.
    """

    def __init__(
        self, message: str, *, status: int | None = None, operation: str | None = None, repeat: int = 0
    ) -> None:
        self.status = status
        self.operation = operation
        self._repeat = repeat  # how many repeats may help
        super().__init__(message)


class ReadError(ClicDataError):
    """The rows that were read are not the whole data set. No part of it is returned."""


class PagingLoop(ReadError):
    """The service repeats a page, or announces more pages without end."""


class TornRead(ReadError):
    """The data set changed while it was read."""


class SchemaDrift(ReadError):
    """The columns changed from one page to the next."""


class ClicDataWarning(UserWarning):
    """The call continues, but its result may not be the intended one."""


class TornReadWarning(ClicDataWarning):
    """The data set changed while it was read, but with ``on_torn="warn"`` the frame was returned."""


class WriteError(ClicDataError):
    """A write stopped midway, changed more than intended, or its result is unknown: see ``.receipt``."""


class AppendInterrupted(WriteError):
    """The append stopped before all rows were stored, and no row is in doubt: see ``.receipt.remaining(df)``."""


class AppendAmbiguous(WriteError):
    """The response to a chunk was lost: its rows may be stored or not. They were not sent again."""

    in_doubt = True


class CreateAmbiguous(WriteError):
    """The response to a create was lost: the object may be created or not."""

    in_doubt = True


class UpdateAmbiguous(WriteError):
    """The response to an update was lost: the update may be applied or not.

    Attributes
    ----------
    safe_to_repeat : bool
        Whether the same update can be repeated without a further effect.
    """

    in_doubt = True
    safe_to_repeat = False


class DeleteAmbiguous(WriteError):
    """The response to a delete was lost: the delete may be applied or not.

    Attributes
    ----------
    safe_to_repeat : bool
        Whether the same delete can be repeated without deleting further rows.
    """

    in_doubt = True
    safe_to_repeat = False


class SyncInterrupted(WriteError):
    """An upsert, sync, replace or restore stopped midway, with nothing in doubt: see ``.receipt``. Call it again."""


class SyncAmbiguous(WriteError):
    """The result of an upsert, sync, replace or restore is unknown: see ``.receipt``.

    It is safe to call an upsert or a sync again: it reads the data set, and does the rest.
    """

    in_doubt = True


# ---------------------------------------------------------------------------------------------------------
# Tracebacks


class _ShortTraceback(AbstractContextManager[None]):
    """Lets the traceback of an error of this package end at the caller's line. Other errors keep all their frames."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or trace is None:
            return
        if trace.tb_frame.f_globals.get("__name__") == __name__:
            error.__traceback__ = trace.tb_next  # without the frame of the decorator
        if isinstance(error, ClicDataError) and not logging.getLogger(__package__).isEnabledFor(logging.DEBUG):
            trace.tb_next = None  # Python 3.10 uses this traceback, not that of the error
            _shorten(error, trace.tb_frame)


def _shorten(error: BaseException, public: FrameType) -> None:
    """Drop the frames of an error and of its causes, and the errors that were handled inside the package."""
    callers, frame = [], public.f_back
    while frame is not None:
        callers.append(frame)
        frame = frame.f_back

    def is_callers(one: BaseException) -> bool:
        return one.__traceback__ is not None and one.__traceback__.tb_frame in callers

    cause: BaseException | None = error
    seen: list[BaseException] = []
    while cause is not None and cause not in seen and not is_callers(cause):
        seen.append(cause)
        context = cause.__context__
        while context is not None and not is_callers(context):
            context = context.__context__
        cause.__context__ = context
        cause.__traceback__ = None
        cause = cause.__cause__


short_traceback = _ShortTraceback()
CALLER = 3  # the stacklevel of a warning in a public function


def public(function: _Public) -> _Public:
    """Decorate a function for users: tracebacks of this package's errors end at the line that calls it.

    Logging at level DEBUG keeps all frames. On Python 3.10, the frame of this decorator follows that line.
    """

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            with short_traceback:
                return function(*args, **kwargs)
        finally:
            del args, kwargs  # a traceback may keep this frame, and arguments may be secret

    return cast("_Public", call)


def public_methods(owner: type) -> None:
    """Decorate all public methods of a class by `public`."""
    for name, value in list(vars(owner).items()):
        if isinstance(value, FunctionType) and not name.startswith("_"):
            setattr(owner, name, public(value))
