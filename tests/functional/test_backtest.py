"""`bot backtest` as a user runs it: policies, yardsticks, and what it says of mistakes."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.settings import utc_ms
from tests.functional.commands import SMALL, bot, recorded_market, said, small_config, soak

COINS = "ADA,AVAX,BNB,BTC,DOGE,DOT,ETH,LTC,SOL,TON,TRX,XRP"
HEAVY = ("numba", "scipy", "pandas", "torch", "gymnasium", "ccxt", "sqlalchemy", "aiohttp", "matplotlib")
LOADED = f"""
import sys
from bot.cli.main import main
sys.argv = ["bot", "backtest", "--hours", "24"]
try:
    main()
finally:
    print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


def test_a_backtest_of_what_was_compiled_before_loads_nothing_heavy() -> None:
    """The first one may compile; where the machine code is kept, only what plays and reads is loaded."""
    for _ in range(2):
        ended = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=False)
        assert 0 == ended.returncode, ended.stderr
    assert [] == ended.stderr.splitlines()[-1].split()


@soak
def test_the_yardsticks_stand_side_by_side(tmp_path: Path) -> None:
    small = ("--config", small_config(tmp_path), "--hours", 300)
    told = said(bot("backtest", "--yardsticks", "--json", *small))
    names = [line["name"] for line in told["lines"]]
    assert ["rule", "flat", "random", "best carry", "best of all"] == names
    rule = said(bot("backtest", "--json", *small))
    assert told["lines"][0]["pnl"] == pytest.approx(rule["pnl"], abs=1e-6)
    assert told["timings"][0]["next_open"] == pytest.approx(rule["pnl"]["total"], abs=1e-6)
    shown = bot("backtest", "--yardsticks", *small)
    assert shown.returncode == 0
    for text in (*names, "% of best carry", "same close", "the trap"):
        assert text in shown.stdout


def test_decisions_can_be_filled_at_the_wrong_time_only_on_request(tmp_path: Path) -> None:
    small = ("backtest", "--policy", "random", "--json", "--config", small_config(tmp_path), "--hours", 100)
    honest, named, trap = (
        said(bot(*small, *more)) for more in ((), ("--fills", "next_open"), ("--fills", "same_close"))
    )
    assert honest == named
    assert honest["equity"] != trap["equity"]


def test_pairs_are_traded_every_eight_hours_where_the_configuration_says_so(tmp_path: Path) -> None:
    path = tmp_path / "pairs.yaml"
    path.write_text("data: {assets: [BTC, INJ, XRP]}\nenvironment: {formulation: pairs, decision_hours: 8}\n")
    told = said(bot("backtest", "--policy", "random", "--json", "--config", path, "--hours", 200))
    by_policy = [trade for trade in told["trades"] if trade["reason"] == "policy"]
    assert by_policy
    assert {0} == {trade[end] // 3_600_000 % 8 for trade in by_policy for end in ("opened_ms", "closed_ms")}


def test_nothing_is_traded_while_a_venue_is_out(tmp_path: Path) -> None:
    path = tmp_path / "outage.yaml"
    path.write_text(
        "data: {assets: [BTC, INJ, XRP]}\n"
        "sandbox: {outages: [{venue: binance, begin: 2025-01-16T00:00:00Z, end: 2025-01-16T18:00:00Z}]}\n"
    )
    told = said(bot("backtest", "--policy", "random", "--json", "--config", path, "--hours", 120))
    traded = {trade[end] for trade in told["trades"] for end in ("opened_ms", "closed_ms")}
    first, last = (utc_ms(datetime(2025, 1, day, hour, tzinfo=UTC)) for day, hour in ((16, 0), (16, 18)))
    assert len(traded) > 10
    assert not [tick for tick in traded if first <= tick < last]
    assert [tick for tick in traded if tick >= last]


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("--fills", "tomorrow"), 2, "next_open"),
        (("--assets", "BTC,NOPE"), 4, "NOPE"),
        (("--policy", "best"), 2, "choose from flat, rule, random"),
        (("--compare",), 2, "add --walk-forward"),
        (("--walk-forward", "--policy", "flat"), 2, "leave out --policy"),
        (("--walk-forward", "--yardsticks"), 2, "leave out --policy"),
        (("--from", "2025-02-01", "--to", "2025-02-01"), 2, "--to must be later than --from"),
    ],
)
def test_mistakes_end_with_a_line_and_a_code(arguments: tuple[str, ...], code: int, named: str) -> None:
    ended = bot("backtest", *arguments)
    assert (code, True) == (ended.returncode, named in ended.stderr)
    assert "Traceback" not in ended.stderr


@soak
def test_on_recorded_prices_the_rule_earns_carry_and_owes_nothing_to_timing() -> None:
    """Twelve coins, seven months, 20 bps a round trip; chance loses, hindsight is out of reach."""
    told = said(
        bot(
            "backtest", "--yardsticks", "--json", "--replay", recorded_market(), "--venues", "binance,hyperliquid",
            "--assets", COINS, "--from", "2024-09-10", "--to", "2025-04-14",
        )
    )  # fmt: skip
    rule, flat, random, carry, everything = told["lines"]
    assert rule["pnl"]["total"] == pytest.approx(578.84, abs=0.01)
    assert rule["pnl"]["funding"] > 600
    assert (0.0, 0) == (flat["pnl"]["total"], flat["trades"])
    assert random["pnl"]["total"] < -5_000
    assert rule["pnl"]["total"] < carry["pnl"]["total"] <= told["carry_bound"]["pnl"]
    assert told["carry_bound"]["pnl"] < everything["pnl"]["total"] <= told["bound"]["pnl"]
    timing = told["timings"][0]
    assert abs(timing["same_close"] - timing["next_open"]) < 20


@soak
def test_what_is_collected_of_real_venues_is_played_as_the_market_that_it_is_of(tmp_path: Path) -> None:
    small, lake = small_config(tmp_path), tmp_path / "lake"
    collecting = tmp_path / "collecting.yaml"
    collecting.write_text(SMALL.replace("data:\n", f"data:\n  lake: {lake}\n"))
    said(bot("collect", "--config", collecting, "--var", tmp_path / "var", "--days", 40, "--json"))
    (simulated,) = lake.iterdir()
    simulated.rename(lake / "venues")
    paper = tmp_path / "paper.yaml"
    paper.write_text("profile: paper\n" + collecting.read_text())
    window = ("--from", "2025-01-08", "--to", "2025-01-14", "--policy", "random", "--json")
    expected = said(bot("backtest", "--config", small, *window))
    assert expected == said(bot("backtest", "--config", paper, *window))
    assert expected["trades"]


def test_a_backtest_of_real_venues_says_how_their_market_is_had(tmp_path: Path) -> None:
    paper = tmp_path / "paper.yaml"
    paper.write_text(f"profile: paper\nvar: {tmp_path / 'var'}\n")
    for typed in (("backtest", "--yardsticks"), ("backtest", "--walk-forward"), ("train",)):
        ended = bot(*typed, "--config", paper)
        assert (4, True) == (ended.returncode, "fill it by `bot collect`" in ended.stderr), ended.stderr
