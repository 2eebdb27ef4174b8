"""What is fast, on a synthetic year: medians of several rounds, as ratios between peers of the same run."""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backtest.environment import FundingArbitrageEnv
from backtest.observation import make_features
from backtest.policies import plain_policy
from backtest.simulation import Simulation
from backtest.sweep import sweep
from backtest.tape import Tape, tape_of_market
from benchmarks.backfill import show_backfill
from benchmarks.estimate import show_estimates
from benchmarks.execution import show_execution
from benchmarks.freqtrade import show_freqtrade
from benchmarks.gate import show_gate
from benchmarks.lake_panel import show_panel
from benchmarks.pandas_rows import PandasRowsEnv
from benchmarks.pbt_pays_run import show_pbt_pays
from benchmarks.planted import show_planted
from benchmarks.population import show_population
from benchmarks.training import show_training
from benchmarks.tune import STRETCHES
from benchmarks.tune_report import show_tune
from benchmarks.tune_walk import show_walks
from bot.settings import Settings
from data.market import Market
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.network import NetworkPolicy
from pbt_online.vector_environment import FundingArbitrageVecEnv

HOURS = 8760
STEPS = 4000
ROUNDS = 5
ACCOUNTS = 32
DEFAULT = ("environment", "sweep", "training", "population")
MANY_ASSETS = (
    "UNI",
    "LINK",
    "ATOM",
    "NEAR",
    "APT",
    "ARB",
    "OP",
    "SUI",
    "FIL",
    "ETC",
    "XLM",
    "AAVE",
    "SEI",
    "TIA",
    "ENA",
)
"""Beside the thirteen of the default market."""


@dataclass(frozen=True)
class Measure:
    """One line of a table: steps per second of processor time."""

    name: str
    per_second: float


def tape_of(assets: tuple[str, ...] = (), **environment: object) -> Tape:
    """A synthetic year with the default assets and `assets` besides; `environment` changes its settings."""
    settings, market = Settings(), market_of(assets)
    first = market.start_ms + settings.data.history_hours * HOUR_MS
    changed = settings.environment.model_copy(update=environment)
    return tape_of_market(market, settings.data, changed, first, first + HOURS * HOUR_MS)


def market_of(assets: tuple[str, ...] = ()) -> Market:
    """The default synthetic market, with `assets` besides."""
    settings = Settings()
    synthetic = settings.sandbox.synthetic
    more = synthetic.model_copy(update={"assets": (*synthetic.assets, *assets)})
    return synthetic_market(more, tuple(settings.data.venues))


def week_of() -> Tape:
    """The week after that year: what the reference validates on."""
    settings = Settings()
    market = synthetic_market(settings.sandbox.synthetic, tuple(settings.data.venues))
    first = market.start_ms + (settings.data.history_hours + HOURS) * HOUR_MS
    return tape_of_market(market, settings.data, settings.environment, first, first + 168 * HOUR_MS)


def median(name: str, steps: int, work: Callable[[], object]) -> Measure:
    """Steps per second of processor time, median of several rounds after one to warm up."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        before = time.process_time()
        work()
        rounds.append(time.process_time() - before)
    return Measure(name, steps / statistics.median(rounds))


def environment(tape: Tape) -> Iterator[Measure]:
    """One account and many, stepped with actions that were drawn or decided beforehand."""
    drawn = np.random.default_rng(0).integers(0, tape.schema.actions, (STEPS, ACCOUNTS))
    decided = rule_decisions(tape)
    peer, single = PandasRowsEnv.from_tape(tape), FundingArbitrageEnv(tape)
    many, simulation = FundingArbitrageVecEnv(tape, ACCOUNTS), Simulation(tape, ACCOUNTS)
    steps = ACCOUNTS * STEPS
    yield median("pandas rows, 1 account, random", STEPS, lambda: play_single(peer, drawn[:, 0]))
    yield median("Gymnasium, 1 account, random", STEPS, lambda: play_single(single, drawn[:, 0]))
    yield median(f"SB3 VecEnv, {ACCOUNTS} accounts, random", steps, lambda: play_vector(many, drawn))
    yield median(f"SB3 VecEnv, {ACCOUNTS} accounts, the rule's", steps, lambda: play_vector(many, decided))
    yield median(f"simulation, {ACCOUNTS} accounts, random", steps, lambda: play_many(simulation, drawn))
    yield median(f"simulation, {ACCOUNTS} accounts, the rule's", steps, lambda: play_many(simulation, decided))


def play_single(env: FundingArbitrageEnv | PandasRowsEnv, actions: NDArray[np.int64]) -> None:
    """Step a Gymnasium environment."""
    env.reset(options={"full_range": True})
    for action in actions:
        env.step(action)


def play_vector(env: FundingArbitrageVecEnv, actions: NDArray[np.int64]) -> None:
    """Step an SB3 environment [T, B]; episodes end and begin on the way."""
    env.reset()
    for row in actions:
        env.step(row)


def play_many(simulation: Simulation, actions: NDArray[np.int64]) -> None:
    """Step accounts [T, B] that begin all over the first half of the year."""
    begin(simulation)
    for row in actions:
        simulation.step(row)


def begin(simulation: Simulation) -> None:
    """Every account at a row of its own."""
    first, last = simulation.tape.first, len(simulation.tape.panel.ticks) - 1
    starts = np.random.default_rng(1).integers(first, last - STEPS, simulation.count)
    for b, row in enumerate(starts.tolist()):
        simulation.begin(b, row, last)


def rule_decisions(tape: Tape) -> NDArray[np.int64]:
    """[T, B] what the carry rule decides on the way, so that deciding is not part of what is measured."""
    simulation, rule = Simulation(tape, ACCOUNTS), plain_policy("rule", tape.schema, 0)
    begin(simulation)
    decided = np.zeros((STEPS, ACCOUNTS), dtype=np.int64)
    for row in decided:
        row[:] = rule.decide(simulation.observations)
        simulation.step(row)
    return decided


def networks(tape: Tape, count: int) -> list[NetworkPolicy]:
    """Untrained networks of the reference's size."""
    sizes = (tape.schema.size, 256, 256, 128, tape.schema.actions)
    random = np.random.default_rng(0)
    return [
        NetworkPolicy(
            f"network {number}",
            tape.schema,
            [(random.normal(0, a**-0.5, (a, b)), np.zeros(b)) for a, b in pairwise(sizes)],
        )
        for number in range(count)
    ]


