"""Which test holds which control at which venues: told by a mark on the test, and read from the marks for the table in
docs/controls.md.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])
PAIR = ("binance", "hyperliquid")
CONTROLS = {
    1: "an order is on the disk before it is sent, under a name that is made of what it is for",
    2: "an order is unknown until the venue proves what became of it",
    3: "nothing is sent twice",
    4: "partial fills are matched or taken back",
    5: "the second leg has a deadline, and what is not matched by then is unwound",
    6: "trades count once, in whatever order they come",
    7: "limits on notional, at one gate",
    8: "no entry at prices that cannot be right; exits go on",
    9: "no entry on stale data; what is held is kept",
    10: "pauses that a venue asks for are kept; a pair that fails again and again is left alone",
    11: "a clock that is off is mended, and no order is lost by it",
    12: "a venue that is down changes nothing about what is held",
    13: "the kill switch works from outside and outlasts restarts",
    14: "resting orders of a bot that hangs are cancelled by the venue",
    15: "limits on losses, marked to market, outlast restarts",
    16: "both legs are reduced before one is liquidated",
    17: "what a venue takes of one leg, the other one follows; silence is no such thing",
    18: "funding is booked as paid, to the cent",
    19: "what nobody can explain halts entries, and is left alone",
    20: "what cannot be written down is not ordered",
    21: "one bot at a time",
    22: "every order tells who decided it; limits outlast a change of model",
    23: "contracts of different sizes and modes are traded in equal quantities, or not at all",
}


def control(*numbers: int, venues: Sequence[str] = PAIR, soak: Sequence[str] = ()) -> Callable[[Test], Test]:
    """Mark a test as holding these controls at `venues`, and with SOAK=1 at those of `soak` too."""

    def marked(test: Test) -> Test:
        test.holds = numbers, tuple(venues), tuple(soak)  # type: ignore[attr-defined]
        return test

    return marked
