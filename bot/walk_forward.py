"""The walk forward: history as the bot would have lived it, learnt on schedule, judged by the gate, traded thereafter.

At every boundary a cycle learns from what lay before it; whom the gate promotes trades `promotion_lead_hours` later.
Succession, cycles and registry are those of `bot run`; the account is the simulated venue's, to which
`tests/parity` holds the trader's. Used by `bot backtest --walk-forward`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from backtest.accounting import Books, equity
from backtest.history import History
from backtest.look_ahead import refuse_look_ahead
from backtest.policies import Policy
from backtest.schema import Schema, schema_of, settings_for
from backtest.spare_workers import SpareWorkers
from backtest.tape import Tape
from backtest.track import Track
from backtest.walk_forward import Walk
from backtest.windows import Window
from bot.alerts import Kind
from bot.settings import Settings
from bot.succession import Succession
from data.durable import write_whole
from data.errors import FundingBotError, StateError
from data.market import Market
from data.panel import tradable
from data.types import HOUR_MS
from pbt_online.contest import Contest, contests, hold_contest
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.cycles import Cycle, cycles, effective_at, take_effect
from pbt_online.memory import Entry, Memory
from pbt_online.registry import Registry

LEFT_OUT = "left_out.json"
"""Beside the cycles: those that failed."""


@dataclass(frozen=True)
class Happened:
    """What the bot would have told of champions and challengers."""

    tick: int
    kind: Kind
    text: str


@dataclass(frozen=True)
class Walked:
    """What was lived through, from the first decision to the end of the window."""

    track: Track
    """Out of sample, net of all costs."""
    champions: tuple[tuple[int, str], ...]
    """Who decided from which tick on."""
    cycles: tuple[Cycle, ...]
    contests: tuple[Contest, ...]
    """Of the cycles, as far as they are known."""
    rounds: tuple[Entry, ...]
    """Every member's rounds, in order."""
    happened: tuple[Happened, ...]
    registry: Registry


@dataclass(frozen=True)
class Watching:
    """Who is told what, while the walk goes on."""

    cycle: Callable[[int, int], None] = lambda number, of: None
    """A cycle begins."""
    learning: Watch = Watch()  # noqa: RUF009 - immutable
    walked: Callable[[int, float], None] = lambda tick, worth: None
    """An hour is over: its tick and the equity then."""


async def walk_forward(settings: Settings, market: Market, window: Window, folder: Path, watch: Watching) -> Walked:
    """Live through `window` of `market`. What `folder` holds of an earlier walk of the same settings is not learnt
    again, so one that was killed is gone on with. Raises MissingData where the market does not cover the window,
    LookAhead where some of what is shown of it was not known yet."""
    history = known_at(market, window.first_tick, settings, window.last_tick)
    refuse_look_ahead(history, window, lambda known, hours: known.tape(settings.environment, hours))
    registry = Registry(folder / "registry")
    registry.rewind(window.first_tick)
    champion = registry.champion_at(schema_of(settings.environment), window.first_tick)
    first = registry.policy(champion, settings.environment, settings.seed)
    account = _Account(Walk(tapes(settings, history, window), first), champion.name, window.first_tick)
    walk = account.walk
    with SpareWorkers() as spares:
        lessons = _Lessons(settings, history, window, folder, registry, account, watch, spares)
        succession = Succession(settings, lessons, registry, account, float(equity(account.books)))
        while not walk.over:
            await succession.at(walk.tick)
            succession.collected(walk.tick)
            walk.hour()
            watch.walked(walk.tick, walk.worth)
    return Walked(
        track=walk.track("product"),
        champions=tuple(account.champions),
        cycles=tuple(cycles(folder)),
        contests=tuple(contests(folder)),
        rounds=_rounds(folder, settings),
        happened=tuple(account.happened),
        registry=registry,
    )


def _rounds(folder: Path, settings: Settings) -> tuple[Entry, ...]:
    """Members that wait for each other end a round in any order, which means nothing; others end as they end."""
    entries = Memory(folder).entries
    if settings.learning.population.asynchronous:
        return tuple(entries)
    return tuple(sorted(entries, key=lambda entry: (entry.cycle, entry.round, entry.member)))


