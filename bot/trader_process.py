"""The process in which a service trades: `python -m bot.trader_process`, started by `bot.supervisor`.

The job on its stdin is what `bot run` was told; it tells how it stands by the pipe that it was given, and ends when the
supervisor does.
"""

import asyncio
from typing import Any

from backtest.accounting import equity
from bot.child_process import ASKED, begin, end_on_signals, end_with_parent, exit_with, read_job
from bot.identity import Bounds
from bot.pulse import Pulse, beating
from bot.runtime import Progress, run
from bot.settings import Settings


async def trade(job: dict[str, Any]) -> int:
    """Run until the bound or a signal; gives the exit code. Raises FundingBotError."""
    stop, pulse = asyncio.Event(), Pulse()
    end_on_signals(stop)

    def watch(progress: Progress) -> None:
        books = progress.trader.books
        pulse.text = f"equity {equity(books):,.2f}, {int((books.opened_at != 0).sum())} positions"

    async with beating(pulse, job["pipe"]):
        settings, bounds = Settings.model_validate(job["settings"]), Bounds(**job["bounds"])
        await run(settings, bounds, fresh=job["fresh"], stop=stop, watch=watch, pulse=pulse)
    return ASKED if stop.is_set() else 0


def main() -> int:
    """From the job to the exit code."""
    job = read_job()
    end_with_parent()
    return asyncio.run(trade(job))


if __name__ == "__main__":
    begin()
    exit_with(main)
