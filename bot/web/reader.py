"""Everything that is shown, gathered at most once a second whoever asks: from ledger, lake, registry and latches.

Used by the API, the page and the metrics. It only reads, in whatever thread asks, one at a time.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock

from bot.alerts import Kind
from bot.instance import is_running
from bot.latch import LatchState
from bot.ledger.feed import ledger_feed
from bot.ledger.schema import is_there
from bot.ledger.store import Ledger
from bot.opened_ledger import ledger_place, looked_at_ledger
from bot.run_folder import latches
from bot.settings import Settings
from bot.web.account import Seen, counts, look
from bot.web.latch_view import latch_view
from bot.web.learning import LearningReader
from bot.web.market import MarketReader
from bot.web.models import Alert, Health, KillView, Learning, Market, State
from data.errors import FundingBotError, StateError

FRESH_S = 1.0
LATE_HOURS = 1.25
"""Without a complete hour for so long, the trader is behind."""
ALERTS = 40
LOOKED_BACK = 400
"""Events among which the newest alerts are looked for."""


class Reader:
    """Reads for everybody. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._ledger: Ledger | None = None
        self._feed = ledger_feed(settings)
        self._market_reader = MarketReader(settings)
        self._learning_reader = LearningReader(settings)
        self._looked_s = float("-inf")
        """Below zero before the first time."""
        self._tick_seen_s = time.monotonic()
        self._seen = Seen()
        self._market = Market()
        self._market_of = self._seen
        self._learning = Learning()
        self._alerts: tuple[Alert, ...] = ()
        self._newest = 0
        """Number of the newest event that was looked at."""
        self._orders: dict[str, int] = {}
        self._troubles = 0
        self._problems: list[str] = []

    @property
    def seen(self) -> Seen:
        """The ledger's account, looked at anew where that is due."""
        self._look()
        return self._seen

    @property
    def learning(self) -> Learning:
        """Population, verdicts, champions."""
        self._look()
        return self._learning

    def state(self, kill: KillView) -> State:
        """All the rest."""
        self._look()
        return State(
            account=self._seen.account, positions=self._seen.positions, market=self._market, alerts=self._alerts,
            health=self._health(), kill=kill,
        )  # fmt: skip

    def close(self) -> None:
        """Let go of the ledger."""
        with self._lock:
            self._forget_ledger()

    def _look(self) -> None:
        """One looks for all; whoever comes meanwhile is told what was known before, and waits for no database."""
        if time.monotonic() - self._looked_s < FRESH_S or not self._lock.acquire(blocking=self._looked_s < 0):
            return
        try:
            self._problems = [*self._looked_at_all()]
            self._looked_s = time.monotonic()
        finally:
            self._lock.release()

    def _looked_at_all(self) -> Iterator[str]:
        """What could not be read: it hides nothing else."""
        for part in (self._look_at_ledger, self._look_at_learning, self._look_at_alerts):
            try:
                part()
            except FundingBotError as error:
                yield str(error)
            except OSError as error:
                yield f"{error}: make room or mend the permissions"

    def _look_at_ledger(self) -> None:
        if self._ledger is None and not is_there(ledger_place(self._settings)):
            return
        try:
            self._ledger = self._ledger or looked_at_ledger(self._settings)
            seen = look(self._ledger, self._settings, self._seen)
        except StateError:
            self._forget_ledger()
            raise
        if seen.tick_ms != self._seen.tick_ms:
            self._tick_seen_s = time.monotonic()
        self._seen = seen
        if seen.run is not None:
            self._orders, self._troubles = counts(self._ledger, seen.run.id)
        if seen is not self._market_of:
            self._market = Market()
            if seen.books is not None and seen.tick_ms is not None:
                self._market = self._market_reader.read(seen.instruments, seen.tick_ms, seen.books)
            self._market_of = seen

    def _look_at_learning(self) -> None:
        self._learning = self._learning_reader.read(self._seen.run)

    def _look_at_alerts(self) -> None:
        newest = self._feed.newest()
        if newest != self._newest:
            kinds = [kind.value for kind in Kind if kind is not Kind.DATA]
            found = self._feed.after(newest - LOOKED_BACK, kinds, LOOKED_BACK)[-ALERTS:]
            self._alerts = tuple(
                Alert(number=one.number, tick_ms=one.tick, kind=one.kind, text=one.text) for one in reversed(found)
            )
            self._newest = newest

    def _health(self) -> Health:
        settings, seen = self._settings, self._seen
        real = settings.profile != "sandbox" and not settings.rehearsal
        age = None
        if seen.tick_ms is not None:
            age = (time.time() - seen.tick_ms / 1000 if real else time.monotonic() - self._tick_seen_s) / 3600
        running = settings.var.is_dir() and is_running(settings.var)
        latch = latches(settings).read()
        late = running and age is not None and age > LATE_HOURS
        newest = self._learning.verdicts[0] if self._learning.verdicts else None
        return Health(
            healthy=running and not late and latch.state in (LatchState.NONE, LatchState.PAUSED),
            trader_running=running,
            real_time=real,
            hours_since_last_tick=age,
            late=late,
            latch=latch_view(latch),
            training=running and newest is not None and not newest.judged,
            cycle=None if newest is None else newest.cycle,
            orders=self._orders,
            troubles=self._troubles,
            problems=tuple(self._problems),
        )

    def _forget_ledger(self) -> None:
        with suppress(StateError):
            if self._ledger is not None:
                self._ledger.close()
        self._ledger = None
