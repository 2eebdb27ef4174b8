"""`bot run --live --supervised` in a rehearsal: what is killed comes back, and what was due is done once."""

import json
import os
import random
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bot.instance import is_running
from tests.fakes.live_accounts import keys
from tests.faults.chance import RISKS_TAKEN, trade_by_chance
from tests.faults.harness import PATIENCE_S, Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import assert_written_before_sent, check
from tests.functional.commands import eventually
from tests.functional.service import FIRST_HOUR, LEARNING, begin, due, gone, judged, kill, processes, told

KILLS = 5
SOAK_KILLS, SOAK_HOURS = int(os.environ.get("KILLS", "100")), int(os.environ.get("SERVICE_HOURS", "720"))
QUIET = {"dead_man_s": 0.0, "confirm_s": 0.05}
SERVICE = {"restart_s": 0.05, "collect": False}


def test_processes_killed_at_random_come_back_and_no_retraining_is_missed_or_doubled(tmp_path: Path) -> None:
    with staged(
        tmp_path, by_hand=True, first_hour=FIRST_HOUR, sandbox={"latency_ms": 5.0}, guard=QUIET, risk=RISKS_TAKEN,
        service=SERVICE, learning=LEARNING,
    ) as stage:  # fmt: skip
        trade_by_chance(stage)
        life = killed_again_and_again(stage, KILLS, hours=7, chance=random.Random(3))
        last = processes(life)
        life.send(signal.SIGTERM)
        assert 0 == life.end(PATIENCE_S), life.output
        gone(last)
        whole(stage)


def killed_again_and_again(stage: Stage, kills: int, hours: int, chance: random.Random) -> Life:
    """So many hours in which so many processes are killed, each when a retraining was due waited for; the service."""
    life = begin(stage)
    amid = sorted(chance.choices(range(hours), k=kills))
    for number in range(hours):
        stage.advance_to(FIRST_HOUR + number + 61 / 3600)
        for _ in range(amid.count(number)):
            time.sleep(chance.uniform(0, 1.5))
            life = one_killed(stage, life, chance)
        life.until(lambda number=number: stage.ticks() > FIRST_HOUR + number, PATIENCE_S)
        if set(due(stage)) - set(judged(stage)):
            life = one_killed(stage, life, chance)
            life.until(lambda: not set(due(stage)) - set(judged(stage)), PATIENCE_S)
    return life


def one_killed(stage: Stage, life: Life, chance: random.Random) -> Life:
    """Any process that runs now; the service that runs afterwards."""
    running = processes(life)
    victim = chance.choice(sorted(running))
    print(f"{victim} of {sorted(running)} killed at hour {stage.ticks()}", flush=True)
    kill(running[victim])
    assert_written_before_sent(stage.truth(), stage.var)
    if victim == "supervisor":
        gone(running)
        assert not is_running(stage.var)
        return begin(stage)
    eventually(lambda: processes(life).get(victim) != running[victim], PATIENCE_S)
    return life


def whole(stage: Stage) -> None:
    """Every retraining that was due has one verdict, told at most once, and the ledger is the venues' truth."""
    assert dict.fromkeys(due(stage), 1) == judged(stage)
    assert {} == {cycle: times for cycle, times in told(stage).items() if times > 1}
    check(stage)


def test_a_trader_that_hangs_is_reported_and_started_again(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, guard=QUIET, service=SERVICE | {"hang_s": 6.0, "health_port": 0}) as stage:
        life = begin(stage)
        stage.hour(life, 0)
        first = processes(life)["trader"]
        well = eventually(lambda: health(stage), PATIENCE_S)
        assert (200, True, True) == (well[0], well[1]["trader"]["alive"], well[1]["healthy"])
        assert ("none", 1, "2025-01-11T10:00Z") == (
            well[1]["latch"]["state"], well[1]["ledger"]["run"], well[1]["trader"]["last_tick"],
        )  # fmt: skip
        os.kill(first, signal.SIGSTOP)
        life.until(lambda: processes(life).get("trader", first) != first, PATIENCE_S)
        assert "the trader has given no sign of life" in stage.log()
        stage.hour(life, 1)
        life.send(signal.SIGTERM)
        assert 0 == life.end(PATIENCE_S), life.output
        assert_no_secret(stage, life)
        check(stage)


def health(stage: Stage) -> tuple[int, dict[str, Any]] | None:
    """What GET /health answers, once it is served and the trader was heard."""
    lines = [json.loads(line) for line in (stage.var / "logs" / "supervisor.jsonl").read_text().splitlines()]
    address = next((line["text"].split()[-1] for line in lines if "health is told" in line["text"]), None)
    if address is None:
        return None
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            told = answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        told = refused.code, json.loads(refused.read())
    return told if told[1]["trader"]["last_tick"] else None


def assert_no_secret(stage: Stage, life: Life) -> None:
    """In nothing that any of the processes wrote."""
    secrets = [value for name, value in keys().items() if name != "HYPERLIQUID_WALLET_ADDRESS"]
    written = stage.log() + life.output
    assert [] == [secret for secret in secrets if secret in written]


def test_what_no_start_can_mend_ends_the_service_with_that_one_line(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, service=SERVICE) as stage:
        arguments = ["run", "--live", "--supervised", "--config", stage.config]
        life = Life(arguments, "rehearse live trading\n", keys() | {"BINANCE_API_KEY": ""}, tmp_path / "said", 0.0)
        assert 2 == life.end(PATIENCE_S)
        assert "trading cannot begin: the keys of binance are missing: set BINANCE_API_KEY" in life.output
        assert not is_running(stage.var)
