"""The notebooks run from top to bottom on the sandbox, say nothing on stderr, and are stored bare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

import pandas_clicdata

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CHECKOUT = str(Path(pandas_clicdata.__path__[0]).parent)

# What each notebook has to show, besides tables.
PICTURES = {"account": 3, "quickstart": 1}
WORDS = {
    "account": ["jane@example.com", "succeeded", "refused", "South"],
    "quickstart": ["Sales targets", "in doubt", "1 key: "],
}


# In a process of its own, since nbclient leaves sockets open. The kernel is the interpreter that runs the tests,
# whatever is installed elsewhere under its name.
RUN = """
import sys
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

class ThisInterpreter(KernelSpecManager):
    def get_kernel_spec(self, kernel_name):
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")

notebook = nbformat.read(sys.argv[1], as_version=4)
kernel = AsyncKernelManager(kernel_spec_manager=ThisInterpreter())
NotebookClient(notebook, km=kernel, timeout=60, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


def executed(path: Path, folder: Path) -> Any:
    """The notebook with its outputs, run in an empty folder and with none of the user's own settings."""
    settings = {"JUPYTER_PLATFORM_DIRS": "1", "PYTHONPATH": CHECKOUT}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        settings[name] = str(folder / name.lower())
        Path(settings[name]).mkdir()
    work, result = folder / "work", folder / "executed.ipynb"
    work.mkdir()
    command = [sys.executable, "-c", RUN, str(path), str(work), str(result)]
    done = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    assert list(work.iterdir()) == []  # it leaves nothing behind
    return nbformat.read(result, as_version=4)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    shown = outputs(executed(path, tmp_path))
    assert [output.text for output in shown if output.output_type == "stream" and output.name == "stderr"] == []
    rich = [output.data for output in shown if "data" in output]
    assert sum("image/png" in data for data in rich) == PICTURES[path.stem]
    told = json.dumps([*rich, *(output.text for output in shown if output.output_type == "stream")])
    assert [word for word in WORDS[path.stem] if word not in told] == []
    assert ("<img src=" in told) is (path.stem == "account")


def test_both_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["account", "quickstart"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_bare(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    stored = json.loads(text)
    nbformat.validate(stored)
    assert stored["metadata"] == {"language_info": {"name": "python"}}
    for cell in stored["cells"]:
        assert cell["metadata"] == {}
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert text == json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
