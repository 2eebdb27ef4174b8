"""The page: rendered here, kept up to date by `static/page.js`, which asks for it again and swaps what changed."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from backtest.report.chart import signed
from bot.web.charts import draw_curve, draw_family
from bot.web.desk import Desk
from bot.web.models import Account, Health, MemberRound, Population, State

MINUS = "−"
LEADERS = 8


def make_pages(desk: Desk) -> APIRouter:
    """The page, and the one that asks for the token."""
    templates = _environment()
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/")
    def page(request: Request) -> Response:
        html = templates.get_template("page.html").render(_told(desk)).encode()
        tag = f'"{hashlib.sha256(html).hexdigest()[:32]}"'
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(html, headers=headers)

    @router.get("/login")
    def login() -> Response:
        return HTMLResponse(templates.get_template("login.html").render())

    return router


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bot.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "signed": signed, "money": _money, "price": _price, "moment": _moment, "sign": _sign,
    }  # fmt: skip
    environment.filters.update(filters)
    return environment


def _told(desk: Desk) -> dict[str, object]:
    """Everything that the template shows."""
    seen, state, learning = desk.reader.seen, desk.state(), desk.reader.learning
    population = learning.population
    account = state.account
    mood, words = _mood(state)
    return {
        "settings": desk.settings, "state": state, "account": account, "health": state.health, "learning": learning,
        "drawn": None if account is None else draw_curve(seen.curve, account.initial_capital),
        "family": None if population is None else draw_family(population),
        "leaders": () if population is None else _leaders(population),
        "mood": mood, "words": words, "late": _last_hour(account, state.health),
    }  # fmt: skip


def _mood(state: State) -> tuple[str, str]:
    """(how it is coloured, what it says): the whole bot in a word."""
    health = state.health
    if health.latch.state in ("killed", "unreadable"):
        return "bad", "killed" if health.latch.state == "killed" else "held back"
    if not health.trader_running:
        return "off", "not running"
    if health.late:
        return "bad", "behind"
    return ("warn", "paused") if health.latch.state == "paused" else ("good", "trading")


def _last_hour(account: Account | None, health: Health) -> str:
    if account is None:
        return "no hour is complete yet"
    age = health.hours_since_last_tick
    if age is None or not health.real_time:
        return _moment(account.tick_ms)
    return (
        f"{_moment(account.tick_ms)}, {60 * age:.0f} min ago"
        if age < 2
        else f"{_moment(account.tick_ms)}, {age:.0f} h ago"
    )


def _leaders(population: Population) -> list[MemberRound]:
    """The newest round, best first; failures last."""
    newest = [one for one in population.rounds if (one.cycle, one.round) == (population.cycle, population.round)]
    ranked = sorted(newest, key=lambda one: (one.score is None, -(one.score or 0.0), one.member))
    return ranked[:LEADERS]


def _money(amount: float) -> str:
    return f"{amount:z,.2f}".replace("-", MINUS)


def _price(amount: float) -> str:
    return f"{amount:,.6g}".replace("-", MINUS)


def _moment(ms: int) -> str:
    """UTC, to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%-d %b %Y %H:%M")


def _sign(amount: float) -> str:
    """The class that colours it."""
    return "gain" if amount > 0 else "loss" if amount < 0 else ""
