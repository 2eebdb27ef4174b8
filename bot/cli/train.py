"""`bot train`: cycles of Population Based Training, each with its table per round and the gate's verdict at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shutil import rmtree

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from backtest.history import History
from bot.cli.lineage import population_folder
from bot.cli.tables import SCORE_HEADINGS, print_json, score_figures
from bot.histories import past
from bot.identity import Bounds, describe
from bot.instance import single_instance
from bot.run_folder import registry_of
from bot.settings import Settings
from bot.status import iso
from data.types import HOUR_MS
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.cycles import Cycle
from pbt_online.gate import Verdict
from pbt_online.memory import Entry
from pbt_online.population import Round

SHORT = {"learning_rate": "lr"}


def train(settings: Settings, bounds: Bounds, folder: Path | None, *, cycles: int, fresh: bool, as_json: bool) -> None:
    """Run `cycles` cycles whose windows end a cycle apart, the last one with the history; promote who passes."""
    chosen = population_folder(settings, folder)
    with single_instance(settings.var):
        if fresh and chosen.exists():
            rmtree(chosen)
        learning = Learning(settings.learning, settings.environment, settings.seed, chosen, registry_of(settings))
        history = past(settings, bounds)
        console = Console(stderr=as_json)
        console.print(f"{describe(settings)}, up to {iso(history.last)}", highlight=False)
        judged = [_cycle(learning, history, console) for history in _pasts(history, cycles, settings)]
    if as_json:
        print_json([asdict(cycle) | {"verdict": cycle.verdict and cycle.verdict.as_dict()} for cycle in judged])


def changed(settings: Settings, *, workers: int | None, **population: int | None) -> Settings:
    """The settings with what the command line gave laid over them."""
    given = {name: value for name, value in population.items() if value is not None}
    learning = settings.learning
    told = learning.population.model_copy(update=given)
    backend = learning.backend if workers is None else learning.backend.model_copy(update={"workers": workers})
    return settings.model_copy(
        update={"learning": learning.model_copy(update={"population": told, "backend": backend})}
    )


def _pasts(history: History, cycles: int, settings: Settings) -> list[History]:
    apart = settings.learning.schedule.cycle_hours * HOUR_MS
    return [replace(history, last=history.last - back * apart) for back in reversed(range(cycles))]


def _cycle(learning: Learning, history: History, console: Console) -> Cycle:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("preparing", total=None)

        def stage(text: str) -> None:
            bar.update(task, description=text)
            console.print(text, highlight=False)

        def round_done(done: Round) -> None:
            bar.update(task, description=f"round {done.number}", total=done.rounds, completed=done.number)
            show_round(done, console)

        cycle = run_cycle(learning, history, Watch(stage, round_done))
    if cycle.verdict is not None:
        show_verdict(cycle.verdict, console)
    if cycle.heir is not None:
        learning.registry.promote(cycle.heir, history.last, f"cycle {cycle.number}")
    console.print(f"champion: {cycle.heir or cycle.champion}", highlight=False)
    return cycle


def show_round(done: Round, console: Console) -> None:
    """The seed document's table of one round: who stands how, who copies whom."""
    table = Table(
        title=f"cycle {done.cycle}, round {done.number}/{done.rounds}, {done.seconds:.1f} s", title_justify="left",
        box=SIMPLE,
    )  # fmt: skip
    table.add_column("member", justify="right")
    for heading in SCORE_HEADINGS:
        table.add_column(heading, justify="right")
    for entry in sorted(done.entries, key=_rank):
        table.add_row(str(entry.member), *_figures(entry))
    console.print(table)
    for decision in done.decisions:
        if decision.donor is not None or decision.fresh:
            source = "begins anew" if decision.donor is None else f"copies member {decision.donor}"
            told = f"member {decision.member} {source} ({decision.reason}): {shown(decision.hyperparameters)}"
            console.print(told, highlight=False, soft_wrap=True)
    if done.alike:
        console.print(
            f"[yellow]all members have become alike (diversity {done.diversity:.3f}): raise "
            "learning.population.size or explore.mutation_probability[/yellow]", highlight=False,
        )  # fmt: skip


def _rank(entry: Entry) -> tuple[float, int]:
    return (float("inf") if entry.score is None else -entry.score["value"], entry.member)


def _figures(entry: Entry) -> Sequence[str]:
    return ("failed", entry.failure or "") if entry.score is None else score_figures(entry.score)


def shown(hyperparameters: Mapping[str, float]) -> str:
    """lr=0.000018, gamma=0.99, ..."""
    return ", ".join(f"{SHORT.get(name, name)}={value:.3g}" for name, value in hyperparameters.items())


def show_verdict(verdict: Verdict, console: Console) -> None:
    """Every figure that the gate looked at."""
    title = f"the gate: {verdict.challenger} over {verdict.hours / 24:.0f} days, attempt {verdict.attempt}"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("against")
    for heading in ("advantage", "lower bound", "p", "detectable", ""):
        table.add_column(heading, justify="right")
    for each in verdict.comparisons:
        detectable = "-" if each.detectable is None else f"{each.detectable:.3f}"
        lower = "-" if each.lower is None else f"{each.lower:+.3f}"
        table.add_row(
            each.incumbent, f"{each.advantage:+.3f}", lower, f"{each.p_value:.4f}", detectable,
            "passed" if each.passed else "not shown",
        )  # fmt: skip
    table.caption = (
        "% of capital per 30 days; detectable: the smallest advantage that would show in 80 of 100 such windows"
    )
    table.caption_justify = "left"
    console.print(table)
    for limit in verdict.limits:
        value = "-" if limit.value is None else f"{limit.value:,.2f}"
        console.print(
            f"{limit.name}: {value} (limit {limit.bound:g}) {'kept' if limit.passed else 'broken'}", highlight=False
        )
    if verdict.deflated_sharpe is not None:
        told = f"{verdict.deflated_sharpe:.3f} over {verdict.trials} trials (reported only)"
        console.print(f"deflated Sharpe on validation: {told}", highlight=False)
    for reason in verdict.reasons:
        console.print(reason, highlight=False, soft_wrap=True)
    console.print("[green]promoted[/green]" if verdict.promoted else "refused")
