"""A dask frame read by the workers of a cluster, each a process. Needs the extra ``dask``."""

from __future__ import annotations

import os
import time

import sample_frames
from measure import Line, at_least
from server import Server, page_bodies

ROWS = 1_000_000
BOUND = 3.5


def dask_read() -> list[Line]:
    """Read at 50 ms a request with four workers, beside one."""
    import distributed

    import pandas_clicdata.dask

    seconds: dict[int, float] = {}
    with Server({1: page_bodies(sample_frames.plain(ROWS), "modern")}) as server:
        os.environ.update(CLICDATA_URL=server.url, CLICDATA_API_KEY="key", CLICDATA_API_VERSION="2022.01")
        server.begin(0.05)
        for workers in (4, 1):
            options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
            with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
                client.run(__import__, "pandas_clicdata.dask")
                ddf = pandas_clicdata.dask.read_clicdata(1, live=True)
                start = time.perf_counter()
                rows = client.compute(ddf.map_partitions(len, meta=("rows", "int64"))).result().sum()
                seconds[workers] = time.perf_counter() - start
                assert rows == ROWS
    work = f"dask, {ROWS:,} rows in {ddf.npartitions} partitions, 50 ms a request, 4 workers"
    return [at_least(BOUND, work, seconds[4], seconds[1], "1 worker")]
