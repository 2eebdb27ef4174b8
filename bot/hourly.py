"""What the trader sees of the market at a tick: collected, told of, and cut into a panel."""

from bot.alerts import Event, Kind
from data.ingest import Collector
from data.lake import Lake
from data.panel import Panel, build_panel
from data.settings import DataSettings
from data.types import HOUR_MS, Instrument


class Hourly:
    """The market of one account's instruments, hour by hour."""

    def __init__(
        self, collector: Collector, lake: Lake, instruments: tuple[Instrument, ...], settings: DataSettings
    ) -> None:
        self._collector = collector
        self._lake = lake
        self._instruments = instruments
        self._settings = settings
        self._troubles: set[str] = set()
        """What was wrong with instruments at the last tick: said once, not every hour."""

    async def collect(self, tick: int) -> list[Event]:
        """Fetch what is missing up to `tick`; what people are told of it. Raises VenueError."""
        collected = await self._collector.collect(tick)
        events = []
        if collected.rows.conflicting:
            note = f"{collected.rows.conflicting} rows came back with other values; the first ones were kept"
            events.append(Event(tick, Kind.DATA, note))
        if collected.rows.rejected:
            note = f"{collected.rows.rejected} rows with impossible numbers were left out"
            events.append(Event(tick, Kind.DATA, note))
        fresh = [trouble for trouble in collected.troubles if trouble not in self._troubles]
        self._troubles = set(collected.troubles)
        return events + [Event(tick, Kind.TROUBLE, trouble) for trouble in fresh]

    def panel(self, tick: int) -> Panel:
        """As much history as a decision looks at, ending at `tick`."""
        first = tick - self._settings.history_hours * HOUR_MS
        return build_panel(
            self._instruments,
            self._lake.bars(self._instruments, first - HOUR_MS, tick),
            self._lake.settlements(self._instruments, first - HOUR_MS, tick),
            first,
            tick,
            self._settings.decision_delay_s,
        )
