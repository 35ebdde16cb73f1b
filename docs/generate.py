"""The pages that a build generates from the package, so that they can't differ from it: reference pages and tables.

Reference pages go to ``reference/api``, tables to ``generated``, and the notebooks are copied. Git ignores all of it.
"""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import click
import measure

import pandas_clicdata
from pandas_clicdata import errors, sandbox
from pandas_clicdata.accessor import ClicDataAccessor
from pandas_clicdata.commands.app import app
from pandas_clicdata.commands.questions import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).parents[1]


def write_all(docs: Path) -> None:
    """Write each generated file that is missing or differs."""
    pages = {f"reference/api/{name}.rst": text for name, text in api_pages().items()}
    tables = {
        "errors": errors_table(),
        "questions": questions_table(),
        "types_sent": measure.types_sent(),
        "types_read": measure.types_read(),
        "requests": measure.requests_table(),
        "commands": commands_text(),
    }
    pages |= {f"generated/{name}.md": text for name, text in tables.items()}
    notebooks = (ROOT / "notebooks").glob("*.ipynb")
    pages |= {f"notebooks/{path.name}": path.read_text(encoding="utf-8") for path in notebooks}
    for folder in ("reference/api", "generated", "notebooks"):
        (docs / folder).mkdir(exist_ok=True)
        for path in (docs / folder).iterdir():
            if f"{folder}/{path.name}" not in pages:
                path.unlink()  # of an object that no longer exists
    for name, text in pages.items():
        path = docs / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------
# Reference


def public_names() -> dict[str, Any]:
    """Return the public names of the package, without modules."""
    names = {name: getattr(pandas_clicdata, name) for name in pandas_clicdata.__all__}
    return {name: value for name, value in names.items() if not inspect.ismodule(value) and name != "__version__"}


def members_of(owner: type) -> list[str]:
    """Return the methods and properties for users of a class, in the order of its source."""
    shown = {*owner.__dir__(owner.__new__(owner))}  # what the class shows to users, as `dir` has it
    ours = [base for base in owner.__mro__ if base.__module__.startswith("pandas_clicdata")]
    named: dict[str, Any] = {}
    for name, value in [pair for base in ours for pair in vars(base).items()]:
        named.setdefault(name, value)
    kinds = (FunctionType, classmethod, staticmethod, property, cached_property)
    names = [name for name, value in named.items() if isinstance(value, kinds) and not name.startswith("_")]
    # An instance hides class methods from users, but a decorated class method is for users.
    return [
        name
        for name in names
        if name in shown or (isinstance(named[name], classmethod) and hasattr(getattr(owner, name), "__wrapped__"))
    ]


def api_pages() -> dict[str, str]:
    """Return the reference pages by name: the accessor, the functions, each class, errors, and other modules."""
    names = public_names()
    functions = [name for name, value in names.items() if inspect.isfunction(value)]
    classes = {name: value for name, value in names.items() if inspect.isclass(value) and name != "DataFrame"}
    verbs = [f"DataFrame.clicdata.{name}" for name in members_of(ClicDataAccessor)]
    pages = {
        "frame": _page(
            "df.clicdata",
            "The methods of a frame, after ``import pandas_clicdata``.\n\n.. py:class:: pandas_clicdata.DataFrame\n\n"
            "   pandas' own class. Type checkers and editors see it with the methods below.\n",
            "pandas_clicdata",
            "autoaccessormethod",
            verbs,
        ),
        "functions": _page(
            "Functions",
            "``pandas_clicdata.read_clicdata`` is also ``pandas.read_clicdata``.",
            "pandas_clicdata",
            "autofunction",
            functions,
        ),
        "errors": _page(
            "Errors",
            "All errors are in ``pandas_clicdata.errors``. :doc:`../errors` shows them as a table.",
            "pandas_clicdata.errors",
            "autoexception",
            errors.__all__,
        ),
        "sandbox": _sandbox_page(),
        "dask": _module_page(
            "dask",
            ["read_clicdata"],
            ["ClicDataDaskAccessor"],
            "``ddf.clicdata`` of a dask frame",
        ),
        "polars": _module_page(
            "polars",
            [],
            ["ClicDataNamespace"],
            "``df.clicdata`` and ``lf.clicdata`` of polars",
        ),
    }
    pages |= {name: _page(name, "", "pandas_clicdata", None, [], {name: value}) for name, value in classes.items()}
    return pages


