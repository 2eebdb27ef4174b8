"""The JSON API: what the page shows, pause, resume and kill, predictions, metrics. Described in /api/openapi.json."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field

from bot.web.desk import Desk
from bot.web.doors import COOKIE
from bot.web.metrics import metrics_text
from bot.web.models import (
    Account,
    Alert,
    Curve,
    Health,
    InstrumentView,
    KillView,
    LatchView,
    Learning,
    Market,
    PositionView,
    Problem,
    State,
)
from bot.web.policy import NotUnderstood
from bot.web.predict_models import PolicyView, Prediction, PredictRequest
from data.errors import DataError, StateError

WRONG_TOKEN_S = 0.5
"""A wrong token is answered after so long."""
NOTHING_YET: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "Not now; the text says why."}}
DOORS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The token is missing or wrong."},
    403: {"model": Problem, "description": "Asked for by another site, or under another name."},
}
CHANGES: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "Not text."},
    413: {"model": Problem, "description": "Too much at once."},
    415: {"model": Problem, "description": "Not JSON."},
}


class Body(BaseModel):
    """Of what changes something."""

    model_config = ConfigDict(extra="forbid")


class PauseBody(Body):
    """Why."""

    reason: str = Field("paused by hand", min_length=1, max_length=200)


class ResumeBody(Body):
    """Typed by a person where more than a pause holds."""

    confirm: Literal["", "resume"] = ""


class KillBody(Body):
    """Typed by a person."""

    confirm: Literal["kill"]


class LoginBody(Body):
    """The token."""

    token: str = Field(max_length=500)


def make_api(desk: Desk) -> APIRouter:
    """The routes, answered from `desk`."""
    router = APIRouter(responses=DOORS)
    _add_reads(router, desk)
    _add_controls(router, desk)
    _add_prediction(router, desk)
    return router


def _add_reads(router: APIRouter, desk: Desk) -> None:
    @router.get("/api/state")
    def state() -> State:
        """Everything but the curve and the learning."""
        return desk.state()

    @router.get("/api/account", responses=NOTHING_YET)
    def account() -> Account:
        """The newest run at its last complete hour."""
        found = desk.reader.seen.account
        if found is None:
            raise StateError("no hour was completed yet: start with `bot run --paper`, and ask again in a moment")
        return found

    @router.get("/api/equity")
    def equity() -> Curve:
        """Hourly equity and drawdown."""
        return desk.reader.seen.curve

    @router.get("/api/positions")
    def positions() -> tuple[PositionView, ...]:
        """Open positions with both legs."""
        return desk.reader.seen.positions

    @router.get("/api/market")
    def market() -> Market:
        """Opportunities now, and when funding settles next."""
        return desk.state().market

    @router.get("/api/learning")
    def learning() -> Learning:
        """Population with lineage, verdicts of the gate, champions."""
        return desk.reader.learning

    @router.get("/api/alerts")
    def alerts() -> tuple[Alert, ...]:
        """What happened, newest first."""
        return desk.state().alerts

    @router.get("/api/health")
    def health() -> Health:
        """How the bot stands."""
        return desk.state().health

    @router.get("/api/instruments")
    def instruments() -> tuple[InstrumentView, ...]:
        """What the newest run trades."""
        return tuple(
            InstrumentView(venue=one.venue, symbol=one.symbol, asset=str(one.asset), quote=one.quote, spot=one.spot)
            for one in desk.reader.seen.instruments
        )

    @router.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
    def metrics() -> Response:
        """For Prometheus."""
        return Response(metrics_text(desk.state(), desk.reader.learning), media_type=CONTENT_TYPE_LATEST)


def _add_controls(router: APIRouter, desk: Desk) -> None:
    @router.post("/api/pause", responses=NOTHING_YET | CHANGES)
    async def pause(body: PauseBody) -> LatchView:
        """No entries from now on; positions are held, and closed as ever."""
        return await asyncio.to_thread(desk.controls.pause, body.reason)

    @router.post("/api/resume", responses=NOTHING_YET | CHANGES)
    async def resume(body: ResumeBody) -> LatchView:
        """Allow entries again; after a kill only with the word."""
        return await asyncio.to_thread(desk.controls.resume, confirmed=body.confirm == "resume")

    @router.post("/api/kill", status_code=202, responses=CHANGES)
    async def kill(body: KillBody) -> KillView:
        """Stop trading and close everything, now; GET /api/kill tells what becomes of it."""
        return desk.controls.kill()

    @router.get("/api/kill")
    async def killed() -> KillView:
        """What became of the kill switch."""
        return desk.controls.killed

    @router.post("/api/login", status_code=204, responses=NOTHING_YET | CHANGES)
    async def login(body: LoginBody, request: Request, response: Response) -> None:
        """Have the browser keep a cookie in place of the token."""
        if desk.token is None:
            raise StateError("no token is set, so none is asked for: open the page")
        if not desk.token.is_(body.token):
            await asyncio.sleep(WRONG_TOKEN_S)
            raise WrongToken
        response.set_cookie(
            COOKIE, desk.token.cookie, httponly=True, samesite="strict", max_age=30 * 86_400,
            secure=desk.settings.web.public_url is not None or request.headers.get("origin", "").startswith("https:"),
        )  # fmt: skip


def _add_prediction(router: APIRouter, desk: Desk) -> None:
    @router.get("/api/policy", responses=NOTHING_YET)
    async def policy() -> PolicyView:
        """Who decides, and what each number that it is shown means."""
        return desk.champion.view()

    @router.post("/predict", responses=NOTHING_YET | CHANGES)
    async def predict(body: PredictRequest) -> Prediction:
        """What the champion does, seen this observation or this market; nothing is traded."""
        try:
            if body.snapshot is None:
                return desk.champion.on_observation(body)
            seen = await asyncio.to_thread(lambda: desk.reader.seen)
            return await asyncio.to_thread(desk.champion.on_snapshot, body.snapshot, seen)
        except NotUnderstood as error:
            raise _not_understood(error.part, error) from error
        except DataError as error:
            raise _not_understood("snapshot", error) from error


class WrongToken(Exception):
    """Somebody does not know the token."""


def _not_understood(part: str, error: Exception) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", part), "msg": str(error), "type": "value_error"}])
