"""What an entry has to pass: sizes, prices that can be right, fresh data, losses, pairs that fail again and again."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bot.run_folder import latch_file
from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, Stage, staged
from tests.faults.lives import Life
from tests.faults.market import moment
from tests.faults.oracle import check
from tests.faults.test_watch import hedged, rounds
from tests.functional.commands import soak

MISCONFIGURED = 2
"""Exit code of the command."""
EXIT_WITHIN_S = 20.0
"""Of refusals with pauses of a second."""


def sends(stage: Stage) -> int:
    """How many orders were sent to any venue."""
    names = {"binance": "fapi/v1/order", "hyperliquid": "exchange/order"}
    return sum(stage.asked(venue).get(name, 0) for venue, name in names.items())


@control(7)
@pytest.mark.parametrize(
    "change",
    [
        {"environment": {"initial_capital": 10_000_000.0}},
        {"environment": {"initial_capital": float("nan")}},
        {"risk": {"max_leg_notional": 1.0}},
    ],
    ids=["1000x", "NaN", "smaller than a leg"],
)
def test_a_configuration_that_would_break_the_limits_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with staged(tmp_path, by_hand=True) as stage:
        content = json.loads(stage.config.read_text())
        for section, values in change.items():
            content[section] = content.get(section, {}) | values
        stage.config.write_text(json.dumps(content))
        life = stage.command("run", "--live", said="rehearse live trading\n")
        assert MISCONFIGURED == life.end(PATIENCE_S), life.output
        assert 0 == sends(stage)


@control(7)
def test_entries_beyond_a_limit_are_denied_with_its_name_and_send_nothing(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, risk={"max_venue_leverage": 0.1}) as stage:
        life = stage.begin()
        stage.hour(life, 0)
        assert (0, {}) == (sends(stage), stage.held())
        assert "max_venue_leverage times its equity" in stage.events()
        check(stage)
        life.kill()


@control(8)
def test_nothing_is_entered_at_prices_that_cannot_be_right_and_exits_go_on(tmp_path: Path) -> None:
    wrong = (
        {"kind": "price", "venue": "binance", "factor": 10.0},
        {"kind": "price", "venue": "hyperliquid", "factor": 0.001},
        {"kind": "price", "venue": "binance", "factor": 1.06},
        {"kind": "crossed"},
        {"kind": "empty", "venue": "hyperliquid"},
    )
    with staged(tmp_path, by_hand=True) as stage:
        life = stage.begin()
        for hour, distortion in enumerate(wrong):
            stage.distort(distortion)
            stage.hour(life, hour)
            assert (0, {}) == (sends(stage), stage.held()), distortion
        stage.distort()
        stage.hour(life, len(wrong))
        assert 2 == len(stage.held())
        check(stage)
        stage.distort({"kind": "crossed"})
        leave(stage, life)
        check(stage)
        life.kill()


BOOKS = {
    "zero": ("binance", "depth", {"lastUpdateId": 1, "bids": [["0.0", "9"]], "asks": [["0.0", "9"]]}),
    "NaN": ("binance", "depth", {"lastUpdateId": 1, "bids": [["NaN", "9"]], "asks": [["NaN", "9"]]}),
    "below zero": ("hyperliquid", "l2Book", {"levels": [[{"px": "-1.0", "sz": "9", "n": 1}], []], "time": 1}),
}
"""By what its prices are: whose order book."""


@control(8)
def test_nothing_is_entered_on_books_without_prices_and_exits_go_on_by_the_last_ones(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        before, sent = stage.held(), sends(stage)
        for hour, (venue, request, book) in enumerate(BOOKS.values(), 1):
            told = {"kind": "answer", "venue": venue, "request": request, "text": json.dumps(book)}
            stage.faults(told)
            stage.hour(life, hour)
            assert (True, before, sent) == (all(stage.struck()), stage.held(), sends(stage))
            assert f"{venue} gave an answer that makes no sense" in stage.events()
        venue, request, book = BOOKS["zero"]
        stage.faults({"kind": "answer", "venue": venue, "request": request, "text": json.dumps(book)})
        leave(stage, life)
        stage.hour(life, len(BOOKS) + 1)
        check(stage)


def leave(stage: Stage, life: Life) -> None:
    """Have the bot close everything."""
    latch_file(stage.settings).kill("to have it exit")
    stage.minutes(1.1)
    life.until(lambda: stage.held() == {}, PATIENCE_S)


@control(9)
def test_a_venue_without_new_prices_has_no_entries_and_keeps_what_is_held(tmp_path: Path) -> None:
    silence = {"venue": "hyperliquid", "begin": moment(1), "end": moment(3)}
    with hedged(tmp_path, sandbox={"outages": [silence]}) as (stage, life):
        before, sent = stage.held(), sends(stage)
        for hour in (1, 2):
            stage.hour(life, hour)
        assert (before, sent) == (stage.held(), sends(stage))
        check(stage)
        stage.hour(life, 3)
        stage.hour(life, 4)
        assert 4 <= len(stage.held())
        check(stage)


@control(10)
def test_a_pair_that_had_to_be_unwound_too_often_is_left_alone(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, guard={"dead_man_s": 0.0, "confirm_s": 0.05}) as stage:
        life = stage.begin()
        for hour in range(3):
            stage.happen("hyperliquid", "reject", code="-1", words="Price too far from oracle", orders=1)
            stage.hour(life, hour)
        sent = sends(stage)
        stage.hour(life, 3)
        assert (sent, {}) == (sends(stage), stage.held())
        assert "max_failed_entries entries of this pair" in stage.events()
        check(stage)
        life.kill()
        again = stage.begin()
        stage.hour(again, 4)
        assert (sent, {}) == (sends(stage), stage.held())
        again.kill()


@control(10)
def test_a_pause_that_a_venue_asks_for_is_kept(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        ban = {"kind": "status", "venue": "binance", "status": 418, "retry_after_s": 6, "times": 1}
        stage.faults(ban)
        stage.minutes(1.1)
        life.until(lambda: stage.struck()[0], PATIENCE_S)
        asked = sum(stage.asked("binance").values())
        stage.minutes(1.1)
        time.sleep(4.0)
        assert sum(stage.asked("binance").values()) - asked <= 8  # what was on its way
        stage.hour(life, 1)
        assert 4 == len(stage.held())
        check(stage)


@control(10)
def test_in_a_storm_of_refusals_nothing_is_entered_and_exits_get_through(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        sent = sends(stage)
        stage.faults({"kind": "status", "venue": "binance", "status": 429, "retry_after_s": 1, "every": 3})
        rounds(stage, life, 2)
        stage.hour(life, 1)
        assert sent == sends(stage)
        assert "binance asked to slow down" in stage.events()
        begun = time.monotonic()
        leave(stage, life)
        assert time.monotonic() - begun < EXIT_WITHIN_S
        assert stage.struck()[0] > 5
        stage.faults()
        stage.hour(life, 2)
        check(stage)


@control(15, 22)
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        pytest.param("max_daily_loss_pct", "further below that of 00:00 UTC than max_daily_loss_pct", marks=soak),
        ("max_drawdown_pct", "further below its peak than max_drawdown_pct"),
    ],
)
def test_a_loss_outlasts_restarts_and_another_model(tmp_path: Path, limit: str, words: str) -> None:
    gap = {("binance", "BTC"): (1, 0.97)}
    patient = {"max_daily_loss_pct": 100.0, "max_drawdown_pct": 100.0}
    changes = {"risk": patient | {limit: 0.3}, "environment": {"max_position_loss_pct": 50.0}}
    with hedged(tmp_path, 2, gap=gap, **changes) as (stage, life):
        before = stage.held()
        stage.hour(life, 2)
        assert before == stage.held()
        assert words in stage.events()
        life.kill()
        promoted = stage.command("champion promote", "random", "--yes")
        again = stage.begin()
        stage.hour(again, 3)
        denied = stage.rows(f"select count(*) as n from events where text like '%{limit}%'")[0]["n"]
        assert denied >= 2, promoted.output
        assert before == stage.held()
        check(stage)
        stamps = stage.rows("select distinct champion, model, configuration, code from orders")
        assert all(all(stamp.values()) for stamp in stamps)
        again.kill()


@control(9)
def test_nothing_is_entered_on_order_books_whose_time_stands_still(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        before, sent = stage.held(), sends(stage)
        stage.distort({"kind": "frozen", "venue": "hyperliquid"})
        stage.hour(life, 1)
        assert (before, sent) == (stage.held(), sends(stage))
        assert "is of 2025-01-11" in stage.events()
        stage.distort()
        stage.hour(life, 2)
        assert 4 == len(stage.held())
        stage.distort({"kind": "frozen"})
        latch_file(stage.settings).kill("to have it exit")
        stage.hour(life, 3)
        assert {} == stage.held()
        check(stage)
