"""What is wrong, told when it begins and when it is over: in between it is counted. Used by the guard and the trader.

Something that fails now and then is one trouble, not one for each time; it is over once it was not met for an hour.
"""

from dataclasses import dataclass

from data.types import HOUR_MS

QUIET_MS = HOUR_MS


@dataclass
class _Lasting:
    text: str
    """As it was told first."""
    met_ms: int
    """When it was met last."""
    times: int = 1


class Troubles:
    """Those that last. Times are market time, ms."""

    def __init__(self) -> None:
        self._lasting: dict[str, _Lasting] = {}
        """By cause."""

    def meet(self, cause: str, text: str, now_ms: int) -> list[str]:
        """What people are told of a trouble that is met now: its `text`, unless it lasts already. `cause` is what two
        of them have in common, whatever their words."""
        known = self._lasting.get(cause)
        if known is None:
            self._lasting[cause] = _Lasting(text, now_ms)
            return [text]
        known.met_ms, known.times = now_ms, known.times + 1
        return []

    def over(self, now_ms: int) -> list[str]:
        """What people are told of those that were not met for long, and are forgotten now."""
        ended = {cause: one for cause, one in self._lasting.items() if now_ms - one.met_ms > QUIET_MS}
        for cause in ended:
            del self._lasting[cause]
        return [f"over, met {_times(one.times)}: {one.text}" for one in ended.values()]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
