"""A frame, faults of its chunks, and the ledger: the stored rows, with which each receipt is compared."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from faults.kinds import add

if TYPE_CHECKING:
    from pandas_clicdata.sandbox import Sandbox
    from pandas_clicdata.uploads.receipt import AppendReceipt

FRAME = pd.DataFrame({"n": range(25), "t": [f"row {n}" for n in range(25)]}, index=[n // 2 for n in range(25)])


def stored(sandbox: Sandbox, rec_id: int) -> Counter[int]:
    return Counter(row["n"] for row in sandbox.rows(rec_id))


def assert_true(receipt: AppendReceipt, frame: pd.DataFrame, ledger: Counter[int]) -> None:
    """Check that the receipt agrees with the ledger."""
    remaining, in_doubt = receipt.remaining(frame), receipt.in_doubt(frame)
    assert receipt.rows_total == len(frame)
    assert receipt.rows_appended + len(remaining) + len(in_doubt) == len(frame)
    assert receipt.rows_in_doubt == len(in_doubt)
    open_rows = set(remaining["n"]) | set(in_doubt["n"])
    assert all(ledger[n] == 1 for n in frame["n"] if n not in open_rows)
    assert all(ledger[n] == 0 for n in remaining["n"])
    assert all(ledger[n] in (0, 1) for n in in_doubt["n"])


# faults of the second chunk, and how many of its ten rows are stored then
LOST: dict[str, tuple[str, dict[str, Any], int]] = {
    "applied, then reset": ("drop", {"applied": True}, 10),
    "applied, then closed": ("drop", {"applied": True, "reset": False}, 10),
    "dropped before it was applied": ("drop", {}, 0),
    "cut off while it was sent": ("drop_request", {"after_bytes": 20}, 0),
    "no answer, applied": ("stall", {"applied": True}, 10),
    "no answer, not applied": ("stall", {}, 0),
    "500": ("status", {"status": 500}, 0),
    "502 after it was applied": ("status", {"status": 502, "applied": True}, 10),
    "503": ("status", {"status": 503, "headers": {"Retry-After": "0"}}, 0),
    "408": ("status", {"status": 408}, 0),
    "a cut answer": ("cut", {}, 10),
    "a bad chunk": ("bad_chunk", {}, 10),
    "bad gzip": ("bad_gzip", {}, 10),
    "a web page": ("answer", {"body": "<html>maintenance</html>", "content_type": "text/html"}, 0),
    "nothing": ("answer", {"body": ""}, 0),
    "the number 0": ("answer", {"body": "0"}, 0),
    "success as text": ("answer", {"body": '{"success": "false"}'}, 0),
    "an unheard-of code": ("error", {"code": "Oddity"}, 0),
    "a redirect": ("redirect", {"url": "http://127.0.0.1:1/"}, 0),
    "a count that is too small": ("keep_rows", {"count": 4}, 4),
}


def patience(fault: str) -> float:
    """Return the read timeout for the test of a fault: short if no response comes."""
    return 0.2 if "no answer" in fault else 5.0


def arm(sandbox: Sandbox, fault: str, table: dict[str, tuple[str, dict[str, Any], int]], **where: Any) -> int:
    name, params, kept = table[fault]
    add(sandbox.faults, name, **params, **where)
    return kept


def receipt_of(caught: Any) -> AppendReceipt:
    """Return the receipt of a caught error."""
    receipt = caught.value.receipt
    assert receipt is not None
    return receipt  # type: ignore[no-any-return]  # pytest knows no better


def quiet(sandbox: Sandbox, seconds: float = 10.0) -> None:
    """Wait until the sandbox has handled all requests on connections that are closed now, also late ones."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(sandbox.url, timeout=seconds).close()  # it is accepted after all others
    end = time.monotonic() + seconds
    while any("process_request_thread" in one.name for one in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.002)
    sandbox.faults.settle()
