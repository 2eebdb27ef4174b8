"""Which nonces Hyperliquid accepts of a signer: every request to POST /exchange uses one up, also one that it refuses.

Used by the sandbox's Hyperliquid. The rules (hyperliquid.gitbook.io, API, nonces and API wallets): never one twice;
above the least of the 100 highest so far; from two days before the venue's wall time to a day after it. Their words as
observed on testnet (ccxt issue 30348; riftresearch/hypercore-simulator, docs/observations.md).
"""

import heapq

DAY_MS = 24 * 3600 * 1000
OLDEST_MS = 2 * DAY_MS
NEWEST_MS = DAY_MS
KEPT = 100


class Nonces:
    """Nonces used so far, by signer. One event loop; not thread-safe."""

    def __init__(self) -> None:
        """None is used."""
        self._used: dict[str, set[int]] = {}
        self._highest: dict[str, list[int]] = {}

    def refusal(self, signer: str, nonce: int, wall_ms: int) -> str | None:
        """Use up a signer's nonce at wall time; the venue's words if it refuses it."""
        used, highest = self._used.setdefault(signer, set()), self._highest.setdefault(signer, [])
        if nonce in used:
            return f"Invalid nonce: duplicate nonce {nonce}"
        least = max(wall_ms - OLDEST_MS, highest[0] if len(highest) == KEPT else 0)
        most = wall_ms + NEWEST_MS
        if nonce <= least:
            return f"Invalid nonce: nonce too low {nonce} < {least}"
        if nonce >= most:
            return f"Invalid nonce: nonce too high {nonce} > {most}"
        used.add(nonce)
        heapq.heappush(highest, nonce)
        if len(highest) > KEPT:
            heapq.heappop(highest)
        return None
