"""What comes in, over real HTTP: what is let in, what a restart hears again, and who answers."""

import asyncio
import io
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.cli import standby
from bot.latch import LATCH, LatchFile, LatchState
from bot.settings import Settings
from bot.telegram.api import bot_api
from bot.telegram.commands import Command, Request
from bot.telegram.handled import Handled
from bot.telegram.inbox import Flood, Inbox
from bot.telegram.reader import Reader
from bot.telegram.service import telegram
from bot.telegram.token import Token
from data.errors import ConfigurationError, StateError
from tests.fakes.bot_api import TOKEN, BotApiServer, Fault, bot_api_server

ANN, EVE = 11, 66
ENVIRONMENT = {"TELEGRAM_BOT_TOKEN": TOKEN}


@dataclass
class Heard:
    """What an inbox handed on."""

    requests: list[Request] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    @property
    def commands(self) -> list[str]:
        return [request.command.value for request in self.requests]


@pytest.fixture
def server() -> Iterator[BotApiServer]:
    with bot_api_server(ann=ANN) as one:
        yield one


@asynccontextmanager
async def inbox(server: BotApiServer, heard: Heard, *, per_minute: int = 100) -> AsyncIterator[None]:
    async with bot_api(server.url, Token(TOKEN)) as api:
        one = Inbox(
            api, [ANN], per_minute, heard.requests.append, lambda _chat, html: heard.replies.append(html),
            heard.strangers.append, poll_s=0.1, first_wait_s=0.01,
        )  # fmt: skip
        task = asyncio.create_task(one.run())
        try:
            yield
        finally:
            task.cancel()


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def play(act: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(act(), 60)

    asyncio.run(bounded())


def test_commands_are_handed_on_in_order_through_every_failure(server: BotApiServer) -> None:
    heard = Heard()

    async def act() -> None:
        server.fail(
            Fault("status", "setMyCommands", value=400),
            Fault("outage"),
            Fault("json"),
            Fault("status", value=500),
            Fault("odd"),
            Fault("no result"),
        )
        async with inbox(server, heard):
            for text in ("/status", "hello", "/TRADES@funding_bot 20", "", "/kill"):
                server.say(ANN, text)
            await until(lambda: len(heard.requests) == 3)

    play(act)
    assert [
        (Command.STATUS, (), ANN, "ann"), (Command.TRADES, ("20",), ANN, "ann"), (Command.KILL, (), ANN, "ann"),
    ] == [(one.command, one.words, one.chat, one.who) for one in heard.requests]  # fmt: skip
    assert all(abs(time.time() - one.sent_s) < 60 for one in heard.requests)


def test_what_was_not_confirmed_is_heard_again_by_the_next_process(server: BotApiServer) -> None:
    first, second = Heard(), Heard()

    async def act() -> None:
        server.say(ANN, "/kill")
        async with bot_api(server.url, Token(TOKEN)) as api:

            def die(request: Request) -> None:
                first.requests.append(request)
                task.cancel()

            task = asyncio.create_task(Inbox(api, [ANN], 100, die, no_reply, first.strangers.append).run())
            await asyncio.wait([task])
        async with inbox(server, second):
            await until(lambda: second.requests)
            confirmed = server.asked.count("getUpdates")
            await until(lambda: server.asked.count("getUpdates") > confirmed + 3)

    play(act)
    assert (["kill"], ["kill"]) == (first.commands, second.commands)


def no_reply(_chat: int, html: str) -> None:
    raise AssertionError(html)


def test_a_flood_is_refused_with_one_line_and_never_hides_a_kill(server: BotApiServer) -> None:
    heard = Heard()

    async def act() -> None:
        for _ in range(20):
            server.say(ANN, "/pnl")
        server.say(ANN, "/kill")
        async with inbox(server, heard, per_minute=5):
            await until(lambda: "kill" in heard.commands)

    play(act)
    assert ["pnl"] * 5 + ["kill"] == heard.commands
    assert ["more than 5 commands in a minute: the rest is not answered; /kill always is"] == heard.replies


def test_a_crowd_of_strangers_is_told_of_in_measure_and_commands_nothing(server: BotApiServer) -> None:
    heard = Heard()

    async def act() -> None:
        for number in range(200):
            server.say(EVE + number % 100, "/kill", "<b>")
        server.say(ANN, "/nonsense<b>")
        async with inbox(server, heard):
            await until(lambda: heard.replies)

    play(act)
    assert ([], 20) == (heard.requests, len(heard.strangers))
    assert "<code>66</code> (&lt;b&gt;) wrote" in heard.strangers[0]
    assert ["/nonsense&lt;b&gt; is no command; /help lists them"] == heard.replies


def test_what_is_for_another_bot_of_the_group_is_ignored(server: BotApiServer) -> None:
    heard = Heard()

    async def act() -> None:
        for text in ("/kill@other_bot", "/resume@weather_bot yes", "/nonsense@other_bot", "/KILL@Funding_Bot", "/help"):
            server.say(ANN, text)
        async with inbox(server, heard):
            await until(lambda: "help" in heard.commands)

    play(act)
    assert (["kill", "help"], []) == (heard.commands, heard.replies)


@pytest.mark.parametrize(("sent_ago_s", "killed_ago_s"), [(20 * 3600, 60), (20 * 3600, 72_001), (5, 2), (-600, 60)])
def test_a_resume_that_was_not_sent_after_a_kill_and_just_now_does_not_lift_it(
    server: BotApiServer, tmp_path: Path, sent_ago_s: float, killed_ago_s: float
) -> None:
    latch = killed(tmp_path, killed_ago_s)
    server.say(ANN, "/resume yes", ago_s=sent_ago_s)
    assert "send it again" in answered(server, tmp_path, "not lifted: /resume was sent at")
    assert LatchState.KILLED is latch.read().state


@pytest.mark.parametrize("since", ["", "noon"])
def test_a_resume_that_was_sent_after_a_kill_lifts_it(server: BotApiServer, tmp_path: Path, since: str) -> None:
    latch = killed(tmp_path, 30, since)
    server.say(ANN, "/resume yes", ago_s=10)
    answered(server, tmp_path, "before: killed since")
    assert LatchState.NONE is latch.read().state


def test_a_kill_that_telegram_tells_again_does_not_undo_a_resume(server: BotApiServer, tmp_path: Path) -> None:
    latch = LatchFile(tmp_path / LATCH)
    server.say(ANN, "/kill", ago_s=7200)
    answered(server, tmp_path, "nothing is entered until /resume yes")
    assert LatchState.KILLED is latch.read().state, "nobody had heard it: it is obeyed however old it is"
    latch.lift(latch.read())
    server.forget_what_was_confirmed()
    answered(server, tmp_path, "was carried out before: send it again if you mean it")
    assert LatchState.NONE is latch.read().state
    server.say(ANN, "/kill", ago_s=7200)
    answered(server, tmp_path, "nothing is entered until /resume yes")
    assert LatchState.KILLED is latch.read().state


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"a": 1}', b'[["x", null]]'])
def test_a_memory_that_is_damaged_or_cannot_be_written_stops_no_command(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "handled.json"
    path.write_bytes(content)
    request = Request(Command.KILL, (), ANN, "ann", 1, 2)
    handled = Handled(path)
    assert not handled.has(request)
    path.unlink()
    path.mkdir()
    handled.add([request])
    assert handled.has(request)
    assert not Handled(path).has(request)


def killed(var: Path, ago_s: float, since: str = "") -> LatchFile:
    """A latch that was set some time ago."""
    latch = LatchFile(var / LATCH)
    latch.kill("typed")
    told = {
        "state": "killed",
        "since": since or datetime.fromtimestamp(time.time() - ago_s, UTC).isoformat(),
        "reason": "x",
    }
    latch.path.write_text(json.dumps(told))
    return latch


def answered(server: BotApiServer, var: Path, words: str) -> str:
    """A message with these words, by a process that begins now and hears what waits."""
    told = {"enabled": True, "chats": [ANN], "api_url": server.url}
    settings = Settings.model_validate({"var": var, "telegram": told})
    before = len(server.told(ANN))

    def found() -> list[str]:
        return [text for text in server.told(ANN)[before:] if words in text]

    async def act() -> None:
        async with telegram(settings, ENVIRONMENT):
            await until(found)

    play(act)
    return found()[0]


def test_whoever_presses_start_is_helped(server: BotApiServer) -> None:
    heard = Heard()

    async def act() -> None:
        server.say(ANN, "/start")
        async with inbox(server, heard):
            await until(lambda: heard.commands or heard.replies)

    play(act)
    assert (["help"], []) == (heard.commands, heard.replies)


def test_so_many_commands_pass_in_any_minute() -> None:
    flood = Flood(3)
    passed = [second for second in range(180) if flood.refusal(float(second)) is None]
    assert [0, 1, 2, 60, 61, 62, 120, 121, 122] == passed


def test_an_answer_that_takes_too_long_is_given_up_and_its_process_ended(tmp_path: Path) -> None:
    settings = Settings.model_validate({"var": tmp_path, "telegram": {"answer_s": 0.1}})

    async def act() -> None:
        reader = Reader(settings)
        (part,) = await reader.ask("status", [])
        assert "no answer within 0.1 s" in part.html
        assert reader.pid is None

    play(act)


def test_a_kill_switch_that_nobody_pulled_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    standby.main()
    assert [] == list(tmp_path.iterdir())


def test_only_one_process_answers_on_a_folder(server: BotApiServer, tmp_path: Path) -> None:
    told = {"enabled": True, "chats": [ANN], "api_url": server.url}
    settings = Settings.model_validate({"var": tmp_path, "telegram": told})

    async def act() -> None:
        async with telegram(settings, ENVIRONMENT) as desk:
            desk.tell("service", "the trader was <started> again")
            with pytest.raises(StateError, match="another bot is running"):
                async with telegram(settings, ENVIRONMENT):
                    pass
            await until(lambda: server.told(ANN))
            server.fail(Fault("outage", times=10_000))
            desk.tell("service", "lost at the end, and nobody waits for it")
        with pytest.raises(ConfigurationError, match="set TELEGRAM_BOT_TOKEN in the environment"):
            async with telegram(settings, {}):
                pass

    play(act)
    assert ["the trader was <started> again"] == server.told(ANN)[:1]
