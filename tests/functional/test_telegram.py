"""`bot telegram` against a local Bot API, as people use it: every command, strangers, floods, outages, and the kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from backtest.schema import schema_of
from bot.configuration import load_settings
from bot.latch import LATCH, LatchFile, LatchState
from bot.run_folder import registry_of
from bot.telegram.commands import Command
from tests.fakes.account_ledger import lived
from tests.fakes.bot_api import PNG, TOKEN, BotApiServer, Fault, bot_api_server
from tests.fakes.rehearsal import LONG, SHORT, Rehearsal, rehearsed
from tests.functional.commands import BOT, eventually, soak
from tests.functional.test_bot_kill import HOLD, live

ANN, BEN, EVE = 11, -1002, 666


@dataclass(frozen=True)
class Desk:
    """A rehearsal's folder with somebody who answers for it."""

    server: BotApiServer
    rehearsal: Rehearsal
    config: Path
    process: subprocess.Popen[str]

    def ask(self, text: str, words: str, chat: int = ANN) -> str:
        """The first answer to a command with these words in it."""
        before = len(self.server.sent)
        self.server.say(chat, text)
        return self.server.heard(chat, words, after=before).text


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("telegram")
    with (
        pytest.MonkeyPatch.context() as patched,
        rehearsed(folder, patched, speed=1.0) as rehearsal,
        bot_api_server(ann=ANN, ben=BEN) as server,
    ):
        patched.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
        config = configured(rehearsal.config, server, chats=[ANN, BEN])
        settings = load_settings(config)
        registry_of(settings).champion(schema_of(settings.environment))
        lived(settings)
        process = started(config)
        try:
            yield Desk(server, rehearsal, config, process)
        finally:
            process.terminate()
            _, said = process.communicate(timeout=60)
    assert TOKEN not in said + everything(rehearsal.var)
    assert 0 == process.returncode, said


