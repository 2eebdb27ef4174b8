"""What must hold after any fault: the venues' truth is the ledger's, legs are equal, every order was written before it
was sent, and nothing was executed twice.

The truth comes from the sandbox's control, not from the venues' answers; the ledger is read from its file.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from backtest.accounting import Books
from backtest.events import apply
from bot.ledger.journal import Journal, Stamp
from bot.ledger.models import Run
from bot.ledger.store import Ledger, instruments_from_json
from data.types import HOUR_MS, Instrument
from tests.fakes.venue_truth import rows, truth
from tests.faults.harness import Stage

CENT = Decimal("0.01")
FINE = Decimal("1e-6")
"""What venues and floats round away of one number."""
DELAY_MS = 60_000
Key = tuple[str, str]


@dataclass(frozen=True)
class Recorded:
    """What the ledger says, and up to which tick."""

    run: Run
    books: Books
    tick: int
    instruments: tuple[Instrument, ...]
    venues: tuple[str, ...]


def check(stage: Stage, *, allowed: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Everything, after the bot has ended or between two of its hours. `allowed` is by asset what the test itself has
    traded by hand, which nobody may trade away: legs may be so far apart. Gives the truth."""
    told = truth(stage.url)
    known = recorded(stage)
    assert_written_before_sent(told, stage.var)
    assert_once(told, stage.var)
    assert_positions(told, known, dict(allowed or {}))
    ours = {venue: _ours(account, set(allowed or {})) for venue, account in told.items()}
    assert_trades(ours, stage.var)
    assert_money(ours, known, stage.var)
    return told


def _ours(account: dict[str, Any], by_hand: set[str]) -> dict[str, Any]:
    """The account as if nobody had traded these assets by hand."""
    foreign = [f for f in account["fills"] if f["origin"] == "hand" and _coin(f["symbol"]) in by_hand]
    spent = sum(Decimal(f["fee"]) - Decimal(f["realised"]) for f in foreign)
    fills = [fill for fill in account["fills"] if fill not in foreign]
    return account | {"fills": fills, "cash": str(Decimal(account["cash"]) + spent)}


def recorded(stage: Stage) -> Recorded:
    """The books as the next start would find them."""
    ledger = Ledger(stage.var / "ledger.sqlite")
    try:
        run = ledger.latest()
        assert run is not None
        instruments = instruments_from_json(run.instruments)
        saved = ledger.snapshot(run.id)
        assert saved is not None, "the bot never finished an hour"
        tick, books = saved
        for done in Journal(ledger, run.id, instruments, lambda: Stamp("", "", "", "")).unbooked():
            for event in done.events:
                books = apply(books, event)
        return Recorded(run, books, tick, instruments, tuple(sorted(stage.venues)))
    finally:
        ledger.close()


def assert_written_before_sent(told: Mapping[str, Any], var: Path) -> None:
    """No order of ours is at a venue without a row; called right after a kill it proves which came first."""
    written = Counter(_at_venue(row["venue"], row["client_id"]) for row in rows(var, "select * from orders"))
    killed = {_at_venue(*one) for one in (*_kill_orders(var), *_spare_orders(var))}
    for venue, account in told.items():
        for order in account["orders"]:
            name = (venue, order["ticket"]["client_id"])
            assert order["origin"] != "api" or written[name] or name in killed, f"{name} was never written"


def assert_once(told: Mapping[str, Any], var: Path) -> None:
    """Every name is at most one order there, no leg got more than its proposal wanted, no trade is booked twice."""
    names = Counter((v, o["ticket"]["client_id"]) for v, a in told.items() for o in a["orders"] if o["origin"] == "api")
    assert {} == {name: count for name, count in names.items() if count > 1}
    entered: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for row in rows(var, "select * from orders where purpose = 'enter'"):
        entered[row["execution"], row["leg"]] += abs(Decimal(row["filled"]))
    wanted = {
        (row["id"], leg["leg"]): abs(leg["quantity"])
        for row in rows(var, "select id, proposal from executions")
        for leg in json.loads(row["proposal"])["legs"]
    }
    assert {} == {key: filled for key, filled in entered.items() if float(filled) > wanted[key] * (1 + 1e-9)}


