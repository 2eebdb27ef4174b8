"""The sandbox's signed Bybit v5, as the stock ccxt client meets it over HTTP."""

import pytest

from tests.contract.account_contract import *  # noqa: F403  the tests of every linear account
from tests.contract.signed import Dialect

BYBIT = Dialect(
    venue="bybit",
    options={"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"},
    finding={"acknowledged": True},
    id_name="orderLinkId",
    paid_sign=1,
    codes={
        "step": '"retCode":10001,"retMsg":"Qty invalid"',
        "minimum": '"retCode":110094',
        "margin": "110007",
        "reduce": '"retCode":110017',
        "duplicate": '"retCode":110072',
        "apiKey": '"retCode":10003',
        "secret": '"retCode":10004',
        "clock": '"retCode":10002',
        "permission": '"retCode":10005',
    },
)


@pytest.fixture
def dialect() -> Dialect:
    return BYBIT
