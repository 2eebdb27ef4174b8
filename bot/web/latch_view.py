"""What holds entries back, as the API tells it. Used by `reader` and `controls`."""

from bot.latch import Latch, latch_line
from bot.web.models import LatchView


def latch_view(latch: Latch) -> LatchView:
    """The latch, with a line for people."""
    return LatchView(state=latch.state.value, since=latch.since, reason=latch.reason, text=latch_line(latch))
