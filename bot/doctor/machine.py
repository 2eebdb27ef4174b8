"""Checks of what lies on this machine: settings, keys, disk, ledger, latch, champion. Run by the doctor."""

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing

from sqlalchemy import false, text, update

from backtest.schema import schema_of
from bot.doctor.finding import Finding, Verdict, judged
from bot.instance import is_running
from bot.latch import LatchFile, LatchState, latch_line
from bot.ledger.models import Run
from bot.opened_ledger import existing_ledger, ledger_path, ledger_place
from bot.run_folder import registry_of
from bot.settings import Settings
from data.credentials import credentials
from data.errors import ConfigurationError, FundingBotError

DISK_FAILED_GB, DISK_WARNING_GB = 0.5, 5.0
LEDGER_PATIENCE_S = 5.0
OLDEST_PYTHON = (3, 11)
"""As pyproject.toml asks."""


def configuration(settings: Settings) -> Finding:
    """What would be traded; that the file makes sense is known, or nobody would be here."""
    venues = ", ".join(settings.data.venues)
    capital, slots = settings.environment.initial_capital, settings.environment.max_positions
    return Finding("configuration", Verdict.OK, f"{settings.profile} on {venues}, {capital:,.0f} in {slots} slots")


def guarded(settings: Settings) -> Finding:
    """Whether somebody looks at the venues between the hours."""
    guard = settings.guard
    text = f"the guard looks at the venues every {guard.every_s:g} s" if guard.enabled else "the guard is off"
    return judged("guard", guard.enabled, text, "set guard.enabled to true", grave=not settings.rehearsal)


def keys_present(settings: Settings, environment: Mapping[str, str]) -> tuple[Finding, ...]:
    """Whether the environment holds the keys of every venue."""
    found = []
    for venue in settings.data.venues:
        try:
            credentials(venue, environment)
            found.append(Finding("keys", Verdict.OK, "there", venue=venue))
        except ConfigurationError as error:
            found.append(Finding("keys", Verdict.FAILED, str(error), "set them; docs/live.md says how", venue))
    return tuple(found)


def python() -> Finding:
    """Whether this Python is new enough."""
    version = sys.version_info
    remedy = f"make the virtual environment anew with Python {'.'.join(map(str, OLDEST_PYTHON))} or later"
    return judged("python", version[:2] >= OLDEST_PYTHON, platform.python_version(), remedy)


def folder(settings: Settings) -> Finding:
    """Whether files can be written where everything goes; without that, nothing there can be looked at either."""
    try:
        settings.var.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.var) as probe:
            probe.write(b"written")
    except OSError as error:
        text = f"{settings.var} cannot be written ({error.strerror})"
        return Finding("folder", Verdict.FAILED, text, "mend its permissions, or choose another --var")
    return Finding("folder", Verdict.OK, f"{settings.var} can be written")


def disk(settings: Settings) -> Finding:
    """Whether there is room for what is written at run time."""
    free = shutil.disk_usage(settings.var).free / 1e9
    text, remedy = f"{free:,.1f} GB free below {settings.var}", "make room, or choose another --var"
    return judged("disk", free >= DISK_WARNING_GB, text, remedy, grave=free < DISK_FAILED_GB)


def ledger_writable(settings: Settings) -> Finding:
    """Whether an order could be written down before it is sent."""
    path = ledger_path(settings)
    remedy = "mend its permissions, or end the program that holds it"
    if ledger_place(settings).path is None:
        return _database_writable(settings)
    if not path.exists():
        return judged("ledger", os.access(settings.var, os.W_OK), f"{path} will be made at the first start", remedy)
    try:
        with closing(sqlite3.connect(path, timeout=LEDGER_PATIENCE_S, isolation_level=None)) as ledger:
            ledger.execute("BEGIN IMMEDIATE")
            ledger.execute("ROLLBACK")
    except sqlite3.Error as error:
        return Finding("ledger", Verdict.FAILED, f"{path} cannot be written ({error})", remedy)
    return Finding("ledger", Verdict.OK, f"{path} can be written")


def _database_writable(settings: Settings) -> Finding:
    place = ledger_place(settings)
    try:
        ledger = existing_ledger(settings)
        if ledger is None:
            return Finding("ledger", Verdict.OK, f"{place} will be made at the first start")
        with closing(ledger), ledger.connection(writing=True) as connection:
            connection.execute(update(Run).where(false()).values(state=Run.state))
            flushes = connection.scalar(text("SHOW fsync")) == "on"
    except FundingBotError as error:
        return Finding("ledger", Verdict.FAILED, str(error), "see whether the database answers, and who may write")
    told = f"{place} can be written{'' if flushes else ', but a power failure takes what was committed'}"
    return judged("ledger", flushes, told, "set fsync = on in postgresql.conf")


def nobody_trades(settings: Settings) -> Finding:
    """Whether a bot runs on this folder already."""
    running = is_running(settings.var)
    text = f"a bot {'runs' if running else 'does not run'} on {settings.var}"
    return judged("single instance", not running, text, "that one may go on; another is refused", grave=False)


def latch(file: LatchFile) -> Finding:
    """Whether entries are held back."""
    held = file.read()
    text = latch_line(held)
    remedy = "find the cause, then `bot resume`"
    return judged("latch", held.state is LatchState.NONE, text, remedy, grave=held.state is not LatchState.PAUSED)


def champion(settings: Settings) -> Finding:
    """Whether who trades has passed the gate; a plain policy has none to pass and is named instead."""
    registry = registry_of(settings)
    try:
        version = registry.champion(schema_of(settings.environment))
        registry.verify(version)
        registry.policy(version, settings.environment, settings.seed)
    except FundingBotError as error:
        return Finding("champion", Verdict.FAILED, str(error), "`bot champion list` shows what there is")
    if version.kind == "plain":
        text = f"{version.name}: the plain policy `{version.policy}`, which no gate judges"
        return Finding("champion", Verdict.OK if version.policy == "rule" else Verdict.WARNING, text)
    text = f"{version.name} {'passed' if version.vouched_for else 'has not passed'} the gate"
    return judged("champion", version.vouched_for, text, "promote one that has, or `bot champion promote rule`")
