"""`bot lineage`: where the members of a population come from."""

from pathlib import Path

from bot.cli.tables import SCORE_HEADINGS, print_json, score_figures, show
from bot.identity import Bounds, market_name
from bot.run_folder import registry_of
from bot.settings import Settings
from data.errors import StateError
from pbt_online.cycles import cycles
from pbt_online.lineage import draw, lineage, schedule_of
from pbt_online.memory import Memory


def population_folder(settings: Settings, folder: Path | None) -> Path:
    """Where the population of `bot train` lives."""
    return settings.var / "population" / market_name(settings) if folder is None else folder.absolute()


def show_lineage(settings: Settings, folder: Path | None, picture: Path | None, *, as_json: bool) -> None:
    """Every round of every member; with `picture`, drawn."""
    memory = _memory(population_folder(settings, folder))
    if picture is not None:
        draw(memory.entries, picture)
    if as_json:
        print_json(lineage(memory.entries))
        return
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE)
    for heading in ("round", "member", "from", *SCORE_HEADINGS, "how it began"):
        table.add_column(heading, justify="right")
    for entry in memory.entries:
        figures = ("failed", "", "", "", "") if entry.score is None else score_figures(entry.score)
        source = "-" if entry.parent is None else str(entry.parent)
        table.add_row(f"{entry.cycle}.{entry.round}", str(entry.member), source, *figures, entry.reason)
    show(table, *([] if picture is None else [f"drawn to {picture}"]))


def retrace_member(settings: Settings, bounds: Bounds, folder: Path | None, member: int, *, as_json: bool) -> None:
    """Train one member once more along the schedule that made it, and compare the weights. Raises StateError where
    they differ."""
    from backtest.worker_process import one_thread
    from bot.histories import past
    from pbt_online.checkpoint import weights_hash
    from pbt_online.cycle import Learning, course_of
    from pbt_online.population import retrace

    place = population_folder(settings, folder)
    memory = _memory(place)
    if member not in memory.newest() or (checkpoint := memory.newest()[member].checkpoint) is None:
        raise StateError(f"member {member} of {place} has no weights: choose one of those that `bot lineage` lists")
    learning = Learning(settings.learning, settings.environment, settings.seed, place, registry_of(settings))
    schedule = schedule_of(memory.entries, checkpoint)
    history = past(settings, bounds)
    wanted = {entry.cycle for entry in schedule}
    courses = {c.number: course_of(learning, history, c) for c in cycles(place) if c.number in wanted}
    with one_thread():
        found = weights_hash(retrace(schedule, courses))
    if found != checkpoint:
        raise StateError(
            f"member {member} was {checkpoint[:12]}, along its schedule it is {found[:12]}: other settings?"
        )
    told = {"member": member, "rounds": len(schedule), "weights": found}
    if as_json:
        print_json(told)
    else:
        show(f"member {member}, {len(schedule)} rounds along its schedule: the same weights, {found[:12]}")


def _memory(folder: Path) -> Memory:
    if not (folder / "rounds.jsonl").exists():
        raise StateError(f"there is no population in {folder}: `bot train` makes one")
    return Memory(folder)