def assert_positions(told: Mapping[str, Any], known: Recorded, allowed: Mapping[str, float]) -> None:
    """Venues hold what the books do, and the legs of each asset are equal to a lot step."""
    steps = {one.key: Decimal(repr(one.lot_step)) for one in known.instruments}
    there = {(v, p["symbol"]): Decimal(p["quantity"]) for v, a in told.items() for p in a["positions"]}
    here: dict[Key, float] = defaultdict(float)
    for slot, leg in zip(*known.books.quantity.nonzero(), strict=True):
        here[known.instruments[int(known.books.instrument[slot, leg])].key] += float(known.books.quantity[slot, leg])
    ours = {key: float(quantity) for key, quantity in there.items() if quantity}
    apart = {
        key: (ours.get(key, 0.0), here.get(key, 0.0))
        for key in ours.keys() | here.keys()
        if abs(ours.get(key, 0.0) - here.get(key, 0.0)) > float(steps[key]) * 1e-6
    }
    assert {} == {k: pair for k, pair in apart.items() if _coin(k[1]) not in allowed}, f"(venue, books): {apart}"
    net: dict[str, float] = defaultdict(float)
    for (_, symbol), quantity in ours.items():
        net[_coin(symbol)] += quantity
    coarsest = {a: max(float(s) for key, s in steps.items() if _coin(key[1]) == a) for a in net}
    naked = {a: left for a, left in net.items() if abs(left) > coarsest[a] * (1 + 1e-6) + abs(allowed.get(a, 0.0))}
    assert {} == naked, "net quantity of an asset"


def assert_trades(told: Mapping[str, Any], var: Path) -> None:
    """Every trade at the venues is in the ledger once, with its price and its fee, and no other."""
    there = Counter(
        (v, f["symbol"], _short(f["quantity"]), _short(f["price"]), _short(f["fee"]))
        for v, a in told.items()
        for f in a["fills"]
    )
    here = Counter(
        (r["venue"], r["symbol"], _short(r["quantity"]), _short(r["price"]), _short(r["fee"]))
        for r in rows(var, "select * from venue_fills")
    )
    assert Counter() == there - here, "at a venue, and not in the ledger"
    assert Counter() == here - there, "in the ledger, and at no venue"


def assert_money(told: Mapping[str, Any], known: Recorded, var: Path) -> None:
    """Each payment is booked with its amount, and the cash of the books is the venues', to the cent."""
    booked = {
        (row["venue"], row["symbol"], row["time_ms"]): Decimal(row["amount"])
        for row in rows(var, "select venue, symbol, time_ms, sum(amount) as amount from venue_funding group by 1, 2, 3")
    }
    cash = {v: Decimal(str(c)) for v, c in zip(known.venues, known.books.cash.tolist(), strict=True)}
    for venue, account in told.items():
        owed: dict[tuple[str, str, int], Decimal] = defaultdict(Decimal)
        apart = Decimal(0)
        for payment in account["payments"]:
            amount, due = Decimal(payment["amount"]), _due(payment["time_ms"]) <= known.tick
            if payment["kind"] == "funding" and due:
                owed[venue, payment["symbol"], payment["time_ms"]] += amount
            else:
                apart += amount  # not due yet, or no payment of the market's
        mine = {key: amount for key, amount in booked.items() if key[0] == venue}
        assert owed.keys() == mine.keys()
        assert {} == {key: (owed[key], mine[key]) for key in owed if abs(owed[key] - mine[key]) > FINE}
        assert abs(Decimal(account["cash"]) - apart - cash[venue]) < CENT, f"cash at {venue}"


def naked_seconds(stage: Stage) -> float:
    """The most that one execution had stand without its other leg, quote currency x seconds."""
    return max((float(row["naked"]) for row in stage.rows("select naked from executions")), default=0.0)


def _coin(symbol: str) -> str:
    """Hyperliquid's K is a thousand."""
    code = symbol.split("/")[0]
    return f"1000{code[1:]}" if code in ("KPEPE", "KSHIB", "KBONK", "KFLOKI") else code


def _due(time_ms: int) -> int:
    return -((DELAY_MS - time_ms) // HOUR_MS) * HOUR_MS


def _short(number: Any) -> Decimal:
    return round(Decimal(str(number)), 6)


def _at_venue(venue: str, client_id: str) -> Key:
    """As the venue writes it."""
    if venue == "hyperliquid":
        return venue, "0x" + hashlib.sha256(client_id.encode()).hexdigest()[:32]
    return venue, client_id


def _kill_orders(var: Path) -> list[Key]:
    """Of the kill switch, which has a journal of its own."""
    path = var / "kill-journal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []
    return [(line["venue"], line["client_id"]) for line in lines if line["event"] == "order"]


def _spare_orders(var: Path) -> list[Key]:
    """Of exits that the ledger did not take."""
    path = var / "exits.journal"
    text = path.read_text() if path.exists() else ""
    lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    return [(line["order"]["venue"], line["order"]["client_id"]) for line in lines if "order" in line]
