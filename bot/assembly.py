"""Puts a run together from its settings: the account, who trades it, and, where orders are real, its guard.

Used by the runtime alone.
"""

import asyncio
import secrets
from dataclasses import dataclass
from string import ascii_lowercase

from backtest.accounting import new_books
from backtest.policies import Policy
from backtest.resting import patience_of
from backtest.rules import Rules
from backtest.schema import schema_of
from backtest.tape import make_rules
from bot.alerts import LOG, Kind, log_event
from bot.bans import BANS, BanList
from bot.execution.live.maker_first import LiveMaker
from bot.execution.paper import PaperExecutor
from bot.execution.paper_maker import PaperMaker
from bot.guard import Guard
from bot.histories import learning_hours
from bot.identity import Bounds, describe, identity
from bot.kill_journal import JOURNAL, KillJournal
from bot.ledger.models import Run
from bot.ledger.store import Ledger, instruments_from_json, instruments_to_json
from bot.live import Accounts, Live, check_new_account, go_live, open_accounts, prepare, stamps
from bot.risk import RiskGate
from bot.run_folder import halt_file, latch_file, latches
from bot.settings import Settings
from bot.status import iso
from bot.succession import STAND_IN, stand_in
from bot.trader import Account, Trader
from bot.watching import Watched
from bot.worlds import World, make_collector, open_streams
from data.errors import ConfigurationError, FundingBotError, StateError
from data.lake import Lake
from data.panel import tradable
from data.types import HOUR_MS, Asset, Instrument
from pbt_online.manifest import Version
from pbt_online.registry import Registry

SALT_LETTERS = 4


@dataclass(frozen=True)
class Assembled:
    """A run that is ready to be driven."""

    run: Run
    trader: Trader
    guard: Guard | None
    """None on paper, and where the settings want none."""
    maker: LiveMaker | None = None
    """Who has real orders rest; None where none does."""


@dataclass(frozen=True)
class Champion:
    """Who decides."""

    name: str
    policy: Policy
    trouble: str = ""
    """Why it only stands in."""


async def assemble(
    settings: Settings,
    bounds: Bounds,
    known: Run | None,
    world: World,
    ledger: Ledger,
    registry: Registry,
    policy: Policy | None,
    *,
    late: bool = False,
) -> Assembled:
    """The run `known`, or a new one. A live run is back in balance when this returns: what a dead process sent is asked
    for, and completed or unwound. Raises FundingBotError. Venues of a known live run may be `late`: what is not known
    of their orders is left as it is until they answer, and a leg elsewhere is taken back only where the ledger has it
    that its other leg was never sent, or refused."""
    champion = await _champion(settings, known, world, ledger, registry)
    accounts = await open_accounts(settings, world, late=late) if settings.profile == "live" else {}
    run = known or await _begun(settings, bounds, world, ledger, accounts, champion.name)
    instruments = _instruments_of(run, settings)
    rules = make_rules(instruments, settings.data.venues, settings.environment)
    stamp = stamps(settings, registry, lambda: trader.champion)
    live = go_live(settings, world, accounts, run, instruments, rules, ledger, stamp) if accounts else None
    if live is None:
        ledger.expire_pending(run.id)
    bans = BanList(settings.var / BANS)
    trader = await _trader(settings, world, ledger, run, instruments, rules, policy or champion.policy, live, bans)
    if policy is None and champion.trouble:
        told = "%s; until a sound champion is there, %s closes what no longer pays and enters nothing"
        LOG.error(told, champion.trouble, champion.name, extra={"kind": Kind.TROUBLE.value})
        trader.set_policy(champion.policy, champion.name, champion.trouble)
    if live is None:
        return Assembled(run, trader, None)
    ours = live.journal.client_ids() + KillJournal(settings.var / JOURNAL).client_ids()
    for account in live.accounts.values():
        account.recognise(ours)
    saved = ledger.snapshot(run.id)
    await trader.resume(run.from_ms - HOUR_MS if saved is None else saved[0])
    await prepare(settings, live.accounts, instruments)
    return Assembled(run, trader, _guard(settings, world, run, instruments, rules, trader, live, bans), live.maker)


async def _trader(
    settings: Settings,
    world: World,
    ledger: Ledger,
    run: Run,
    instruments: tuple[Instrument, ...],
    rules: Rules,
    policy: Policy,
    live: Live | None,
    bans: BanList,
) -> Trader:
    environment, lake = settings.environment, Lake(world.lake)
    world.closing.callback(lake.close)
    books = new_books(len(settings.data.venues), environment.max_positions, environment.initial_capital)
    saved = ledger.snapshot(run.id)
    streams = await open_streams(settings, world, instruments)
    paper = PaperExecutor(world.venues, rules, ledger.paid(run.id), environment.delisted_after_hours)
    return Trader(
        account=Account(run.id, instruments, environment.initial_capital, run.champion),
        books=books if saved is None else saved[1],
        policy=policy,
        collector=make_collector(settings, world.venues, lake, instruments, _history_hours(settings), streams=streams),
        lake=lake,
        executor=paper if live is None else live.executor,
        resting=_resting(settings, world, rules, paper) if live is None else live.maker,
        gate=RiskGate(settings.risk, rules, run.id, latches(settings), ledger.history(run.id), bans),
        ledger=ledger,
        settings=settings,
        rules=rules,
        clock=world.clock,
        publish=log_event,
        journal=None if live is None else live.journal,
    )


