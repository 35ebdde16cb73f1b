"""The documentation site: the code of its pages runs, its reference is whole, and its checks find errors.

``python -m sphinx -W -b html docs docs/_build/html`` builds it; `.ci/run` does.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pages
import pandas_clicdata
from pandas_clicdata.accessor import ClicDataAccessor

if TYPE_CHECKING:
    from pandas_clicdata.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MADE = {"_build", "generated", "notebooks"}  # by a build
WRITTEN = [path for path in sorted(DOCS.rglob("*.md")) if path.relative_to(DOCS).parts[0] not in MADE]
OTHER_TESTS = "".join(
    path.read_text("utf-8") for path in Path(__file__).parent.rglob("test_*.py") if path.name != "test_site.py"
)
WITH_CODE = [path for path in WRITTEN if pages.blocks_of(path.read_text(encoding="utf-8"))]


def label(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


def load(name: str) -> Any:
    """A module of docs/, which is no package."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(DOCS))


@pytest.mark.parametrize("path", WITH_CODE, ids=label)
def test_the_code_of_a_page_runs(
    path: Path,
    clicdata_sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if path.name in OTHER_TESTS:
        pytest.skip("a module of its own runs it")
    if missing := pages.missing_modules(path.read_text(encoding="utf-8")):
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.chdir(tmp_path)
    for name in ("pandas_clicdata", "pandas_clicdata.session"):  # a page may configure logging, until its test ends
        caplog.set_level(logging.NOTSET, name)
    # All sandboxes have the same credentials. The page may connect to this one, or start its own.
    with clicdata_sandbox.session() as session:
        monkeypatch.setattr("pandas_clicdata.session.manager._default", session)
        monkeypatch.setattr(pandas_clicdata.Session, "sleep", lambda *_: None)  # no late request comes here
        names = {"pd": pd, "pandas_clicdata": pandas_clicdata, "sandbox": clicdata_sandbox, "session": session}
        pages.run_page(path, {"__name__": "page", **names})


@pytest.mark.parametrize("path", WITH_CODE, ids=label)
def test_a_block_has_a_language_that_is_run_or_for_reading(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"^ *```+(.*)", text, re.MULTILINE)
    assert {one for one in found[::2] if not one.startswith("{")} <= {
        "pycon",
        "python",
        "console",
        "sh",
        "text",
        "toml",
    }
    assert "TODO" not in text


@pytest.mark.parametrize("path", WITH_CODE, ids=label)
def test_the_tests_on_a_page_pass(path: Path, tmp_path: Path) -> None:
    codes = [code for _, code in pages.blocks_of(path.read_text(encoding="utf-8")) if pages.is_test(code)]
    if codes:
        pages.run_tests("\n\n".join(codes), tmp_path)


# ---------------------------------------------------------------- the reference


def documented() -> str:
    return "\n".join(load("generate").api_pages().values())


@pytest.mark.skipif(not all(map(find_spec, ("dask", "polars"))), reason="the reference shows what needs them")
def test_every_public_name_is_in_the_reference() -> None:
    shown = {*re.findall(r":: (?:\w+\.)*(\w+)", documented())}
    names = {name for name in pandas_clicdata.__all__ if name not in ("__version__", "errors", "sandbox")}
    names |= {*pandas_clicdata.errors.__all__, *pandas_clicdata.sandbox.__all__}
    classes = [getattr(pandas_clicdata, name) for name in pandas_clicdata.__all__ if name != "DataFrame"]
    for owner in [*filter(inspect.isclass, classes), ClicDataAccessor]:
        # Public methods are wrapped. This finds them without the generator of the reference.
        names |= {name for name in dir(owner) if hasattr(getattr(owner, name), "__wrapped__") and name[0] != "_"}
    assert len(names) > 100
    assert names - shown == {"pages", "ids_named"}  # of Data, for the package only


def test_the_tables_say_what_the_package_does() -> None:
    generate, measure = load("generate"), load("measure")
    assert "| `int64` | `number` | `1` | `int64` | `Int64` | `int64` | same |" in measure.types_sent()
    assert "| `checkbox` | `bool` | `boolean` | `boolean` | `bool` |" in measure.types_read()
    assert all(name in generate.errors_table() for name in pandas_clicdata.errors.__all__)
    assert "Usage: clicdata append [OPTIONS] FILE DATASET" in generate.commands_text()
    questions = {question.number for question in generate.QUESTIONS.values()}
    assert questions <= {*re.findall(r"O\d+", generate.questions_table())}


# ---------------------------------------------------------------- the checks of a build


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    check_site = load("check_site")
    (tmp_path / "inner").mkdir()
    (tmp_path / "index.html").write_text('<a href="inner/page.html#there">1</a><a href="inner/none.html">2</a>')
    (tmp_path / "inner" / "page.html").write_text('<p id="there"><a href="../index.html"><a href="#none">')
    assert [*check_site.dead_links(tmp_path, ["index.html", "inner/page.html"])] == [
        "index.html: inner/none.html",
        "inner/page.html: #none",
    ]


@pytest.mark.skipif(not all(map(find_spec, ("dask", "polars"))), reason="the reference shows what needs them")
def test_a_missing_name_is_found() -> None:
    check_site = load("check_site")
    wanted = {*check_site.wanted_names()}
    assert check_site.missing_names(wanted) == []
    assert check_site.missing_names(wanted - {"pandas_clicdata.Data.restore"}) == ["pandas_clicdata.Data.restore"]
    assert {"pandas_clicdata.errors.NotFound", "pandas_clicdata.DataFrame.clicdata.upsert"} <= wanted


def test_the_command_that_builds_the_site_is_named() -> None:
    command = "python -m sphinx -W -b html docs docs/_build/html"
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace('"$work/newest/bin/python"', "python")
    assert command in (DOCS / "conf.py").read_text(encoding="utf-8")
