"""Other bots: on the same folder, and at the same accounts."""

from collections import Counter
from pathlib import Path

from bot.run_folder import halt_file
from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, Stage, staged
from tests.faults.oracle import check, recorded

ANOTHER_BOT, ANOTHER_WORLD = 5, 5
"""Exit codes of the command."""


@control(21)
def test_a_second_bot_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True) as stage:
        life = stage.begin()
        asked = stage.asked("binance")
        second = stage.start()
        assert ANOTHER_BOT == second.end(PATIENCE_S)
        assert "another bot is running" in second.output
        assert asked["fapi/v1/exchangeInfo"] == stage.asked("binance")["fapi/v1/exchangeInfo"]
        stage.hour(life, 0)
        check(stage)
        life.kill()


@control(21)
def test_two_bots_at_the_same_accounts_halt_and_trade_nothing_more(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True) as stage:
        other = stage.beside(tmp_path / "other")
        lives = stage.begin(), other.begin()
        stage.hour(lives[0], 0)
        lives[1].until(lambda: other.ticks() > 0, PATIENCE_S)
        stage.minutes(1.5)
        for bot, life in zip((stage, other), lives, strict=True):
            life.until(lambda bot=bot: "venues and books differ" in halted_for(bot), PATIENCE_S)
        mine, others = books(stage), books(other)
        both = {key: quantity + others[key] for key, quantity in mine.items()}
        assert both == stage.held()
        stage.hour(lives[0], 1)
        lives[1].until(lambda: other.ticks() > 1, PATIENCE_S)
        assert both == stage.held()
        assert all("denied: entries are paused" in bot.events() for bot in (stage, other))
        names = [row["client_id"] for bot in (stage, other) for row in bot.rows("select client_id from orders")]
        assert {} == {name: count for name, count in Counter(names).items() if count > 1}
        third = stage.beside(tmp_path / "third").start()
        assert ANOTHER_WORLD == third.end(PATIENCE_S)
        assert "which this bot did not open" in third.output
        for life in lives:
            life.kill()


def halted_for(bot: Stage) -> str:
    """Why its guard has halted entries."""
    return halt_file(bot.settings).read().reason


def books(bot: Stage) -> dict[tuple[str, str], float]:
    """What it believes to hold."""
    known = recorded(bot)
    return {
        known.instruments[int(known.books.instrument[slot, leg])].key: float(known.books.quantity[slot, leg])
        for slot, leg in zip(*known.books.quantity.nonzero(), strict=True)
    }
