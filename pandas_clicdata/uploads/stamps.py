"""The stamp of each row, by which the rows of an append are found again; and the fingerprint of a frame."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

from pandas_clicdata.arguments import is_bool
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from pandas_clicdata.uploads.receipt import Chunk

SAMPLED_ROWS = 1_000
_DIGITS = 12  # of the digest in a stamp
_STAMP = re.compile(rf"/(\d{{10}})-(\d{{10}})/([co])([0-9a-f]{{{_DIGITS}}})")
_RANDOM = uuid.uuid4().hex  # new in each process, so that no cell can hold it


def stamp(append_id: str, chunk: Chunk) -> str:
    """Return the stamp of a chunk's rows: the id of the append, the positions of the rows, and their digest.

    Without a journal, the stamps show which rows are stored, and whether they are the same rows.
    """
    return f"{append_id}/{chunk.start:010}-{chunk.stop:010}/{str(chunk.row_format)[:1]}{str(chunk.sha256)[:_DIGITS]}"


def parse_stamp(text: str, append_id: str) -> tuple[int, int, str, str] | None:
    """Return start, stop, row format and digest of the chunk that has this stamp; None if the text is no stamp."""
    found = _STAMP.fullmatch(text[len(append_id) :])
    if found is None or int(found[1]) >= int(found[2]):
        return None
    row_format = next(row_format.value for row_format in RowFormat if row_format.value.startswith(found[3]))
    return int(found[1]), int(found[2]), row_format, found[4]


def encoder_of(
    frame: pd.DataFrame,
    append_id: str,
    tag_column: str | None,
    *,
    types: Mapping[str, str] | None,
    index: bool | None,
    need_types: bool = False,
    noted: Mapping[str, str] | None = None,
    first: int = 0,
) -> FrameEncoder:
    """Return the checked rows. With ``tag_column``, each row has a placeholder for its stamp; see `stamped`."""
    constants = {} if tag_column is None else {tag_column: _placeholder(append_id)}
    encoder = FrameEncoder(
        frame, types=types, index=index, need_types=need_types, constants=constants, noted=noted, first=first
    )
    if tag_column is not None and encoder.columns.count(tag_column) > 1:
        raise InputError(f"The frame has a column {tag_column!r} of its own: name another one for the stamps.")
    return encoder


def stamped(body: bytes, append_id: str, text: str) -> bytes:
    """Replace the placeholders by a stamp. Both are equally long, so the body keeps its size."""
    return body.replace(_placeholder(append_id).encode(), text.encode())


def digest(body: bytes, append_id: str) -> str:
    """Return the digest of a body without its stamps."""
    return hashlib.sha256(body.replace(_placeholder(append_id).encode(), b"")).hexdigest()


def _placeholder(append_id: str) -> str:
    return (_RANDOM * 5)[: len(append_id) + len("/-/c") + 20 + _DIGITS]


def tally(rows: bytes, column: str) -> Counter[str]:
    """Count each text in a column of a page of rows."""
    builder = FrameBuilder(columns=[column], dtype={column: "text"})
    builder.add(rows)
    return Counter({str(text): count for text, count in builder.take()[column].value_counts().items()})


def fingerprint(encoder: FrameEncoder) -> str:
    """Return a digest of the rows of a frame, without stamps; of 1,000 evenly spaced rows if there are more."""
    last, sample = encoder.rows - 1, encoder
    if last >= SAMPLED_ROWS:
        positions = [i * last // (SAMPLED_ROWS - 1) for i in range(SAMPLED_ROWS)]
        sample = FrameEncoder(encoder.frame.iloc[positions], types=encoder.types, index=encoder.index)
    elif encoder.constants or encoder.first:
        sample = FrameEncoder(encoder.frame, types=encoder.types, index=encoder.index)
    digest = hashlib.sha256(f"{encoder.rows} {sample.columns}".encode())
    for body in sample.chunks(RowFormat.CELLS, 0, sample.rows, max_rows=SAMPLED_ROWS, max_bytes=1 << 40):
        digest.update(body.text)
    return digest.hexdigest()


def verify_problems(verify: Any, exclusive: Any, workers: int) -> list[str]:
    """Return the problems of these arguments."""
    if verify is not None and (not isinstance(verify, str) or verify not in ("count", "tag")):
        return [f'verify must be None, "count" or "tag", not {verify!r}']
    if not is_bool(exclusive):
        return [f"exclusive must be True or False, not {exclusive!r}"]
    problems = []
    if verify == "count" and not exclusive:
        problems.append(
            'verify="count" can only be trusted while nobody else writes to the data set, which only you can know: '
            'say so with exclusive=True, or use verify="tag"'
        )
    if verify == "count" and workers > 1:
        problems.append('verify="count" can\'t separate the chunks of several workers: use workers=1 or verify="tag"')
    if exclusive and verify != "count":
        problems.append('exclusive=True goes with verify="count"')
    return problems
