"""Mistakes and bad luck end in one clear line and a documented exit code, without a traceback."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.cli.main import main
from data.errors import ConfigurationError
from data.secrets import SECRETS
from tests.fakes.bot_api import TOKEN, bot_api_server
from tests.fakes.rehearsal import rehearsed
from tests.functional.commands import bot, small_config, started


def failure(*arguments: object) -> tuple[int, str]:
    """Exit code and the one line on stderr."""
    process = bot(*arguments, timeout_s=60)
    assert "Traceback" not in process.stderr
    return process.returncode, process.stderr.strip()


Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    """Exit code, output and errors of the command within this process: a process each would take seconds."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bot", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def test_an_unreachable_venue(tmp_path: Path) -> None:
    config = tmp_path / "paper.yaml"
    config.write_text(
        "profile: paper\n"
        "data:\n"
        "  venues:\n"
        "    binance: {base_url: 'http://127.0.0.1:9'}\n"
        "    hyperliquid: {base_url: 'http://127.0.0.1:9'}\n"
    )
    code, line = failure("run", "--paper", "--config", config, "--var", tmp_path)
    assert 3 == code
    assert "cannot be reached" in line
    assert 1 == len(line.splitlines())


def test_an_unknown_key_in_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("environment:\n  max_position: 3\n")
    code, line = failure("run", "--paper", "--config", config, "--var", tmp_path)
    assert (2, f"bot: {config}:2: environment.max_position: unknown key: did you mean environment.max_positions?") == (
        code, line,
    )  # fmt: skip


def test_every_mistake_in_the_configuration_is_a_line(tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("seed: 1\nrisk:\n  max_leg: 1\nseed: many\n")
    code, lines = failure("status", "--config", config)
    assert (2, ["3: risk.max_leg", "4: seed", "4: seed"]) == (
        code, [": ".join(line.removeprefix(f"bot: {config}:").split(": ")[:2]) for line in lines.splitlines()],
    )  # fmt: skip


def test_a_key_that_the_venue_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rehearsed(tmp_path, monkeypatch, speed=1.0) as rehearsal:
        monkeypatch.setenv("BINANCE_API_SECRET", "wrong")
        typed = "rehearse live trading\n"
        process = bot("run", "--live", "--config", rehearsal.config, typed=typed)
    assert (3, True) == (process.returncode, "Traceback" not in process.stderr)
    assert (
        "its key is wrong or may not do this; `bot secrets list` says where keys come from"
        in (process.stderr.splitlines()[-1])
    )


def test_a_key_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: Called) -> None:
    config = tmp_path / "live.yaml"
    config.write_text("profile: live\nenvironment: {rebalance_below: 0}\nsandbox: {url: 'http://127.0.0.1:9'}\n")
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    code, told, _ = called("doctor", "--config", config, "--var", tmp_path, "--json")
    missing = [one["text"] for one in json.loads(told)["findings"] if one["check"] == "keys"]
    assert 2 == code
    assert (
        "the keys of binance are missing: set BINANCE_API_KEY, BINANCE_API_SECRET in the environment, or by"
        in (missing[0])
    )


