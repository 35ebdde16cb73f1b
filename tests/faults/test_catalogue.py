"""Each fault of the catalogue has a test that is named after it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from faults.catalogue import CATALOGUE
from faults.request_faults import FAULTS

TESTS = Path(__file__).parents[1]


def marked(source: str) -> set[int]:
    """Return the numbers in ``pytest.mark.fault(...)`` on tests."""
    return {
        argument.value
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
        for mark in function.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault"
        for argument in mark.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int)
    }


def test_every_fault_has_a_test_that_is_named_after_it() -> None:
    sources = [path.read_text("utf-8") for path in TESTS.rglob("test_*.py")]
    named = set().union(*(marked(source) for source in sources if "mark.fault" in source))
    assert sorted(CATALOGUE) == list(range(1, 69))
    assert {number: CATALOGUE[number].fault for number in CATALOGUE if number not in named} == {}
    assert named <= set(CATALOGUE)


def test_the_faults_of_a_request_are_in_the_catalogue_and_in_the_matrix() -> None:
    """The matrix leaves out the faults of pages, frames, files and processes."""
    tried = {fault.number for fault in FAULTS}
    assert set(range(1, 35)) | {54, 55} == tried
    assert all(all(entry) for entry in CATALOGUE.values())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@pytest.mark.fault(3)\ndef test_a(): ...", {3}),
        ("@pytest.mark.fault(3, 4)\n@pytest.mark.slow\ndef test_a(): ...", {3, 4}),
        ("@pytest.mark.fault(3)\ndef helper(): ...", set()),
        ("# @pytest.mark.fault(3)\ndef test_a(): ...", set()),
        ("@pytest.mark.other(3)\ndef test_a(): ...", set()),
        ("def test_a():\n    pytest.mark.fault(3)", set()),
    ],
)
def test_only_a_mark_on_a_test_counts(source: str, found: set[int]) -> None:
    assert marked(source) == found
