"""`bot run --paper` from end to end: embedded sandbox over HTTP, stock ccxt, real database."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.functional.commands import (
    bot,
    eventually,
    newest_tick,
    quiet_config,
    recorded_market,
    said,
    small_config,
    soak,
    started,
)

WINDOW = ("--from", "2025-01-17T12:00", "--hours", 140)
"""The rule enters a pair after four hours and leaves it after five days and a half."""


@pytest.fixture(scope="module")
def six_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of six market days with three assets, in which nobody trains."""
    var = tmp_path_factory.mktemp("six-days")
    finished = bot("run", "--paper", "--config", small_config(var), *WINDOW, "--var", var)
    assert finished.returncode == 0, finished.stderr
    (var / "summary.txt").write_text(finished.stdout)
    return var


def test_with_no_configuration_at_all_it_trades_and_trains(tmp_path: Path) -> None:
    said(bot("run", "--paper", "--hours", 3, "--var", tmp_path, "--json"))
    assert list(tmp_path.glob("population/run-*/cycles/0001.json")) or (tmp_path / "logs" / "training.log").exists()


def test_six_days_open_and_close_a_pair_and_end_with_the_split_of_the_pnl(six_days: Path) -> None:
    summary = (six_days / "summary.txt").read_text()
    for word in ("closed positions", "funding", "basis", "fees", "champion rule", "episode: INJ"):
        assert word in summary
    trades = said(bot("trades", "--var", six_days, "--json"))
    assert len(trades) >= 1
    for trade in trades:
        split = trade["funding"] + trade["basis"] + trade["fees"] + trade["slippage"]
        assert trade["pnl"] == pytest.approx(split)
        assert trade["fees"] < 0


def test_a_backtest_of_the_same_market_gives_the_same_trades_and_equity(six_days: Path) -> None:
    backtest = said(bot("backtest", "--policy", "rule", "--config", six_days / "small.yaml", *WINDOW, "--json"))
    status = said(bot("status", "--var", six_days, "--json"))
    assert backtest["trades"] == said(bot("trades", "--var", six_days, "--json"))
    assert status["equity"] == pytest.approx(backtest["equity"], rel=1e-9)


def test_status_shows_equity_positions_with_both_legs_champion_and_funding(six_days: Path) -> None:
    status = said(bot("status", "--var", six_days, "--json"))
    assert (False, "finished") == (status["running"], status["state"])
    assert status["champion"].startswith("rule")
    assert status["pnl"]["total"] == pytest.approx(status["equity"] - status["initial_capital"])
    assert status["funding_earned"] == status["pnl"]["funding"]
    for position in status["positions"]:
        assert position["long"]["quantity"] == -position["short"]["quantity"] > 0
        assert position["long"]["venue"] != position["short"]["venue"]
    assert status["positions"] == said(bot("positions", "--var", six_days, "--json"))


