"""What only a shared database has: accounts beside each other, one bot on each, passwords that nobody sees."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.cli.main import main
from bot.configuration import load_settings
from bot.doctor.finding import Verdict
from bot.doctor.machine import ledger_writable
from bot.ledger.database import Place
from bot.ledger.models import Run
from bot.ledger.store import Ledger
from bot.opened_ledger import existing_ledger, ledger_place, open_ledger
from bot.settings import Settings
from data.errors import ConfigurationError, StateError
from data.secrets import LEDGER_URL
from tests.fakes.ledger_places import ledger_place as place_of
from tests.fakes.ledger_places import postgres_url, query

SECRET = "hunter2-s3cr3t"


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Place]:
    with place_of("postgresql", tmp_path) as place:
        yield place


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Place]:
    with place_of("postgresql", tmp_path) as place:
        yield place


def new_run(world: str) -> Run:
    return Run(
        world=world, profile="sandbox", description="", episode="", champion="rule", capital=Decimal(1), from_ms=0,
        to_ms=None, state="running", instruments={},
    )  # fmt: skip


def test_accounts_of_one_database_do_not_see_each_other(account: Place, other: Place) -> None:
    first, second = Ledger(account), Ledger(other)
    assert (1, 1) == (first.start_run(new_run("w")).id, second.start_run(new_run("w")).id)
    first.finish(1)
    assert (None, 1) == (first.unfinished("w"), getattr(second.unfinished("w"), "id", None))
    first.close()
    second.close()


def test_an_account_has_one_bot_at_a_time(account: Place, other: Place) -> None:
    first, second, third = Ledger(account), Ledger(account), Ledger(other)
    with first.held():
        with pytest.raises(StateError, match="another bot is running on .*, account t_"), second.held():
            pass
        with third.held():
            pass
    with second.held():
        pass
    for one in (first, second, third):
        one.close()


def test_an_account_whose_session_is_lost_is_taken_again_unless_another_bot_was_quicker(account: Place) -> None:
    first, second = Ledger(account), Ledger(account)
    with first.held():
        _lose_sessions(account)
        assert first.latest() is None
        with pytest.raises(StateError, match="another bot"), second.held():
            pass
        _lose_sessions(account)
        with second.held(), pytest.raises(StateError, match="another bot"):
            first.latest()
        assert first.latest() is None
    first.close()
    second.close()


def _lose_sessions(place: Place) -> None:
    """As when the server is started again."""
    query(
        place,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        f" AND application_name = 'funding-bot {place.account}'",
    )


def test_what_is_committed_is_on_the_disk(account: Place) -> None:
    ledger = Ledger(account)
    with ledger.connection() as connection:
        told = [connection.scalar(text(f"SHOW {name}")) for name in ("synchronous_commit", "fsync", "lock_timeout")]
    assert ["on", "on", "10s"] == told
    ledger.close()


def test_the_address_comes_from_the_environment_before_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"var": tmp_path, "ledger": {"url": "postgresql://a@one/x", "account": "mine"}})
    monkeypatch.delenv(LEDGER_URL, raising=False)
    assert "postgresql://one/x, account mine" == str(ledger_place(settings))
    monkeypatch.setenv(LEDGER_URL, f"postgresql://a:{SECRET}@two/x")
    assert "postgresql://two/x, account mine" == str(ledger_place(settings))
    assert SECRET not in repr(ledger_place(settings))
    monkeypatch.setenv(LEDGER_URL, f"mysql://a:{SECRET}@two/x")
    with pytest.raises(ConfigurationError) as refused:
        ledger_place(settings)
    assert SECRET not in str(refused.value)


def test_a_password_in_the_configuration_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.yaml"
    for url in (f"postgresql://bot:{SECRET}@db/x", f"postgresql://db/x?password={SECRET}"):
        config.write_text(f"ledger: {{url: '{url}'}}")
        with pytest.raises(ConfigurationError, match="belongs into no file") as refused:
            load_settings(config)
        assert SECRET not in str(refused.value) + str(refused.value.__cause__)


def test_a_database_that_does_not_answer_is_a_state_error_that_shows_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(LEDGER_URL, f"postgresql://bot:{SECRET}@127.0.0.1:9/x")
    monkeypatch.setattr("sys.argv", ["bot", "status", "--var", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert (5, True) == (ended.value.code, "the ledger cannot be read" in said)
    assert SECRET not in said
    assert 1 == len(said.strip().splitlines())


def test_the_doctor_writes_to_the_database_and_says_where(
    account: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LEDGER_URL, postgres_url())
    settings = Settings.model_validate({"var": tmp_path, "ledger": {"account": account.account}})
    assert existing_ledger(settings) is None
    assert "will be made at the first start" in ledger_writable(settings).text
    open_ledger(settings).close()
    found = ledger_writable(settings)
    assert (Verdict.OK, True) == (found.verdict, "can be written" in found.text)
    assert [] == list(tmp_path.iterdir())
