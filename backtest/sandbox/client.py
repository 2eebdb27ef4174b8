"""The bot's side of the sandbox: the process as a context manager, and its clock as a `data.clock.Clock`."""

import asyncio
import ipaddress
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from backtest.sandbox.world import WorldFile
from data.errors import (
    ConfigurationError,
    DataError,
    FundingBotError,
    MissingData,
    StateError,
    VenueError,
    VenueUnreachable,
)

START_TIMEOUT_S = 120.0
"""Making a long synthetic market takes seconds; a cold machine compiles for longer."""
STOP_TIMEOUT_S = 10.0
LONGEST_NAP_S = 1.0
ANSWER_TIMEOUT_S = 10.0
_FAILURES: dict[int, type[FundingBotError]] = {
    kind.exit_code: kind for kind in (ConfigurationError, VenueError, DataError, StateError)
}


class SandboxProcess:
    """A sandbox that lives as long as the block, or as this process if that is shorter: `with SandboxProcess(...) as
    sandbox: sandbox.url`. It sits out a Ctrl-C in the terminal, so that the bot can finish first. Not thread-safe.

    `state_file` keeps its clock; its folder is made, and the world's description is written beside it.
    """

    def __init__(
        self, world: WorldFile, state_file: Path, *, port: int = 0, timeout_s: float = START_TIMEOUT_S
    ) -> None:
        """Nothing is started yet; port 0 is any free one."""
        self._world = world
        self._state_file = state_file
        self._port = port
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        self.url = ""

    def __enter__(self) -> Self:
        """Start, and wait until it listens. Raises what stopped it: ConfigurationError, DataError or StateError, and
        VenueUnreachable if it does not listen in time."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process id; None when it does not run."""
        return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """End it and wait for that: by closing its stdin, then by force. Twice is once."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None and process.stdout is not None:
            process.stdin.close()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        self._stderr.close()

    def _start(self) -> None:
        self._state_file.parent.mkdir(parents=True, exist_ok=True)
        world_file = self._state_file.with_name(self._state_file.stem + ".world.json")
        world_file.write_text(self._world.model_dump_json(indent=2) + "\n", encoding="utf-8")
        self._process = subprocess.Popen(
            # -P: folders of the user's working directory must not be taken for our packages.
            [sys.executable, "-P", "-m", "backtest.sandbox", "--child", "--port", str(self._port)]
            + ["--world", str(world_file), "--state", str(self._state_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
            env=_environment(),
        )
        self.url = self._announced(self._process)

    def _announced(self, process: subprocess.Popen[bytes]) -> str:
        """The URL that the process prints when it listens."""
        lines: queue.Queue[bytes] = queue.Queue()
        stdout = process.stdout
        assert stdout is not None
        threading.Thread(target=lambda: lines.put(stdout.readline()), name="sandbox-url", daemon=True).start()
        try:
            line = lines.get(timeout=self._timeout_s)
        except queue.Empty:
            said = self._said() or "it said nothing"
            raise VenueUnreachable(
                f"the sandbox did not start within {self._timeout_s:g} s ({said}): try again"
            ) from None
        if line:
            return str(json.loads(line)["url"])
        code = process.wait(STOP_TIMEOUT_S)
        said = self._said() or f"the sandbox ended with code {code} and no word: start it by hand to see why"
        raise _FAILURES.get(code, VenueUnreachable)(said)

    def _said(self) -> str:
        """The last line of stderr, which is the error of a process that ended with one."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


class SandboxClock:
    """Market time as the sandbox at `url` has it. Belongs to one event loop; `close` it, or use `async with`."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError for a URL that is not on a loopback address."""
        loopback_only(url)
        self._endpoint = url.rstrip("/") + "/sandbox"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Nothing is asked yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    async def now_ms(self) -> int:
        """Market time; raises VenueUnreachable if the sandbox does not answer."""
        return int((await self._ask("GET"))["now_ms"])

    async def end_ms(self) -> int:
        """When the market ends; raises VenueUnreachable if the sandbox does not answer."""
        return int((await self._ask("GET"))["end_ms"])

    async def speed(self) -> float:
        """Market seconds per second; 0: it waits to be moved. Raises VenueUnreachable."""
        return float((await self._ask("GET"))["speed"])

    async def episode(self) -> str:
        """What is unusual in the market, in one line; empty if nothing is. Raises VenueUnreachable."""
        return str((await self._ask("GET", path="world"))["episode"])

    async def sleep_until(self, target_ms: int) -> None:
        """Return once market time is at or past `target_ms`: a stepped clock is moved there, a running one waited for.
        Raises MissingData, and moves nothing, if the market ends before."""
        while (clock := await self._ask("GET"))["now_ms"] < target_ms:
            if target_ms > clock["end_ms"]:
                raise MissingData(
                    f"the sandbox's market ends at {_date(clock['end_ms'])}, before {_date(target_ms)}: "
                    "begin earlier or make it longer"
                )
            if clock["speed"] == 0:
                await self._ask("POST", {"advance_to": target_ms})
            else:
                left_s = (target_ms - clock["now_ms"]) / 1000 / clock["speed"]
                await asyncio.sleep(min(left_s, LONGEST_NAP_S))

    async def close(self) -> None:
        """Give the connection back. Twice is once."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, method: str, body: Mapping[str, int] | None = None, *, path: str = "clock") -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S))
        try:
            async with self._session.request(method, f"{self._endpoint}/{path}", json=body) as answer:
                if answer.status != 200:
                    raise StateError(f"the sandbox refuses ({answer.status} {await answer.text()}): start it anew")
                content: dict[str, Any] = await answer.json()
                return content
        except (aiohttp.ClientError, TimeoutError) as error:
            raise VenueUnreachable(
                f"the sandbox at {self._endpoint} does not answer ({error!r}): start it again"
            ) from error


def loopback_only(url: str) -> None:
    """Return if the host of `url` is this machine (127.0.0.0/8, ::1 or localhost); raises ConfigurationError if not."""
    try:
        host = urlsplit(url).hostname or ""
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise ConfigurationError(f"{url!r} is not on this machine: in the sandbox every address must be a loopback one")


def _environment() -> dict[str, str]:
    """Ours, with the folder of our packages on the path, so that a checkout runs as an installation does."""
    packages = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([packages, inherited] if inherited else [packages])}


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
