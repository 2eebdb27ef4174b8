"""kill -9 of live trading at any instant: every restart ends hedged or flat, and its ledger is the venues' truth.

Chance trades at a served sandbox, so entries, exits and funding come nearly every hour, with training beside them.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.chance import RISKS_TAKEN, trade_by_chance
from tests.faults.harness import Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import assert_written_before_sent, check
from tests.functional.commands import soak

KILLS = 10
SOAK_KILLS = int(os.environ.get("KILLS", "300"))
AT_REST_WITHIN_S = 60.0
AMID_HOUR_S, AMID_ORDERS_S, AMID_START_S = 1.5, 0.25, 2.5
"""The longest time until a kill: from the beginning of an hour, its first order, a start."""
FIRST_HOUR = 100
"""There is history enough to learn from."""
LEARNS_EVERY, LEARNS_WITHIN_S = 20, 120.0
"""Every so many kills training has the time to come under way."""
LEARNING = {
    "learner": {"hidden": [16], "rollout": 256, "epochs": 2, "clone_epochs": 1},
    "population": {"size": 2},
    "fitness": {"universes": 4, "episode_days": 1},
    "windows": {"train_days": 2, "validation_days": 2, "gate_days": 2, "embargo_hours": 0, "least_days": 6},
    "schedule": {"timesteps": 1000, "perturbation_interval": 500, "cycle_hours": 6},
    "backend": {"kind": "process"},
}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    quiet = {"dead_man_s": 0.0, "confirm_s": 0.05}
    slow, hours = {"latency_ms": 10.0}, 400 + 2 * SOAK_KILLS
    with staged(
        tmp_path, by_hand=True, market_hours=hours, first_hour=FIRST_HOUR, sandbox=slow, guard=quiet, risk=RISKS_TAKEN
    ) as one:
        trade_by_chance(one)
        yield one


def test_kills_at_any_instant_end_hedged_or_flat_with_the_venues_truth_in_the_ledger(stage: Stage) -> None:
    print(killed_again_and_again(stage, KILLS, random.Random(5)))


@soak
def test_many_kills_with_training_beside_end_hedged_or_flat(stage: Stage) -> None:
    stage.configure(learning=LEARNING)
    amid = killed_again_and_again(stage, SOAK_KILLS, random.Random(7))
    print(amid)
    assert all(amid[what] for what in ("entry", "exit", "settling", "training under way"))


def killed_again_and_again(stage: Stage, kills: int, chance: random.Random) -> Counter[str]:
    """Kill, start again, and look, so often; what the kills came amid."""
    amid: Counter[str] = Counter()
    life, slowest = stage.begin(), 0.0
    stage.hour(life, FIRST_HOUR)
    for number in range(kills):
        hour = stage.ticks()
        if number % LEARNS_EVERY == 1 and trains(life.pid):
            said = training_said(stage)
            life.until(lambda said=said: training_said(stage) > said, LEARNS_WITHIN_S)
            amid["training under way"] += 1
        stage.advance_to(hour + 0.02)
        wait_for_an_instant(stage, life, chance)
        amid.update(what_goes_on(stage, life, hour))
        life.kill()
        assert_written_before_sent(stage.truth(), stage.var)
        begun = time.monotonic()
        if chance.random() < 0.25:  # and again, amid the mending
            again = stage.start()
            time.sleep(chance.uniform(0, AMID_START_S))
            amid["start"] += 1
            again.kill()
        life = stage.begin()
        life.until(lambda hour=hour: stage.ticks() > hour, AT_REST_WITHIN_S)
        check(stage)
        slowest = max(slowest, time.monotonic() - begun)
        assert slowest < AT_REST_WITHIN_S
        assert [] == stage.rows("select * from executions where number is null")
        print(f"kill {number + 1}, slowest {slowest:.1f} s: {dict(amid)}, {len(stage.held())} positions", flush=True)
    life.kill()
    return amid


def wait_for_an_instant(stage: Stage, life: Life, chance: random.Random) -> None:
    """Any time of an hour, or, more often, of its orders if there are some."""
    begun, orders = time.monotonic(), sent(stage)
    if chance.random() < 0.3:
        time.sleep(chance.uniform(0, AMID_HOUR_S))
        return
    while life.alive and sent(stage) == orders and time.monotonic() < begun + 2 * AMID_HOUR_S:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, AMID_ORDERS_S))


def sent(stage: Stage) -> int:
    """Orders in the ledger."""
    return len(stage.rows("select 1 from orders"))


def what_goes_on(stage: Stage, life: Life, hour: int) -> list[str]:
    """At this moment: an entry, an exit, what is before them in an hour, or a rest; and training."""
    assert life.alive, life.output[-3000:]
    training = ["training"] if trains(life.pid) else []
    pending = stage.rows("select proposal from executions where number is null")
    if pending:
        return [*training, "entry" if json.loads(pending[-1]["proposal"])["entry"] else "exit"]
    return [*training, "rest" if stage.ticks() > hour else "settling"]


def trains(pid: int) -> bool:
    """Whether a process has a training process of its own."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = [Path(f"/proc/{child}/cmdline") for child in children]
    return any("bot.cycle_process" in path.read_text() for path in commands if path.exists())


def training_said(stage: Stage) -> int:
    """How many stages of its cycles it told."""
    log = stage.var / "logs" / "training.log"
    return len(log.read_text().splitlines()) if log.exists() else 0
