"""A plugin for mypy. With it, mypy knows ``df.clicdata`` and ``pd.read_clicdata`` on plain frames.

In ``pyproject.toml``, with pandas-stubs installed::

    [tool.mypy]
    plugins = ["pandas_clicdata.mypy"]
"""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from mypy.nodes import ImportFrom, TypeInfo
from mypy.plugin import Plugin
from mypy.types import Instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy.nodes import MypyFile
    from mypy.plugin import AttributeContext, ReportConfigContext
    from mypy.types import Type

_ACCESSOR = ("pandas_clicdata.accessor", "ClicDataAccessor")
_READER = ("pandas_clicdata.reader", "read_clicdata")


class _PandasPlugin(Plugin):
    """Adds to pandas the names that the import of `pandas_clicdata` adds at run time."""

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        """Import the reader in the stubs of pandas."""
        if file.fullname != "pandas":
            return []
        module, name = _READER
        added = ImportFrom(module, 0, [(name, name)])
        added.is_top_level = True
        added.set_line(1)  # mypy ignores statements without a line
        file.imports.append(added)
        file.defs.append(added)
        return [(10, module, -1)]

    def report_config_data(self, ctx: ReportConfigContext) -> object:
        """Return the state on which mypy's cache of pandas depends: if it changes, mypy asks for the import again."""
        if ctx.id != "pandas":
            return None
        installed = {f"{one.name} {one.version}" for one in distributions()}
        return [*sorted(installed), *sorted(path.stat().st_mtime for path in Path(__file__).parent.rglob("*.py"))]

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Return the type of ``df.clicdata``."""
        if fullname != "pandas.core.frame.DataFrame.clicdata":
            return None
        return _accessor_type


def _accessor_type(context: AttributeContext) -> Type:
    """Return the type of the accessor; the type that mypy found if this package isn't installed for mypy."""
    modules: dict[str, MypyFile] = getattr(context.api, "modules", {})
    module, name = _ACCESSOR
    found = modules[module].names[name].node if module in modules else None
    return Instance(found, []) if isinstance(found, TypeInfo) else context.default_attr_type


def plugin(version: str) -> type[Plugin]:
    """Return the plugin, for any version of mypy."""
    del version
    return _PandasPlugin
