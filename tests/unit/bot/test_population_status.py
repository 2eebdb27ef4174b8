"""The population's newest round is read without touching a folder that somebody may be writing to."""

from contextlib import closing
from pathlib import Path

import pytest

from bot.ledger.models import Run
from bot.ledger.store import Ledger
from bot.population_status import read_population
from bot.run_folder import ledger_path
from bot.settings import Settings
from data.errors import CorruptData, StateError
from pbt_online.memory import JOURNAL
from tests.fakes.account_ledger import begun, trained


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path)


def learnt(settings: Settings) -> Run:
    with closing(Ledger(ledger_path(settings))) as ledger:
        run = begun(ledger)
    trained(settings, run)
    return run


def test_the_newest_round_is_told_best_first_and_nothing_is_changed(settings: Settings) -> None:
    told = read_population(settings, learnt(settings))
    assert (1, 2, 4, [0, 1, 2, 3]) == (told.cycle, told.round, told.members, [one.member for one in told.entries])
    assert (told.folder / JOURNAL).read_text().endswith('{"cycle": 1, "round": 3, "mem'), "a line that is being written"
    assert [JOURNAL] == [path.name for path in told.folder.iterdir()]


def test_where_nobody_has_trained_that_is_said(settings: Settings) -> None:
    with pytest.raises(StateError, match="nobody has trained yet"):
        read_population(settings, None)


def test_a_damaged_journal_is_not_read_as_an_empty_one(settings: Settings) -> None:
    run = learnt(settings)
    (settings.var / "population" / f"run-{run.world}" / JOURNAL).write_text("nonsense\n")
    with pytest.raises(CorruptData, match="is damaged"):
        read_population(settings, run)
