"""The sandbox as a process of its own: it starts, keeps its clock over every kind of end, and dies with its parent."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt.async_support as ccxt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtest.sandbox.client import SandboxClock, SandboxProcess
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import WorldFile
from data.errors import ConfigurationError, DataError, MissingData, StateError, VenueUnreachable
from data.settings import VenueSettings
from data.types import HOUR_MS

START_MS = 1_735_689_600_000
HOURS = 400
BEGIN_MS = START_MS + 14 * 24 * HOUR_MS
END_MS = START_MS + HOURS * HOUR_MS
DEADLINE_S = 20.0
VENUES = {"binance": VenueSettings(half_spread_bps=0.5), "hyperliquid": VenueSettings(half_spread_bps=0.5)}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two venues' recorded funding and candles of BTC, 400 hours of them."""
    folder = tmp_path_factory.mktemp("recording")
    rows: dict[str, list[Any]] = {"exchange": [], "symbol": [], "timestamp": []}
    for venue, symbol in (("binance", "BTC/USDT:USDT"), ("hyperliquid", "BTC/USDC:USDC")):
        rows["exchange"] += [venue] * HOURS
        rows["symbol"] += [symbol] * HOURS
        rows["timestamp"] += [START_MS + hour * HOUR_MS for hour in range(HOURS)]
    count = len(rows["timestamp"])
    where = {name: pa.array(values) for name, values in rows.items()}
    where["timestamp"] = where["timestamp"].cast(pa.timestamp("ms", "UTC"))
    price = {name: [95_000.5] * count for name in ("open", "high", "low", "close")}
    funding = {"funding_rate": [1.25e-05] * count, "interval_hours": [1] * count, "offset_ms": [7] * count}
    pq.write_table(pa.table(where | price | {"volume": [12.5] * count}), folder / "ohlcv_1h.parquet")
    pq.write_table(pa.table(where | funding), folder / "funding.parquet")
    return folder


@pytest.fixture(scope="module")
def told(recording: Path) -> Callable[..., WorldFile]:
    """`told(**settings)`: the description of a world that replays the recording."""

    def make(**settings: Any) -> WorldFile:
        return WorldFile(
            settings=SandboxSettings(replay=recording, **settings),
            venues=VENUES,
        )

    return make


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "var" / "sandbox.json"


@pytest.fixture(scope="module")
def standing_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("standing") / "sandbox.json"


@pytest.fixture(scope="module")
def standing(told: Any, standing_state: Path) -> Iterator[SandboxProcess]:
    """One whose clock nobody moves."""
    with SandboxProcess(told(), standing_state) as sandbox:
        yield sandbox


def ask_clock(url: str, call: Callable[[SandboxClock], Any]) -> Any:
    async def talk() -> Any:
        async with SandboxClock(url) as clock:
            return await call(clock)

    return asyncio.run(talk())


def now_of(url: str) -> int:
    return int(ask_clock(url, lambda clock: clock.now_ms()))


