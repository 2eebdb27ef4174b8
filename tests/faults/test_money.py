"""Funding to the cent: both venues at one instant, hours without a bot, intervals that change."""

from pathlib import Path

from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S
from tests.faults.oracle import check
from tests.faults.test_watch import hedged

SHORTENED = {("binance", "BTC"): [(4, 4), (14, 1)]}
"""Every 8 h, then every 4 h, then every hour."""


@control(18)
def test_funding_is_booked_as_it_was_paid_whatever_the_bot_missed(tmp_path: Path) -> None:
    with hedged(tmp_path, intervals=SHORTENED) as (stage, life):
        for hour in range(1, 7):  # 16:00 UTC: both venues settle at one instant
            stage.hour(life, hour)
        told = check(stage)
        stamps = [{p["time_ms"] for p in one["payments"] if p["symbol"].startswith("BTC")} for one in told.values()]
        assert stamps[0] & stamps[1]
        life.kill()
        stage.advance_to(16.02)
        again = stage.begin()
        again.until(lambda: stage.ticks() > 16, 2 * PATIENCE_S)
        check(stage)
        stage.hour(again, 17)
        stage.hour(again, 18)
        told = check(stage)
        paid = [p for p in told["binance"]["payments"] if p["symbol"] == "BTC/USDT:USDT" and p["kind"] == "funding"]
        assert {8, 4, 1} >= {round((b["time_ms"] - a["time_ms"]) / 3_600_000) for a, b in zip(paid, paid[1:])} >= {4, 1}  # noqa: B905
        again.kill()
