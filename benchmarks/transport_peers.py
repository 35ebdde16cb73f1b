"""What one would write instead to send a frame and to read one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import encode_peers
import httpx
import orjson
import pandas as pd
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Sender = Callable[[pd.DataFrame, str, int], None]
    Reader = Callable[[str, str], pd.DataFrame]

HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer token"}
PATHS = {"legacy": "/data/1/row", "modern": "/data/1/insert?api_version=2022.01"}
ROWS = {"legacy": "data", "modern": "result"}


def _post_all(bodies: Iterable[bytes], url: str) -> None:
    """Without a session: a new connection for each request."""
    for body in bodies:
        requests.post(url, data=body, headers=HEADERS, timeout=600).raise_for_status()


def _post_kept(bodies: Iterable[bytes], url: str) -> None:
    with requests.Session() as session:
        for body in bodies:
            session.post(url, data=body, headers=HEADERS, timeout=600).raise_for_status()


def _post_httpx(bodies: Iterable[bytes], url: str) -> None:
    with httpx.Client(timeout=600) as client:
        for body in bodies:
            client.post(url, content=body, headers=HEADERS).raise_for_status()


def _sender(encode: encode_peers.Encoder, post: Callable[[Iterable[bytes], str], None]) -> Sender:
    return lambda frame, url, chunk: post(encode(frame, chunk), url)


OLD_SEND, OLD_SEND_CHUNKED = "the old client's way (one body)", "the old client's way, per chunk"
USUAL_SEND = "to_dict + requests"
SENDERS: dict[str, dict[str, Sender]] = {
    "legacy": {
        OLD_SEND: _sender(encode_peers.cells_old_client, _post_all),
        OLD_SEND_CHUNKED: _sender(encode_peers.cells_old_client_chunked, _post_all),
        "column lists + orjson + requests.Session": _sender(encode_peers.cells_zip_orjson, _post_kept),
        "msgspec structs + httpx": _sender(encode_peers.cells_msgspec, _post_httpx),
    },
    "modern": {
        USUAL_SEND: _sender(encode_peers.objects_to_dict, _post_all),
        f"{USUAL_SEND}.Session": _sender(encode_peers.objects_to_dict, _post_kept),
        "orjson over records + requests.Session": _sender(encode_peers.objects_orjson_records, _post_kept),
        "msgspec structs + httpx": _sender(encode_peers.objects_msgspec, _post_httpx),
    },
}


def _page_url(url: str, dialect: str, number: int) -> str:
    more = "&page_size=1000&api_version=2022.01" if dialect == "modern" else ""
    return f"{url}/data/1?page={number}{more}"


def _goes_on(page: dict[str, Any], dialect: str) -> bool:
    return page["has_more_data"] if dialect == "legacy" else page["pagination"]["has_more_results"]


def read_old_client(url: str, dialect: str) -> pd.DataFrame:
    """A new connection for each page, each parsed twice, the lists concatenated anew each time."""
    data: list[Any] = []
    number, more = 1, True
    while more:
        answer = requests.get(_page_url(url, dialect, number), headers=HEADERS, timeout=600)
        data = data + answer.json()[ROWS[dialect]]
        more = _goes_on(answer.json(), dialect)
        number += 1
    return pd.DataFrame(data)


def read_session(url: str, dialect: str) -> pd.DataFrame:
    data: list[Any] = []
    with requests.Session() as session:
        number, more = 1, True
        while more:
            page = session.get(_page_url(url, dialect, number), headers=HEADERS, timeout=600).json()
            data.extend(page[ROWS[dialect]])
            more = _goes_on(page, dialect)
            number += 1
    return pd.DataFrame(data)


def read_httpx(url: str, dialect: str) -> pd.DataFrame:
    data: list[Any] = []
    with httpx.Client(timeout=600) as client:
        number, more = 1, True
        while more:
            page = orjson.loads(client.get(_page_url(url, dialect, number), headers=HEADERS).content)
            data.extend(page[ROWS[dialect]])
            more = _goes_on(page, dialect)
            number += 1
    return pd.DataFrame(data)


OLD_READ = "the old client's way"
READERS: dict[str, Reader] = {
    OLD_READ: read_old_client,
    "requests.Session + list.extend": read_session,
    "httpx + orjson + list.extend": read_httpx,
}
