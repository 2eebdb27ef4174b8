"""Environment and features on a synthetic year: medians of several rounds, as ratios between peers of the same run."""

import statistics
import time
from collections.abc import Callable

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backtest.accounting import new_books
from backtest.environment import FundingArbitrageEnv
from backtest.observation import make_features, write_observations
from backtest.policies import CarryRule, RandomLegal
from backtest.simulated_venue import new_closed, settle, trade
from backtest.tape import Tape, tape_of_market
from bot.settings import Settings
from data.synthetic import synthetic_market
from data.types import HOUR_MS

ROUNDS, HOURS, ACCOUNTS = 5, 8760, 32


def cpu_seconds(work: Callable[[], object]) -> float:
    """Median processor time of several rounds, after one to warm up."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        before = time.process_time()
        work()
        rounds.append(time.process_time() - before)
    return statistics.median(rounds)


def single(tape: Tape) -> None:
    """The Gymnasium environment under the carry rule."""
    env, rule = FundingArbitrageEnv(tape), CarryRule(tape.schema)
    observation, _ = env.reset(options={"full_range": True})
    done = False
    while not done:
        observation, _, _, done, _ = env.step(rule.decide(observation[None, :])[0])


def side_by_side(tape: Tape) -> None:
    """The same kernels over many accounts at once under random actions."""
    settings, rules = tape.settings, tape.rules
    books = new_books(ACCOUNTS, len(rules.maintenance), settings.max_positions, settings.initial_capital)
    closed = new_closed(ACCOUNTS, settings.max_positions)
    observations = np.empty((ACCOUNTS, tape.schema.size), dtype=np.float32)
    actions = RandomLegal(tape.schema, 0)
    for row in range(tape.first, len(tape.panel.ticks) - 1):
        tick = int(tape.panel.ticks[row])
        write_observations(observations, books, tape.features, row, tick, settings.initial_capital, rules)
        chosen = actions.decide(observations)
        trade(books, chosen, tick, tape.quotes_at(row), tape.offers_at(row), rules, closed)
        settle(books, tape.panel.settled[row + 1], tape.panel.close[row + 1], rules)


def main() -> None:
    """Measure and print."""
    settings = Settings()
    market = synthetic_market(settings.sandbox.synthetic, tuple(settings.data.venues))
    first = market.start_ms + settings.data.history_hours * HOUR_MS
    tape = tape_of_market(market, settings.data, settings.environment, first, first + HOURS * HOUR_MS)
    one = HOURS / cpu_seconds(lambda: single(tape))
    many = ACCOUNTS * HOURS / cpu_seconds(lambda: side_by_side(tape))
    features = cpu_seconds(lambda: make_features(tape.panel, settings.data.venues, settings.environment))
    table = Table(title=f"a synthetic year, {len(tape.features.legs)} pairs", title_justify="left", box=SIMPLE)
    for heading in ("what", "per CPU second", "ratio"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    table.add_row("environment, one account, steps", f"{one:,.0f}", "1.0")
    table.add_row(f"same kernels, {ACCOUNTS} accounts, steps", f"{many:,.0f}", f"{many / one:.1f}")
    table.add_row("features, hours x pairs", f"{tape.features.values[..., 0].size / features:,.0f}", "")
    Console().print(table)


if __name__ == "__main__":
    main()
