"""Who may sign what at the sandbox's Hyperliquid, and when, as the stock ccxt client finds out."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.account_client import happen
from backtest.sandbox.hyperliquid_signature import address_of
from tests.contract.conftest import WorldAt
from tests.contract.hyperliquid_trading import BTC, KEY, NOON, OTHER_KEY, WALLET, Trading, ordered, refusal, trade

Do = Callable[..., Any]
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def do(world_at: WorldAt) -> Do:
    """`do(call, **options)`: what `call(trading)` gives."""
    return lambda call, **told: trade(world_at(NOON), call, **told)


def test_another_key_is_told_that_it_does_not_exist(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        return await refusal(trading.order(BTC, 0.01, 96_000.0))

    kind, words = do(talk, key=OTHER_KEY)

    assert kind is ccxt.InvalidOrder
    assert f'"User or API Wallet {address_of(OTHER_KEY)} does not exist."' in words


def test_a_key_that_was_revoked_does_not_exist_any_more(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await happen(trading.url, "hyperliquid", "permit", trade=False)
        return await refusal(trading.order(BTC, 0.01, 96_000.0))

    assert f"User or API Wallet {WALLET} does not exist." in do(talk)[1]


def test_an_api_wallet_trades_for_its_owner_but_may_not_speak_as_one(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        _, ask = await trading.touch(BTC)
        placed, client = await trading.order(BTC, 0.01, ask), trading.client
        asked = [{"type": "userRole", "user": address_of(key)} for key in (KEY, OTHER_KEY)]
        roles = [await client.publicPostInfo(request) for request in asked]
        refused = await refusal(client.approve_builder_fee(WALLET, "0.01%"))
        return placed["filled"], roles, await client.fetch_balance({"user": address_of(OTHER_KEY)}), refused[1]

    filled, roles, agent_s, words = do(talk, key=OTHER_KEY, agent=OTHER_KEY)

    assert (filled, agent_s["USDC"]["total"]) == (0.01, 0)
    assert roles == [{"role": "user"}, {"role": "agent", "data": {"user": WALLET}}]
    assert f"Must deposit before performing actions. User: {address_of(OTHER_KEY)}" in words


def test_an_owner_s_action_of_another_key_is_told_to_deposit_first(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        return await refusal(trading.client.approve_builder_fee(WALLET, "0.01%"))

    kind, words = do(talk, key=OTHER_KEY)

    assert kind is ccxt.ExchangeError
    assert f"Must deposit before performing actions. User: {address_of(OTHER_KEY)}" in words


def test_a_signature_of_nobody_and_a_vault_are_refused(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        nobody = {"action": {"type": "noop"}, "nonce": 1, "signature": {"r": "0x0", "s": "0x0", "v": 27}}
        vault = "0x" + 40 * "1"
        action, nonce = {"type": "noop"}, trading.client.incrementing_nonce()
        signature = trading.client.sign_l1_action(action, nonce, vault[2:])
        theirs = {"action": action, "nonce": nonce, "signature": signature, "vaultAddress": vault}
        client = trading.client
        return [(await refusal(client.privatePostExchange(sent)))[1] for sent in (nobody, theirs)]

    nobody, theirs = do(talk)

    assert "Unable to recover signer." in nobody
    assert f"Vault not registered: 0x{40 * '1'}" in theirs


def test_a_request_that_is_sent_again_is_refused_by_its_nonce(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        sent: list[Any] = []
        post = trading.client.privatePostExchange

        async def kept(request: Any) -> Any:
            sent.append(request)
            return await post(request)

        trading.client.privatePostExchange = kept
        await trading.signed(ordered())
        words = (await refusal(post(sent[0])))[1]
        return sent[0]["nonce"], words, len(await trading.client.fetch_open_orders(BTC))

    nonce, words, resting = do(talk)

    assert f"Invalid nonce: duplicate nonce {nonce}" in words
    assert resting == 1


@pytest.mark.parametrize(
    ("days", "words"), [(-3, "Invalid nonce: nonce too low"), (2, "Invalid nonce: nonce too high")]
)
def test_a_client_whose_clock_is_days_off_is_refused(do: Do, days: int, words: str) -> None:
    async def talk(trading: Trading) -> Any:
        right = trading.client.milliseconds
        trading.client.milliseconds = lambda: right() + days * DAY_MS
        return await refusal(trading.signed(ordered()))

    assert words in do(talk)[1]


def test_an_action_may_expire_and_its_nonce_is_used_up_all_the_same(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        late = int(trading.wall_s * 1000) - 1
        kind, words = await refusal(trading.signed(ordered(), expiresAfter=late))
        await trading.signed(ordered(), expiresAfter=late + 1000)
        return kind, words, len(await trading.client.fetch_open_orders(BTC))

    kind, words, resting = do(talk)

    assert (kind, resting) == (ccxt.ExchangeError, 1)
    assert "Action already expired" in words


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[]", 422),
        ("{}", 422),
        (json.dumps({"action": {"type": "transmute"}, "nonce": 1, "signature": {}}), 422),
        (json.dumps({"action": ordered(p="1e5"), "nonce": 1, "signature": {}}), 422),
        (json.dumps({"action": ordered(p="96000.123456789"), "nonce": 1, "signature": {}}), 422),
        (json.dumps({"action": ordered(s=0.01), "nonce": 1, "signature": {}}), 422),
        (json.dumps({"action": ordered(t={"trigger": {}}), "nonce": 1, "signature": {}}), 422),
        (json.dumps({"action": ordered(c="mine"), "nonce": 1, "signature": {}}), 422),
        (json.dumps({"action": {"type": "noop"}, "nonce": 1, "signature": {"r": "0x1", "s": "0x1"}}), 422),
    ],
)
def test_what_cannot_be_read_is_no_answer_in_json(do: Do, body: str, status: int) -> None:
    async def talk(trading: Trading) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{trading.url}/hyperliquid/exchange", data=body) as told,
        ):
            return told.status

    assert do(talk) == status
