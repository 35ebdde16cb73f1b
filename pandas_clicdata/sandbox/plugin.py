"""Fixtures for the tests of users of this package: a fresh sandbox, and a session on it.

Every pytest run in an environment with this package loads this module, so it imports little.
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
    from pandas_clicdata.sandbox import start

    with start() as sandbox:
        yield sandbox


@pytest.fixture
def clicdata_session(clicdata_sandbox: Sandbox) -> Iterator[Session]:
    """A `Session` connected to the test's `clicdata_sandbox`."""
    with clicdata_sandbox.session() as session:
        yield session
