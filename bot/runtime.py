"""Puts a run together from its settings and drives it, hour by hour: what `bot run` does."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from backtest.accounting import new_books
from backtest.policies import Policy
from backtest.resting import patience_of
from backtest.rules import Rules
from backtest.schema import schema_of
from backtest.tape import make_rules
from bot.alerts import LOG, Event, Kind, log_event, start_logging
from bot.bans import BANS, BanList
from bot.execution.paper import PaperExecutor
from bot.execution.paper_maker import PaperMaker
from bot.guard import Guard, guarded
from bot.histories import learning_hours
from bot.identity import Bounds, describe, identity
from bot.instance import single_instance
from bot.latch import LatchState
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord, instruments_from_json, instruments_to_json
from bot.live import check_new_account, go_live, open_accounts, prepare, stamps
from bot.retraining import Plan, Retraining
from bot.risk import RiskGate
from bot.run_folder import halt_file, latch_file, latches, ledger_path, registry_of
from bot.settings import Settings
from bot.status import iso
from bot.succession import Succession, peak_since_takeover
from bot.trader import Account, Trader
from bot.watching import Watched
from bot.worlds import World, make_collector, open_streams, open_world
from data.errors import ConfigurationError, StateError, VenueError
from data.lake import Lake
from data.panel import tradable
from data.types import HOUR_MS, Asset, Instrument
from pbt_online.manifest import Version
from pbt_online.registry import Registry

RETRY_S = 30.0
"""A venue that fails in the middle of a run on real venues is asked again after this long."""


@dataclass(frozen=True)
class Progress:
    """What a run shows while it goes on."""

    run: Run
    last: int | None
    """The last tick, ms; None for a run without a bound."""
    record: TickRecord
    trader: Trader


async def run(
    settings: Settings,
    bounds: Bounds,
    *,
    fresh: bool,
    stop: asyncio.Event,
    watch: Callable[[Progress], None],
    policy: Policy | None = None,
) -> int:
    """Trade until the bound, the market's end or `stop`; returns the run's number in the ledger.

    Continues the unfinished run of the same identity unless `fresh`. `policy` stands in for the champion in tests of
    one tape through several executors. Raises FundingBotError; what was done before stays in the ledger.
    """
    with single_instance(settings.var):
        start_logging(settings.var / "logs")
        ledger = Ledger(ledger_path(settings))
        try:
            known = None if fresh else ledger.unfinished(identity(settings, bounds))
            async with open_world(settings, bounds, fresh=known is None) as world:
                registry = registry_of(settings)
                account, trader, guard = await _assemble(settings, bounds, known, world, ledger, registry, policy)
                trades_champion = policy is None
                async with (
                    guarded(guard, stop),
                    _succession(settings, account, world, registry, trader, ledger, fresh=known is None) as succession,
                ):
                    heirs = succession if trades_champion else None
                    await _drive(settings, bounds, account, trader, world, ledger, heirs, stop, watch)
                return account.id
        finally:
            ledger.close()


async def _assemble(
    settings: Settings,
    bounds: Bounds,
    known: Run | None,
    world: World,
    ledger: Ledger,
    registry: Registry,
    policy: Policy | None,
) -> tuple[Run, Trader, Guard | None]:
    environment = settings.environment
    champion = await _champion(settings, known, world, registry)
    accounts = await open_accounts(settings, world) if settings.profile == "live" else {}
    listed = await _instruments(world, settings)
    if accounts and known is None:
        await check_new_account(settings, accounts, listed)
    account = known or ledger.start_run(await _new_run(settings, bounds, world, champion.name, listed))
    instruments = instruments_from_json(account.instruments)
    if settings.data.assets and {i.asset for i in instruments} != {Asset.parse(code) for code in settings.data.assets}:
        traded = ", ".join(sorted({str(i.asset) for i in instruments}))
        raise StateError(f"this account trades {traded}: restore data.assets, or begin a new account by --fresh")
    rules = make_rules(instruments, settings.data.venues, environment)
    stamp = stamps(settings, registry, lambda: trader.champion)
    live = go_live(settings, world, accounts, account, instruments, rules, ledger, stamp) if accounts else None
    if live is None:
        ledger.expire_pending(account.id)
    saved = ledger.snapshot(account.id)
    streams = await open_streams(settings, world, instruments)
    fresh_books = new_books(len(settings.data.venues), environment.max_positions, environment.initial_capital)
    lake, bans = Lake(world.lake), BanList(settings.var / BANS)
    paper = PaperExecutor(world.venues, rules, ledger.paid(account.id), environment.delisted_after_hours)
    trader = Trader(
        account=Account(account.id, instruments, environment.initial_capital, account.champion),
        books=fresh_books if saved is None else saved[1],
        policy=policy or registry.policy(champion, environment, settings.seed),
        collector=make_collector(settings, world.venues, lake, instruments, _history_hours(settings), streams=streams),
        lake=lake,
        executor=paper if live is None else live.executor,
        resting=_resting(settings, world, rules, paper),
        gate=RiskGate(settings.risk, rules, account.id, latches(settings), ledger.history(account.id), bans),
        ledger=ledger,
        settings=settings,
        rules=rules,
        clock=world.clock,
        publish=log_event,
        journal=None if live is None else live.journal,
    )
    if live is None:
        return account, trader, None
    await prepare(settings, live.accounts, instruments)
    await trader.resume(account.from_ms - HOUR_MS if saved is None else saved[0])
    watched = Watched(trader, live.journal, live.accounts, instruments, rules, world.clock, account.from_ms)
    return account, trader, Guard(watched, settings.guard, latch_file(settings), halt_file(settings), bans)


def _resting(settings: Settings, world: World, rules: Rules, paper: PaperExecutor) -> PaperMaker | None:
    """Who carries out orders that rest; None where every order takes."""
    environment = settings.environment
    if environment.execution == "taker":
        return None
    patience = patience_of(environment, settings.data.decision_delay_s)
    leaves = environment.maker_gives_up == "leave"
    return PaperMaker(paper, world.venues, rules, world.clock, patience, leaves=leaves)


async def _champion(settings: Settings, known: Run | None, world: World, registry: Registry) -> Version:
    """Who trades at the start. A simulated run goes on with whom it had, and begins with whom that time knew: what came
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


