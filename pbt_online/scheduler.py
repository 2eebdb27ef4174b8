"""Population Based Training's decisions: after a round, who goes on with whose weights under which hyperparameters.

Pure functions of standings, settings and a random generator: the population carries them out, backends do the work.
The words are those of Jaderberg et al. 2017 (arXiv:1711.09846).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pbt_online.bandit import Gain, suggest
from pbt_online.exploit import copies, ranking, share
from pbt_online.explore import explore
from pbt_online.search_space import Hyperparameters, SearchSpace
from pbt_online.settings import PopulationSettings

GROWTH, LARGEST = 1.3, 4.0
"""Adaptive explore: the magnitude grows so for every round in which the best score stalls, to this at most."""
SHRUNK = 0.7
"""And is this while the best score rises."""


@dataclass(frozen=True)
class Standing:
    """How a member stands after its round."""

    member: int
    score: float
    """What it is ranked by; NaN where there is none."""
    scores: NDArray[np.float64]
    """[U] the same by play, in the same plays for all members."""
    hyperparameters: Hyperparameters
    failed: bool = False
    history: tuple[float, ...] = ()
    """Its earlier scores since it last started anew, oldest first."""
    newcomer: bool = False
    """Whether it started anew amid others that had trained for longer."""

    @property
    def survives(self) -> bool:
        """Whether it has weights that can be ranked."""
        return not self.failed and math.isfinite(self.score)


@dataclass(frozen=True)
class Decision:
    """What a member begins its next round with."""

    member: int
    donor: int | None
    """Whose weights; None: its own, or none if `fresh`."""
    hyperparameters: dict[str, float]
    reason: str
    """continued, failed, stagnation, or the exploit strategy."""
    fresh: bool = False
    """It starts anew."""


class Scheduler:
    """Decides by `settings` in `space`."""

    def __init__(self, settings: PopulationSettings, space: SearchSpace) -> None:
        self._settings = settings
        self._space = space

    def decide(
        self, number: int, standings: Sequence[Standing], random: np.random.Generator, gains: Sequence[Gain] = ()
    ) -> list[Decision]:
        """What everybody begins round `number` with, by member, whatever the order of `standings`. Who failed is always
        replaced, newcomers not for a while; where nobody survives, all start anew. `gains` is what the model-based
        explore learns from."""
        by_member = {standing.member: standing for standing in sorted(standings, key=lambda s: s.member)}
        alive = {member: standing for member, standing in by_member.items() if standing.survives}
        scores = {member: standing.score for member, standing in alive.items()}
        plays = {member: standing.scores for member, standing in alive.items()}
        proposed = copies(scores, plays, self._settings.exploit, random)
        donors = {member: donor for member, donor in proposed.items() if not self._is_spared(alive[member])}
        staying = [member for member in ranking(scores) if member not in donors]
        best = staying[: max(share(len(scores), self._settings.exploit.quantile), 1)]
        magnitude = self._magnitude(list(alive.values()))
        told = []
        for member, standing in by_member.items():
            if member not in alive and best:
                donor = best[int(random.integers(len(best)))]
                changed = self._explored(alive[donor], number, gains, magnitude, random)
                told.append(Decision(member, donor, changed, "failed"))
            elif member not in alive:
                told.append(Decision(member, None, self._space.sample(random), "failed", fresh=True))
            elif member in donors:
                changed = self._explored(alive[donors[member]], number, gains, magnitude, random)
                told.append(Decision(member, donors[member], changed, self._settings.exploit.strategy))
            elif self._stagnates(standing) and member not in best and member not in donors.values():
                told.append(Decision(member, None, self._space.sample(random), "stagnation", fresh=True))
            else:
                told.append(Decision(member, None, self._space.clip(standing.hyperparameters), "continued"))
        return told

    def decide_one(
        self,
        number: int,
        standings: Sequence[Standing],
        member: int,
        random: np.random.Generator,
        gains: Sequence[Gain] = (),
    ) -> Decision:
        """The same for one member that does not wait, against the others' newest standings."""
        return next(told for told in self.decide(number, standings, random, gains) if told.member == member)

    def alike(self, standings: Sequence[Standing]) -> bool:
        """Whether the hyperparameters of a population of two or more have collapsed."""
        told = [standing.hyperparameters for standing in standings]
        return len(told) > 1 and self._space.diversity(told) < self._settings.alike_below

    def _explored(
        self, donor: Standing, number: int, gains: Sequence[Gain], magnitude: float, random: np.random.Generator
    ) -> dict[str, float]:
        changed = explore(self._space, donor.hyperparameters, self._settings.explore, random, magnitude)
        if self._settings.explore.strategy != "model":
            return changed
        # Choices move as ever, ranges to where the model says; all as ever while it knows too little.
        return suggest(self._space, changed, gains, number, random) or changed

    def _is_spared(self, standing: Standing) -> bool:
        return standing.newcomer and len(standing.history) < self._settings.grace_rounds

    def _stagnates(self, standing: Standing) -> bool:
        scores = [*standing.history, standing.score]
        best = max(range(len(scores)), key=lambda i: scores[i] if math.isfinite(scores[i]) else -math.inf)
        return len(scores) - 1 - best >= self._settings.stagnation_rounds

    def _magnitude(self, alive: Sequence[Standing]) -> float:
        """How far explore moves, from how long the best score of all has stalled."""
        if not self._settings.explore.adaptive or not alive:
            return 1.0
        length = max(len(standing.history) for standing in alive) + 1
        best = [-math.inf] * length
        for standing in alive:
            scores = [*standing.history, standing.score]
            for place, score in enumerate(scores, start=length - len(scores)):
                best[place] = max(best[place], score if math.isfinite(score) else -math.inf)
        stalled = length - 1 - best.index(max(best))
        return SHRUNK if stalled == 0 else min(GROWTH**stalled, LARGEST)
