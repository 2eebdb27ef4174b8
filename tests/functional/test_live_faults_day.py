"""A day of live trading at sixty times its speed, with one call in twenty failing somehow: nothing is lost.

Its figures go to stdout: how many calls failed, what stood naked, and how much memory an hour costs.
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.chance import RISKS_TAKEN, trade_by_chance
from tests.faults.harness import Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import check
from tests.functional.commands import soak

SPEED = 60.0
HOURS = int(os.environ.get("DAY_HOURS", "24"))
WARM_UP_HOURS = HOURS / 4
MOST_GROWTH_MB = 1.0
FAILING = 0.05
KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 429, "retry_after_s": 1},
    {"kind": "status", "status": 503, "page": True},
    {"kind": "status", "status": 502, "after": True},
    {"kind": "timeout"},
    {"kind": "timeout", "after": True},
    {"kind": "reset"},
    {"kind": "reset", "after": True},
    {"kind": "empty", "after": True},
    {"kind": "cut"},
    {"kind": "cut_json"},
)
"""Each as likely as the others; `after`: the call takes effect, and its answer is lost."""


@soak
def test_a_day_in_which_one_call_in_twenty_fails_loses_nothing(tmp_path: Path) -> None:
    bold = {"max_slow_downs": 1000}  # else it would hardly enter anything
    with staged(tmp_path, sandbox={"speed": SPEED}, risk=RISKS_TAKEN, execution=bold) as stage:
        trade_by_chance(stage)
        stage.faults(*({**kind, "probability": FAILING / len(KINDS), "seed": n} for n, kind in enumerate(KINDS)))
        memory = traded(stage, stage.start("--hours", HOURS))
        met, asked = stage.struck(), sum(sum(stage.asked(venue).values()) for venue in stage.venues)
        stage.faults()
        stage.live(1)
        growth = grown(memory)
        tell(stage)
        print(f"{sum(met)} of {asked} calls failed, by kind {met}")
        print(f"memory grew by {growth:.2f} MB an hour, to {memory[-1][1]:.0f} MB", flush=True)
        check(stage)
        assert 0.5 * FAILING < sum(met) / asked < 2 * FAILING
        assert growth < MOST_GROWTH_MB
        assert {} == {key: quantity for key, quantity in unbalanced(stage).items() if quantity}


def traded(stage: Stage, life: Life) -> list[tuple[float, float]]:
    """Wait for the end of a life; how much memory of its own it had on the way, by market hours: MB."""
    begun, samples = time.monotonic(), []
    while life.alive:
        hours = (time.monotonic() - begun) * SPEED / 3600
        assert hours < 2 * HOURS + 1, life.output[-3000:]
        if resident := own_memory(life.pid):
            samples.append((hours, resident))
            print(f"{hours:.2f} h: {resident:.1f} MB, {stage.ticks()} ticks", flush=True)
        time.sleep(10)
    assert 0 == life.end(10), life.output[-3000:]
    return samples


def own_memory(pid: int) -> float:
    """Resident, not shared with files, MB; 0 once the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def grown(memory: list[tuple[float, float]]) -> float:
    """MB an hour after the warm-up, the slope of a line through the samples."""
    hours, sizes = np.array([sample for sample in memory if sample[0] > WARM_UP_HOURS]).T
    return float(np.polyfit(hours, sizes, 1)[0])


def unbalanced(stage: Stage) -> dict[str, float]:
    """Net quantity of each asset at the venues."""
    net: dict[str, float] = {}
    for (_, symbol), quantity in stage.held().items():
        asset = symbol.split("/")[0]
        net[asset] = round(net.get(asset, 0.0) + quantity, 9)
    return net


def tell(stage: Stage) -> None:
    """The figures, for whoever runs this."""
    naked = [float(row["naked"]) for row in stage.rows("select naked from executions")]
    entries = stage.rows("select 1 from orders where purpose = 'enter'")
    unwound = stage.rows("select 1 from orders where purpose = 'unwind'")
    print(f"{stage.ticks()} hours, {len(naked)} executions, {len(entries)} orders to enter, {len(unwound)} to unwind")
    print(f"naked, quote currency x seconds: {sum(naked):.0f} in all, {max(naked, default=0):.0f} at most at a time")
