"""`bot champion` and `bot evaluate` as a user runs them, and a champion that changes while the bot trades."""

import csv
import os
import pty
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from backtest.schema import Schema
from bot.identity import market_name
from bot.settings import Settings
from pbt_online.manifest import Origin
from pbt_online.network import NetworkPolicy
from pbt_online.registry import Registry
from tests.functional.commands import BOT, bot, eventually, said, small_config, soak, started
from tests.functional.warm import WarmPopen

PAIRS = Schema(3, 5, "pairs", 8)
MARKET = market_name(Settings())
BEGIN, HOUR_MS = 1_736_899_200_000, 3_600_000
"""2025-01-15 00:00 UTC, where the synthetic market is traded from."""
COLUMNS = [
    "symbol", "long_venue", "short_venue", "entry_time", "exit_time", "pnl_usd", "pnl_pct", "duration_hours",
    "funding", "fees", "basis", "slippage", "cost_bps", "taker_cost_bps", "reason",
]  # fmt: skip


def network(wants: int, seed: int = 0) -> NetworkPolicy:
    """One that mostly wants one action."""
    random = np.random.default_rng(seed)
    weights = random.normal(0, 0.05, (PAIRS.size, PAIRS.actions))
    return NetworkPolicy("net", PAIRS, [(weights, 2.0 * np.eye(PAIRS.actions)[wants])])


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """A folder whose registry holds the rule, flat, and two networks, one of which the gate has promoted."""
    registry = Registry(tmp_path / "registry" / MARKET)
    registry.champion(Schema(3, 5))
    registry.register_plain("flat", Schema(3, 5))
    window = {"train": [0, BEGIN - HOUR_MS], "gate": [BEGIN, BEGIN + 50 * HOUR_MS]}
    origin = Origin(created_ms=BEGIN, window=window, lineage={"member": 3}, fitness={"value": 0.25, "trades": 7})
    registry.register_network(network(1), origin, name="ppo-eager")
    vouched = Origin(created_ms=BEGIN, verdict={"promoted": True})
    registry.register_network(network(0), vouched, name="ppo-calm", model_zip=b"zip")
    yield tmp_path


def refused(*arguments: object) -> tuple[int, str]:
    """Exit code and the one line on stderr."""
    ended = bot(*arguments, timeout_s=120)
    assert "Traceback" not in ended.stderr
    assert 1 == len(ended.stderr.strip().splitlines()), ended.stderr
    return ended.returncode, ended.stderr


def test_versions_are_listed_and_shown(var: Path) -> None:
    listed = said(bot("champion", "list", "--var", var, "--json"))
    names = [one["name"] for one in listed]
    assert (4, sorted(names)) == (len(names), names)
    assert ["rule"] == [one["policy"] for one in listed if one["champion"]]
    shown = said(bot("champion", "show", "ppo-eager", "--var", var, "--json"))
    assert (False, {"member": 3}, 8) == (shown["champion"], shown["lineage"], shown["schema"]["decision_hours"])
    assert said(bot("champion", "show", "--var", var, "--json"))["policy"] == "rule"
    table = bot("champion", "list", "--var", var).stdout
    for text in ("ppo-calm", "promoted", "not asked", "pairs, 8 h", "+0.2500"):
        assert text in table
    assert "its files are whole" in bot("champion", "show", "ppo-calm", "--var", var).stdout


def test_a_promotion_by_hand_says_what_the_gate_has_said(var: Path) -> None:
    code, line = refused("champion", "promote", "ppo-eager", "--var", var)
    assert (2, True) == (code, "the gate has not vouched for ppo-eager" in line and "--yes" in line)
    vouched = bot("champion", "promote", "ppo-calm", "--var", var)
    assert (0, "") == (vouched.returncode, vouched.stderr)
    insisted = bot("champion", "promote", "ppo-eager", "--yes", "--var", var, "--json")
    assert "the gate has not vouched for ppo-eager" in insisted.stderr
    assert ("ppo-eager", False) == tuple(said(insisted)[key] for key in ("name", "vouched_for"))
    back = bot("champion", "rollback", "--var", var)
    assert (0, True) == (back.returncode, "ppo-calm is the champion; a running bot trades by it" in back.stdout)
    rule, *later = said(bot("champion", "show", "--var", var, "--json"))["history"]
    assert ["ppo-calm", "ppo-eager", "ppo-calm"] == [one["name"] for one in later]
    assert ("rolled back by hand", 1) == (later[-1]["why"], len({rule["before"], later[-1]["before"]} - {None}))


