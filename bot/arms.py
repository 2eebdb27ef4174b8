"""What else could have traded: the arms that a walk forward is compared with, on the same market and window.

Each arm has the members of its own cycles trade as soon as a verdict would take effect, whatever the gate said: so
beside the product, whose gate refuses most, it shows what learning itself is worth. Used by
`bot backtest --walk-forward --compare`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backtest.policies import Policy, plain_policy
from backtest.schema import schema_of
from backtest.track import Track
from backtest.walk_forward import walk_along
from backtest.windows import Window
from bot.settings import Settings
from bot.walk_forward import Walked, Watching, known_at, tapes, walk_forward
from data.market import Market
from pbt_online.contest import Contest
from pbt_online.search_space import SearchSpace
from pbt_online.settings import Dimension, ExploitSettings

COST_FACTORS = (0.5, 1.0, 2.0)
NEVER = 1_000_000
"""Rounds after which a member that does not improve starts anew, where it is to go on by itself."""


@dataclass(frozen=True)
class Arm:
    """One more line of the comparison."""

    about: str
    track: Track


@dataclass(frozen=True)
class Compared:
    """Everything that `--compare` adds."""

    arms: tuple[Arm, ...]
    ungated: Track
    """The population's best without the gate: the product less this is what the gate saved, or cost."""
    costs: tuple[tuple[float, dict[str, float]], ...]
    """By cost factor the P&L of product and rule, % of initial capital."""


async def compare(
    settings: Settings, market: Market, window: Window, folder: Path, walked: Walked, watch: Watching
) -> Compared:
    """Walk the arms; those that learn for themselves keep that in `folder`, and are gone on with like any walk."""
    own = _Ungated(settings, market, window)
    best = own.track("best, no gate", walked, lambda contest: contest.best)
    vote = own.track("vote, no gate", walked, lambda contest: contest.vote)
    arms = [
        Arm("the best member on validation, whatever the gate said", best),
        Arm(f"the majority vote of the best {settings.learning.ensemble_size}, whatever the gate said", vote),
    ]
    for name, about, changed in (
        ("one PPO", "one member with hyperparameters amid their ranges, no population", one_ppo(settings)),
        ("independent", "the best of members that never copy each other", independent(settings)),
    ):
        other = await walk_forward(changed, market, window, folder / name.lower().replace(" ", "-"), watch)
        arms.append(Arm(f"{about}, no gate", own.track(name, other, lambda contest: contest.best)))
    return Compared(tuple(arms), best, _costs(settings, market, window, walked))


def one_ppo(settings: Settings) -> Settings:
    """A single agent: no population, no search."""
    middle = SearchSpace(settings.learning.population.search_space).clip({})
    pinned = {name: Dimension(choices=(value,)) for name, value in middle.items()}
    return _with_population(settings, size=1, search_space=pinned, stagnation_rounds=NEVER)


def independent(settings: Settings) -> Settings:
    """As many members, of whom none copies another."""
    return _with_population(settings, exploit=ExploitSettings(strategy="none"), stagnation_rounds=NEVER)


def _with_population(settings: Settings, **changes: object) -> Settings:
    population = settings.learning.population.model_copy(update=changes)
    return settings.model_copy(update={"learning": settings.learning.model_copy(update={"population": population})})


class _Ungated:
    """Plays what cycles brought, from when their verdicts took effect."""

    def __init__(self, settings: Settings, market: Market, window: Window) -> None:
        self._settings = settings
        self._tape_of = tapes(settings, known_at(market, window.first_tick, settings, window.last_tick), window)

    def track(self, name: str, walked: Walked, chosen: Callable[[Contest], str]) -> Track:
        versions = {contest.cycle: chosen(contest) for contest in walked.contests}
        later = [
            (cycle.effective_ms, versions[cycle.number])
            for cycle in walked.cycles
            if cycle.effective_ms is not None and cycle.number in versions
        ]
        return walk_along(name, self._tape_of, policies_of(self._settings, walked, [walked.champions[0], *later]))


def policies_of(settings: Settings, walked: Walked, versions: Sequence[tuple[int, str]]) -> list[tuple[int, Policy]]:
    """Versions of a walk's registry, each with the tick from which it decides, as policies."""
    registry = walked.registry
    return [
        (tick, registry.policy(registry.version(name), settings.environment, settings.seed)) for tick, name in versions
    ]


def _costs(
    settings: Settings, market: Market, window: Window, walked: Walked
) -> tuple[tuple[float, dict[str, float]], ...]:
    """The same successions where venues charge otherwise than policies are told."""
    history = known_at(market, window.first_tick, settings, window.last_tick)
    rule = plain_policy("rule", schema_of(settings.environment), settings.seed)
    lines = {
        "product": policies_of(settings, walked, walked.champions),
        "rule": [(window.first_tick, rule)],
    }
    tapes_at = {factor: tapes(settings, history, window, factor) for factor in COST_FACTORS}
    return tuple(
        (factor, {name: _earned(walk_along(name, tape_of, line)) for name, line in lines.items()})
        for factor, tape_of in tapes_at.items()
    )


def _earned(track: Track) -> float:
    return 100 * float(track.equity[-1] / track.equity[0] - 1)
