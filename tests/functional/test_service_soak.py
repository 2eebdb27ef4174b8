"""A month of a service whose processes are killed a hundred times, and a week in which nothing grows: `make soak`."""

import os
import random
import signal
from collections import defaultdict
from pathlib import Path

import numpy as np

from bot.status import iso
from bot.supervisor.service import collector_settings
from data.types import HOUR_MS
from tests.faults.chance import RISKS_TAKEN, trade_by_chance
from tests.faults.harness import PATIENCE_S, Stage, staged
from tests.faults.market import BEGIN_MS, PRICES
from tests.functional.commands import soak
from tests.functional.service import (
    FIRST_HOUR,
    LEARNING,
    LEARNS_WITHIN_S,
    begin,
    gone,
    killed_again_and_again,
    processes,
    whole,
)
from tests.functional.test_service_collector import lake_of, times

KILLS, HOURS = int(os.environ.get("KILLS", "100")), int(os.environ.get("SERVICE_HOURS", "720"))
WEEK_HOURS = int(os.environ.get("WEEK_HOURS", "168"))
WEEK = range(FIRST_HOUR, FIRST_HOUR + WEEK_HOURS)
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
def test_a_week_misses_nothing_that_is_due_and_leaves_memory_and_file_handles_as_they_were(tmp_path: Path) -> None:
    used: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    with staged(
        tmp_path, by_hand=True, market_hours=400 + WEEK_HOURS, first_hour=FIRST_HOUR, guard=QUIET, risk=RISKS_TAKEN,
        service={"health_port": 0}, learning=DAILY,
    ) as stage:  # fmt: skip
        trade_by_chance(stage)
        life = begin(stage)
        for hour in WEEK:
            stage.hour(life, hour)
            life.until(lambda hour=hour: collected(stage, hour), PATIENCE_S)
            life.until(lambda: "cycle" not in processes(life), LEARNS_WITHIN_S)
            for name, pid in processes(life).items():
                used[name].append((hour / 24, *resources(pid)))
        life.send(signal.SIGTERM)
        assert 0 == life.end(PATIENCE_S), life.output
        whole(stage)
        traded = [(row["tick"] - BEGIN_MS) // HOUR_MS for row in stage.rows("select tick from ticks order by tick")]
        assert list(WEEK) == traded
        settings = collector_settings(stage.settings)
        for venue in stage.venues:
            seen = times(lake_of(settings), "snapshots", venue)
            assert len(PRICES) == len(seen)
            assert all(list(WEEK) == [hour for hour in hours if hour in WEEK] for hours in seen.values())
    for name in ("supervisor", "trader", "collector"):
        samples = used[name]
        days, memory, handles = np.array(samples[round(WARM_UP * len(samples)) :]).T
        slope = float(np.polyfit(days, memory, 1)[0])
        print(
            f"{name}: {memory[-1]:.0f} MB, {slope:+.2f} MB a day, {handles.min():.0f} to {handles.max():.0f} handles",
            flush=True,
        )
        assert slope < MOST_MB_A_DAY
        assert np.median(handles[-10:]) <= np.median(handles[:10])


def collected(stage: Stage, hour: int) -> bool:
    """Whether the collector has told of that hour."""
    log = stage.var / "logs" / "collector.jsonl"
    return log.exists() and f'"{iso(BEGIN_MS + hour * HOUR_MS)}: ' in log.read_text()


def resources(pid: int) -> tuple[float, int]:
    """Memory of its own in MB, open file handles."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))
    return resident, len(list(Path(f"/proc/{pid}/fd").iterdir()))