def _page(
    title: str,
    intro: str,
    module: str,
    directive: str | None,
    names: Sequence[str],
    classes: dict[str, type] | None = None,
) -> str:
    lines = [title, "=" * len(title), "", intro, "", f".. currentmodule:: {module}", ""]
    if directive:
        lines += _summary(names)
        for name in names:
            lines += [f".. {directive}:: {name}", ""]
    for name, owner in (classes or {}).items():
        members = members_of(owner)
        if members:
            lines += _summary([f"{name}.{one}" for one in members])
        lines += [f".. autoclass:: {name}", ""]
        for one in members:
            is_value = isinstance(inspect.getattr_static(owner, one), (property, cached_property))
            lines += [
                f"   .. {'autoproperty' if is_value else 'automethod'}:: {one}",
                "",
            ]
    return "\n".join(lines)


def _summary(names: Sequence[str]) -> list[str]:
    """Return the lines of a table of names, each with its first sentence."""
    return [
        ".. autosummary::",
        "   :nosignatures:",
        "",
        *(f"   ~{name}" for name in names),
        "",
    ]


def _module_page(name: str, functions: Sequence[str], classes: Sequence[str], what: str) -> str:
    module = importlib.import_module(f"pandas_clicdata.{name}")
    owners = {one: getattr(module, one) for one in classes}
    intro = f"``import pandas_clicdata.{name}`` registers {what}."
    return _page(
        name,
        intro,
        module.__name__,
        "autofunction" if functions else None,
        functions,
        owners,
    )


def _sandbox_page() -> str:
    names = [name for name in sandbox.__all__ if name != "start"]
    owners = {name: getattr(sandbox, name) for name in names}
    text = _page(
        "Sandbox",
        "A ClicData on this machine.",
        "pandas_clicdata.sandbox",
        "autofunction",
        ["start"],
        owners,
    )
    title = "Fixtures for pytest"
    lines = [
        text,
        title,
        "-" * len(title),
        "",
        "pytest finds them where this package is installed.",
        "",
    ]
    for name in ("clicdata_sandbox", "clicdata_session"):
        lines += [f".. autofunction:: pandas_clicdata_pytest.{name}", ""]
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------------------
# Tables


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def first_sentence(owner: Any) -> str:
    """Return the first sentence of a docstring, with literals as in Markdown."""
    text = " ".join((inspect.getdoc(owner) or "").split("\n\n")[0].split())
    return re.sub(r"``", "`", re.split(r"(?<=\.)\s", text)[0])


def errors_table() -> str:
    """Return all errors as a tree: the meaning of each, and the usual errors of Python that it also is."""
    rows = []

    def add(owner: type, depth: int) -> None:
        usual = [base.__name__ for base in owner.__mro__[1:] if base.__module__ == "builtins"]
        shown = [name for name in usual if name not in ("Exception", "BaseException", "object", "Warning")]
        indent = "&emsp;" * depth
        rows.append(
            (
                f"{indent}{{py:exc}}`~pandas_clicdata.errors.{owner.__name__}`",
                ", ".join(shown),
                first_sentence(owner),
            )
        )
        public = [getattr(errors, name) for name in errors.__all__]
        for below in public:
            parents = [base for base in below.__mro__[1:] if base in public]
            if parents and parents[0] is owner:
                add(below, depth + 1)

    add(errors.ClicDataError, 0)
    add(errors.ClicDataWarning, 0)
    return table(("error", "is also", "means"), rows)


def questions_table() -> str:
    """Return the open questions about the service, by number."""
    ordered = sorted(QUESTIONS.values(), key=lambda one: int(one.number[1:]))
    rows = [(one.number, one.text, f"`{one.file}`: `{one.name}`") for one in ordered]
    return table(("number", "question", "where the code guesses"), rows)


def commands_text() -> str:
    """Return the help of the command, and of each command below it."""
    return "\n".join(_helps(app, click.Context(app, info_name="clicdata", terminal_width=88, **app.context_settings)))


def _helps(command: click.Command, context: click.Context) -> Iterator[str]:
    name = context.command_path.removeprefix("clicdata").strip()
    yield (f"## {name}\n\n" if name else "") + f"```text\n{command.get_help(context)}\n```\n"
    for below in command.list_commands(context) if isinstance(command, click.Group) else []:
        one = command.get_command(context, below)
        if one is not None and not one.hidden:
            yield from _helps(one, click.Context(one, info_name=below, parent=context, terminal_width=88))
