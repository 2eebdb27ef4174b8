"""What the web page reads of a ledger, in every database that a ledger can lie in."""

from contextlib import closing
from pathlib import Path

import pytest

from bot.alerts import Kind
from bot.ledger.store import Ledger
from bot.settings import Settings
from bot.web.account import Seen, counts, look
from tests.fakes.account_ledger import TICK, begun, happen
from tests.fakes.ledger_places import DATABASES, ledger_place


@pytest.mark.parametrize("database", DATABASES)
def test_a_ledger_is_looked_at_again_only_where_something_happened(database: str, tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    with (
        ledger_place(database, tmp_path) as place,
        closing(Ledger(place)) as writing,
        closing(Ledger(place, read_only=True)) as reading,
    ):
        assert Seen() == look(reading, settings, Seen())
        run = begun(writing)
        started = look(reading, settings, Seen())
        assert (None, run.id) == (started.account, started.run.id if started.run else 0)
        happen(writing, run, 0, [(Kind.TROUBLE, "a venue failed"), (Kind.ENTERED, "in")])
        lived = look(reading, settings, started)
        assert lived.account is not None
        assert (TICK, 1, ({}, 1)) == (lived.account.tick_ms, len(lived.positions), counts(reading, run.id))
        assert lived is look(reading, settings, lived)
        happen(writing, run, 1, [])
        assert look(reading, settings, lived).mark != lived.mark
