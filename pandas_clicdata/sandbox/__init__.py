"""A ClicData on this machine, for a first try without an account, for notebooks, and for tests.

A real server on a real loopback socket, over SQLite. It has both dialects of the API and all logins, checks
requests strictly, and has faults on request.

Examples
--------
>>> import pandas as pd, pandas_clicdata
>>> from pandas_clicdata.sandbox import start
>>> with start() as sandbox, sandbox.session() as session:
...     frame = pd.read_clicdata(1001, session=session)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas_clicdata.sandbox.faults import Fault, Faults, Received
    from pandas_clicdata.sandbox.logins import Credentials
    from pandas_clicdata.sandbox.server import Sandbox, start

__all__ = ["Credentials", "Fault", "Faults", "Received", "Sandbox", "start"]

_HOME = {
    "Credentials": "logins",
    "Fault": "faults",
    "Faults": "faults",
    "Received": "faults",
    "Sandbox": "server",
    "start": "server",
}


def __getattr__(name: str) -> Any:
    """Import the server on first use, since it needs an extra."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "werkzeug":
            raise
        raise ImportError(
            "The sandbox needs Werkzeug: install this package again from its checkout, with pip install '.[sandbox]'"
        ) from None
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
