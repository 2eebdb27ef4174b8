"""How far prices on one venue may move before an account there is liquidated. Used by the gate and by the guard."""

import math
from collections.abc import Sequence


def distance(legs: Sequence[float], behind: float, maintenance: float) -> float:
    """The least move, a fraction, after which the equity `behind` all legs of a venue under cross margin is less than
    `maintenance` of their notional: of one price alone, or of all prices together, up or down, whichever comes first.

    `legs` are signed notionals, one for each contract; inf without any. By a move d of one price, a leg of notional N
    loses N x d, and what is sold short demands m x N x d more margin as well: so the largest leg is the nearest. Where
    all prices rise by d, the account loses d x (short - long) and the demanded margin grows by m x d x (short + long);
    where they fall, it loses d x (long - short), and the margin shrinks.
    """
    gross, net = sum(map(abs, legs)), sum(legs)
    if gross == 0.0:
        return math.inf
    spare = behind - maintenance * gross
    alone = max(map(abs, legs)) * (1 + maintenance)
    up, down = maintenance * gross - net, net - maintenance * gross
    return spare / max(alone, up, down)
