"""Dashboards: list, and as pictures. The only module that knows Pillow, and only when a picture is wanted."""

from __future__ import annotations

import base64
import html
import io
import re
import secrets
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.endpoints.answers import with_id
from pandas_clicdata.endpoints.data import OUTPUTS, Output
from pandas_clicdata.endpoints.noun import Noun, checked_choice, checked_flag, checked_text, whole_id
from pandas_clicdata.endpoints.pictures import Picture, checked_target, format_of, picture_of, save
from pandas_clicdata.errors import InputError, NotFound, ProtocolError, server_text
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import get, query_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from PIL.Image import Image

# C: every key.
DASHBOARDS = {
    "rec_id": "integer",
    "name": "text",
    "description": "text",
    "creation_date": "datetime",
    "last_update_date": "datetime",
}
MOST_PIXELS = 25_000_000  # of a picture, about a hundred megabytes when decoded
MOST_WORK = 20 * MOST_PIXELS  # pixels times scans of a JPEG: a few bytes are enough for one scan more

PictureOutput = Literal["base64", "image"]


class Dashboard(Noun):
    """The dashboards of an account.

    Parameters
    ----------
    session : Session, optional
        What to call through; the default session if not given.
    **connection_params
        Those of `Session`, for a session of its own.
    """

    @overload
    def get_dashboard(
        self, thumbnail: bool = ..., name: str | None = ..., output: Literal["df"] = ...
    ) -> pd.DataFrame: ...

    @overload
    def get_dashboard(
        self, thumbnail: bool = ..., name: str | None = ..., *, output: Literal["dict"]
    ) -> list[dict[str, Any]]: ...

    @overload
    def get_dashboard(self, thumbnail: bool, name: str | None, output: Literal["dict"]) -> list[dict[str, Any]]: ...

    def get_dashboard(
        self, thumbnail: bool = False, name: str | None = None, output: Output = "df"
    ) -> pd.DataFrame | list[dict[str, Any]]:
        """List the dashboards.

        ``GET /dashboard``

        Parameters
        ----------
        thumbnail : bool, default False
            Whether a small picture of each comes too.
        name : str, optional
            List only dashboards with this text in their name.
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData gave them, thumbnails unchecked.

        Returns
        -------
        DataFrame or list of dict
            A row per dashboard: ``rec_id`` (Int64), ``name``, ``description`` (text), ``creation_date``,
            ``last_update_date`` (datetime, UTC), ``thumbnail`` (text: base64) if asked for, and whatever else ClicData
            says. With thumbnails, a notebook shows them as pictures in place of the text; it is a plain frame for
            all else, and what is derived from it (``.head()``, a selection) is shown as any frame.

        Raises
        ------
        InputError
            An argument can't be used.

        Warns
        -----
        UserWarning
            A thumbnail is not a picture, or not one that is safe to open; its cell is empty.

        Examples
        --------
        >>> Dashboard().get_dashboard(name="revenue")["name"].tolist()
        ['Revenue by shop', 'Revenue and target']
        """
        checked_choice("output", output, OUTPUTS)
        wanted = checked_flag("thumbnail", thumbnail) or False
        listed = self._listed(wanted, None if name is None else checked_text("name", name))
        if output == "dict":
            return listed
        rows = [with_id(item, "rec_id") for item in listed]
        if not wanted:
            return frame_of_records(rows, DASHBOARDS)
        problems = _check_thumbnails(rows)
        if problems:
            more = "" if len(problems) <= 5 else f"; and {len(problems) - 5} more"
            warnings.warn(f"thumbnails were left out: {'; '.join(problems[:5])}{more}", UserWarning, stacklevel=2)
        return _shown_with_thumbnails(frame_of_records(rows, {**DASHBOARDS, "thumbnail": "text"}))

    def _listed(self, thumbnail: bool, name: str | None = None) -> list[dict[str, Any]]:
        query = query_of(includethumbnail=thumbnail, name=name)
        return records(self._call, get("list dashboards", "/dashboard", key="dashboards", query=query))

    # -----------------------------------------------------------------------------------------------------
    # Pictures

    @overload
    def get_dashboard_thumbnail(
        self, name: str | None = ..., *, rec_id: int | None = ..., output: Literal["base64"] = ...
    ) -> str: ...

    @overload
    def get_dashboard_thumbnail(
        self, name: str | None = ..., *, rec_id: int | None = ..., output: Literal["image"]
    ) -> Image: ...

    def get_dashboard_thumbnail(
        self, name: str | None = None, *, rec_id: int | None = None, output: PictureOutput = "base64"
    ) -> str | Image:
        """A small picture of a dashboard.

        ``GET /dashboard/{id}/thumbnail``

        Parameters
        ----------
        name : str, optional
            The dashboard's whole name, which is looked up in the list.
        rec_id : int, optional
            The dashboard's id, in place of the name.
        output : {"base64", "image"}, default "base64"
            Text, or a Pillow image.

        Returns
        -------
        str or PIL.Image.Image
            A PNG, JPEG, GIF or WebP of at most 25 megapixels that could be read to its end.

        Raises
        ------
        InputError
            Neither or both of name and id were given, or several dashboards have that name: they are listed.
        NotFound
            There is no such dashboard; those that there are are listed.
        ProtocolError
            What came is not a picture, or not one that is safe to open.

        Examples
        --------
        >>> Dashboard().get_dashboard_thumbnail("Best sellers", output="image").size
        (320, 200)
        """
        return self._shown("thumbnail", name, rec_id, output)

    @overload
    def get_dashboard_snapshot(
        self, name: str | None = ..., *, rec_id: int | None = ..., output: Literal["base64"] = ...
    ) -> str: ...

    @overload
    def get_dashboard_snapshot(
        self, name: str | None = ..., *, rec_id: int | None = ..., output: Literal["image"]
    ) -> Image: ...

    def get_dashboard_snapshot(
        self, name: str | None = None, *, rec_id: int | None = None, output: PictureOutput = "base64"
    ) -> str | Image:
        """A picture of a dashboard as it is now.

        ``GET /dashboard/{id}/snapshot``

        Parameters
        ----------
        name : str, optional
            The dashboard's whole name, which is looked up in the list.
        rec_id : int, optional
            The dashboard's id, in place of the name.
        output : {"base64", "image"}, default "base64"
            Text, or a Pillow image.

        Returns
        -------
        str or PIL.Image.Image
            A PNG, JPEG, GIF or WebP of at most 25 megapixels that could be read to its end.

        Raises
        ------
        InputError
            Neither or both of name and id were given, or several dashboards have that name: they are listed.
        NotFound
            There is no such dashboard; those that there are are listed.
        ProtocolError
            What came is not a picture, or not one that is safe to open.

        Examples
        --------
        >>> Dashboard().get_dashboard_snapshot("Best sellers", output="image").format
        'PNG'
        """
        return self._shown("snapshot", name, rec_id, output)

    def save_dashboard_thumbnail(
        self,
        name: str | None = None,
        *,
        rec_id: int | None = None,
        path: str | os.PathLike[str],
        overwrite: bool = False,
    ) -> Path:
        """Save the small picture of a dashboard as a file.

        ``GET /dashboard/{id}/thumbnail``

        Parameters
        ----------
        name, rec_id
            The dashboard, as in `get_dashboard_thumbnail`.
        path : str or path
            A folder, in which the file is named after the dashboard, or a file. Without a suffix it gets the one of
            its format.
        overwrite : bool, default False
            Whether a file that is there may be replaced.

        Returns
        -------
        Path
            The file, which is written whole or not at all.

        Raises
        ------
        InputError
            As in `get_dashboard_thumbnail`, or the suffix is that of another format.
        FileExistsError, FileNotFoundError, OSError
            A file is there, the folder is not, or the file can't be written.
        NotFound, ProtocolError
            As in `get_dashboard_thumbnail`.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Dashboard().save_dashboard_thumbnail("Best sellers", path=folder).name
        'Best sellers.png'
        """
        return self._saved("thumbnail", name, rec_id, path, overwrite)

    def save_dashboard_snapshot(
        self,
        name: str | None = None,
        *,
        rec_id: int | None = None,
        path: str | os.PathLike[str],
        overwrite: bool = False,
    ) -> Path:
        """Save a picture of a dashboard as it is now as a file.

        ``GET /dashboard/{id}/snapshot``

        Parameters
        ----------
        name, rec_id
            The dashboard, as in `get_dashboard_snapshot`.
        path : str or path
            A folder, in which the file is named after the dashboard, or a file. Without a suffix it gets the one of
            its format.
        overwrite : bool, default False
            Whether a file that is there may be replaced.

        Returns
        -------
        Path
            The file, which is written whole or not at all.

        Raises
        ------
        InputError
            As in `get_dashboard_snapshot`, or the suffix is that of another format.
        FileExistsError, FileNotFoundError, OSError
            A file is there, the folder is not, or the file can't be written.
        NotFound, ProtocolError
            As in `get_dashboard_snapshot`.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Dashboard().save_dashboard_snapshot("Best sellers", path=f"{folder}/monday").name
        'monday.png'
        """
        return self._saved("snapshot", name, rec_id, path, overwrite)

    def _shown(self, which: str, name: str | None, rec_id: int | None, output: str) -> str | Image:
        checked_choice("output", output, ("base64", "image"))
        picture, image = self._picture(which, self._meant(name, rec_id))
        return image if output == "image" else picture.text()

    def _saved(
        self, which: str, name: str | None, rec_id: int | None, path: str | os.PathLike[str], overwrite: bool
    ) -> Path:
        target = checked_target(path, overwrite)
        meant = self._meant(name, rec_id)
        picture, _ = self._picture(which, meant)
        return save(picture, target, f"dashboard {meant}" if name is None else name, overwrite=overwrite)

    def _picture(self, which: str, rec_id: int) -> tuple[Picture, Image]:
        what = f"read the {which} of dashboard {rec_id}"
        reply = self._call(get(what, f"/dashboard/{rec_id}/{which}", in_text=True))
        picture = picture_of(reply.payload, what, which)
        return picture, opened(picture, what)

    def _meant(self, name: str | None, rec_id: int | None) -> int:
        """The id of the dashboard that is meant."""
        if (name is None) == (rec_id is None):
            raise InputError("give the name of a dashboard or its rec_id=, one of the two")
        if name is None:
            return whole_id("rec_id", rec_id)
        checked_text("name", name)
        listed = [with_id(item, "rec_id") for item in self._listed(thumbnail=False)]
        named = [item for item in listed if item.get("name") == name]
        if not named:
            raise NotFound(
                f"there is no dashboard named {name!r}; there are: {_candidates(listed, name)}",
                operation="look up a dashboard",
            )
        if len(named) > 1:
            raise InputError(f"{len(named)} dashboards are named {name!r}: give rec_id=, of {_candidates(named, name)}")
        if not isinstance(named[0]["rec_id"], int):
            raise ProtocolError(f"list dashboards: ClicData listed {name!r} without an id", operation="list dashboards")
        return whole_id("rec_id", named[0]["rec_id"])


