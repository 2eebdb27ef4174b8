"""The web application: doors, API, page, and how failures are told. Made by `service`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from bot.settings import Settings
from bot.web.api import WrongToken, make_api
from bot.web.desk import Desk
from bot.web.doors import Doors
from bot.web.page import make_pages
from bot.web.token import Token
from data.errors import FundingBotError

STATIC = Path(__file__).parent / "static"


def make_application(settings: Settings, token: Token | None) -> FastAPI:
    """The application; it begins to read when it is started."""
    desk = Desk.of(settings, token)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        desk.controls.prepare()
        following = asyncio.create_task(desk.follow())
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await desk.controls.close()
        desk.reader.close()

    application = FastAPI(
        title="funding-bot", version="1", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json", lifespan=life
    )
    application.include_router(make_api(desk))
    application.include_router(make_pages(desk))
    application.mount("/static", StaticFiles(directory=STATIC), name="static")
    application.add_middleware(Doors, token=token, public=settings.web.public_url)
    application.add_exception_handler(FundingBotError, _told)
    application.add_exception_handler(WrongToken, _wrong_token)
    application.add_exception_handler(RequestValidationError, _invalid)
    return application


async def _told(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 409)


async def _wrong_token(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"detail": "that is not the token"}, 401)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """What is wrong, without repeating what was sent: JSON could not hold all of it."""
    assert isinstance(error, RequestValidationError)
    told = [{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    return JSONResponse({"detail": told}, 422)
