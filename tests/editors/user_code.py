"""Code of a user with plain frames. A checker must find each line that ends with "wrong", and no other."""

from collections.abc import Iterator

import pandas as pd
from typing_extensions import assert_type

import pandas_clicdata
from pandas_clicdata import AppendReceipt, Data, DataFrame, Plan, SyncReceipt

df = pd.read_csv("visits.csv")
rows = pd.DataFrame({"shop": ["01"], "visits": [17]})

# Append
receipt = df.clicdata.append(5)
assert_type(receipt, AppendReceipt)
assert_type(df.head().assign(day=1).clicdata.append(5, chunksize=100), AppendReceipt)
assert_type(rows.clicdata.push("Visits", dry_run=True), Plan)
assert_type(receipt.in_doubt(df).clicdata.append(5), AppendReceipt)
df.clicdata.append("Visits", chunk_size=100)  # wrong
rows.clicdata.append()  # wrong
rows.clicdata.apend(5)  # wrong
assert_type(receipt.rows_apended, int)  # wrong

# Upsert
assert_type(df.clicdata.upsert(5, on="shop"), SyncReceipt)
assert_type(df.merge(rows).clicdata.upsert(5, on=["shop"], tolerance={"visits": 0.5}, dry_run=True), Plan)
rows.clicdata.upsert(5)  # wrong
rows.clicdata.upsert(5, on="shop", mising="keep")  # wrong

# Read
assert_type(pd.read_clicdata(5), DataFrame)
assert_type(pandas_clicdata.read_clicdata(5), DataFrame)
assert_type(pd.read_clicdata(5, chunksize=10), Iterator[DataFrame])
assert_type(Data().get_data(5).clicdata.append(6), AppendReceipt)
pd.read_clicdata(5, chunk=10)  # wrong
pd.read_clicdata([5])  # wrong

# The class with the accessor, without any setting of a checker
typed = DataFrame(pd.read_csv("visits.csv"))
assert_type(typed.clicdata.append(5), AppendReceipt)
assert_type(typed[typed["visits"] > 3].clicdata.diff(5, on="shop"), Plan)
typed.clicdata.append(5, types="text")  # wrong
