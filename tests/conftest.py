"""Fixtures of all tests: no credentials in the environment, no session of another test, and the sandbox."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

import totals
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

if not any(point.name == "pandas_clicdata" for point in entry_points(group="pytest11")):
    pytest_plugins = ["pandas_clicdata_pytest"]  # the package runs from a checkout and isn't installed

# A journal waits for the disk at each chunk; a folder in memory doesn't.
MEMORY = "/dev/shm"
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 << 30:
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY

# A shell that runs the tests in the background ignores Ctrl-C for them and for the processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


settings.register_profile("package", deadline=None)  # no test measures time
settings.load_profile("package")

# The sizes of a long run; each is read by the module that uses it.
LONG = {
    "CLICDATA_SCHEDULES": 10_000,
    "CLICDATA_CHANGES": 600,
    "CLICDATA_SOCKET_RUNS": 500,
    "CLICDATA_ANSWERS": 20_000,
    "CLICDATA_FRAMES": 5_000,
    "CLICDATA_KILLS": 300,
    "CLICDATA_PLACES": 400,
    "CLICDATA_CLUSTERS": 2,
    "CLICDATA_RUNS": 300,
    "CLICDATA_CALLS": 200,
    "CLICDATA_RENEWALS": 200,
    "CLICDATA_LETTERS": 4_000_000,
    "CLICDATA_ROWS": 1_000_000,
    "CLICDATA_READS": 700,
    "CLICDATA_SOAK": 60,
    "CLICDATA_STALLED": 200,
    "CLICDATA_LONG": 1,
}


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins without credentials in the environment, without profiles and without a default session."""
    for name in [name for name in os.environ if name.startswith("CLICDATA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLICDATA_CONFIG", os.path.join(os.devnull, "config.toml"))  # noqa: PTH118  # never there
    monkeypatch.setattr(manager, "_default", None)
    yield
    if manager._default is not None:
        manager._default.close()


@pytest.fixture
def own_jedi_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give jedi a cache of its own: two processes that write the same files break them."""
    monkeypatch.setattr("jedi.settings.cache_directory", str(tmp_path))


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox) -> Iterator[Session]:
    """The default session on a new sandbox, in each dialect."""
    with clicdata_sandbox.session(api_version=request.param) as opened:
        manager.make_default(opened)
        yield opened


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for long runs."""
    parser.addoption("--long", action="store_true", help="as many schedules, kills and interrupts as are promised")
    parser.addoption("--soak", type=float, metavar="MINUTES", help="how long the soak takes; a minute with --long")


def pytest_configure(config: pytest.Config) -> None:
    """Set the sizes before the test modules are imported."""
    if config.getoption("--soak"):
        os.environ["CLICDATA_SOAK"] = str(60 * config.getoption("--soak"))
    if config.getoption("--long"):
        for name, size in LONG.items():
            os.environ.setdefault(name, str(size))
        config.option.timeout = config.option.timeout or 900  # in seconds, as a test may do 30 times as much
    else:
        settings.register_profile("short", max_examples=25, deadline=None)
        settings.load_profile("short")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one case in ``n`` of a test with the mark ``wide(n)``, always the same ones; all cases in a long run."""
    from sample import some  # reads what pytest_configure sets

    tests: dict[tuple[object, ...], list[pytest.Item]] = {}
    for item in items:
        if (mark := item.get_closest_marker("wide")) is not None:
            tests.setdefault((*mark.args, item.nodeid.partition("[")[0]), []).append(item)
    left_out = set[pytest.Item]()
    for (one_in, name), cases in tests.items():
        ordered = sorted(cases, key=lambda case: case.nodeid)
        left_out.update({*ordered} - {*some(ordered, int(str(one_in)), name)})
    totals.left_out = len(left_out)
    config.hook.pytest_deselected(items=[*left_out])
    items[:] = [item for item in items if item not in left_out]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one process more than there are cores: many tests wait, for processes or for the end of a time limit."""
    return (os.cpu_count() or 1) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of a worker process of pytest-xdist to the main process."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput.update(counted=dict(totals.counted), left_out=totals.left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a worker process."""
    output = getattr(node, "workeroutput", {})
    totals.counted.update(output.get("counted", {}))
    totals.left_out = output.get("left_out", totals.left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print three lines: calls, faults and skipped tests; with --long, each count."""
    reasons = Counter(str(report.longrepr[-1]) for report in terminalreporter.stats.get("skipped", []))
    skipped = [f"{number} x {reason.removeprefix('Skipped: ')}" for reason, number in sorted(reasons.items())]
    skipped += [f"{totals.left_out:,} cases of wide tests, left to --long"] * bool(totals.left_out)
    terminalreporter.write_line(f"put through: {totals.told(totals.WORK)}")
    terminalreporter.write_line(f"with: {totals.told(totals.HARM)}")
    terminalreporter.write_line(f"skipped: {'; '.join(skipped) or 'nothing'}")
    if terminalreporter.config.getoption("--long"):
        counts = ", ".join(f"{number:,} {what}" for what, number in sorted(totals.counted.items()))
        terminalreporter.write_line(f"in detail: {counts}")
