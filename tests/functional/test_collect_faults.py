"""`bot collect` against four venues that fail in every way: not one row is lost, doubled or changed."""

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.sandbox.client import SandboxClock, SandboxProcess
from backtest.sandbox.fault_client import clear_faults, faults_met, script_faults
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import WorldFile
from data.lake import Lake
from data.market import Market
from data.recorded import recorded_market
from data.settings import VenueSettings
from data.types import HOUR_MS
from tests.fakes.changing_market import QUOTES, write_changing_market
from tests.functional.commands import bot, said, soak, started

COINS, DAYS, KILLS = (30, 90, 50) if os.environ.get("SOAK") else (4, 20, 6)
BEGIN_MS = 1_735_689_600_000
"""2025-01-01 00:00 UTC."""
END_MS = BEGIN_MS + (24 * DAYS + 2) * HOUR_MS
"""When the collecting begins."""
SPARE_H = 12
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 429, "retry_after_s": 1, "venue": "binance", "request": "*klines", "times": 2},
    {"kind": "status", "status": 418, "retry_after_s": 2, "venue": "binance", "request": "fundingRate", "times": 1},
    {"kind": "status", "status": 403, "venue": "bybit", "request": "*kline", "times": 1},
    {"kind": "status", "status": 503, "every": 29},
    {"kind": "status", "status": 502, "page": True, "every": 43},
    {"kind": "timeout", "every": 41, "times": 3},
    {"kind": "cut", "every": 31},
    {"kind": "cut_json", "every": 23},
    {"kind": "empty", "every": 37},
    {"kind": "html", "every": 47},
    {"kind": "reset", "every": 19},
)


class Served:
    """A running sandbox over the market, and the configuration of a bot that collects from it."""

    def __init__(self, folder: Path, url: str, market: Market) -> None:
        self.url, self.market, self.folder = url, market, folder
        self.config = folder / "collect.yaml"
        venues = "".join(f"    {venue}: {{base_url: null}}\n" for venue in QUOTES)
        self.config.write_text(f"data:\n  timeout_s: 2\n  candles: [last, mark]\n  venues:\n{venues}")

    def arguments(self, var: str, *more: object) -> tuple[object, ...]:
        told = ("--config", self.config, "--replay", self.folder / "market", "--sandbox", self.url)
        return ("collect", *told, "--days", DAYS, "--var", self.folder / var, "--json", *more)

    def lake(self, var: str) -> Lake:
        (place,) = (self.folder / var / "lake").iterdir()
        return Lake(place)

    def script(self, *faults: dict[str, Any]) -> None:
        asyncio.run(script_faults(self.url, *faults))

    def injected(self) -> dict[str, dict[str, int]]:
        return asyncio.run(faults_met(self.url))["injected"]

    def now_ms(self) -> int:
        async def ask() -> int:
            async with SandboxClock(self.url) as clock:
                return await clock.now_ms()

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    write_changing_market(folder / "market", COINS, 24 * DAYS + 2 + SPARE_H, BEGIN_MS)
    venues = {venue: VenueSettings() for venue in QUOTES}
    settings = SandboxSettings(replay=folder / "market", begin=datetime.fromtimestamp(END_MS / 1000, UTC))
    with SandboxProcess(WorldFile(settings=settings, venues=venues), folder / "sandbox.json") as sandbox:
        yield Served(folder, sandbox.url, recorded_market(folder / "market", tuple(QUOTES)))


@pytest.fixture(autouse=True)
def _no_faults(served: Served) -> Iterator[None]:
    yield
    asyncio.run(clear_faults(served.url))


@pytest.fixture(scope="module")
def undisturbed(served: Served) -> str:
    """The digest of a lake that was collected in peace."""
    report = said(bot(*served.arguments("undisturbed")))
    assert (0, 0, []) == (report["rows"]["conflicting"], report["rows"]["rejected"], report["troubles"])
    return served.lake("undisturbed").digest()


