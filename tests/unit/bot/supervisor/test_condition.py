"""How a service stands follows from what its trader told, how long ago that was, and the latch."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from bot.latch import Latches, LatchFile
from bot.service_settings import ServiceSettings
from bot.settings import Settings
from bot.supervisor import condition
from bot.supervisor.beside import SERVICES
from bot.supervisor.child import Child
from bot.supervisor.condition import Condition
from bot.supervisor.keeper import Keeper

TICK_MS = 1_736_589_600_000
PULSE = {"up": True, "tick": TICK_MS, "run": 3, "training": TICK_MS, "text": "equity 10,000.00, 2 positions"}


@pytest.fixture
def trader(tmp_path: Path) -> Keeper:
    async def start() -> Child:
        raise AssertionError("nothing is started here")

    keeper = Keeper("trader", start, ServiceSettings())
    keeper.child = Child("trader", tmp_path / "trader.out")
    keeper.child.pulse = dict(PULSE)
    return keeper


def looked(trader: Keeper, latch: Path) -> Condition:
    return Condition({"trader": trader}, Latches((LatchFile(latch),)), hang_s=300.0)


def test_a_trader_that_trades_is_well(trader: Keeper, tmp_path: Path) -> None:
    told = looked(trader, tmp_path / "kill.json").look()
    assert (True, True, "up", "2025-01-11T10:00Z") == (
        told["healthy"], told["trader"]["alive"], told["trader"]["state"], told["trader"]["last_tick"],
    )  # fmt: skip
    assert {"alive": True, "cycle_due": "2025-01-11T10:00Z"} == told["trainer"]
    assert {"run": 3, "last_tick": "2025-01-11T10:00Z", "text": PULSE["text"]} == told["ledger"]


def test_one_that_is_silent_is_not_alive(trader: Keeper, tmp_path: Path) -> None:
    assert trader.child is not None
    trader.child.heard_s = time.monotonic() - 301.0
    told = looked(trader, tmp_path / "kill.json").look()
    assert (False, False) == (told["healthy"], told["trader"]["alive"])


def test_one_whose_last_hour_is_long_ago_is_behind(
    trader: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = looked(trader, tmp_path / "kill.json")
    assert one.look()["healthy"]
    monkeypatch.setattr(condition, "LATE_S", -1.0)
    told = one.look()
    assert (False, True) == (told["healthy"], told["trader"]["alive"])


@pytest.mark.parametrize(("kill", "well"), [(False, True), (True, False)])
def test_a_pause_is_well_and_a_kill_is_not(trader: Keeper, tmp_path: Path, kill: bool, well: bool) -> None:
    latch = LatchFile(tmp_path / "kill.json")
    if kill:
        latch.kill("by hand")
    else:
        latch.pause("by hand")
    told = looked(trader, latch.path).look()
    assert (well, "by hand") == (told["healthy"], told["latch"]["reason"])


def test_systemd_is_told_that_it_stands_and_how(
    trader: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    systemd = next(one for one in SERVICES if one.name == "systemd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)

        async def told() -> list[bytes]:
            task = asyncio.ensure_future(systemd.run(Settings(), looked(trader, tmp_path / "kill.json")))
            heard = [await asyncio.to_thread(listening.recv, 1000) for _ in range(2)]
            task.cancel()
            return heard

        status = b"WATCHDOG=1\nSTATUS=trader up, 2025-01-11T10:00Z, equity 10,000.00, 2 positions"
        assert [b"READY=1", status] == asyncio.run(told())
