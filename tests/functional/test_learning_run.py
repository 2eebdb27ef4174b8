"""`bot run --paper` with a population that trains beside it: verdicts take effect on time, runs repeat, and a walk
forward lives through the same."""

import json
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from data.settings import utc_ms
from data.types import HOUR_MS
from tests.functional.commands import bot, eventually, newest_tick, said, soak, started

CONFIG = """\
data:
  assets: [BTC, INJ, XRP, ETH]
sandbox:
  past_days: 60
learning:
  learner: {hidden: [16], rollout: 256, epochs: 2, clone_epochs: 1}
  population: {size: 3}
  fitness: {universes: 4, episode_days: 5}
  schedule: {timesteps: 1000, perturbation_interval: 500}
  backend: {kind: process}
"""
FROM, HOURS = "2025-01-17T12:00", 12
"""Half a day in which the rule enters a pair."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Path:
    """The folder of a run of half a day with a cycle at its beginning."""
    var = tmp_path_factory.mktemp("learning")
    said(run(config, var))
    return var


def run(config: Path, var: Path, *more: str) -> Any:
    return bot("run", "--paper", "--config", config, "--var", var, "--from", FROM, "--hours", HOURS, "--json", *more)


def told(var: Path) -> list[str]:
    """What the log says of champions and challengers, with the market time."""
    lines = [json.loads(line) for line in (var / "logs" / "bot.jsonl").read_text().splitlines()]
    return [f"{line['market_ms']} {line['text']}" for line in lines if line["kind"] in ("refused", "promoted")]


def verdicts(var: Path) -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted(var.glob("population/run-*/cycles/*.json"))]


def test_a_cycle_ends_with_a_verdict_that_takes_effect_six_hours_after_it_began(done: Path) -> None:
    (cycle,) = verdicts(done)
    begun = cycle["windows"]["gate"]["last_tick"]
    assert cycle["verdict"]["hours"] > 24
    assert begun + 6 * 3_600_000 == cycle["effective_ms"]
    assert all(line.startswith(str(cycle["effective_ms"])) for line in told(done))
    assert any(cycle["challenger"] in line for line in told(done))


def test_a_cycle_waits_for_the_market_that_it_learns_from(done: Path, config: Path, tmp_path: Path) -> None:
    """Venues that are slow at first change nothing: it begins once all is collected."""
    slow = yaml.safe_load(config.read_text())
    slow["sandbox"]["faults"] = [{"kind": "delay", "ms": 9000, "request": "candleSnapshot", "times": 4}]
    path = tmp_path / "slow.yaml"
    path.write_text(yaml.safe_dump(slow))
    said(run(path, tmp_path / "var"))
    assert "ended with code" not in (tmp_path / "var/logs/bot.jsonl").read_text()
    assert verdicts(done) == verdicts(tmp_path / "var")


def test_ctrl_c_does_not_wait_for_a_verdict(config: Path, tmp_path: Path) -> None:
    """For which simulated time stands still, here for hours."""
    endless, var = yaml.safe_load(config.read_text()), tmp_path / "var"
    endless["learning"]["schedule"] |= {"timesteps": 100_000_000, "perturbation_interval": 100_000_000}
    path = tmp_path / "endless.yaml"
    path.write_text(yaml.safe_dump(endless))
    process = started("run", "--paper", "--config", path, "--var", var, "--from", FROM)
    begun = utc_ms(datetime.fromisoformat(FROM))
    eventually(lambda: newest_tick(var) == begun + 5 * HOUR_MS, process=process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (0, True) == (process.returncode, "stopped; the next start continues" in out), err
    assert [] == list(var.glob("population/run-*/cycles/*.json"))


@pytest.fixture(scope="module")
def walk_var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an undisturbed walk forward over the same hours leaves what it does."""
    return tmp_path_factory.mktemp("walked")


@pytest.fixture(scope="module")
def walked(walk_var: Path, config: Path) -> Any:
    """What it says."""
    return said(walk(config, walk_var))


def walk(config: Path, var: Path) -> Any:
    return bot(*walking(config, var))


def walking(config: Path, var: Path) -> tuple[object, ...]:
    window = ("--from", FROM, "--hours", HOURS, "--json")
    return ("backtest", "--walk-forward", "--config", config, "--var", var, *window)


def test_a_walk_forward_lives_through_what_the_bot_did(done: Path, walked: Any, config: Path) -> None:
    lived = said(bot("status", "--var", done, "--config", config, "--json"))
    product, rule, flat = walked["lines"]
    assert ("product", "rule", "flat") == (product["name"], rule["name"], flat["name"])
    assert lived["equity"] == product["equity"]
    assert said(bot("trades", "--var", done, "--config", config, "--json")) == walked["trades"]
    judged = [(cycle["challenger"], cycle["verdict"]) for cycle in walked["cycles"]]
    assert [(cycle["challenger"], cycle["verdict"]) for cycle in verdicts(done)] == judged
    assert [line.partition(" ")[2] for line in told(done)] == [one["text"] for one in walked["happened"]]
    assert lived["pnl"] == pytest.approx(product["pnl"])
    difference = 100 * (product["equity"] - rule["equity"]) / lived["initial_capital"]
    assert difference == pytest.approx(product["against_rule"]["pnl_pct"])


