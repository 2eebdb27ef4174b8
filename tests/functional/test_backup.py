"""A run that is backed up half way and brought back elsewhere ends as one that was never moved, to the last digit."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from bot.backup import back_up
from bot.cli.main import main
from bot.identity import Bounds
from bot.ledger.models import Base
from bot.opened_ledger import open_ledger
from bot.runtime import Progress, run
from bot.settings import Settings
from data.secrets import LEDGER_URL
from data.settings import utc_ms
from data.types import HOUR_MS
from tests.fakes.ledger_places import DATABASES, ledger_place, postgres_url
from tests.functional.commands import bot, eventually, newest_tick, said, soak, started
from tests.functional.test_learning_run import CONFIG as LEARNING

FIRST_MS = utc_ms(datetime(2025, 1, 17, 12))
HOURS, HALF = (60, 30) if os.environ.get("SOAK") else (12, 6)
"""The rule enters a pair after four hours and holds it for five days."""
SMALL = {"data": {"assets": ["BTC", "INJ", "XRP"]}, "learning": {"schedule": {"enabled": False}}}
Command = Callable[..., tuple[object, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`bot` in this process, as a process each would take seconds: its exit code, and what it said."""

    def run_it(*arguments: object) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["bot", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return ended.value.code, told.out + told.err

    return run_it


def trade(settings: Settings, hours: int = HOURS) -> int:
    """Until the bound, or until so many hours are done; how many were."""
    done: list[int] = []

    async def until() -> None:
        stop = asyncio.Event()

        def watch(progress: Progress) -> None:
            done.append(progress.record.tick)
            if done[-1] == FIRST_MS + hours * HOUR_MS < FIRST_MS + HOURS * HOUR_MS:
                stop.set()

        await run(settings, Bounds(from_ms=FIRST_MS, hours=HOURS), fresh=False, stop=stop, watch=watch)

    asyncio.run(until())
    return len(done)


def everything(settings: Settings) -> dict[str, list]:
    """Every row of every table, but for the letters that each run draws for itself."""
    with closing(open_ledger(settings)) as ledger, ledger.connection() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(
                    select(*(column for column in table.c if column.name != "salt")).order_by(*table.primary_key)
                )
            ]
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    settings = Settings.model_validate(SMALL | {"var": tmp_path_factory.mktemp("undisturbed")})
    assert HOURS + 1 == trade(settings)
    return everything(settings)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backup of a run that was stopped half way."""
    settings = Settings.model_validate(SMALL | {"var": tmp_path_factory.mktemp("half")})
    trade(settings, HALF)
    assert FIRST_MS + HALF * HOUR_MS == back_up(settings, settings.var / "half.backup").tick
    return settings.var / "half.backup"


@pytest.fixture(params=DATABASES)
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Another folder, and perhaps another database."""
    with ledger_place(request.param, tmp_path) as place:
        if place.account:
            monkeypatch.setenv(LEDGER_URL, postgres_url())
        told = {"var": tmp_path / "elsewhere", "ledger": {"account": place.account or "bot"}}
        yield Settings.model_validate(SMALL | told)


def test_a_run_brought_back_elsewhere_ends_as_one_that_was_never_moved(
    undisturbed: dict[str, list], half: Path, elsewhere: Settings, tmp_path: Path, command: Command
) -> None:
    config = tmp_path / "there.yaml"
    config.write_text(json.dumps(elsewhere.model_dump(mode="json", include={"var", "ledger"})))
    code, text = command("db", "restore", half, "--config", config)
    assert (0, True) == (code, "restored: run 1 up to 2025-01-" in text), text
    assert HOURS - HALF == trade(elsewhere)
    assert undisturbed["fills"], "a run without fills proves nothing"
    assert undisturbed["funding"]
    assert undisturbed == everything(elsewhere)
    code, text = command("db", "restore", half, "--config", config)
    assert (5, True) == (code, "would be overwritten" in text), text


def test_an_old_ledger_is_migrated_and_backed_up_by_command(tmp_path: Path, command: Command) -> None:
    assert (5, True) == ((told := command("db", "upgrade", "--var", tmp_path))[0], "there is no ledger" in told[1])
    old = Path(__file__).parents[1] / "fakes" / "ledger_0001.sql"
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        ledger.executescript(old.read_text())
    code, text = command("db", "upgrade", "--var", tmp_path, "--json")
    told = json.loads(text)
    assert (0, "0001") == (code, told["before"])
    assert Path(told["copy"]).exists()
    code, text = command("db", "upgrade", "--var", tmp_path)
    assert (0, True) == (code, f"schema {told['now']} already" in text)
    code, text = command("db", "backup", tmp_path / "run.backup", "--var", tmp_path)
    assert (0, True) == (code, "backed up: run 2 up to 1970-02-11T17:00Z" in text), text


@soak
def test_a_run_that_learns_is_brought_back_with_all_that_it_has_learnt(tmp_path: Path) -> None:
    told = yaml.safe_load(LEARNING)
    # Its last hours are slow: the second backup is made while it trades, however long that takes to begin.
    told["sandbox"]["faults"] = [{"kind": "delay", "ms": 5000, "begin": "2025-01-17T21:00:00Z", "times": 4}]
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(told))
    arguments = ("run", "--paper", "--config", config, "--from", "2025-01-17T12:00", "--hours", 12, "--json", "--var")
    expected = said(bot(*arguments, tmp_path / "undisturbed"))
    process = started(*arguments, tmp_path / "half")
    for number, hour in enumerate((3, 8)):
        eventually(
            lambda hour=hour: (newest_tick(tmp_path / "half") or 0) >= FIRST_MS + hour * HOUR_MS, process=process
        )
        said(bot("db", "backup", tmp_path / f"{number}.backup", "--var", tmp_path / "half", "--json"))
    process.send_signal(signal.SIGINT)
    process.communicate()
    for number in (0, 1):
        there = tmp_path / f"there-{number}"
        said(bot("db", "restore", tmp_path / f"{number}.backup", "--var", there, "--json"))
        assert expected == said(bot(*arguments, there))
