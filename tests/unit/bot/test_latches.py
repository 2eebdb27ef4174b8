"""The latch of people and the halt of the guard hold entries back together, and are lifted together."""

import json
from pathlib import Path

import pytest

from bot.cli.latch import pause_entries, resume_entries
from bot.instance import single_instance
from bot.latch import Latches, LatchState
from bot.ledger_settings import LedgerSettings
from bot.run_folder import halt_file, latch_file, latches
from bot.settings import Settings
from data.errors import ConfigurationError


def test_the_strictest_of_several_latches_holds(tmp_path: Path) -> None:
    here = Settings(var=tmp_path)
    latch, halt = latch_file(here), halt_file(here)
    both = Latches((latch, halt))
    assert LatchState.NONE is both.read().state
    halt.pause("venues and books differ")
    assert (LatchState.PAUSED, "venues and books differ") == (both.read().state, both.read().reason)
    latch.kill("panic")
    assert (LatchState.KILLED, "panic") == (both.read().state, both.read().reason)
    halt.path.write_text("{")
    assert LatchState.UNREADABLE is both.read().state


def test_lifting_asks_for_what_is_grave_and_lifts_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = Settings(var=tmp_path)
    halt_file(here).pause("venues and books differ")
    latch_file(here).kill("panic")
    with pytest.raises(ConfigurationError, match="panic"):
        resume_entries(here, yes=False, as_json=False)
    assert LatchState.KILLED is latches(here).read().state
    resume_entries(here, yes=True, as_json=True)
    assert LatchState.NONE is latches(here).read().state
    assert "none" == json.loads(capsys.readouterr().out)["latch"]["state"]


def test_a_bot_whose_ledger_lies_elsewhere_is_seen_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = Settings(var=tmp_path / "var", ledger=LedgerSettings(url="postgresql://bot@db.example/trading"))
    told = []
    pause_entries(here, "lunch", as_json=False)
    told.append(capsys.readouterr().out)
    with single_instance(here.var):
        pause_entries(here, "lunch", as_json=False)
        resume_entries(here, yes=False, as_json=False)
        told.append(capsys.readouterr().out)
    pause_entries(here, "lunch", as_json=False)
    told.append(capsys.readouterr().out)
    ever, now = "no bot has ever run there", "a bot runs there now"
    expected = [(True, 0), (False, 2), (False, 0)]
    assert expected == [(ever in said, " ".join(said.split()).count(f": {now}")) for said in told]


def test_lifting_nothing_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume_entries(Settings(var=tmp_path), yes=False, as_json=False)
    assert "nothing held entries back" in capsys.readouterr().out
