"""ClicData as a part of pandas.

Importing this package registers ``df.clicdata`` and ``pd.read_clicdata``. It opens no connection and reads
no credentials.

>>> import pandas_clicdata
>>> session = pandas_clicdata.connect(**credentials)
>>> df = pandas_clicdata.read_clicdata(rec_id)

The package is not affiliated with ClicData.
"""

import logging as _logging
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

import pandas as _pd

from pandas_clicdata import errors
from pandas_clicdata.accessor import DataFrame
from pandas_clicdata.changes.change_receipt import ChangeReceipt
from pandas_clicdata.changes.plan import Plan
from pandas_clicdata.changes.restore import Changes
from pandas_clicdata.changes.resume import resume_append
from pandas_clicdata.changes.sync_receipt import SyncReceipt
from pandas_clicdata.endpoints.account import Account
from pandas_clicdata.endpoints.dashboard import Dashboard
from pandas_clicdata.endpoints.data import Data
from pandas_clicdata.endpoints.people import UserPlan, UserReceipt
from pandas_clicdata.endpoints.schedule import Schedule
from pandas_clicdata.endpoints.team import Team
from pandas_clicdata.endpoints.user import User
from pandas_clicdata.reader import datasets, read_arrow, read_clicdata
from pandas_clicdata.session.manager import SessionManager, connect, use
from pandas_clicdata.session.session import Session, package_version
from pandas_clicdata.session.watching import CallRecord
from pandas_clicdata.uploads.receipt import AppendReceipt
from pandas_clicdata.writer import append, push

if TYPE_CHECKING:
    from types import ModuleType

    from pandas_clicdata import sandbox

__version__ = package_version()

__all__ = [
    "Account",
    "AppendReceipt",
    "CallRecord",
    "ChangeReceipt",
    "Changes",
    "Dashboard",
    "Data",
    "DataFrame",
    "Plan",
    "Schedule",
    "Session",
    "SessionManager",
    "SyncReceipt",
    "Team",
    "User",
    "UserPlan",
    "UserReceipt",
    "__version__",
    "append",
    "connect",
    "datasets",
    "errors",
    "push",
    "read_arrow",
    "read_clicdata",
    "resume_append",
    "sandbox",
    "use",
]

_logging.getLogger(__name__).addHandler(_logging.NullHandler())  # else Python prints warnings to stderr
setattr(_pd, "read_clicdata", read_clicdata)  # noqa: B010  # unknown to pandas' types


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__


def __getattr__(name: str) -> "ModuleType":
    """Import the sandbox at its first use."""
    if name == "sandbox":
        return _import_module("pandas_clicdata.sandbox")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
