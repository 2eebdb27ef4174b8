"""The account at Hyperliquid, against the sandbox: the contract of every account, and what is its own."""

from pathlib import Path

import pytest

from backtest.sandbox.fault_client import requests_asked
from bot.venue_orders import OrderState
from data.errors import VenueRefused
from tests.contract.account_desk import NOW_MS, Desk, at_desk, keys
from tests.contract.live_account_contract import *  # noqa: F403  the tests of every venue's account
from tests.contract.live_account_trouble import *  # noqa: F403


@pytest.fixture
def venue() -> str:
    return "hyperliquid"


def test_nothing_is_signed_but_what_was_asked_for(tmp_path: Path) -> None:
    """No builder's fee is approved, and no referrer set."""

    async def call(desk: Desk) -> None:
        await desk.account.prepare([desk.btc], 4.0)
        order = desk.resting(1)
        await desk.account.place(order)
        await desk.account.cancel(order)
        await desk.account.cancel_all([desk.btc])
        endpoints = (await requests_asked(desk.url))["hyperliquid"]["endpoints"]
        signed = {name: times for name, times in endpoints.items() if name.startswith("exchange")}
        assert {"exchange/updateLeverage": 1, "exchange/order": 1, "exchange/cancelByCloid": 1} == signed

    at_desk("hyperliquid", tmp_path, call)


def test_ids_that_were_not_recognised_are_told_as_the_venue_writes_them(tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        order = desk.resting(1)
        await desk.account.place(order)
        desk.account._dialect._ours.clear()  # type: ignore[attr-defined]  as in a new process
        ((_, told),) = await desk.account.open_orders([desk.btc])
        assert told.startswith("0x") and len(told) == 34
        desk.account.recognise([order.client_id])
        assert [(desk.btc.symbol, order.client_id)] == await desk.account.open_orders([desk.btc])

    at_desk("hyperliquid", tmp_path, call)


def test_more_fills_at_one_instant_than_fit_on_a_page_are_an_error_and_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("bot.execution.live.hyperliquid", "backtest.sandbox.hyperliquid_account"):
        monkeypatch.setattr(f"{module}.FILLS_PAGE", 3)

    async def call(desk: Desk) -> None:
        for lots in (1, -1, 1, -1):
            await desk.account.place(desk.order(lots))
        with pytest.raises(VenueRefused, match="more than 3 rows at one instant"):
            await desk.account.fills([desk.btc], NOW_MS)

    at_desk("hyperliquid", tmp_path, call)


def test_a_key_that_is_not_the_wallets_own_may_neither_trade_nor_withdraw_unless_the_wallet_says_so(
    tmp_path: Path,
) -> None:
    strangers = keys("hyperliquid") | {"HYPERLIQUID_PRIVATE_KEY": "0x" + 63 * "0" + "5"}

    async def own(desk: Desk) -> None:
        standing = await desk.account.standing()
        assert (True, True) == (standing.can_trade, standing.can_withdraw)

    async def stranger(desk: Desk) -> None:
        standing = await desk.account.standing()
        assert (False, False) == (standing.can_trade, standing.can_withdraw)
        assert OrderState.REJECTED is (await desk.account.place(desk.order(1))).state

    at_desk("hyperliquid", tmp_path, own)
    at_desk("hyperliquid", tmp_path, stranger, environment=strangers)
