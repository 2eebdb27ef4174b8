"""What `bot run` says on a terminal while it trades."""

import pytest

from backtest.accounting import new_books
from bot.cli.run import stands
from bot.pulse import Pulse


@pytest.mark.parametrize(
    ("pulse", "says"),
    [
        (None, "equity 10,000.00, 0 positions"),
        (Pulse(), "equity 10,000.00, 0 positions"),
        (Pulse(training=1_736_899_200_000), "equity 10,000.00, 0 positions, agents train"),
    ],
)
def test_a_line_that_stands_still_says_that_agents_train(pulse: Pulse | None, says: str) -> None:
    assert says == stands(new_books(2, 3, 10_000.0), pulse)
