"""Teachers whom a first population is cloned from: the carry rule, a forecast, and what hindsight would have done.

A teacher says what it would do in any state that a simulation is in, on its own path or off it; used by cloning.
"""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import LONG
from backtest.hindsight import hindsight_bound
from backtest.policies import Actions, CarryRule, Policy, legal_actions
from backtest.simulated_venue import FLAT, IN, KEEP, pair_held
from backtest.simulation import Simulation
from backtest.tape import Tape
from pbt_online.forecast_rule import ForecastRule

TeacherName = Literal["rule", "forecast", "hindsight"]
AHEAD_HOURS = 168
"""How far the teacher that forecasts looks ahead: a position of the rule lasts 214 h in the median."""


class Teacher(Protocol):
    """Answers for every account of a simulation."""

    def decide(self, simulation: Simulation) -> Actions:
        """Actions [B], or [B, P] by pair, for the accounts as they are now."""


def teacher_of(name: TeacherName, tape: Tape) -> Teacher:
    """The teacher of that name for simulations on `tape`."""
    match name:
        case "rule":
            return PolicyTeacher(CarryRule(tape.schema))
        case "forecast":
            return PolicyTeacher(ForecastRule.fitted(tape, AHEAD_HOURS))
        case "hindsight":
            return HindsightTeacher(tape)


class PolicyTeacher:
    """One that looks at nothing but what the accounts see."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def decide(self, simulation: Simulation) -> Actions:
        """What the policy does on what the accounts see."""
        return self._policy.decide(simulation.observations)


class HindsightTeacher:
    """Holds what the best schedule found by hindsight holds, costs and funding counted, the bounce of prices not.

    Price changes are left out because nobody foresees them: cloning them teaches noise. A position is wanted at a
    decision if the schedule holds it through most of the hours until the next one, in the direction that the venue
    would enter it now.
    """

    def __init__(self, tape: Tape) -> None:
        hours, rows = tape.settings.decision_hours, len(tape.panel.ticks)
        held = np.zeros((rows + hours, len(tape.features.legs)))
        for holding in hindsight_bound(tape, basis=False, rounds=1).holdings:
            pair = tape.features.pair_of[holding.long, holding.short]
            sign = 1 if holding.long == tape.features.legs[pair, 0] else -1
            held[holding.entered : holding.left, pair] = sign
        ahead = np.stack([held[number : number + rows] for number in range(hours)]).mean(axis=0)
        self._wanted = np.where(np.abs(ahead) > 0.5, np.sign(ahead), 0).astype(np.int64)
        """[T, P] +1: long leg a; -1: long leg b; 0: nothing."""
        self._features = tape.features

    def decide(self, simulation: Simulation) -> Actions:
        """Leave what the schedule does not hold, enter what it does; ranked, one of them at a time, exits first."""
        by_pair = simulation.tape.schema.formulation == "pairs"
        legal = legal_actions(simulation.tape.schema, simulation.observations)
        actions = np.zeros(simulation.action_shape, dtype=np.int64)
        for b in range(simulation.count):
            wanted = self._wanted[simulation.row[b]]
            held, slot_of = self._held(simulation, b)
            leave = (held != 0) & (held != wanted)
            enter = (held == 0) & (wanted != 0) & (wanted == self._features.direction[simulation.row[b]])
            if by_pair:
                actions[b] = np.where(leave, FLAT, np.where(enter & legal[b, :, IN], IN, KEEP))
            else:
                actions[b] = self._ranked(simulation, b, leave, enter, slot_of, legal[b])
        return actions

    def _held(self, simulation: Simulation, b: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """[P] direction held of each pair, 0 for none; [P] the slot that holds it."""
        books, pairs = simulation.accounts.books[b], len(self._features.legs)
        held, slot_of = np.zeros(pairs, dtype=np.int64), np.zeros(pairs, dtype=np.int64)
        for slot in np.flatnonzero(books["opened_at"]).tolist():
            pair = pair_held(books, slot, self._features.pair_of)
            held[pair] = 1 if books["instrument"][slot, LONG] == self._features.legs[pair, 0] else -1
            slot_of[pair] = slot
        return held, slot_of

    def _ranked(
        self, simulation: Simulation, b: int, leave: NDArray[np.bool_], enter: NDArray[np.bool_],
        slot_of: NDArray[np.int64], legal: NDArray[np.bool_],
    ) -> int:  # fmt: skip
        ranks = simulation.tape.schema.opportunities
        if leave.any():
            return 1 + ranks + int(slot_of[leave].min())
        at_row = simulation.accounts.progress["universe"][b] * len(self._features.known) + simulation.row[b]
        best = simulation.tape.universes.ranked[at_row]
        wanted = (best >= 0) & enter[best] & legal[1 : 1 + ranks]
        return 1 + int(wanted.argmax()) if wanted.any() else 0
