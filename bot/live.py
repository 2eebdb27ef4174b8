"""What a live run has beyond a paper one: accounts, a journal, an executor that sends. Used by the runtime."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from backtest.resting import patience_of
from backtest.rules import ENTRY_MARGIN, Rules
from bot.alerts import LOG, Kind
from bot.execution.account import VenueAccount
from bot.execution.live.account import LiveAccount
from bot.execution.live.executor import LiveExecutor, Places
from bot.execution.live.late import LateAccount
from bot.execution.live.maker_first import LiveMaker
from bot.execution.live.settling import Settling
from bot.ledger.executions import Stamp
from bot.ledger.journal import Journal
from bot.ledger.models import Run
from bot.ledger.spare import SpareJournal
from bot.ledger.store import Ledger
from bot.run_folder import latches
from bot.settings import Settings
from bot.worlds import World
from data.credentials import credentials
from data.errors import ConfigurationError, FundingBotError, OutcomeUnknown, StateError, VenueError, VenueUnreachable
from data.secrets import Secrets
from data.types import Instrument
from pbt_online.manifest import code_version
from pbt_online.registry import Registry

Accounts = Mapping[str, VenueAccount]
UNREAD = "unread"
"""The hash of a version that is damaged, and of who is none."""
PREPARING, PAUSE_S = 5, 0.5
"""How often an account is set up before that fails, and the pause between."""


@dataclass(frozen=True)
class Live:
    """The live side of a run."""

    accounts: Accounts
    journal: Journal
    executor: LiveExecutor
    maker: LiveMaker | None
    """Who has orders rest; None where every order takes."""


async def open_accounts(settings: Settings, world: World, *, late: bool = False) -> Accounts:
    """The account at every venue, with the keys of the environment or the keyring; they close with the world. A venue
    that does not answer is a VenueError, or, if some may be `late`, an account that is opened once it does. Raises
    ConfigurationError for missing keys and, in a rehearsal, for an address that is not on this machine."""
    keys, data = {name: credentials(name, Secrets()) for name in world.told}, settings.data
    accounts: dict[str, VenueAccount] = {}
    for name, told in world.told.items():
        account = LiveAccount(
            name, told, keys[name], timeout_s=data.timeout_s, concurrency=data.concurrency, loopback=settings.rehearsal,
            budget=world.venues[name].budget,
        )  # fmt: skip
        accounts[name] = account
        world.closing.push_async_exit(account)
        try:
            await account.load()
        except VenueError as error:
            if not late:
                raise
            LOG.error("%s; going on without it, until it answers", error, extra={"kind": Kind.TROUBLE.value})
            accounts[name] = LateAccount(account)
    return accounts


def go_live(
    settings: Settings,
    world: World,
    accounts: Accounts,
    run: Run,
    instruments: tuple[Instrument, ...],
    rules: Rules,
    ledger: Ledger,
    stamp: Callable[[], Stamp],
) -> Live:
    """The journal and the executor of a run."""
    journal = Journal(ledger, run.id, instruments, stamp, SpareJournal(settings.var / "exits.journal"))
    settling = Settling(accounts, instruments, journal.booked_funding(), run.from_ms, settings.data.decision_delay_s)
    places = Places(world.venues, accounts, instruments, world.clock)
    name = f"{run.id}{run.salt or ''}"
    executor = LiveExecutor(name, places, rules, journal, settling, settings.execution)
    return Live(accounts, journal, executor, _maker(settings, executor, places, rules))


def _maker(settings: Settings, executor: LiveExecutor, places: Places, rules: Rules) -> LiveMaker | None:
    environment = settings.environment
    if environment.execution == "taker":
        return None
    patience = patience_of(environment, settings.data.decision_delay_s)
    leaves = environment.maker_gives_up == "leave"
    return LiveMaker(executor, places, rules, patience, latches(settings), leaves=leaves)


async def prepare(settings: Settings, accounts: Accounts, instruments: Sequence[Instrument]) -> None:
    """One-way mode, cross margin and leverage at every venue. Raises VenueError."""
    # Twice what the entry rule may use: the venue's own rule must not be met first, in the middle of a pair.
    leverage = {name: 2 / (ENTRY_MARGIN * settings.data.venues[name].maintenance_margin) for name in accounts}
    named = {name: [one for one in instruments if one.venue == name] for name in accounts}
    await asyncio.gather(*(_prepare(account, named[name], leverage[name]) for name, account in accounts.items()))


async def _prepare(account: VenueAccount, instruments: Sequence[Instrument], leverage: float) -> None:
    """Told again where the answer was lost: it changes nothing that is so already."""
    for _ in range(PREPARING - 1):
        try:
            return await account.prepare(instruments, leverage)
        except (VenueUnreachable, OutcomeUnknown):
            await asyncio.sleep(PAUSE_S)
    return await account.prepare(instruments, leverage)


async def check_new_account(settings: Settings, accounts: Accounts, instruments: Sequence[Instrument]) -> None:
    """A live account begins flat and with its money in place: raises StateError for a position that the bot did not
    open, ConfigurationError where a venue holds less than its share of the capital, VenueError."""
    share = settings.environment.initial_capital / len(accounts)
    traded = {one.key for one in instruments}
    for name, account in accounts.items():
        held, balance = await asyncio.gather(account.positions(), account.balance())
        if foreign := sorted(symbol for symbol in held if (name, symbol) in traded):
            raise StateError(
                f"{name} already holds {', '.join(foreign)}, which this bot did not open: close it, or leave the "
                "asset out of data.assets"
            )
        if balance.wallet < share * (1 - 1e-9):
            raise ConfigurationError(
                f"{name} holds {balance.wallet:,.2f}, less than its share of {share:,.2f}: send money there, or lower "
                "environment.initial_capital"
            )


def stamps(settings: Settings, registry: Registry, champion: Callable[[], str]) -> Callable[[], Stamp]:
    """What every order is marked with, for whoever decides at that moment. An exit does not wait for a version that
    cannot be read."""
    configuration = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]
    code = code_version()

    @cache
    def of(name: str) -> Stamp:
        try:
            model = registry.version(name).fingerprint[:12]
        except FundingBotError:
            model = UNREAD
        return Stamp(name, model, configuration, code)

    return lambda: of(champion())
