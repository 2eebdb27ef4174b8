"""The sandbox's signed OKX v5, as the stock ccxt client meets it over HTTP."""

import pytest

from tests.contract.account_contract import *  # noqa: F403  the tests of every linear account
from tests.contract.signed import Dialect

OKX = Dialect(
    venue="okx",
    options={"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"},
    finding={},
    id_name="clOrdId",
    paid_sign=-1,
    codes={
        "step": '"sCode":"51121"',
        "minimum": '"sCode":"51020"',
        "margin": "51008",
        "reduce": '"sCode":"51169"',
        "duplicate": '"sCode":"51016"',
        "apiKey": '"code":"50111"',
        "secret": '"code":"50113"',
        "clock": '"code":"50102"',
        "permission": '"code":"50120"',
    },
)


@pytest.fixture
def dialect() -> Dialect:
    return OKX
