"""What several tests of the bot need."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.execution_settings import ExecutionSettings
from tests.fakes.ledger_places import DATABASES, ledger_place
from tests.fakes.pair_table import QUICK, Table

Seated = Callable[..., Table]


@pytest.fixture(params=DATABASES)
def seated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Seated]:
    """Makes the table of a test by the scripts of its venues, with its ledger in every database."""
    tables: list[Table] = []

    def seat(*scripts: object, told: ExecutionSettings = QUICK) -> Table:
        tables.append(Table(tmp_path, *scripts, told=told, place=place))  # type: ignore[arg-type]
        return tables[-1]

    with ledger_place(request.param, tmp_path) as place:
        yield seat
        for table in tables:
            table.ledger.close()
