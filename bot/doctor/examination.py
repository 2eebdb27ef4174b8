"""Runs every check that applies to a configuration, all venues at once: what `bot doctor` does."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from bot.access import Access
from bot.doctor import machine
from bot.doctor.accounts import STANDING_CHECKS, money_there
from bot.doctor.contracts import alike, large_enough, priced, tradable_pairs, within_leverage
from bot.doctor.finding import Finding, Verdict
from bot.doctor.messenger import messenger
from bot.doctor.reach import market
from bot.latch import LatchFile
from bot.settings import Settings
from data.errors import FundingBotError, MissingData
from data.panel import tradable
from data.secrets import Secrets
from data.types import Asset, Instrument, InstrumentKey

OpenAccess = Callable[[str], AbstractAsyncContextManager[Access]]
Listing = tuple[Sequence[Instrument], dict[InstrumentKey, float]]


async def examine(settings: Settings, latch: LatchFile, open_access: OpenAccess) -> list[Finding]:
    """Every finding, what lies on this machine first. Raises nothing that a check can meet: that is a finding."""
    found = [machine.configuration(settings), machine.python(), folder := machine.folder(settings)]
    if folder.verdict is Verdict.OK:
        found += [machine.disk(settings), machine.ledger_writable(settings), machine.nobody_trades(settings)]
        found += [machine.latch(latch), machine.champion(settings)]
    found += await messenger(settings, Secrets())
    if settings.profile != "live":
        return [*found, *await market(settings)]
    found.append(machine.guarded(settings))
    keys = machine.keys_present(settings, Secrets())
    examined = await asyncio.gather(*(_venue(finding, settings, open_access) for finding in keys))
    instruments: list[Instrument] = []
    mids: dict[InstrumentKey, float] = {}
    for findings, (listed, shown) in examined:
        found += findings
        instruments += listed
        mids |= shown
    if all(listed for _, (listed, _) in examined):
        found += _contracts(instruments, mids, settings)
    return [*found, within_leverage(settings)]


def _contracts(
    instruments: Sequence[Instrument], mids: dict[InstrumentKey, float], settings: Settings
) -> list[Finding]:
    try:
        traded = tradable(instruments, settings.data.assets)
    except MissingData as error:
        return [Finding("pairs", Verdict.FAILED, str(error), "mend data.assets or data.venues")]
    checks = [tradable_pairs(traded, settings), priced(traded, mids), alike(traded, mids)]
    return [*checks, large_enough(traded, mids, settings)]


async def _venue(keys: Finding, settings: Settings, open_access: OpenAccess) -> tuple[list[Finding], Listing]:
    """What one venue says of the account, and what it lists at which prices; nothing where it cannot be asked."""
    if keys.verdict is Verdict.FAILED:
        return [keys], ((), {})
    name = keys.venue
    try:
        async with open_access(name) as access:
            standing, balance = await asyncio.gather(access.account.standing(), access.account.balance())
            wanted = [one for one in access.instruments if _wanted(one, settings)]
            quotes = await access.quotes([one.symbol for one in wanted])
    except FundingBotError as error:
        return [keys, Finding("account", Verdict.FAILED, str(error), "see what the venue says of the key", name)], (
            (),
            {},
        )
    findings = [keys, Finding("account", Verdict.OK, "the keys work", venue=name)]
    findings += [check(name, standing, settings) for check in STANDING_CHECKS]
    findings.append(money_there(name, balance, settings))
    mids = {(name, symbol): (quote.bid + quote.ask) / 2 for symbol, quote in quotes.items()}
    return findings, (wanted, mids)


def _wanted(instrument: Instrument, settings: Settings) -> bool:
    return not settings.data.assets or instrument.asset in {Asset.parse(code) for code in settings.data.assets}
