"""The sample account of a new sandbox: data sets from the CSV files beside this module, users, schedules."""

from __future__ import annotations

import csv
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pandas_clicdata.sandbox.answers import to_json
from pandas_clicdata.sandbox.cells import NULL
from pandas_clicdata.sandbox.rows import Column, row_text

if TYPE_CHECKING:
    from pandas_clicdata.sandbox.account import Account
    from pandas_clicdata.sandbox.people import People
    from pandas_clicdata.sandbox.store import Store

FOLDER = Path(__file__).parent / "sample"
_BARE = {"number", "percentage", "checkbox", "id"}  # types whose CSV text is JSON


class _Sample(NamedTuple):
    file: str
    name: str
    description: str
    types: dict[str, str]
    unique_key: str | None = None
    source: str | None = None  # None for a static data set


_SAMPLES = (
    _Sample(
        "shops.csv",
        "Shops",
        "Every shop, the closed ones too",
        {
            "shop_code": "text",
            "name": "text",
            "city": "text",
            "country": "dropdown",
            "opened": "date",
            "area_m2": "number",
            "active": "checkbox",
        },
        unique_key="shop_code",
    ),
    _Sample(
        "orders.csv",
        "Orders",
        "Orders of the year 2024",
        {
            "order_id": "number",
            "shop_code": "text",
            "placed_at": "datetime",
            "customer": "text",
            "item": "text",
            "quantity": "number",
            "unit_price": "number",
            "discount": "percentage",
            "paid": "checkbox",
            "delivered_on": "date",
            "note": "text",
        },
    ),
    _Sample(
        "targets.csv",
        "Sales targets",
        "Revenue to reach, by shop and month",
        {"key": "text", "shop_code": "text", "month": "date", "revenue": "number", "share": "percentage"},
        unique_key="key",
        source="merge",
    ),
)


def load_sample(store: Store, account: Account, people: People, *, history: bool) -> None:
    """Fill a new account."""
    _load_data_sets(store, history=history)
    _load_account(account)
    _load_people(people)


def _load_account(account: Account) -> None:
    sold = {"name": "Revenue", "rec_id": 1002, "prefix": 10, "product": ["quantity", "unit_price"]}
    by_month = {"group": "placed_at", "prefix": 7}
    target = {"name": "Target", "rec_id": 1003, "group": "month", "prefix": 7, "product": ["revenue"]}
    pieces = {"name": "Pieces", "rec_id": 1002, "group": "item", "prefix": 40, "product": ["quantity"]}
    by_shop = {"kind": "bars", "unit": "EUR, by shop code", "series": [{**sold, "group": "shop_code"}]}
    monthly = {"kind": "lines", "unit": "EUR, by month", "series": [{**sold, **by_month}, target]}
    sellers = {"kind": "rows", "unit": "Pieces sold", "series": [pieces]}
    account.create_dashboard("Revenue by shop", "What each shop sold", by_shop)
    account.create_dashboard("Revenue and target", "Month by month", monthly)
    account.create_dashboard("Best sellers", "What is sold most", sellers)
    reload = {"type": "refresh", "rec_id": 1003, "mode": "reload"}
    first, second = ({"type": "snapshot", "dashboard_id": dashboard_id} for dashboard_id in (2001, 2002))
    account.create_schedule("Every morning", "Fresh targets, then a snapshot", "daily", [reload, second], enabled=True)
    account.create_schedule("Every Monday", "Snapshots for the week", "weekly", [first], enabled=True)
    account.create_schedule("Broken", "Its data set is gone", "monthly", [{**reload, "rec_id": 1999}], enabled=False)
    yesterday = time.time() - 86_400
    account.record_run(3001, "succeeded", began=yesterday)
    account.record_run(3003, "failed", began=yesterday)


def _load_people(people: People) -> None:
    for email_address, first_name, last_name, license_ in (
        ("sean@example.com", "Seán", "O'Brien", "editor"),
        ("zoe@example.com", "Zoë", "Müller", "editor"),
        ("li@example.com", "小龙", "李", "viewer"),
        ("ayse@example.com", "Ayşe", "Şahin", "viewer"),
    ):
        people.create_user(email_address, first_name, last_name, license_)
    for name, description, members in (
        ("Sales", "Who sells", (5001, 5002, 5004)),
        ("North", "Shops of the north", (5003, 5005)),
    ):
        team_id = people.create_team(name, description)
        for user_id in members:
            people.add_member(team_id, user_id)
    people.set_parameter(4002, "country", "FR")


def _load_data_sets(store: Store, *, history: bool) -> None:
    for sample in _SAMPLES:
        columns = tuple(Column(*column) for column in sample.types.items())
        rec_id = store.create(
            sample.name,
            sample.description,
            columns,
            history=history,
            source=sample.source or "file",
            unique_key=sample.unique_key,
            refreshable=sample.source is not None,
        )
        texts = _rows(sample.file, columns)
        store.append(rec_id, texts)
        if sample.source is not None:
            store.set_source(rec_id, texts)


@cache  # reading the files takes most of the time of `start`
def _rows(file: str, columns: tuple[Column, ...]) -> list[bytes]:
    types = dict(columns)
    with (FOLDER / file).open(encoding="utf-8", newline="") as lines:
        return [
            row_text({name: _cell(types[name], text) for name, text in row.items()}, columns)
            for row in csv.DictReader(lines)
        ]


def _cell(data_type: str, text: str) -> bytes:
    if not text:
        return NULL
    return text.encode() if data_type in _BARE else to_json(text)
