"""A process that renews the refresh token of a profile at each of its calls. Run as a program: profile, calls."""

from __future__ import annotations

import sys

from pandas_clicdata import Session


def main() -> None:
    profile, calls = sys.argv[1], int(sys.argv[2])
    with Session(profile=profile) as session:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()  # so that all processes begin together
        for _ in range(calls):
            session.check()


if __name__ == "__main__":
    main()
