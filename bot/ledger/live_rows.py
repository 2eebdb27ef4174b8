"""How executions and their orders are written into rows and JSON, and read back. Used by `journal`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import backtest.events as books_events
from backtest.accounting import OPEN
from backtest.settlement import REASONS
from bot.ledger.executions import Completed, Purpose, Sent
from bot.orders import LegOrder, Proposal
from bot.venue_orders import OrderReport, OrderState, Style, VenueOrder
from data.types import Instrument


def order_row(run_id: int, sent: Sent) -> dict[str, Any]:
    """A row of `orders`, but for its stamp."""
    order, report = sent.order, sent.report
    return {
        "client_id": order.client_id,
        "run_id": run_id,
        "execution": sent.execution,
        "tick": sent.tick,
        "slot": sent.slot,
        "leg": sent.leg,
        "attempt": sent.attempt,
        "purpose": sent.purpose.value,
        "venue": order.instrument.venue,
        "symbol": order.instrument.symbol,
        "quantity": order.quantity,
        "worst_price": order.limit,
        "style": order.style.value,
        "reduce_only": order.reduce_only,
        "sent_ms": sent.sent_ms,
        "state": report.state.value,
        "filled": report.filled,
        "average": report.average,
        "venue_id": report.venue_id,
        "reason": report.reason[:200],
    }


def intent_row(run_id: int, proposal: Proposal, leg: LegOrder, client_id: str) -> dict[str, Any]:
    """A row of `intents`."""
    return {
        "client_id": client_id,
        "run_id": run_id,
        "tick": proposal.tick,
        "slot": proposal.slot,
        "leg": leg.leg,
        "venue": leg.instrument.venue,
        "symbol": leg.instrument.symbol,
        "quantity": leg.quantity,
        "reference": leg.reference,
        "reason": "entry" if proposal.entry else "reduced" if proposal.reason == OPEN else REASONS[proposal.reason],
        "state": "pending",
    }


def sent_of(row: Mapping[str, Any], by_key: Mapping[tuple[str, str], Instrument]) -> Sent:
    """The order of a row of `orders`."""
    order = VenueOrder(
        row["client_id"],
        by_key[row["venue"], row["symbol"]],
        float(row["quantity"]),
        float(row["worst_price"]),
        Style(row["style"]),
        bool(row["reduce_only"]),
    )
    report = OrderReport(
        OrderState(row["state"]), float(row["filled"]), float(row["average"]), row["venue_id"], row["reason"]
    )
    place = (row["execution"], row["tick"], row["slot"], row["leg"], row["attempt"])
    return Sent(*place, Purpose(row["purpose"]), order, row["sent_ms"], report)


def proposal_to_json(proposal: Proposal) -> dict[str, Any]:
    """Without instruments, which the run has, and with no collar where it is infinite."""
    legs = [
        {name: value for name, value in vars(leg).items() if name != "instrument"}
        | {"collar": leg.collar if math.isfinite(leg.collar) else None}
        for leg in proposal.legs
    ]
    return vars(proposal) | {"legs": legs, "columns": list(proposal.columns)}


def proposal_from_json(told: Mapping[str, Any], instruments: Sequence[Instrument]) -> Proposal:
    """The reverse of `proposal_to_json`."""
    legs = tuple(
        LegOrder(
            **leg
            | {"instrument": instruments[leg["column"]], "collar": math.inf if leg["collar"] is None else leg["collar"]}
        )
        for leg in told["legs"]
    )
    long, short = told["columns"]
    return Proposal(**dict(told) | {"legs": legs, "columns": (long, short)})


def outcome_to_json(done: Completed) -> dict[str, Any]:
    """What an execution did to the books, and what people are told."""
    events = [{"kind": type(event).__name__, **vars(event)} for event in done.events]
    return {"events": events, "texts": [list(text) for text in done.texts], "columns": list(done.columns)}


def completed_of(number: int, tick: int, told: Mapping[str, Any]) -> Completed:
    """The reverse of `outcome_to_json`."""
    events = tuple(
        getattr(books_events, event["kind"])(**{name: value for name, value in event.items() if name != "kind"})
        for event in told["events"]
    )
    long, short = told["columns"]
    texts = tuple((kind, text) for kind, text in told["texts"])
    return Completed(number, tick, events, (long, short), texts)
