"""What a Ctrl-C brings with it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Receipt(Protocol):
    """What is known of something that was sent."""

    def summary(self) -> str:
        """One line."""
        ...


@contextmanager
def told(receipt: Receipt, where: str) -> Iterator[None]:
    """Hand a receipt over with an interrupt, which is not ours to replace.

    Parameters
    ----------
    receipt : Receipt
        What is known.
    where : str
        Where else it is found, to be told of.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as interrupt:
        interrupt.receipt = receipt  # type: ignore[union-attr]
        if hasattr(interrupt, "add_note"):  # Python 3.11
            interrupt.add_note(f"{receipt.summary()} ({where})")
        raise
