"""The server of written answers itself: it pages as its rules say, refuses the unexpected, and stock ccxt reads it."""

import asyncio
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from data.types import HOUR_MS
from tests.fakes.answer_pages import Refusal, paged
from tests.fakes.answered_market import Contract
from tests.fakes.answers_server import ANSWERS, AnswersServer

NOW_MS = 1_795_170_300_000
CLASSES = sorted(folder.name for folder in ANSWERS.iterdir() if folder.is_dir())
CONTRACT = Contract(
    symbol="BTC/USDT:USDT",
    base="BTC",
    contract_size=0.001,
    lot_step=0.001,
    tick_size=0.1,
    price=100.0,
    rate_now=0.0001,
    interval_hours=8,
    phase_hours=4,
    offset_ms=3000,
    best_bid=(99.9, 1.0),
    best_ask=(100.0, 1.0),
    open_interest=1.0,
    turnover=1.0,
)
LAST_MS = CONTRACT.settles_next(NOW_MS) - 8 * HOUR_MS + 3000


def stamps(rule: dict[str, Any], **query: str) -> list[int]:
    """How many settlements before the last one each row of the page is."""
    return [(LAST_MS - row["ms"]) // (8 * HOUR_MS) for row in paged(CONTRACT, None, rule, query, NOW_MS).rows]


def test_a_page_keeps_the_end_and_the_order_that_its_rule_says() -> None:
    newest = {"most": 3, "kept": "newest", "order": "newest first", "from": "from"}
    oldest = {"most": 3, "kept": "oldest", "order": "oldest first", "from": "from"}
    begin = str(LAST_MS - 80 * HOUR_MS)
    assert [0, 1, 2] == stamps(newest, **{"from": begin})
    assert [10, 9, 8] == stamps(oldest, **{"from": begin})


def test_both_bounds_are_included_unless_the_rule_excludes_the_later() -> None:
    rule = {"most": 9, "kept": "oldest", "order": "oldest first", "from": "from", "to": "to"}
    bounds = {"from": str(LAST_MS - 16 * HOUR_MS), "to": str(LAST_MS - 8 * HOUR_MS)}
    assert [2, 1] == stamps(rule, **bounds)
    assert [2] == stamps(rule | {"to_excluded": True}, **bounds)


def test_numbered_pages_go_back_from_the_newest_and_end() -> None:
    rule = {"number": "page", "limit": "size", "most": 100}
    assert [2, 3] == stamps(rule, page="2", size="2")
    total = paged(CONTRACT, None, rule, {}, NOW_MS).about["total_rows"]
    assert [] == stamps(rule, page=str(total // 100 + 2))


@pytest.mark.parametrize(
    ("rule", "query"),
    [
        ({"required": ["from"]}, {}),
        ({"limit": "limit", "beyond": "refuse"}, {"limit": "101"}),
        ({"from": "from", "reach_days": 180}, {"from": str(NOW_MS - 181 * 24 * HOUR_MS)}),
    ],
    ids=["missing", "too many", "too old"],
)
def test_what_the_venue_refuses_is_refused(rule: dict[str, Any], query: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        paged(CONTRACT, None, {"most": 100, "kept": "newest", "order": "newest first"} | rule, query, NOW_MS)


def test_anything_else_is_not_found_and_remembered() -> None:
    async def ask() -> tuple[int, str, list[str]]:
        server = AnswersServer("gate", NOW_MS)
        path = "/api/v4/spot/tickers?currency_pair=BTC_USDT"
        async with server.listening() as url, aiohttp.ClientSession(url) as session, session.get(path) as answer:
            return answer.status, await answer.text(), server.unexpected

    status, text, unexpected = asyncio.run(ask())
    assert (404, ["GET /api/v4/spot/tickers?currency_pair=BTC_USDT"]) == (status, unexpected)
    assert text == f"nothing is written down for {unexpected[0]}"


@pytest.mark.parametrize("name", CLASSES)
def test_stock_ccxt_reads_contract_sizes_and_settled_funding(name: str) -> None:
    types = {"htx": {"linear": True, "spot": False, "inverse": False}}.get(name, ["swap"])

    async def read() -> tuple[dict[str, float], dict[str, bool], tuple[Contract, ...]]:
        server = AnswersServer(name, NOW_MS)
        async with server.listening() as url:
            options = {"fetchMarkets": {"types": types}}
            told = {"enableRateLimit": False, "options": options, "has": {"fetchCurrencies": False}}
            client = getattr(ccxt, name)(told)
            client.urls["api"] = _on(client.urls["api"], url)
            try:
                markets = await client.load_markets()
                contracts = tuple(server.contracts.values())
                rows = {one.symbol: await client.fetch_funding_rate_history(one.symbol) for one in contracts}
            finally:
                await client.close()
        sizes = {one.symbol: markets[one.symbol]["contractSize"] for one in contracts}
        right = {
            one.symbol: all(
                row["fundingRate"] == one.rate(row["timestamp"] - one.offset_ms) for row in rows[one.symbol]
            )
            for one in contracts
        }
        return sizes, right, contracts

    sizes, right, contracts = asyncio.run(read())
    assert {one.symbol: one.contract_size for one in contracts} == sizes
    assert {one.symbol: True for one in contracts} == right


def _on(api: Any, base: str) -> Any:
    """The addresses with every host replaced."""
    if isinstance(api, dict):
        return {name: _on(entry, base) for name, entry in api.items()}
    _, _, path = api.removeprefix("https://").partition("/")
    return f"{base}/{path}" if path else base
