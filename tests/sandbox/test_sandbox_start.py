"""Start, stop, storage, inspection, and imports."""

from __future__ import annotations

import configparser
import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from graphlib import TopologicalSorter
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pandas_clicdata import sandbox as package
from pandas_clicdata.sandbox import listener, start

ROOT = Path(__file__).parents[2]
# An empty package in the place of the real one, which imports pandas.
STUB = """
import sys, types
from pathlib import Path
package = types.ModuleType("pandas_clicdata")
package.__path__ = [str(Path("pandas_clicdata").resolve())]
sys.modules["pandas_clicdata"] = package
"""


def python(code, *, cwd=ROOT):
    """Return the output of a fresh interpreter in which warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code], cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class TestLife:
    def test_any_free_port(self):
        with start() as one, start() as other:
            assert one.url != other.url
            assert urlsplit(one.url).hostname == "127.0.0.1"

    def test_a_chosen_port_and_a_taken_one(self, caller_of):
        with start() as sandbox:
            port = urlsplit(sandbox.url).port
            with pytest.raises(OSError, match=f"Port {port} is taken"):
                start(port=port)
        with start(port=port) as again:
            assert urlsplit(again.url).port == port
            assert len(caller_of(again, "2022.01").ok("GET", "data")) == 3

    def test_a_commit_that_fails_loses_no_later_write(self, tmp_path):
        with start(path=tmp_path / "account", sample=False) as sandbox:
            database = sandbox._database
            connection = database._connection

            class Full:
                def __getattr__(self, name):
                    return getattr(connection, name)

                def commit(self):
                    raise sqlite3.OperationalError("database or disk is full")

            database._connection = Full()
            with pytest.raises(sqlite3.OperationalError):
                sandbox.create("Lost", {"n": "number"})
            database._connection = connection
            sandbox.create("Kept", {"n": "number"})
        with start(path=tmp_path / "account") as again:
            assert [one.name for one in again.data_sets()] == ["Kept"]

    def test_a_port_of_its_own_on_windows(self, monkeypatch):
        """There, SO_REUSEADDR lets two programs listen on the same port."""
        monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
        with listener._bound(0) as bound:
            assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)

    def test_closing_ends_open_connections(self, caller_of):
        sandbox = start()
        callers = [caller_of(sandbox) for _ in range(10)]
        before = threading.active_count()
        sandbox.close()
        sandbox.close()
        assert threading.active_count() <= before - 11
        assert "closed" in repr(sandbox)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", urlsplit(callers[0].url).port), 1)

    def test_connections_are_kept(self, sandbox, legacy):
        before = threading.active_count()
        for _ in range(5):
            assert "Connection" not in legacy("GET", "data").headers
        assert threading.active_count() == before

    def test_a_caller_may_end_a_connection(self, legacy):
        assert legacy("GET", "data", headers={"Connection": "close"}).headers["Connection"] == "close"
        assert legacy("GET", "data").status_code == 200

    def test_a_file_keeps_everything(self, tmp_path, caller_of):
        file = tmp_path / "account.db"
        with start(path=file) as sandbox:
            caller = caller_of(sandbox)
            rec_id = caller.ok("POST", "data", json={"name": "n", "columns": [{"name": "a", "data_type": "number"}]})
            caller.ok("POST", f"data/{rec_id}/rows", json={"data": [[1], [2]]})
            caller.ok("DELETE", f"data/{rec_id}/row", json={"find": [{"column": "a", "value": 1}]})
        with start(path=str(file)) as sandbox:
            assert [item.name for item in sandbox.data_sets()][-1] == "n"
            assert len(sandbox.data_sets()) == 4
            assert sandbox.rows(rec_id) == [{"a": 2}]
            assert sandbox.rows(rec_id, 1) == [{"a": 1}, {"a": 2}]

    def test_without_samples(self, caller_of):
        with start(sample=False) as sandbox:
            assert caller_of(sandbox).ok("GET", "data") == {"count": 0, "data": []}

    def test_nothing_is_printed_and_nothing_left(self):
        code = f"""{STUB}
import requests
from pandas_clicdata.sandbox import start
with start() as sandbox, requests.Session() as http:
    http.get(sandbox.url + "data")
    http.get(sandbox.url, data="x")
    sandbox.faults.drop()
    try:
        http.get(sandbox.url + "data")
    except requests.ConnectionError:
        pass