def _resting(settings: Settings, world: World, rules: Rules, paper: PaperExecutor) -> PaperMaker | None:
    """Who carries out orders that rest on paper; None where every order takes."""
    environment = settings.environment
    if environment.execution == "taker":
        return None
    patience = patience_of(environment, settings.data.decision_delay_s)
    leaves = environment.maker_gives_up == "leave"
    return PaperMaker(paper, world.venues, rules, world.clock, patience, leaves=leaves)


def _guard(
    settings: Settings,
    world: World,
    run: Run,
    instruments: tuple[Instrument, ...],
    rules: Rules,
    trader: Trader,
    live: Live,
    bans: BanList,
) -> Guard | None:
    if not settings.guard.enabled:
        return None
    hurry = live.maker.hurry if live.maker is not None else None
    watched = Watched(trader, live.journal, live.accounts, instruments, rules, world.clock, run.from_ms, hurry)
    return Guard(watched, settings.guard, latch_file(settings), halt_file(settings), bans)


async def _champion(
    settings: Settings, known: Run | None, world: World, ledger: Ledger, registry: Registry
) -> Champion:
    """Who trades at the start. Where that is nobody who can, FundingBotError is raised; but what is held on real venues
    is not left alone for it: somebody stands in."""
    try:
        version = await _named(settings, known, world, registry)
        return Champion(version.name, registry.policy(version, settings.environment, settings.seed))
    except FundingBotError as error:
        if known is None or world.end_ms is not None or not ledger.holds(known.id):
            raise
        return Champion(STAND_IN, stand_in(schema_of(settings.environment)), str(error))


async def _named(settings: Settings, known: Run | None, world: World, registry: Registry) -> Version:
    """Whom the registry names. A simulated run goes on with whom it had, and begins with whom that time knew: what came
    later is forgotten."""
    schema = schema_of(settings.environment)
    if world.end_ms is None:
        return registry.champion(schema)
    if known is not None:
        return registry.version(known.champion)
    now = await world.clock.now_ms()
    registry.rewind(now)
    return registry.champion_at(schema, now)


def _history_hours(settings: Settings) -> int:
    return learning_hours(settings) if settings.learning.schedule.enabled else settings.data.history_hours


async def _begun(
    settings: Settings, bounds: Bounds, world: World, ledger: Ledger, accounts: Accounts, champion: str
) -> Run:
    """A new run in the ledger, of what the venues list now."""
    listings = await asyncio.gather(*(venue.instruments() for venue in world.venues.values()))
    listed = tradable([one for listing in listings for one in listing], settings.data.assets)
    if accounts:
        await check_new_account(settings, accounts, listed)
    return ledger.start_run(await _new_run(settings, bounds, world, champion, listed))


def _instruments_of(run: Run, settings: Settings) -> tuple[Instrument, ...]:
    """What the run trades; raises StateError where the settings name other assets."""
    instruments = instruments_from_json(run.instruments)
    if settings.data.assets and {i.asset for i in instruments} != {Asset.parse(code) for code in settings.data.assets}:
        traded = ", ".join(sorted({str(i.asset) for i in instruments}))
        raise StateError(f"this account trades {traded}: restore data.assets, or begin a new account by --fresh")
    return instruments


async def _new_run(
    settings: Settings, bounds: Bounds, world: World, champion: str, instruments: tuple[Instrument, ...]
) -> Run:
    first = await world.clock.now_ms() // HOUR_MS * HOUR_MS
    return Run(
        world=identity(settings, bounds),
        profile=settings.profile,
        description=describe(settings),
        episode=world.episode,
        champion=champion,
        capital=settings.environment.initial_capital,
        from_ms=first,
        to_ms=None if world.end_ms is None else _bound(settings, bounds, first, world.end_ms),
        state="running",
        instruments=instruments_to_json(instruments),
        salt="".join(secrets.choice(ascii_lowercase) for _ in range(SALT_LETTERS)),
    )


def _bound(settings: Settings, bounds: Bounds, first: int, end_ms: int) -> int:
    """The last tick of a run in a simulated market; raises ConfigurationError where the market has none there."""
    newest = (end_ms - settings.data.decision_delay_s * 1000) // HOUR_MS * HOUR_MS
    wanted = newest if bounds.to_ms is None else bounds.to_ms
    last = wanted if bounds.hours is None else first + bounds.hours * HOUR_MS
    if not first < last <= newest:
        raise ConfigurationError(
            f"the run would end at {iso(last)}, but this market is traded from {iso(first)} to {iso(newest)}: "
            "choose --to or --hours between them"
        )
    return last
