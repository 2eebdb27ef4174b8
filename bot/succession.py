"""Who trades next: verdicts that take effect, champions that lose too much. Used by the runtime before every tick."""

import math
from typing import Protocol

from backtest.accounting import Books, equity
from backtest.policies import CarryRule, Policy
from backtest.schema import Schema, schema_of
from bot.alerts import LOG, Kind
from bot.ledger.store import Ledger
from bot.settings import Settings
from data.errors import CorruptData, FundingBotError, StateError
from pbt_online.cycles import Cycle
from pbt_online.registry import Registry, Tenure

STAND_IN = "rule-exits-only"
"""Who decides while nobody whom the registry names can: no version of it, so that no file is needed."""


def stand_in(schema: Schema) -> Policy:
    """The carry rule that enters nothing: it closes what no longer pays."""
    return CarryRule(schema, enter_above=math.inf)


class Trading(Protocol):
    """Who trades: the trader, or the account of a walk forward."""

    @property
    def champion(self) -> str:
        """The version that decides."""

    @property
    def books(self) -> Books:
        """The account after the last tick."""

    def set_policy(self, policy: Policy, champion: str, why: str) -> None:
        """From the next tick on `policy` decides."""

    def tell(self, kind: Kind, text: str) -> None:
        """Have the next tick tell it."""


class Verdicts(Protocol):
    """Where judged cycles come from: training beside trading, or in the midst of a walk forward."""

    async def at(self, tick: int) -> Cycle | None:
        """The cycle whose verdict takes effect at `tick`."""

    def acted(self, cycle: Cycle, tick: int) -> None:
        """The verdict of `cycle` was acted upon at `tick`: it takes effect at no other one. Raises StateError."""

    def begin(self, tick: int, champion: str) -> None:
        """Begin the cycle that is due while `champion` trades, where all of the market up to `tick` is known."""


class Succession:
    """Promotes and demotes in the registry, and hands the trader whom the registry names."""

    def __init__(
        self, settings: Settings, retraining: Verdicts | None, registry: Registry, trader: Trading, peak: float
    ) -> None:
        """`peak` is the account's highest equity since the champion took over, quote currency."""
        self._settings = settings
        self._retraining = retraining
        self._registry = registry
        self._trader = trader
        self._peak = peak
        self._acted_upon: int | None = None
        """The newest cycle whose verdict this process has acted upon: an hour may be repeated."""

    async def at(self, tick: int) -> None:
        """Everything that takes effect at `tick`, ms. Where it raises FundingBotError, the registry's champion was
        followed all the same."""
        champion = self._trader.champion
        try:
            if champion != STAND_IN:  # what is due waits for somebody to be compared with
                await self._judge(champion, tick)
        finally:
            follow_champion(self._registry, self._trader, self._settings, tick)
            if self._trader.champion != champion:
                self._peak = float(equity(self._trader.books))

    async def _judge(self, champion: str, tick: int) -> None:
        self._watch_drawdown(tick)
        if self._retraining is None or (cycle := await self._retraining.at(tick)) is None:
            return
        if cycle.number != self._acted_upon:
            self._act(cycle, tick)
            self._acted_upon = cycle.number
        self._retraining.acted(cycle, tick)  # last: what the disk refuses before is done in the next hour

    def collected(self, tick: int) -> None:
        """All of the market up to `tick` is known: who learns may begin."""
        champion = self._trader.champion
        if self._retraining is not None and champion != STAND_IN:
            self._retraining.begin(tick, champion)

    def _act(self, cycle: Cycle, tick: int) -> None:
        verdict = cycle.verdict
        if verdict is None or cycle.challenger is None:
            raise ValueError(f"cycle {cycle.number} was not judged")
        if cycle.heir is not None:
            self._enthrone(cycle.heir, cycle, promoted=verdict.promoted, tick=tick)
        if not verdict.promoted:
            more = f" (and {len(verdict.reasons) - 1} more reasons)" if len(verdict.reasons) > 1 else ""
            told = f"cycle {cycle.number}: {cycle.challenger} refused: {verdict.reasons[0]}{more}"
            self._trader.tell(Kind.REFUSED, told)

    def _enthrone(self, heir: str, cycle: Cycle, *, promoted: bool, tick: int) -> None:
        """Make `heir` the champion, unless another one trades by now than it was compared with."""
        now = _named(self._registry, self._settings, tick).name
        if now in (cycle.champion, heir):
            how = "passed the gate" if promoted else "has proven better than the champion"
            self._registry.promote(heir, tick, f"{how} in cycle {cycle.number}")
        else:
            told = f"cycle {cycle.number}: {heir} was compared with {cycle.champion}, and {now} trades now: it stays"
            self._trader.tell(Kind.REFUSED, told)

    def _watch_drawdown(self, tick: int) -> None:
        """A champion that has lost more than the limit since its own best hour gives way to its predecessor, unless
        somebody else takes over at `tick` anyhow."""
        limit, worth = self._settings.learning.schedule.max_live_drawdown_pct, float(equity(self._trader.books))
        self._peak = max(self._peak, worth)
        drawdown, champion = 100 * (1 - worth / self._peak), self._trader.champion
        if drawdown <= limit or self._is_flat(champion):
            return
        if _named(self._registry, self._settings, tick).name == champion:
            self._registry.demote(tick, f"drawdown {drawdown:.2f} % beyond {limit:g} %")

    def _is_flat(self, champion: str) -> bool:
        """Whether it enters nothing; of one whose manifest is lost or damaged that is not assumed."""
        try:
            return self._registry.version(champion).policy == "flat"
        except (StateError, CorruptData):
            return False


def peak_since_takeover(ledger: Ledger, run_id: int, registry: Registry, champion: str) -> float:
    """The account's highest equity since `champion` took over, quote currency; 0 before its first hour, and of who
    only stands in."""
    if champion == STAND_IN:
        return 0.0
    since = max((t.since_ms or 0 for t in registry.history() if t.name == champion), default=0)
    ticks, worth = ledger.equity(run_id)
    return float(worth[ticks >= since].max(initial=0.0))


def follow_champion(registry: Registry, trader: Trading, settings: Settings, tick: int) -> None:
    """Let the champion of market time `tick` trade from then on, whoever promoted it. Where it cannot, who trades now
    goes on, and the log says why: a running account is better off with yesterday's policy than with none. Where the
    registry has lost whom it named, it is the rule again."""
    try:
        now = _named(registry, settings, tick)
        if now.name != trader.champion:
            policy = registry.policy(registry.version(now.name), settings.environment, settings.seed)
            trader.set_policy(policy, now.name, now.why)
    except FundingBotError as error:
        LOG.warning("%s; %s goes on trading", error, trader.champion)


def _named(registry: Registry, settings: Settings, tick: int) -> Tenure:
    """The champion of market time `tick`; the rule where the registry has lost whom it named."""
    if not registry.history():
        registry.champion(schema_of(settings.environment))
    return registry.tenure_at(tick)
