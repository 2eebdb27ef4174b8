"""Writes the README's pictures of a web page that is served: `python -m tests.functional.web_pictures ADDRESS`."""

import asyncio
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.functional.browser import browsing

DOCS = Path(__file__).parents[2] / "docs"
WIDTH, HEIGHT, COLOURS = 1280, 1180, 96


async def _photograph(address: str, profile: Path) -> None:
    async with browsing(profile) as page:
        for scheme in ("light", "dark"):
            await page.look(WIDTH, dark=scheme == "dark")
            await page.go(address)
            seen = await page.photographed()
            picture = Image.open(BytesIO(seen.picture)).convert("RGB").crop((0, 0, seen.width, HEIGHT))
            picture.quantize(COLOURS, dither=Image.Dither.NONE).save(DOCS / f"web-{scheme}.png", optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_photograph(sys.argv[1], Path(folder)))