def test_a_walk_forward_says_what_its_pnl_is_made_of_and_what_there_was_to_earn(walked: Any) -> None:
    product, _, flat = walked["lines"]
    for parts in walked["breakdown"].values():
        assert product["pnl"]["total"] == pytest.approx(sum(part["total"] for part in parts))
    assert product["pnl"]["total"] <= walked["hindsight"]["all"]["pnl"]
    assert (0.0, 0.0) == (flat["share_of_carry_pct"], flat["figures"]["turnover"])
    assert {len(curve) for line in walked["curves"].values() for curve in line.values()} == {HOURS + 1}
    assert product["equity"] == walked["curves"]["product"]["equity"][-1]
    ranked = [one for one in walked["rounds"] if one["score"] is not None]
    assert len(ranked) == walked["selection"]["trials"] == 3 * 2
    assert len(walked["cycles"]) == len(walked["selection"]["overfitting_by_cycle"])
    assert all(one["formula"] for one in walked["key_figures"])


def test_a_walk_forward_leaves_a_report_and_its_trades(walked: Any, walk_var: Path) -> None:
    (report,) = walk_var.glob("walk-forward/*/report.html")
    text = report.read_text()
    assert all(f'id="{section}"' in text for section in ("equity", "positions", "verdicts", "lineage", "figures"))
    assert "https://" not in text
    assert "http://" not in text
    assert walked["cycles"][0]["challenger"] in text
    assert walked["trades"] == pq.read_table(report.with_name("trades.parquet")).to_pylist()
    assert len(walked["trades"]) == len(report.with_name("trades.csv").read_text().splitlines()) - 1


@soak
def test_other_ways_to_learn_and_to_choose_stand_beside_it(walked: Any, walk_var: Path, config: Path) -> None:
    told = said(bot(*walking(config, walk_var), "--compare"))
    named = {line["name"]: line for line in told["lines"]}
    assert ["product", "rule", "flat", "best, no gate", "vote, no gate", "one PPO", "independent"] == list(named)
    assert walked["lines"] == told["lines"][:3]
    earned = {name: line["metrics"]["pnl_pct"] for name, line in named.items()}
    assert earned["product"] - earned["best, no gate"] == pytest.approx(told["gate"]["pnl_pct"], abs=1e-9)
    cheap, usual, dear = (one["pnl_pct"] for one in told["costs"])
    assert {name: pytest.approx(earned[name], abs=1e-9) for name in usual} == usual
    assert cheap["rule"] > usual["rule"] > dear["rule"]
    alone, apart = (
        [json.loads(line) for path in walk_var.glob(f"*/*/arms/{arm}/rounds.jsonl") for line in path.open()]
        for arm in ("one-ppo", "independent")
    )
    assert ({0}, {0, 1, 2}) == ({one["member"] for one in alone}, {one["member"] for one in apart})
    assert all(one["parent"] in (None, one["member"]) for one in (*alone, *apart))


@soak
def test_a_walk_forward_that_was_killed_goes_on_to_the_same_end(walked: Any, config: Path, tmp_path: Path) -> None:
    process = started(*walking(config, tmp_path))
    eventually(lambda: list(tmp_path.glob("walk-forward/*/population/rounds.jsonl")), process=process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert walked == said(walk(config, tmp_path))


@soak
def test_the_same_seed_gives_the_same_trades_and_verdicts(done: Path, config: Path, tmp_path: Path) -> None:
    again = said(run(config, tmp_path))
    assert said(bot("trades", "--var", done, "--config", config, "--json")) == again["trades"]
    assert verdicts(done) == verdicts(tmp_path)
    assert told(done) == told(tmp_path)


@soak
def test_a_fresh_run_in_the_same_folder_learns_anew_and_repeats_too(done: Path, config: Path) -> None:
    before = verdicts(done), told(done)
    said(run(config, done, "--fresh"))
    assert before[0] == verdicts(done)
    assert before[1] * 2 == told(done)


@soak
def test_a_bot_killed_while_its_population_trains_goes_on_to_the_same_end(
    done: Path, config: Path, tmp_path: Path
) -> None:
    process = started("run", "--paper", "--config", config, "--var", tmp_path, "--from", FROM, "--hours", HOURS)
    eventually(lambda: list(tmp_path.glob("population/run-*/rounds.jsonl")), process=process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    again = said(run(config, tmp_path))
    assert said(bot("trades", "--var", done, "--config", config, "--json")) == again["trades"]
    assert verdicts(done) == verdicts(tmp_path)
