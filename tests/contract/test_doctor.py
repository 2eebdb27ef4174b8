"""The doctor asks real HTTP venues: a sound account passes, and each fault that is injected is found where it is."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from backtest.sandbox.account_client import distort
from backtest.sandbox.settings import SandboxSettings
from bot.access import open_access
from bot.cli.doctor import examine_all
from bot.doctor.examination import examine
from bot.doctor.finding import Finding, Verdict
from bot.doctor.record import passed
from bot.latch import LATCH, LatchFile
from bot.settings import Settings
from data.settings import DataSettings, VenueSettings
from tests.fakes.rehearsal import Rehearsal, rehearsed

VENUES = ("binance", "bybit", "hyperliquid", "okx")


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with (
        pytest.MonkeyPatch.context() as patched,
        rehearsed(tmp_path_factory.mktemp("doctor"), patched, speed=1.0, venues=VENUES) as one,
    ):
        yield one


def examined(settings: Settings) -> dict[tuple[str, str], Finding]:
    """By check and venue."""
    latch = LatchFile(settings.var / LATCH)
    findings = asyncio.run(examine(settings, latch, lambda name: open_access(name, settings)))
    return {(one.check, one.venue): one for one in findings}


def faults(findings: dict[tuple[str, str], Finding]) -> set[tuple[str, str]]:
    return {key for key, one in findings.items() if one.verdict is Verdict.FAILED}


def test_a_sound_account_passes_with_every_check_made(rehearsal: Rehearsal) -> None:
    findings = examined(rehearsal.settings)
    assert set() == faults(findings)
    assert passed(list(findings.values()))
    machine = {"configuration", "python", "folder", "disk", "ledger", "single instance", "latch", "champion"}
    machine |= {"leverage", "guard"}
    contracts = {"pairs", "prices", "contracts", "order sizes"}
    account = {"keys", "account", "permission to trade", "no permission to withdraw", "clock", "position mode"}
    account |= {"margin mode", "fees", "balance"}
    expected = {(check, "") for check in machine | contracts}
    expected |= {(check, venue) for check in account for venue in rehearsal.settings.data.venues}
    assert expected == set(findings)


def test_what_is_wrong_with_an_account_is_found_at_its_venue(rehearsal: Rehearsal) -> None:
    rehearsal.happen("binance", "permit", trade=False, withdraw=True)
    rehearsal.happen("binance", "modes", hedge=True)
    rehearsal.happen("hyperliquid", "transfer", amount="-9000")
    try:
        findings = examined(rehearsal.settings)
    finally:
        rehearsal.happen("binance", "permit", trade=True, withdraw=False)
        rehearsal.happen("binance", "modes", hedge=False)
        rehearsal.happen("hyperliquid", "transfer", amount="9000")
    expected = {("permission to trade", "binance"), ("position mode", "binance"), ("balance", "hyperliquid")}
    assert expected == faults(findings)
    can_withdraw = findings["no permission to withdraw", "binance"]
    assert (Verdict.WARNING, "the key can withdraw") == (can_withdraw.verdict, can_withdraw.text)


def test_keys_that_do_not_work_and_keys_that_are_missing_are_told_apart(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_API_SECRET", "not-the-secret")
    monkeypatch.delenv("HYPERLIQUID_PRIVATE_KEY")
    findings = examined(rehearsal.settings)
    assert {("account", "binance"), ("keys", "hyperliquid")} == faults(findings)
    assert all("not-the-secret" not in one.text for one in findings.values())


def test_fees_that_are_dearer_than_configured_are_found(rehearsal: Rehearsal) -> None:
    cheap = {"binance": VenueSettings(taker_fee_bps=1.0)}
    data = rehearsal.settings.data.model_copy(update={"venues": rehearsal.settings.data.venues | cheap})
    assert {("fees", "binance")} == faults(examined(rehearsal.settings.model_copy(update={"data": data})))


def test_a_contract_of_another_multiple_is_found_by_its_price(rehearsal: Rehearsal) -> None:
    far = {"kind": "price", "venue": "okx", "symbol": "XRP/USDT:USDT", "factor": 1000.0}
    asyncio.run(distort(rehearsal.url, far))
    try:
        findings = examined(rehearsal.settings)
    finally:
        asyncio.run(distort(rehearsal.url))
    assert ("contracts", "") in faults(findings)
    assert "XRP is" in findings["contracts", ""].text


def test_on_paper_only_this_machine_is_looked_at(tmp_path: Path) -> None:
    findings = examined(Settings(var=tmp_path))
    assert set() == faults(findings)
    assert "sends no orders" in findings["accounts", ""].text
    machine = {"configuration", "python", "folder", "disk", "ledger", "single instance", "latch", "champion"}
    assert machine | {"venues", "accounts"} == {check for check, _ in findings}


def test_a_fault_is_an_exit_code_and_a_line_of_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LatchFile(tmp_path / LATCH).kill("a test")
    with pytest.raises(typer.Exit) as ended:
        examine_all(Settings(var=tmp_path), None, as_json=False)
    assert 2 == ended.value.exit_code
    told = " ".join(capsys.readouterr().out.split())
    assert "not fit to trade" in told
    assert "find the cause, then `bot resume`" in told


def on_paper(folder: Path, **addresses: str) -> Settings:
    venues = {name: VenueSettings(base_url=address) for name, address in addresses.items()}
    return Settings(profile="paper", var=folder, data=DataSettings(venues=venues, timeout_s=5.0))


def test_on_paper_each_venue_is_asked_and_one_that_is_away_is_named(rehearsal: Rehearsal, tmp_path: Path) -> None:
    away = "http://127.0.0.1:9"
    findings = examined(on_paper(tmp_path, binance=f"{rehearsal.url}/binance", hyperliquid=away))
    assert {("venue", "hyperliquid")} == faults(findings)
    assert "answers within" in findings["venue", "binance"].text
    assert Verdict.WARNING is findings["clock", "binance"].verdict  # the sandbox's time is not this machine's
    assert "leave it out of data.venues" in findings["venue", "hyperliquid"].remedy


def test_a_sandbox_that_should_be_served_and_is_not_is_found(rehearsal: Rehearsal, tmp_path: Path) -> None:
    served, away = (
        examined(Settings(var=tmp_path, sandbox=SandboxSettings(url=url)))
        for url in (rehearsal.url, "http://127.0.0.1:9")
    )
    assert (set(), {("venues", "")}) == (faults(served), faults(away))
    assert "start it by `bot sandbox`" in away["venues", ""].remedy


def test_a_folder_that_takes_nothing_is_a_finding_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    findings = examined(Settings(var=tmp_path / "file" / "var"))
    assert {("folder", "")} == faults(findings)
    assert "choose another --var" in findings["folder", ""].remedy
    with pytest.raises(typer.Exit) as ended:
        examine_all(Settings(var=tmp_path / "file" / "var"), None, as_json=True)
    assert 2 == ended.value.exit_code
