"""Fixtures of the tests of appends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pandas_clicdata.sandbox import Sandbox


@pytest.fixture
def rec_id(clicdata_sandbox: Sandbox) -> int:
    """An empty data set with the columns of the frame that is appended, and one for stamps."""
    return clicdata_sandbox.create("Target", {"n": "number", "t": "text", "load": "text"})
