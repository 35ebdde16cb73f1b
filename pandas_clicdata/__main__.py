"""The command ``clicdata``, also as ``python -m pandas_clicdata``."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands.

    Parameters
    ----------
    arguments : list of str, optional
        The arguments of the command line; by default those of this process.

    Returns
    -------
    int
        The exit code.
    """
    from pandas_clicdata.commands.app import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
