"""Puts a run together from its settings and drives it, hour by hour: what `bot run` does."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from backtest.policies import Policy
from bot.alerts import LOG, Event, Kind, log_event, start_logging
from bot.assembly import assemble
from bot.execution.live.maker_first import LiveMaker
from bot.guard import guarded
from bot.identity import Bounds, identity
from bot.instance import single_instance
from bot.latch import LatchState
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord
from bot.opened_ledger import open_ledger
from bot.pulse import Pulse
from bot.retraining import Plan, Retraining
from bot.run_folder import latches, registry_of
from bot.settings import Settings
from bot.succession import Succession, peak_since_takeover
from bot.trader import Trader
from bot.worlds import World, open_world
from data.errors import FundingBotError, StateError, VenueError
from data.types import HOUR_MS
from pbt_online.registry import Registry

RETRY_S = 30.0
"""A venue that fails in the middle of a run on real venues is asked again after this long."""
LEAST_RETRY_S, DISK_RETRY_S = 2.0, 5.0


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
    pulse: Pulse | None = None,
) -> int:
    """Trade until the bound, the market's end or `stop`; returns the run's number in the ledger.

    Continues the unfinished run of the same identity unless `fresh`. `policy` stands in for the champion in tests of
    one tape through several executors. `pulse` is kept up to date for who watches. Raises FundingBotError; what was
    done before stays in the ledger.
    """
    pulse = pulse or Pulse()
    with single_instance(settings.var):
        start_logging(settings.var / "logs")
        with closing(open_ledger(settings)) as ledger, ledger.held():
            known = None if fresh else ledger.unfinished(identity(settings, bounds))
            until = time.monotonic() + settings.execution.start_patience_s
            opened: list[Run] = []
            while True:
                late = known is not None and time.monotonic() >= until
                try:
                    return await _run(settings, bounds, known, ledger, stop, watch, policy, pulse, opened, late=late)
                except (VenueError, StateError, OSError) as error:
                    # Positions may wait: a live account that exists is opened again until its venues answer, and one
                    # that was open until its ledger, or its disk, takes something again.
                    known = opened[-1] if opened else known
                    if settings.profile != "live" or known is None or not (opened or isinstance(error, VenueError)):
                        raise
                    pause_s = _pause_s(error, until - time.monotonic())
                    LOG.warning("%s; the account is opened again in %.3g s", error, pause_s)
                    if await _stopped(stop, asyncio.sleep(pause_s)):
                        return known.id


def _pause_s(error: Exception, patience_s: float) -> float:
    """Until the account is opened again; where venues still have `patience_s`, no longer than that."""
    if not isinstance(error, VenueError):
        return DISK_RETRY_S
    return min(RETRY_S, max(patience_s, LEAST_RETRY_S)) if patience_s > 0 else RETRY_S


async def _run(
    settings: Settings,
    bounds: Bounds,
    known: Run | None,
    ledger: Ledger,
    stop: asyncio.Event,
    watch: Callable[[Progress], None],
    policy: Policy | None,
    pulse: Pulse,
    opened: list[Run],
    *,
    late: bool,
) -> int:
    """One life of the run, which is added to `opened` once it is in balance."""
    async with open_world(settings, bounds, fresh=known is None) as world:
        registry = registry_of(settings)
        ready = await assemble(settings, bounds, known, world, ledger, registry, policy, late=late)
        opened.append(ready.run)
        async with (
            guarded(ready.guard, stop),
            _hurried(ready.maker, stop),
            _succession(
                settings, ready.run, world, registry, ready.trader, ledger, pulse, fresh=known is None
            ) as succession,
        ):
            heirs = succession if policy is None else None
            pulse.run = ready.run.id
            pulse.tell()  # before anything is traded: the next start must not begin anew
            await _drive(settings, bounds, ready.run, ready.trader, world, ledger, heirs, stop, watch, pulse)
        return ready.run.id


@asynccontextmanager
async def _hurried(maker: LiveMaker | None, stop: asyncio.Event) -> AsyncIterator[None]:
    """Within the block `stop` ends what rests as well: whoever wants the bot to end does not wait for a fill."""

    async def hurry() -> None:
        await stop.wait()
        if maker is not None:
            maker.hurry()

    hurrying = asyncio.create_task(hurry())
    try:
        yield
    finally:
        hurrying.cancel()


@asynccontextmanager
async def _succession(
    settings: Settings,
    account: Run,
    world: World,
    registry: Registry,
    trader: Trader,
    ledger: Ledger,
    pulse: Pulse,
    *,
    fresh: bool,
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
        retraining = Retraining(settings, plan, pulse)
    try:
        peak = peak_since_takeover(ledger, account.id, registry, trader.champion)
        yield Succession(settings, retraining, registry, trader, peak)
    finally:
        if retraining is not None:
            await retraining.close()


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
    pulse: Pulse,
) -> None:
    """Tick after tick to the bound: of the run in a simulated market, of this process on real venues. Before each one
    the champion is asked for anew."""
    saved = ledger.snapshot(account.id)
    pulse.tick = None if saved is None else saved[0]
    tick = account.from_ms if saved is None else saved[0] + HOUR_MS
    last = account.to_ms
    if world.end_ms is None and bounds.hours is not None:
        last = await world.clock.now_ms() // HOUR_MS * HOUR_MS + bounds.hours * HOUR_MS
    kind = Kind.STARTED if saved is None else Kind.RESUMED
    log_event(Event(tick, kind, f"run {account.id} on {account.description}, champion {account.champion}"))
    if (latch := latches(settings).read()).state is not LatchState.NONE:
        trader.tell(Kind.TROUBLE, f"entries are held back ({latch.state}): {latch.reason}; `bot resume` lifts it")
    simulated = world.end_ms is not None
    if succession is not None and saved is not None:
        with _whoever_trades_goes_on(trader, simulated=simulated):
            succession.collected(saved[0])
    while last is None or tick <= last:
        if await _stopped(stop, world.clock.sleep_until(tick + settings.data.decision_delay_s * 1000)):
            return
        if succession is not None and tick != account.to_ms:
            with _whoever_trades_goes_on(trader, simulated=simulated):
                if await _stopped(stop, succession.at(tick)):  # simulated time may stand still for a verdict
                    return
        try:
            record = await trader.tick(tick, decide=tick != account.to_ms)
        except VenueError as error:
            if simulated:  # a simulated venue that fails is a defect, not weather
                raise
            LOG.warning("%s; asking again in %g s", error, RETRY_S)
            await _stopped(stop, asyncio.sleep(RETRY_S))
            continue
        if succession is not None and tick != account.to_ms:
            with _whoever_trades_goes_on(trader, simulated=simulated):
                succession.collected(tick)
        pulse.tick, pulse.up = tick, True
        watch(Progress(account, last, record, trader))
        tick += HOUR_MS
    if simulated:
        ledger.finish(account.id)
        log_event(Event(tick - HOUR_MS, Kind.FINISHED, f"run {account.id} reached its bound"))


@contextmanager
def _whoever_trades_goes_on(trader: Trader, *, simulated: bool) -> Iterator[None]:
    """What is damaged in the registry, or in what was learnt, ends a simulation, which would be another one; on real
    venues whoever trades goes on."""
    try:
        yield
    except FundingBotError as error:
        if simulated:
            raise
        LOG.warning("%s; %s goes on trading", error, trader.champion)


async def _stopped(stop: asyncio.Event, wait: Coroutine[Any, Any, None]) -> bool:
    """Wait for `wait` or for `stop`, whichever is first; whether it was `stop`."""
    waiting, stopping = asyncio.ensure_future(wait), asyncio.ensure_future(stop.wait())
    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not stop.is_set():
        await waiting  # raises what it raised
    waiting.cancel()
    return stop.is_set()