def _candidates(listed: list[dict[str, Any]], name: str) -> str:
    """Dashboards by id and name, those first that have some of the name in theirs."""
    words = name.casefold().split()
    ranked = sorted(listed, key=lambda item: -sum(word in str(item.get("name")).casefold() for word in words))
    shown = [f"{item['rec_id']} {server_text(item.get('name'))!r}" for item in ranked[:10]]
    return (", ".join(shown) or "none") + (f", and {len(ranked) - 10} more" if len(ranked) > 10 else "")


# ---------------------------------------------------------------------------------------------------------
# Opening what may be hostile

_alone = threading.Lock()  # warnings are filtered for the whole process


def opened(picture: Picture, what: str) -> Image:
    """The picture, decoded to its end.

    Raises
    ------
    ProtocolError
        It is too large, cut off, or broken.
    """
    try:
        image = _header(picture)
        width, height = image.size
        if width * height <= MOST_PIXELS and width * height * _scans(picture) <= MOST_WORK:
            image.load()
            return image
        problem = f"too large or too laborious to be opened ({width} x {height} pixels)"
    except Exception as error:  # noqa: BLE001  # a picture that is broken on purpose can raise anything
        too_large = type(error).__name__.startswith("DecompressionBomb")
        problem = "too large to be opened" if too_large else "broken or cut off"
    raise ProtocolError(f"{what}: the {picture.format} is {problem}", operation=what)


