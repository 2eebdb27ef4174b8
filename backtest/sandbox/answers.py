"""How the sandbox's servers answer over HTTP."""

from aiohttp import web


def json_response(text: str, status: int = 200) -> web.Response:
    """An HTTP answer whose body is JSON already."""
    return web.Response(body=text.encode(), status=status, content_type="application/json")
