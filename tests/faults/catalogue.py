"""Every known fault, with the end of a read, and of an append or another write.

``@pytest.mark.fault(number)`` names the faults of a test; the faults of one request are in `request_faults` too.
"In doubt" means that the write stops, reports which rows may be stored or not, and sends nothing again unless
``verify=`` found that the rows are missing.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A fault, how a read ends, and how a write ends; a dash where the fault can't happen."""

    fault: str
    read: str
    write: str


_AGAIN = "asked again, 4 times in all"
_DOUBT = "in doubt, sent once"
_UNSENT = "InputError, nothing sent"

CATALOGUE: dict[int, Entry] = {
    1: Entry("no connection: name, refusal, time", _AGAIN, "sent again; then TransportError, rows pending"),
    2: Entry("a certificate that is not trusted", "TlsError at once", "TlsError at once, rows pending"),
    3: Entry("a proxy that fails, or wants a login", "asked again; a login never", "the same; rows pending"),
    4: Entry("no answer in time, not applied", _AGAIN, _DOUBT),
    5: Entry("no answer in time, applied", _AGAIN, f"{_DOUBT}; stamps find the rows"),
    6: Entry("no answer in time, applied later", _AGAIN, "settling waits; the audit finds late copies"),
    7: Entry("closed before any answer, or while idle", _AGAIN, _DOUBT),
    8: Entry("cut while the body was being sent", "-", _DOUBT),
    9: Entry("cut or silent within the answer", _AGAIN, f"{_DOUBT}, whatever the status"),
    10: Entry("an answer that drips in", "DeadlineExceeded", f"DeadlineExceeded, {_DOUBT}"),
    11: Entry("429 with seconds to wait", "waits so long, then again", "the same; then RateLimited, rows not stored"),
    12: Entry("429 with a date", "waits until then by the service's clock", "the same"),
    13: Entry("429 with junk for a wait", "waits as for none", "the same"),
    14: Entry("429 with more than 120 seconds", "RateLimited at once", "RateLimited at once, rows not stored"),
    15: Entry("500", _AGAIN, _DOUBT),
    16: Entry("502 and 504", _AGAIN, _DOUBT),
    17: Entry("503", f"{_AGAIN}, after Retry-After", _DOUBT),
    18: Entry("408", _AGAIN, _DOUBT),
    19: Entry("400, 404, 405, 415, 422", "ApiError, NotFound", "ApiError, NotFound; rows refused"),
    20: Entry("413", "TooLarge", "the chunk is halved down to one row, then TooLarge names it"),
    21: Entry("409 on a create", "-", "Conflict names the data set"),
    22: Entry("JSON that is cut off", _AGAIN, _DOUBT),
    23: Entry("a web page under 200", "asked once more, then ProtocolError", _DOUBT),
    24: Entry("an empty answer", "asked once more, then ProtocolError", _DOUBT),
    25: Entry("an error under 200", "ApiError", "ApiError; in doubt unless its code says that nothing was done"),
    26: Entry("success that is neither yes nor no", "ProtocolError", _DOUBT),
    27: Entry(
        "JSON too deep, too long, or not JSON; a BOM", "ProtocolError; a BOM is fine", f"{_DOUBT}; a BOM is fine"
    ),
    28: Entry("bad gzip, bad chunks, a wrong length", _AGAIN, _DOUBT),
    29: Entry("a token that expired", "renewed once, asked once more", "renewed once, sent once more"),
    30: Entry("401 for a key or Basic", "BadCredentials at once", "BadCredentials at once"),
    31: Entry("403", "PermissionDenied", "PermissionDenied; rows refused"),
    32: Entry("a token endpoint that is down", "the login is tried 4 times", "the same; rows pending"),
    33: Entry("a wrong secret", "BadCredentials after one login", "the same; rows pending"),
    34: Entry("an odd token answer", "used where it has a token, never a loop", "the same; else rows pending"),
    35: Entry("a clock that jumps", "nothing", "nothing"),
    36: Entry("many threads at the token's end", "one renewal for all", "the same"),
    37: Entry("pages without end", "PagingLoop", "-"),
    38: Entry("a page flag that is none", "ProtocolError; a missing one is made good by others", "-"),
    39: Entry("the same page twice", "asked once more, then PagingLoop", "-"),
    40: Entry("pages that shrink or don't come to the total", "read again twice, then TornRead", "-"),
    41: Entry("rows deleted while paging", "read again twice, then TornRead, or a warning", "-"),
    42: Entry("rows inserted while paging", "as for deleted ones", "-"),
    43: Entry("as many inserted as deleted", "not noticed; a stored version is the way", "-"),
    44: Entry("columns that change between pages", "read again twice, then SchemaDrift, or a union", "-"),
    45: Entry("an error on a later page", "that page is asked again; never a short frame", "-"),
    46: Entry("an append that stops midway", "-", "before it applied, after it pending: AppendInterrupted or in doubt"),
    47: Entry("fewer rows stored than sent", "-", "partial: AppendAmbiguous"),
    48: Entry("Ctrl-C during an append", "-", "KeyboardInterrupt with a true receipt"),
    49: Entry("a kill at any moment", "-", "the journal knows; at most the last chunk in doubt"),
    50: Entry("a journal that can't be written", "-", "an error before the next chunk"),
    51: Entry("going on with another frame, table or account", "-", "JournalMismatch, nothing sent"),
    52: Entry("two at work with one journal", "-", "JournalBusy, nothing sent"),
    53: Entry("a full disk while saving a picture", "OSError, the old file stays", "-"),
    54: Entry("a redirect", "RedirectRefused", _DOUBT),
    55: Entry("a bomb, or a page that is too large", "ProtocolError, connection closed", _DOUBT),
    56: Entry("too many cells in a small page", "ProtocolError", "-"),
    57: Entry("a thumbnail that is not base64", "ProtocolError; in a list an empty cell and a warning", "-"),
    58: Entry("something else dressed as a picture", "ProtocolError", "-"),
    59: Entry("a picture of too many pixels", "ProtocolError", "-"),
    60: Entry("a rec_id that is none", _UNSENT, _UNSENT),
    61: Entry("a frame of a wrong shape", "-", f"{_UNSENT}, every problem named; no rows: no request"),
    62: Entry("cells that can't be sent", "-", f"{_UNSENT}, not even the rows before them"),
    63: Entry("a frame that changes while it is sent", "-", "what was there at first is sent, or InputError"),
    64: Entry("many threads on one session", "each gets its own answer", "the same"),
    65: Entry("a fork with a warm session", "each process gets its own answers", "the same"),
    66: Entry("two accounts in one process", "neither sends the other's secrets", "the same; no resume across them"),
    67: Entry("a delete without a filter", "-", _UNSENT),
    68: Entry("a session that is closed or pickled", "NotConnected, TypeError", "NotConnected, TypeError"),
}
