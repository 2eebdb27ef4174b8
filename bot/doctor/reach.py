"""Checks of the market where no orders are sent: whether each venue answers, and agrees about the time. Run by the
doctor."""

import asyncio
import socket
import time

from backtest.sandbox.client import SandboxClock
from bot.doctor.accounts import CLOCK_FAILED_MS, CLOCK_WARNING_MS
from bot.doctor.finding import Finding, Verdict, judged
from bot.settings import Settings
from data.errors import FundingBotError
from data.exchange import Venue


async def market(settings: Settings) -> list[Finding]:
    """What `bot run --paper` would meet. Raises nothing that a check can meet: that is a finding."""
    text = f"profile {settings.profile} sends no orders: keys, accounts and contracts are not looked at"
    accounts = Finding("accounts", Verdict.OK, text)
    if settings.profile == "paper":
        asked = await asyncio.gather(*(_real_venue(name, settings) for name in settings.data.venues))
        return [*(finding for found in asked for finding in found), accounts]
    url = settings.sandbox.url
    return [loopback() if url is None else await _served(url), accounts]


def loopback() -> Finding:
    """Whether the embedded sandbox could serve here."""
    try:
        with socket.create_server(("127.0.0.1", 0)):
            text = "the simulated venues start with the bot, on 127.0.0.1"
            return Finding("venues", Verdict.OK, text)
    except OSError as error:
        text = f"no port can be opened on 127.0.0.1 ({error.strerror})"
        return Finding("venues", Verdict.FAILED, text, "allow this user servers on the loopback address")


async def _served(url: str) -> Finding:
    try:
        async with SandboxClock(url) as clock:
            await clock.now_ms()
    except FundingBotError as error:
        remedy = "start it by `bot sandbox`, or leave out sandbox.url"
        return Finding("venues", Verdict.FAILED, str(error), remedy)
    return Finding("venues", Verdict.OK, f"the sandbox at {url} answers")


async def _real_venue(name: str, settings: Settings) -> list[Finding]:
    told = settings.data.venues[name]
    try:
        async with Venue(name, told, timeout_s=settings.data.timeout_s, concurrency=1) as venue:
            begin = time.time()
            clock_ms = await venue.time_ms()
            end = time.time()
    except FundingBotError as error:
        remedy = f"check the network; if {name} refuses your country, leave it out of data.venues"
        return [Finding("venue", Verdict.FAILED, str(error), remedy, name)]
    reached = Finding("venue", Verdict.OK, f"answers within {1000 * (end - begin):,.0f} ms", venue=name)
    if not venue.profile.has_clock:
        return [reached]
    skew_ms = abs(clock_ms - 500 * (begin + end))
    text = f"this machine is {skew_ms / 1000:.2f} s off the venue's clock"
    remedy = "have this machine's clock kept by NTP"
    grave = skew_ms > CLOCK_FAILED_MS and told.base_url is None  # a sandbox lives in a time of its own
    return [reached, judged("clock", skew_ms <= CLOCK_WARNING_MS, text, remedy, name, grave=grave)]
