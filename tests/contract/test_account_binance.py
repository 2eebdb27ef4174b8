"""The account at Binance, against the sandbox: the contract of every account, and what is Binance's own."""

from pathlib import Path

import pytest

from tests.contract.account_desk import NOW_MS, Desk, at_desk
from tests.contract.live_account_contract import *  # noqa: F403  the tests of every venue's account


@pytest.fixture
def venue() -> str:
    return "binance"


def test_pages_that_end_within_one_instant_lose_no_fill_and_tell_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.execution.live.binance.PAGE", 3)

    async def call(desk: Desk) -> None:
        for lots in (1, -1) * 5:
            await desk.account.place(desk.order(lots))
        fills = await desk.account.fills([desk.btc], NOW_MS)
        truth = [str(fill["number"]) for fill in (await desk.truth())["fills"]]
        assert truth == [fill.trade_id for fill in fills] and len(truth) >= 10

    at_desk("binance", tmp_path, call)
