from pathlib import Path
from typing import Any

import pytest

from backtest.sandbox.settings import DISTURBANCES, SandboxSettings
from bot.identity import Bounds, identity, market_name
from bot.settings import Settings

BOUNDS = Bounds(hours=240)
DISTURBED: dict[str, Any] = {
    "accounts": {"balance": 500.0},
    "distortions": ({"kind": "frozen"},),
    "faults": ({"kind": "down", "venue": "binance", "times": 3},),
    "latency_ms": 40.0,
    "limits": True,
    "stream_ms": 50.0,
}


def sandboxed(**told: Any) -> Settings:
    return Settings(sandbox=SandboxSettings(**told))


@pytest.mark.parametrize("name", sorted(DISTURBANCES))
def test_a_restart_with_other_faults_continues_the_same_account_and_the_same_lake(name: str) -> None:
    disturbed = sandboxed(**{name: DISTURBED[name]})

    assert disturbed != Settings()
    assert identity(Settings(), BOUNDS) == identity(disturbed, BOUNDS)
    assert market_name(Settings()) == market_name(disturbed)


@pytest.mark.parametrize(
    "told",
    [
        {"synthetic": {"seed": 8}},
        {"replay": Path("/recordings")},
        {"outages": ({"venue": "binance", "begin": "2025-01-20T00:00:00Z", "end": "2025-01-21T00:00:00Z"},)},
        {"shocks": ({"asset": "BTC", "begin": "2025-01-20T00:00:00Z", "percent": -30},)},
        {"begin": "2025-02-01T00:00:00Z"},
    ],
    ids=lambda told: next(iter(told)),
)
def test_another_market_is_another_account(told: dict[str, Any]) -> None:
    assert identity(Settings(), BOUNDS) != identity(sandboxed(**told), BOUNDS)


def test_a_shocked_market_s_prices_lie_in_another_lake() -> None:
    shocked = sandboxed(shocks=({"asset": "BTC", "begin": "2025-01-20T00:00:00Z", "percent": -30},))

    assert market_name(Settings()) != market_name(shocked)


def test_other_bounds_are_another_account_of_the_same_market() -> None:
    assert identity(Settings(), BOUNDS) != identity(Settings(), Bounds(hours=241))