@pytest.mark.parametrize(("answer", "code", "champion"), [("n", 2, "rule"), ("y", 0, "ppo-eager")])
def test_on_a_terminal_a_promotion_by_hand_is_asked_for(var: Path, answer: str, code: int, champion: str) -> None:
    terminal, keyboard = pty.openpty()
    os.write(terminal, f"{answer}\n".encode())
    arguments = [BOT, "champion", "promote", "ppo-eager", "--var", var]
    with WarmPopen(arguments, stdin=keyboard, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asked:
        _, said = asked.communicate(timeout=120)
    os.close(terminal)
    os.close(keyboard)
    assert (code, True) == (asked.returncode, "promote it nevertheless?" in said), said
    assert Registry(var / "registry" / MARKET).history()[-1].name.startswith(champion)


def test_a_plain_policy_is_promoted_by_its_name(tmp_path: Path) -> None:
    made = said(bot("champion", "promote", "flat", "--yes", "--var", tmp_path, "--json"))
    shown = said(bot("champion", "show", "--var", tmp_path, "--json"))
    assert ("flat", made["name"]) == (shown["policy"], shown["name"])


def test_who_was_promoted_by_hand_trades_in_the_next_run_of_the_same_market(tmp_path: Path) -> None:
    small = ("--config", small_config(tmp_path), "--var", tmp_path)
    hours = ("run", "--paper", "--hours", 3, "--json")
    assert said(bot(*hours, *small))["champion"].startswith("rule-")
    promoted = bot("champion", "promote", "flat", "--yes", *small)
    assert (0, True) == (promoted.returncode, "the next run begins with it" in promoted.stdout)
    assert said(bot(*hours, *small))["champion"].startswith("flat-")
    history = said(bot("champion", "show", *small, "--json"))["history"]
    assert [("rule", False), ("flat", True)] == [(one["name"].split("-")[0], one["by_hand"]) for one in history]


def test_what_cannot_trade_is_not_promoted(var: Path) -> None:
    weights = var / "registry" / MARKET / "versions" / "ppo-calm" / "policy.npz"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"?")
    for command in (("champion", "promote"), ("evaluate",)):
        code, line = refused(*command, "ppo-calm", "--var", var)
        assert (4, True) == (code, "differs from its manifest" in line)
    weights.write_bytes(whole)
    config = var / "four.yaml"
    config.write_text("environment: {max_positions: 4}\n")
    code, line = refused("champion", "promote", "ppo-calm", "--var", var, "--config", config)
    assert (2, True) == (code, "made for 3 slots" in line)
    code, line = refused("champion", "show", "../x", "--var", var)
    assert (5, True) == (code, "no version's name" in line)


def test_a_damaged_version_is_listed_as_such(var: Path) -> None:
    (var / "registry" / MARKET / "versions" / "ppo-calm" / "manifest.json").write_text("{")
    assert "damaged" in bot("champion", "list", "--var", var).stdout
    (damaged,) = [one for one in said(bot("champion", "list", "--var", var, "--json")) if "damage" in one]
    assert "ppo-calm" == damaged["name"]


@soak
def test_a_backtest_plays_a_version_the_champion_or_the_newest_vote(var: Path) -> None:
    registry = Registry(var / "registry" / MARKET)
    small = ("backtest", "--config", small_config(var), "--var", var, "--hours", 100, "--json")
    assert "trade_with: ensemble" in bot(*small, "--policy", "ensemble").stderr
    registry.register_ensemble(["ppo-eager"], Origin(created_ms=BEGIN - 1), name="vote-old")
    registry.register_ensemble(["ppo-eager", "ppo-calm"], Origin(created_ms=BEGIN), name="vote-new")
    eager, champion, rule, vote = (
        said(bot(*small, "--policy", name)) for name in ("ppo-eager", "champion", "rule", "ensemble")
    )
    assert (["gate"], []) == (eager["seen_before"], champion["seen_before"])
    assert eager["equity"] != rule["equity"] == champion["equity"]
    assert ("ppo-eager", "vote-new") == (eager["policy"], vote["policy"])


def test_a_version_is_evaluated_with_key_figures_best_trades_and_a_csv(var: Path) -> None:
    small = ("--config", small_config(var), "--hours", 200, "--var", var)
    shown = bot("evaluate", "ppo-eager", *small)
    assert 0 == shown.returncode, shown.stderr
    for text in (
        "Evaluation summary", "Total reward", "Total P&L", "25 steps, 200 h", "> 0.5 %", "> 50 %", "> 2", "< 12 h",
        "> 1", "most profitable trades", "All trades saved to", "seen this window before: gate", "value",
    ):  # fmt: skip
        assert text in shown.stdout
    told = said(bot("evaluate", "ppo-eager", *small, "--json"))
    with Path(told["csv"]).open() as file:
        rows = list(csv.DictReader(file))
    assert Path(told["csv"]).parent == var / "reports"
    assert COLUMNS == list(rows[0])
    pnl = [float(row["pnl_usd"]) for row in rows]
    won, lost = sum(one > 0 for one in pnl), sum(one < 0 for one in pnl)
    assert {"total": len(rows), "won": won, "lost": lost} == told["trades"]
    assert sorted(pnl, reverse=True)[:5] == [trade["pnl"] for trade in told["best"]]
    for row in rows:
        parts = sum(float(row[cause]) for cause in ("funding", "fees", "basis", "slippage"))
        assert float(row["pnl_usd"]) == pytest.approx(parts)
        assert 0 == int(row["entry_time"][11:13]) % 8 or row["reason"] != "policy"
    assert {"value": 0.25, "trades": 7} == told["fitness"]


