"""What can befall one request, by its number in the catalogue, and what a call is then to come to.

``fate`` is what can be known afterwards: nothing was sent, the service did nothing ("refused"), or it may have done
what was asked ("unknown"), which it did where ``applied``. ``asks`` is how often a read is sent, and ``write_asks``
how often a write, when the fault doesn't end; one that strikes once is over at the second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pandas_clicdata import errors
from pandas_clicdata.session.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.operations import Bench, Login, Operation
    from pandas_clicdata import Session

BOM = b"\xef\xbb\xbf"
TOKEN_PATH = "/oauth20/token"


@dataclass(frozen=True)
class Befalls:
    """A fault."""

    number: int
    name: str
    arm: Callable[[Bench, Operation, int | None], Any]
    error: type[errors.ClicDataError] | None  # None: it does no harm
    asks: int = 1
    write_asks: int = 1
    fate: str = "unknown"
    applied: bool = False
    late: bool = False  # what was asked is done when the caller has given up
    waits: tuple[float, float] | None = None  # bounds of each pause
    arrives: bool = True  # whether the request reaches the service
    not_for: Callable[[Login, Operation], str | None] = lambda login, operation: None
    patience: float = 10  # seconds that each step of reading may take
    deadline: float = 60
    attempts: int = 4
    lasting_only: bool = False


def told(kind: str, **how: Any) -> Callable[[Bench, Operation, int | None], Any]:
    """Tell the sandbox to let it befall the operation's request."""

    def arm(bench: Bench, operation: Operation, times: int | None) -> None:
        where = {"method": operation.method, "path": re.compile(operation.on(bench)), "times": times}
        getattr(bench.sandbox.faults, kind)(**where, **how)

    return arm


def at_login(kind: str, **how: Any) -> Callable[[Bench, Operation, int | None], Any]:
    """Let it befall the login that comes before the request."""

    def arm(bench: Bench, operation: Operation, times: int | None) -> None:
        bench.session._tokens.token = None
        getattr(bench.sandbox.faults, kind)(path=TOKEN_PATH, times=times, **how)

    return arm


def elsewhere(url: str) -> Callable[[Bench, Operation, int | None], Any]:
    """Lead the session to another place, for good or until it pauses."""

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
    return told("status", status=status, **how)


def body(text: bytes | str, **how: Any) -> Callable[[Bench, Operation, int | None], Any]:
    return told("answer", body=text, **how)


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


def known(number: int, *, error: Any = None, **statuses: Any) -> list[Befalls]:
    return [Befalls(number, name, arm, error, fate="refused") for name, arm in statuses.items()]


