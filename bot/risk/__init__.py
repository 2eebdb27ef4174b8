"""The one gate between a decision and an order: what risk has not approved cannot be sent."""

from bot.risk.denial import Denial
from bot.risk.gate import ApprovedOrder, Denied, RiskGate

__all__ = ["ApprovedOrder", "Denial", "Denied", "RiskGate"]