def _header(picture: Picture) -> Image:
    """The picture before anything but its header is read, by no other decoder than that of its format."""
    from PIL import Image

    with _alone, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(picture.data), formats=[picture.format])


def _scans(picture: Picture) -> int:
    return picture.data.count(b"\xff\xda") if picture.format == "JPEG" else 1


# ---------------------------------------------------------------------------------------------------------
# Thumbnails in a frame


def _check_thumbnails(rows: list[dict[str, Any]]) -> list[str]:
    """Bring every thumbnail to plain base64, or empty its cell; give what was wrong."""
    problems = []
    for row in rows:
        text = row.get("thumbnail")
        row["thumbnail"] = None
        if text in (None, ""):
            continue
        what = f"the thumbnail of dashboard {row['rec_id']}"
        try:
            if not isinstance(text, str):
                raise ProtocolError(f"{what}: not text")
            picture = picture_of(text.encode("utf-8", "replace"), what)
            opened(picture, what)
            row["thumbnail"] = picture.text()
        except ProtocolError as error:
            problems.append(str(error))
    return problems


_PLAIN_BASE64 = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}")


def _shown_with_thumbnails(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame; only how a notebook shows this one object is another way."""
    frame_: Any = frame  # how it shows itself is not among the types of pandas
    plain: Callable[[pd.DataFrame], str | None] = type(frame_)._repr_html_
    kept = weakref.ref(frame)

    def as_html() -> str | None:
        here = kept()
        return None if here is None else _html(here, plain)

    frame_._repr_html_ = as_html
    return frame


def _html(frame: pd.DataFrame, plain: Callable[[pd.DataFrame], str | None]) -> str | None:
    """What pandas would show, and then a picture wherever it shows the mark that stands for one."""
    if list(frame.columns).count("thumbnail") != 1:
        return plain(frame)
    marks: dict[str, str] = {}
    salt = secrets.token_hex(8)  # so that no text of the service can look like a mark
    cells = []
    for cell in frame["thumbnail"].tolist():
        kind = _base64_format(cell)
        cells.append(f"{salt}-{len(marks):06d}" if kind else cell)
        if kind:
            marks[cells[-1]] = f'<img src="data:image/{kind.lower()};base64,{html.escape(cell)}" {_STYLE}>'
    shown = plain(frame.assign(thumbnail=cells))
    return shown and re.sub(rf"{salt}-\d{{6}}", lambda mark: marks[mark[0]], shown)


_STYLE = 'alt="thumbnail" style="max-width: 240px; max-height: 150px"'


def _base64_format(cell: object) -> str | None:
    if not isinstance(cell, str) or not _PLAIN_BASE64.fullmatch(cell):
        return None
    return format_of(base64.b64decode(cell[:32]))
