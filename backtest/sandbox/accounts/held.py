"""The accounts of a world: moved to now before each request, saved before its answer. Used by dialects, `control`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backtest.sandbox.accounts.account import Account, Histories
from backtest.sandbox.accounts.conventions import CONVENTIONS
from backtest.sandbox.accounts.passage import advance
from backtest.sandbox.accounts.prices import Prices
from backtest.sandbox.accounts.records import exact
from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.accounts.state import State
from backtest.sandbox.accounts.store import AccountStore
from backtest.sandbox.world import World


class Accounts:
    """One account at each venue of a world. One event loop; not thread-safe: whoever holds an account by `at` must not
    await before it lets go."""

    def __init__(
        self,
        world: World,
        settings: AccountSettings | None = None,
        file: Path | None = None,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        """As they lie in `file`, else funded anew; in memory without a file. `wall_s` is s since 1970, which requests
        are signed with. Raises StateError for a file that does not fit."""
        self.world = world
        self.settings = settings or AccountSettings()
        self.wall_s = wall_s
        self._store = AccountStore(file, world.clock.identity.fingerprint)
        self._accounts = {venue: self._opened(venue) for venue in world.venues}

    @property
    def venues(self) -> tuple[str, ...]:
        """Where there is one."""
        return tuple(self._accounts)

    @contextmanager
    def at(self, venue: str) -> Iterator[Account]:
        """The account at `venue`, moved to now; saved when the block ends, however it ends."""
        account = self._accounts[venue]
        advance(account, self.world.now_ms())
        try:
            yield account
        finally:
            if self._store.save(account):
                self.world.clock.save()  # an account must not be ahead of the clock that a restart finds

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def _opened(self, venue: str) -> Account:
        balance = exact(self.settings.balance)
        state, histories = self._store.load(venue) or (State(balance, self.world.now_ms()), Histories())
        prices = Prices(self.world, venue)
        terms = self.world.shown[venue]
        return Account(venue, prices, terms, CONVENTIONS[venue], state, histories, self.wall_s)
