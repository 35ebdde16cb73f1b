"""Runs the code of a page: its blocks of ``pycon`` and ``python``, one after another, in one namespace."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pandas_clicdata

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def blocks_of(text: str) -> list[tuple[str, str]]:
    """Return the language and the code of each block of a page."""
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run_examples(test: doctest.DocTest, *, clear: bool = True) -> int:
    """Run examples, and return how many there are; stderr says which one fails."""
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    runner.run(test, out=sys.stderr.write, clear_globs=clear)
    assert runner.failures == 0, f"{test.name}: see stderr"
    return runner.tries


def missing_modules(text: str) -> list[str]:
    """Return the optional libraries that a page needs and that are not installed."""
    return [name for name in ("dask", "duckdb", "polars") if name in text and find_spec(name) is None]


def is_test(code: str) -> bool:
    """Return whether a block is for pytest."""
    return re.search(r"^def test_", code, re.MULTILINE) is not None


def run_page(path: Path, names: dict[str, Any]) -> int:
    """Run the code of a page but tests for pytest, and return how many examples and blocks ran."""
    count = 0
    for language, code in blocks_of(path.read_text(encoding="utf-8")):
        if language == "pycon":
            test = doctest.DocTestParser().get_doctest(code, {}, path.name, str(path), 0)
            test.globs = names  # not a copy: the next block goes on
            count += run_examples(test, clear=False)
        elif language == "python" and not is_test(code):
            exec(compile(code, str(path), "exec"), names)
            count += 1
    return count


def run_tests(code: str, folder: Path) -> None:
    """Run a test for pytest in an empty folder, as a user of the package would."""
    (folder / "test_mine.py").write_text(f"import pandas as pd\nimport pandas_clicdata\n\n\n{code}", encoding="utf-8")
    (folder / "conftest.py").write_text(
        "from importlib.metadata import entry_points\n"
        'if not any(point.name == "pandas_clicdata" for point in entry_points(group="pytest11")):\n'
        '    pytest_plugins = ["pandas_clicdata_pytest"]\n'
    )
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(pandas_clicdata.__path__[0])}  # noqa: PTH120
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE), done.stdout + done.stderr
