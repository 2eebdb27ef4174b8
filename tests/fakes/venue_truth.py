"""What must hold between the sandbox's accounts and the ledger after any run: the oracle of live trading's tests."""

import json
import sqlite3
import urllib.request
from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

Key = tuple[str, str]


def truth(url: str) -> dict[str, Any]:
    """Every account as the sandbox has it."""
    with urllib.request.urlopen(f"{url}/sandbox/accounts", timeout=30) as answer:
        content: dict[str, Any] = json.load(answer)
    return content


def venue_positions(told: dict[str, Any]) -> dict[Key, Decimal]:
    """Signed quantity by (venue, symbol)."""
    held = {(venue, p["symbol"]): Decimal(p["quantity"]) for venue, one in told.items() for p in one["positions"]}
    return {key: quantity for key, quantity in held.items() if quantity}


def ledger_positions(var: Path) -> dict[Key, Decimal]:
    """The same by the fills of the ledger's orders."""
    held: dict[Key, Decimal] = defaultdict(Decimal)
    for row in rows(var, "select venue, symbol, filled from orders"):
        held[row["venue"], row["symbol"]] += Decimal(row["filled"])
    return {key: quantity for key, quantity in held.items() if quantity}


def unwritten(told: dict[str, Any], var: Path) -> set[str]:
    """Client ids that a venue has and the ledger has not; Hyperliquid's are hashes, so they are counted, not named."""
    written = {row["client_id"] for row in rows(var, "select client_id from orders")}
    named = {
        order["ticket"]["client_id"] for venue, one in told.items() if venue != "hyperliquid" for order in one["orders"]
    }
    there = len(told["hyperliquid"]["orders"]) if "hyperliquid" in told else 0
    mine = sum(row["venue"] == "hyperliquid" for row in rows(var, "select venue from orders where state != 'absent'"))
    return (named - written) | ({"hyperliquid has more orders"} if there > mine else set())


def rows(var: Path, query: str) -> list[sqlite3.Row]:
    """Straight from the ledger's file."""
    with closing(sqlite3.connect(var / "ledger.sqlite", timeout=10)) as ledger:
        ledger.row_factory = sqlite3.Row
        return ledger.execute(query).fetchall()
