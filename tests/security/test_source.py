"""Rules for the source and the repository."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import pandas_clicdata
from pandas_clicdata.session import pages
from pandas_clicdata.session.transport import LONGEST_BODY

PACKAGE = Path(pandas_clicdata.__path__[0])
ROOT = Path(__file__).parents[2]
MODULES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "marshal.load", "marshal.loads",
    "shelve.open", "yaml.load", "os.system", "os.popen", "tempfile.mktemp", "ssl._create_unverified_context", "urljoin",
    "urllib.parse.urljoin",
}  # fmt: skip
FORBIDDEN_NAMES = {"CERT_NONE", "check_hostname", "disable_warnings", "InsecureRequestWarning"}


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_evaluated_unpickled_or_left_unverified(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            assert called(node) not in FORBIDDEN_CALLS, f"{path.name}:{node.lineno}"
            given: dict[Any, ast.expr] = {keyword.arg: keyword.value for keyword in node.keywords}
            for name, bad in (("shell", True), ("verify", False), ("allow_redirects", True)):
                value = given.get(name)
                assert not (isinstance(value, ast.Constant) and value.value is bad), f"{path.name}:{node.lineno}"
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        assert name not in FORBIDDEN_NAMES, f"{path.name}: {name}"


def test_the_scan_finds_unsafe_code(tmp_path: Path) -> None:
    for line in ("eval('1')", "f(verify=False)", "run('x', shell=True)", "pickle.loads(b'')", "x = ssl.CERT_NONE"):
        bad = tmp_path / "bad.py"
        bad.write_text(line)
        with pytest.raises(AssertionError):
            test_nothing_is_evaluated_unpickled_or_left_unverified(bad)


def texts() -> list[Path]:
    rooms = ("pandas_clicdata", "tests", "notebooks", "benchmarks")
    kinds = {".py", ".md", ".toml", ".cfg", ".yaml", ".yml", ".ipynb", ".csv", ".json", ".txt", ".pem", ".key"}
    found = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in kinds]
    return found + [path for path in ROOT.glob("*.*") if path.suffix in kinds]


KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/=\s]{40,}")
TOKENS = re.compile(
    r"\b(?:ghp_[A-Za-z0-9]{36}|AKIA[A-Z0-9]{16}|pypi-[A-Za-z0-9_-]{40,}|eyJ[\w-]{20,}\.eyJ[\w-]{20,}\.)"
)


def test_no_key_and_no_token_is_in_the_repository() -> None:
    assert len(texts()) > 50
    for path in texts():
        text = path.read_text(encoding="utf-8", errors="replace")
        assert path.suffix not in (".pem", ".key"), path
        assert not KEY.search(text), path
        assert not TOKENS.search(text), path


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_versions_known_to_be_unsafe_are_not_allowed() -> None:
    import tomllib

    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    floors = {
        name: tuple(map(int, floor.split("."))) for name, floor in re.findall(r"([\w-]+)>=([\d.]+)", "\n".join(needed))
    }
    assert floors["requests"] >= (2, 32, 4)
    assert floors["urllib3"] >= (2, 7)
    assert floors["Pillow"] >= (12, 2)


def test_security_md_states_the_limits_of_the_code() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    plain = " ".join(text.split())
    for heading in ("Report a vulnerability", "Supported versions", "Defended against", "Not defended against"):
        assert f"## {heading}" in text
    assert f"cut at {LONGEST_BODY >> 20} MiB" in plain
    assert pages.MOST_CELLS == 5_000_000
    assert "a page at five million cells" in plain
    assert "security advisories" in plain
    assert "debugger" in plain
    assert "A client secret in a web page" in plain