def test_to_look_at_a_run_nothing_is_loaded_that_trading_or_learning_needs(tmp_path: Path) -> None:
    """With a position open, whose worth has to be made of its marks."""
    var = ["--var", str(tmp_path)]
    said(bot("run", "--paper", "--config", small_config(tmp_path), *WINDOW[:2], "--hours", 12, *var, "--json"))
    script = (
        f"import sys; from bot.cli.main import main; sys.argv = ['bot', 'positions', '--json', *{var}]\n"
        "try:\n    main()\nfinally:\n    heavy = {'numba', 'torch', 'ccxt', 'pandas'} & set(sys.modules)\n"
        "    print(sorted(heavy), file=sys.stderr)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)
    assert "[]" == shown.stderr.splitlines()[-1]


def test_people_get_tables(six_days: Path) -> None:
    for command, word in (("status", "equity"), ("positions", "open positions"), ("trades", "closed positions")):
        shown = bot(command, "--var", six_days)
        assert (0, True) == (shown.returncode, word in shown.stdout)


@soak
def test_a_finished_run_begins_anew_and_repeats_exactly(tmp_path: Path) -> None:
    arguments = ("run", "--paper", "--config", small_config(tmp_path), "--hours", 12, "--var", tmp_path / "var")
    first, second = said(bot(*arguments, "--json")), said(bot(*arguments, "--json"))
    assert (1, 2) == (first.pop("run"), second.pop("run"))
    assert first == second


@soak
def test_recorded_data_through_real_http_trades_as_the_backtest_does(tmp_path: Path) -> None:
    last = "2025-02-18T06:00"
    assets = "BTC,ETH,SOL,ENA,1000PEPE,LTC"
    window = (
        "--replay", recorded_market(), "--venues", "binance,hyperliquid", "--assets", assets, "--from", "2025-02-14"
    )  # fmt: skip
    quiet = ("--config", quiet_config(tmp_path))
    run = said(bot("run", "--paper", *quiet, *window, "--to", last, "--var", tmp_path, "--json", timeout_s=400))
    backtest = said(bot("backtest", "--policy", "rule", *window, "--to", last, "--json"))
    assert run["trades"]
    assert run["trades"] == backtest["trades"] == said(bot("trades", "--var", tmp_path, "--json"))
    assert run["equity"] == pytest.approx(backtest["equity"], rel=1e-9)


def test_status_answers_while_the_bot_runs_and_a_second_bot_is_refused_and_after_ctrl_c_it_goes_on(
    tmp_path: Path,
) -> None:
    var = tmp_path / "var"
    soon = ("--from", "2025-01-17T12:00")  # four hours before the rule enters
    arguments = ("run", "--paper", "--config", small_config(tmp_path), *soon, "--hours", 500, "--var", var)
    process = started(*arguments)
    status = eventually(lambda: _status_with_positions(var), process=process)
    assert (True, "running") == (status["running"], status["state"])
    second = bot(*arguments)
    assert (5, True) == (second.returncode, "another bot is running" in second.stderr)
    process.send_signal(signal.SIGINT)
    summary, _ = process.communicate(timeout=30)
    assert (0, True) == (process.returncode, "open positions" in summary)
    reached = newest_tick(var)
    process = started(*arguments)
    try:
        eventually(lambda: newest_tick(var) > reached, process=process)
        assert 1 == said(bot("status", "--var", var, "--json"))["run"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@soak
def test_a_sandbox_that_runs_by_itself_is_traded_in_its_own_time(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    server = started("sandbox", "--config", config, "--speed", 36_000, "--port", 0, "--var", tmp_path / "served")
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1].removesuffix("/binance")
        run = bot("run", "--paper", "--config", config, "--sandbox", url, "--hours", 24, "--var", tmp_path, "--json")
        assert run.returncode == 0, run.stderr
        assert "sandbox at http://127.0.0.1" in json.loads(run.stdout)["world"]
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


@soak
def test_the_paper_profile_trades_venues_in_real_time(tmp_path: Path) -> None:
    """What `config/paper.yaml` does, with the addresses of a sandbox whose market time is the time of day."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    synthetic = f"{{assets: [BTC, INJ], start: '{(hour - timedelta(days=20)).isoformat()}'}}"
    world = tmp_path / "world.yaml"
    world.write_text(f"sandbox:\n  begin: '{datetime.now(UTC).isoformat()}'\n  synthetic: {synthetic}\n")
    server = started("sandbox", "--config", world, "--speed", 1, "--port", 0, "--var", tmp_path / "served")
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1].removesuffix("/binance")
        venues = "".join(f"    {venue}: {{base_url: '{url}/{venue}'}}\n" for venue in ("binance", "hyperliquid"))
        config = tmp_path / "paper.yaml"
        config.write_text(f"profile: paper\ndata:\n  decision_delay_s: 1\n  venues:\n{venues}")
        process = started("run", "--paper", "--no-supervised", "--config", config, "--var", tmp_path / "var")
        assert hour.strftime("%Y-%m-%dT%H") <= eventually(lambda: _market_time(tmp_path / "var"), process=process)
        process.send_signal(signal.SIGINT)
        summary, _ = process.communicate(timeout=30)
        assert (0, True) == (process.returncode, "real venues" in summary)
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


def test_nothing_is_left_running_after_a_run(six_days: Path) -> None:
    found = subprocess.run(["pgrep", "-f", str(six_days)], capture_output=True, text=True, check=False)
    others = [pid for pid in found.stdout.split() if int(pid) != os.getpid()]
    assert [] == others


def _market_time(var: Path) -> str:
    shown = bot("status", "--var", var, "--json")
    return json.loads(shown.stdout)["market_time"] if shown.returncode == 0 else ""


def _status_with_positions(var: Path) -> dict | None:
    shown = bot("status", "--var", var, "--json")
    status = json.loads(shown.stdout) if shown.returncode == 0 else {}
    return status if status.get("positions") else None
