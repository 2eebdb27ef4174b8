"""How the service stands, as plain data: for GET /health, systemd's status line and whoever answers people."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.latch import Latches, LatchState
from bot.supervisor.keeper import Keeper, State

LATE_S = 2 * 3600.0
"""An account whose last hour is longer ago is behind."""


class Condition:
    """Reads the keepers and the latches; asks no process and no ledger."""

    def __init__(self, keepers: Mapping[str, Keeper], latches: Latches, hang_s: float) -> None:
        """`keepers` by name; there is a trader."""
        self._keepers = keepers
        self._latches = latches
        self._hang_s = hang_s
        self._tick: int | None = None
        self._tick_s = time.monotonic()

    def look(self) -> dict[str, Any]:
        """`healthy`, and what it follows from. To be called often: it counts the age of the last hour."""
        trader = self._keepers["trader"]
        pulse = {} if trader.child is None else trader.child.pulse
        if pulse.get("tick") != self._tick:
            self._tick, self._tick_s = pulse.get("tick"), time.monotonic()
        age_s = time.monotonic() - self._tick_s
        latch = self._latches.read()
        alive = self._alive(trader)
        free = latch.state in (LatchState.NONE, LatchState.PAUSED)
        return {
            "healthy": alive and free and age_s < LATE_S,
            "trader": self._process(trader) | {"last_tick": _iso(self._tick), "age_s": round(age_s, 1)},
            "collector": self._process(self._keepers["collector"]) if "collector" in self._keepers else None,
            "trainer": {"alive": alive and bool(pulse.get("training")), "cycle_due": _iso(pulse.get("training"))},
            "latch": {"state": latch.state.value, "since": latch.since, "reason": latch.reason},
            "ledger": {"run": pulse.get("run"), "last_tick": _iso(self._tick), "text": pulse.get("text", "")},
        }

    def line(self) -> str:
        """In a few words."""
        trader = self._keepers["trader"]
        pulse = {} if trader.child is None else trader.child.pulse
        return ", ".join(filter(None, (f"trader {trader.state}", _iso(pulse.get("tick")), pulse.get("text", ""))))

    def _alive(self, keeper: Keeper) -> bool:
        return keeper.state in (State.STARTING, State.UP) and keeper.silent_s < self._hang_s

    def _process(self, keeper: Keeper) -> dict[str, Any]:
        return {
            "alive": self._alive(keeper),
            "state": keeper.state.value,
            "pid": None if keeper.child is None else keeper.child.pid,
            "silent_s": round(keeper.silent_s, 1),
            "restarts": keeper.restarts,
        }


def _iso(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
