"""Type checkers and editors know ``df.clicdata``: they accept right calls, refuse wrong ones, and complete names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import jedi
import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata.__main__ import main
from sample import LONG, some

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(pandas_clicdata.__path__[0]).parent
CHECKOUT = (ROOT / "pyproject.toml").exists()  # mypy finds an installed package itself
USER_CODE = Path(__file__).parent / "editors" / "user_code.py"
WRONG = {number for number, line in enumerate(USER_CODE.read_text("utf-8").splitlines(), 1) if line.endswith("# wrong")}
MYPY = """
[mypy]
strict = true
plugins = pandas_clicdata.mypy
{}
[mypy-pandas_clicdata.*]
follow_imports = silent
[mypy-pyarrow.*,polars,dask.*,PIL.*]
ignore_missing_imports = true
"""


def need(*packages: str) -> None:
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed")


def run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def errors_of_mypy(found: str) -> set[int]:
    return {int(line) for line in re.findall(r"^user_code\.py:(\d+): error", found, re.MULTILINE)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(USER_CODE, tmp_path)
    return tmp_path


def test_mypy_knows_plain_frames_by_the_plugin(folder: Path) -> None:
    need("mypy", "pandas-stubs")
    (folder / "mypy.ini").write_text(MYPY.format(f"mypy_path = {ROOT}" if CHECKOUT else ""))
    found = run(["mypy", USER_CODE.name], folder)
    assert errors_of_mypy(found) == WRONG, found
    assert "pandas_clicdata/" not in found


@pytest.mark.skipif(not LONG, reason="with --long")
def test_mypy_knows_plain_frames_after_an_update_of_the_package(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("mypy", "pandas-stubs")
    package = tmp_path / "site" / "pandas_clicdata"
    shutil.copytree(ROOT / "pandas_clicdata", package)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    (folder / "mypy.ini").write_text(MYPY.format(f"mypy_path = {package.parent}"))
    assert errors_of_mypy(run(["mypy", USER_CODE.name], folder)) == WRONG
    with (package / "errors.py").open("a") as file:
        file.write("\n\ndef added_by_an_update() -> int: ...\n")
    found = run(["mypy", USER_CODE.name], folder)
    assert errors_of_mypy(found) == WRONG, found


def test_pyright_knows_plain_frames_by_the_stubs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("pyright", "pandas-stubs")
    monkeypatch.chdir(folder)
    assert main(["stubs"]) == 0
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(ROOT)], "reportUnusedExpression": False}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    found = run(["pyright", "--outputjson", "--pythonpath", sys.executable, USER_CODE.name], folder)
    problems = [one for one in json.loads(found)["generalDiagnostics"] if one["severity"] == "error"]
    assert {one["range"]["start"]["line"] + 1 for one in problems} == WRONG, found


# ---------------------------------------------------------------------------------------------------------
# The command


def test_stubs_can_be_written_again_and_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need("pandas-stubs")
    other = tmp_path / "other" / "types"
    for _ in range(2):
        assert main(["stubs", str(other)]) == 0
        assert f"pandas-stubs {version('pandas-stubs')}" in capsys.readouterr().out
    assert [path.name for path in other.iterdir()] == ["pandas"]
    assert "def clicdata(self) -> ClicDataAccessor: ..." in (other / "pandas/core/frame.pyi").read_text()
    assert (other / "pandas/__init__.pyi").read_text().count("read_clicdata as read_clicdata") == 1


def test_stubs_replace_nothing_that_others_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need("pandas-stubs")
    (tmp_path / "pandas").mkdir()
    (tmp_path / "pandas" / "mine.pyi").write_text("x: int\n")
    assert main(["stubs", str(tmp_path)]) == 1
    assert "was not written by this command" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["pandas", "mine.pyi"]


def test_stubs_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> object:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("pandas_clicdata.commands.stubs.distribution", missing)
    assert main(["stubs", str(tmp_path / "typings")]) == 1
    assert "pip install pandas-stubs" in capsys.readouterr().err
    assert not (tmp_path / "typings").exists()


# ---------------------------------------------------------------------------------------------------------
# Completion


@pytest.mark.usefixtures("own_jedi_cache")
def test_jedi_completes_frames_without_running_code() -> None:
    frames = (
        "pandas_clicdata.read_clicdata(5)",
        "pandas_clicdata.DataFrame(pd.read_csv('visits.csv'))",
        "pandas_clicdata.Data().get_data(5)",
        "pandas_clicdata.DataFrame(pandas_clicdata.read_clicdata(5).assign(n=1))",
        "pandas_clicdata.append(rows, 5).in_doubt(rows)",
        "pandas_clicdata.append(rows, 5).remaining(rows)",
    )
    for frame in some(frames, 3):
        code = f"import pandas as pd\nimport pandas_clicdata\nrows = []\nframe = {frame}\nframe.clicdata."
        names = {one.name for one in jedi.Script(code, project=jedi.Project(ROOT)).complete()}
        assert names >= {"append", "upsert", "push", "sync"}, frame


@pytest.mark.usefixtures("own_jedi_cache")
def test_jedi_completes_plain_frames_of_a_notebook() -> None:
    names = {one.name for one in jedi.Interpreter("df.clicdata.", [{"df": pd.DataFrame({"a": [1]})}]).complete()}
    assert names >= {"append", "upsert", "push", "sync"}
