"""`bot train --estimate`: how long a cycle would take, here and on more processors, before anybody waits for it."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from bot.cli.lineage import population_folder
from bot.cli.tables import print_json, show
from bot.histories import past
from bot.identity import Bounds
from bot.run_folder import registry_of
from bot.settings import Settings
from pbt_online.cycle import Learning
from pbt_online.estimate import Costs, measure_costs
from pbt_online.settings import LearningSettings


def show_estimate(settings: Settings, bounds: Bounds, folder: Path | None, *, fresh: bool, as_json: bool) -> None:
    """Time a small cycle in a temporary folder and reckon with its parts; what `var` holds stays as it is. A `fresh`
    population makes its clone first."""
    with TemporaryDirectory(prefix="estimate-") as empty:
        chosen = Path(empty) if fresh else population_folder(settings, folder)
        learning = Learning(settings.learning, settings.environment, settings.seed, chosen, registry_of(settings))
        costs = measure_costs(learning, past(settings, bounds))
    told = estimated(costs, settings.learning)
    if as_json:
        print_json(told)
    else:
        show(_title(settings.learning), _table(told), *_words(told, costs, settings.learning))


def estimated(costs: Costs, learning: LearningSettings) -> dict[str, Any]:
    """Everything that is shown: costs in seconds, and the cycle's by the number of processors."""
    asked = learning.backend.workers or costs.processors
    workers = min(asked, costs.processors)
    counts = {1 << n for n in range(learning.population.size.bit_length())} | {workers, learning.population.size}
    return {
        "cycle_s": costs.cycle_s(learning.population, workers),
        "scheduled_cycle_s": costs.cycle_s(learning.scheduled.population, workers),
        "workers": workers,
        "steps_per_s": costs.steps_per_s,
        "costs": asdict(costs),
        "by_processors": {str(n): costs.cycle_s(learning.population, n) for n in sorted(counts)},
    }


def _table(told: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE)
    for heading in ("processors", "a cycle takes", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for count, seconds in told["by_processors"].items():
        table.add_row(count, duration(seconds), "here" if int(count) == told["workers"] else "")
    return table


def _title(learning: LearningSettings) -> str:
    population, backend = learning.population, learning.backend.kind
    return f"a cycle of {population.size} members x {population.timesteps:,} steps, backend {backend}"


def _words(told: dict[str, Any], costs: Costs, learning: LearningSettings) -> list[str]:
    asked = learning.backend.workers or costs.processors
    few = (
        [f"{asked} workers were asked for, and there are {costs.processors} processors: more workers are no faster"]
        if asked > costs.processors
        else []
    )
    return [
        f"{costs.steps_per_s:,.0f} steps a second and worker, {costs.workers} side by side; {costs.slice_s:.1f} s more "
        f"a member and round; {costs.prepare_s:.0f} s to prepare, {costs.gate_s:.0f} s for the gate",
        f"a scheduled cycle, {learning.schedule.timesteps:,} steps of each: {duration(told['scheduled_cycle_s'])}",
        "other lines: as many processors like these, as idle as now",
        *few,
    ]


def duration(seconds: float) -> str:
    """41 s, 7.5 min, 3.2 h or 2.1 days."""
    for limit, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} s" if unit == 1 else f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86400:.1f} days"
