"""Dashboards: list, read and save pictures. Pillow is imported only here, at the first picture."""

from __future__ import annotations

import io
import threading
import warnings
from typing import TYPE_CHECKING, Any, Literal, overload

from pandas_clicdata.arguments import Output, check_choice, check_flag, check_id, check_output, check_text
from pandas_clicdata.endpoints.endpoint import Endpoint
from pandas_clicdata.endpoints.pictures import Picture, check_target, parse_picture, save
from pandas_clicdata.errors import CALLER, InputError, ProtocolError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.frames.records import FrameWithHtml
from pandas_clicdata.names import DASHBOARD, find_id, rename_id
from pandas_clicdata.session.pages import records
from pandas_clicdata.session.wire import get, query_of

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas as pd
    from PIL.Image import Image

DASHBOARDS = {  # C: every key (O18)
    "rec_id": "integer",
    "name": "text",
    "description": "text",
    "creation_date": "datetime",
    "last_update_date": "datetime",
}
MOST_PIXELS = 25_000_000  # about 100 MB when they are decoded
MOST_WORK = 20 * MOST_PIXELS  # pixels x scans; a small JPEG can declare many scans, each a full decode

PictureOutput = Literal["image", "base64"]


class Dashboard(Endpoint):
    """The dashboards of an account."""

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

        Parameters
        ----------
        thumbnail : bool, default False
            Whether to include a small picture of each.
        name : str, optional
            List only dashboards with this text in their name.
        output : {"df", "dict"}, default "df"
            A frame, or a list of dicts as ClicData sent them, with unchecked thumbnails.

        Returns
        -------
        DataFrame or list of dict
            A row per dashboard: ``rec_id`` (Int64), ``name``, ``description`` (text), ``creation_date``,
            ``last_update_date`` (datetime, UTC), ``thumbnail`` if requested, and any other key that ClicData sends.
            A thumbnail is a `bytes` object with ``.format`` and ``.to_base64()``. A notebook shows it as a picture,
            also in a frame that is derived from this one (``.head()``, a selection, ``.merge()``).

        Raises
        ------
        InputError
            An argument can't be used.

        Warns
        -----
        UserWarning
            A thumbnail is not a picture, or not safe to open; its cell is missing.

        Notes
        -----
        ``GET /dashboard``.

        Examples
        --------
        >>> Dashboard().get_dashboard(name="revenue")["name"].tolist()
        ['Revenue by shop', 'Revenue and target']
        """
        check_output(output)
        with_thumbnails = check_flag("thumbnail", thumbnail) or False
        listed = self._list(with_thumbnails, None if name is None else check_text("name", name))
        if output == "dict":
            return listed
        rows = [rename_id(item, "rec_id") for item in listed]
        if not with_thumbnails:
            return frame_of_records(rows, DASHBOARDS)
        problems = _check_thumbnails(rows)
        if problems:
            more = "" if len(problems) <= 5 else f"; and {len(problems) - 5} more"
            warnings.warn(f"thumbnails were left out: {'; '.join(problems[:5])}{more}", UserWarning, stacklevel=CALLER)
        return FrameWithHtml(frame_of_records(rows, {**DASHBOARDS, "thumbnail": "object"}))

    def _list(self, thumbnail: bool, name: str | None = None) -> list[dict[str, Any]]:
        query = query_of(includethumbnail=thumbnail, name=name)
        return records(self._call, get("list dashboards", "/dashboard", key="dashboards", query=query))

    # -----------------------------------------------------------------------------------------------------
    # Pictures

    @overload
    def get_dashboard_thumbnail(
        self, name: str | None = ..., *, rec_id: int | None = ..., output: Literal["image"] = ...
    ) -> Image: ...

    @overload
    def get_dashboard_thumbnail(
        self, name: str | None = ..., *, rec_id: int | None = ..., output: Literal["base64"]
    ) -> str: ...

    def get_dashboard_thumbnail(
        self, name: str | None = None, *, rec_id: int | None = None, output: PictureOutput = "image"
    ) -> Image | str:
        """Read a small picture of a dashboard.

        Parameters
        ----------
        name : str, optional
            The full name of the dashboard. It is looked up in the list of dashboards.
        rec_id : int, optional
            The id of the dashboard, instead of the name.
        output : {"image", "base64"}, default "image"
            A Pillow image, which a notebook shows, or text.

        Returns
        -------
        PIL.Image.Image or str
            A PNG, JPEG, GIF or WebP of at most 25 megapixels, which was decoded completely and without an error.

        Raises
        ------
        InputError
            Neither or both of name and id were given, or several dashboards have that name; the message lists them.
        NotFound
            There is no such dashboard; the message lists similar names.
        ProtocolError
            The response is not a picture, or not safe to open.

        Notes
        -----
        ``GET /dashboard/{id}/thumbnail``.

        Examples
        --------
        >>> Dashboard().get_dashboard_thumbnail("Best sellers").size
        (320, 200)
        """
        return self._get_picture("thumbnail", name, rec_id, output)

    @overload
    def get_dashboard_snapshot(
        self, name: str | None = ..., *, rec_id: int | None = ..., output: Literal["image"] = ...
    ) -> Image: ...

    @overload
    def get_dashboard_snapshot(
        self, name: str | None = ..., *, rec_id: int | None = ..., output: Literal["base64"]
    ) -> str: ...

    def get_dashboard_snapshot(
        self, name: str | None = None, *, rec_id: int | None = None, output: PictureOutput = "image"
    ) -> Image | str:
        """Read a picture of a dashboard in its present state.

        Parameters
        ----------
        name : str, optional
            The full name of the dashboard. It is looked up in the list of dashboards.
        rec_id : int, optional
            The id of the dashboard, instead of the name.
        output : {"image", "base64"}, default "image"
            A Pillow image, which a notebook shows, or text.

        Returns
        -------
        PIL.Image.Image or str
            A PNG, JPEG, GIF or WebP of at most 25 megapixels, which was decoded completely and without an error.

        Raises
        ------
        InputError
            Neither or both of name and id were given, or several dashboards have that name; the message lists them.
        NotFound
            There is no such dashboard; the message lists similar names.
        ProtocolError
            The response is not a picture, or not safe to open.

        Notes
        -----
        ``GET /dashboard/{id}/snapshot``.

        Examples
        --------
        >>> Dashboard().get_dashboard_snapshot("Best sellers").format
        'PNG'
        """
        return self._get_picture("snapshot", name, rec_id, output)

    def save_dashboard_thumbnail(
        self,
        name: str | None = None,
        *,
        rec_id: int | None = None,
        path: str | os.PathLike[str],
        overwrite: bool = False,
    ) -> Path:
        """Save a small picture of a dashboard to a file.

        Parameters
        ----------
        name, rec_id
            The dashboard, as in `get_dashboard_thumbnail`.
        path : str or path
            A file or a folder. In a folder, the file is named after the dashboard. A missing suffix is added.
        overwrite : bool, default False
            Whether to replace an existing file.

        Returns
        -------
        Path
            The file. It is written completely or not at all.

        Raises
        ------
        InputError
            As in `get_dashboard_thumbnail`, or the suffix belongs to another format.
        FileExistsError, FileNotFoundError, OSError
            The file exists, the folder doesn't, or the file can't be written.
        NotFound, ProtocolError
            As in `get_dashboard_thumbnail`.

        Notes
        -----
        ``GET /dashboard/{id}/thumbnail``.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Dashboard().save_dashboard_thumbnail("Best sellers", path=folder).name
        'Best sellers.png'
        """
        return self._save("thumbnail", name, rec_id, path, overwrite)

    def save_dashboard_snapshot(
        self,
        name: str | None = None,
        *,
        rec_id: int | None = None,
        path: str | os.PathLike[str],
        overwrite: bool = False,
    ) -> Path:
        """Save a picture of a dashboard in its present state to a file.

        Parameters
        ----------
        name, rec_id
            The dashboard, as in `get_dashboard_snapshot`.
        path : str or path
            A file or a folder. In a folder, the file is named after the dashboard. A missing suffix is added.
        overwrite : bool, default False
            Whether to replace an existing file.

        Returns
        -------
        Path
            The file. It is written completely or not at all.

        Raises
        ------
        InputError
            As in `get_dashboard_snapshot`, or the suffix belongs to another format.
        FileExistsError, FileNotFoundError, OSError
            The file exists, the folder doesn't, or the file can't be written.
        NotFound, ProtocolError
            As in `get_dashboard_snapshot`.

        Notes
        -----
        ``GET /dashboard/{id}/snapshot``.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Dashboard().save_dashboard_snapshot("Best sellers", path=f"{folder}/monday").name
        'monday.png'
        """
        return self._save("snapshot", name, rec_id, path, overwrite)

    def _get_picture(self, which: str, name: str | None, rec_id: int | None, output: str) -> str | Image:
        check_choice("output", output, ("image", "base64"))
        picture, image = self._read_picture(which, self._find_id(name, rec_id))
        return image if output == "image" else picture.to_base64()

    def _save(
        self, which: str, name: str | None, rec_id: int | None, path: str | os.PathLike[str], overwrite: bool
    ) -> Path:
        target = check_target(path, overwrite)
        found = self._find_id(name, rec_id)
        picture, _ = self._read_picture(which, found)
        return save(picture, target, f"dashboard {found}" if name is None else name, overwrite=overwrite)

    def _read_picture(self, which: str, rec_id: int) -> tuple[Picture, Image]:
        operation = f"read the {which} of dashboard {rec_id}"
        reply = self._call(get(operation, f"/dashboard/{rec_id}/{which}", in_text=True))
        picture = parse_picture(reply.payload, operation, which)
        return picture, open_picture(picture, operation)

    def _find_id(self, name: str | None, rec_id: int | None) -> int:
        """Return the id that was given, or the id of the dashboard of that name."""
        if (name is None) == (rec_id is None):
            raise InputError("give the name of a dashboard or its rec_id=, one of the two")
        if name is None:
            return check_id("rec_id", rec_id)
        return find_id(DASHBOARD, check_text("name", name), listing=lambda: self._list(thumbnail=False))


# ---------------------------------------------------------------------------------------------------------
# Opening pictures that may be hostile

_warnings_lock = threading.Lock()  # warning filters belong to the whole process


def open_picture(picture: Picture, operation: str) -> Image:
    """Return the picture, decoded completely. Raise a `ProtocolError` if it is too large, incomplete or broken."""
    try:
        image = _open_header(picture)
        width, height = image.size
        if width * height <= MOST_PIXELS and width * height * _count_scans(picture) <= MOST_WORK:
            image.load()
            return image
        problem = f"too large, or would take too long to open ({width} x {height} pixels)"
    except Exception as error:  # noqa: BLE001  # a hostile picture can raise anything
        too_large = type(error).__name__.startswith("DecompressionBomb")
        problem = "too large to be opened" if too_large else "broken or cut off"
    raise ProtocolError(f"{operation}: the {picture.format} is {problem}", operation=operation)


def _open_header(picture: Picture) -> Image:
    """Read the header only, and only with the decoder of the picture's format."""
    from PIL import Image

    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(picture), formats=[picture.format])


def _count_scans(picture: Picture) -> int:
    return picture.count(b"\xff\xda") if picture.format == "JPEG" else 1


# ---------------------------------------------------------------------------------------------------------
# Thumbnails in a frame


def _check_thumbnails(rows: list[dict[str, Any]]) -> list[str]:
    """Replace each thumbnail by a `Picture` or None, in place. Return the problems."""
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
            picture = parse_picture(text.encode("utf-8", "replace"), what)
            open_picture(picture, what)
            row["thumbnail"] = picture
        except ProtocolError as error:
            problems.append(str(error))
    return problems
