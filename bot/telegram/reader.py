"""Asks the process that reads ledger, registry and population: what it loads, and whatever it hangs in, stays there.

Used by `service`. One process, started when it is first needed; one that does not answer in time is killed, and the
next question gets a new one.
"""

import asyncio
import base64
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.alerts import TELEGRAM
from bot.settings import Settings

LOG = logging.getLogger(TELEGRAM)

MOST_BYTES = 32_000_000
"""Of one answer; pictures are in it."""


@dataclass(frozen=True)
class Part:
    """One message of an answer: HTML, and perhaps a picture that it is the caption of."""

    html: str
    picture: bytes | None = None


class Reader:
    """Answers questions one after the other. One event loop; `close` it."""

    def __init__(self, settings: Settings) -> None:
        self._told = settings.model_dump_json()
        self._timeout_s = settings.telegram.answer_s
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    async def ask(self, command: str, words: Sequence[str]) -> list[Part]:
        """What there is to say; what went wrong is said, too."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._asked(json.dumps({"command": command, "words": words}))
            except TimeoutError:
                await self._end()
                return [Part(f"no answer within {self._timeout_s:g} s; ask again. /pause and /kill need none")]
            except (OSError, ValueError, KeyError) as error:
                LOG.warning("who answers /%s failed: %r", command, error)
                await self._end()
                return [Part("who answers this failed: ask again, and see the log. /pause and /kill need it not")]

    async def close(self) -> None:
        """End the process."""
        await self._end()

    async def _asked(self, question: str) -> list[Part]:
        line = await self._line(question)
        if not line:  # it had ended for lack of questions
            await self._end()
            line = await self._line(question)
        told: list[dict[str, Any]] = json.loads(line)
        return [Part(one["html"], None if one["picture"] is None else base64.b64decode(one["picture"])) for one in told]

    async def _line(self, question: str) -> bytes:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "bot.answers", stdin=PIPE, stdout=PIPE, limit=MOST_BYTES
            )
            self._write(self._told)
        self._write(question)
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    def _write(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()
