"""The notebooks run on the sandbox, write nothing to stderr, and are stored with the outputs of a run.

``python tests/test_notebooks.py`` runs and stores them again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

import pandas_clicdata

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PANDAS = int(pd.__version__.split(".")[0])  # another version of pandas shows frames differently
CHECKOUT = str(Path(pandas_clicdata.__path__[0]).parent)

# The required outputs of each notebook, besides tables.
PICTURES = {"account": 3, "quickstart": 1}
WORDS = {
    "account": ["jane@example.com", "succeeded", "refused", "South"],
    "quickstart": ["Sales targets", "in doubt", "1 key: "],
}


# In a process of its own, as nbclient leaves sockets open. The kernel is the interpreter that runs the tests,
# also if another kernel has the same name.
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
    """Run a notebook in an empty folder without settings of the user, and return it with its outputs."""
    settings = {"JUPYTER_PLATFORM_DIRS": "1", "PYTHONPATH": CHECKOUT, "TMPDIR": str(folder)}
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


def kept(notebook: Any, pandas: int = PANDAS) -> Any:
    """Return a notebook as it is stored: with outputs, without invisible parts that differ between runs."""
    notebook.metadata = {"language_info": {"name": "python"}, "pandas": pandas}
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def as_text(notebook: Any) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def seen(notebook: Any) -> list[list[str]]:
    """Return the text of each cell without times and blanks, and whether there are pictures."""

    def plain(output: Any) -> str:
        if "data" in output:
            shown = {kind: "" if kind == "image/png" else text for kind, text in output.data.items()}
        else:
            shown = {output.name: output.text} if output.output_type == "stream" else dict(output)
        text = re.sub(r"base64,[\w+/=]+", "base64,", json.dumps(shown, sort_keys=True, ensure_ascii=False))
        text = re.sub(r"20\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z)?", "TIME", text)
        text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
        return re.sub(r"(\\n|\s|-{3,})+", " ", text)

    return [[plain(output) for output in cell.get("outputs", [])] for cell in notebook.cells]


@pytest.mark.wide(2)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    notebook = executed(path, tmp_path)
    shown = outputs(notebook)
    assert [output.text for output in shown if output.output_type == "stream" and output.name == "stderr"] == []
    rich = [output.data for output in shown if "data" in output]
    assert sum("image/png" in data for data in rich) == PICTURES[path.stem]
    told = json.dumps([*rich, *(output.text for output in shown if output.output_type == "stream")])
    assert [word for word in WORDS[path.stem] if word not in told] == []
    assert ("<img src=" in told) is (path.stem == "account")
    stored = nbformat.read(path, as_version=4)
    if stored.metadata.pandas == PANDAS:
        assert seen(notebook) == seen(stored), "to store it again: python tests/test_notebooks.py"


def test_both_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["account", "quickstart"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_its_outputs_and_nothing_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    assert text == as_text(kept(stored, stored.metadata.pandas))
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not re.search(r"/(home|root|work|tmp|Users)/", text)
    assert len(text) < 400_000
    assert "pip install -e '.[notebooks]'" in stored.cells[0].source


def store() -> None:
    """Run the notebooks and store them with their outputs."""
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            path.write_text(as_text(kept(executed(path, Path(folder)))), encoding="utf-8")


if __name__ == "__main__":
    store()