def listens(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_stepped_clock_begins_two_weeks_into_its_market_and_moves_only_when_it_is_asked_to(
    told: Any, state: Path
) -> None:
    async def step(clock: SandboxClock) -> list[int]:
        times = [await clock.now_ms()]
        for target in (BEGIN_MS + HOUR_MS, BEGIN_MS + 1, BEGIN_MS + 3 * HOUR_MS):
            await clock.sleep_until(target)
            times.append(await clock.now_ms())
        return times

    with SandboxProcess(told(), state) as sandbox:
        times = ask_clock(sandbox.url, step)

    assert times == [BEGIN_MS, BEGIN_MS + HOUR_MS, BEGIN_MS + HOUR_MS, BEGIN_MS + 3 * HOUR_MS]


def test_a_running_clock_is_waited_for(told: Any, state: Path) -> None:
    with SandboxProcess(told(speed=36_000.0), state) as sandbox:
        ask_clock(sandbox.url, lambda clock: clock.sleep_until(BEGIN_MS + 2 * HOUR_MS))

        assert now_of(sandbox.url) >= BEGIN_MS + 2 * HOUR_MS


def test_beyond_the_market_s_end_there_is_nothing_to_wait_for(standing: SandboxProcess) -> None:
    with pytest.raises(MissingData, match="market ends at 2025-01-17 16:00 UTC"):
        ask_clock(standing.url, lambda clock: clock.sleep_until(END_MS + 1))

    assert now_of(standing.url) == BEGIN_MS


def test_the_clock_goes_on_where_it_was_after_a_stop(told: Any, state: Path) -> None:
    with SandboxProcess(told(), state) as sandbox:
        ask_clock(sandbox.url, lambda clock: clock.sleep_until(BEGIN_MS + 5 * HOUR_MS))
    with SandboxProcess(told(), state) as sandbox:
        assert now_of(sandbox.url) == BEGIN_MS + 5 * HOUR_MS


def test_the_clock_goes_on_where_it_was_after_a_kill(told: Any, state: Path) -> None:
    with SandboxProcess(told(), state) as sandbox:
        ask_clock(sandbox.url, lambda clock: clock.sleep_until(BEGIN_MS + 5 * HOUR_MS))
        assert sandbox.pid is not None
        os.kill(sandbox.pid, signal.SIGKILL)
    with SandboxProcess(told(), state) as sandbox:
        assert now_of(sandbox.url) == BEGIN_MS + 5 * HOUR_MS


def test_a_running_clock_saves_itself_and_never_goes_back_over_a_stop(told: Any, state: Path) -> None:
    with SandboxProcess(told(speed=3600.0), state) as sandbox:
        assert eventually(lambda: json.loads(state.read_text())["now_ms"] > BEGIN_MS)
        before = now_of(sandbox.url)
    with SandboxProcess(told(speed=3600.0), state) as sandbox:
        assert now_of(sandbox.url) >= before


def test_the_state_of_another_world_is_refused(told: Any, state: Path) -> None:
    with SandboxProcess(told(), state):
        pass
    other = told(begin="2025-01-10T00:00:00Z")
    with pytest.raises(StateError, match="belongs to another world .*: go back to its settings, or delete"):
        SandboxProcess(other, state).__enter__()


def test_the_same_world_may_run_at_another_speed(told: Any, state: Path) -> None:
    with SandboxProcess(told(), state) as sandbox:
        ask_clock(sandbox.url, lambda clock: clock.sleep_until(BEGIN_MS + HOUR_MS))
    with SandboxProcess(told(speed=1.0), state) as sandbox:
        assert now_of(sandbox.url) >= BEGIN_MS + HOUR_MS


def test_it_says_which_world_it_shows(standing: SandboxProcess, standing_state: Path) -> None:
    async def describe(url: str) -> Any:
        client = ccxt.Exchange()
        try:
            return await client.fetch(f"{url}/sandbox/world")
        finally:
            await client.close()

    world = asyncio.run(describe(standing.url))

    assert world["venues"] == ["binance", "hyperliquid"] and world["episode"] == ""
    assert world["fingerprint"] == json.loads(standing_state.read_text())["fingerprint"]


def test_stopping_it_ends_the_process_and_its_clock_is_unreachable(told: Any, state: Path) -> None:
    with SandboxProcess(told(), state) as sandbox:
        url = sandbox.url
        assert listens(url)

    assert not listens(url)
    with pytest.raises(VenueUnreachable, match="does not answer"):
        now_of(url)


def test_it_sits_out_an_interrupt_of_its_parent_s_terminal(standing: SandboxProcess) -> None:
    assert standing.pid is not None
    assert os.getpgid(standing.pid) != os.getpgid(0)


def test_it_dies_with_a_parent_that_is_killed(told: Any, state: Path, tmp_path: Path) -> None:
    world = tmp_path / "world.json"
    world.write_text(told().model_dump_json())
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(world), str(state)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    assert listens(url)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    assert eventually(lambda: not listens(url))


PARENT = """
import pathlib, sys, time
from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.world import WorldFile
told = WorldFile.model_validate_json(pathlib.Path(sys.argv[1]).read_text())
with SandboxProcess(told, pathlib.Path(sys.argv[2])) as sandbox:
    print(sandbox.url, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_started_by_hand_it_ends_cleanly_on_a_signal(told: Any, state: Path, tmp_path: Path, number: int) -> None:
    process = by_hand(told().model_dump_json(), state, tmp_path)
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    assert listens(url)

    process.send_signal(number)
    rest, complaints = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, rest, complaints) == (0, "", "")


@pytest.mark.parametrize(
    ("world", "words"),
    [("{", "does not describe a world"), ('{"venues": {"binance": {}}}', "settings"), (None, "cannot be read")],
)
def test_a_world_that_is_not_one_is_one_line_and_exit_code_2(
    state: Path, tmp_path: Path, world: str | None, words: str
) -> None:
    process = by_hand(world, state, tmp_path)
    said, complaint = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, said) == (2, "")
    assert words in complaint and complaint.count("\n") == 1


def by_hand(world: str | None, state: Path, tmp_path: Path) -> subprocess.Popen[str]:
    state.parent.mkdir()
    if world is not None:
        (tmp_path / "world.json").write_text(world)
    return subprocess.Popen(
        [sys.executable, "-m", "backtest.sandbox", "--world", str(tmp_path / "world.json"), "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_what_stops_it_from_starting_is_raised_as_what_it_is(told: Any, state: Path, tmp_path: Path) -> None:
    nowhere = WorldFile(
        settings=SandboxSettings(replay=tmp_path / "nowhere"),
        venues=VENUES,
    )
    with pytest.raises(DataError, match="no such folder"):
        SandboxProcess(nowhere, state).__enter__()
    with pytest.raises(ConfigurationError, match="begins at 2030-01-01 00:00 UTC"):
        SandboxProcess(told(begin="2030-01-01T00:00:00Z"), state).__enter__()


def test_a_start_that_takes_too_long_is_given_up(told: Any, state: Path) -> None:
    sandbox = SandboxProcess(told(), state, timeout_s=0.001)

    with pytest.raises(VenueUnreachable, match="did not start within"):
        sandbox.__enter__()

    assert sandbox.pid is None