"""
        assert python(code) == ""

    def test_many_at_once(self, sandbox, caller_of):
        rec_id = sandbox.create("one", {"v": "number"})
        callers = [caller_of(sandbox) for _ in range(8)]

        def write(number, caller):
            for n in range(20):
                caller.ok("POST", f"data/{rec_id}/rows", json={"data": [[number * 100 + n]]})

        threads = [threading.Thread(target=write, args=pair) for pair in enumerate(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(row["v"] for row in sandbox.rows(rec_id)) == [a * 100 + n for a in range(8) for n in range(20)]
        assert sandbox.data_sets()[-1].version == 160


class TestInside:
    def test_requests_are_recorded(self, sandbox, legacy):
        legacy("POST", "data/1001/row", params={"x": "1"}, json={"data": []}, headers={"X-Mine": "y"})
        login, request = sandbox.requests
        assert (login.path, login.status) == ("/oauth20/token", 200)
        assert (request.method, request.path, request.query) == ("POST", "/data/1001/row", {"x": "1"})
        assert request.headers["x-mine"] == "y"
        assert request.body == b'{"data": []}'
        assert request.json == {"data": []}
        assert request.status == 200
        assert login.json is None

    def test_or_not(self, caller_of):
        with start(record=False) as sandbox:
            caller_of(sandbox).ok("GET", "data")
            assert sandbox.requests == []

    def test_another_writer(self, sandbox):
        rec_id = sandbox.create("one", {"v": "number", "t": "text"}, "mine")
        sandbox.append(rec_id, [{"v": 1}, {"v": 2.5, "t": "x"}])
        assert sandbox.delete(rec_id, {"v": 1}) == 1
        assert sandbox.rows(rec_id) == [{"v": 2.5, "t": "x"}]
        assert sandbox.count(rec_id) == 1

    @pytest.mark.parametrize(
        "overrides",
        [
            {},
            {"auth_method": "client_credentials"},
            {"auth_method": "basic"},
            {"auth_method": "api_key"},
            {"auth_method": "authorization_code"},
        ],
    )
    def test_sessions(self, sandbox, overrides):
        from pandas_clicdata import Data

        for _ in range(2):
            with sandbox.session(**overrides) as session:
                assert len(Data(session=session).get_data(output="dict")) == 3

    def test_a_session_with_a_wrong_key(self, sandbox):
        from pandas_clicdata import Data
        from pandas_clicdata.errors import BadCredentials

        with sandbox.session(api_key="wrong") as session, pytest.raises(BadCredentials):
            Data(session=session).get_data()


class TestImports:
    def test_names(self):
        assert set(package.__all__) <= set(dir(package))
        for name in package.__all__:
            assert getattr(package, name).__name__ == name
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            package.nothing  # noqa: B018 - the attribute access is the test

    def test_without_the_extra(self):
        code = f"""{STUB}
sys.modules["werkzeug"] = None
try:
    from pandas_clicdata.sandbox import start
except ImportError as error:
    print(error)
"""
        assert "needs Werkzeug: install this package again from its checkout" in python(code)

    def test_no_module_imports_itself_by_way_of_others(self):
        """Imports for types count too."""
        modules = {path.stem: path.read_text("utf-8") for path in Path(package.__path__[0]).glob("*.py")}
        imports = {
            name: set(re.findall(r"from pandas_clicdata\.sandbox\.(\w+) import", modules[name])) for name in modules
        }
        assert len(imports["server"]) > 5
        TopologicalSorter(imports).prepare()  # raises CycleError

    def test_the_plugin_imports_little(self):
        code = """
import sys, _pytest.config, pytest
before = set(sys.modules)
import pandas_clicdata_pytest
print(set(sys.modules) - before)
"""
        assert python(code).strip() == "{'pandas_clicdata_pytest'}"

    def test_pytest_is_told_to_load_the_plugin(self):
        settings = configparser.ConfigParser()
        settings.read(ROOT / "setup.cfg")
        assert settings["options"]["py_modules"] == "pandas_clicdata_pytest"
        assert 'pandas_clicdata = "pandas_clicdata_pytest"' in (ROOT / "pyproject.toml").read_text("utf-8")

    def test_the_server_knows_nothing_of_the_client(self):
        code = f"""{STUB}
import json
from pandas_clicdata.sandbox import start
start().close()
print(json.dumps([name for name in sys.modules if name.startswith("pandas")]))
"""
        modules = json.loads(python(code))
        assert "pandas_clicdata.sandbox.server" in modules
        assert [name for name in modules[1:] if not name.startswith("pandas_clicdata.sandbox")] == []


def test_fixtures(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        """
from pandas_clicdata import SessionManager, Data

def test_one(clicdata_sandbox, clicdata_session):
    data = Data(session=clicdata_session)
    rec_id = data.create_data("mine", {"a": "number"})
    assert clicdata_sandbox.count(rec_id) == 0

def test_two_begins_afresh(clicdata_sandbox, clicdata_session):
    assert len(clicdata_sandbox.data_sets()) == 3
    assert clicdata_sandbox.requests == []
"""
    )
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_fixtures_without_the_extra(tmp_path):
    (tmp_path / "conftest.py").write_text("import sys\n\nsys.modules['werkzeug'] = None\n")
    (tmp_path / "test_mine.py").write_text("def test_one(clicdata_session):\n    pass\n")
    said = run_pytest(tmp_path).stdout
    assert "install this package again from its checkout, with pip install '.[sandbox]'" in said
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if "Werkzeug" in line]) <= 2  # the failure, and the summary


def run_pytest(folder):
    installed = any(point.name == "pandas_clicdata" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "pandas_clicdata_pytest"]
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *plugin, f"--rootdir={folder}", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
