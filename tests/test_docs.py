"""All examples of the documentation are run: each block of the README, each example of a docstring."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from pages import blocks_of, run_examples

if TYPE_CHECKING:
    from pandas_clicdata.sandbox import Sandbox

README = Path(__file__).parent.parent / "README.md"
CONTRIBUTING = (README.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGE = Path(pandas_clicdata.__path__[0])
ROOMS = ["endpoints", "commands"]  # the folders whose modules CONTRIBUTING.md is known to name
TEXT = README.read_text(encoding="utf-8")
BLOCKS = blocks_of(TEXT)

PUBLIC = [
    "",
    ".accessor",
    ".reader",
    ".writer",
    ".session.session",
    ".session.manager",
    ".session.watching",
    ".uploads.receipt",
    ".changes.change_receipt",
    ".changes.plan",
    ".changes.sync_receipt",
    ".sandbox.server",
]
ENGINES = [".polars"] if find_spec("polars") else []
if find_spec("dask") is not None:
    PUBLIC.append(".dask")
NOUNS = ("account", "dashboard", "data", "schedule", "team", "user")
ENDPOINTS = [f".endpoints.{name}" for name in (*NOUNS, "data_overview")]


def test_the_tour_of_the_readme() -> None:
    tour = "".join(block for language, block in BLOCKS if language == "pycon")
    test = doctest.DocTestParser().get_doctest(tour, {}, "README.md", str(README), 0)
    assert run_examples(test) > 15


def test_every_block_of_the_readme_is_run() -> None:
    assert [language for language, _ in BLOCKS].count("console") == 2
    assert {language for language, _ in BLOCKS} == {"console", "pycon"}
    assert len(BLOCKS) == TEXT.count("```") // 2


def test_the_command_of_the_readme_runs_the_main_job(tmp_path: Path) -> None:
    get, command = BLOCKS[0][1].strip().splitlines()
    assert get == "git clone <address of this repository> pandas_clicdata && cd pandas_clicdata"
    assert command == "pip install '.[sandbox]' && python -m pandas_clicdata demo"
    module = command.split("python -m ")[1].split()
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(pandas_clicdata.__path__[0])}  # noqa: PTH120
    done = subprocess.run(
        [sys.executable, "-m", *module], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_links_to_each_guide() -> None:
    guides = {path.stem for path in (README.parent / "docs" / "guides").glob("*.md")}
    linked = set(re.findall(r"\]\(([^)#:]+)\)", TEXT))
    assert guides - {Path(name).stem for name in linked} == {"index"}
    assert [name for name in linked if not (README.parent / name).is_file()] == []


@pytest.mark.parametrize("room", ROOMS)
def test_contributing_names_every_module_of_a_room(room: str) -> None:
    modules = {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__"}
    assert modules <= set(re.findall(r"`(\w+)`", CONTRIBUTING))
    named = set(re.findall(rf"`{room}/(\w+)`", CONTRIBUTING))
    assert named <= modules


def test_contributing_lists_every_open_question_that_a_mark_names() -> None:
    marked = {
        number for path in PACKAGE.rglob("*.py") for number in re.findall(r"\bC:.*?\((O\d+)\)", path.read_text("utf-8"))
    }
    assert marked
    assert marked <= set(re.findall(r"\bO\d+\b", CONTRIBUTING))


def examples() -> list[Any]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for name in [*PUBLIC, *ENDPOINTS, *ENGINES]:
        module = importlib.import_module("pandas_clicdata" + name)
        found += [test for test in finder.find(module, module.__name__) if test.examples]
    return [pytest.param(test, id=test.name.removeprefix("pandas_clicdata.")) for test in found]


@pytest.mark.parametrize("test", examples())
def test_the_examples_of_the_docstrings(
    test: doctest.DocTest, clicdata_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    known = clicdata_sandbox.credentials
    credentials = {"client_id": known.client_id, "client_secret": known.client_secret, "url": clicdata_sandbox.url}
    names = {name: getattr(pandas_clicdata, name) for name in pandas_clicdata.__all__}
    with pandas_clicdata.connect(**credentials) as session:
        test.globs = {
            **names,
            "pd": pd,
            "pandas": pd,
            "pandas_clicdata": pandas_clicdata,
            "sandbox": clicdata_sandbox,
            "session": session,
            "credentials": credentials,
            "rec_id": 1001,
        }
        assert run_examples(test)


def test_every_public_method_has_an_example_and_says_its_endpoint() -> None:
    documented = {param.id for param in examples()}
    for noun in ("Account", "Dashboard", "Data", "Schedule", "Team", "User"):
        methods = [name for name in vars(getattr(pandas_clicdata, noun)) if not name.startswith("_")]
        calls = [name for name in methods if name not in ("pages", "ids_named")]
        for name in calls:
            doc = getattr(pandas_clicdata, noun).__dict__[name].__doc__ or ""
            assert f"endpoints.{noun.lower()}.{noun}.{name}" in documented, f"{noun}.{name} has no example"
            assert re.search(r"``(GET|POST|PUT|DELETE) /", doc), f"{noun}.{name} names no endpoint"
