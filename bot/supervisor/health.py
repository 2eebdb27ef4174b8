"""GET /health on loopback: how the service stands, as JSON, with 200 where it is well and 503 where it is not."""

import asyncio

from aiohttp import web

from bot.alerts import LOG
from bot.settings import Settings
from bot.supervisor.condition import Condition

LOOPBACK = "127.0.0.1"


async def serve_health(settings: Settings, condition: Condition) -> None:
    """Answer until cancelled. Raises OSError where the port cannot be had."""

    async def answer(request: web.Request) -> web.Response:
        told = condition.look()
        return web.json_response(told, status=200 if told["healthy"] else 503)

    application = web.Application()
    application.add_routes([web.get("/health", answer)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, settings.service.health_port).start()
        LOG.info("health is told at http://%s:%d/health", LOOPBACK, runner.addresses[0][1])
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
