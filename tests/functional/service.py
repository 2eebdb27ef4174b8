"""A service in a rehearsal: the supervisor as a process, what it has started, and what retraining was due."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.instance import is_running
from data.types import HOUR_MS
from tests.faults.harness import PATIENCE_S, Stage
from tests.faults.lives import Life
from tests.faults.oracle import assert_written_before_sent, check
from tests.functional.commands import eventually

LEARNING: Mapping[str, Any] = {
    "learner": {"hidden": [16], "rollout": 256, "epochs": 1, "clone_epochs": 1},
    "population": {"size": 2},
    "fitness": {"universes": 2, "episode_days": 1},
    "windows": {"train_days": 2, "validation_days": 2, "gate_days": 2, "embargo_hours": 0, "least_days": 6},
    "schedule": {"timesteps": 512, "perturbation_interval": 256, "cycle_hours": 6, "promotion_lead_hours": 1},
    "backend": {"kind": "process"},
}
LEARNS_WITHIN_S = 500.0
"""It has the lowest priority, and the machine may be busy."""
FIRST_HOUR = 100
"""There is history enough to learn from."""


def begin(stage: Stage) -> Life:
    """Start the service, and wait until it trades."""
    before = stage.logged("started") + stage.logged("resumed")
    life = stage.start("--supervised")
    life.until(lambda: stage.logged("started") + stage.logged("resumed") > before, PATIENCE_S)
    return life


def processes(life: Life) -> dict[str, int]:
    """What runs now, by the last part of its module's name: supervisor, trader, collector, cycle."""
    found = {"supervisor": life.pid}
    for pid in _below(life.pid):
        command = _command(pid)
        named = [part for part in command if part.startswith("bot.") and part.endswith("_process")]
        found |= {name.removeprefix("bot.").removesuffix("_process"): pid for name in named}
    return found


def kill(pid: int) -> None:
    """kill -9; nothing where it has just ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def gone(pids: Mapping[str, int]) -> None:
    """Wait until all of them are."""
    eventually(lambda: not any(_command(pid) for pid in pids.values()), 30)


def due(stage: Stage) -> list[int]:
    """Every hour at which a cycle had to begin until now, by the account's beginning and the newest hour."""
    (run,) = stage.rows("select from_ms from runs")
    newest = run["from_ms"] + (stage.ticks() - FIRST_HOUR - 1) * HOUR_MS
    return list(range(run["from_ms"], newest + 1, stage.settings.learning.schedule.cycle_hours * HOUR_MS))


def judged(stage: Stage) -> Counter[int]:
    """How many verdicts there are, by the hour at which their cycle was due."""
    files = sorted(stage.var.glob("population/run-*/cycles/*.json"))
    cycles = [json.loads(path.read_text()) for path in files]
    return Counter(cycle["windows"]["gate"]["last_tick"] for cycle in cycles if cycle["verdict"] is not None)


def told(stage: Stage) -> Counter[str]:
    """How often each cycle's verdict was told."""
    texts = [row["text"] for row in stage.rows("select text from events where kind in ('refused', 'promoted')")]
    return Counter(text.split(":")[0] for text in texts)


def killed_again_and_again(stage: Stage, kills: int, hours: int, chance: random.Random) -> Life:
    """So many hours in which so many processes are killed, and one more amid each retraining. The market's hours are
    faster here than learning is, so each waits for the cycle that is in progress. Gives the service."""
    life, disturbed = begin(stage), set[int]()
    amid = sorted(chance.choices(range(1, hours), k=kills))
    for number in range(hours):
        stage.advance_to(FIRST_HOUR + number + 61 / 3600)
        for _ in range(amid.count(number)):
            time.sleep(chance.uniform(0, 1.5))
            life = one_killed(stage, life, chance)
        life.until(lambda number=number: stage.ticks() > FIRST_HOUR + number, PATIENCE_S)
        waiting = set(due(stage)) - set(judged(stage))
        if waiting - disturbed:
            disturbed |= waiting
            life = one_killed(stage, life, chance)
        life.until(lambda life=life: "cycle" not in processes(life), LEARNS_WITHIN_S)
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
        eventually(lambda: not is_running(stage.var), 10)
        return begin(stage)
    eventually(lambda: processes(life).get(victim) != running[victim], PATIENCE_S)
    return life


def whole(stage: Stage) -> None:
    """Every retraining that was due has one verdict, told at most once, and the ledger is the venues' truth."""
    assert dict.fromkeys(due(stage), 1) == judged(stage)
    assert {} == {cycle: times for cycle, times in told(stage).items() if times > 1}
    check(stage)


def _below(pid: int) -> list[int]:
    """Children, and theirs."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        children = [int(child) for child in path.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [one for child in children for one in _below(child)]


def _command(pid: int) -> list[str]:
    """Empty once it is gone, or only waits to be buried."""
    try:
        return [part for part in Path(f"/proc/{pid}/cmdline").read_text().split("\0") if part]
    except (FileNotFoundError, ProcessLookupError):
        return []
