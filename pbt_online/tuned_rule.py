"""The carry rule with thresholds tuned on the training window: an incumbent that a challenger must beat as well."""

from itertools import product

from backtest.policies import CarryRule
from backtest.tape import Tape
from pbt_online.fitness import examination, examine
from pbt_online.settings import FitnessSettings

ENTER_ABOVE = (0.0, -10.0, -5.0, 5.0, 10.0, 20.0)
"""bps of expected net carry; the rule as set comes first."""
LEAVE_BELOW = (0.0, -0.5, 0.25, 0.5)
"""bps per 8 h of the spread held."""
PLAYS = FitnessSettings(universes=12, episode_days=60)
"""One path would tune to luck: the same plays for every rule, long enough to count their exits."""


def tune_rule(tape: Tape, *, seed: int = 0) -> CarryRule:
    """The rule that earns most on `tape`, the mean over PLAYS; the rule as set where none earns more.

    Raises MissingData where the tape has no two decisions.
    """
    plays = examination(tape, PLAYS, seed)
    rules = [CarryRule(tape.schema, enter, leave) for enter, leave in product(ENTER_ABOVE, LEAVE_BELOW)]
    return max(rules, key=lambda rule: examine(plays, rule).value)
