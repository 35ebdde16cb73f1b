"""The documentation site: python -m sphinx -W -b html docs docs/_build/html."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import check_site
import generate
from sphinx.domains.python import PythonDomain, PyXRefRole

import pandas_clicdata

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "pandas_clicdata"
author = "the pandas_clicdata maintainers"
copyright = author  # noqa: A001  # the name that Sphinx reads; without a year, so that a build can be repeated
version = release = pandas_clicdata.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_autosummary_accessors",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "generated"]
nitpicky = True  # a name that leads nowhere is a warning, and warnings are errors
nitpick_ignore_regex = [  # names of other packages, and of modules, which have no page of their own
    ("py:.*", r"(datetime|decimal|pandas|pyarrow|uuid)\..*"),
    ("py:.*", r"pandas_clicdata(\.[a-z]+)?"),
]
default_role = "name"
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

autodoc_use_legacy_class_based = True  # sphinx_autosummary_accessors needs it
autodoc_typehints = "none"  # the docstrings say the types
autosummary_generate = False
numpydoc_show_class_members = False  # autodoc shows them
numpydoc_class_members_toctree = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # tests/test_notebooks.py runs them, and compares what they show with what is stored

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "pandas_clicdata"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {page: [] for page in ("start", "glossary", "changelog")}  # no pages below
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


class NameRole(PyXRefRole):
    """A name in backquotes links to the nearest object of that name."""

    def process_link(
        self,
        env: BuildEnvironment,
        refnode: Element,
        has_explicit_title: bool,
        title: str,
        target: str,
    ) -> tuple[str, str]:
        near = "." + re.sub(r"^d?df\.clicdata\b", "DataFrame.clicdata", target)
        title, target = super().process_link(env, refnode, has_explicit_title, title, near)
        refnode["reftype"], refnode["refdomain"] = "obj", "py"
        return title, target


class NearestDomain(PythonDomain):
    """Where several objects have a name, a link leads to that of ``df.clicdata``."""

    def find_obj(self, *where: Any, **how: Any) -> list[Any]:
        found = super().find_obj(*where, **how)
        of_frames = [one for one in found if one[0].startswith("pandas_clicdata.DataFrame.")]
        return of_frames if len(found) > 1 and of_frames else found


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the role of names, the generation of pages before a build, and the checks after it."""
    app.add_domain(NearestDomain, override=True)
    app.add_role("name", NameRole())
    app.connect("builder-inited", lambda app: generate.write_all(Path(app.srcdir)))
    app.connect("build-finished", check_site.warn_of_problems)
    return {"parallel_read_safe": True}
