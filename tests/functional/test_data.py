"""`bot data`: imports files, finds what is wrong, sets it aside, and fetches what is missing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.lake import ALWAYS, Lake
from data.types import Bars
from tests.fakes.changing_market import write_changing_market
from tests.functional.commands import bot, said, soak

BEGIN_MS = 1_735_689_600_000
"""2025-01-01 00:00 UTC."""
VENUES = "binance,bybit,hyperliquid"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_changing_market(tmp_path / "files", coins=3, hours=24 * 45, begin_ms=BEGIN_MS)
    return tmp_path / "files"


def options(folder: Path) -> tuple[object, ...]:
    return ("--config", "paper", "--venues", VENUES, "--assets", "BTC,ETH,SOL", "--var", folder / "var", "--json")


def lake_of(folder: Path) -> Lake:
    (place,) = (folder / "var" / "lake").iterdir()
    return Lake(place)


def test_imported_files_are_the_lake_and_a_second_time_adds_nothing(tmp_path: Path, files: Path) -> None:
    first = said(bot("data", "import", files, *options(tmp_path)))
    again = said(bot("data", "import", files, *options(tmp_path)))

    funding = pd.read_parquet(files / "funding.parquet").query("exchange != 'okx'")
    assert 9 * 24 * 45 + len(funding) == first["rows"]["new"] == again["rows"]["known"]
    assert 0 == again["rows"]["new"] + again["rows"]["conflicting"]
    rows = lake_of(tmp_path).rows("settlements", "binance", *ALWAYS)["ETH/USDT:USDT"]
    ours = funding.query("exchange == 'binance' and symbol == 'ETH/USDT:USDT'")
    assert ours["funding_rate"].tolist() == rows[2].tolist()
    assert ours["offset_ms"].tolist() == rows[1].tolist()


def test_marks_are_looked_over_and_so_is_what_a_venue_told_later(tmp_path: Path, files: Path) -> None:
    said(bot("data", "import", files, *options(tmp_path)))
    lake, symbol = lake_of(tmp_path), "BTC/USDT:USDT"
    rows = lake.rows("bars", "binance", *ALWAYS)[symbol]
    lake.append_bars("binance", {symbol: Bars(*(np.delete(column, [3, 4]) for column in rows))}, "marks")
    time, first, high, low, close, volume = (column[10:11] for column in rows)
    later = Bars(time, first, 1.01 * high, low, close, 2 * volume)
    assert 1 == lake.append_bars("binance", {symbol: later}).conflicting
    lake.close()

    found = bot("data", "check", *options(tmp_path))
    mine = [one for one in json.loads(found.stdout)["findings"] if one["symbol"] == symbol]
    told = {(one["defect"], one["table"], one["rows"]) for one in mine}
    assert (4, True) == (found.returncode, {("gap", "marks", 2), ("unfinished", "bars", 1)} <= told), told
    assert 1 == said(bot("data", "check", "--set-aside", *options(tmp_path)))["set_aside"]


@soak
def test_a_slip_of_unit_is_found_set_aside_and_gone(tmp_path: Path, files: Path) -> None:
    funding = pd.read_parquet(files / "funding.parquet")
    slipped = (funding["exchange"] == "hyperliquid") & (funding["symbol"] == "BTC/USDC:USDC")
    slipped &= funding["timestamp"] >= "2025-01-20"
    funding.loc[slipped, "funding_rate"] *= 100
    funding.to_parquet(files / "funding.parquet")
    said(bot("data", "import", files, *options(tmp_path)))

    found = bot("data", "check", *options(tmp_path))
    assert 4 == found.returncode
    assert "cannot be trusted: `bot data check --set-aside` moves them to quarantine" in found.stderr
    wrong = [one for one in json.loads(found.stdout)["findings"] if one["quarantined"]]
    assert {("rate_unit", "hyperliquid", "BTC/USDC:USDC")} == {(o["defect"], o["venue"], o["symbol"]) for o in wrong}

    moved = said(bot("data", "check", "--set-aside", *options(tmp_path)))
    assert moved["set_aside"] == sum(one["rows"] for one in wrong) >= 0.9 * slipped.sum()
    after = said(bot("data", "check", *options(tmp_path)))
    assert 0 == after["untrusted_rows"]
    (reasons,) = after["quarantine"].values()
    assert {"rate_unit"} == {reason.partition(":")[0] for reason in reasons}


@soak
def test_gaps_are_shown_and_fetched_again(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("data:\n  assets: [BTC, INJ]\n")
    told: tuple[Any, ...] = ("--config", config, "--var", tmp_path / "var", "--json")
    said(bot("collect", *told))
    lake = lake_of(tmp_path)
    before = lake.digest()
    for table, hours in (("bars", [30, 31, 200]), ("settlements", [8 * 20])):
        (path,) = (tmp_path / "var").rglob(f"lake/*/{table}/venue=binance/month=2025-01/rows.parquet")
        whole = pq.read_table(path, partitioning=None)
        stamps = whole["time"].to_pandas().astype("int64") // 3_600_000
        lost = stamps.isin([stamps.min() + hour for hour in hours]) & (whole["symbol"].to_pandas() == "BTC/USDT:USDT")
        pq.write_table(whole.filter((~lost).to_numpy()), path)

    shown = said(bot("data", "gaps", *told))
    assert (4, 3) == (shown["missing"], len(shown["gaps"]))
    fixed = said(bot("data", "gaps", "--fix", *told))
    assert (0, 4) == (fixed["missing"], fixed["filled"])
    assert before == Lake(lake.shown).digest()


def test_everything_that_is_asked_for_is_collected(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "data:\n  assets: [BTC, INJ]\n  candles: [last, mark, index]\n  snapshots: true\n  stream: true\n"
        "  venues: {binance: {}, bybit: {}, hyperliquid: {}, okx: {}}\n"
    )
    said(bot("collect", "--config", config, "--var", tmp_path / "var", "--hours", 2, "--json"))
    lake = lake_of(tmp_path)
    lake.close()

    for venue in ("binance", "bybit", "okx"):
        assert {336 + 2} == {len(rows[0]) for rows in lake.rows("marks", venue, *ALWAYS).values()}
        assert {336 + 2} == {len(rows[0]) for rows in lake.rows("indices", venue, *ALWAYS).values()}
    for venue in ("binance", "bybit", "hyperliquid", "okx"):
        snapshots = pd.read_parquet(Path(lake.shown) / "snapshots" / f"venue={venue}").set_index("symbol")
        assert 2 * 3 == len(snapshots) and not snapshots.isna().any().any()
        assert (snapshots["bid"] < snapshots["ask"]).all() and (snapshots["bid_depth"] > 0).all()
        listed = {one.symbol: one for one in lake.instruments([venue])}
        assert set(snapshots.index) == set(listed)
        assert {1, 8} >= set(snapshots["interval_hours"]) and all(one.lot_step > 0 for one in listed.values())


def test_a_venue_that_is_down_stops_no_other(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "data:\n  assets: [BTC, INJ]\n  venues: {binance: {}, hyperliquid: {}, okx: {}}\n"
        "sandbox:\n  faults: [{kind: down, venue: okx}]\n"
    )
    process = bot("collect", "--config", config, "--var", tmp_path / "var", "--json")

    assert (3, True) == (process.returncode, "okx cannot be reached" in process.stderr)
    assert {("binance", 336), ("hyperliquid", 336)} == {
        (row["venue"], row["bars"]) for row in json.loads(process.stdout)["instruments"]
    }


def test_an_empty_lake_says_how_to_fill_it(tmp_path: Path) -> None:
    process = bot("data", "check", "--var", tmp_path / "var")
    assert (4, True) == (process.returncode, "has nothing of that: fill it by `bot collect`" in process.stderr)