def show_environment(console: Console) -> None:
    """The environment beside its peer."""
    tape = tape_of()
    table = Table(
        title=f"the environment, a synthetic year of {len(tape.features.legs)} pairs", title_justify="left", box=SIMPLE
    )
    for heading in ("what, and whose actions", "steps per CPU second", "ratio"):
        table.add_column(heading, justify="left" if heading.startswith("what") else "right")
    first: Measure | None = None
    for measure in environment(tape):
        first = first or measure
        table.add_row(measure.name, f"{measure.per_second:,.0f}", f"{measure.per_second / first.per_second:,.0f}")
    settings = Settings()
    features = median("", 1, lambda: make_features(tape.panel, settings.data.venues, settings.environment))
    pairs = tape.features.known.size
    table.caption = f"Whole observations, real books. Features: {pairs * features.per_second:,.0f} pair-hours a second."
    table.caption_justify = "left"
    console.print(table)


def show_sweep(console: Console, count: int, workers: int) -> None:
    """Networks of the reference's size over a year of 28 assets, inference included."""
    tape = tape_of(MANY_ASSETS)
    policies = networks(tape, count)
    begun, cpu = time.perf_counter(), time.process_time()
    results = sweep(tape, policies, workers=workers)
    seconds = time.perf_counter() - begun
    trades = sum(len(result.trades) for result in results)
    console.print(
        f"sweep: {count} networks [256, 256, 128] x {HOURS:,} hours x {len(tape.features.legs)} assets on 2 venues, "
        f"{workers} processes: {seconds:.1f} s ({time.process_time() - cpu:.1f} s of it here), {trades:,} trades",
        soft_wrap=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    choices = (
        f"{', '.join(DEFAULT)} (all by default); gate: its size and power, planted: what is learned, "
        "panel: years of the lake, backfill: of four venues, execution: live orders in a rehearsal, "
        "estimate: what cycles take beside what was expected; "
        "freqtrade: a year beside its backtesting; minutes; pbt_pays: the same steps spent in other ways, "
        "tune: settings on recorded stretches; hours"
    )
    parser.add_argument("what", nargs="*", default=DEFAULT, help=choices)
    parser.add_argument("--symbols", type=int, default=30, help="contracts of the backfill")
    parser.add_argument("--days", type=int, default=90, help="days of the backfill")
    parser.add_argument("--networks", type=int, default=64, help="networks of the sweep")
    parser.add_argument("--workers", type=int, default=2, help="processes of sweep and population")
    parser.add_argument("--timesteps", type=int, default=500_000, help="steps of each member of the population")
    parser.add_argument("--planted-steps", type=int, default=100_000, help="steps of each member of planted, pbt_pays")
    parser.add_argument("--seeds", type=int, help="markets of each kind (default 3), or seeds of pbt_pays (default 5)")
    parser.add_argument("--folder", type=Path, help="journal and results of pbt_pays, tune (default var/ and its name)")
    parser.add_argument("--replay", type=Path, help="recorded market of pbt_pays (none: planted ones), and of tune")
    parser.add_argument("--stretch", choices=STRETCHES, default="early", help="of history, for tune")
    parser.add_argument("--walk", action="store_true", help="of tune: the plain arms on one account, all stretches")
    parser.add_argument("--trial", action="append", default=[], help="of tune, by name, as often as wanted; none: all")
    told = parser.parse_args()
    console = Console()
    shows: dict[str, Callable[[], None]] = {
        "environment": lambda: show_environment(console),
        "sweep": lambda: show_sweep(console, told.networks, told.workers),
        "training": lambda: show_training(console, tape_of(), tape_of(formulation="pairs", decision_hours=8)),
        "population": lambda: show_population(console, tape_of(), week_of(), told.timesteps, told.workers),
        "gate": lambda: show_gate(console),
        "backfill": lambda: show_backfill(console, told.symbols, told.days),
        "execution": lambda: show_execution(console),
        "panel": lambda: show_panel(console),
        "estimate": lambda: show_estimates(console, told.workers),
        "freqtrade": lambda: show_freqtrade(console, market_of(MANY_ASSETS), HOURS),
        "planted": lambda: show_planted(console, told.planted_steps, told.seeds or 3, told.workers),
        "pbt_pays": lambda: show_pbt_pays(
            console, told.folder or Path("var/pbt_pays"), told.replay, told.planted_steps, told.seeds or 5, told.workers
        ),
        "tune": lambda: (
            show_walks(console, told.replay, told.trial)
            if told.walk
            else show_tune(
                console, told.folder or Path("var/tune"), told.replay, told.stretch, told.trial, told.seeds or 1
            )
        ),
    }
    for name, show in shows.items():
        if name in told.what:
            show()


if __name__ == "__main__":
    main()
