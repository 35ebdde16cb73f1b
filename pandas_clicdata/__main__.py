"""python -m pandas_clicdata demo | sandbox | doctor."""

from __future__ import annotations

import argparse
import io
import sys
import threading


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands.

    Parameters
    ----------
    arguments : list of str, optional
        The arguments of the command line; by default those of this process.

    Returns
    -------
    int
        The exit status.
    """
    options = _make_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have letters that the terminal lacks
    try:
        if options.command == "doctor":
            from pandas_clicdata.commands.doctor import doctor
            from pandas_clicdata.commands.probe import probe

            return probe(options) if options.probe else doctor()
        if options.command == "demo":
            from pandas_clicdata.commands.demo import demo

            version = None if options.api_version.lower() == "none" else options.api_version
            return demo(options.file, version, options.rows)
        return _serve(options.port, options.path)
    except (ModuleNotFoundError, OSError) as error:  # no extra installed, or a bad port or path
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pandas_clicdata", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="push a table to a sandbox, change it and read it back")
    demo.add_argument("file", nargs="?", metavar="FILE", help="a table of your own: CSV, Excel or parquet")
    demo.add_argument("--rows", type=_count, metavar="N", default=1_000_000, help="rows to take (default: 1,000,000)")
    demo.add_argument("--api-version", default="auto", help='the dialect: "auto" (default), "none" or "2022.01"')
    serve = commands.add_parser("sandbox", help="serve a ClicData on this machine until interrupted")
    serve.add_argument("--port", type=_port, metavar="N", default=0, help="default: any free one")
    serve.add_argument("--path", help="a file to store the data in; default: memory")
    doctor = commands.add_parser("doctor", help="show where each setting comes from, and whether a call succeeds")
    how = doctor.add_mutually_exclusive_group()
    for name, what in (("--probe", "reads"), ("--probe-writes", "writes")):
        how.add_argument(name, dest="probe", action="store_const", const=what, help=f"ask what isn't known; it {what}")
    doctor.add_argument("--json", metavar="FILE", help="of a probe: a file for its report as JSON")
    doctor.add_argument("--yes", action="store_true", help="of --probe-writes: agree to the data set that it makes")
    doctor.add_argument(
        "--data-set", type=int, metavar="ID", help="of --probe-writes: one that it made, now with a key"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows: give an integer from 1")
    return int(text)


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")
    return port


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
