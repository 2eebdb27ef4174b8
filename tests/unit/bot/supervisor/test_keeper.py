"""A process that ends is started again, one that hangs is ended, and what no start can mend is left: real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.service_settings import ServiceSettings
from bot.supervisor.child import Child
from bot.supervisor.keeper import LONGEST_PAUSE_S, Keeper, State, end_all, pause_s

SETTINGS = ServiceSettings().model_copy(update={"hang_s": 0.6, "restart_s": 0.05})
WORKER = """\
import json, os, sys, time
from pathlib import Path
job = json.loads(sys.stdin.readline())
lives = Path(job["lives"])
number = len(lives.read_text().splitlines()) if lives.exists() else 0
with lives.open("a") as file:
    print(os.getpid(), time.time(), file=file)
def up():
    os.write(job["pipe"], json.dumps({"up": True, "tick": number}).encode() + b"\\n")
def beat():
    while True:
        up()
        time.sleep(0.05)
"""
CHILD = """\
import json, sys, time
from bot.child_process import end_with_parent, read_job
job = read_job()
end_with_parent()
open(job["lives"], "w").write("lives")
time.sleep(600)
"""
PARENT = """\
import asyncio, sys
from pathlib import Path
from bot.supervisor.child import Child, environment
async def main():
    child = Child("worker", Path(sys.argv[1]) / "worker.out")
    await child.start([sys.executable, "-c", sys.argv[2]], {"lives": sys.argv[1] + "/lives"}, environment())
    print(child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def keeper_of(folder: Path, work: str, held: Callable[[], str] = lambda: "") -> Keeper:
    async def start() -> Child:
        child = Child("worker", folder / "worker.out")
        command = [sys.executable, "-S", "-E", "-c", WORKER + work]
        await child.start(command, {"lives": str(folder / "lives")}, os.environ)
        return child

    return Keeper("worker", start, SETTINGS, held)


def lives(folder: Path) -> list[tuple[int, float]]:
    path = folder / "lives"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), float(begun)) for pid, begun in map(str.split, lines)]


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.02)


def test_a_process_that_fails_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path, "print('what went wrong', file=sys.stderr)\nsys.exit(0 if number == 3 else 1)")
    assert 0 == asyncio.run(keeper.keep())
    begun = [time for _, time in lives(tmp_path)]
    gaps = [after - before for before, after in zip(begun, begun[1:], strict=False)]
    assert (3, 4) == (keeper.restarts, len(begun))
    assert all(gap >= 0.05 * 2**n for n, gap in enumerate(gaps))
    assert keeper.child is not None
    assert "what went wrong" == keeper.child.last_words()


def test_what_another_start_would_only_repeat_is_not_started_again(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path, "sys.exit(2)")
    assert (2, 1, State.ENDED) == (asyncio.run(keeper.keep()), len(lives(tmp_path)), keeper.state)


def test_once_it_was_up_the_same_code_is_weather(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path, "up()\ntime.sleep(0.2)\nsys.exit(5 if number == 0 else 0)")
    assert (0, 2) == (asyncio.run(keeper.keep()), len(lives(tmp_path)))


def test_a_machine_that_cannot_start_a_process_now_is_asked_again(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path / "absent", "sys.exit(0)")
    (tmp_path / "absent").write_text("a file where its folder should be")

    async def watched() -> int:
        task = asyncio.create_task(keeper.keep())
        await until(lambda: keeper.state is State.PAUSING)
        (tmp_path / "absent").unlink()
        (tmp_path / "absent").mkdir()
        return await task

    assert (0, 1) == (asyncio.run(watched()), len(lives(tmp_path / "absent")))


@pytest.mark.parametrize("manner", ["time.sleep(600)", "os.kill(os.getpid(), 19)"])
def test_a_process_that_gives_no_sign_of_life_is_ended_and_started_again(tmp_path: Path, manner: str) -> None:
    keeper = keeper_of(tmp_path, f"up()\nif number == 0:\n    {manner}\nsys.exit(0)")
    assert (0, 2) == (asyncio.run(keeper.keep()), len(lives(tmp_path)))


def test_a_process_that_works_for_long_and_gives_signs_of_life_is_left_alone(tmp_path: Path) -> None:
    async def watched() -> None:
        keeper = keeper_of(tmp_path, "beat()")
        task = asyncio.create_task(keeper.keep())
        await until(lambda: keeper.state is State.UP)
        await asyncio.sleep(3 * SETTINGS.hang_s)
        assert (State.UP, 0) == (keeper.state, keeper.restarts)
        await end_all([keeper], [task], 5.0, asyncio.Event())
        assert (-signal.SIGTERM, State.ENDED) == (task.result(), keeper.state)

    asyncio.run(watched())


def test_what_is_held_back_is_not_started_again_until_it_is_let(tmp_path: Path) -> None:
    why = ["the kill switch was used"]

    async def watched() -> None:
        keeper = keeper_of(tmp_path, "sys.exit(0 if number else 1)", lambda: why[0])
        task = asyncio.create_task(keeper.keep())
        await until(lambda: keeper.state is State.HELD)
        await asyncio.sleep(0.3)
        assert 1 == len(lives(tmp_path))
        why[0] = ""
        assert (0, 2) == (await task, len(lives(tmp_path)))

    asyncio.run(watched())


@pytest.mark.parametrize(("stop_s", "hurry"), [(0.5, False), (600.0, True)])
def test_one_that_does_not_listen_is_ended_by_force(tmp_path: Path, stop_s: float, hurry: bool) -> None:
    async def watched() -> None:
        keeper = keeper_of(tmp_path, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nbeat()")
        task, now = asyncio.create_task(keeper.keep()), asyncio.Event()
        await until(lambda: keeper.state is State.UP)
        if hurry:
            now.set()
        await end_all([keeper], [task], stop_s, now)
        assert -signal.SIGKILL == task.result()

    asyncio.run(watched())


@given(st.integers(1, 10_000), st.floats(0.01, 60))
def test_pauses_grow_and_have_an_end(failures: int, first_s: float) -> None:
    assert first_s <= pause_s(failures, first_s) <= pause_s(failures + 1, first_s) <= LONGEST_PAUSE_S


@pytest.mark.parametrize("stopped", [False, True])
def test_a_process_ends_with_its_supervisor_whatever_either_is_at(tmp_path: Path, stopped: bool) -> None:
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4])}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path, CHILD], stdout=subprocess.PIPE, text=True, env=path
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    asyncio.run(until((tmp_path / "lives").exists))
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    asyncio.run(until(lambda: not Path(f"/proc/{pid}").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text()))
