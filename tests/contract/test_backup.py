"""A backup is a whole moment of the run-time folder and its ledger, and is brought back whole or not at all."""

import errno
import random
import zipfile
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backtest.accounting import new_books
from bot.alerts import Event, Kind
from bot.archive import pack, unpack
from bot.backup import back_up, restore
from bot.instance import LOCK, SERVICE_LOCK, single_instance
from bot.ledger.database import Place
from bot.ledger.models import Base, Run
from bot.ledger.store import Ledger, TickRecord
from bot.opened_ledger import existing_ledger, open_ledger
from bot.settings import Settings
from data.errors import StateError
from data.secrets import LEDGER_URL
from data.types import HOUR_MS
from tests.fakes.endless_hours import CLOCK, EVENTS, FIRST, endless_hours
from tests.fakes.ledger_places import DATABASES, ledger_place, postgres_url, query

TICK = FIRST * HOUR_MS
FILES = {
    "kill.json": b"{}",
    "exits.journal": b" " * 1000,
    "registry/m/champion.json": b"rule",
    "registry/m/versions/rule-1/manifest.json": b"{}",
    "population/run-w/cycles/1.json": b"{}",
    "sandbox/w.json": b"1",
}
LEFT = {
    "bot.lock": b"1",
    "logs/bot.jsonl": b"",
    "reports/x.csv": b"",
    "lake/m/bars/x.parquet": b"",
    ".half": b"",
    "doctor.json": b"",
}


