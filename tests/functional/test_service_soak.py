"""A month of a service whose processes are killed a hundred times, and a week in which nothing grows: `make soak`."""

import os
import random
import signal
from collections import defaultdict
from pathlib import Path

import numpy as np

from tests.faults.chance import RISKS_TAKEN, trade_by_chance
from tests.faults.harness import PATIENCE_S, staged
from tests.faults.oracle import check
from tests.functional.commands import soak
from tests.functional.service import FIRST_HOUR, LEARNING, begin, gone, killed_again_and_again, processes, whole

KILLS, HOURS = int(os.environ.get("KILLS", "100")), int(os.environ.get("SERVICE_HOURS", "720"))
WEEK_HOURS = int(os.environ.get("WEEK_HOURS", "168"))
WARM_UP = 0.4
"""Of the week: history is still growing to what decisions look at."""
MOST_MB_A_DAY = 4.0
QUIET = {"dead_man_s": 0.0, "confirm_s": 0.05}
DAILY = LEARNING | {"schedule": LEARNING["schedule"] | {"cycle_hours": 24}}


@soak
def test_a_month_of_kills_misses_no_retraining_and_doubles_none(tmp_path: Path) -> None:
    with staged(
        tmp_path, by_hand=True, market_hours=400 + HOURS, first_hour=FIRST_HOUR, sandbox={"latency_ms": 5.0},
        guard=QUIET, risk=RISKS_TAKEN, service={"restart_s": 0.05}, learning=DAILY,
    ) as stage:  # fmt: skip
        trade_by_chance(stage)
        life = killed_again_and_again(stage, KILLS, HOURS, random.Random(11))
        last = processes(life)
        life.send(signal.SIGTERM)
        assert 0 == life.end(PATIENCE_S), life.output
        gone(last)
        whole(stage)


@soak
def test_a_week_of_trading_leaves_memory_and_file_handles_as_they_were(tmp_path: Path) -> None:
    used: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    with staged(
        tmp_path, by_hand=True, market_hours=300 + WEEK_HOURS, guard=QUIET, risk=RISKS_TAKEN,
        service={"health_port": 0},
    ) as stage:  # fmt: skip
        trade_by_chance(stage)
        life = begin(stage)
        for hour in range(WEEK_HOURS):
            stage.hour(life, hour)
            for name, pid in processes(life).items():
                used[name].append((hour / 24, *resources(pid)))
        life.send(signal.SIGTERM)
        assert 0 == life.end(PATIENCE_S), life.output
        check(stage)
    assert {"supervisor", "trader", "collector"} == used.keys()
    for name, samples in used.items():
        days, memory, handles = np.array(samples[round(WARM_UP * len(samples)) :]).T
        slope = float(np.polyfit(days, memory, 1)[0])
        print(
            f"{name}: {memory[-1]:.0f} MB, {slope:+.2f} MB a day, {handles.min():.0f} to {handles.max():.0f} handles",
            flush=True,
        )
        assert slope < MOST_MB_A_DAY
        assert np.median(handles[-10:]) <= np.median(handles[:10])


def resources(pid: int) -> tuple[float, int]:
    """Memory of its own in MB, open file handles."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))
    return resident, len(list(Path(f"/proc/{pid}/fd").iterdir()))