FAULTS: list[Befalls] = [
    Befalls(1, "refused", elsewhere("http://127.0.0.1:1"), TRANSPORT, 4, 4, "not sent", arrives=False),
    Befalls(2, "no TLS", elsewhere("https://127.0.0.1:{port}"), errors.TlsError, fate="not sent", arrives=False),
    Befalls(3, "proxy wants a login", says(407), TRANSPORT, fate="not sent"),
    Befalls(4, "silence", told("stall"), TRANSPORT, 2, **SLOW),
    Befalls(5, "silence, applied", told("stall", applied=True), TRANSPORT, 2, applied=True, **SLOW),
    Befalls(6, "applied late", told("apply_late", seconds=0.25), TRANSPORT, 2, late=True, **SLOW),
    Befalls(7, "reset", told("drop"), TRANSPORT, 4),
    Befalls(7, "closed", told("drop", reset=False), TRANSPORT, 4),
    Befalls(7, "reset, applied", told("drop", applied=True), TRANSPORT, 4, applied=True),
    Befalls(7, "closed, applied", told("drop", applied=True, reset=False), TRANSPORT, 4, applied=True),
    Befalls(8, "cut while sending", told("drop_request", after_bytes=5), TRANSPORT, not_for=with_body),
    Befalls(9, "reset in the answer", told("cut", reset=True), TRANSPORT, 4, applied=True),
    Befalls(9, "closed in the answer", told("cut"), TRANSPORT, 4, applied=True),
    Befalls(9, "silence in the answer", told("drip", seconds=0.5), TRANSPORT, 2, applied=True, **SLOW),
    Befalls(
        10,
        "a drip",
        told("drip", seconds=0.1),
        errors.DeadlineExceeded,
        applied=True,
        deadline=0.3,
        not_for=no_number,
        lasting_only=True,
    ),
    Befalls(11, "429", says(429, headers={"Retry-After": "7"}), errors.RateLimited, 4, 4, "refused", waits=(7, 8)),
    Befalls(12, "429 until", says(429, headers=HTTP_DATE), errors.RateLimited, 4, 4, "refused", waits=(30, 31)),
    *[
        Befalls(
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
    Befalls(14, "429 for long", says(429, headers={"Retry-After": "121"}), errors.RateLimited, fate="refused"),
    Befalls(15, "500", says(500), NO, 4),
    Befalls(15, "500, applied", says(500, applied=True), NO, 4, applied=True),
    Befalls(16, "502", says(502), NO, 4),
    Befalls(16, "504, applied", says(504, applied=True), NO, 4, applied=True),
    Befalls(17, "503", says(503), NO, 4, waits=(0, 2)),
    Befalls(17, "503 with a wait", says(503, headers={"Retry-After": "2"}), NO, 4, waits=(2, 3)),
    Befalls(17, "503, applied", says(503, applied=True), NO, 4, applied=True),
    Befalls(17, "503 for long", says(503, headers={"Retry-After": "600"}), NO),
    Befalls(18, "408", says(408), NO, 4),
    *[Befalls(19, str(status), says(status), NO, fate="refused") for status in (400, 405, 415, 422)],
    Befalls(19, "404", says(404), errors.NotFound, fate="refused"),
    Befalls(20, "413", says(413), errors.TooLarge, fate="refused", not_for=cut_smaller),
    Befalls(21, "409", says(409), errors.Conflict, fate="refused"),
    Befalls(
        22,
        "cut JSON",
        told("edit", function=lambda text: text[: len(text) // 2]),
        ODD,
        4,
        applied=True,
        not_for=no_number,
    ),
    Befalls(23, "a web page", body("<html>log in</html>", content_type="text/html"), ODD, 2),
    Befalls(23, "a web page as JSON", body(b"<!doctype html><p>maintenance", applied=True), ODD, 2, applied=True),
    Befalls(24, "nothing", body(b""), ODD, 2),
    Befalls(24, "204", body(b"", status=204, applied=True), ODD, 2, applied=True),
    Befalls(25, "a known no", told("error", code="validation"), NO, fate="refused"),
    Befalls(25, "an unknown no", told("error", code="Oddity"), NO),
    Befalls(25, "an unknown no, applied", told("error", code="Oddity", applied=True), NO, applied=True),
    Befalls(25, "a bare no", body('{"success": false}'), NO),
    Befalls(25, "an error alone", body('{"error": {"code": "Oddity"}}'), NO),
    Befalls(26, "success as text", body('{"success": "false"}'), ODD),
    Befalls(26, "success 0", body('{"success": 0, "data": []}', applied=True), ODD, applied=True),
    Befalls(26, "success twice", body('{"success": false, "success": true, "data": []}'), ODD),
    Befalls(26, "an error as text", body('{"success": true, "error": "odd"}'), NO),
    Befalls(27, "deep", body(b'{"result":' + b"[" * 2000 + b"]" * 2000 + b"}"), ODD, 4),
    Befalls(27, "5,000 digits", body(b'{"success": true, "result": ' + b"9" * 5000 + b"}"), ODD),
    Befalls(27, "NaN", body('{"success": true, "result": NaN}'), ODD, 4),
    Befalls(27, "half a character", body('{"result": {"data": [{"k": "\\ud800"}]}}'), ODD, 4),
    Befalls(27, "a byte order mark", told("edit", function=lambda text: BOM + text), None),
    Befalls(28, "bad gzip", told("bad_gzip"), ODD, 4, applied=True),
    Befalls(28, "a bad chunk", told("bad_chunk"), ODD, 4, applied=True),
    Befalls(
        28,
        "more announced",
        told("header", name="Content-Length", value="9999"),
        TRANSPORT,
        2,
        applied=True,
        **SLOW,
    ),
    Befalls(29, "401", told("unauthorized"), errors.BadCredentials, 2, 2, "refused", not_for=WITHOUT_TOKEN),
    Befalls(30, "401", says(401), errors.BadCredentials, fate="refused", not_for=WITH_TOKEN),
    Befalls(31, "403", says(403), errors.PermissionDenied, fate="refused"),
    Befalls(
        32, "login 503", at_login("status", status=503), NO, 4, 4, "not sent", arrives=False, not_for=WITHOUT_TOKEN
    ),
    Befalls(32, "login resets", at_login("drop"), TRANSPORT, 4, 4, "not sent", arrives=False, not_for=WITHOUT_TOKEN),
    Befalls(
        33,
        "wrong secret",
        at_login("answer", body='{"error": "invalid_client"}', status=400),
        errors.BadCredentials,
        fate="not sent",
        arrives=False,
        not_for=WITHOUT_TOKEN,
    ),
    Befalls(
        34,
        "no token",
        at_login("answer", body='{"token_type": "bearer"}'),
        ODD,
        fate="not sent",
        arrives=False,
        not_for=WITHOUT_TOKEN,
    ),
    *[
        Befalls(
            34,
            f"a token for {lifetime.decode()}",
            at_login("edit", function=lambda text, to=lifetime: re.sub(rb'("expires_in":)\d+', rb"\g<1>" + to, text)),
            None,
            not_for=WITHOUT_TOKEN,
        )
        for lifetime in (b'"3600"', b"0", b"-5", b"null", b"1" + b"0" * 30)
    ],
    *[
        Befalls(54, str(status), says(status, headers={"Location": "/elsewhere"}), errors.RedirectRefused)
        for status in (301, 302, 303, 307, 308)
    ],
    Befalls(55, "a bomb", told("gzip_bomb", megabytes=2), ODD, applied=True),
]
