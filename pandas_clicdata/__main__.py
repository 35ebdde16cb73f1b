"""python -m pandas_clicdata demo | sandbox | doctor."""

from __future__ import annotations

import argparse
import sys
import threading


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands.

    Parameters
    ----------
    arguments : list of str, optional
        What stands on the command line.

    Returns
    -------
    int
        The exit status.
    """
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.command == "doctor":
            from pandas_clicdata.commands.doctor import doctor

            return doctor()
        if chosen.command == "demo":
            from pandas_clicdata.commands.demo import demo

            return demo(chosen.csv, None if chosen.api_version.lower() == "none" else chosen.api_version)
        return _serve(chosen.port, chosen.path)
    except (ModuleNotFoundError, OSError) as error:  # without the extra; a port that is taken, a path that is none
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pandas_clicdata", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="the main job from end to end, on a sandbox of its own")
    demo.add_argument("csv", nargs="?", metavar="FILE.csv", help="a table of your own")
    demo.add_argument("--api-version", default="auto", help='the dialect: "auto" (default), "none" or "2022.01"')
    serve = commands.add_parser("sandbox", help="serve a ClicData on this machine until interrupted")
    serve.add_argument("--port", type=int, choices=range(65536), metavar="N", default=0, help="default: any free one")
    serve.add_argument("--path", help="a file to keep what is stored; default: memory")
    commands.add_parser("doctor", help="which setting came from where, and whether a call gets through")
    return parser


def _serve(port: int, path: str | None) -> int:
    from pandas_clicdata import sandbox

    with sandbox.start(port=port, path=path, record=False) as service:
        print(f"ClicData sandbox at {service.url}  (Ctrl-C ends it)\n")
        print("These credentials work here, and only here:")
        print(f"  CLICDATA_URL={service.url}")
        for name, value in sorted(vars(service.credentials).items()):
            print(f"  CLICDATA_{name.upper()}={value}")
        sys.stdout.flush()
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
