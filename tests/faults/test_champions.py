"""Who decides: policies whose numbers are none or absurd, champions that are damaged or refused."""

from pathlib import Path

from bot.succession import STAND_IN
from tests.faults.champions import alias, damaged, greedy, overflowing, promoted
from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, staged
from tests.faults.oracle import check
from tests.faults.test_limits import sends

DAMAGED_STATE, DAMAGED_DATA = 5, 4
"""Exit codes of the command."""
FALLEN = {"kind": "price", "venue": "binance", "symbol": "BTC/USDT:USDT", "factor": 0.96}
INTOLERANT = {"enabled": False, "max_live_drawdown_pct": 0.001}
"""Fees alone lose more."""


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
        assert 6 == len(stage.held())
        assert stage.log().count("goes on trading") == 2
        assert all(name != row["champion"] for row in stage.rows("select champion from orders"))
        check(stage)
        life.kill()


@control(22)
def test_without_a_sound_champion_only_an_account_that_holds_something_is_gone_on_with(tmp_path: Path) -> None:
    """It is watched and closed, and nothing is entered; then the champion is restored beneath it."""
    with staged(tmp_path, by_hand=True) as stage:
        stage.begin().kill()
        told = alias(stage).read_text()
        alias(stage).write_text(told[:40])
        refused = stage.start()
        assert (DAMAGED_STATE, True) == (refused.end(PATIENCE_S), "names no champion" in refused.output)
        alias(stage).write_text(told)
        name = greedy(stage)
        promoted(stage, name)
        damaged(stage, name)
        spoilt = alias(stage).read_text()
        refused = stage.start()
        assert (DAMAGED_DATA, True) == (refused.end(PATIENCE_S), "differs from its manifest" in refused.output)
        alias(stage).write_text(told)
        life = stage.begin()
        stage.hour(life, 0)
        stage.hour(life, 1)
        assert 4 == len(stage.held())
        life.kill()
        alias(stage).write_text(spoilt)
        life = stage.begin()
        stage.hour(life, 2)
        assert 4 == len(stage.held())
        stage.distort(FALLEN)
        stage.minutes(1.1)
        life.until(lambda: {"ETH"} == {symbol.split("/")[0] for _, symbol in stage.held()}, PATIENCE_S)
        stage.distort()
        stage.hour(life, 3)
        assert 2 == len(stage.held())
        assert ["stop_loss"] == [row["reason"] for row in stage.rows("select reason from trades")]
        assert f"champion {STAND_IN} takes over" in stage.events()
        assert "differs from its manifest" in stage.events()
        life.kill()
        alias(stage).write_text(told[:40])
        life = stage.begin()
        stage.hour(life, 4)
        assert 2 == len(stage.held())
        assert "names no champion" in stage.log()
        alias(stage).write_text(told)
        stage.hour(life, 5)
        assert 4 == len(stage.held())
        assert f"takes over from {STAND_IN}" in stage.events()
        assert {STAND_IN} < {row["champion"] for row in stage.rows("select champion from orders")}
        check(stage)
        life.kill()


@control(22)
def test_a_champion_that_is_lost_or_damaged_amid_the_run_ends_nothing(tmp_path: Path) -> None:
    """The one that loses too much can then not be deposed, and whose file is gone the rule follows."""
    with staged(tmp_path, by_hand=True, learning={"schedule": INTOLERANT}) as stage:
        name = greedy(stage)
        promoted(stage, name)
        life = stage.begin()
        stage.hour(life, 0)
        assert 2 == len(stage.held())
        told = alias(stage).read_text()
        alias(stage).write_text(told[:40])
        stage.hour(life, 1)
        assert "goes on trading" in stage.log()
        alias(stage).unlink()
        stage.hour(life, 2)
        assert f"takes over from {name}" in stage.events()
        assert life.alive
        check(stage)
        life.kill()