@pytest.mark.parametrize(
    ("what", "says"),
    [("champion.json", "names no champion"), ("versions/*/manifest.json", "`bot champion list` shows what there is")],
)
def test_a_champion_that_is_not_there(tmp_path: Path, called: Called, what: str, says: str) -> None:
    assert 0 == called("champion", "list", "--var", tmp_path)[0]
    for path in tmp_path.glob(f"registry/*/{what}"):
        path.write_text("{") if what == "champion.json" else path.unlink()
    code, _, line = called("champion", "show", "--var", tmp_path)
    assert (5, True) == (code, says in line), line


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "--paper", "--venues", "binance"), 2, "two different venues"),
        (("run", "--paper", "--venues", "binance,binanse"), 2, "unknown venue 'binanse'"),
        (("run",), 2, "--paper"),
        (("run", "--paper", "--hours", 5, "--to", "2025-02-01"), 2, "give one of them"),
        (("run", "--paper", "--from", "2025-02-02", "--to", "2025-02-01"), 2, "later than --from"),
        (("run", "--paper", "--from", "2019-01-01", "--hours", 5), 2, "2019"),
        (("run", "--paper", "--hours", 1_000_000), 2, "would end"),
        (("backtest", "--policy", "best"), 2, "flat, rule, random"),
        (("backtest", "--from", "2019-01-01"), 4, "2019"),
        (("backtest", "--replay", "nowhere"), 4, "nowhere"),
        (("run", "--paper", "--replay", "nowhere"), 4, "nowhere"),
        (("status",), 5, "bot run --paper"),
        (("trades",), 5, "bot run --paper"),
    ],
)
def test_arguments_that_cannot_work(tmp_path: Path, called: Called, arguments: tuple, code: int, says: str) -> None:
    where = () if arguments[0] == "backtest" else ("--var", tmp_path)
    ended, _, line = called(*arguments, *where)
    assert (code, True) == (ended, says in line), line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("environment: {initial_capital: 20000}", "risk.max_leg_notional"),
        ("data: {decision_delay_s: 600}", "data.decision_delay_s"),
        ("data: [", "config.yaml:1: not valid YAML"),
    ],
)
def test_settings_that_do_not_fit_together(tmp_path: Path, called: Called, text: str, says: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    code, _, line = called("backtest", "--config", config, "--hours", 5)
    assert (2, True) == (code, says in line), line


def test_an_asset_that_no_two_venues_list(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("data: {assets: [BTC, PEPE]}")
    code, line = failure("backtest", "--config", config, "--hours", 5)
    assert (4, True) == (code, "PEPE" in line), line


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("this is not a database, and never was one" * 100)
    code, line = failure("run", "--paper", "--config", small_config(tmp_path), "--var", tmp_path, "--hours", 2)
    assert (5, True) == (code, "ledger" in line)


def with_telegram(folder: Path, url: str, chats: list[int]) -> Path:
    path = folder / "telegram.yaml"
    path.write_text(f"telegram: {{enabled: true, chats: {chats}, api_url: '{url}'}}\n")
    return path


@pytest.mark.parametrize(
    ("chats", "token", "says"),
    [
        ([], TOKEN, "nobody is listed in telegram.chats: add the id of your chat"),
        ([11], "", "the token of the Telegram bot is missing: set TELEGRAM_BOT_TOKEN"),
        ([11], "my token", "TELEGRAM_BOT_TOKEN is not of the form digits:letters"),
        ([11], TOKEN.replace("0", "1"), "Telegram knows no bot of this token"),
    ],
)
def test_a_telegram_that_cannot_be_spoken_to_by_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: Called, chats: list[int], token: str, says: str
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", token)
    with bot_api_server(ann=11) as server:
        config = with_telegram(tmp_path, server.url, chats)
        code, out, line = called("telegram", "--config", config, "--var", tmp_path)
    assert (2, 1, True) == (code, len(line.splitlines()), says in line), line
    assert not token or token not in out + line


def test_a_telegram_that_is_off(tmp_path: Path, called: Called) -> None:
    code, _, line = called("telegram", "--config", small_config(tmp_path), "--var", tmp_path)
    assert (2, True) == (code, "set telegram.enabled and telegram.chats" in line), line


def test_a_chat_that_never_wrote_to_the_bot_is_named_and_the_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    with bot_api_server(ann=11) as server:
        config = with_telegram(tmp_path, server.url, [11, 12])
        process = started("telegram", "--config", config, "--var", tmp_path)
        try:
            server.say(11, "/help")
            server.heard(11, "/kill")
        finally:
            process.terminate()
            _, said = process.communicate(timeout=60)
    assert 0 == process.returncode, said
    assert ["chat 12 hears nothing"] == [line.split(" (")[0] for line in said.splitlines() if line.startswith("chat")]


def test_help_names_every_command() -> None:
    shown = bot("--help").stdout
    for command in (
        "run",
        "collect",
        "backtest",
        "status",
        "positions",
        "trades",
        "sandbox",
        "evaluate",
        "champion",
        "db",
    ):
        assert command in shown


def test_who_asks_for_it_sees_the_traceback(tmp_path: Path, called: Called) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml cannot be read"):
        called("--debug", "status", "--config", tmp_path / "none.yaml")
