"""`bot collect` fills the lake, and again adds nothing."""

from pathlib import Path

import pandas as pd

from tests.functional.commands import bot, said, small_config


def test_history_is_complete_and_a_second_call_adds_nothing(tmp_path: Path) -> None:
    arguments = ("collect", "--config", small_config(tmp_path), "--var", tmp_path / "var", "--json")
    first, second = said(bot(*arguments)), said(bot(*arguments))
    assert {0} == {row["bars_missing"] for row in first["instruments"]}
    assert (True, 0) == (first["rows"]["new"] > 0, second["rows"]["new"])
    assert first["instruments"] == second["instruments"]


def test_pandas_reads_the_lake_as_it_is(tmp_path: Path) -> None:
    told = said(bot("collect", "--config", small_config(tmp_path), "--var", tmp_path / "var", "--json"))
    settlements = pd.read_parquet(Path(told["lake"]) / "settlements")
    assert {"binance", "hyperliquid"} == set(settlements.venue)
    assert not settlements.duplicated(["venue", "symbol", "time"]).any()


def test_people_get_a_table(tmp_path: Path) -> None:
    shown = bot("collect", "--config", small_config(tmp_path), "--var", tmp_path / "var")
    assert (0, True) == (shown.returncode, "BTC/USDT:USDT" in shown.stdout)
