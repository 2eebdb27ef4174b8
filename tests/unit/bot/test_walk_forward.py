"""A walk forward that is walked again is only played again, whatever failed in it."""

import asyncio
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest

from backtest.history import History
from backtest.windows import Window, Windows
from bot.alerts import Kind
from bot.settings import Settings
from bot.walk_forward import Walked, Watching, walk_forward
from data.errors import LearningFailed
from data.market import Market
from data.settings import SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.cycle import Learning, Watch
from pbt_online.cycles import Cycle, cycles, write_cycle
from pbt_online.gate import Verdict

SETTINGS = Settings.model_validate(
    {"data": {"assets": ["BTC", "INJ", "XRP"]}, "learning": {"schedule": {"cycle_hours": 12}}}
)
HOURS = 30
"""Cycles are due at the hours 0, 12 and 24."""


@cache
def market() -> Market:
    return synthetic_market(SyntheticSettings(days=20, assets=SETTINGS.data.assets))


def window() -> Window:
    first = market().start_ms + SETTINGS.data.history_hours * HOUR_MS
    return Window(first, first + HOURS * HOUR_MS)


class School:
    """Stands in for training: begins cycles, fails those of some hours, and judges the others."""

    def __init__(self, fails: Collection[int]) -> None:
        self.fails = fails
        self.learnt: list[int] = []
        """Hours of the walk."""

    def run_cycle(self, learning: Learning, history: History, _: Watch) -> Cycle:
        hour = (history.last - window().first_tick) // HOUR_MS
        self.learnt.append(hour)
        parts = (
            (history.last - 2, history.last - 1),
            (history.last - 1, history.last - 1),
            (history.last - 1, history.last),
        )
        windows = Windows(*(Window(*part) for part in parts))
        number = len(cycles(learning.folder)) + 1
        begun = Cycle(number, "f", windows, learning.incumbent or "")
        write_cycle(learning.folder, begun)
        if hour in self.fails:
            raise LearningFailed(f"every member failed in hour {hour}")
        verdict = Verdict(f"ppo-{hour}", False, number, 0.01, 96, (), (), 8, None, ("it earns less",))
        judged = Cycle(number, "f", windows, begun.champion, verdict.challenger, verdict)
        write_cycle(learning.folder, judged)
        return judged


def walked(folder: Path, school: School, monkeypatch: pytest.MonkeyPatch) -> Walked:
    with monkeypatch.context() as patched:
        patched.setattr("bot.walk_forward.run_cycle", school.run_cycle)
        patched.setattr("bot.walk_forward.hold_contest", lambda *_: None)
        return asyncio.run(walk_forward(SETTINGS, market(), window(), folder, Watching()))


def troubles(walk: Walked) -> list[tuple[int, str]]:
    first = window().first_tick
    return [((one.tick - first) // HOUR_MS, one.text) for one in walk.happened if one.kind is Kind.TROUBLE]


def test_a_cycle_that_failed_is_not_learnt_from_its_future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By then the population has lived through later cycles."""
    school = School(fails=[12])
    first = walked(tmp_path, school, monkeypatch)
    assert [0, 12, 24] == school.learnt
    assert [(12, "no cycle: every member failed in hour 12")] == troubles(first)
    sound = School(fails=[])
    again = walked(tmp_path, sound, monkeypatch)
    assert [] == sound.learnt
    assert (first.happened, first.cycles) == (again.happened, again.cycles)


def test_a_cycle_that_failed_last_is_learnt_when_the_walk_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked(tmp_path, School(fails=[12, 24]), monkeypatch)
    sound = School(fails=[])
    again = walked(tmp_path, sound, monkeypatch)
    assert [24] == sound.learnt
    assert [(12, "no cycle: every member failed in hour 12")] == troubles(again)