@pytest.fixture(params=DATABASES)
def told(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A run-time folder with a run of one hour, its ledger there or in PostgreSQL."""
    with ledger_place(request.param, tmp_path) as place:
        yield lived(settings_of(tmp_path / "var", place, monkeypatch))


def settings_of(var: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> Settings:
    if not place.account:
        monkeypatch.delenv(LEDGER_URL, raising=False)
        return Settings(var=var)
    monkeypatch.setenv(LEDGER_URL, postgres_url())
    return Settings.model_validate({"var": var, "ledger": {"account": place.account}})


def lived(settings: Settings) -> Settings:
    for name, content in (FILES | LEFT).items():
        path = settings.var / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with closing(open_ledger(settings)) as ledger:
        number = ledger.start_run(new_run()).id
        events = [Event(TICK, Kind.DATA, "in one third of an hour")]
        ledger.record_tick(number, TickRecord(TICK, 1 / 3, events=events), new_books(2, 3, 1 / 3))
    return settings


def new_run() -> Run:
    return Run(
        world="w", profile="sandbox", description="", episode="", champion="rule", capital=Decimal("1E-7"),
        from_ms=TICK, to_ms=None, state="running", instruments={"instruments": []},
    )  # fmt: skip


def rows(settings: Settings) -> dict[str, list]:
    """Every row of every table."""
    with closing(open_ledger(settings)) as ledger, ledger.connection() as connection:
        tables = Base.metadata.sorted_tables
        return {
            table.name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key))]
            for table in tables
        }


def files(var: Path) -> dict[str, bytes]:
    found = {path.relative_to(var).as_posix(): path.read_bytes() for path in var.rglob("*") if path.is_file()}
    return {
        name: content for name, content in found.items() if not name.startswith(("ledger.sqlite", LOCK, SERVICE_LOCK))
    }


@pytest.mark.parametrize("database", DATABASES)
def test_what_is_brought_back_is_what_was_there_whatever_database_it_comes_from_and_goes_to(
    told: Settings, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(told)
    done = back_up(told, tmp_path / "b" / "run.backup")
    assert (1, TICK, len(FILES)) == (done.run, done.tick, done.files)
    with ledger_place(database, tmp_path) as place:
        there = settings_of(tmp_path / "there", place, monkeypatch)
        assert done == restore(there, tmp_path / "b" / "run.backup")
        assert before == rows(there)
        assert FILES == files(there.var)
        with closing(open_ledger(there)) as ledger:
            assert 2 == ledger.start_run(new_run()).id, "numbers go on where they were"
            ledger.record_tick(2, TickRecord(TICK, 1.0, events=[Event(TICK, Kind.DATA, "")]), new_books(2, 3, 1.0))


def test_the_lake_is_taken_along_on_request(told: Settings, tmp_path: Path) -> None:
    back_up(told, tmp_path / "with.backup", lake=True)
    unpack(tmp_path / "with.backup", tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "lake/m/bars/x.parquet").exists()


def test_a_backup_beside_a_bot_that_writes_is_a_whole_hour(
    told: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_ledger(told)) as ledger:
        place, number = ledger.place, ledger.start_run(new_run()).id
    writer = endless_hours(place, number)
    assert writer.stdout is not None
    try:
        for round_ in range(2):
            for _ in range(random.Random(round_).randint(1, 20)):
                writer.stdout.readline()
            back_up(told, tmp_path / f"{round_}.backup")
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    for round_ in range(2):
        unpacked = tmp_path / str(round_)
        unpack(tmp_path / f"{round_}.backup", unpacked)
        copy = Place.file(unpacked / "ledger.sqlite")
        ((hours, last),) = query(copy, f"select count(*), max(tick) from ticks where run_id = {number}")
        assert hours > 0
        assert [(last,)] == query(copy, f"select tick from snapshots where run_id = {number}")
        assert [(EVENTS * hours,)] == query(copy, f"select count(*) from events where run_id = {number}")
        if place.path is not None:
            assert int((unpacked / CLOCK).read_text()) - (hours - 1) in (0, 1)


def test_nothing_is_overwritten_unless_on_purpose_and_then_it_is_moved_aside(told: Settings, tmp_path: Path) -> None:
    back_up(told, tmp_path / "run.backup")
    with pytest.raises(StateError, match="exists"):
        back_up(told, tmp_path / "run.backup")
    with closing(open_ledger(told)) as ledger:
        ledger.finish(1)
    (told.var / "kill.json").write_bytes(b"later")
    later, seen = rows(told), files(told.var)
    with pytest.raises(StateError, match=r"would be overwritten.*--force") as refused:
        restore(told, tmp_path / "run.backup")
    assert "kill.json" in str(refused.value)
    assert (later, seen) == (rows(told), files(told.var))
    restore(told, tmp_path / "run.backup", force=True)
    assert later["runs"] != rows(told)["runs"]
    assert b"{}" == (told.var / "kill.json").read_bytes()
    (aside,) = told.var.glob("replaced-*")
    assert b"later" == (aside / "kill.json").read_bytes()
    assert told.ledger.account != "bot" or (aside / "ledger.sqlite").exists()


@pytest.mark.parametrize("lock", [LOCK, SERVICE_LOCK])
def test_nothing_is_brought_back_under_a_bot_that_runs_or_a_service_that_would_start_it(
    told: Settings, tmp_path: Path, lock: str
) -> None:
    back_up(told, tmp_path / "run.backup")
    with single_instance(told.var, lock), pytest.raises(StateError, match="another bot is running"):
        restore(told, tmp_path / "run.backup", force=True)


@pytest.mark.parametrize("failing", ["copy_in", "rename"])
def test_what_cannot_be_brought_back_whole_leaves_everything_as_it_was(
    told: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    back_up(told, tmp_path / "run.backup")
    (told.var / "kill.json").write_bytes(b"later")
    before, seen, rename = rows(told), files(told.var), Path.rename

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    def full_amid(here: Path, there: Path) -> Path:
        if here.parent.name == "unpacked" and here.name == "registry":
            full()
        return rename(here, there)

    with monkeypatch.context() as patch:
        if failing == "copy_in":
            patch.setattr("bot.backup.copy_in", full)
        else:
            patch.setattr(Path, "rename", full_amid)
        with pytest.raises(OSError, match="no space left"):
            restore(told, tmp_path / "run.backup", force=True)
    assert (before, seen) == (rows(told), files(told.var))
    assert [] == [*told.var.glob("replaced-*"), *told.var.glob(".restore-*")]
    restore(told, tmp_path / "run.backup", force=True)
    assert b"{}" == (told.var / "kill.json").read_bytes()


def test_a_ledger_that_is_damaged_is_replaced_on_purpose(tmp_path: Path) -> None:
    told = lived(Settings(var=tmp_path / "var"))
    back_up(told, tmp_path / "run.backup")
    before = rows(told)
    (told.var / "ledger.sqlite").write_bytes(b"\xa5" * 10_000)
    restore(told, tmp_path / "run.backup", force=True)
    assert before == rows(told)


def test_where_nothing_has_run_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nothing to back up"):
        back_up(Settings(var=tmp_path / "var"), tmp_path / "run.backup")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    back_up(lived(Settings(var=folder / "var")), folder / "run.backup")
    return (folder / "run.backup").read_bytes()


def refused(content: bytes, folder: Path) -> str:
    """What restoring such a file says; it has left nothing behind."""
    (folder / "odd.backup").write_bytes(content)
    there = Settings(var=folder / "there")
    with pytest.raises(StateError) as said:
        restore(there, folder / "odd.backup")
    assert {LOCK, SERVICE_LOCK} == {path.name for path in there.var.iterdir()}
    assert existing_ledger(there) is None
    return str(said.value)


@given(st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_is_cut_off_anywhere_is_refused(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    assert "no backup, or not a whole one" in refused(whole[:place], tmp_path)


def test_files_of_others_are_refused(whole: bytes, tmp_path: Path) -> None:
    assert "no backup" in refused(b"", tmp_path)
    assert "no backup" in refused(b"SQLite format 3\0" + bytes(4096), tmp_path)
    foreign = tmp_path / "foreign.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("hello", "world")
    assert "no backup" in refused(foreign.read_bytes(), tmp_path)
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "kill.json").write_text("{}")
    pack(tmp_path / "f", foreign, {})
    assert "holds no ledger" in refused(foreign.read_bytes(), tmp_path)
    pack(tmp_path / "f", foreign, {"format": 99})
    assert "newer version" in refused(foreign.read_bytes(), tmp_path)
    with pytest.raises(StateError, match="no file"):
        restore(Settings(var=tmp_path / "there"), tmp_path / "absent")


def test_an_altered_file_in_a_backup_is_refused(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "whole.backup").write_bytes(whole)
    altered = tmp_path / "altered.backup"
    with zipfile.ZipFile(tmp_path / "whole.backup") as archive, zipfile.ZipFile(altered, "w") as target:
        for name in archive.namelist():
            content = archive.read(name)
            target.writestr(name, content.replace(b"rule", b"flat") if name.endswith("champion.json") else content)
    assert "champion.json differs" in refused(altered.read_bytes(), tmp_path)


def test_names_that_lead_outside_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a").write_text("x")
    pack(tmp_path / "f", tmp_path / "a.backup", {})
    with zipfile.ZipFile(tmp_path / "a.backup") as archive, zipfile.ZipFile(tmp_path / "b.backup", "w") as target:
        target.writestr("manifest.json", archive.read("manifest.json").replace(b'"a"', b'"../a"'))
        target.writestr("files/../a", "x")
    assert "would lie outside" in refused((tmp_path / "b.backup").read_bytes(), tmp_path)
    assert not (tmp_path / "a").exists()


def test_a_backup_of_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with closing(Ledger(tmp_path / "f" / "ledger.sqlite")) as ledger, ledger.connection(writing=True) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'")
    pack(tmp_path / "f", tmp_path / "new.backup", {})
    assert "newer version" in refused((tmp_path / "new.backup").read_bytes(), tmp_path)
