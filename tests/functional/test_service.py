"""`bot run --live --supervised` in a rehearsal: what is killed comes back, and what was due is done once."""

import json
import os
import random
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bot.instance import is_running
from tests.fakes.bot_api import TOKEN, bot_api_server
from tests.fakes.live_accounts import keys
from tests.faults.chance import RISKS_TAKEN, trade_by_chance
from tests.faults.harness import PATIENCE_S, Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import check
from tests.functional.commands import eventually, soak
from tests.functional.service import FIRST_HOUR, LEARNING, begin, gone, killed_again_and_again, processes, whole

KILLS, HOURS = 4, 4
"""And one amid the retraining that is due in those hours."""
SAID, ANN = "rehearse live trading\n", 11
QUIET = {"dead_man_s": 0.0, "confirm_s": 0.05}
SERVICE = {"restart_s": 0.05, "collect": False, "health_port": 0}


def test_processes_killed_at_random_come_back_and_no_retraining_is_missed_or_doubled(tmp_path: Path) -> None:
    with staged(
        tmp_path, by_hand=True, market_hours=400, first_hour=FIRST_HOUR, sandbox={"latency_ms": 5.0}, guard=QUIET,
        risk=RISKS_TAKEN, service=SERVICE, learning=LEARNING,
    ) as stage:  # fmt: skip
        trade_by_chance(stage)
        life = killed_again_and_again(stage, KILLS, HOURS, random.Random(3))
        last, (status, well) = processes(life), eventually(lambda: health(stage), PATIENCE_S)
        assert (200, True, {"state": "none", "since": "", "reason": ""}) == (status, well["healthy"], well["latch"])
        assert (last["trader"], 1) == (well["trader"]["pid"], well["ledger"]["run"])
        life.send(signal.SIGTERM)
        assert 0 == life.end(PATIENCE_S), life.output
        gone(last)
        whole(stage)
        assert_no_secret(stage, life)


@soak
def test_a_trader_that_hangs_is_reported_and_started_again(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, guard=QUIET, service=SERVICE | {"hang_s": 20.0}) as stage:
        life = begin(stage)
        stage.hour(life, 0)
        first = processes(life)["trader"]
        well = eventually(lambda: health(stage), PATIENCE_S)
        assert (True, "2025-01-11T10:00Z") == (well[1]["trader"]["alive"], well[1]["trader"]["last_tick"])
        os.kill(first, signal.SIGSTOP)
        life.until(lambda: processes(life).get("trader", first) != first, PATIENCE_S)
        assert "the trader has given no sign of life" in stage.log()
        stage.hour(life, 1)
        life.send(signal.SIGTERM)
        assert 0 == life.end(PATIENCE_S), life.output
        check(stage)


@soak
def test_a_phone_kills_a_trader_that_hangs_and_has_it_trade_again(tmp_path: Path) -> None:
    with (
        bot_api_server(ann=ANN) as server,
        staged(
            tmp_path, by_hand=True, guard=QUIET, service=SERVICE,
            telegram={"enabled": True, "chats": [ANN], "api_url": server.url, "poll_s": 0.1},
        ) as stage,
    ):  # fmt: skip
        arguments = ["run", "--live", "--supervised", "--config", stage.config]
        life = Life(arguments, SAID, keys() | {"TELEGRAM_BOT_TOKEN": TOKEN}, tmp_path / "said", 0.0)
        life.until(lambda: stage.logged("started"), PATIENCE_S)
        stage.hour(life, 0)
        assert stage.held()
        assert 200 == eventually(lambda: health(stage), PATIENCE_S)[0]
        os.kill(processes(life)["trader"], signal.SIGSTOP)
        server.say(ANN, "/kill")
        server.heard(ANN, "killed: everything is flat", PATIENCE_S)
        assert {} == stage.held()
        life.until(lambda: "is not started again: the kill switch was used" in stage.log(), PATIENCE_S)
        status, ill = eventually(lambda: health(stage), PATIENCE_S)
        assert (503, "held", "killed") == (status, ill["trader"]["state"], ill["latch"]["state"])
        server.say(ANN, "/resume yes")
        stage.hour(life, 1)
        assert "killed" in {row["reason"] for row in stage.rows("select reason from trades")}
        life.send(signal.SIGTERM)
        assert 0 == life.end(PATIENCE_S), life.output
        assert TOKEN not in stage.log() + life.output
        check(stage)


def health(stage: Stage) -> tuple[int, dict[str, Any]] | None:
    """What GET /health answers, once it is served and the trader was heard."""
    lines = [json.loads(line) for line in (stage.var / "logs" / "supervisor.jsonl").read_text().splitlines()]
    address = [line["text"].split()[-1] for line in lines if "health is told" in line["text"]][-1]
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


@soak
def test_what_no_start_can_mend_ends_the_service_with_that_one_line(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, service=SERVICE) as stage:
        arguments = ["run", "--live", "--supervised", "--config", stage.config]
        life = Life(arguments, SAID, keys() | {"BINANCE_API_KEY": ""}, tmp_path / "said", 0.0)
        assert 2 == life.end(PATIENCE_S)
        assert "trading cannot begin: the keys of binance are missing: set BINANCE_API_KEY" in life.output
        assert not is_running(stage.var)
