"""How a venue cuts a history into pages, as its documentation says: by time, by row count or by page number.

Used by the server of written answers. A rule is the "page" entry of an endpoint:

    from, to      parameters that bound the stamps, both included; `unit` "s" or "ms" (default)
    to_excluded   true where a row at `to` is not given
    required      parameters without which the venue refuses
    limit         parameter that asks for fewer rows; `default` rows without it, `most` at most
    beyond        "refuse" where a limit over `most` is an error rather than cut
    limit_wins    true where the time bounds are ignored if a limit is given
    number        parameter that counts pages from 1, newest first
    kept          which end of the bounded rows a full page holds: "newest" or "oldest"
    order         "newest first" or "oldest first"
    reach_days    how far back `from` and `to` may lie
    alone_days    how far back there is anything if neither is given
    depth_hours   how far back there is anything at all
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.types import HOUR_MS
from tests.fakes.answered_market import Contract, Row

DEPTH_HOURS = 9000
"""The contracts are about a year old where the rule does not say otherwise."""


class Refusal(Exception):
    """The venue says no to what was asked for."""


@dataclass(frozen=True)
class Page:
    """Rows in the order in which the venue gives them, and what it says about them."""

    rows: list[Row]
    about: dict[str, Any]


def paged(contract: Contract, kind: str | None, rule: Mapping[str, Any], query: Mapping[str, str], now_ms: int) -> Page:
    """The page that `query` asks for of a contract's candles (of a kind) or settlements (kind None)."""
    if missing := [name for name in rule.get("required", ()) if name not in query]:
        raise Refusal(f"{', '.join(missing)} is required")
    size = _size(rule, query)
    first, last = _bounds(rule, query, now_ms)
    rows = contract.settlements(first, last) if kind is None else contract.candles(kind, first, last)
    if "number" in rule:
        return _numbered(rows, size, int(query.get(rule["number"], 1)))
    kept = rows[-size:] if rule["kept"] == "newest" else rows[:size]
    return Page(kept[::-1] if rule["order"] == "newest first" else kept, {})


def _size(rule: Mapping[str, Any], query: Mapping[str, str]) -> int:
    asked = int(query.get(rule.get("limit", ""), rule.get("default", rule["most"])))
    if asked > rule["most"] and rule.get("beyond") == "refuse":
        raise Refusal(f"the {rule['limit']} field is invalid: {asked} is more than {rule['most']}")
    return min(asked, int(rule["most"]))


def _bounds(rule: Mapping[str, Any], query: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    unit = 1000 if rule.get("unit") == "s" else 1
    oldest = now_ms - int(rule.get("depth_hours", DEPTH_HOURS)) * HOUR_MS
    if rule.get("limit_wins") and rule["limit"] in query:
        return oldest, now_ms
    first = int(query.get(rule.get("from", ""), 0)) * unit
    last = int(query[rule["to"]]) * unit - int(rule.get("to_excluded", 0)) if rule.get("to") in query else now_ms
    reach = now_ms - rule.get("reach_days", 10_000) * 24 * HOUR_MS
    if 0 < first < reach or last < reach:
        raise Refusal(f"from time exceeds {rule['reach_days']}-day limit")
    if "alone_days" in rule and not {rule["from"], rule["to"]} & set(query):
        first = now_ms - rule["alone_days"] * 24 * HOUR_MS
    return max(first, oldest), min(last, now_ms)


def _numbered(rows: list[Row], size: int, number: int) -> Page:
    newest_first = rows[::-1]
    about = {"page": number, "page_size": size, "total_rows": len(rows), "total_pages": -(-len(rows) // size)}
    return Page(newest_first[(number - 1) * size : number * size], about)
