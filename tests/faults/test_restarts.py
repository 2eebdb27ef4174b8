"""Restarts while a venue is down: what stands alone for certain is taken back, and nothing else is touched."""

from pathlib import Path

from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, SEND, Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import check
from tests.functional.commands import soak

TAKEN_AND_NOT_TOLD = {"kind": "timeout", "times": 1, "after": True}
PATIENT = {"start_patience_s": 3.0}


def reborn_without_hyperliquid(stage: Stage, life: Life, sends: str) -> Life:
    """The next hour, killed once the order at one venue is taken; and a start while the short leg's venue is down."""
    stage.faults(SEND[sends] | TAKEN_AND_NOT_TOLD)
    stage.advance_to(1.02)
    stage.kill_when_struck(life)
    stage.faults({"kind": "down", "venue": "hyperliquid"})
    again = stage.begin()
    assert "going on without it" in stage.log()
    return again


@control(1, 12)
def test_a_leg_whose_other_one_was_never_sent_is_taken_back_although_the_other_venue_is_down(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, execution=PATIENT) as stage:
        life = stage.begin()
        stage.hour(life, 0)
        before = stage.held()
        again = reborn_without_hyperliquid(stage, life, "binance")
        assert before == stage.held()
        stage.faults()
        again.until(lambda: stage.ticks() > 1, PATIENCE_S)
        check(stage)
        stage.hour(again, 2)
        assert before.items() < stage.held().items()
        check(stage)
        again.kill()


@soak
@control(2, 12)
def test_a_leg_whose_other_one_may_be_there_is_left_until_its_venue_answers(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, execution=PATIENT) as stage:
        life = stage.begin()
        stage.hour(life, 0)
        again = reborn_without_hyperliquid(stage, life, "hyperliquid")
        before = stage.held()
        assert 4 == len(before)
        stage.faults()
        again.until(lambda: stage.ticks() > 1, PATIENCE_S)
        assert before.items() <= stage.held().items()
        check(stage)
        again.kill()
