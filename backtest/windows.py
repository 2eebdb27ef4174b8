"""Which hours a cycle learns from, is ranked on and is judged by; for training, the gate and walk-forward tests."""

from dataclasses import dataclass

from backtest.settings import WindowSettings
from data.errors import MissingData
from data.types import HOUR_MS

EMBARGO_SHARE = 0.1
"""An embargo takes no more than this of a history that is too short for the windows as set."""
_DAY_H = 24


@dataclass(frozen=True)
class Window:
    """Decisions from the first tick on, equity up to the last one; both ms, whole hours."""

    first_tick: int
    last_tick: int

    @property
    def hours(self) -> int:
        """From the first tick to the last."""
        return (self.last_tick - self.first_tick) // HOUR_MS


@dataclass(frozen=True)
class Windows:
    """Of one cycle, in time order, an embargo apart."""

    train: Window
    validation: Window
    gate: Window


def latest_windows(first_tick: int, last_tick: int, settings: WindowSettings) -> Windows:
    """The newest windows of a history whose first decision can be made at `first_tick`: the gate ends at `last_tick`.

    Where the history is shorter than the settings ask for, the embargoes shrink first, down to EMBARGO_SHARE of it
    each, and the three windows share the rest in the proportions of the settings. They last whole days, or whole hours
    where a day is too long for them; what is left over is the oldest of the history. Raises MissingData where the
    history is shorter than `least_days`, or too short for a window to have two hours.
    """
    days = settings.train_days, settings.validation_days, settings.gate_days
    history = (last_tick - first_tick) // HOUR_MS
    missing = settings.least_days * _DAY_H - history
    if missing > 0:
        raise MissingData(
            f"learning needs {settings.least_days} days of history and {missing / _DAY_H:.1f} of them are missing: "
            "collect more, or lower least_days"
        )
    whole = sum(days) * _DAY_H
    embargo = min(settings.embargo_hours, max(int(EMBARGO_SHARE * history), (history - whole) // 2))
    shares = [(history - 2 * embargo) * part // sum(days) for part in days]
    train, validation, gate = (min(part * _DAY_H, _whole_days(share)) for part, share in zip(days, shares, strict=True))
    if min(train, validation, gate) < 2:
        least = -(-2 * sum(days) // min(days))
        needed = min(least / (1 - 2 * EMBARGO_SHARE), least + 2 * settings.embargo_hours)
        raise MissingData(
            f"the shortest of windows of {days} days has no two hours in {history / _DAY_H:.1f} days of history: "
            f"collect {needed / _DAY_H:.1f} days, or make the windows more alike"
        )
    return _backwards(last_tick, (train, validation, gate), embargo)


def _whole_days(hours: int) -> int:
    return hours // _DAY_H * _DAY_H or hours


def _backwards(last_tick: int, hours: tuple[int, int, int], embargo: int) -> Windows:
    windows, end = [], last_tick
    for length in reversed(hours):
        windows.append(Window(end - length * HOUR_MS, end))
        end = windows[-1].first_tick - embargo * HOUR_MS
    gate, validation, train = windows
    return Windows(train, validation, gate)
