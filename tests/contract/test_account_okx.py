"""The account at OKX, against the sandbox: the contract of every account, and orders that are late."""

from pathlib import Path

import pytest

from bot.execution.live import okx
from bot.venue_orders import OrderState
from tests.contract.account_desk import Desk, at_desk
from tests.contract.live_account_contract import *  # noqa: F403  the tests of every venue's account
from tests.contract.live_account_trouble import *  # noqa: F403


@pytest.fixture
def venue() -> str:
    return "okx"


def test_an_order_that_arrives_after_its_time_is_refused_and_reads_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(desk: Desk) -> None:
        order = desk.order(1)
        late = await desk.account.place(order)
        assert (OrderState.REJECTED, True) == (late.state, "50036" in late.reason)
        assert OrderState.ABSENT is (await desk.account.find(order)).state
        await desk.sent(0)

    monkeypatch.setattr(okx, "VALID_MS", -3000)
    at_desk("okx", tmp_path, call)