def tapes(settings: Settings, history: History, window: Window, cost_factor: float = 1.0) -> Callable[[Schema], Tape]:
    """The window as each schema sees it; venues charge `cost_factor` times what policies are told. Every
    tape is made once."""
    return cache(
        lambda schema: history.tape(settings_for(schema, settings.environment), window, cost_factor=cost_factor)
    )


def known_at(market: Market, tick: int, settings: Settings, last: int) -> History:
    """The past of what trades at `tick`, as a run that began then would know it."""
    kept = tradable(market.listed(tick), settings.data.assets)
    bars = {instrument.key: market.bars[instrument.key] for instrument in kept}
    paid = {instrument.key: market.settlements[instrument.key] for instrument in kept}
    return History(Market(tuple(kept), bars, paid, market.episode), settings.data, last)


class _Account:
    """The walk as succession sees it: `Trading`."""

    def __init__(self, walk: Walk, champion: str, tick: int) -> None:
        self.walk = walk
        self.champion = champion
        self.champions = [(tick, champion)]
        self.happened: list[Happened] = []

    @property
    def books(self) -> Books:
        return self.walk.books

    def set_policy(self, policy: Policy, champion: str, why: str) -> None:
        self.walk.follow(policy)
        self.tell(Kind.PROMOTED, f"champion {champion} takes over from {self.champion}: {why}")
        self.champion = champion
        self.champions.append((self.walk.tick, champion))

    def tell(self, kind: Kind, text: str) -> None:
        self.happened.append(Happened(self.walk.tick, kind, text))


class _Lessons:
    """Cycles on schedule, each trained at once from what lay before it: `Verdicts`."""

    def __init__(
        self,
        settings: Settings,
        history: History,
        window: Window,
        folder: Path,
        registry: Registry,
        account: _Account,
        watch: Watching,
        spares: SpareWorkers,
    ) -> None:
        self._schedule = settings.learning.schedule
        self._history, self._window, self._folder = history, window, folder
        self._account, self._watch = account, watch
        self._learning = Learning(
            settings.learning.scheduled,
            settings.environment,
            settings.seed,
            folder,
            registry,
            supersedes=True,
            spares=spares,
        )

    async def at(self, tick: int) -> Cycle | None:
        return effective_at(self._folder, tick, self._schedule.promotion_lead_hours * HOUR_MS)

    def acted(self, cycle: Cycle, tick: int) -> None:
        take_effect(self._folder, cycle, tick)

    def begin(self, tick: int, champion: str) -> None:
        begun, apart = self._window.first_tick, self._schedule.cycle_hours * HOUR_MS
        if (tick - begun) % apart == 0 and self._schedule.enabled:
            self._learn(tick, champion)

    def _learn(self, due: int, champion: str) -> None:
        """Train the cycle of `due` unless it is there. One that fails is left out, as beside trading; for good once a
        later one has begun, as the population has seen by then what came after `due`."""
        history, known = replace(self._history, last=due), cycles(self._folder)
        done = next((c for c in known if c.judged and c.windows.gate.last_tick == due), None)
        if done is not None:
            hold_contest(self._learning, history, done)
            return
        if any(cycle.windows.gate.last_tick > due for cycle in known):
            self._leave_out(self._left_out().get(str(due), "a later one had begun"))
            return
        number, apart = (due - self._window.first_tick), self._schedule.cycle_hours * HOUR_MS
        self._watch.cycle(number // apart + 1, -(-self._window.hours * HOUR_MS // apart))
        try:
            done = run_cycle(replace(self._learning, incumbent=champion), history, self._watch.learning)
            hold_contest(self._learning, history, done)
        except FundingBotError as error:
            write_whole(self._folder / LEFT_OUT, json.dumps(self._left_out() | {str(due): str(error)}).encode())
            self._leave_out(str(error))

    def _leave_out(self, why: str) -> None:
        self._account.tell(Kind.TROUBLE, f"no cycle: {why}")

    def _left_out(self) -> dict[str, str]:
        """Why cycles failed, by when they were due, ms: a walk that is played again says the same."""
        path = self._folder / LEFT_OUT
        try:
            return dict(json.loads(path.read_bytes())) if path.exists() else {}
        except (OSError, ValueError, TypeError) as error:
            raise StateError(f"{path} cannot be read ({error}): restore it, or walk with --fresh") from error
