"""The checks of a build: every public name is on the site, and no link within the site is dead."""

from __future__ import annotations

import posixpath
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import generate

from pandas_clicdata import errors, sandbox
from pandas_clicdata.accessor import ClicDataAccessor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sphinx.application import Sphinx


class Page(HTMLParser):
    """The links of a page, and the places in it that a link can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the id, the link or the source of a tag."""
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def dead_links(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield each link of these pages that leads nowhere within the site, with its page."""
    pages = {name: Page((folder / name).read_text("utf-8")) for name in names}
    for name, page in sorted(pages.items()):
        for link in sorted({*page.links}):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
            target = target if parts.path else name
            place = unquote(parts.fragment)
            if not (folder / target).is_file() or (place and target in pages and place not in pages[target].places):
                yield f"{name}: {link}"


def wanted_names() -> Iterator[str]:
    """Yield the full name of everything public."""
    for name, value in generate.public_names().items():
        yield f"pandas_clicdata.{name}"
        if isinstance(value, type) and name != "DataFrame":
            yield from (f"pandas_clicdata.{name}.{one}" for one in generate.members_of(value))
    yield from (f"pandas_clicdata.DataFrame.clicdata.{name}" for name in generate.members_of(ClicDataAccessor))
    yield from (f"pandas_clicdata.errors.{name}" for name in errors.__all__)
    yield from (f"pandas_clicdata.sandbox.{name}" for name in sandbox.__all__)


def missing_names(documented: Iterable[str]) -> list[str]:
    """Return the public names that are not on the site."""
    return sorted({*wanted_names()} - {*documented} - {"pandas_clicdata.DataFrame"})


def warn_of_problems(app: Sphinx, error: Exception | None) -> None:
    """Warn of each dead link and each missing name; with -W a warning ends the build with an error."""
    from sphinx.util import logging  # the tests use this module without Sphinx

    log = logging.getLogger(__name__)
    if error is None and app.builder.name == "html":
        pages = map(app.builder.get_target_uri, app.env.found_docs)
        for link in dead_links(Path(app.outdir), pages):
            log.warning("dead link in %s", link)
        for name in missing_names(app.env.get_domain("py").objects):
            log.warning("%s is not in the reference", name)
