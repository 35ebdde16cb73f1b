"""The size of the package: lines and modules of each room, and the functions that one call passes through.

A ceiling rises only with a promise that the changelog names.
"""

from __future__ import annotations

import ast
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pytest

import pandas_clicdata

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from pandas_clicdata import Session

PACKAGE = Path(pandas_clicdata.__path__[0])
MODULES = sorted(PACKAGE.rglob("*.py"))


class Size(NamedTuple):
    """How large a room may be: modules (without ``__init__``), and lines with docstrings."""

    modules: int
    lines: int


ROOMS = {
    "frames": Size(17, 3_680),
    "session": Size(14, 3_739),
    "uploads": Size(12, 2_919),
    "changes": Size(16, 4_437),
    "endpoints": Size(17, 4_756),
    "sandbox": Size(19, 4_020),
}
MOST_LINES = 22_426  # of the package without sandbox and commands
MOST_CODE_LINES = 350  # of a module, without docstrings, comments and blank lines
MOST_OF_ACCESSOR = 390  # half of the lines are signatures, which overloads repeat


class Way(NamedTuple):
    """The functions, the modules and the depth of the stack of one call, in the package without the sandbox."""

    functions: int
    modules: int
    depth: int


# Text columns of pandas 2 hold objects, whose cells are checked one by one.
MOST_OF_APPEND = Way(139, 26, 19) if int(pd.__version__.split(".")[0]) > 2 else Way(145, 27, 21)
MOST_OF_READ = Way(87, 19, 17)


def lines_of(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def code_lines(path: Path) -> int:
    """Count the lines that are neither blank, nor a comment, nor part of a docstring."""
    text = path.read_text(encoding="utf-8")
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            documented.update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        1 for number, line in lines if number not in documented and line.strip() and not line.strip().startswith("#")
    )


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_keeps_its_size(room: str) -> None:
    modules = [path for path in MODULES if path.is_relative_to(PACKAGE / room)]
    found = Size(sum(path.stem != "__init__" for path in modules), lines_of(modules))
    assert found.modules <= ROOMS[room].modules, found
    assert found.lines <= ROOMS[room].lines, found


def test_the_house_keeps_its_size() -> None:
    aside = (PACKAGE / "sandbox", PACKAGE / "commands")
    assert lines_of([path for path in MODULES if not any(map(path.is_relative_to, aside))]) <= MOST_LINES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_keeps_its_size(path: Path) -> None:
    assert code_lines(path) <= (MOST_OF_ACCESSOR if path.stem == "accessor" else MOST_CODE_LINES)


def trace(call: Callable[[], object]) -> Way:
    """Count the functions and modules of a call, in all threads. Comprehensions and lambdas don't count."""
    passed: set[tuple[str, str, int]] = set()
    depths = [0]

    def is_ours(frame: FrameType) -> bool:
        path = Path(frame.f_code.co_filename)
        return path.is_relative_to(PACKAGE) and not path.is_relative_to(PACKAGE / "sandbox")

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name.startswith("<") or not is_ours(frame):
            return
        passed.add((code.co_filename, code.co_name, code.co_firstlineno))
        depth, caller = 0, frame
        while caller is not None:
            depth += is_ours(caller)
            caller = caller.f_back  # type: ignore[assignment]
        depths.append(depth)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return Way(len(passed), len({path for path, _, _ in passed}), max(depths))


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=12),
            "shop": ["north", "south"] * 6,
            "count": range(12),
            "price": [0.5, 2.25] * 6,
        }
    )


def check(found: Way, most: Way) -> None:
    assert found.functions > 20, "the trace saw nothing"
    assert all(has <= may for has, may in zip(found, most, strict=True)), f"{found}, at most {most}"


def test_an_append_passes_few_functions(session: Session, frame: pd.DataFrame) -> None:
    rec_id = frame.clicdata.push("Sales").rec_id  # logs in
    check(trace(lambda: frame.clicdata.append(rec_id)), MOST_OF_APPEND)


def test_a_read_passes_few_functions(session: Session, frame: pd.DataFrame) -> None:
    rec_id = frame.clicdata.push("Sales").rec_id
    check(trace(lambda: pd.read_clicdata(rec_id, parse_dates=False)), MOST_OF_READ)
