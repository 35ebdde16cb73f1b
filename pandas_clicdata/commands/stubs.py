"""``stubs``: types of pandas with ``df.clicdata`` and ``pd.read_clicdata``, for pyright."""

from __future__ import annotations

import ast
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = "pandas-stubs"
_MARK = "clicdata.txt"  # the command wrote a folder with this file, and may replace it
_READER = "from pandas_clicdata.reader import read_clicdata as read_clicdata\n"
_ACCESSOR = "from pandas_clicdata.accessor import ClicDataAccessor\n"
_PROPERTY = "    @property\n    def clicdata(self) -> ClicDataAccessor: ...\n"


def stubs(folder: str = "typings") -> int:
    """Write the types, and print the version of pandas-stubs."""
    written, version = write_stubs(Path(folder))
    print(f"{written}: the types of {_NAME} {version}, with df.clicdata and pd.read_clicdata")
    print("pyright and Pylance read them from the folder typings, or from stubPath of their settings. Write them again")
    print(f"after each change of {_NAME}; they need not be committed.")
    return 0


def write_stubs(folder: Path) -> tuple[Path, str]:
    """Copy the installed types of pandas into a folder, and add this package's.

    Parameters
    ----------
    folder : Path
        The folder of pyright's ``stubPath``. It gets, or replaces, a folder ``pandas``.

    Returns
    -------
    Path, str
        The folder that was written, and the version of pandas-stubs.

    Raises
    ------
    ModuleNotFoundError
        pandas-stubs isn't installed.
    FileExistsError
        There is a folder ``pandas`` that this function didn't write.
    """
    try:
        installed = distribution(_NAME)
    except PackageNotFoundError:
        raise ModuleNotFoundError(f"{_NAME} isn't installed here: pip install {_NAME}") from None
    target, new = folder / "pandas", folder / "pandas.new"
    if target.exists() and not (target / _MARK).exists():
        raise FileExistsError(f"{target} was not written by this command: move it away, or name another folder")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(str(installed.locate_file(_NAME)), new, ignore=shutil.ignore_patterns("__pycache__"))
    _edit(new / "__init__.pyi", lambda text: text + _READER)
    _edit(new / "core" / "frame.pyi", _with_accessor)
    (new / _MARK).write_text(f"{_NAME} {installed.version}, with df.clicdata and pd.read_clicdata\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)
    return target, installed.version


def _edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def _with_accessor(text: str) -> str:
    """Return the stub of ``pandas.core.frame`` with the accessor."""
    body = ast.parse(text).body
    [frame] = [one for one in body if isinstance(one, ast.ClassDef) and one.name == "DataFrame"]
    first = next(one for one in body if isinstance(one, ast.ImportFrom) and one.module != "__future__")
    lines = text.splitlines(keepends=True)
    lines.insert(frame.body[0].lineno - 1, _PROPERTY)
    lines.insert(first.lineno - 1, _ACCESSOR)
    return "".join(lines)
