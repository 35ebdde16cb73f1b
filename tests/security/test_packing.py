"""The files that a release holds, and files that it never holds (S36)."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = ("pyproject.toml", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md")
PLUGIN = "pandas_clicdata_pytest.py"  # beside the package, since pytest imports it at each start
BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""


def can_build() -> bool:
    try:
        return int(version("setuptools").split(".")[0]) >= 77
    except PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not can_build(), reason="needs setuptools 77")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout with private files that somebody left in it."""
    copy = tmp_path_factory.mktemp("release") / "checkout"
    leave = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "build", "dist")
    for folder in ("pandas_clicdata", "tests", "notebooks", "benchmarks"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=leave)
    for name in (*TOP, PLUGIN):
        shutil.copy(ROOT / name, copy / name)
    for place in (copy, copy / "pandas_clicdata", copy / "pandas_clicdata" / "sandbox" / "sample"):
        for name in (".env", "visits.journal", "answer.yaml", "key.pem", "notes.txt"):
            (place / name).write_text("CLICDATA_API_KEY=a-key")
    return copy


def built(checkout: Path, kind: str, folder: Path) -> bytes:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(folder)], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return (folder / done.stdout.split("\n")[-2]).read_bytes()


def package() -> set[str]:
    """Return the expected files of a wheel: the modules, ``py.typed``, and the sample."""
    kinds = ("*.py", "py.typed", "sample/*.csv")
    inside = {path.relative_to(ROOT).as_posix() for kind in kinds for path in (ROOT / "pandas_clicdata").rglob(kind)}
    return inside | {PLUGIN}


def test_a_wheel_holds_the_package_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(built(checkout, "build_wheel", tmp_path))) as wheel:
        names = wheel.namelist()
        assert not [name for name in names if b"a-key" in wheel.read(name)]
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert set(names) - about == package()
    assert {Path(name).name for name in about} == {
        "LICENSE", "METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt",
    }  # fmt: skip


def test_a_source_archive_holds_what_the_wheel_is_made_of(checkout: Path, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(built(checkout, "build_sdist", tmp_path))) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        assert not [member.name for member in archive.getmembers() if not (member.isfile() or member.isdir())]
        texts = {member.name.partition("/")[2]: archive.extractfile(member) for member in files}
        assert not [name for name, text in texts.items() if text is not None and b"a-key" in text.read()]
    about = {name for name in texts if name.split("/")[0].endswith(".egg-info")}
    assert set(texts) - about - {"PKG-INFO"} == package() | set(TOP)
