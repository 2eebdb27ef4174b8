"""A process that writes one hour after the other into a ledger until it is killed, and tells of each on stdout.

Beside a SQLite ledger it keeps a file with the hour that it is at, as the sandbox keeps its clock.
"""

import os
import subprocess
import sys
from pathlib import Path

from backtest.accounting import new_books
from bot.alerts import Event, Kind
from bot.ledger.database import Place
from bot.ledger.store import Ledger, TickRecord
from data.types import HOUR_MS

FIRST = 1_000_000
"""Hours since 1970."""
EVENTS = 20
CLOCK = "clock"


def endless_hours(place: Place, run: int) -> subprocess.Popen[str]:
    """Start it; it goes on where the one before was killed."""
    told = str(place.path) if place.path is not None else place.url.render_as_string(hide_password=False)
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.endless_hours", told, place.account, str(run)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


def main(told: str, account: str, run: int) -> None:
    place = Place.postgres(told, account) if account else Place.file(Path(told))
    ledger = Ledger(place)
    saved = ledger.snapshot(run)
    tick = FIRST * HOUR_MS if saved is None else saved[0] + HOUR_MS
    while True:
        hours = tick // HOUR_MS - FIRST
        if place.path is not None:
            beside = place.path.with_name(f".{CLOCK}")
            beside.write_text(str(hours))
            beside.replace(place.path.with_name(CLOCK))
        events = [Event(tick, Kind.DATA, str(number)) for number in range(EVENTS)]
        ledger.record_tick(run, TickRecord(tick, float(hours), events=events), new_books(2, 3, float(hours + 1)))
        print(hours, flush=True)
        tick += HOUR_MS


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
