"""Each check of the doctor says ok, warns or fails where it should, and says what to do wherever it is not ok."""

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.doctor import accounts, contracts, machine
from bot.doctor.finding import Finding, Verdict
from bot.latch import LatchFile
from bot.opened_ledger import ledger_path
from bot.settings import Settings
from bot.venue_orders import Balance, Standing
from data.settings import DataSettings, VenueSettings
from data.types import Asset, Instrument

SETTINGS = Settings()
GOOD = Standing(True, False, True, True, 120, 0.0005, 0.0002)
OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


@pytest.mark.parametrize(
    ("check", "changes", "expected"),
    [
        (accounts.may_trade, {}, OK),
        (accounts.may_trade, {"can_trade": False}, FAILED),
        (accounts.may_not_withdraw, {}, OK),
        (accounts.may_not_withdraw, {"can_withdraw": True}, FAILED),
        (accounts.may_not_withdraw, {"can_withdraw": None}, WARNING),
        (accounts.clocks_agree, {}, OK),
        (accounts.clocks_agree, {"clock_ms": -2_000}, WARNING),
        (accounts.clocks_agree, {"clock_ms": 6_000}, FAILED),
        (accounts.one_way, {}, OK),
        (accounts.one_way, {"one_way": False}, FAILED),
        (accounts.margin_mode, {}, OK),
        (accounts.margin_mode, {"cross": False}, FAILED),
        (accounts.margin_mode, {"cross": None}, OK),
        (accounts.fees_as_configured, {}, OK),
        (accounts.fees_as_configured, {"taker_fee": 0.0006}, FAILED),
        (accounts.fees_as_configured, {"taker_fee": 0.0004}, WARNING),
        (accounts.fees_as_configured, {"maker_fee": 0.0001}, WARNING),
        (accounts.fees_as_configured, {"taker_fee": None}, WARNING),
    ],
)
def test_an_account_is_judged_by_what_its_venue_says(
    check: Callable[..., Finding], changes: dict[str, Any], expected: Verdict
) -> None:
    found = check("binance", replace(GOOD, **changes), SETTINGS)
    assert (expected, "binance") == (found.verdict, found.venue)
    assert bool(found.remedy) == (expected is not OK)


@pytest.mark.parametrize(("equity", "expected"), [(5_000.0, OK), (4_950.0, OK), (4_000.0, FAILED)])
def test_a_venue_must_hold_its_share_of_the_capital(equity: float, expected: Verdict) -> None:
    found = accounts.money_there("binance", Balance(equity, equity, equity), SETTINGS)
    assert expected is found.verdict
    assert "its share of the capital is 5,000.00" in found.text


def listed(venue: str, code: str, **changes: Any) -> Instrument:
    return replace(Instrument(venue, f"{code}/Q:Q", Asset.parse(code), "Q", 0.001, 0.01, 5.0, 8), **changes)


PAIR = (listed("binance", "BTC"), listed("hyperliquid", "BTC"))
MIDS = {one.key: 90_000.0 for one in PAIR}


def test_contracts_of_one_asset_have_one_price() -> None:
    assert OK is contracts.alike(PAIR, MIDS).verdict
    apart = contracts.alike(PAIR, MIDS | {PAIR[1].key: 90_000_000.0})
    assert FAILED is apart.verdict
    assert "BTC is 9e+07 on hyperliquid and 90000 on binance" in apart.text
    sized = (PAIR[0], replace(PAIR[1], contract_size=0.01))
    assert "hyperliquid 0.01" in contracts.alike(sized, MIDS).text
    assert OK is contracts.alike(PAIR, {PAIR[0].key: 1.0}).verdict


def test_contracts_without_a_price_are_named() -> None:
    assert OK is contracts.priced(PAIR, MIDS).verdict
    one_missing = contracts.priced(PAIR, {PAIR[0].key: 1.0})
    assert (WARNING, "no price now: hyperliquid BTC/Q:Q") == (one_missing.verdict, one_missing.text)
    assert FAILED is contracts.priced(PAIR, {}).verdict


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, OK),
        ({"lot_step": 0.01}, WARNING),
        ({"lot_step": 1.0}, FAILED),
        ({"min_notional": 4_000.0}, FAILED),
        ({"min_quantity": 0.05}, FAILED),
    ],
)
def test_a_leg_is_above_the_smallest_order_and_of_lots_enough(changes: dict[str, float], expected: Verdict) -> None:
    found = contracts.large_enough((PAIR[0], replace(PAIR[1], **changes)), MIDS, SETTINGS)
    assert expected is found.verdict
    assert bool(found.remedy) == (expected is not OK)


def test_every_venue_has_a_part_in_what_is_traded() -> None:
    assert OK is contracts.tradable_pairs(PAIR, SETTINGS).verdict
    assert WARNING is contracts.tradable_pairs(PAIR[:1], SETTINGS).verdict
    assert FAILED is contracts.tradable_pairs((), SETTINGS).verdict


def test_leverage_beyond_a_quarter_of_the_maintenance_margin_fails() -> None:
    assert OK is contracts.within_leverage(SETTINGS).verdict
    strict = DataSettings(venues={name: VenueSettings(maintenance_margin=0.2) for name in SETTINGS.data.venues})
    assert FAILED is contracts.within_leverage(SETTINGS.model_copy(update={"data": strict})).verdict


def at(folder: Path) -> Settings:
    return SETTINGS.model_copy(update={"var": folder})


def test_missing_keys_are_named_and_keys_are_never_shown() -> None:
    secret = "s3cr3t-value"
    environment = {"BINANCE_API_KEY": secret, "BINANCE_API_SECRET": secret}
    binance, hyperliquid = machine.keys_present(SETTINGS, environment)
    assert (OK, FAILED) == (binance.verdict, hyperliquid.verdict)
    assert "HYPERLIQUID_PRIVATE_KEY" in hyperliquid.text
    assert secret not in str((binance, hyperliquid))


def test_a_ledger_that_another_program_holds_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LEDGER_PATIENCE_S", 0.05)
    assert OK is machine.ledger_writable(at(tmp_path)).verdict
    path = ledger_path(at(tmp_path))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        assert OK is machine.ledger_writable(at(tmp_path)).verdict
        other.execute("BEGIN EXCLUSIVE")
        held = machine.ledger_writable(at(tmp_path))
    assert FAILED is held.verdict
    assert "locked" in held.text


def test_a_latch_that_holds_fails_and_a_pause_is_told(tmp_path: Path) -> None:
    file = LatchFile(tmp_path / "kill.json")
    assert OK is machine.latch(file).verdict
    file.pause("lunch")
    assert WARNING is machine.latch(file).verdict
    file.kill("panic")
    killed = machine.latch(file)
    assert (FAILED, True) == (killed.verdict, "panic" in killed.text)


def test_the_rule_may_trade_and_a_damaged_champion_may_not(tmp_path: Path) -> None:
    found = machine.champion(at(tmp_path))
    assert (OK, True) == (found.verdict, "the plain policy `rule`" in found.text)
    (next(tmp_path.glob("registry/*/champion.json"))).write_text("{")
    assert FAILED is machine.champion(at(tmp_path)).verdict


def test_a_full_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "DISK_WARNING_GB", 0.0)
    assert OK is machine.disk(at(tmp_path)).verdict
    monkeypatch.setattr(machine, "DISK_WARNING_GB", math.inf)
    assert WARNING is machine.disk(at(tmp_path)).verdict
    monkeypatch.setattr(machine, "DISK_FAILED_GB", math.inf)
    assert FAILED is machine.disk(at(tmp_path)).verdict
