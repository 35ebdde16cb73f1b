"""The order of imports: which module may import which."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pandas_clicdata

PACKAGE = Path(pandas_clicdata.__path__[0])
MODULES = sorted(PACKAGE.rglob("*.py"))

# A room may import from itself and from the rooms named beside it.
FRAMES = {"errors", "frames"}
SESSION = {"errors", "session"}
ARGUMENTS = FRAMES | {"arguments"}
NAMES = ARGUMENTS | SESSION | {"names"}
UPLOADS = NAMES | {"uploads", "progress"}
CHANGES = UPLOADS | {"changes"}
ENDPOINTS = CHANGES | {"endpoints"}
FACE = ENDPOINTS | {"accessor", "reader", "writer"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": {"errors"},
    "progress": {"errors", "progress"},
    "arguments": ARGUMENTS,
    "names": NAMES,
    "frames": FRAMES,
    "session": SESSION,
    "uploads": UPLOADS,
    "changes": CHANGES,
    "endpoints": ENDPOINTS,
    "accessor": ENDPOINTS | {"accessor", "writer"},
    "reader": ENDPOINTS | {"reader"},
    "writer": ENDPOINTS | {"writer"},
    "polars": FACE,
    "mypy": set(),
    "__init__": FACE,
    "dask": FACE,
    "commands": FACE | {"", "commands", "sandbox"},
    "__main__": {"commands"},
    "sandbox": {"sandbox", ""},  # and the client only once, when a session is requested
}
# Within session/: from modules of facts and rules to modules that send requests.
SESSION_ORDER = [
    "ahead", "wire", "retry", "pages", "credentials", "arguments", "references", "profiles", "transport", "tokens",
    "watching", "session", "manager", "login",
]  # fmt: skip


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> list[tuple[str, bool]]:
    """Return the modules that a module imports at run time, and whether each import is at the top."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, top: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child, top)
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, top) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where things come from"
            assert node.module is not None
            for alias in node.names:
                inner = PACKAGE.parent / node.module.replace(".", "/") / alias.name
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                found.append((f"{node.module}.{alias.name}" if is_module else node.module, top))
        for child in ast.iter_child_nodes(node):
            visit(child, top and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def third_parties(path: Path) -> set[str]:
    return {name.split(".")[0] for name, _ in imported(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    here = room(path)
    for name, top in imported(path):
        if name.split(".")[0] != "pandas_clicdata":
            continue
        there = ([*name.split("."), ""])[1]
        assert there in MAY_IMPORT[here], f"{path.relative_to(PACKAGE)} imports {name}"
        assert not (here == "sandbox" and there == "" and top), "the sandbox is to stand without the client"


def test_within_the_session_too() -> None:
    for path in (PACKAGE / "session").glob("*.py"):
        if path.stem == "__init__":
            continue
        known = SESSION_ORDER[: SESSION_ORDER.index(path.stem)]
        for name, _ in imported(path):
            if name.startswith("pandas_clicdata.session."):
                assert name.split(".")[2] in known, f"{path.name} imports {name}"


def test_each_library_has_its_room() -> None:
    users: dict[str, set[str]] = {}
    for path in MODULES:
        for library in third_parties(path):
            users.setdefault(library, set()).add(str(path.relative_to(PACKAGE)))
    assert users["requests"] == users["urllib3"] == {"session/transport.py"}
    assert {user for user in users["PIL"] if not user.startswith("sandbox/")} == {"endpoints/dashboard.py"}
    with_pandas = users["pandas"] | users["pyarrow"] | users.get("numpy", set())
    allowed = {"__init__.py", "accessor.py", "reader.py", "dask.py", "commands/demo.py", "commands/files.py"}
    assert {user for user in with_pandas if not user.startswith(("frames/", "changes/"))} <= allowed
    assert {user.split("/")[0] for user in users["werkzeug"]} == {"sandbox"}
    assert {user.split("/")[0] for user in users["click"]} == {"commands"}
    assert users["polars"] == {"polars.py"}
    assert users["dask"] == {"dask.py"}
    assert "unittest" not in users


def test_no_module_is_named_for_nothing() -> None:
    assert not {path.stem for path in MODULES} & {"utils", "util", "helpers", "common", "base", "misc"}


def test_importing_opens_nothing_and_reads_no_credentials() -> None:
    code = """
import os, socket, sys
def refuse(*a, **k):
    raise AssertionError("a socket was opened")
socket.socket.connect = refuse
os.environ["CLICDATA_API_KEY"] = "a key\\nthat no session would take"
import pandas as pd
import pandas_clicdata
assert pd.read_clicdata is pandas_clicdata.read_clicdata
assert pd.DataFrame.clicdata is not None
aside = ("werkzeug", "sqlite3", "PIL", "IPython", "matplotlib", "polars", "duckdb", "dask", "click")
loaded = [name for name in sys.modules if name.split(".")[0] in aside]
assert not loaded, loaded
assert not [name for name in sys.modules if name.startswith("pandas_clicdata.sandbox")]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=PACKAGE.parent)


def test_the_public_names() -> None:
    assert len(set(pandas_clicdata.__all__)) == len(pandas_clicdata.__all__)
    for name in pandas_clicdata.__all__:
        assert getattr(pandas_clicdata, name) is not None
    spec = "connect read_clicdata Session SessionManager Data Account Dashboard Schedule Team User errors __version__"
    assert set(spec.split()) <= set(pandas_clicdata.__all__)


def test_a_warning_is_not_printed_where_logging_is_not_set_up() -> None:
    script = "import logging, pandas_clicdata; logging.getLogger('pandas_clicdata.session').warning('slow')"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout + run.stderr == ""
