"""Real money waits for the doctor, but for an account that holds positions which nobody else would look after."""

import io
from decimal import Decimal
from pathlib import Path

import pytest

from backtest.accounting import new_books
from backtest.events import Fill, apply
from bot.cli.live import confirm, phrase
from bot.identity import Bounds, identity
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord
from bot.opened_ledger import ledger_path
from bot.settings import Settings
from data.errors import StateError


def real(var: Path) -> Settings:
    return Settings.model_validate({"profile": "live", "var": var, "environment": {"rebalance_below": 0.0}})


def traded(settings: Settings, quantity: float) -> None:
    """An unfinished run of these settings, with a leg of `quantity`."""
    ledger = Ledger(ledger_path(settings))
    run = ledger.start_run(
        Run(
            world=identity(settings, Bounds()), profile="live", description="", episode="", champion="rule-1",
            capital=Decimal(10_000), from_ms=0, to_ms=None, state="running", instruments={"instruments": []},
        )
    )  # fmt: skip
    books = new_books(2, 3, 10_000.0)
    if quantity:
        books = apply(books, Fill(0, 0, 0, 0, quantity, 10.0, 10.0, 0.0, 0.0, 1))
    ledger.record_tick(run.id, TickRecord(3_600_000, equity=10_000.0), books)
    ledger.close()


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(phrase(real(tmp_path)) + "\n"))


def test_a_new_account_is_not_begun_without_the_doctor(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="the doctor has not looked"):
        confirm(real(tmp_path), live=True)


def test_an_account_that_is_flat_is_not_gone_on_with_without_the_doctor(tmp_path: Path) -> None:
    traded(real(tmp_path), 0.0)
    with pytest.raises(StateError, match="the doctor has not looked"):
        confirm(real(tmp_path), live=True)


def test_positions_are_never_left_alone_for_the_doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    traded(real(tmp_path), 3.0)
    confirm(real(tmp_path), live=True)
    assert "the doctor has not looked" in capsys.readouterr().err
