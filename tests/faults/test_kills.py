"""kill -9 at every boundary of an order: before it is sent, before its answer, before its outcome is written."""

import os
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from bot.run_folder import latch_file
from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, SEND, Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import assert_written_before_sent, check
from tests.functional.commands import soak

RESTARTED_WITHIN_S = 60.0
HANG = {"kind": "timeout", "times": 1}
QUIET = {"dead_man_s": 0.0, "confirm_s": 0.05}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    patient = {"max_failed_entries": 100}
    with staged(tmp_path_factory.mktemp("kills"), by_hand=True, guard=QUIET, risk=patient) as one:
        yield one


@pytest.fixture(scope="module")
def lives(stage: Stage) -> Iterator[list[Life]]:
    """The newest one is the one that runs."""
    ours = [stage.begin()]
    yield ours
    ours[-1].kill()


def reborn(stage: Stage, lives: list[Life]) -> None:
    """What a kill left, before and after a restart."""
    assert_written_before_sent(stage.truth(), stage.var)
    stage.faults()
    begun = time.monotonic()
    lives.append(stage.begin())
    if stage.ticks():
        check(stage)
    else:  # it died in its first hour
        stage.hour(lives[-1], 0)
        check(stage)
    assert time.monotonic() - begun < RESTARTED_WITHIN_S
    assert [] == stage.rows("select * from executions where number is null")


@control(1, 2, 3)
@pytest.mark.parametrize(
    "fault",
    [
        SEND["binance"] | HANG,
        SEND["binance"] | HANG | {"after": True},
        SEND["hyperliquid"] | HANG,
        SEND["hyperliquid"] | HANG | {"after": True},
    ],
    ids=["first leg sent", "first leg taken", "second leg sent", "second leg taken"],
)
def test_a_kill_amid_an_entry_ends_hedged_or_flat(stage: Stage, lives: list[Life], fault: Mapping[str, Any]) -> None:
    stage.faults(fault)
    stage.advance_to(stage.ticks() + 0.02)
    stage.kill_when_struck(lives[-1])
    reborn(stage, lives)


@control(1, 5)
def test_a_kill_amid_an_unwinding_ends_flat(stage: Stage, lives: list[Life]) -> None:
    before = stage.held()
    stage.happen("hyperliquid", "reject", code="-1", words="Price too far from oracle", orders=1)
    stage.faults(SEND["binance"] | HANG | {"after": True, "every": 2})
    stage.advance_to(stage.ticks() + 0.02)
    stage.kill_when_struck(lives[-1])
    reborn(stage, lives)
    assert before == stage.held()


@control(1)
def test_a_kill_before_the_outcome_is_written_loses_nothing(stage: Stage, lives: list[Life]) -> None:
    before = len(stage.held())
    stage.faults(SEND["hyperliquid"] | {"kind": "delay", "after": True, "ms": 1_500, "times": 1})
    stage.advance_to(stage.ticks() + 0.02)
    lives[-1].until(lambda: stage.struck()[0], PATIENCE_S)
    with closing(sqlite3.connect(stage.var / "ledger.sqlite", isolation_level=None, timeout=30)) as ledger:
        ledger.execute("BEGIN IMMEDIATE")  # who wants to write has to wait
        time.sleep(3.0)
        lives[-1].kill()
    reborn(stage, lives)
    assert before + 2 == len(stage.held())


@control(1)
def test_a_kill_amid_an_exit_ends_flat(stage: Stage, lives: list[Life]) -> None:
    assert stage.held()
    stage.faults(SEND["hyperliquid"] | HANG | {"after": True})
    latch = latch_file(stage.settings)
    latch.kill("to have it exit")
    stage.minutes(2)
    stage.kill_when_struck(lives[-1])
    reborn(stage, lives)
    stage.hour(lives[-1], stage.ticks())
    check(stage)
    assert {} == stage.held()
    latch.lift(latch.read())


@soak
@control(1)
def test_kills_at_any_instant_end_hedged_or_flat(stage: Stage, lives: list[Life]) -> None:
    chance = random.Random(11)
    for _ in range(int(os.environ.get("KILLS", "40"))):
        orders = stage.orders("binance")
        stage.advance_to(stage.ticks() + 0.02)
        until = time.monotonic() + 20
        while stage.orders("binance") == orders and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.2))
        lives[-1].kill()
        reborn(stage, lives)
        if len(stage.held()) > 8:
            latch = latch_file(stage.settings)
            latch.kill("to make room")
            stage.hour(lives[-1], stage.ticks())
            latch.lift(latch.read())
