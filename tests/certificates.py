"""Makes certificates for tests when they are needed, so that no key is ever committed.

Just enough of X.509 (RFC 5280) in DER, signed with ECDSA over P-256 (FIPS 186), by hand: the standard library can use
a certificate but not make one, and not every machine has the ``openssl`` command. Don't use
it elsewhere: the time that it takes reveals the key.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
import socket
import ssl
import threading
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# ---------------------------------------------------------------------------------------------------------
# The curve

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Point = tuple[int, int]


def _added(a: _Point | None, b: _Point | None) -> _Point | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % _P == 0:
            return None
        slope = 3 * (a[0] ** 2 - 1) * pow(2 * a[1], -1, _P)  # the curve's a is -3
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P)
    x = (slope**2 - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(count: int, point: _Point) -> _Point:
    total: _Point | None = None
    doubled: _Point | None = point
    while count:
        if count & 1:
            total = _added(total, doubled)
        doubled = _added(doubled, doubled)
        count >>= 1
    assert total is not None
    return total


def _signed(text: bytes, key: int) -> bytes:
    digest = int.from_bytes(hashlib.sha256(text).digest(), "big")
    while True:
        once = secrets.randbelow(_N - 1) + 1
        r = _times(once, _G)[0] % _N
        s = (digest + r * key) * pow(once, -1, _N) % _N
        if r and s:
            return _sequence(_integer(r), _integer(s))


# ---------------------------------------------------------------------------------------------------------
# DER


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, b"".join(parts))


def _integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _bits(content: bytes) -> bytes:
    return _der(0x03, b"\0" + content)


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    coded = bytearray([40 * first + second])
    for number in rest:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(0x80 | (number & 0x7F))
        coded += bytes(reversed(digits))
    return _der(0x06, bytes(coded))


def _time(moment: datetime) -> bytes:
    return _der(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


_EC_KEY, _P256, _ECDSA_SHA256 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"
_COMMON_NAME, _KEY_ID, _USAGE, _ALT_NAME, _CONSTRAINTS = "2.5.4.3", "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19"


def _extension(oid: str, content: bytes, *, critical: bool = False) -> bytes:
    return _sequence(_oid(oid), _der(0x01, b"\xff") if critical else b"", _der(0x04, content))


def _alt_name(host: str) -> bytes:
    try:
        return _der(0x87, ipaddress.ip_address(host).packed)
    except ValueError:
        return _der(0x82, host.encode())


def _pem(kind: str, der: bytes) -> str:
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"


def self_signed(folder: Path, *hosts: str, expired: bool = False) -> Path:
    """Write a new key and its self-signed certificate for these hosts to a file; return its path."""
    key = secrets.randbelow(_N - 1) + 1
    x, y = _times(key, _G)
    public = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    now = datetime.now(timezone.utc)
    ends = now + timedelta(days=-1 if expired else 1)
    name = _sequence(_der(0x31, _sequence(_oid(_COMMON_NAME), _der(0x0C, b"a test"))))
    algorithm = _sequence(_oid(_ECDSA_SHA256))
    extensions = _sequence(
        _extension(_KEY_ID, _der(0x04, hashlib.sha256(public).digest()[:20])),
        _extension(_USAGE, _der(0x03, b"\x02\x84"), critical=True),  # to sign, certificates too
        _extension(_ALT_NAME, _sequence(*map(_alt_name, hosts))),
        _extension(_CONSTRAINTS, _sequence(_der(0x01, b"\xff")), critical=True),
    )
    to_sign = _sequence(
        _der(0xA0, _integer(2)),
        _integer(secrets.randbits(64)),
        algorithm,
        name,
        _sequence(_time(now - timedelta(days=2)), _time(ends)),
        name,
        _sequence(_sequence(_oid(_EC_KEY), _oid(_P256)), _bits(public)),
        _der(0xA3, extensions),
    )
    certificate = _sequence(to_sign, algorithm, _bits(_signed(to_sign, key)))
    private = _sequence(
        _integer(1), _der(0x04, key.to_bytes(32, "big")), _der(0xA0, _oid(_P256)), _der(0xA1, _bits(public))
    )
    path = folder / f"{secrets.token_hex(4)}.pem"
    path.write_text(_pem("EC PRIVATE KEY", private) + _pem("CERTIFICATE", certificate))
    path.chmod(0o600)
    return path


# ---------------------------------------------------------------------------------------------------------
# Servers


class Listener:
    """Accepts connections at 127.0.0.1, and calls a function for each in a new thread."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._listening.accept()
                self._sockets.append(taken)
                self._threads.append(threading.Thread(target=self._one, args=(taken,), daemon=True))
                self._threads[-1].start()

    def _one(self, taken: socket.socket) -> None:
        with suppress(OSError), taken:
            self._serve(taken)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listening, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)


def over_tls(certificate: Path, serve: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """The same server, over TLS with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def secured(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as secure:
            serve(secure)

    return secured


def head_of(connection: socket.socket) -> bytes:
    """Return the head of a request; empty if the client closed the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece
    return received