def test_in_peace_the_lake_is_what_was_served_to_the_last_row(served: Served, undisturbed: str) -> None:
    lake, now = served.lake("undisturbed"), served.now_ms()
    tick = now // HOUR_MS * HOUR_MS
    first = tick - 24 * DAYS * HOUR_MS
    for table in (lake.bars, lambda *asked: lake.bars(*asked, table="marks"), lake.settlements):
        held = table(served.market.instruments, 0, tick)
        for one in served.market.instruments:
            settled = table == lake.settlements
            if one.key not in held:
                assert one.venue == "hyperliquid" and not settled  # which has no candles of mark prices
                continue
            truth = served.market.settlements[one.key] if settled else served.market.bars[one.key]
            time = truth.stamp if settled else truth.open_time + HOUR_MS
            kept = (time > first + HOUR_MS) & (time <= now)  # OKX tells ninety days to the second
            rows = held[one.key]
            recent = (rows.stamp if settled else rows.open_time + HOUR_MS) > first + HOUR_MS
            for name in ("time", "offset_ms", "rate") if settled else ("open_time", "open", "high", "low", "close"):
                np.testing.assert_array_equal(getattr(truth, name)[kept], getattr(rows, name)[recent], err_msg=one.key)
    intervals = {hours for one in served.market.instruments for hours in np.diff(
        lake.settlements([one], 0, tick)[one.key].time) // HOUR_MS}  # fmt: skip
    assert {1, 4, 8} <= intervals


def test_whatever_fails_the_rows_are_the_same(served: Served, undisturbed: str) -> None:
    served.script(*FAULTS)
    for _ in range(20):
        process = bot(*served.arguments("faulty"))
        assert process.returncode in (0, 3), process.stderr
        if process.returncode == 0:
            break
    else:
        raise AssertionError(f"never complete: {process.stderr}")
    kinds = {kind for counts in served.injected().values() for kind in counts}
    assert {fault["kind"] for fault in FAULTS} <= kinds
    asyncio.run(clear_faults(served.url))
    said(bot(*served.arguments("faulty")))

    assert undisturbed == served.lake("faulty").digest()


def test_killed_at_random_instants_it_ends_with_the_same_rows(served: Served, undisturbed: str) -> None:
    moments, kills = random.Random(5), 0
    longest_s = 0.4 * COINS
    while kills < KILLS:
        process = started(*served.arguments("killed"))
        try:
            process.wait(moments.uniform(1.0, 2.5 + longest_s))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0 and kills < KILLS:
            longest_s *= 0.7  # it came to its end: the next ones die younger
            for path in sorted((served.folder / "killed" / "lake").rglob("*.parquet"))[:: 2 + kills]:
                path.unlink()  # and have more to do
            for path in (served.folder / "killed" / "lake").rglob("*.json"):
                path.unlink()
    said(bot(*served.arguments("killed")))

    lake = served.lake("killed")
    assert undisturbed == lake.digest()
    assert [] == list((served.folder / "killed").rglob(".incoming/*/*/*.parquet"))


@soak
def test_a_venue_that_is_down_for_an_hour_stops_no_other_and_catches_up(served: Served) -> None:
    said(bot(*served.arguments("down")))
    begin = datetime.fromtimestamp(served.now_ms() // HOUR_MS * HOUR_MS / 1000, UTC) + timedelta(hours=1)
    served.script({
        "kind": "down", "venue": "bybit",
        "begin": begin.isoformat(), "end": (begin + timedelta(hours=1)).isoformat(),
    })  # fmt: skip
    report = said(bot(*served.arguments("down", "--hours", 3)))

    assert ["bybit"] == [trouble.partition(" ")[0] for trouble in report["troubles"]]
    assert {0} == {row["bars_missing"] for row in report["instruments"]}
    said(bot(*served.arguments("again")))
    tables = ("bars", "marks", "settlements")
    one, other = ({(t, v): lake.rows(t, v, END_MS, END_MS + 99 * HOUR_MS) for t in tables for v in QUOTES}
                  for lake in (served.lake("down"), served.lake("again")))  # fmt: skip
    for key, rows in one.items():
        assert {s: [c.tolist() for c in r] for s, r in rows.items()} == {
            s: [c.tolist() for c in r] for s, r in other[key].items()
        }
