"""What the sandbox's Hyperliquid refuses of signed actions, in its own words, as the stock ccxt client hears them."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.account_client import happen
from backtest.sandbox.hyperliquid_signature import address_of
from backtest.sandbox.world import World
from tests.contract.conftest import WorldAt
from tests.contract.hyperliquid_trading import (
    BTC,
    KEY,
    NOON,
    OTHER_KEY,
    WALLET,
    Trading,
    named,
    refusal,
    trade,
)

Do = Callable[..., Any]
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def world(world_at: WorldAt) -> World:
    return world_at(NOON)


@pytest.fixture
def do(world: World) -> Do:
    """`do(call, **options)`: what `call(trading)` gives."""
    return lambda call, **told: trade(world, call, **told)


def ordered(**changed: Any) -> dict[str, Any]:
    """An action of one order, of 1000 quote currency."""
    order = {"a": 0, "b": True, "p": "96000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    return {"type": "order", "orders": [order | changed], "grouping": "na"}


@pytest.mark.parametrize(
    ("quantity", "off", "force", "reduce_only", "kind", "words"),
    [
        (5.0, 1.0, "IOC", False, ccxt.InsufficientFunds, "Insufficient margin to place order."),
        (0.01, 1.0, "IOC", True, ccxt.InvalidOrder, "Reduce only order would increase position."),
        (0.0001, 1.0, "IOC", False, ccxt.InvalidOrder, "Order must have minimum value of $10."),
        (0.01, 1.0, "ALO", False, ccxt.InvalidOrder, "Post only order would have immediately matched, bbo was "),
        (0.01, 0.99, "IOC", False, ccxt.InvalidOrder, "Order could not immediately match against any resting orders."),
    ],
)
def test_what_the_book_refuses_changes_nothing_and_is_found_by_its_name(
    do: Do, quantity: float, off: float, force: str, reduce_only: bool, kind: type, words: str
) -> None:
    async def talk(trading: Trading) -> Any:
        _, ask = await trading.touch(BTC)
        told = {"reduceOnly": reduce_only, "clientOrderId": named(1)}
        refused = await refusal(trading.order(BTC, quantity, float(round(ask * off)), force, **told))
        found = await trading.client.fetch_order(named(1), BTC)
        nothing = await trading.client.fetch_my_trades(BTC), await trading.client.fetch_open_orders(BTC)
        return refused, found["status"], found["filled"], nothing

    (raised, said), status, filled, nothing = do(talk)

    assert raised is kind
    assert words in said and "asset=0" in said
    assert (status, filled, nothing) == ("rejected", 0, ([], []))


def test_a_post_only_order_that_would_take_hears_the_best_prices(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        bid, ask = await trading.touch(BTC)
        return bid, ask, await refusal(trading.order(BTC, 0.01, ask, "ALO"))

    bid, ask, (_, words) = do(talk)

    assert f"bbo was {bid}@{ask}. asset=0" in words


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"p": "96000.5"}, "Price must be divisible by tick size. asset=0"),
        ({"p": "0"}, "Order has invalid price."),
        ({"p": "10000"}, "Order price cannot be more than 80% away from the reference price"),
        ({"p": "960000"}, "Order price cannot be more than 80% away from the reference price"),
        ({"s": "0"}, "Order has zero size."),
        ({"s": "0.010001"}, "Order has invalid size."),
    ],
)
def test_what_is_impossible_as_it_is_written_is_refused_unseen(do: Do, changed: dict[str, Any], words: str) -> None:
    async def talk(trading: Trading) -> Any:
        action = ordered(c=named(1), **changed)
        action["orders"].insert(0, ordered(c=named(2))["orders"][0])
        refused = await refusal(trading.signed(action))
        return refused, [(await refusal(trading.client.fetch_order(named(n), BTC)))[0] for n in (1, 2)]

    (kind, said), found = do(talk)

    assert kind in (ccxt.InvalidOrder, ccxt.ExchangeError)
    assert words in said
    assert found == [ccxt.OrderNotFound, ccxt.OrderNotFound]


def test_in_a_batch_one_order_is_refused_and_another_trades_though_ccxt_raises(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        _, ask = await trading.touch(BTC)
        orders = [
            {
                "symbol": BTC,
                "type": "limit",
                "side": "buy",
                "amount": amount,
                "price": ask,
                "params": {"timeInForce": "IOC"},
            }
            for amount in (0.01, 0.0001)
        ]
        kind, _ = await refusal(trading.client.create_orders(orders))
        return kind, [fill["amount"] for fill in await trading.client.fetch_my_trades(BTC)]

    assert do(talk) == (ccxt.InvalidOrder, [0.01])


def test_a_client_id_is_free_again_once_its_order_has_ended_and_names_the_last_one(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        bid, ask = await trading.touch(BTC)
        await trading.order(BTC, 0.01, float(round(bid * 0.9)), "GTC", clientOrderId=named(1))
        twice, _ = await refusal(trading.order(BTC, 0.01, ask, clientOrderId=named(1)))
        await trading.client.cancel_order("", BTC, {"clientOrderId": named(1)})
        again = await trading.order(BTC, 0.01, ask, clientOrderId=named(1))
        found = await trading.client.fetch_order(named(1), BTC)
        return twice, again["id"] == found["id"], found["status"]

    assert do(talk) == (ccxt.ExchangeError, True, "closed")


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


def test_with_its_own_options_ccxt_approves_a_fee_and_sets_a_referrer_before_it_trades(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        _, ask = await trading.touch(BTC)
        placed = await trading.order(BTC, 0.01, ask)
        asked = {"type": "maxBuilderFee", "user": WALLET, "builder": trading.client.options.get("builder", BUILDER)}
        unapproved = ordered() | {"builder": {"b": WALLET, "f": 1}}
        return placed["filled"], await trading.client.publicPostInfo(asked), await refusal(trading.signed(unapproved))

    filled, approved, (_, words) = do(talk, builderFee=True, refSet=False)

    assert (filled, int(approved)) == (0.01, 10)
    assert "Builder fee has not been approved." in words


BUILDER = "0x6530512A6c89C7cfCEbC3BA7fcD9aDa5f30827a6"
"""ccxt's own."""


def test_a_scripted_rejection_has_the_words_that_it_was_given(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await happen(trading.url, "hyperliquid", "reject", code="", words="Order price too far from oracle {now}")
        _, ask = await trading.touch(BTC)
        return await refusal(trading.order(BTC, 0.01, ask)), (await trading.order(BTC, 0.01, ask))["filled"]

    (_, words), filled = do(talk)

    assert "Order price too far from oracle {now} asset=0" in words
    assert filled == 0.01


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


def test_more_than_200_cancels_at_once_are_refused_whole(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        cancels = [{"a": 0, "o": 1}] * 201
        return await refusal(trading.signed({"type": "cancel", "cancels": cancels}))

    assert "Signed action over weight limit of 200." in do(talk)[1]


def test_an_asset_that_is_not_listed_yet_is_none(do: Do) -> None:
    assert "Unknown asset 99" in do(lambda trading: refusal(trading.signed(ordered(a=99))))[1]
