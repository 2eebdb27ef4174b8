"""`bot pause`, `bot resume` and the latch that they share with the bot and its kill switch, from end to end."""

from pathlib import Path

from bot.latch import LatchFile
from tests.functional.commands import bot, said, small_config, soak

BOUNDS = ("--from", "2025-01-17T15:00", "--hours", 3)
"""The rule enters its first pair at 16:00."""


@soak
def test_a_paused_bot_enters_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    told = bot("pause", "--reason", "[funding] looks odd", "--var", tmp_path)
    assert (0, True) == (told.returncode, "no bot has ever run there" in told.stdout)
    paused = bot("run", "--paper", "--config", small_config(tmp_path), *BOUNDS, "--var", tmp_path)
    assert 0 == paused.returncode
    assert 1 == paused.stderr.count("entries are held back (paused)"), "a start says it once"
    assert "denied: entries are paused" in paused.stderr
    assert "paused since" in (shown := bot("status", "--var", tmp_path).stdout)
    assert "[funding] looks odd" in shown

    lifted = said(bot("resume", "--var", tmp_path, "--json"))
    assert ("none", False) == (lifted["latch"]["state"], lifted["running"])
    run = bot("run", "--paper", "--config", small_config(tmp_path), *BOUNDS, "--var", tmp_path, "--fresh", "--json")
    assert 1 == len(said(run)["positions"])
    assert "none" == said(bot("status", "--var", tmp_path, "--json"))["latch"]["state"]


def test_a_kill_is_lifted_only_on_purpose(tmp_path: Path) -> None:
    latch = LatchFile(tmp_path / "kill.json")
    latch.kill("venue and ledger differ")
    softer = said(bot("pause", "--var", tmp_path, "--json"))
    assert "killed" == softer["latch"]["state"]
    refused = bot("resume", "--var", tmp_path)
    assert (2, True) == (refused.returncode, "venue and ledger differ; add --yes" in refused.stderr)
    assert "killed" == latch.read().state
    lifted = bot("resume", "--yes", "--var", tmp_path)
    assert (0, True) == (lifted.returncode, "venue and ledger differ" in lifted.stderr)
    assert "none" == latch.read().state
