"""Plans to create a data set for a frame, and to append to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pandas_clicdata.changes.appends import append_plan
from pandas_clicdata.changes.compare import Work
from pandas_clicdata.changes.plan import Plan
from pandas_clicdata.endpoints.answers import has_unique_key, only_id_of, parse_data_set_id
from pandas_clicdata.uploads.append import Append

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from pandas_clicdata.endpoints.data import Data
    from pandas_clicdata.uploads.append import AppendOptions
    from pandas_clicdata.uploads.receipt import AppendReceipt


def create_plan(data: Data, name: str, frame: pd.DataFrame, desc: str, options: AppendOptions) -> Plan:
    """Return the plan to create an empty data set for a frame. The plan has a problem if its name is taken."""
    append, problems = Append(data.session, frame, options, need_types=True), _name_taken(data._named(name), name)

    def create(_: Plan) -> int:
        return data.create_data(name, append.column_types, desc)

    return Plan(data.session, "create table", None, append._encoder, Work(problems=problems), do=create)


def push_plan(
    data: Data, name: str, frame: pd.DataFrame, desc: str, options: AppendOptions, *, may_exist: bool
) -> Plan:
    """Return the plan to append to a new data set; with ``may_exist``, to the data set of this name if it exists."""
    append, found = Append(data.session, frame, options, need_types=True), data._named(name)
    if found and may_exist:
        rec_id, has_key = only_id_of(found, name), has_unique_key(found[0])
        return append_plan(data.session, "push", append, rec_id, lambda: append.send_to(rec_id, has_key=has_key))

    def create_and_send() -> AppendReceipt:
        return append.send_to(data.create_data(name, append.column_types, desc), made=True)

    return append_plan(data.session, "push", append, None, create_and_send, _name_taken(found, name))


def _name_taken(found: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Return the problem that the data sets ``found`` have the name of a new one."""
    listed = " and ".join(str(parse_data_set_id(record)) for record in found)
    problem = f'{name!r} is the name of data set {listed} already: push(..., if_exists="append") appends to it'
    return [problem] if found else []
