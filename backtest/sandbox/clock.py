"""Market time of the simulated world, kept in a file, so that a sandbox that died goes on where it was.

Used by `world` alone; the bot reads it over HTTP through `client.SandboxClock`.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.errors import StateError


@dataclass(frozen=True)
class WorldIdentity:
    """What makes one world differ from another: a clock belongs to exactly one."""

    fingerprint: str
    """A digest of the whole market and of the time at which it begins."""
    label: str
    """The same for people, e.g. "synthetic market, seed 7"."""


class MarketClock:
    """Market time, ms since 1970 UTC. Speed 0: it moves only by `advance_to`. Speed > 0: it runs that many market
    seconds per real second while the process lives. It never goes back and never passes the market's end.

    A stepped clock is saved at each advance; a running one whenever `save` is called, so a kill -9 costs it the real
    time since then. Raises StateError for a state file of another world, an unreadable one, or one it cannot write.
    """

    def __init__(
        self,
        state_file: Path,
        identity: WorldIdentity,
        *,
        begin_ms: int,
        end_ms: int,
        speed: float = 0.0,
        real_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin at the time in `state_file`, or at `begin_ms` if there is none; `real_s` is real time in seconds."""
        self.end_ms = end_ms
        self.speed = speed
        self.identity = identity
        self._state_file = state_file
        self._real_s = real_s
        self._saved_ms = self._load(begin_ms)
        self._from_ms = begin_ms if self._saved_ms is None else self._saved_ms
        self._from_real_s = real_s()
        self.save()

    def now_ms(self) -> int:
        """Market time now."""
        if self.speed == 0:
            return self._from_ms
        passed_ms = int((self._real_s() - self._from_real_s) * 1000 * self.speed)
        return min(self._from_ms + passed_ms, self.end_ms)

    def advance_to(self, target_ms: int) -> int:
        """Move to `target_ms`, or to the market's end if that is earlier; stay if that is past. Saved when it returns.
        Gives the time reached; raises StateError on a clock that runs by itself."""
        if self.speed > 0:
            raise StateError(f"the sandbox's clock runs by itself, at speed {self.speed:g}: it cannot be advanced")
        self._from_ms = max(self._from_ms, min(target_ms, self.end_ms))
        self.save()
        return self._from_ms

    def save(self) -> None:
        """Write the time to the state file, whole or not at all; nothing if it has not changed."""
        now = self.now_ms()
        if now == self._saved_ms:
            return
        state = {"world": self.identity.label, "fingerprint": self.identity.fingerprint, "now_ms": now}
        half_written = self._state_file.with_name(self._state_file.name + ".new")
        try:
            half_written.write_text(json.dumps(state) + "\n", encoding="utf-8")
            half_written.replace(self._state_file)
        except OSError as error:
            raise StateError(
                f"{self._state_file}: cannot be written ({error}); make room or choose another place"
            ) from error
        self._saved_ms = now

    def _load(self, begin_ms: int) -> int | None:
        """The time in the state file; None if there is no such file."""
        anew = f"delete {self._state_file} to begin this world anew"
        try:
            state = json.loads(self._state_file.read_text(encoding="utf-8"))
            world, fingerprint, now = str(state["world"]), state["fingerprint"], state["now_ms"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self._state_file} is not a readable sandbox state; {anew}") from error
        if fingerprint != self.identity.fingerprint:
            raise StateError(
                f"{self._state_file} belongs to another world ({world}), not to this one ({self.identity.label}): "
                f"go back to its settings, or {anew}"
            )
        if type(now) is not int or not begin_ms <= now <= self.end_ms:
            raise StateError(f"{self._state_file} holds the time {now!r}, which this world does not have; {anew}")
        return now
