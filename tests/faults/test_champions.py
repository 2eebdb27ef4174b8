"""Who decides: policies whose numbers are none or absurd, champions that are damaged or refused."""

from pathlib import Path

from tests.faults.champions import alias, damaged, greedy, overflowing, promoted
from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, staged
from tests.faults.oracle import check
from tests.faults.test_limits import sends

DAMAGED_STATE, DAMAGED_DATA = 5, 4
"""Exit codes of the command."""


@control(7)
def test_a_policy_that_wants_everything_is_held_to_the_limits_and_one_without_numbers_changes_nothing(
    tmp_path: Path,
) -> None:
    limited, by_pair = {"max_venue_leverage": 0.8}, {"formulation": "pairs"}
    with staged(tmp_path, by_hand=True, risk=limited, environment=by_pair) as stage:
        promoted(stage, greedy(stage))
        life = stage.begin()
        stage.hour(life, 0)
        stage.hour(life, 1)
        held, sent = stage.held(), sends(stage)
        assert 4 == len(held)  # a third pair would be as much as the equity
        assert "max_venue_leverage times its equity" in stage.events()
        promoted(stage, overflowing(stage))
        stage.hour(life, 2)
        assert (held, sent) == (stage.held(), sends(stage))
        assert "answered with what is no action" in stage.events()
        check(stage)
        life.kill()


@control(22)
def test_a_champion_that_is_damaged_never_begins_and_whoever_trades_goes_on(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True) as stage:
        life = stage.begin()
        stage.hour(life, 0)
        name = greedy(stage)
        promoted(stage, name)
        damaged(stage, name)
        stage.hour(life, 1)
        told = alias(stage).read_text()
        alias(stage).write_text(told[:40])
        stage.hour(life, 2)
        held, sent = stage.held(), sends(stage)
        assert 6 == len(held)
        assert stage.log().count("goes on trading") == 2
        assert all(name != row["champion"] for row in stage.rows("select champion from orders"))
        life.kill()
        refused = stage.start()
        assert (DAMAGED_STATE, True) == (refused.end(PATIENCE_S), "names no champion" in refused.output)
        alias(stage).write_text(told)
        refused = stage.start()
        assert (DAMAGED_DATA, True) == (refused.end(PATIENCE_S), "differs from its manifest" in refused.output)
        assert (held, sent) == (stage.held(), sends(stage))
        back = stage.command("champion rollback")
        assert 0 == back.end(PATIENCE_S), back.output
        again = stage.begin()
        stage.hour(again, 3)
        assert 8 == len(stage.held())
        check(stage)
        again.kill()
