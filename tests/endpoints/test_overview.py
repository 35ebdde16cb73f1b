"""The list of data sets, the number of rows, and the contents of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from endpoints.literal import LiteralSession
from pandas_clicdata import Data, errors
from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def paged(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, Data]]:
    """A sandbox with pages of ten rows."""
    with start(page_size=10, max_page_size=10) as sandbox, sandbox.session(api_version=request.param) as session:
        yield sandbox, Data(session=session)


def table(sandbox: Sandbox, rows: int) -> int:
    rec_id: int = sandbox.create("Numbers", {"n": "number", "t": "text"})
    sandbox.append(rec_id, [{"n": n, "t": None if n % 4 else f"0{n}"} for n in range(rows)])
    sandbox.requests.clear()
    return rec_id


def test_the_list_has_the_id_as_its_index(session: Session) -> None:
    listed = pandas_clicdata.datasets()
    assert listed["name"].to_dict() == {1001: "Shops", 1002: "Orders", 1003: "Sales targets"}
    assert listed.index.name == "rec_id"
    pd.testing.assert_frame_equal(listed.reset_index(), Data().get_data())
    assert pandas_clicdata.datasets("rder").index.tolist() == [1002]
    assert pandas_clicdata.datasets("none", session=session).empty
    with pytest.raises(errors.InputError, match="text must be text"):
        pandas_clicdata.datasets(5)  # type: ignore[arg-type]
    with pytest.raises(errors.InputError, match="text must not be empty"):
        pandas_clicdata.datasets("")


@pytest.mark.parametrize("rows", [0, 1, 10, 35])
def test_rows_are_counted(paged: tuple[Sandbox, Data], rows: int) -> None:
    sandbox, data = paged
    rec_id = table(sandbox, rows)
    assert data.count_rows(rec_id) == rows
    if data.session.api_version:
        assert sum(seen.method == "GET" for seen in sandbox.requests) == 1
    assert data.count_rows("Numbers") == rows


@pytest.mark.parametrize(("nrows", "seen", "pages"), [(None, 35, 4), (10, 10, 1), (12, 12, 2), (1, 1, 1), (99, 35, 4)])
def test_columns_are_those_of_the_rows_looked_at(
    paged: tuple[Sandbox, Data], nrows: int | None, seen: int, pages: int
) -> None:
    sandbox, data = paged
    found = data.get_columns(table(sandbox, 35), nrows)
    asked = [each for each in sandbox.requests if each.path.endswith(("/1004", "/data/1004"))]
    assert pages <= len(asked) <= pages + 1
    assert found.drop(columns="missing").to_dict("records") == [
        {"name": "n", "holds": "numbers", "example": 0, "type": "number"},
        {"name": "t", "holds": "text", "example": "00", "type": "text"},
    ]
    assert found["missing"].tolist() == [0, (seen - -(-seen // 4)) / seen]


def test_a_data_set_without_rows_shows_no_columns(paged: tuple[Sandbox, Data]) -> None:
    sandbox, data = paged
    found = data.get_columns(table(sandbox, 0))
    assert found.empty
    assert [*found.columns] == ["name", "holds", "missing", "example", "type"]


CELLS: dict[str, tuple[list[Any], str, str]] = {
    "numbers": ([1, 2.5, None], "numbers", "number"),
    "flags": ([True, None, False], "true and false", "checkbox"),
    "dates": (["2024-01-31", None, "2024-02-01"], "dates", "date"),
    "times": (["2024-01-31 10:00:00", "2024-01-31T10:00:00Z"], "dates with times", "datetime"),
    "both": (["2024-01-31", "2024-01-31 10:00:00"], "dates with times", "datetime"),
    "codes": (["00101", "7"], "text", "text"),
    "mixed": ([1, "a"], "text and numbers", "text"),
    "dates and text": (["2024-01-31", "soon"], "text", "text"),
    "nested": ([[1], {"a": 1}], "lists or objects", "text"),
    "none": ([None, None], "nothing", "text"),
}


@pytest.mark.parametrize("name", CELLS)
def test_what_cells_are_called(name: str) -> None:
    cells, holds, kind = CELLS[name]
    session = LiteralSession({"data": [{"x": cell} for cell in cells], "pagination": {"has_more_data": False}})
    [row] = Data(session=session).get_columns(5).to_dict("records")  # type: ignore[arg-type]
    assert (row["holds"], row["type"]) == (holds, kind)
    assert row["example"] == next((cell for cell in cells if cell is not None), None)


@pytest.mark.parametrize("nrows", [0, -1, 1.5, True, "5"])
def test_nrows_is_checked_first(nrows: Any) -> None:
    with pytest.raises(errors.InputError, match="nrows"):
        Data(session=LiteralSession()).get_columns("Shops", nrows)  # type: ignore[arg-type]
