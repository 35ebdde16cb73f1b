"""The lines of a journal: what is appended, into which chunks it is cut, and what becomes of each.

Whatever happens to an append is such an entry first; a receipt is what its entries come to. They hold positions,
digests, states and counts, never a cell or a secret.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pandas_clicdata.errors import InputError

FORMAT = 3  # of the journal; to be raised when an older package would misread it


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="line", tag="append"):
    """What is appended to what, and how.

    ``digest`` tells the frame from others, ``account`` the account; ``rows_before`` is how many rows the data set
    had, where that is known, and ``made`` whether it was made for this append.
    """

    journal: int = FORMAT
    append_id: str
    rec_id: int
    rows: int
    columns: list[str]
    types: dict[str, str] | None = None
    index: bool = False
    account: str
    digest: str | None = None
    chunksize: int | None = None
    compress: bool = False
    errors: str = "raise"
    tag_column: str | None = None
    rows_before: int | None = None
    made: bool = False

    def __post_init__(self) -> None:
        if self.journal != FORMAT:
            raise ValueError(f"format {self.journal}, and this version of the package knows {FORMAT}")


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """A chunk as it stands: rows ``start`` to ``stop`` (not included), by position."""

    number: int
    start: int
    stop: int
    state: str = "pending"
    format: str | None = None
    sha256: str | None = None
    rows_inserted: int | None = None
    doubted: bool = False


class Planned(msgspec.Struct, frozen=True, tag_field="line", tag="chunks"):
    """All chunks, in the place of those before."""

    chunks: list[Piece]


class Sending(msgspec.Struct, frozen=True, tag_field="line", tag="sending"):
    """A chunk goes out now: its row format, and the digest of its body before any compression."""

    chunk: int
    format: str
    sha256: str


class Promised(msgspec.Struct, frozen=True, tag_field="line", tag="promised"):
    """These chunks go out, one after the other, each when the one before it is stored and a line says so.

    They come after those promised before. All that holds until another chunk is told to go out, one is not stored, or
    the chunks are cut anew. ``boot`` tells the run of the machine.
    """

    chunks: list[Sending]
    boot: str


class Became(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="line", tag="became"):
    """What is known of a chunk from now on, and in a word why."""

    chunk: int
    state: str
    rows_inserted: int | None = None
    reason: str | None = None


class Halved(msgspec.Struct, frozen=True, tag_field="line", tag="halved"):
    """A chunk that was refused, and the two that it became."""

    chunk: int
    halves: list[Piece]


class Audited(msgspec.Struct, frozen=True, tag_field="line", tag="audited"):
    """Whether the rows were counted in the end, and are as many as they should be."""

    passed: bool


Entry: TypeAlias = Planned | Sending | Promised | Became | Halved | Audited
_line = msgspec.json.Decoder(Job | Planned | Sending | Promised | Became | Halved | Audited)
_encoder = msgspec.json.Encoder()


def written(entry: Job | Entry) -> bytes:
    """An entry as a line."""
    return _encoder.encode(entry) + b"\n"


def read(text: bytes) -> tuple[Job, list[Entry], int]:
    """What a journal says.

    What comes last may be torn or garbled: it was being written when the process or the machine died. That is
    harmless, as nothing is ever sent before the line that says so is safe on the disk.

    Returns
    -------
    job : Job
        What is appended.
    entries : list
        What happened, in order.
    size : int
        The bytes of the journal that are good.

    Raises
    ------
    InputError
        It is no journal, or damaged.
    """
    lines = text.split(b"\n")[:-1]  # what follows the last line end is torn
    read_lines = [_read(line) for line in lines]
    good = next((i for i, entry in enumerate(read_lines) if isinstance(entry, str)), len(lines))
    job = read_lines[0] if good else None
    if not isinstance(job, Job):
        why = f" ({read_lines[0]})" if read_lines and isinstance(read_lines[0], str) else ""
        raise InputError(f"it holds no complete first line{why}: nothing was sent under it. Remove it and append anew")
    if any(isinstance(entry, (Sending, Promised)) for entry in read_lines[good:]):
        raise InputError(f"it is damaged: line {good + 1} can't be read, and chunks were sent after it")
    entries = [entry for entry in read_lines[1:good] if not isinstance(entry, (Job, str))]
    return job, entries, sum(len(line) + 1 for line in lines[:good])


def _read(line: bytes) -> Job | Entry | str:
    """An entry, or what keeps it from being one."""
    try:
        entry: Job | Entry = _line.decode(line)
        return entry
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return str(error)[:200]
