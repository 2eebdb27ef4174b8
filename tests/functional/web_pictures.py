"""Writes the README's pictures of a web page that is served, on a desk and on a phone:
`python -m tests.functional.web_pictures ADDRESS`."""

import asyncio
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.functional.browser import browsing

DOCS = Path(__file__).parents[2] / "docs"
COLOURS, MARGIN = 96, 10
SHOWN = {"web": (1280, "#positions"), "web-phone": (390, "#curves figure")}
"""Each picture's width, CSS pixels, and the last that it shows."""


async def _photograph(address: str, profile: Path) -> None:
    async with browsing(profile) as page:
        for scheme in ("light", "dark"):
            for name, (width, last) in SHOWN.items():
                await page.look(width, dark=scheme == "dark")
                await page.go(address)
                seen = await page.photographed()
                end = await page.value(f"document.querySelector('{last}').getBoundingClientRect().bottom")
                shot = Image.open(BytesIO(seen.picture)).convert("RGB").crop((0, 0, seen.width, round(end) + MARGIN))
                picture = shot.quantize(COLOURS, dither=Image.Dither.NONE)
                picture.save(DOCS / f"{name}-{scheme}.png", optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_photograph(sys.argv[1], Path(folder)))
