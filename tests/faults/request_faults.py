"""The faults of one request, by their numbers in the catalogue, and how a call must end.

``fate`` is the outcome that the client can know: nothing was sent, the service did nothing ("refused"), or the service
may have applied the request ("unknown"). It did so if ``applied``. If the fault lasts, a
read is sent ``asks`` times, and a write ``write_asks`` times. If it happens once, the second request succeeds.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faults.kinds import add
from pandas_clicdata import errors
from pandas_clicdata.session.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.operations import Bench, Login, Operation
    from pandas_clicdata import Session

BOM = b"\xef\xbb\xbf"
TOKEN_PATH = "/oauth20/token"
CLOSED = socket.socket()  # its port refuses each connection, as it doesn't listen, and no other program can take it
CLOSED.bind(("127.0.0.1", 0))


@dataclass(frozen=True)
class RequestFault:
    """A fault of one request, and how a call must end."""

    number: int
    name: str
    arm: Callable[[Bench, Operation, int | None], Any]
    error: type[errors.ClicDataError] | None  # None: the call succeeds
    asks: int = 1
    write_asks: int = 1
    fate: str = "unknown"
    applied: bool = False
    late: bool = False  # the request is applied after the caller closed the connection
    waits: tuple[float, float] | None = None  # bounds of each pause
    arrives: bool = True  # whether the request reaches the service
    not_for: Callable[[Login, Operation], str | None] = lambda login, operation: None
    patience: float = 10  # seconds that each read from the socket may take
    deadline: float = 60
    attempts: int = 4
    lasting_only: bool = False

    @property
    def hasty(self) -> bool:
        """Whether the client waits less than a second for a response."""
        return min(self.patience, self.deadline) < 1


def at_request(kind: str, **how: Any) -> Callable[[Bench, Operation, int | None], Any]:
    """Add a fault to the operation's request."""

    def arm(bench: Bench, operation: Operation, times: int | None) -> None:
        where = {"method": operation.method, "path": re.compile(operation.on(bench)), "times": times}
        add(bench.sandbox.faults, kind, **where, **how)

    return arm


def at_login(kind: str, **how: Any) -> Callable[[Bench, Operation, int | None], Any]:
    """Add a fault to the login before the request."""

    def arm(bench: Bench, operation: Operation, times: int | None) -> None:
        bench.session._tokens.token = None
        add(bench.sandbox.faults, kind, path=TOKEN_PATH, times=times, **how)

    return arm


def elsewhere(url: str) -> Callable[[Bench, Operation, int | None], Any]:
    """Point the session to another URL, for all its requests or until it pauses."""

    def lead(session: Session, to: str) -> None:
        session._transport.close()
        session._url, session._transport = to, Transport(to, session._verify)

    def arm(bench: Bench, operation: Operation, times: int | None) -> None:
        here, slept = bench.session._url, bench.session._sleep
        lead(bench.session, url.format(port=here.rsplit(":", 1)[1]))
        if times is not None:

            def back(seconds: float) -> object:
                lead(bench.session, here)
                return slept(seconds)

            bench.session._sleep = back

    return arm


def says(status: int, **how: Any) -> Callable[[Bench, Operation, int | None], Any]:
    return at_request("status", status=status, **how)


def body(text: bytes | str, **how: Any) -> Callable[[Bench, Operation, int | None], Any]:
    return at_request("answer", body=text, **how)


def only(method: str, why: str) -> Callable[[Login, Operation], str | None]:
    return lambda login, operation: None if login.method == method else why


def no_number(login: Login, operation: Operation) -> str | None:
    bare = operation.name == "create" and login.api_version is None
    return "half of a bare number is a number" if bare else None


def cut_smaller(login: Login, operation: Operation) -> str | None:
    return "its chunk is cut smaller: see test_writes.py" if operation.name == "append" else None


def with_body(login: Login, operation: Operation) -> str | None:
    return None if operation.has_body and not operation.reads else "it has no body that could be cut off"


TRANSPORT, ODD, NO = errors.TransportError, errors.ProtocolError, errors.ApiError
SLOW: dict[str, Any] = {"patience": 0.1, "attempts": 2}
HTTP_DATE = {"Date": "Wed, 25 Nov 2026 08:00:00 GMT", "Retry-After": "Wed, 25 Nov 2026 08:00:30 GMT"}
WITHOUT_TOKEN = only("client_credentials", "it logs in without a token")
WITH_TOKEN = lambda login, operation: "see 29" if login.method == "client_credentials" else None  # noqa: E731


