"""How often the gate is wrong and what it sees, over thousands of simulated windows: the figures of docs/gate.md."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backtest.sharpe import superior_ability
from backtest.statistics import mean_test
from pbt_online.gate import MONTH_HOURS, Comparison, Evidence, Trials, judge, level_of
from pbt_online.settings import GateSettings

Series = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Series]

SETTINGS = GateSettings()
DAYS = 180
SIZE_SIMULATIONS = 2000
POWER_SIMULATIONS = 200
CYCLES, HISTORIES = 200, 60
STANDING_WEEKS = 104
SPA_SIMULATIONS = 1000
SCREENED = 1000
"""Resamples that are enough to see that a p-value lies far above the level."""


def alike(random: np.random.Generator, hours: int) -> Series:
    """Two carry rules on the recorded market: a basis that comes back within hours, and carry; bps of capital."""
    return 1.6 * np.diff(random.standard_t(4, hours + 1)) + np.repeat(random.normal(0, 0.12, hours // 24), 24)


def trending(random: np.random.Generator, hours: int) -> Series:
    """Heavy-tailed noise that lasts half a day."""
    return np.convolve(random.standard_t(3, hours + 11), np.full(12, 1 / 12), mode="valid")


def sparse(random: np.random.Generator, hours: int) -> Series:
    """Positions of three days in a third of all hours, whose carry is worth their cost on average."""
    held = random.random(hours // 72) < 1 / 3
    series = np.repeat(random.normal(0.1, 0.2, hours // 72) * held, 72)
    series += np.diff(random.standard_t(3, hours + 1)) * np.repeat(held, 72)
    series[::72] -= 7.2 * held
    return series


def lasting(random: np.random.Generator, hours: int) -> Series:
    """An advantage that comes and goes by the week, half of all variance of a month: hard."""
    weeks = random.normal(0, 0.12, hours // 168 + 2)
    begin = int(random.integers(0, 168))
    return alike(random, hours) + np.repeat(weeks, 168)[begin : begin + hours]


def rare(random: np.random.Generator, hours: int) -> Series:
    """A small steady gain, paid back on one day in a hundred: hard, for half a year may not hold such a day."""
    days = random.random(hours // 24) < 0.01
    return alike(random, hours) + np.repeat(np.where(days, -4.95, 0.05), 24)


NULLS: tuple[Noise, ...] = (alike, trending, sparse, lasting, rare)


def show_gate(console: Console) -> None:
    """Every table; some minutes."""
    show_size(console)
    show_power(console)
    show_windows(console)
    show_histories(console)
    show_standing(console)
    show_superior(console)


def show_size(console: Console) -> None:
    """How often noise of several kinds passes, at several levels."""
    levels = (0.05, 0.01, 0.002, level_of(1, SETTINGS))
    table = titled(f"noise that passes, % of {SIZE_SIMULATIONS:,} windows of {DAYS} days (2 standard errors)")
    heads(table, "noise", *(f"level {100 * level:.3g} %" for level in levels))
    for kind, noise in enumerate(NULLS):
        random = np.random.default_rng([1, kind])
        p = np.array([p_value(noise(random, 24 * DAYS), 0.002, random) for _ in range(SIZE_SIMULATIONS)])
        table.add_row(noise.__name__, *(share(p <= level) for level in levels))
    console.print(table)


def show_power(console: Console) -> None:
    """How often a true advantage passes."""
    attempts = (1, 26, 52, 104)
    table = titled(f"a true advantage that passes, % of {POWER_SIMULATIONS} windows of {DAYS} days")
    heads(table, "advantage, % per 30 days", *(f"attempt {attempt}" for attempt in attempts))
    windows = [alike(np.random.default_rng([2, number]), 24 * DAYS) for number in range(POWER_SIMULATIONS)]
    shown = {attempt: np.array([shows_from(window, attempt) for window in windows]) for attempt in attempts}
    for advantage in (0.2, 0.3, 0.4, 0.5, 0.6):
        table.add_row(f"{advantage:.1f}", *(share(each < advantage) for each in shown.values()))
    console.print(table)


def shows_from(series: Series, attempt: int) -> float:
    """The true advantage, % per 30 days, from which noise `series` would pass."""
    random = np.random.default_rng(attempt)
    return -mean_test(series, level_of(attempt, SETTINGS), SETTINGS.block_hours, 4000, random).lower * MONTH_HOURS / 100


def show_windows(console: Console) -> None:
    """The smallest advantage that windows of several lengths show."""
    attempts = (1, 26, 52, 104)
    table = titled("smallest detectable advantage, % of capital per 30 days (median of 20 windows)")
    heads(table, "days", *(f"attempt {attempt}" for attempt in attempts))
    for days in (30, 60, 90, 180, 365):
        windows = [alike(np.random.default_rng([3, number]), 24 * days) for number in range(20)]
        cells = []
        for attempt in attempts:
            seen = [compared(window, attempt).detectable for window in windows]
            cells.append(f"{np.median([math.inf if each is None else each for each in seen]):.2f}")
        table.add_row(str(days), *cells)
    console.print(table)


def show_histories(console: Console) -> None:
    """Two hundred cycles of noise, many times over: how many histories hold a promotion that nothing justifies."""
    fooled = 0
    for history in range(HISTORIES):
        random = np.random.default_rng([4, history])
        fooled += any(passes(alike(random, 24 * DAYS), attempt, random) for attempt in range(1, CYCLES + 1))
    spent = sum(level_of(attempt, SETTINGS) for attempt in range(1, CYCLES + 1))
    console.print(
        f"{CYCLES} cycles of noise, each window new: {fooled} of {HISTORIES} histories hold a promotion "
        f"({100 * spent:.1f} % of histories may, {100 * SETTINGS.error:.0f} % for ever)"
    )


def show_standing(console: Console) -> None:
    """How often flat, which stands by and spends nothing, takes over from a champion that is worth as much, in weekly
    cycles whose windows overlap."""
    table = titled(f"flat takes over from a champion worth as much, % of {HISTORIES} histories of two years")
    heads(table, "noise", "of the cycles", "of the histories")
    for kind, noise in enumerate((alike, lasting)):
        found = np.zeros((HISTORIES, STANDING_WEEKS), dtype=np.bool_)
        for history, weeks in enumerate(found):
            random = np.random.default_rng([6, kind, history])
            series = noise(random, 24 * (DAYS + 7 * STANDING_WEEKS))
            for week in range(STANDING_WEEKS):
                window = series[168 * week : 168 * week + 24 * DAYS]
                weeks[week] = p_value(window, SETTINGS.error, random) <= SETTINGS.error
        table.add_row(noise.__name__, f"{100 * found.mean():.1f}", share(found.any(axis=1)))
    console.print(table)


def show_superior(console: Console) -> None:
    """How often the test of superior ability finds the best of ten worthless models superior."""
    found = []
    for number in range(SPA_SIMULATIONS):
        drawn = np.random.default_rng([5, number]).normal(size=(300, 11))
        found.append(superior_ability(drawn[:, 0], drawn[:, 1:], 1, 400, number) <= 0.05)
    console.print(f"superior ability of the best of ten worthless models at 5 %: {share(np.array(found))} %")


def p_value(series: Series, finest: float, random: np.random.Generator) -> float:
    """To a resolution of `finest`; roughly, where it is plainly larger."""
    p = 0.0
    for resamples, enough in ((SCREENED, 0.1), (10 * SCREENED, 10 * finest), (10 * SCREENED + 1, 1.0)):
        p = mean_test(series, finest if enough == 1.0 else 0.05, SETTINGS.block_hours, resamples, random).p_value
        if p > enough:
            break
    return p


def passes(series: Series, attempt: int, random: np.random.Generator) -> bool:
    """Whether this attempt would promote."""
    level = level_of(attempt, SETTINGS)
    return p_value(series, level, random) <= level


def compared(series: Series, attempt: int) -> Comparison:
    """The gate's own comparison of a path with these gains, in bps, with flat."""
    equity = 1 + 1e-4 * np.concatenate([[0.0], np.cumsum(series)])
    paths = [Evidence(name, 0, path, 20, 1.0, 1.0) for name, path in (("new", equity), ("flat", np.ones(len(equity))))]
    verdict = judge(paths[0], paths[1:], SETTINGS, attempt=attempt, seed=1, trials=Trials(0, np.zeros(0)))
    return verdict.comparisons[0]


def share(found: NDArray[np.bool_]) -> str:
    """Percentage and two standard errors."""
    mean = found.mean()
    return f"{100 * mean:.2f} ± {200 * math.sqrt(mean * (1 - mean) / len(found)):.2f}"


def titled(title: str) -> Table:
    """An empty table."""
    return Table(title=title, title_justify="left", box=SIMPLE)


def heads(table: Table, first: str, *others: str) -> None:
    """Names its columns."""
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
