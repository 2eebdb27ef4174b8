"""What every account at a linear venue keeps when keys, clocks, networks or the venue itself go wrong.

A test file that imports these tests, and those of `account_contract`, runs them with stock ccxt over HTTP.
"""

import asyncio
from typing import Any

import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.fault_client import script_faults
from tests.contract.linear_accounts import ASK, BTC, Dialect, Play, Session

UNTIL_FOUND_S = 5.0


# Keys, signatures, clocks


@pytest.mark.parametrize("wrong", ["apiKey", "secret"])
def test_a_wrong_key_or_secret_is_refused(play: Play, dialect: Dialect, wrong: str) -> None:
    async def script(session: Session) -> Any:
        await session.client.fetch_balance()
        setattr(session.client, wrong, "wrong")
        with pytest.raises(ccxt.AuthenticationError, match=dialect.codes[wrong]):
            await session.order("buy", 0.1, ASK)
        return (await session.truth())["orders"]

    assert [] == play(script)


@pytest.mark.parametrize("skew_ms", [-45_000, 45_000])
def test_a_clock_that_is_off_is_refused(play: Play, dialect: Dialect, skew_ms: int) -> None:
    async def script(session: Session) -> Any:
        honest = session.client.nonce
        session.client.nonce = lambda: honest() + skew_ms
        with pytest.raises(ccxt.InvalidNonce, match=dialect.codes["clock"]):
            await session.order("buy", 0.1, ASK)
        session.client.nonce = honest
        await session.order("buy", 0.1, ASK)
        return await session.positions()

    assert {BTC: 0.1} == play(script)


def test_what_is_signed_are_the_bytes_that_were_sent(play: Play, dialect: Dialect) -> None:
    async def script(session: Session) -> Any:
        session.client.json = lambda told, params=None: ccxt.Exchange.json(told).replace(":", " : ")
        await session.order("buy", 0.1, ASK, name="s1")
        sign = session.client.sign

        def tampered(*asked: Any) -> Any:
            signed = sign(*asked)
            return signed | {"body": signed["body"].replace("s2", "s3")}

        session.client.sign = tampered
        with pytest.raises(ccxt.AuthenticationError, match=dialect.codes["secret"]):
            await session.order("buy", 0.1, ASK, name="s2")
        return await session.truth()

    assert ["s1"] == [order["ticket"]["client_id"] for order in play(script)["orders"]]


def test_a_key_that_may_not_trade_still_reads(play: Play, dialect: Dialect) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, 90_000, timeInForce="GTC", name="k1")
        await session.happen("permit", trade=False)
        with pytest.raises(ccxt.BaseError, match=dialect.codes["permission"]):
            await session.order("buy", 0.1, ASK)
        with pytest.raises(ccxt.BaseError, match=dialect.codes["permission"]):
            await session.client.cancel_order("", BTC, session.dialect.named("k1"))
        return len(await session.client.fetch_open_orders()), await session.positions()

    assert (1, {}) == play(script)


def test_the_sandbox_shuts_its_books_whole_to_a_client_without_a_key(play: Play, dialect: Dialect) -> None:
    async def script(session: Session) -> None:
        session.client.apiKey = session.client.secret = "none of these"
        for ask in (session.client.fetch_balance, session.client.fetch_positions, session.client.fetch_open_orders):
            with pytest.raises(ccxt.AuthenticationError, match=dialect.codes["apiKey"]):
                await ask()

    play(script)


# Faults


@pytest.mark.parametrize("kind", ["reset", "empty", "timeout"])
def test_an_order_whose_answer_is_lost_took_effect_once(play: Play, kind: str) -> None:
    async def script(session: Session) -> Any:
        # The bot waits for longer; the fault lasts as long as the client does.
        session.client.timeout = 200
        await script_faults(session.url, {"kind": kind, "after": True, "method": "POST", "times": 1})
        answer: Any = None
        try:
            answer = await session.order("buy", 0.1, ASK, name="l1")
        except ccxt.NetworkError as error:
            answer = error
        found = await session.find("l1")
        return answer, session.units(found["filled"]), len(await session.client.fetch_my_trades(BTC))

    answer, filled, trades = play(script)

    assert (0.1, 1) == (filled, trades)
    assert isinstance(answer, ccxt.NetworkError) or (kind == "empty" and answer["id"] is None)


def test_an_order_that_never_arrived_is_not_there(play: Play) -> None:
    async def script(session: Session) -> Any:
        await script_faults(session.url, {"kind": "reset", "method": "POST", "times": 1})
        with pytest.raises(ccxt.NetworkError):
            await session.order("buy", 0.1, ASK, name="l1")
        with pytest.raises(ccxt.OrderNotFound):
            await session.find("l1")
        return await session.positions()

    assert {} == play(script)


def test_an_order_may_fill_in_part(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.happen("partial", percent=37)
        await session.order("buy", 0.1, ASK, name="q1")
        found = await session.find("q1")
        return found["status"], session.units(found["filled"]), await session.positions()

    assert ("canceled", 0.037, {BTC: 0.037}) == play(script)


def test_an_order_may_fill_nothing_and_be_accepted_all_the_same(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.happen("partial", percent=0)
        taken = await session.order("buy", 0.1, ASK, name="q1")
        found = await session.find("q1")
        return taken["id"] == found["id"], found["status"], found["filled"], await session.positions()

    assert (True, "canceled", 0, {}) == play(script)


def test_an_order_may_be_hidden_from_queries_for_a_while_though_it_filled(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.happen("hide", seconds=0.3)
        await session.order("buy", 0.1, ASK, name="h1")
        with pytest.raises(ccxt.OrderNotFound):
            await session.find("h1")
        hidden = await session.client.fetch_my_trades(BTC), await session.positions()
        async with asyncio.timeout(UNTIL_FOUND_S):
            while not (trades := await session.client.fetch_my_trades(BTC)):
                await asyncio.sleep(0.02)
        return hidden, len(trades), (await session.find("h1"))["status"]

    assert (([], {BTC: 0.1}), 1, "closed") == play(script)
