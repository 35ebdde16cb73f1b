"""The command ``clicdata``: its output, its files, and its exit codes."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pandas as pd
import pyarrow as pa
import pytest

import pandas_clicdata
from pandas_clicdata import Session
from pandas_clicdata.__main__ import main
from pandas_clicdata.commands.app import app
from pandas_clicdata.commands.outcome import describe, exit_of, without_python
from pandas_clicdata.errors import DeleteAmbiguous

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.sandbox import Sandbox
    from pandas_clicdata.sandbox.faults import Received
    from pandas_clicdata.session.wire import Reply, Request

CHECKOUT = Path(pandas_clicdata.__path__[0]).parent


class Said(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, clicdata_sandbox: Sandbox) -> Sandbox:
    """A sandbox with the credentials of the environment. No command waits before it repeats a request."""
    for name in ("client_id", "client_secret"):
        monkeypatch.setenv(f"CLICDATA_{name.upper()}", getattr(clicdata_sandbox.credentials, name))
    monkeypatch.setenv("CLICDATA_URL", clicdata_sandbox.url)
    monkeypatch.setattr("pandas_clicdata.session.session.time.sleep", lambda seconds: None)
    return clicdata_sandbox


@pytest.fixture
def clicdata(account: Sandbox, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def run(*arguments: str | Path) -> Said:
        capsys.readouterr()
        code = main([*map(str, arguments)])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def visits(account: Sandbox) -> int:
    """A data set of three rows."""
    rec_id = account.create("Visits", {"shop": "text", "visits": "number", "open": "checkbox", "day": "date"})
    rows = [("01", 17, True, "2024-01-31"), ("02", 4, False, None), ("03", 9, None, "2024-02-01")]
    account.append(rec_id, [dict(zip(("shop", "visits", "open", "day"), row, strict=True)) for row in rows])
    return rec_id


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


# ---------------------------------------------------------------------------------------------------------
# Reading


def test_the_data_sets_are_listed(clicdata: Callable[..., Said]) -> None:
    said = clicdata("list")
    head, *rows = [line.split("\t") for line in said.out.splitlines()]
    assert head[:2] == ["rec_id", "name"]
    assert [row[1] for row in rows] == ["Shops", "Orders", "Sales targets"]
    assert said.err == ""
    assert [one["name"] for one in clicdata("list", "Ord", "--json").json["data_sets"]] == ["Orders"]


def test_the_versions_are_listed(clicdata: Callable[..., Said], visits: int) -> None:
    said = clicdata("history", "Visits", "--json").json
    assert {version["row_count"] for version in said["versions"]} >= {3}
    number = str(said["versions"][0]["version"])
    assert clicdata("read", "Visits", "--version", number).code == 0
    assert clicdata("read", "Visits", "--version", "latest").code == 0


CSV = "shop,visits,open,day\n01,17,True,2024-01-31\n02,4,False,\n03,9,,2024-02-01\n"


def test_a_data_set_is_read_to_stdout(clicdata: Callable[..., Said], visits: int) -> None:
    assert clicdata("read", "Visits") == Said(0, CSV, "")
    assert clicdata("read", str(visits), "-o", "-", "--format", "csv").out == CSV
    assert json.loads(clicdata("read", "Visits", "--format", "json").out)[0] == {
        "shop": "01", "visits": 17, "open": True, "day": "2024-01-31",
    }  # fmt: skip
    said = clicdata("read", "Visits", "--json", "--column", "visits", "--rows", "2").json
    assert said == {"ok": True, "exit_code": 0, "rec_id": visits, "rows": 2, "data": [{"visits": 17}, {"visits": 4}]}


def test_a_data_set_is_read_to_files(clicdata: Callable[..., Said], visits: int, tmp_path: Path) -> None:
    for name in ("a.csv", "a.json", "a.parquet", "a.arrow"):
        said = clicdata("read", "Visits", "-o", tmp_path / name)
        assert said[:2] == (0, "")
        assert "3 rows" in said.err
    assert (tmp_path / "a.csv").read_text() == CSV
    assert len(json.loads((tmp_path / "a.json").read_text())) == 3
    assert pd.read_parquet(tmp_path / "a.parquet")["shop"].tolist() == ["01", "02", "03"]
    with pa.ipc.open_file(tmp_path / "a.arrow") as reader:
        assert reader.read_all()["visits"].to_pylist() == [17, 4, 9]
    said = clicdata("read", "Visits", "-o", tmp_path / "b.csv", "--json", "--types", "visits=text")
    assert said.json == {"ok": True, "exit_code": 0, "rec_id": visits, "rows": 3, "file": str(tmp_path / "b.csv")}
    assert len(list(tmp_path.iterdir())) == 5


def test_a_file_is_never_half_written(clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path) -> None:
    target = written(tmp_path / "orders.csv", "as it was")
    account.faults.status(500, method="GET", path="/data/1002", times=100)
    assert clicdata("read", "Orders", "-o", target).code == 75
    assert target.read_text() == "as it was"
    assert [*tmp_path.iterdir()] == [target]


def test_a_link_and_the_mode_of_a_file_stay(clicdata: Callable[..., Said], visits: int, tmp_path: Path) -> None:
    target, link = written(tmp_path / "real.csv", ""), tmp_path / "link.csv"
    target.chmod(0o600)
    link.symlink_to(target)
    assert clicdata("read", "Visits", "-o", link).code == 0
    assert link.is_symlink()
    assert target.read_text() == CSV
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_device_is_written_to_as_it_is(clicdata: Callable[..., Said], visits: int) -> None:
    assert clicdata("read", "Visits", "--format", "csv", "-o", os.devnull).code == 0
    assert not Path(os.devnull).is_file()


def test_a_data_set_without_rows(clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path) -> None:
    account.create("Empty", {"a": "text"})
    assert clicdata("read", "Empty") == Said(0, "", "")
    assert clicdata("read", "Empty", "--json").json["data"] == []
    assert clicdata("read", "Empty", "-o", tmp_path / "empty.parquet").code == 0


def test_digits_are_an_id_unless_said_to_be_a_name(clicdata: Callable[..., Said], account: Sandbox) -> None:
    rec_id = account.create("2026", {"a": "text"})
    account.append(rec_id, [{"a": "x"}])
    assert clicdata("read", "2026").code == 5
    assert clicdata("read", "2026", "--name").out == "a\nx\n"
    assert clicdata("read", str(rec_id)).out == "a\nx\n"


def test_columns_and_rows(clicdata: Callable[..., Said], visits: int) -> None:
    assert clicdata("count", "Visits").out == "3\n"
    assert clicdata("count", str(visits), "--json").json == {"ok": True, "exit_code": 0, "rec_id": visits, "rows": 3}
    head, first, *_ = clicdata("columns", "Visits").out.splitlines()
    assert dict(zip(head.split("\t"), first.split("\t"), strict=True))["holds"] == "text"
    columns = clicdata("columns", "Visits", "--json").json["columns"]
    assert [(one["name"], one["type"]) for one in columns][:2] == [("shop", "text"), ("visits", "number")]


def test_a_refresh(clicdata: Callable[..., Said]) -> None:
    assert clicdata("refresh", "Orders", "--json").json["response"] == {"success": True}
    assert clicdata("refresh", "Orders", "--method", "often").code == 2


def test_a_refresh_is_waited_for(
    clicdata: Callable[..., Said], account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = threading.Event().wait  # `account` replaces time.sleep, which then doesn't wait
    monkeypatch.setattr("pandas_clicdata.endpoints.data.Data._sleep", lambda self, seconds: wait(min(seconds, 1)))
    said = clicdata("refresh", "Sales targets", "--wait")
    assert said.code == 0
    assert "refreshed" in said.err
    said = clicdata("refresh", "Orders", "--wait", "--timeout", "0.000001")
    assert (said.code, said.err.endswith("may go on.\n")) == (3, True)


# ---------------------------------------------------------------------------------------------------------
# Files of rows


LONG = "1234567890123456"  # more digits than a float has


def test_text_of_a_csv_file_stays_text(clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path) -> None:
    file = written(
        tmp_path / "own.csv",
        f'code,n,price,flag,day,note,id\n007,1,1.5,true,2024-01-31,NA,{LONG}\n12,2,2,FALSE,,"",1\n',
    )
    plan = clicdata("push", file, "Own", "--dry-run", "--json").json["plan"]
    assert {column["column"]: column["sent_as"] for column in plan["columns"]} == {
        "code": "text", "n": "number", "price": "number", "flag": "checkbox", "day": "text", "note": "text",
        "id": "text",
    }  # fmt: skip
    assert clicdata("push", file, "Own", "--types", "day=date", "--types", "n=text").code == 0
    assert account.rows(account.data_sets()[-1].rec_id) == [
        {"code": "007", "n": "1", "price": 1.5, "flag": True, "day": "2024-01-31", "note": "NA", "id": LONG},
        {"code": "12", "n": "2", "price": 2, "flag": False, "day": None, "note": "", "id": "1"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        'shop,visits\n17,"3',
        '17,3\nshop,"vis',
        'shop,visits\n"17,3',
        'shop,visits\n17,3\n02,"2\n03,3\n',
        'shop,visits\r17,"3\r',
        'shop\n"17',
        'shop\n17\n"',
    ],
)
def test_a_file_that_ends_within_quotation_marks_is_refused(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path, text: str
) -> None:
    before = account.rows(visits)
    said = clicdata("sync", written(tmp_path / "cut.csv", text), "Visits", "--on", "shop", "--max-deletes", "1.0")
    assert said.code == 1
    assert "a quotation mark is not closed: the file may be cut" in said.err
    assert account.rows(visits) == before


@pytest.mark.parametrize("text", ['a,b\n1,"x\ny"', 'a,b\r\n1,"x\ny"\r\n', 'a,b\r1,"x\ny"\r', '"a",b\n1,"x\ny"\n\n'])
def test_the_end_of_a_file_is_no_row(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path, text: str
) -> None:
    assert clicdata("push", written(tmp_path / "whole.csv", text), "Whole").code == 0
    assert account.rows(account.data_sets()[-1].rec_id) == [{"a": 1, "b": "x\ny"}]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("shop,visits\n17,3\n", {"shop": "17", "visits": 3, "open": None, "day": None}),
        ("shop,visits\n1,007\n", {"shop": "1", "visits": 7, "open": None, "day": None}),
        ("shop,open\n1e5,false\n", {"shop": "1e5", "visits": None, "open": False, "day": None}),
        ("shop,day\ntrue,2024-05-01\n", {"shop": "true", "visits": None, "open": None, "day": "2024-05-01"}),
    ],
)
def test_cells_become_what_the_data_set_holds(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path, text: str, row: dict[str, Any]
) -> None:
    said = clicdata("append", written(tmp_path / "new.csv", text), "Visits")
    if "007" in text:  # not a number in the form of ClicData
        assert said.code == 1
        assert "Row 0 holds '007'" in said.err
    else:
        assert said.code == 0, said.err
        assert account.rows(visits)[-1] == row


def test_a_column_whose_digits_no_float_holds_stays_text(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path
) -> None:
    kept = {"a": "0.30000000000000004", "b": "1234567890.123456", "c": "1.5e300"}
    lost = {"d": "123456789012345.678", "e": "0.12345678901234567", "f": "1e-400", "g": "1e400", "h": "1.2345678e-320"}
    cells = {**kept, **lost}
    file = written(tmp_path / "own.csv", f"{','.join(cells)}\n{','.join(cells.values())}\n")
    assert clicdata("push", file, "Own").code == 0
    numbers = {name: float(text) for name, text in kept.items()}
    assert account.rows(account.data_sets()[-1].rec_id) == [{**numbers, **lost}]
    said = clicdata("push", file, "Numbers", *(f"--types={name}=number" for name in cells), "--dry-run")
    assert "beyond the range" in said.err


def test_digits_that_no_float_holds_are_sent_to_a_column_of_numbers(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path
) -> None:
    rec_id = account.create("Numbers", {"n": "number"})
    account.append(rec_id, [{"n": 1}])
    file = written(tmp_path / "new.csv", "n\n123456789012345.678\n1e-400\n")
    assert clicdata("append", file, "Numbers").code == 0
    sent = json.loads(account.requests[-1].body, parse_float=str)["data"]
    assert [[cell["value"] for cell in row] for row in sent] == [["123456789012345.678"], ["1E-400"]]


@pytest.fixture
def sparse(account: Sandbox) -> int:
    """A data set whose page 1 has no code, no count and no flag. Page 2 has codes and counts, and page 3 has flags."""
    rec_id = account.create("Sparse", {"id": "number", "code": "text", "n": "number", "flag": "text"})
    rows = [{"id": number, "code": None, "n": None, "flag": None} for number in range(2_100)]
    account.append(rec_id, [*rows[:1200], {"id": 1200, "code": "1.20", "n": 5, "flag": None}, *rows[1201:]])
    account.append(rec_id, [{"id": 2_100, "code": "007", "n": None, "flag": "True"}])
    return rec_id


def pages(account: Sandbox) -> list[str]:
    """Return the page numbers that were requested since the last call."""
    asked = [seen.query.get("page", "1") for seen in account.requests if seen.method == "GET" and "/data/" in seen.path]
    account.requests.clear()
    return asked


@pytest.mark.parametrize("verb", ["append", "upsert", "replace", "push"])
def test_a_later_page_shows_what_the_data_set_holds(
    clicdata: Callable[..., Said], account: Sandbox, sparse: int, tmp_path: Path, verb: str
) -> None:
    file = written(tmp_path / "new.csv", "id,code,n,flag\n7,1.10,3,true\n8,12,4,false\n")
    key = {"upsert": ["--on", "id"], "replace": ["--by", "id"], "push": ["--if-exists", "append"]}.get(verb, [])
    said = clicdata(verb, file, "Sparse", *key)
    assert said.code == 0, said.err
    changed = [row for row in account.rows(sparse) if row["id"] in (7, 8) and row["code"] is not None]
    assert changed == [
        {"id": 7, "code": "1.10", "n": 3, "flag": "true"},
        {"id": 8, "code": "12", "n": 4, "flag": "false"},
    ]


def test_only_columns_that_page_1_does_not_show_need_more_pages(
    clicdata: Callable[..., Said], account: Sandbox, sparse: int, tmp_path: Path
) -> None:
    pages(account)
    more: list[tuple[str, list[str], list[str]]] = [
        ("id\n1\n", [], ["1"]),
        ("code\nA7\n", [], ["1"]),  # can only be text
        ("id,code\n1,\n", [], ["1"]),
        ("code\n12\n", ["--types", "code=text"], ["1"]),
        ("code\n12\n", [], ["1", "1", "2"]),
        ("n\n12\n", [], ["1", "1", "2"]),
        ("code,flag\n12,true\n", [], ["1", "1", "2", "3"]),
    ]
    for text, options, expected in more:
        said = clicdata("append", written(tmp_path / "new.csv", text), "Sparse", *options, "--dry-run")
        assert said.code == 0, said.err
        assert pages(account) == expected, text
    file = written(tmp_path / "keys.csv", "code,flag\n12,true\n")  # a delete sends only the keys
    assert clicdata("delete", file, "Sparse", "--on", "code", "--dry-run").code == 0
    assert pages(account) == ["1", "1", "2", "1", "2", "3"]


def test_a_column_without_any_cell_is_what_the_cells_of_the_file_are(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path
) -> None:
    rec_id = account.create("Blank", {"id": "number", "n": "number"})
    account.append(rec_id, [{"id": number, "n": None} for number in range(1_200)])
    assert clicdata("append", written(tmp_path / "new.csv", "id,n\n1,5\n"), "Blank").code == 0
    assert account.rows(rec_id)[-1] == {"id": 1, "n": 5}


def test_if_the_other_pages_can_not_be_read_the_caller_says_the_types(
    clicdata: Callable[..., Said], account: Sandbox, sparse: int, tmp_path: Path
) -> None:
    def loop(sent: Received) -> Received:
        return dataclasses.replace(sent, query={**sent.query, "page": "1"})

    account.faults.edit_request(loop, method="GET", path=f"/data/{sparse}", times=None)
    file = written(tmp_path / "new.csv", "code\n12\n")
    before = account.count(sparse)
    said = clicdata("append", file, "Sparse")
    assert said.code == 1
    assert "page 1 shows no cell of 'code'" in said.err
    assert "--types code=text" in said.err
    assert account.count(sparse) == before
    assert clicdata("append", file, "Sparse", "--types", "code=text").code == 0
    assert account.rows(sparse)[-1]["code"] == "12"


def test_a_column_that_arrow_has_no_type_for_is_read_as_text(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path
) -> None:
    rec_id = account.create("Large", {"n": "number"})
    account.append(rec_id, [{"n": 10**25}, {"n": 1}])
    file = tmp_path / "a.parquet"
    said = clicdata("read", "Large", "-o", file)
    assert (said.code, "--types 'n=text' reads them" in said.err) == (1, True)
    assert clicdata("read", "Large", "-o", file, "--types", "n=text").code == 0
    assert pd.read_parquet(file)["n"].tolist() == [str(10**25), "1"]


def test_files_of_all_formats_are_read_alike(clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path) -> None:
    frame = pd.DataFrame({"shop": ["01", None], "visits": [2**60 + 1, 3], "price": [0.1, None]})
    frame["visits"] = frame["visits"].astype("Int64")
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_csv(tmp_path / "semicolon.csv", index=False, sep=";", encoding="utf-16")
    (tmp_path / "a.json").write_text(json.dumps([{"shop": "01", "visits": 2**60 + 1, "price": 0.1}, {"visits": 3}]))
    table = pa.Table.from_pandas(frame)
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    expected = [{"shop": "01", "visits": 2**60 + 1, "price": 0.1}, {"shop": None, "visits": 3, "price": None}]
    for number, file in enumerate(sorted(tmp_path.iterdir())):
        more = ["--sep", ";"] if "semicolon" in file.name else []
        said = clicdata("push", file, f"Set {number}", "--types", "visits=number", *more)
        assert said.code == 0, (file, said.err)
        assert account.rows(account.data_sets()[-1].rec_id) == expected, file


@pytest.mark.parametrize(
    ("text", "cells"),
    [("a\n1\n\n3\n", [1, None, 3]), ("a\r\n1\r\n\r\n", [1, None]), ("\r\n\na\n\n7", [None, 7])],
)
def test_an_empty_line_is_the_missing_cell_of_the_only_column(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path, text: str, cells: list[Any]
) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode())
    assert clicdata("push", tmp_path / "a.csv", "Own", "--types", "a=number").code == 0
    assert [row["a"] for row in account.rows(account.data_sets()[-1].rec_id)] == cells


@pytest.mark.parametrize("file_format", ["csv", "json", "parquet", "arrow"])
def test_a_file_that_was_read_is_appended_with_the_same_cells(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path, file_format: str
) -> None:
    columns: list[dict[str, list[Any]]] = [
        {"note": ["x", None, "", "y", None]},
        {"n": [1, None, 3]},
        {"note": ["", '"', "\n", None], "more": [None, "", "a,b", None]},
        {"a\rb": ["1\r2", "\r", "\r\n", "", None, "\n\r", "x"]},
        {"day": ["2024-01-31", None]},
    ]
    for number, cells in enumerate(columns):
        types = {name: {"n": "number", "day": "date"}.get(name, "text") for name in cells}
        rows = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
        mine, copy = account.create(f"Mine {number}", types), account.create(f"Copy {number}", types)
        account.append(mine, rows)
        file = tmp_path / f"{number}.{file_format}"
        assert clicdata("read", str(mine), "-o", file).code == 0
        dates = ["--types", "day=date"] if "day" in cells else []
        assert clicdata("append", file, str(copy), *dates).code == 0
        assert account.rows(copy) == rows


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("own.csv", b"", "no line with the names"),
        ("own.csv", b"a,b\n1\n", "Expected 2 columns"),
        ("own.csv", b"a,b\n1,2,3\n", "Expected 2 columns"),
        ("own.csv", b"a\n\xe9\n", "--encoding"),
        ("own.csv", b"a,a\n1,2\n", "come twice"),
        ("own.csv", b"a,b,a\nx,2,3\n", "columns come twice: ['a']"),
        ("own.csv", b"a,b,\n1,2,\n", "column 3 has no name in the first line"),
        ("own.json", b'{"a": 1}', "no list of objects"),
        ("own.json", b'[{"a": NaN}]', "JSON has no NaN"),
        ("own.json", b'[{"a": {"b": 1}}]', "1 cell is of type object"),
        ("own.json", b"[{}]", "The file has rows, but no columns"),
        ("own.json", b'[{"a": 1}, {"a": 1, "b": 2, "a": 3}]', "row 1 has the key 'a' twice"),
        ("own.parquet", b"a,b\n1,2\n", "can't be read as parquet"),
        ("own.arrow", b"a,b\n1,2\n", "can't be read as arrow"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    said = clicdata("push", tmp_path / name, "Own")
    assert said[:2] == (1, "")
    assert words in said.err
    assert len(account.data_sets()) == 3


# ---------------------------------------------------------------------------------------------------------
# Writing


def test_rows_are_pushed_and_appended(clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "shop,visits\n01,2\n")
    said = clicdata("push", file, "New")
    assert said[:2] == (0, "")
    assert said.err == "1 of 1 row appended to data set 1004 in 1 chunk\n"
    assert clicdata("push", file, "New").code == 1
    assert clicdata("push", file, "New", "--if-exists", "append").code == 0
    receipt = clicdata("append", file, "New", "--json").json["receipt"]
    assert (receipt["rows_appended"], receipt["complete"], receipt["in_doubt"]) == (1, True, [])
    assert account.count(1004) == 3
    assert clicdata("push", file, "New", "--if-exists", "replace").code == 0
    assert account.count(1004) == 1


def test_digits_are_no_name_of_a_new_data_set(clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "a\nx\n")
    said = clicdata("push", file, "1001")
    assert said.code == 2
    assert "'append'" in said.err
    assert clicdata("push", file, "1001", "--name").code == 0
    assert account.data_sets()[-1].name == "1001"


def test_rows_are_changed_by_their_key(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    def shops() -> list[Any]:
        return [(row["shop"], row["visits"]) for row in account.rows(visits)]

    file = written(tmp_path / "a.csv", "shop,visits\n02,5\n04,1\n")
    plan = clicdata("upsert", file, "Visits", "--on", "shop", "--dry-run")
    assert plan.code == 0
    assert "cells to update\nshop\tcolumn\told\tnew\n02\tvisits\t4\t5\n" in plan.out
    assert len(shops()) == 3
    assert clicdata("upsert", file, "Visits", "--on", "shop").code == 0
    assert shops() == [("01", 17), ("02", 5), ("03", 9), ("04", 1)]
    assert clicdata("sync", file, "Visits", "--on", "shop", "--max-deletes", "1").code == 1
    assert clicdata("sync", file, "Visits", "--on", "shop", "--max-deletes", "50%").code == 0
    assert shops() == [("02", 5), ("04", 1)]
    again = written(tmp_path / "b.csv", "shop,visits\n02,6\n02,7\n")
    assert clicdata("replace", again, "Visits", "--by", "shop").code == 0
    assert shops() == [("04", 1), ("02", 6), ("02", 7)]
    assert clicdata("replace", file, "Visits", "--max-deletes", "2").code == 1
    assert clicdata("replace", file, "Visits").code == 0
    assert shops() == [("02", 5), ("04", 1)]


def test_rows_are_deleted_by_their_key(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.csv", "shop\n01\n03\n")
    said = clicdata("delete", file, "Visits", "--on", "shop")
    assert said.code == 2
    assert "--yes" in said.err
    assert clicdata("delete", file, "Visits", "--on", "shop", "--dry-run").out.count("\n01\t17") == 1
    assert clicdata("delete", file, "Visits", "--on", "shop", "--yes", "--max-rows", "1").code == 1
    assert account.count(visits) == 3
    said = clicdata("delete", file, "Visits", "--on", "shop", "--yes", "--keep", tmp_path / "kept.csv", "--json")
    assert said.json["receipt"]["rows_changed"] in (2, None)
    assert [row["shop"] for row in account.rows(visits)] == ["02"]
    assert clicdata("append", tmp_path / "kept.csv", "Visits").code == 0
    assert [(row["shop"], row["visits"], row["day"]) for row in account.rows(visits)] == [
        ("02", 4, None),
        ("01", 17, "2024-01-31"),
        ("03", 9, "2024-02-01"),
    ]


def test_kept_rows_are_never_overwritten(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    file, kept = written(tmp_path / "a.csv", "shop\n01\n02\n"), tmp_path / "kept.csv"
    call = ["delete", file, "Visits", "--on", "shop", "--yes", "--keep"]
    account.faults.drop(applied=True, method="DELETE", path=f"/data/{visits}", after=1)
    assert clicdata(*call, kept).code == 3
    rows = kept.read_text()
    assert rows == "shop,visits,open,day\n01,17,True,2024-01-31\n02,4,False,\n"
    account.requests.clear()
    said = clicdata(*call, kept)
    assert said.code == 2
    assert "Name another file" in said.err
    assert kept.read_text() == rows
    assert not account.requests
    assert clicdata(*call, tmp_path / "kept2.csv").code == 0


@pytest.mark.parametrize("name", ["kept.csv", "kept.json"])
def test_a_kept_file_without_rows_can_be_appended(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path, name: str
) -> None:
    rec_id = account.create("Empty", {"shop": "text", "visits": "number"})
    file = written(tmp_path / "a.csv", "shop\n01\n")
    assert clicdata("delete", file, "Empty", "--on", "shop", "--yes", "--keep", tmp_path / name).code == 0
    assert clicdata("append", tmp_path / name, str(rec_id)).code == 0
    assert account.count(rec_id) == 0


def test_no_kept_file_stays_if_nothing_was_deleted(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.csv", "shop\n01\n02\n")
    account.faults.status(429, method="DELETE", path=f"/data/{visits}", times=100)
    call = ["delete", file, "Visits", "--on", "shop", "--yes", "--keep", tmp_path / "kept.csv"]
    assert clicdata(*call).code == 75
    assert not (tmp_path / "kept.csv").exists()
    account.faults.clear()
    assert clicdata(*call).code == 0
    assert (tmp_path / "kept.csv").exists()


def test_a_replace_that_stops_has_a_way_back_and_a_way_on(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    def shops() -> list[Any]:
        return sorted((row["shop"], row["visits"]) for row in account.rows(visits))

    before, kept, journal = shops(), tmp_path / "kept.csv", tmp_path / "a.journal"
    file = written(tmp_path / "a.csv", "shop,visits\n02,5\n04,1\n")
    account.faults.status(400, method="POST", path=f"/data/{visits}/row", times=100)
    assert clicdata("replace", file, "Visits", "--keep", tmp_path / "no.csv", "--max-deletes", "2").code == 1
    assert clicdata("replace", file, "Visits", "--keep", tmp_path / "no.csv", "--dry-run").code == 0
    assert not (tmp_path / "no.csv").exists()
    said = clicdata("replace", file, "Visits", "--keep", kept, "--journal", journal)
    assert said.code == 3
    assert "not stored: rows 0 to 1; the first row of the file is row 0\n" in said.err
    assert said.err.endswith(f"continue with: clicdata resume FILE {journal}\n")
    assert shops() == []
    account.faults.clear()
    assert clicdata("append", kept, "Visits").code == 0
    assert shops() == before
    assert clicdata("delete", kept, "Visits", "--on", "shop", "--yes").code == 0
    assert clicdata("resume", file, journal).code == 0
    assert shops() == [("02", 5), ("04", 1)]


def test_a_replace_that_stops_in_its_deletes_is_resumed(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    journal = tmp_path / "a.journal"
    file = written(tmp_path / "a.csv", "shop,visits\n01,1\n02,5\n04,1\n")
    account.faults.status(403, method="DELETE", path=f"/data/{visits}", after=1, times=100)
    said = clicdata("replace", file, "Visits", "--by", "shop", "--journal", journal)
    assert said.code == 3
    assert f"continue with: clicdata resume FILE {journal}\n" in said.err
    account.faults.clear()
    assert clicdata("resume", file, journal).code == 0
    assert sorted((row["shop"], row["visits"]) for row in account.rows(visits)) == [
        ("01", 1), ("02", 5), ("03", 9), ("04", 1),
    ]  # fmt: skip


def test_a_sync_keeps_the_rows_that_it_deletes(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.csv", "shop,visits\n02,5\n")
    assert clicdata("sync", file, "Visits", "--on", "shop", "--keep", tmp_path / "kept.csv").code == 0
    assert (tmp_path / "kept.csv").read_text() == CSV.replace("02,4,False,\n", "")
    assert clicdata("append", tmp_path / "kept.csv", "Visits").code == 0
    assert sorted(row["visits"] for row in account.rows(visits)) == [5, 9, 17]


def test_a_plan_with_problems_is_refused(clicdata: Callable[..., Said], visits: int, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "shop,clients\n02,5\n")
    said = clicdata("append", file, "Visits", "--dry-run")
    assert said.code == 1
    assert "problem: Column 'clients' is not in data set" in said.out
    said = clicdata("append", file, "Visits", "--dry-run", "--json")
    assert (said.code, said.json["ok"]) == (1, False)


# ---------------------------------------------------------------------------------------------------------
# Stopped midway, and in doubt


@pytest.fixture
def many(tmp_path: Path) -> Path:
    return written(tmp_path / "many.csv", "shop,visits\n" + "".join(f"{n:04},{n}\n" for n in range(1200)))


def test_an_append_in_doubt_is_resumed(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICDATA_API_VERSION", "2022.01")  # 500 rows a request
    journal = many.with_suffix(".journal")
    account.faults.drop(applied=True, method="POST", path=f"/data/{visits}/insert", after=1)
    said = clicdata("append", many, "Visits", "--journal", journal)
    assert said[:2] == (3, "")
    assert "in doubt: rows 500 to 999; the first row of the file is row 0" in said.err
    assert "not stored: rows 1000 to 1199" in said.err
    assert f"continue with: clicdata resume FILE {journal}" in said.err
    assert "(df)" not in said.err
    shown = clicdata("receipt", journal, "--json")
    assert shown.code == 3
    assert (shown.json["receipt"]["in_doubt"], shown.json["receipt"]["remaining"]) == ([[500, 1000]], [[1000, 1200]])
    assert clicdata("receipt", journal).out.startswith("500 of 1,200 rows appended")
    said = clicdata("resume", many, journal, "--json")
    assert (said.code, said.json["ok"], said.json["error"]["in_doubt"]) == (3, False, True)
    assert account.count(visits) == 1003
    assert "then give --in-doubt stored or --in-doubt missing" in clicdata("resume", many, journal).err
    assert clicdata("resume", many, journal, "--in-doubt", "stored").code == 0
    assert account.count(visits) == 1203
    assert clicdata("receipt", journal).code == 0
    assert account.rows(visits)[-1]["shop"] == "1199"
    assert clicdata("resume", written(many, "shop,visits\n0,0\n"), journal).code == 1


def test_an_append_with_an_id_is_done_once(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.csv", "shop,visits\n02,5\n")
    assert clicdata("append", file, "Visits", "--append-id", "monday").code == 2
    for _ in range(2):
        assert clicdata("append", file, "Visits", "--append-id", "monday", "--journal", tmp_path / "j").code == 0
    assert account.count(visits) == 4
    other = written(tmp_path / "b.csv", "shop,visits\n02,6\n")
    assert clicdata("append", other, "Visits", "--append-id", "monday", "--journal", tmp_path / "j").code == 1


@pytest.mark.parametrize("status", [400, 403, 404, 429])
@pytest.mark.parametrize("with_journal", [False, True])
def test_a_push_that_created_a_data_set_says_how_to_continue(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path, status: int, with_journal: bool
) -> None:
    file, journal = written(tmp_path / "a.csv", "shop,name\n17,x\n"), tmp_path / "a.journal"
    account.faults.status(status, method="POST", path="/data/1004/row", times=100)
    options = ["--types", "shop=text", *(["--journal", journal] if with_journal else [])]
    said = clicdata("push", file, "New", *options)
    assert said.code == 3
    assert "data set 1004 was created, and has no rows\n" in said.err
    account.faults.clear()
    *_, last = said.err.splitlines()
    words = last.removeprefix("continue with: clicdata ").replace("FILE", str(file)).split()
    assert words == (["resume", str(file), str(journal)] if with_journal else [
        "append", str(file), "1004", "--types", "shop=text",
    ])  # fmt: skip
    said = clicdata(*words, "--json")
    assert said.code == 0
    assert said.json["receipt"]["created"] is with_journal
    assert [row["shop"] for row in account.rows(1004)] == ["17"]


def test_rows_in_doubt_of_a_change_are_a_number(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.csv", "shop\n01\n02\n03\n")
    account.faults.drop(applied=True, method="DELETE", path=f"/data/{visits}", after=1)
    said = clicdata("delete", file, "Visits", "--on", "shop", "--yes", "--json")
    receipt = said.json["receipt"]
    assert (said.code, said.json["error"]["in_doubt"]) == (3, True)
    assert (receipt["rows_in_doubt"], receipt["keys_in_doubt"], receipt["keys_pending"]) == (1, 1, 1)


def test_a_change_that_keeps_no_rows_has_no_number_of_rows_in_doubt(account: Sandbox) -> None:
    keys = pd.DataFrame({"shop_code": ["00102"]})
    account.faults.drop(applied=True, method="DELETE", path="/data/1001", times=9)
    with pandas_clicdata.connect(api_version=None) as session, pytest.raises(DeleteAmbiguous) as raised:
        keys.clicdata.delete_rows(1001, "shop_code", keep=False, session=session)
    assert describe(raised.value.receipt)["rows_in_doubt"] is None
    assert exit_of(raised.value) == 3


def _status(status: int, **more: Any) -> Callable[[Sandbox], object]:
    return lambda sandbox: sandbox.faults.status(status, times=100, **more)


@pytest.mark.parametrize(
    ("fault", "arguments", "code"),
    [
        (_status(403, path="/data/1001"), ["read", "1001"], 4),
        (_status(401), ["list"], 4),
        (_status(404, path="/data/1001"), ["read", "1001"], 5),
        (_status(404, path="/oauth20/token"), ["read", "1001"], 1),
        (_status(404, path="/account"), ["whoami"], 1),
        (_status(429, path="/data/1001"), ["read", "1001"], 75),
        (_status(503, path="/data/1001"), ["read", "1001"], 75),
        (lambda sandbox: sandbox.faults.drop(path="/data/1001", times=100), ["read", "1001"], 75),
        (_status(400, path="/data/1001"), ["read", "1001"], 1),
        (_status(400, method="POST"), ["append", "FILE", "1001"], 1),
        (_status(429, method="POST", path="/data/1001"), ["append", "FILE", "1001"], 75),
        (lambda sandbox: sandbox.faults.drop(method="POST", path="/data/1001"), ["append", "FILE", "1001"], 3),
        (lambda sandbox: sandbox.faults.drop(method="POST", path="/data"), ["push", "FILE", "New"], 3),
        (lambda sandbox: sandbox.faults.drop(method="POST", path="/data/1002", times=9), ["refresh", "1002"], 3),
        (
            _status(429, method="DELETE", path="/data/1001"),
            ["delete", "FILE", "1001", "--on", "shop_code", "--yes"],
            75,
        ),
        (_status(403, method="DELETE", path="/data/1001"), ["delete", "FILE", "1001", "--on", "shop_code", "--yes"], 4),
        (_status(404, method="DELETE", path="/data/1001"), ["delete", "FILE", "1001", "--on", "shop_code", "--yes"], 5),
        (_status(400, method="DELETE", path="/data/1001"), ["delete", "FILE", "1001", "--on", "shop_code", "--yes"], 1),
        (lambda sandbox: None, ["read", "no such"], 5),
        (lambda sandbox: None, ["read"], 2),
        (lambda sandbox: None, ["append", "no such file", "1001"], 2),
        (lambda sandbox: None, ["read", "0"], 2),
        (lambda sandbox: None, ["read", ""], 2),
        (lambda sandbox: None, ["read", "1001", "--version", "0"], 2),
        (lambda sandbox: None, ["push", "FILE", " "], 2),
        (lambda sandbox: None, ["list", "--profile", "a b"], 2),
        (lambda sandbox: None, ["schedule", "run", "0"], 2),
        (lambda sandbox: None, ["read", "1001", "-o", "/no/such/folder/a.csv"], 2),
        (lambda sandbox: None, ["read", "1001", "-o", "a.docx"], 2),
        (lambda sandbox: None, ["append", "FILE", "1001", "--types", "a"], 2),
        (lambda sandbox: None, ["append", "FILE", "1001", "--verify", "tag"], 2),
        (lambda sandbox: None, ["append", "FILE", "1001", "--sep", "::"], 2),
    ],
)
def test_the_exit_code_says_what_happened(
    clicdata: Callable[..., Said],
    account: Sandbox,
    tmp_path: Path,
    fault: Callable[[Sandbox], object],
    arguments: list[str],
    code: int,
) -> None:
    fault(account)
    file = written(tmp_path / "shops.csv", "shop_code\n00102\n")
    given = [str(file) if word == "FILE" else word for word in arguments]
    said = clicdata(*given)
    assert said.code == code, said.err
    assert said.out == ""
    assert "error: " in said.err
    account.faults.clear()
    fault(account)
    said = clicdata(*given, "--json")
    assert said.err == ""
    assert (said.json["ok"], said.json["exit_code"], said.code) == (False, code, code)
    assert said.json["error"]["message"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('append_id= needs journal= or verify="tag", to', "--append-id needs --journal or --verify tag, to"),
        ('verify="tag" needs tag_column="...": the name', "--verify tag needs --tag-column NAME: the name"),
        ("max_deleted is 0. dry_run=True shows them", "--max-deletes is 0. --dry-run shows them"),
        ("it. (check=True reads the columns again, check=False skips the comparison.)", "it."),
        ("max_deletes=12 permits it", "--max-deletes 12 permits it"),
        ('at fault; errors="collect" stores the rows. Next', "at fault. Next"),
        ("2 in doubt: .in_doubt(df); 3 not stored: .keys. Next", "2 in doubt; 3 not stored. Next"),
        ("2 deleted (copy of 1 in .deleted.rows)", "2 deleted"),
        ("resume_append(df, 'a b/j'); else", "'clicdata resume FILE a b/j'; else"),
        ("types={'a b': 'text'} sends text, or types=.", "--types 'a b=text' sends text, or --types."),
        (
            'several rows: duplicates="all" sets all of these rows',
            'several rows; in Python, duplicates="all" sets all of these rows',
        ),
        ("column 'max_rows' of a/max_rows.csv", "column 'max_rows' of a/max_rows.csv"),
        ("the journal and its match can't be used", "the journal and its match can't be used"),
    ],
)
def test_a_message_names_the_options_of_the_command(message: str, words: str) -> None:
    assert without_python(message) == words


def test_without_credentials_the_message_names_commands(
    clicdata: Callable[..., Said], account: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLICDATA_CONFIG", str(tmp_path / "none.toml"))
    for name in [name for name in os.environ if name.startswith("CLICDATA_") and name != "CLICDATA_CONFIG"]:
        monkeypatch.delenv(name)
    said = clicdata("list")
    assert said.code == 4
    assert "CLICDATA_CLIENT_ID not set" in said.err
    assert "with 'clicdata login'; without an account, try 'clicdata sandbox'." in said.err
    assert "pandas_clicdata" not in said.err
    assert "session=" not in said.err


@pytest.mark.parametrize("head", ["shop;visits", "shop\tvisits", "shop|visits"])
def test_a_file_of_another_separator_is_no_single_column(
    clicdata: Callable[..., Said], account: Sandbox, tmp_path: Path, head: str
) -> None:
    file = written(tmp_path / "a.csv", f"{head}\n{head.replace('shop', '01').replace('visits', '5')}\n")
    said = clicdata("push", file, "New")
    assert said.code == 1
    assert f"its first line would be one column, {head!r}: say how" in said.err
    assert account.data_sets()[-1].name != "New"
    assert clicdata("push", file, "Two", "--sep", head[4]).code == 0
    assert clicdata("columns", "Two").out.count("\n") == 3
    assert clicdata("push", file, "One", "--sep", ",").code == 0
    assert clicdata("columns", "One").out.count("\n") == 2


def test_stderr_says_why_a_command_waits(clicdata: Callable[..., Said], account: Sandbox, visits: int) -> None:
    plain = clicdata("read", "Visits", "-o", "-")
    assert plain.err == ""
    account.faults.status(503, path=f"/data/{visits}", times=1)
    said = clicdata("read", "Visits", "-o", "-")
    assert (said.code, said.out) == (0, plain.out)
    assert re.search(r"^read rows: attempt 1 failed \(\w+\), again in [0-9.]+ s$", said.err, re.MULTILINE)
    account.faults.status(503, path=f"/data/{visits}", times=1)
    said = clicdata("read", "Visits", "-o", "-", "--json")
    assert said.json["ok"]
    assert said.err == ""


def test_messages_say_what_the_user_of_a_command_can_do(
    clicdata: Callable[..., Said], account: Sandbox, visits: int, tmp_path: Path
) -> None:
    account.create("2026", {"a": "text"})
    said = clicdata("read", "2026")
    assert said.code == 5
    assert "'clicdata list' lists the data sets. If it is a name of digits, add --name.\n" in said.err
    account.faults.status(429, headers={"Retry-After": "500"}, path=f"/data/{visits}", times=9)
    assert "Wait, or make fewer calls. ClicData asks to wait 500 s." in clicdata("read", "Visits").err
    account.faults.clear()
    account.faults.status(429, headers={"Retry-After": "9" * 20}, path=f"/data/{visits}", times=9)
    said = clicdata("read", "Visits", "--json")
    assert (said.code, "retry_after" in said.json["error"]) == (75, False)
    assert "Wait, or make fewer calls." in said.json["error"]["message"]
    account.faults.clear()
    account.faults.status(400, method="DELETE", path=f"/data/{visits}", after=1, times=9)
    file = written(tmp_path / "a.csv", "shop,visits\n01,5\n02,5\n")
    assert clicdata("replace", file, "Visits").err.startswith("error: stopped: delete rows: ")
    account.faults.clear()
    account.faults.status(400, method="POST", path=f"/data/{visits}", times=9)
    one = written(tmp_path / "b.csv", "shop,visits\n01,5\n")
    said = clicdata("append", one, "Visits")
    assert "row 0 of them refused; " in said.err
    assert "collect" not in said.err


def test_without_credentials_or_service(
    clicdata: Callable[..., Said], account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = account.credentials.client_secret
    account.close()
    said = clicdata("list")
    assert said.code == 75
    assert secret not in said.err
    monkeypatch.delenv("CLICDATA_CLIENT_SECRET")
    said = clicdata("list", "--json")
    assert (said.code, said.json["error"]["type"]) == (4, "NotConnected")


# ---------------------------------------------------------------------------------------------------------
# The account


def test_schedules_are_listed_and_run(
    clicdata: Callable[..., Said], account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pandas_clicdata.endpoints.schedule.Schedule._sleep", lambda self, seconds: time.sleep(0.01))
    assert "Every morning" in clicdata("schedule", "list").out
    said = clicdata("schedule", "run", "Every morning")
    assert said == Said(0, "", "schedule Every morning: the run was accepted\n")
    account.refreshes()
    assert account.runs(3001)
    assert clicdata("schedule", "run", "3001", "--wait", "--json").json["schedule"]["last_status"] == "succeeded"
    said = clicdata("schedule", "run", "Broken", "--wait")
    assert (said.code, said.err) == (1, "schedule Broken: failed\n")
    assert clicdata("schedule", "run", "No such").code == 5
    said = clicdata("schedule", "run", "3001", "--wait", "--timeout", "0.000001")
    assert said.code == 3
    assert "its run goes on" in said.err


@pytest.mark.parametrize(
    "call",
    [["schedule", "run", "3001"], ["refresh", "1003"], ["team", "add", "North", "5004"]],
    ids=lambda call: call[0],
)
def test_a_call_whose_response_is_lost_may_be_done(
    clicdata: Callable[..., Said], account: Sandbox, call: list[str]
) -> None:
    for _ in range(2):
        account.faults.drop(applied=True, method="POST")
    said = clicdata(*call)
    assert said.code == 3
    assert said.err.endswith("ClicData may have done it: look before you call again.\n")
    error = clicdata(*call, "--json").json["error"]
    assert error["in_doubt"]
    assert error["message"].endswith("look before you call again.")


@pytest.mark.parametrize(("method", "in_doubt"), [("GET", False), ("POST", True)])
def test_an_interrupted_call_may_be_done_if_it_was_sent(
    clicdata: Callable[..., Said], account: Sandbox, method: str, in_doubt: bool
) -> None:
    account.faults.call(lambda: signal.raise_signal(signal.SIGINT), method=method)
    account.faults.stall(0.5, applied=True, method=method)
    said = clicdata("schedule", "run", "Every morning", "--json")
    error = said.json["error"]
    assert (said.code, error["in_doubt"]) == (130, in_doubt)
    assert error["message"] == "interrupted" + ". ClicData may have done it: look before you call again." * in_doubt


def test_a_picture_of_a_dashboard(clicdata: Callable[..., Said], tmp_path: Path) -> None:
    assert "Best sellers" in clicdata("dashboard", "list").out
    for _ in range(2):
        assert clicdata("dashboard", "snapshot", "Best sellers", "-o", tmp_path / "best.png").code == 0
    assert (tmp_path / "best.png").read_bytes().startswith(b"\x89PNG")
    assert clicdata("dashboard", "snapshot", "2003", "-o", tmp_path / "best.jpg").code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["best.png"]
    assert clicdata("dashboard", "snapshot", "2003", "-o", "-", "--json").code == 2


def test_users_become_those_of_a_file(clicdata: Callable[..., Said], tmp_path: Path) -> None:
    def licenses() -> dict[str, str]:
        return {one["email_address"]: one["license"] for one in clicdata("user", "list", "--json").json["users"]}

    text = "email_address,first_name,last_name,license,password\nli@example.com,,,editor,\n"
    file = written(tmp_path / "a.csv", text + "eva@example.com,Eva,Novak,viewer,123456789012\n")
    plan = clicdata("user", "sync", file, "--dry-run")
    assert plan.code == 0
    assert "eva@example.com" in plan.out
    assert "123456789012" not in plan.out + plan.err
    assert licenses()["li@example.com"] == "viewer"
    said = clicdata("user", "sync", file)
    assert said[:2] == (0, "")
    assert "1 created" in said.err
    assert licenses()["li@example.com"] == "editor"
    assert clicdata("user", "sync", file, "--deactivate", "--max-deactivated", "1").code == 1
    assert len(licenses()) == 6


def test_who_is_in_a_team(clicdata: Callable[..., Said], tmp_path: Path) -> None:
    def north() -> set[int]:
        users = clicdata("team", "users", "--json").json["users"]
        return {one["user_id"] for one in users if one["team"] == "North"}

    assert "North" in clicdata("team", "list").out
    before = north()
    assert clicdata("team", "add", "North", "li@example.com").code == 0
    assert north() == {*before, 5004}
    assert clicdata("team", "remove", "4002", "5004").code == 0
    assert north() == before
    file = written(tmp_path / "a.csv", "email_address\nli@example.com\n")
    said = clicdata("team", "sync", file, "North", "--remove", "--max-removed", "5", "--json")
    assert said.json["receipt"]["complete"] is True
    assert north() == {5004}
    assert clicdata("team", "add", "South", "li@example.com").code == 5
    assert clicdata("team", "add", "North", "no@example.com").code == 5


@pytest.mark.parametrize("arguments", [["--profile", "test", "list"], ["list", "--profile", "test"]])
def test_a_profile_is_named_before_or_behind_the_command(
    clicdata: Callable[..., Said],
    account: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    config = written(tmp_path / "config.toml", "")
    config.chmod(0o600)
    settings = {"url": account.url, "api_key": account.credentials.api_key}
    written(config, "[test]\n" + "".join(f'{name} = "{value}"\n' for name, value in settings.items()))
    monkeypatch.setenv("CLICDATA_CONFIG", str(config))
    monkeypatch.delenv("CLICDATA_CLIENT_SECRET")
    monkeypatch.delenv("CLICDATA_CLIENT_ID")
    monkeypatch.delenv("CLICDATA_URL")
    assert clicdata("list").code == 4
    assert "Shops" in clicdata(*arguments).out
    assert clicdata("--profile", "none", "list").code == 4
    monkeypatch.setenv("CLICDATA_PROFILE", "")
    assert "Used: the profile test" in clicdata("--profile", "test", "doctor").out


# ---------------------------------------------------------------------------------------------------------
# The command itself


def commands(group: click.Group = app, *path: str) -> list[tuple[tuple[str, ...], click.Command]]:
    found = []
    for name, command in group.commands.items():
        below = commands(command, *path, name) if isinstance(command, click.Group) else []
        found += [((*path, name), command), *below]
    return found


@pytest.mark.parametrize(("path", "command"), commands(), ids=lambda one: " ".join(one) if type(one) is tuple else "")
def test_every_command_has_help(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == 0
    assert main([*path, "-h"]) == 0
    assert " ".join(path) in capsys.readouterr().out
    assert command.help
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.name
            assert not re.search("secret|password|token|api_key", str(param.name)), "secrets are no arguments"


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip().endswith(pandas_clicdata.__version__)


def test_a_command_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["lst"], ["read", "--nope"], ["lst", "--json"]):
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert "error" in (out if "--json" in arguments else err)


# ---------------------------------------------------------------------------------------------------------
# As a process


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONIOENCODING": "utf-8", **more}


COMMAND = [sys.executable, "-W", "error", "-m", "pandas_clicdata"]


def test_a_closed_pipe_ends_quietly(account: Sandbox) -> None:
    account.append(1001, [{"name": "x" * 1000} for _ in range(1000)])
    with subprocess.Popen(
        [*COMMAND, "read", "Shops"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"shop_code")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=20) == 0


@pytest.mark.wide(3)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("arguments", "redirect", "code", "words"),
    [
        ("append FILE Visits --json", "> /dev/full", 0, "1 of 1 row appended"),
        ("append FILE Visits --json", ">&-", 0, "1 of 1 row appended"),
        ("append FILE Visits", "2> /dev/full", 0, ""),
        ("append FILE Visits", "> /dev/full", 0, "1 of 1 row appended"),
        ("append FILE Visits", "> /dev/full 2>&1", 0, ""),
        ("append FILE Visits --types day=number --json", "> /dev/full", 1, "error: "),
        ("list", "> /dev/full", 1, "stdout can't be written: "),
        ("list", ">&-", 1, "stdout can't be written: it is closed"),
        ("--help", "> /dev/full", 1, "error: "),
    ],
)
def test_the_exit_code_is_about_the_rows_even_if_no_output_can_be_written(
    account: Sandbox, visits: int, tmp_path: Path, arguments: str, redirect: str, code: int, words: str
) -> None:
    file = written(tmp_path / "a.csv", "shop,day\n04,2024-01-31\n")
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirect}', "sh", *COMMAND, *arguments.replace("FILE", str(file)).split()],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert account.count(visits) == 3 + ("append" in arguments and code == 0)


@pytest.mark.usefixtures("account")
def test_a_closed_stdin_and_deep_json_can_not_be_read(clicdata: Callable[..., Said], tmp_path: Path) -> None:
    shell = ["sh", "-c", '"$@" <&-', "sh", *COMMAND, "push", "-", "New"]
    done = subprocess.run(shell, capture_output=True, text=True, check=False, env=environment())
    assert (done.returncode, done.stderr) == (1, "error: stdin can't be read as csv (it is closed)\n")
    found = clicdata("push", str(written(tmp_path / "deep.json", "[" * 100_000)), "New")
    assert found.code == 1
    assert "deep.json can't be read as json (" in found.err


def test_a_stdout_that_lacks_a_letter_loses_none(account: Sandbox) -> None:
    for command in ("list", "read"):
        done = subprocess.run(
            [*COMMAND, command, *["Shops"][: command == "read"]],
            capture_output=True,
            env=environment(PYTHONIOENCODING="ascii"),
            check=True,
        )
        assert done.stderr == b""
        assert ("Łódź" in done.stdout.decode()) is (command == "read")


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *arguments: str, account: Sandbox) -> None:
        self.pid, self._end = pty.fork()
        if not self.pid:
            os.execve(sys.executable, [*COMMAND, *arguments], environment(TERM="xterm", COLUMNS="200"))
        self.shown = self.typed = ""

    def wait_for(self, text: str | None) -> None:
        """Read until a text is shown, or to the end."""
        end = time.monotonic() + 60
        while text is None or text not in self.shown:
            assert time.monotonic() < end, self.shown
            if not select.select([self._end], [], [], 1)[0]:
                if text is None and self.typed == "\x03":  # Python may have started to read when the signal came
                    self.type(self.typed)
                continue
            try:
                read = os.read(self._end, 65536)
            except OSError:  # Linux ends a terminal with this error
                read = b""
            if not read:
                assert text is None, self.shown
                return
            self.shown += read.decode()

    def type(self, text: str) -> None:
        self.typed = text
        os.write(self._end, text.encode())

    def code(self) -> int:
        self.wait_for(None)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._end)
        return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize(("typed", "code", "left"), [("y\n", 0, 2), ("n\n", 1, 3), ("\x03", 130, 3)])
def test_a_delete_asks_at_a_terminal(
    account: Sandbox, visits: int, tmp_path: Path, typed: str, code: int, left: int
) -> None:
    file = written(tmp_path / "a.csv", "shop\n01\n")
    terminal = Terminal("delete", str(file), "Visits", "--on", "shop", account=account)
    terminal.wait_for(f"Delete 1 row of data set {visits}? [y/N]")
    assert "01    17" in terminal.shown
    terminal.type(typed)
    assert terminal.code() == code, terminal.shown
    assert account.count(visits) == left


def test_a_table_is_aligned_on_a_terminal(account: Sandbox) -> None:
    account.create("bad\x1b[31m name\n", {"a": "text"})
    terminal = Terminal("list", account=account)
    assert terminal.code() == 0
    assert "1001    Shops  " in terminal.shown
    assert "\x1b[31m" not in terminal.shown


def test_an_error_of_others_shows_the_receipt(
    clicdata: Callable[..., Said], visits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(session: Session, request: Request) -> Reply:
        if request.method == "POST":
            raise MemoryError
        return call(session, request)

    call = Session.call
    monkeypatch.setattr(Session, "call", full)
    said = clicdata("append", written(tmp_path / "a.csv", "shop,visits\n04,5\n"), "Visits")
    assert said.code == 3
    assert "MemoryError" in said.err
    assert "0 of 1 row appended" in said.err
    assert "in doubt: row 0" in said.err


def test_an_error_of_others_that_wrote_nothing_is_shown_whole(
    clicdata: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "call", lambda session, request: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        clicdata("list")


@pytest.mark.wide(2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_and_sigterm_say_what_happened_to_the_rows(
    account: Sandbox, visits: int, tmp_path: Path, as_json: bool, number: signal.Signals
) -> None:
    file = written(tmp_path / "a.csv", "shop,visits\n" + "".join(f"{n:04},{n}\n" for n in range(3000)))
    arrived, over = threading.Event(), threading.Event()
    account.faults.call(lambda: (arrived.set(), over.wait(60)), method="POST", path=f"/data/{visits}", after=1)
    journal = tmp_path / "a.journal"
    with subprocess.Popen(
        [*COMMAND, "append", str(file), "Visits", "--journal", str(journal), *["--json"][: int(as_json)]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(CLICDATA_API_VERSION="2022.01"),
    ) as process:
        assert arrived.wait(60)  # the second chunk is on the wire
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    over.set()
    assert process.returncode == 130
    assert "Traceback" not in err
    if as_json:
        said = json.loads(out)
        assert (said["error"]["in_doubt"], said["receipt"]["in_doubt"]) == (True, [[500, 1000]])
        return
    assert out == ""
    assert "interrupted" in err
    assert "500 of 3,000 rows appended" in err
    assert "in doubt: rows 500 to 999" in err
    assert "%" not in err, "no progress bar in a pipe"


@pytest.mark.parametrize(
    ("shell", "words"), [("bash", "complete -o nosort"), ("zsh", "compdef"), ("fish", "complete --no-files")]
)
def test_a_shell_completes_it(
    shell: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(what: str) -> str:
        monkeypatch.setenv("_CLICDATA_COMPLETE", f"{shell}_{what}")
        with pytest.raises(SystemExit):
            main([])
        return capsys.readouterr().out

    monkeypatch.setenv("COMP_WORDS", "clicdata ups")
    monkeypatch.setenv("COMP_CWORD", "ups" if shell == "fish" else "1")
    assert words in ask("source")
    assert "upsert" in ask("complete")


@pytest.mark.parametrize(
    "words",
    [
        ["push"],
        ["demo"],
        ["stubs"],
        ["resume", "a.csv"],
        *(["read", "Shops", option] for option in ("-o", "--output")),
        ["append", "a.csv", "Shops", "--journal"],
        ["delete", "Shops", "--keep"],
        ["dashboard", "snapshot", "Sales", "-o"],
        ["sandbox", "--path"],
        ["doctor", "--json"],
    ],
    ids=" ".join,
)
def test_a_shell_completes_names_of_files(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_CLICDATA_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"clicdata {' '.join(words)} ")
    monkeypatch.setenv("COMP_CWORD", str(len(words) + 1))
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out.split(",")[0] in ("file", "dir")