def known(number: int, *, error: Any = None, **statuses: Any) -> list[RequestFault]:
    return [RequestFault(number, name, arm, error, fate="refused") for name, arm in statuses.items()]


FAULTS: list[RequestFault] = [
    RequestFault(
        1,
        "refused",
        elsewhere(f"http://127.0.0.1:{CLOSED.getsockname()[1]}"),
        TRANSPORT,
        4,
        4,
        "not sent",
        arrives=False,
    ),
    RequestFault(2, "no TLS", elsewhere("https://127.0.0.1:{port}"), errors.TlsError, fate="not sent", arrives=False),
    RequestFault(3, "proxy wants a login", says(407), TRANSPORT, fate="not sent"),
    RequestFault(4, "silence", at_request("stall"), TRANSPORT, 2, **SLOW),
    RequestFault(5, "silence, applied", at_request("stall", applied=True), TRANSPORT, 2, applied=True, **SLOW),
    RequestFault(6, "applied late", at_request("apply_late", seconds=0.25), TRANSPORT, 2, late=True, **SLOW),
    RequestFault(7, "reset", at_request("drop"), TRANSPORT, 4),
    RequestFault(7, "closed", at_request("drop", reset=False), TRANSPORT, 4),
    RequestFault(7, "reset, applied", at_request("drop", applied=True), TRANSPORT, 4, applied=True),
    RequestFault(7, "closed, applied", at_request("drop", applied=True, reset=False), TRANSPORT, 4, applied=True),
    RequestFault(8, "cut while sending", at_request("drop_request", after_bytes=5), TRANSPORT, not_for=with_body),
    RequestFault(9, "reset in the answer", at_request("cut", reset=True), TRANSPORT, 4, applied=True),
    RequestFault(9, "closed in the answer", at_request("cut"), TRANSPORT, 4, applied=True),
    RequestFault(9, "silence in the answer", at_request("drip", seconds=0.5), TRANSPORT, 2, applied=True, **SLOW),
    RequestFault(
        10,
        "a drip",
        at_request("drip", seconds=0.1),
        errors.DeadlineExceeded,
        applied=True,
        deadline=0.9,
        not_for=no_number,
        lasting_only=True,
    ),
    RequestFault(11, "429", says(429, headers={"Retry-After": "7"}), errors.RateLimited, 4, 4, "refused", waits=(7, 8)),
    RequestFault(12, "429 until", says(429, headers=HTTP_DATE), errors.RateLimited, 4, 4, "refused", waits=(30, 31)),
    *[
        RequestFault(
            13,
            f"429, {junk or 'nothing'}",
            says(429, headers={"Retry-After": junk} if junk else {}),
            errors.RateLimited,
            4,
            4,
            "refused",
            waits=(0, 2),
        )
        for junk in ("", "-3", "1.5", "soon", "nan")
    ],
    RequestFault(14, "429 for long", says(429, headers={"Retry-After": "121"}), errors.RateLimited, fate="refused"),
    RequestFault(15, "500", says(500), NO, 4),
    RequestFault(15, "500, applied", says(500, applied=True), NO, 4, applied=True),
    RequestFault(16, "502", says(502), NO, 4),
    RequestFault(16, "504, applied", says(504, applied=True), NO, 4, applied=True),
    RequestFault(17, "503", says(503), NO, 4, waits=(0, 2)),
    RequestFault(17, "503 with a wait", says(503, headers={"Retry-After": "2"}), NO, 4, waits=(2, 3)),
    RequestFault(17, "503, applied", says(503, applied=True), NO, 4, applied=True),
    RequestFault(17, "503 for long", says(503, headers={"Retry-After": "600"}), NO),
    RequestFault(18, "408", says(408), NO, 4),
    *[RequestFault(19, str(status), says(status), NO, fate="refused") for status in (400, 405, 415, 422)],
    RequestFault(19, "404", says(404), errors.NotFound, fate="refused"),
    RequestFault(20, "413", says(413), errors.TooLarge, fate="refused", not_for=cut_smaller),
    RequestFault(21, "409", says(409), errors.Conflict, fate="refused"),
    RequestFault(
        22,
        "cut JSON",
        at_request("edit", function=lambda text: text[: len(text) // 2]),
        ODD,
        4,
        applied=True,
        not_for=no_number,
    ),
    RequestFault(23, "a web page", body("<html>log in</html>", content_type="text/html"), ODD, 2),
    RequestFault(23, "a web page as JSON", body(b"<!doctype html><p>maintenance", applied=True), ODD, 2, applied=True),
    RequestFault(24, "nothing", body(b""), ODD, 2),
    RequestFault(24, "204", body(b"", status=204, applied=True), ODD, 2, applied=True),
    RequestFault(25, "a known no", at_request("error", code="validation"), NO, fate="refused"),
    RequestFault(25, "an unknown no", at_request("error", code="Oddity"), NO),
    RequestFault(25, "an unknown no, applied", at_request("error", code="Oddity", applied=True), NO, applied=True),
    RequestFault(25, "a bare no", body('{"success": false}'), NO),
    RequestFault(25, "an error alone", body('{"error": {"code": "Oddity"}}'), NO),
    RequestFault(26, "success as text", body('{"success": "false"}'), ODD),
    RequestFault(26, "success 0", body('{"success": 0, "data": []}', applied=True), ODD, applied=True),
    RequestFault(26, "success twice", body('{"success": false, "success": true, "data": []}'), ODD),
    RequestFault(26, "an error as text", body('{"success": true, "error": "odd"}'), NO),
    RequestFault(27, "deep", body(b'{"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), ODD, 4),
    RequestFault(27, "5,000 digits", body(b'{"success": true, "result": ' + b"9" * 5000 + b"}"), ODD),
    RequestFault(27, "NaN", body('{"success": true, "result": NaN}'), ODD, 4),
    RequestFault(27, "half a character", body('{"result": {"data": [{"k": "\\ud800"}]}}'), ODD, 4),
    RequestFault(27, "a byte order mark", at_request("edit", function=lambda text: BOM + text), None),
    RequestFault(28, "bad gzip", at_request("bad_gzip"), ODD, 4, applied=True),
    RequestFault(28, "a bad chunk", at_request("bad_chunk"), ODD, 4, applied=True),
    RequestFault(
        28,
        "more announced",
        at_request("header", name="Content-Length", value="9999"),
        TRANSPORT,
        2,
        applied=True,
        **SLOW,
    ),
    RequestFault(29, "401", at_request("unauthorized"), errors.BadCredentials, 2, 2, "refused", not_for=WITHOUT_TOKEN),
    RequestFault(30, "401", says(401), errors.BadCredentials, fate="refused", not_for=WITH_TOKEN),
    RequestFault(31, "403", says(403), errors.PermissionDenied, fate="refused"),
    RequestFault(
        32, "login 503", at_login("status", status=503), NO, 4, 4, "not sent", arrives=False, not_for=WITHOUT_TOKEN
    ),
    RequestFault(
        32, "login resets", at_login("drop"), TRANSPORT, 4, 4, "not sent", arrives=False, not_for=WITHOUT_TOKEN
    ),
    RequestFault(
        33,
        "wrong secret",
        at_login("answer", body='{"error": "invalid_client"}', status=400),
        errors.BadCredentials,
        fate="not sent",
        arrives=False,
        not_for=WITHOUT_TOKEN,
    ),
    RequestFault(
        34,
        "no token",
        at_login("answer", body='{"token_type": "bearer"}'),
        ODD,
        fate="not sent",
        arrives=False,
        not_for=WITHOUT_TOKEN,
    ),
    *[
        RequestFault(
            34,
            f"a token for {lifetime.decode()}",
            at_login("edit", function=lambda text, to=lifetime: re.sub(rb'("expires_in":)\d+', rb"\g<1>" + to, text)),
            None,
            not_for=WITHOUT_TOKEN,
        )
        for lifetime in (b'"3600"', b"0", b"-5", b"null", b"1" + b"0" * 30)
    ],
    *[
        RequestFault(54, str(status), says(status, headers={"Location": "/elsewhere"}), errors.RedirectRefused)
        for status in (301, 302, 303, 307, 308)
    ],
    RequestFault(55, "a bomb", at_request("gzip_bomb", megabytes=2), ODD, applied=True),
]
