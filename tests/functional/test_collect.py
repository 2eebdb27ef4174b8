"""`bot collect` fills the lake, and again adds nothing."""

import resource
import signal
import subprocess
from pathlib import Path

import pandas as pd

from tests.functional.commands import BOT, bot, eventually, said, small_config, started


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


def test_ctrl_c_says_what_is_stored_and_ends_with_130(tmp_path: Path) -> None:
    config = tmp_path / "slow.yaml"
    config.write_text("data: {assets: [BTC, INJ]}\nsandbox: {latency_ms: 1000}\n")
    process = started("collect", "--config", config, "--var", tmp_path / "var", "--days", 30)
    eventually(lambda: list(tmp_path.rglob(".writer")), process=process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (130, True) == (process.returncode, "the next `bot collect` goes on from there" in err), err


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [BOT, "collect", "--config", small_config(tmp_path), "--var", tmp_path / "var", "--days", "60"]
    command += ["--from", "2025-06-01"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, preexec_fn=little_room)
    assert (5, 1) == (process.returncode, len(process.stderr.strip().splitlines())), process.stderr
    assert "make room" in process.stderr


def test_a_venue_that_is_down_from_the_start_is_named(tmp_path: Path) -> None:
    config = tmp_path / "down.yaml"
    config.write_text("data: {assets: [BTC, INJ]}\nsandbox: {faults: [{kind: down, venue: hyperliquid}]}\n")
    process = bot("collect", "--config", config, "--var", tmp_path / "var")
    assert (3, True) == (process.returncode, "hyperliquid cannot be reached" in process.stderr), process.stderr