@asynccontextmanager
async def _succession(
    settings: Settings, account: Run, world: World, registry: Registry, trader: Trader, ledger: Ledger, *, fresh: bool
) -> AsyncIterator[Succession]:
    """Who trades next, with retraining beside the run where the settings want it. A fresh run in a simulated market
    learns anew."""
    simulated = world.end_ms is not None
    retraining = None
    if settings.learning.schedule.enabled:
        folder = settings.var / "population" / f"run-{account.world}"
        if fresh and simulated:
            shutil.rmtree(folder, ignore_errors=True)
        plan = Plan(folder, registry.root, world.lake, account.instruments, account.from_ms, waits=simulated)
        retraining = Retraining(settings, plan)
    try:
        peak = peak_since_takeover(ledger, account.id, registry, trader.champion)
        yield Succession(settings, retraining, registry, trader, peak)
    finally:
        if retraining is not None:
            await retraining.close()


async def _instruments(world: World, settings: Settings) -> tuple[Instrument, ...]:
    listings = await asyncio.gather(*(venue.instruments() for venue in world.venues.values()))
    return tradable([instrument for listing in listings for instrument in listing], settings.data.assets)


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


async def _drive(
    settings: Settings,
    bounds: Bounds,
    account: Run,
    trader: Trader,
    world: World,
    ledger: Ledger,
    succession: Succession | None,
    stop: asyncio.Event,
    watch: Callable[[Progress], None],
) -> None:
    """Tick after tick to the bound: of the run in a simulated market, of this process on real venues. Before each one
    the champion is asked for anew."""
    saved = ledger.snapshot(account.id)
    tick = account.from_ms if saved is None else saved[0] + HOUR_MS
    last = account.to_ms
    if world.end_ms is None and bounds.hours is not None:
        last = await world.clock.now_ms() // HOUR_MS * HOUR_MS + bounds.hours * HOUR_MS
    kind = Kind.STARTED if saved is None else Kind.RESUMED
    log_event(Event(tick, kind, f"run {account.id} on {account.description}, champion {account.champion}"))
    if (latch := latch_file(settings).read()).state is not LatchState.NONE:
        trader.tell(Kind.TROUBLE, f"entries are held back ({latch.state}): {latch.reason}; `bot resume` lifts it")
    while last is None or tick <= last:
        if await _stopped(stop, world.clock.sleep_until(tick + settings.data.decision_delay_s * 1000)):
            return
        if succession is not None and tick != account.to_ms:
            await succession.at(tick)
        try:
            record = await trader.tick(tick, decide=tick != account.to_ms)
        except VenueError as error:
            if world.end_ms is not None:  # a simulated venue that fails is a defect, not weather
                raise
            LOG.warning("%s; asking again in %g s", error, RETRY_S)
            await _stopped(stop, asyncio.sleep(RETRY_S))
            continue
        watch(Progress(account, last, record, trader))
        tick += HOUR_MS
    if world.end_ms is not None:
        ledger.finish(account.id)
        log_event(Event(tick - HOUR_MS, Kind.FINISHED, f"run {account.id} reached its bound"))


async def _stopped(stop: asyncio.Event, wait: Coroutine[Any, Any, None]) -> bool:
    """Wait for `wait` or for `stop`, whichever is first; whether it was `stop`."""
    waiting, stopping = asyncio.ensure_future(wait), asyncio.ensure_future(stop.wait())
    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not stop.is_set():
        await waiting  # raises what it raised
    waiting.cancel()
    return stop.is_set()
