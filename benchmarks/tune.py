"""Which settings make the learner earn more than the rule? `python -m benchmarks tune`: trials on recorded stretches.

A trial learns in the cycles of a stretch, and every challenger plays the month after its cycle, beside the rule. What
is finished lies in a file of its own, so the whole may be killed at any time, and trials may run side by side.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

import yaml

from backtest.history import History
from backtest.policies import CarryRule, Policy
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape
from backtest.windows import Window
from backtest.worker_process import one_thread
from bot.instance import single_instance
from bot.settings import Settings
from data.durable import write_whole
from data.errors import ConfigurationError, StateError
from data.recorded import recorded_market
from data.settings import VenueSettings
from data.types import HOUR_MS
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.cycles import Cycle
from pbt_online.fitness import Floats, examination, examine
from pbt_online.forecast_rule import ForecastRule
from pbt_online.registry import Registry
from pbt_online.settings import BackendSettings, FitnessSettings
from pbt_online.tuned_rule import tune_rule

TRIALS = Path(__file__).with_name("trials.yaml")
NO_MARKET = "trials are run on a recorded market: name its folder with --replay"
AFTER_DAYS = 30
PLAYS = FitnessSettings(universes=24, episode_days=AFTER_DAYS)
"""How a month is played, whatever a trial ranks its members by."""
TWELVE = ("ADA", "AVAX", "BNB", "BTC", "DOGE", "DOT", "ETH", "LTC", "SOL", "TON", "TRX", "XRP")


@dataclass(frozen=True)
class Stretch:
    """A part of history and the cycles on it."""

    venues: tuple[str, ...]
    assets: tuple[str, ...]
    ends: tuple[str, ...]
    """Days on which cycles end."""
    since: str | None = None
    """The day from which on prices and funding of all assets are known on both venues, where the first ones are known
    earlier."""


def _every_eight_weeks(first: str, count: int) -> tuple[str, ...]:
    begin = datetime.fromisoformat(first)
    return tuple((begin + timedelta(weeks=8 * number)).date().isoformat() for number in range(count))


STRETCHES = {
    "early": Stretch(
        ("binance", "hyperliquid"), TWELVE, ("2024-11-21", "2024-12-05", "2024-12-19", "2025-01-02")
    ),
    "later": Stretch(
        ("binance", "hyperliquid"), TWELVE, ("2025-02-01", "2025-02-15", "2025-03-01", "2025-03-15")
    ),
    "bybit": Stretch(
        ("binance", "bybit"), ("BNB", "BTC", "ETH", "SOL"), _every_eight_weeks("2024-04-01", 7), "2024-01-01"
    ),
    "okx": Stretch(
        ("binance", "okx"), ("BTC", "ETH"), _every_eight_weeks("2023-07-01", 7), "2023-01-15"
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """Settings under a name."""

    name: str
    changes: Mapping[str, Any]
    """What differs from the defaults, as in a configuration file."""
    plain: "Plain | None" = None
    """What decides instead of members that are trained."""

    @property
    def settings(self) -> Settings:
        """The whole of them."""
        told = Settings.model_validate(self.changes)
        return told.model_copy(
            update={"learning": told.learning.model_copy(update={"backend": BackendSettings(kind="process")})}
        )


Plain = Callable[[Tape], Policy]
"""An arm that needs no population, fitted to the tape of all of the past, if at all."""
WEEK = {"environment": {"horizon_hours": 168}}
HOURLY, DAILY = ({"learning": {"learner": {"decision_hours": hours}}} for hours in (1, 24))
PLAIN = (
    Trial("rule, by pair", {}, lambda past: CarryRule(past.schema)),
    Trial("rule, by pair, hourly", HOURLY, lambda past: CarryRule(past.schema)),
    Trial("rule, by pair, daily", DAILY, lambda past: CarryRule(past.schema)),
    Trial("rule, week ahead", WEEK, lambda past: CarryRule(past.schema)),
    Trial("rule, week ahead, hourly", {**WEEK, **HOURLY}, lambda past: CarryRule(past.schema)),
    Trial("tuned rule", {}, tune_rule),
    Trial("forecast, 72 h", {}, lambda past: ForecastRule.fitted(past, 72)),
    Trial("forecast, 168 h", {}, lambda past: ForecastRule.fitted(past, 168)),
    Trial("forecast, 168 h, hourly", HOURLY, lambda past: ForecastRule.fitted(past, 168)),
)


@dataclass(frozen=True)
class Outcome:
    """What came of one cycle; P&L net, means over plays, % of capital per 30 days."""

    end: str
    pnl: float
    """Of the month after."""
    rule: float
    """Of the rule in the same plays."""
    plays: tuple[float, ...]
    """What each play earned more than the rule."""
    trades: int
    """Closed in all plays."""
    gate: float | None
    """Advantage over the rule on the gate window, one path; None of a plain arm."""
    promoted: bool

    @property
    def advantage(self) -> float:
        """The figure that chooses."""
        return sum(self.plays) / len(self.plays)


@dataclass(frozen=True)
class Run:
    """One trial on one stretch with one seed."""

    stretch: str
    trial: Trial
    seed: int
    outcomes: tuple[Outcome, ...]
    cpu_s: float


def trials_of(path: Path = TRIALS) -> list[Trial]:
    """The trials of a file, and the plain arms; raises ConfigurationError for settings that are none."""
    told = yaml.safe_load(path.read_text())
    trials = [Trial(name, changes or {}) for name, changes in told.items()]
    for trial in trials:
        try:
            _ = trial.settings
        except ValueError as error:
            raise ConfigurationError(f"{path}: {trial.name}: {error}") from error
    return [*trials, *PLAIN]


def named(names: Sequence[str]) -> list[Trial]:
    """The trials of those names, or all; raises ConfigurationError for a name that is none."""
    trials = {trial.name: trial for trial in trials_of()}
    if unknown := set(names) - set(trials):
        raise ConfigurationError(f"no trials: {', '.join(sorted(unknown))}; there are {', '.join(trials)}")
    return [trials[name] for name in names or trials]


def run(trial: Trial, stretch: str, seed: int, replay: Path, folder: Path) -> Run:
    """Do one run, or read it where it is done. Raises StateError for one that was done with other settings, or that
    another process is at."""
    path = folder / stretch / f"{trial.name}-{seed}.json"
    if not path.exists():
        work = path.with_suffix(".unfinished")
        with single_instance(work):
            for learnt in ("population", "registry"):
                rmtree(work / learnt, ignore_errors=True)
            begun = time.process_time()
            came = [asdict(outcome) for outcome in outcomes(trial, STRETCHES[stretch], seed, replay, work)]
            told = {"changes": trial.changes, "outcomes": came, "cpu_s": time.process_time() - begun}
            write_whole(path, json.dumps(told, indent=1).encode())
        rmtree(work)
    return _read(path, trial, stretch, seed)


def done(trials: Sequence[Trial], folder: Path) -> list[Run]:
    """Every finished run of `trials`."""
    return [
        _read(path, trial, stretch, int(path.stem.removeprefix(f"{trial.name}-")))
        for stretch in STRETCHES
        for trial in trials
        for path in sorted((folder / stretch).glob(f"{trial.name}-[0-9].json"))
    ]


def _read(path: Path, trial: Trial, stretch: str, seed: int) -> Run:
    told = json.loads(path.read_text())
    if told["changes"] != trial.changes:
        raise StateError(f"{path} was run with other settings: rename the trial, or delete the file")
    came = tuple(Outcome(**each | {"plays": tuple(each["plays"])}) for each in told["outcomes"])
    return Run(stretch, trial, seed, came, told["cpu_s"])


def outcomes(trial: Trial, stretch: Stretch, seed: int, replay: Path, folder: Path) -> Iterator[Outcome]:
    """What comes of the cycles of a stretch, one by one; the population and its registry are kept in `folder`."""
    settings, whole = trial.settings, history_of(trial, stretch, replay)
    learning = Learning(
        settings.learning.scheduled, settings.environment, seed, folder / "population", Registry(folder / "registry")
    )
    for end in stretch.ends:
        known = replace(whole, last=window_after(end).first_tick)
        if trial.plain is not None:
            with one_thread():
                fitted = trial.plain(known.tape(learning.learner, Window(known.first, known.last)))
            yield _after(learning, whole, end, fitted, None)
            continue
        cycle = run_cycle(learning, known, Watch())
        version = learning.registry.version(str(cycle.challenger))
        policy = learning.registry.policy(version, settings.environment, seed)
        yield _after(learning, whole, end, policy, cycle)


def history_of(trial: Trial, stretch: Stretch, replay: Path) -> History:
    """The market of a stretch as a trial meets it, up to a month after its last cycle."""
    told = trial.settings.data
    venues = {name: told.venues.get(name, VenueSettings()) for name in stretch.venues}
    market = recorded_market(replay, stretch.venues, stretch.assets)
    since = None if stretch.since is None else _midnight_ms(stretch.since)
    data = told.model_copy(update={"venues": venues, "assets": stretch.assets})
    return History(market, data, window_after(stretch.ends[-1]).last_tick, since)


def _after(learning: Learning, whole: History, end: str, policy: Policy, cycle: Cycle | None) -> Outcome:
    """The month after `end`: `policy` at its own hours, the rule as it trades, by the default horizon."""
    window, trading = window_after(end), as_the_rule_trades(learning.environment)
    plays = examination(whole.tape(learning.learner, window), PLAYS, seed=0)
    rule: Floats = examination(whole.tape(trading, window), PLAYS, seed=0).rule
    with one_thread():
        score = examine(plays, policy)
    pnl = score.scores + plays.rule
    verdict = None if cycle is None else cycle.verdict
    return Outcome(
        end=end,
        pnl=float(pnl.mean()),
        rule=float(rule.mean()),
        plays=tuple((pnl - rule).tolist()),
        trades=score.trades,
        gate=None if verdict is None else next(c.advantage for c in verdict.comparisons if c.incumbent == "rule"),
        promoted=verdict is not None and verdict.promoted,
    )


def learner_of(settings: Settings) -> EnvironmentSettings:
    """The environment as members, and plain arms in their place, meet it."""
    told = settings.learning.learner
    changes = {"formulation": told.formulation, "decision_hours": told.decision_hours}
    return settings.environment.model_copy(update=changes)


def as_the_rule_trades(account: EnvironmentSettings) -> EnvironmentSettings:
    """The same account with the default horizon."""
    return account.model_copy(update={"horizon_hours": EnvironmentSettings().horizon_hours})


def window_after(end: str) -> Window:
    """The month after a cycle's end."""
    first = _midnight_ms(end)
    return Window(first, first + 24 * AFTER_DAYS * HOUR_MS)


def _midnight_ms(day: str) -> int:
    return round(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) * 1000
