"""What of Arrow is used everywhere."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its functions are made when it is imported, so no type checker knows them
TEXT = pa.large_string()
string_to_tzinfo: Any = pa.lib.string_to_tzinfo  # pyright: ignore[reportAttributeAccessIssue] - made in C
_QUOTE, _NOTHING = pa.scalar('"', TEXT), pa.scalar("", TEXT)


def quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Texts between quotes; null stays null."""
    return pc.binary_join_element_wise(_QUOTE, texts, _QUOTE, _NOTHING)
