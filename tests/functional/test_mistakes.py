"""Mistakes and bad luck end in one clear line and a documented exit code, without a traceback."""

import sys
from pathlib import Path

import pytest

from bot.cli.main import main
from tests.functional.commands import bot, small_config


def failure(*arguments: object) -> tuple[int, str]:
    """Exit code and the one line on stderr."""
    process = bot(*arguments, timeout_s=60)
    assert "Traceback" not in process.stderr
    return process.returncode, process.stderr.strip()


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
    assert (2, True) == (code, "environment.max_position" in line and "wrong.yaml" in line)


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
def test_arguments_that_cannot_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: tuple, code: int, says: str,
) -> None:  # fmt: skip
    where = () if arguments[0] == "backtest" else ("--var", tmp_path)
    monkeypatch.setattr(sys, "argv", ["bot", *map(str, (*arguments, *where))])  # a process each would take seconds
    with pytest.raises(SystemExit) as ended:
        main()
    assert (code, True) == (ended.value.code, says in (line := capsys.readouterr().err)), line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("environment: {initial_capital: 20000}", "risk.max_leg_notional"),
        ("data: {decision_delay_s: 600}", "data.decision_delay_s"),
        ("data: [", "not valid YAML"),
    ],
)
def test_settings_that_do_not_fit_together(tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    code, line = failure("backtest", "--config", config, "--hours", 5)
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
