"""Comments and docstrings are short and use the terms of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

import pytest

import pandas_clicdata

PACKAGE = Path(pandas_clicdata.__path__[0])
# Modules and folders to check; [""] is the whole package.
CHECKED = [""]
MODULES = sorted(
    {path for name in CHECKED for path in [PACKAGE / name, *(PACKAGE / name).rglob("*.py")] if path.is_file()}
)

# What to avoid, and what to write instead.
FORBIDDEN = {
    r"told|tells?": "write, print, report or raise; distinguish",
    r"befall\w*|befell": "happen, match",
    r"whoever|whomever": "the noun: the caller, the thread, the process",
    r"thereof|therein|thereupon": "of the chunk, in the page",
    r"gone": "deleted, sent, closed",
    r"(?:is|are|was|were) to be": "must be, will be, or the active voice",
    r"what (?:is|are) to": "the noun: the rows, the request",
    r"those that": "the noun: rows that, pages that",
}
LONGEST_COMMENT = 100  # characters
LONGEST_BLOCK = 3  # lines

_DIRECTIVE = re.compile(r"#\s*(?:noqa|type:|pyright:)[^#]*")
_RULE = re.compile(r"#\s*[-=]*\s*")  # a line between two parts of a module, or an empty comment


class Text(NamedTuple):
    """A comment or docstring, and the line where it begins."""

    line: int
    text: str


def comments(source: str) -> list[tuple[Text, bool]]:
    """Each comment without directives of tools, and whether it has its line to itself."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = _DIRECTIVE.sub("", token.string).strip()
            if not _RULE.fullmatch(text) and text:
                alone = not token.line[: token.start[1]].strip()
                found.append((Text(token.start[0], text), alone))
    return found


def docstrings(source: str) -> list[Text]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                found.append(Text(node.body[0].lineno, text))
    return found


def problems(source: str) -> list[str]:
    """What is wrong with the comments and docstrings of a module, each with its line."""
    found = []
    written = comments(source)
    for text in [*(comment for comment, _ in written), *docstrings(source)]:
        for words, instead in FORBIDDEN.items():
            for match in re.finditer(rf"\b(?:{words})\b", text.text, re.IGNORECASE):
                line = text.line + text.text[: match.start()].count("\n")
                found.append(f"line {line}: {match[0]!r}; instead: {instead}")
    block: list[int] = []
    for (line, text), alone in written:
        if len(text) > LONGEST_COMMENT:
            found.append(f"line {line}: the comment has {len(text)} characters, {LONGEST_COMMENT} at most")
        block = [*block, line] if alone and block and line == block[-1] + 1 else [line] * alone
        if len(block) == LONGEST_BLOCK + 1:
            found.append(f"line {block[0]}: a comment of more than {LONGEST_BLOCK} lines: simplify the code")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_comments_and_docstrings_use_plain_words(path: Path) -> None:
    found = problems(path.read_text(encoding="utf-8"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('"""The moment told."""', 1),
        ('def f():\n    """Rows.\n\n    Those that are gone.\n    """', 2),
        ("x = 1  # whoever asks\n", 1),
        ("# " + 50 * "ab" + "\n", 1),
        ("import a  # noqa: F401  # " + 90 * "a" + "\n", 0),
        ("# " + 105 * "-" + "\n# A part of the module\n", 0),
        ("# a\n# b\n# c\n", 0),
        ("# a\n# b\n# c\n# d\n# e\n", 1),
        ("x = 1  # a\n# b\n# c\n# d\ny = 2\n# e\n", 0),
        ("told = 'He told me that it is to be gone'\n", 0),
        ('"""A story of intellect, to be continued by those who stay."""', 0),
    ],
)
def test_the_check_finds_what_it_should(source: str, count: int) -> None:
    assert len(problems(source)) == count
