"""The sandbox as a process: `python -m backtest.sandbox --world FILE.json --state FILE [--port N] [--child]`.

Prints one line of JSON, {"url": ...}, once it listens; ends on SIGINT, SIGTERM and, as a child, when its stdin closes.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from backtest.sandbox.accounts.files import accounts_file
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.world import World, WorldFile, build_world
from data.errors import ConfigurationError, FundingBotError

SAVE_EVERY_S = 1.0
"""A running clock loses at most this much real time to a kill -9."""


def main(arguments: list[str] | None = None) -> int:
    """Run until told to end; gives the exit code, after one line on stderr for an expected failure."""
    told = _arguments(arguments)
    try:
        file = _world_file(told.world)
        world = build_world(file, told.state)
        accounts = Accounts(world, file.settings.accounts, accounts_file(told.state))
        asyncio.run(_serve(world, Network(world, file.settings), accounts, told.port, child=told.child))
    except FundingBotError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # before the server listens; afterwards the signal is handled
        return 0
    return 0


async def _serve(world: World, network: Network, accounts: Accounts, port: int, *, child: bool) -> None:
    """Serve until a signal or the end of stdin, saving the clock as it runs."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if child:
        _when_stdin_closes(lambda: loop.call_soon_threadsafe(stop.set))
    async with listening(world, port, network=network, accounts=accounts) as url:
        print(json.dumps({"url": url}), flush=True)
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SAVE_EVERY_S)
            world.clock.save()


def _when_stdin_closes(act: Callable[[], object]) -> None:
    """Call `act` from a thread when the parent closes our stdin, or dies."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        with suppress(RuntimeError):  # the loop has ended before us
            act()

    threading.Thread(target=wait, name="stdin", daemon=True).start()


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m backtest.sandbox", description="Venues on loopback, over one market."
    )
    parser.add_argument("--world", type=Path, required=True, help="JSON: settings, venues, assets")
    parser.add_argument("--state", type=Path, required=True, help="where the clock is kept between runs")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--child", action="store_true", help="end when stdin closes")
    return parser.parse_args(arguments)


def _world_file(path: Path) -> WorldFile:
    try:
        return WorldFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}): name the file that describes the world"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise ConfigurationError(f"{path} does not describe a world ({where}: {first['msg']}): correct it") from error


if __name__ == "__main__":
    sys.exit(main())
