"""Pictures as they come over the wire and as they go to disk; whether they are what they seem is Pillow's to say."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pandas_clicdata.errors import InputError, ProtocolError
from pandas_clicdata.session.wire import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT = 32 << 20  # bytes of base64
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
}

_DATA_URL = re.compile(rb"data:[^,]{0,200};base64,", re.IGNORECASE)
_BLANKS = b" \t\r\n\f\v"
_LONGEST_NAME = 100  # characters, and twice as many bytes
# Names that Windows takes for devices, whatever their suffix.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³")}


class Picture(NamedTuple):
    """The bytes of a picture and what they begin like: ``"PNG"``, ``"JPEG"``, ``"GIF"`` or ``"WEBP"``."""

    format: str
    data: bytes

    def text(self) -> str:
        """The picture as base64."""
        return base64.b64encode(self.data).decode()


def picture_of(text: bytes, what: str, key: str = "thumbnail") -> Picture:
    """The picture in a text that came over the wire.

    Parameters
    ----------
    text : bytes
        Base64 of the standard alphabet, with blanks anywhere, in quotes or not, with a ``data:`` prefix or not; or an
        object that holds such text.
    what : str
        What was asked for, to be said in errors.
    key : str, default "thumbnail"
        The name under which an object holds it.

    Raises
    ------
    ProtocolError
        It is not base64, or not the base64 of a PNG, JPEG, GIF or WebP.
    """
    if len(text) > LONGEST_TEXT:
        raise ProtocolError(f"{what}: {len(text):,} characters are too many for a picture", operation=what)
    text = _bare(text, key)
    try:
        data = base64.b64decode(text.translate(None, _BLANKS), validate=True)  # leniently, it would give wrong bytes
    except (binascii.Error, ValueError):
        data = None
    if not data:
        raise ProtocolError(f"{what}: ClicData's answer is not base64", operation=what)
    kind = format_of(data)
    if kind is None:
        raise ProtocolError(f"{what}: not an image (no PNG, JPEG, GIF or WebP)", operation=what)
    return Picture(kind, data)


def _bare(text: bytes, key: str) -> bytes:
    """The base64 without what may stand around it."""
    text = text.strip(_BLANKS)
    if text[:1] in (b"{", b'"'):
        try:
            value = parsed(text)
        except ProtocolError:
            return b""
        if isinstance(value, dict):
            texts = [cell for cell in value.values() if isinstance(cell, str)]
            value = value.get(key, texts[0] if len(texts) == 1 else None)
        text = value.encode("utf-8", "replace").strip(_BLANKS) if isinstance(value, str) else b""
    prefix = _DATA_URL.match(text)
    return text[prefix.end() :] if prefix else text


def format_of(data: bytes) -> str | None:
    """What the first bytes say that it is; None for anything but the four formats."""
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


def checked_target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """The folder or file to save to.

    Raises
    ------
    FileNotFoundError
        The folder is not there.
    FileExistsError
        The file is there, and may not be replaced.
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
        raise FileExistsError(_taken(target))
    return target


def save(picture: Picture, target: Path, name: str, *, overwrite: bool) -> Path:
    """Save a picture whole or not at all.

    Parameters
    ----------
    picture : Picture
        What to save.
    target : Path
        A folder, in which the file gets a ``name`` made safe, or a file.
    name : str
        What the picture shows.
    overwrite : bool
        Whether a file of that name may be replaced. A link there is replaced itself, never followed.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        The file's suffix is that of another format.
    OSError
        It could not be saved; what was there before still is.
    """
    suffixes = SUFFIXES[picture.format]
    if target.is_dir():
        target = target / f"{file_name(name)}{suffixes[0]}"
    elif not target.suffix:
        target = target.with_name(target.name + suffixes[0])
    elif target.suffix.lower() not in suffixes:
        raise InputError(f"the picture is a {picture.format}: let the name end with {suffixes[0]}, not {target.suffix}")
    # In the same folder, so that it can take the place in one step; no other process can have chosen its name.
    draft = target.parent / f".clicdata-{secrets.token_hex(8)}.part"
    try:
        with draft.open("xb") as file:
            file.write(picture.data)
            file.flush()
            os.fsync(file.fileno())
        _put(draft, target, overwrite)
    finally:
        draft.unlink(missing_ok=True)
    return target


def _put(draft: Path, target: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(draft, target)  # fails if anything is there, even a link to nowhere
        except FileExistsError:
            raise FileExistsError(_taken(target)) from None
        except OSError:  # a file system without such links
            if os.path.lexists(target):
                raise FileExistsError(_taken(target)) from None
        else:
            return
    os.replace(draft, target)  # noqa: PTH105  # the one call that is known to take the place in one step


def _taken(target: Path) -> str:
    return f"{target} is there already: give overwrite=True to replace it"


def file_name(name: str) -> str:
    """A name for a file that says what it shows and means nothing to any file system.

    Parameters
    ----------
    name : str
        Anything at all.

    Returns
    -------
    str
        One that is never empty, hidden, a path or a device, and short enough everywhere.
    """
    kept = "".join(c if c.isalnum() or c in " -_.,()+&" else "_" for c in unicodedata.normalize("NFC", name))
    kept = kept[:_LONGEST_NAME].encode()[: 2 * _LONGEST_NAME].decode("utf-8", "ignore").strip(" .")
    if not kept.strip("_"):
        return "dashboard"
    return f"_{kept}" if kept.split(".")[0].strip().lower() in _DEVICES else kept
