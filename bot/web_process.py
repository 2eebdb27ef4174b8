"""The process in which a service serves its web page: `python -m bot.web_process`, started by `bot.supervisor`.

It gives way to the trader, and ends with the supervisor.
"""

import asyncio
import os

from bot.alerts import LOG, start_logging
from bot.child_process import begin, end_on_signals, end_with_parent, exit_with, read_job
from bot.pulse import Pulse, beating
from bot.settings import Settings
from bot.web.service import run, serve

NICENESS = 5
"""Trading comes first."""


async def _until_asked(settings: Settings, pipe: int) -> int:
    stop, pulse = asyncio.Event(), Pulse()
    end_on_signals(stop)

    def started(address: str) -> None:
        pulse.up, pulse.text = True, address
        LOG.info("the web page is at %s", address)

    async with beating(pulse, pipe):
        await serve(settings, stop, started)
    return 0


def main() -> int:
    """From the job to the exit code."""
    job = read_job()
    end_with_parent()
    os.nice(NICENESS)
    settings = Settings.model_validate(job["settings"])
    start_logging(settings.var / "logs", "web")
    return run(_until_asked(settings, job["pipe"]))


if __name__ == "__main__":
    begin()
    exit_with(main)
