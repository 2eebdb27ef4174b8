"""What waits to be sent, against a Telegram that fails: order, bounds, and what is told of what was dropped."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from bot.telegram.api import Message, bot_api
from bot.telegram.outbox import Outbox
from bot.telegram.token import Token
from tests.fakes.bot_api import TOKEN, BotApiServer, Fault, bot_api_server

ANN, BEN, EVE = 11, 12, 13
DOWN = 10_000


@asynccontextmanager
async def outbox(server: BotApiServer, size: int = 100) -> AsyncIterator[Outbox]:
    async with bot_api(server.url, Token(TOKEN)) as api:
        one = Outbox(api, size, first_wait_s=0.01)
        task = asyncio.create_task(one.run())
        try:
            yield one
        finally:
            task.cancel()


def played(play: Callable[[BotApiServer], Coroutine[Any, Any, None]]) -> BotApiServer:
    with bot_api_server(ann=ANN, ben=BEN) as server:
        asyncio.run(asyncio.wait_for(play(server), 60))
        return server


def test_messages_come_in_order_whatever_telegram_does() -> None:
    async def play(server: BotApiServer) -> None:
        server.fail(Fault("outage"), Fault("json"), Fault("status", value=500), Fault("429", value=1), Fault("outage"))
        async with outbox(server) as one:
            for number in range(5):
                one.put(Message(ANN, f"<b>{number}</b>", silent=number % 2 == 0))
            await one.flush()

    server = played(play)
    assert [("0", True), ("1", False), ("2", True), ("3", False), ("4", True)] == [
        (one.text, one.silent) for one in server.sent
    ]


def test_a_full_queue_gives_up_silent_messages_first_and_says_how_many() -> None:
    async def play(server: BotApiServer) -> None:
        server.fail(Fault("outage", times=DOWN))
        async with outbox(server, size=6) as one:
            first = one.put(Message(ANN, "first"))
            while not server.asked:
                await asyncio.sleep(0.01)
            for number in range(4):
                one.put(Message(ANN, f"loud {number}"))
                one.put(Message(BEN, f"silent {number}", silent=True))
            assert not first.done()
            server.faults.clear()
            await one.flush()

    server = played(play)
    assert ["first", "loud 0", "loud 1", "loud 2", "loud 3"] == server.told(ANN)
    note = "2 earlier messages were dropped: Telegram was away too long\n"
    assert [f"{note}silent 2", "silent 3"] == server.told(BEN)


def test_loud_messages_go_only_where_nothing_silent_is_left() -> None:
    async def play(server: BotApiServer) -> None:
        server.fail(Fault("outage", times=DOWN))
        async with outbox(server, size=3) as one:
            one.put(Message(ANN, "on its way"))
            while not server.asked:
                await asyncio.sleep(0.01)
            dropped = [one.put(Message(ANN, f"loud {number}")) for number in range(5)]
            assert [True, True, False, False, False] == [future.done() for future in dropped]
            server.faults.clear()
            await one.flush()

    note = "2 earlier messages were dropped: Telegram was away too long\n"
    assert [f"{note}on its way", "loud 2", "loud 3", "loud 4"] == played(play).told(ANN)


def test_a_chat_that_blocked_the_bot_holds_up_nobody() -> None:
    async def play(server: BotApiServer) -> None:
        async with outbox(server) as one:
            for chat in (EVE, ANN, EVE, BEN):
                one.put(Message(chat, "hello"))
            await one.flush()

    server = played(play)
    assert [ANN, BEN] == [one.chat for one in server.sent]
