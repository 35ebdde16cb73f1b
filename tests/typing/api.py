"""What type checkers and editors know of the public face. Checked, never run."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from typing_extensions import assert_type

import pandas_clicdata
from pandas_clicdata import AppendReceipt, ChangeReceipt, Data, DataFrame, Session

session = pandas_clicdata.connect(api_key="k")
assert_type(session, Session)

df = pandas_clicdata.read_clicdata(5, columns=["a"], nrows=3)
assert_type(df, DataFrame)
assert_type(pandas_clicdata.read_clicdata(5, chunksize=10), Iterator[DataFrame])

assert_type(df.clicdata.append(5), AppendReceipt)
assert_type(df.clicdata.create_table("T"), int)
assert_type(df.clicdata.push("T", if_exists="append"), AppendReceipt)
assert_type(df.clicdata.delete_rows(5, on=["a"]), ChangeReceipt)
assert_type(df.head().clicdata.update_rows(5, on="a"), ChangeReceipt)
assert_type(df.assign(b=1).clicdata.push("T").remaining(df), pd.DataFrame)

assert_type(Data().get_data(), pd.DataFrame)
assert_type(Data().create_data("T", {"a": "text"}), int)
