"""Fixtures for the tests of users of this package: a fresh sandbox, and a session on it.

Every pytest run in an environment with this package loads this module. It is not in the package, because the import of
the package also imports pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox


@pytest.fixture
def clicdata_sandbox() -> Iterator[Sandbox]:
    """A fresh ClicData on this machine, with its sample data, for one test."""
    try:
        from pandas_clicdata.sandbox import start
    except ImportError as error:  # the extra is missing: one sentence names the package to install
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    with start() as sandbox:
        yield sandbox


@pytest.fixture
def clicdata_session(clicdata_sandbox: Sandbox) -> Iterator[Session]:
    """A `Session` connected to the test's `clicdata_sandbox`."""
    with clicdata_sandbox.session() as session:
        yield session