def configured(config: Path, server: BotApiServer, chats: list[int]) -> Path:
    """A rehearsal's configuration with Telegram in it, in a file of its own."""
    told = {"enabled": True, "chats": chats, "api_url": server.url, "poll_s": 0.1, "commands_per_minute": 30}
    path = config.with_name("telegram.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"telegram": told}))
    return path


def started(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BOT, "telegram", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def everything(folder: Path) -> str:
    """All that was written."""
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def reading(pid: int) -> int:
    """The process that reads for it."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"bot.answers" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("nobody reads")


def test_every_command_is_answered_on_a_narrow_screen(desk: Desk) -> None:
    expected = {
        Command.STATUS: "equity", Command.POSITIONS: "open positions", Command.PNL: "month", Command.BALANCE: "binance",
        Command.TRADES: "closed positions", Command.FUNDING: "by asset", Command.CHAMPION: "rule-",
        Command.POPULATION: "Cycle 1, round 2", Command.PAUSE: "are held back", Command.RESUME: "before: entries",
        Command.HELP: "/funding",
    }  # fmt: skip
    for command, words in expected.items():
        if command is Command.RESUME:  # not within the second of the pause: Telegram tells whole ones
            eventually(lambda: int(time.time()) > LatchFile(desk.rehearsal.var / LATCH).path.stat().st_mtime, 60)
        desk.ask(f"/{command}@funding_bot", words)
    assert [command.value for command in Command] == [told["command"] for told in desk.server.commands]
    for sent in desk.server.sent:
        for block in sent.html.split("<pre>")[1:]:
            assert max(map(len, block.partition("</pre>")[0].replace("&amp;", "&").split("\n"))) <= 35, sent.text


def test_the_report_is_pictures(desk: Desk) -> None:
    before = len(desk.server.sent)
    desk.server.say(ANN, "/report")
    pictures = [desk.server.heard(ANN, words, after=before).picture for words in ("equity", "held")]
    assert all(picture is not None and picture.startswith(PNG) and len(picture) > 10_000 for picture in pictures)


def test_strangers_are_ignored_and_told_of_once(desk: Desk) -> None:
    for _ in range(3):
        desk.server.say(EVE, "/kill", "<eve>")
    desk.server.say(BEN, "/help")
    desk.server.heard(BEN, "/funding")
    for chat in (ANN, BEN):
        assert 1 == sum("(<eve>) wrote to this bot and was ignored" in text for text in desk.server.told(chat))
    assert [] == desk.server.told(EVE)
    assert LatchState.NONE is LatchFile(desk.rehearsal.var / LATCH).read().state


def test_a_telegram_that_fails_in_every_way_loses_no_answer(desk: Desk) -> None:
    desk.server.fail(
        Fault("429", "sendMessage"), Fault("outage", "sendMessage"), Fault("json", "sendMessage"),
        Fault("status", "sendMessage", value=502), Fault("outage", "getUpdates"), Fault("json", "getUpdates"),
        Fault("429", "getUpdates"),
    )  # fmt: skip
    desk.server.say_something_odd()
    os.kill(reading(desk.process.pid), signal.SIGKILL)
    desk.ask("/pnl", "month")
    eventually(lambda: not desk.server.faults, 60)
    desk.ask("/balance", "binance")


def test_a_flood_is_answered_once_and_cannot_hide_a_kill(desk: Desk) -> None:
    """It uses up the minute of its chat. The trader is stopped by SIGSTOP, and the account holds a pair."""
    trader = subprocess.Popen([sys.executable, "-c", HOLD, desk.rehearsal.var], stdout=subprocess.PIPE, text=True)
    assert trader.stdout is not None
    assert "held\n" == trader.stdout.readline()
    trader.send_signal(signal.SIGSTOP)
    desk.rehearsal.trade(LONG, 40)
    desk.rehearsal.trade(SHORT, -40)
    for _ in range(60):
        desk.server.say(BEN, "/help")
    began = time.monotonic()
    desk.server.say(BEN, "/kill now")
    eventually(lambda: not desk.rehearsal.held(), 60)
    took = time.monotonic() - began
    told = desk.server.heard(BEN, "killed: everything is flat")
    assert -signal.SIGKILL == trader.wait(5)
    trader.stdout.close()
    assert "was ended by SIGKILL" in told.text
    assert LatchState.KILLED is LatchFile(desk.rehearsal.var / LATCH).read().state
    assert 1 == sum("more than 30 commands in a minute" in text for text in desk.server.told(BEN))
    assert not told.silent
    desk.server.heard(ANN, "killed: everything is flat")
    desk.server.heard(ANN, "killed since")
    assert took < 10, "5 s on a machine with nothing else to do"
    refused = desk.ask("/resume", "/resume yes")
    assert "killed since" in refused
    desk.ask("/resume yes", "nothing holds entries back")


@soak
def test_a_trader_that_hangs_while_it_trades_is_killed_from_a_phone_in_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with nothing else to do."""
    with rehearsed(tmp_path, monkeypatch, speed=0.0) as trading, bot_api_server(ann=ANN) as server:
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
        registry = registry_of(trading.settings)
        chance = registry.register_plain("random", schema_of(trading.settings.environment))
        registry.promote(chance.name, None, "to trade often")
        config = configured(trading.config, server, chats=[ANN])
        process = started(config)
        trader = live(trading)
        eventually(lambda: trader.poll() is not None or len(trading.held()) >= 2, timeout_s=120, process=trader)
        trader.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        server.say(ANN, "/kill")
        eventually(lambda: not trading.held(), 60)
        took = time.monotonic() - began
        told = server.heard(ANN, "killed: everything is flat")
        trader.communicate()
        process.terminate()
        process.communicate(timeout=60)
        assert "was ended by SIGKILL" in told.text
        assert [line for line in server.told(ANN) if "entered" in line], "what it traded was told"
        assert took < 5
