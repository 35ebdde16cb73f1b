"""The recipes of docs/guides/larger_than_memory.md run without a change, with the engines that they name."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
import totals
from pandas_clicdata import errors
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.sandbox import Sandbox

PAGE = Path(__file__).parents[1] / "docs" / "guides" / "larger_than_memory.md"
PARTS = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
RECIPES = {
    part.splitlines()[0]: re.findall(r"^```python\n(.*?)^```", part, re.DOTALL | re.MULTILINE) for part in PARTS[1:]
}
DATA_SET = 1004  # that the page names
ROWS = 25_000
IS_LONG = "CLICDATA_CLUSTERS" in os.environ
SALES = pd.DataFrame(
    {
        "day": [f"2026-01-{1 + n % 7:02}" for n in range(ROWS)],
        "shop": [f"{n % 20:03}" for n in range(ROWS)],
        "amount": [n / 4 for n in range(ROWS)],
    }
)


@pytest.fixture
def service(clicdata_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox with the data set of the page, in the environment of other processes; an empty folder."""
    columns = {"day": "date", "shop": "text", "amount": "number", "stamp": "text"}
    assert clicdata_sandbox.create("Sales", columns) == DATA_SET
    for name, value in {"URL": clicdata_sandbox.url, "API_KEY": clicdata_sandbox.credentials.api_key}.items():
        monkeypatch.setenv(f"CLICDATA_{name}", value)
    monkeypatch.setenv("CLICDATA_API_VERSION", "2022.01")
    monkeypatch.chdir(tmp_path)
    with pandas_clicdata.Session(
        url=clicdata_sandbox.url, api_key=clicdata_sandbox.credentials.api_key, api_version="2022.01"
    ) as session:
        session._sleep = lambda seconds: None
        manager.make_default(session)
        yield clicdata_sandbox


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def begin(code: str, *options: str) -> subprocess.Popen[str]:
    """Run a recipe as a script of its own."""
    Path("recipe.py").write_text(code, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(PAGE.parents[2])}
    command = [sys.executable, *options, "recipe.py"]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def stored(service: Sandbox) -> pd.DataFrame:
    rows = service.rows(DATA_SET)
    return pd.DataFrame({name: [row[name] for row in rows] for name in SALES.columns})


def write_parquet() -> None:
    Path("sales").mkdir()
    for number, start in enumerate(range(0, ROWS, 5_000)):
        SALES.iloc[start : start + 5_000].to_parquet(f"sales/{number}.parquet", index=False)


def test_each_recipe_has_a_test() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert set(RECIPES) == set(re.findall(r'= RECIPES\["(.*?)"\]', text))
    assert all(RECIPES.values())


def test_a_csv_file_is_appended_and_resumed(service: Sandbox) -> None:
    append, resume = RECIPES["A CSV file"]
    SALES.to_csv("sales.csv", index=False)
    service.faults.status(403, path=f"/data/{DATA_SET}/insert", after=30)
    with pytest.raises(errors.AppendInterrupted):
        run(append)
    assert 10_000 < service.count(DATA_SET) < 20_000
    assert run(resume)["receipt"].complete
    pd.testing.assert_frame_equal(stored(service), SALES, check_dtype=False)


def test_duckdb_reads_a_folder(service: Sandbox) -> None:
    [recipe] = RECIPES["A folder of parquet files, with duckdb"]
    pytest.importorskip("duckdb", reason="duckdb isn't installed")
    write_parquet()
    assert run(recipe)["receipt"].complete
    expected = SALES.groupby(["day", "shop"], as_index=False)["amount"].sum()
    pd.testing.assert_frame_equal(stored(service), expected, check_dtype=False)


def kill_a_worker(script: subprocess.Popen[str]) -> Callable[[], None]:
    import psutil

    def kill() -> None:
        processes = psutil.Process(script.pid).children(recursive=True)
        worker = next(one for one in processes if "spawn_main" in " ".join(one.cmdline()))
        os.kill(worker.pid, signal.SIGKILL)
        totals.add("processes killed, workers of dask", 1)

    return kill


@pytest.mark.cluster
@pytest.mark.timeout(300)
@pytest.mark.skipif(not IS_LONG, reason="a second cluster, which --long starts")
def test_a_cluster_with_a_killed_worker(service: Sandbox) -> None:
    cluster = RECIPES["A dask cluster"][0]
    pytest.importorskip("distributed", reason="distributed isn't installed")
    write_parquet()
    with begin(cluster) as script:
        service.faults.call(kill_a_worker(script), path=f"/data/{DATA_SET}/insert", after=3)
        out, err = script.communicate()
    assert script.returncode == 0, err
    assert "24,999 of 24,999 rows appended" in out
    pd.testing.assert_frame_equal(stored(service), SALES.iloc[1:].reset_index(drop=True), check_dtype=False)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of dask, with pandas 3.1
def test_days_are_replaced_by_a_dask_frame(service: Sandbox) -> None:
    again = RECIPES["A dask cluster"][1]
    pytest.importorskip("dask", reason="dask isn't installed")
    write_parquet()
    SALES.iloc[:500].clicdata.append(DATA_SET, types={"day": "date"})
    service.faults.status(403, path=f"/data/{DATA_SET}/insert", after=30)
    with pytest.raises(errors.SyncInterrupted):
        run(again)
    for _ in range(2):
        assert run(again)["receipt"].complete
        pd.testing.assert_frame_equal(stored(service), SALES, check_dtype=False)


@pytest.mark.skipif(find_spec("dlt") is None, reason="dlt isn't installed")
@pytest.mark.timeout(300)
def test_dlt_tries_again(service: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    [recipe] = RECIPES["A destination of dlt"]
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    service.faults.status(403, path=f"/data/{DATA_SET}/insert", after=4)
    with begin(recipe, "-W", "error") as script:
        out, err = script.communicate()
    assert script.returncode == 0, err
    assert "is LOADED and contains no failed jobs" in out
    assert [row["amount"] for row in service.rows(DATA_SET)] == [n / 4 for n in range(5_000)]


@pytest.mark.wide(2)
@pytest.mark.parametrize("has_disk", [True, False])
def test_a_function_that_is_called_again(service: Sandbox, tmp_path: Path, has_disk: bool) -> None:
    [recipe] = RECIPES["A scheduler that tries again"]
    SALES.to_csv("sales_2026-01-01.csv", index=False)
    load = run(recipe)["load"]
    path = f"/data/{DATA_SET}/insert"
    service.faults.drop(path=path, after=5, applied=True)  # the stamps resolve the doubt
    service.faults.drop(path=path, after=9)
    for after in (12, 33, 34):
        service.faults.status(403, path=path, after=after)
    for _ in range(3):
        with pytest.raises(errors.AppendInterrupted):
            load("2026-01-01")
        if not has_disk:
            (tmp_path / "journals" / "sales_2026-01-01.journal").unlink()
    for _ in range(2):  # the second time nothing is left to do
        assert "25,000 of 25,000 rows appended" in load("2026-01-01")
    pd.testing.assert_frame_equal(stored(service), SALES, check_dtype=False)
