"""kill -9 at any moment: a restart loses no trade, repeats none, and continues the position."""

import os
import random
import signal
import subprocess
from pathlib import Path

from tests.functional.commands import bot, eventually, newest_tick, said, small_config, started

KILLS = 100 if os.environ.get("SOAK") else 3
FROM, HOURS = "2025-01-17T12:00", 140 + 3 * KILLS
"""The rule enters a pair after four hours and leaves it after five days and a half; a life may be some hours long."""
LONGEST_LIFE_S = 4.0 / KILLS
"""After the first hour that a process traded; so all the kills together fit into the run."""


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    config, random_time = small_config(tmp_path), random.Random(17)
    arguments = ("run", "--paper", "--config", config, "--from", FROM, "--hours", HOURS, "--json", "--var")
    undisturbed = said(bot(*arguments, tmp_path / "undisturbed"))
    var, kills, reached = tmp_path / "killed", 0, set()
    while kills < KILLS:
        process = started(*arguments, var)
        before = newest_tick(var)
        eventually(lambda before=before, process=process: newest_tick(var) != before or process.poll() is not None)
        try:
            process.wait(random_time.uniform(0, LONGEST_LIFE_S))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            reached.add(newest_tick(var))
    assert kills == KILLS, "the run was over before the last kill"
    finished = said(bot(*arguments, var))
    assert len(reached) > 1, "the kills came at one and the same hour"
    assert undisturbed == finished
    assert undisturbed["trades"], "a run without trades proves nothing"
    _ledger_is_whole(var, finished)


def _ledger_is_whole(var: Path, finished: dict) -> None:
    """Every fill has its intent, no intent is open, every trade has two entries and two exits."""
    from sqlalchemy import create_engine, text

    with create_engine(f"sqlite:///{var / 'ledger.sqlite'}").connect() as ledger:
        states = dict(ledger.execute(text("SELECT state, COUNT(*) FROM intents GROUP BY state")).all())
        fills = ledger.execute(text("SELECT COUNT(*) FROM fills")).scalar_one()
        ticks = ledger.execute(text("SELECT COUNT(*) FROM ticks")).scalar_one()
    expected = 4 * len(finished["trades"]) + 2 * len(finished["positions"])
    assert ({"filled": expected}, expected, HOURS + 1) == (states, fills, ticks)
