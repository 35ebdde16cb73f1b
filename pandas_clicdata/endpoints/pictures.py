"""Pictures: decode base64, recognise the format, show and save them. `dashboard` checks the content with Pillow."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import unicodedata
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pandas_clicdata.errors import InputError, ProtocolError
from pandas_clicdata.session.wire import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LONGEST_TEXT = 32 << 20  # bytes of base64
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
}

_DATA_URL = re.compile(rb"data:[^,]{0,200};base64,", re.IGNORECASE)
_BLANKS = b" \t\r\n\f\v"
_MOST_CHARACTERS, _MOST_BYTES = 100, 200  # of a file name; some file systems take 255 bytes
# Names that Windows reserves for devices, with any suffix.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³")}


class Picture(bytes):
    """The bytes of a picture. A notebook shows it, and its repr is short."""

    @property
    def format(self) -> str:
        """The format that the first bytes show: ``"PNG"``, ``"JPEG"``, ``"GIF"`` or ``"WEBP"``."""
        return find_format(self) or "?"

    def to_base64(self) -> str:
        """Return the picture as base64."""
        return base64.b64encode(self).decode()

    def __repr__(self) -> str:
        return f"<{self.format} picture {zlib.crc32(self):08x}, {len(self):,} bytes>"

    __str__ = __repr__  # pandas prints a cell by str

    def to_html(self) -> str:
        """Return an element that shows the picture."""
        source = f"data:image/{self.format.lower()};base64,{self.to_base64()}"
        return f'<img src="{source}" alt="thumbnail" style="max-width: 240px; max-height: 150px">'

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {f"image/{self.format.lower()}": self.to_base64(), "text/plain": repr(self)}


def parse_picture(text: bytes, what: str, key: str = "thumbnail") -> Picture:
    """Return the picture in a response, or raise a `ProtocolError`.

    The response is base64 in the standard alphabet. It may have blanks, quotes and a ``data:`` prefix, or be the value
    of ``key`` in a JSON object. ``what`` is the operation.
    """
    if len(text) > LONGEST_TEXT:
        raise ProtocolError(f"{what}: {len(text):,} characters are too many for a picture", operation=what)
    text = _strip(text, key)
    try:
        data = base64.b64decode(text.translate(None, _BLANKS), validate=True)  # lenient decoding drops bytes
    except (binascii.Error, ValueError):
        data = None
    if not data:
        raise ProtocolError(f"{what}: ClicData's response is not base64", operation=what)
    if find_format(data) is None:
        raise ProtocolError(f"{what}: not an image (no PNG, JPEG, GIF or WebP)", operation=what)
    return Picture(data)


def _strip(text: bytes, key: str) -> bytes:
    """Return the base64 without JSON, quotes and ``data:`` prefix around it."""
    text = text.strip(_BLANKS)
    if text[:1] in (b"{", b'"'):
        try:
            value = parsed(text)
        except ProtocolError:
            return b""
        if isinstance(value, dict):  # C: whether an object holds the picture, and under which key (O23)
            texts = [cell for cell in value.values() if isinstance(cell, str)]
            value = value.get(key, texts[0] if len(texts) == 1 else None)
        text = value.encode("utf-8", "replace").strip(_BLANKS) if isinstance(value, str) else b""
    prefix = _DATA_URL.match(text)
    return text[prefix.end() :] if prefix else text


def find_format(data: bytes) -> str | None:
    """Return the format that the first bytes show; None if it is not one of the four."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return None


# ---------------------------------------------------------------------------------------------------------
# Saving


def check_target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Return the folder or file to save to.

    Raises a `FileNotFoundError` if the folder doesn't exist, and a `FileExistsError` for a file unless ``overwrite``.
    """
    try:
        target = Path(path)
    except TypeError:
        raise InputError(f"path must be a folder or a file, not {type(path).__name__}") from None
    if not isinstance(overwrite, bool):
        raise InputError(f"overwrite must be True or False, not {overwrite!r}")
    if target.is_dir():
        return target
    if os.fspath(path).endswith(("/", os.sep)):
        raise FileNotFoundError(f"there is no folder {target}")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent}")
    if not overwrite and os.path.lexists(target):
        raise FileExistsError(_exists_message(target))
    return target


def save(picture: Picture, target: Path, name: str, *, overwrite: bool) -> Path:
    """Save a picture whole or not at all, and return its file.

    In a folder, the file is named after the dashboard. If ``overwrite`` replaces a link, its target stays. Raise an
    `InputError` if the file's suffix belongs to another format, and an `OSError` if the picture can't be saved.
    """
    suffixes = SUFFIXES[picture.format]
    if target.is_dir():
        target = target / f"{make_file_name(name)}{suffixes[0]}"
    elif not target.suffix:
        target = target.with_name(target.name + suffixes[0])
    elif target.suffix.lower() not in suffixes:
        raise InputError(f"the picture is a {picture.format}: let the name end with {suffixes[0]}, not {target.suffix}")
    with draft_of(target, lambda file: file.write(picture)) as draft:
        _publish(draft, target, overwrite)
    return target


@contextmanager
def draft_of(target: Path, write: Callable[[BinaryIO], object]) -> Iterator[Path]:
    """Write a file durably under another name, and yield it. If the caller does not rename it, it is removed."""
    draft = target.parent / f".clicdata-{secrets.token_hex(8)}.part"  # a rename is atomic within a file system only
    try:
        with draft.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _publish(draft: Path, target: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(draft, target)  # fails if the name exists, even as a dangling link
        except FileExistsError:
            raise FileExistsError(_exists_message(target)) from None
        except OSError:  # a file system without hard links
            if os.path.lexists(target):
                raise FileExistsError(_exists_message(target)) from None
        else:
            return
    os.replace(draft, target)  # noqa: PTH105  # os.replace is documented to be atomic


def _exists_message(target: Path) -> str:
    return f"{target} exists already: give overwrite=True to replace it"


def make_file_name(name: str) -> str:
    """Return a file name that resembles ``name``. It is never empty, hidden, a path, a device or too long."""
    safe = "".join(c if c.isalnum() or c in " -_.,()+&" else "_" for c in unicodedata.normalize("NFC", name))
    short = safe[:_MOST_CHARACTERS].encode()[:_MOST_BYTES].decode("utf-8", "ignore").strip(" .")
    if not short.strip("_"):
        return "dashboard"
    is_device = short.split(".")[0].strip().lower() in _DEVICES
    return f"_{short}" if is_device else short
