"""Completion in editors and notebooks: only the names that are for users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jedi
import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import Data, errors

if TYPE_CHECKING:
    from pandas_clicdata.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("own_jedi_cache")

FRAME = pd.DataFrame({"k": [1, 2]})


def offered(one: object) -> set[str]:
    """The names without an underscore that jedi, which IPython asks, completes."""
    names = {each.name for each in jedi.Interpreter("one.", [{"one": one}]).complete()}
    assert names & {*dir(one)} == names
    return {name for name in names if not name.startswith("_")}


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    with pandas_clicdata.sandbox.start() as sandbox, sandbox.session() as session:
        receipt = FRAME.clicdata.push("Offered", session=session)
        change = FRAME.clicdata.delete_rows(receipt.rec_id, on="k", session=session)
        return {"append": receipt, "change": change, "session": session, "data": Data(session=session)}


EXPECTED = {
    "append": """append_id audited chunks complete in_doubt journal load pieces rec_id refused remaining repair
        rows_appended rows_found rows_in_doubt rows_refused rows_remaining rows_total summary""",
    "change": """complete keys keys_accepted keys_applied keys_in_doubt keys_pending keys_total keys_unchanged
        keys_unmatched multiple_rows operation rec_id remaining rows rows_changed rows_in_doubt in_doubt summary undo
        unmatched""",
    "session": "api_version auth_method check close closed last_receipt url",
    "data": """append_data changes count_rows create_data delete_data diff_data get_columns get_data get_data_history
        rebuild_data replace_data restore session static_send_data sync_data sync_users update_data upsert_data""",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_object_offers_what_is_for_users(name: str, shown: dict[str, Any]) -> None:
    # Add each new name for users here. __dir__ leaves out names for the package only.
    assert offered(shown[name]) == {*EXPECTED[name].split()}


@pytest.mark.parametrize("module", [pandas_clicdata, errors])
def test_a_module_offers_its_public_names(module: Any) -> None:
    assert offered(module) == {name for name in module.__all__ if not name.startswith("_")}


def test_the_accessor_and_a_session_say_what_they_are(clicdata_sandbox: Sandbox) -> None:
    assert repr(FRAME.clicdata) == (
        "<df.clicdata of 2 x 1 cells: append, create_table, push, "
        "delete_rows, update_rows, upsert, sync, replace, diff>"
    )
    for version, words in ((None, "API without a version number"), ("2022.01", "API version 2022.01")):
        with clicdata_sandbox.session(api_version=version) as session:
            assert repr(session) == f"<Session {session.url}, login by client_credentials, {words}>"
            assert words in session._repr_html_()
