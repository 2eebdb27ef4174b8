"""A sandbox that is served over HTTP from a thread of the test, with a clock that the test moves by hand."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from backtest.sandbox.accounts.files import accounts_file
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.world import WorldFile, build_world

HAND_SPEED = 120.0
"""A bot that waits for a running clock looks at it every half market minute to two of them at this speed."""


class Served:
    """`with Served(...) as sandbox: sandbox.url`. With `by_hand` market time stands still until `advance`; otherwise
    its speed is the world's."""

    def __init__(self, told: WorldFile, state_file: Path, *, by_hand: bool) -> None:
        self.url = ""
        self._hand_s = 0.0
        self._by_hand = by_hand
        self._told, self._state_file = told, state_file
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def __enter__(self) -> Self:
        """Serve; raises what kept it from that."""
        self._thread.start()
        self._ready.wait(60)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def advance(self, seconds: float) -> None:
        """Move market time on."""
        assert self._by_hand
        self._hand_s += seconds / HAND_SPEED

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # told to who waits for it
            self._failure = error
            self._ready.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        clock: dict[str, Callable[[], float]] = {"real_s": lambda: self._hand_s} if self._by_hand else {}
        self._state_file.parent.mkdir(parents=True, exist_ok=True)
        world = build_world(self._told, self._state_file, **clock)
        accounts = Accounts(world, self._told.settings.accounts, accounts_file(self._state_file))
        async with listening(world, network=Network(world, self._told.settings), accounts=accounts) as self.url:
            self._ready.set()
            await self._stop.wait()