@soak
def test_an_evaluation_of_the_rule_is_its_backtest(var: Path) -> None:
    small = ("--config", small_config(var), "--hours", 200, "--json")
    path = var / "trades of the rule.csv"
    told, played = said(bot("evaluate", "rule", *small, "--var", var, "--output", path)), said(bot("backtest", *small))
    assert (played["equity"], played["metrics"]) == (told["equity"], told["metrics"])
    assert (str(path), len(played["trades"])) == (told["csv"], len(path.read_text().splitlines()) - 1)
    figures = [(one["name"], one["target"]) for one in told["kpis"]]
    assert [
        ("P&L", 0.5), ("win rate", 50.0), ("profit factor", 2.0), ("average duration", 12.0),
        ("Sharpe ratio per trade", 1.0),
    ] == figures  # fmt: skip


@soak
def test_every_version_is_compared_in_one_table(var: Path) -> None:
    (var / "registry" / MARKET / "versions" / "ppo-calm" / "policy.npz").unlink()
    small = ("--all", "--config", small_config(var), "--hours", 200, "--var", var)
    compared = bot("evaluate", *small, "--json")
    names = [one["version"] for one in said(compared)]
    assert ["flat", "ppo-eager", "rule"] == [name if name.startswith("ppo") else name.split("-")[0] for name in names]
    assert "left out" in compared.stderr
    assert "ppo-calm" in compared.stderr
    alone = said(bot("evaluate", "ppo-eager", *small[1:], "--json"))
    assert said(compared)[1] == {key: value for key, value in alone.items() if key != "csv"}
    table = bot("evaluate", *small).stdout
    for text in (*names, "factor", "fall %", "ppo-eager has seen this window before (gate)"):
        assert text in table


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("evaluate",), 2, "name one version"),
        (("evaluate", "rule", "--all"), 2, "name one version"),
        (("evaluate", "--all", "--output", "x.csv"), 2, "name one version"),
        (("evaluate", "none"), 5, "champion list"),
        (("evaluate", "rule", "--from", "2019-01-01"), 4, "2019"),
    ],
)
def test_mistakes_end_with_a_line_and_a_code(tmp_path: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    got, line = refused(*arguments, "--var", tmp_path)
    assert (code, True) == (got, says in line), line


def test_help_names_what_can_be_done_with_champions() -> None:
    assert {"list", "show", "promote", "rollback"} <= set(bot("champion", "--help").stdout.split())


@soak
def test_a_promotion_takes_effect_between_two_hours_and_survives_a_restart(var: Path) -> None:
    small = ("--paper", "--config", small_config(var), "--var", var, "--hours", 150)
    running = started("run", *small)
    eventually(lambda: len(actions(var)) >= 10, process=running)
    said(bot("champion", "promote", "ppo-eager", "--yes", "--var", var, "--json"))
    eventually(lambda: promotions(var), process=running)
    running.terminate()
    running.communicate(timeout=60)
    said(bot("champion", "rollback", "--var", var, "--json"))
    ended = said(bot("run", *small, "--json"))
    assert ended["champion"].startswith("rule-")
    (first, text), (second, other) = promotions(var)
    assert ("ppo-eager takes over from rule-" in text, "takes over from ppo-eager: rolled back" in other) == (
        True,
        True,
    )
    for tick, action in actions(var).items():
        numbers = 0 if action is None else len(action.split())
        by_pair = first <= tick < second
        expected = (3 if tick // HOUR_MS % 8 == 0 else 0) if by_pair else 1
        assert expected == numbers or tick == max(actions(var))


def actions(var: Path) -> dict[int, str | None]:
    """What was decided, by tick."""
    return dict(_rows(var, "select tick, action from ticks order by tick"))


def promotions(var: Path) -> list[tuple[int, str]]:
    """Tick and text of every change of champion."""
    return _rows(var, "select tick, text from events where kind = 'promoted' order by tick")


def _rows(var: Path, query: str) -> list:
    path = var / "ledger.sqlite"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # its tables are not there yet
            return []
