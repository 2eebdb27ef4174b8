"""A service from start to end, with small processes in the place of the trader: signals, exit codes, accounts."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from bot.alerts import LOG
from bot.instance import single_instance
from bot.service_settings import ServiceSettings
from bot.settings import Settings
from bot.supervisor import service
from bot.supervisor.service import Service, serve
from data.errors import StateError

BEGINS = """\
import json, os, signal, sys, time
job = json.loads(sys.stdin.readline())
var = job["settings"]["var"]
def told(name):
    path = os.path.join(var, name)
    return open(path).read().split() if os.path.exists(path) else []
with open(os.path.join(var, "fresh"), "a") as file:
    print(job["fresh"], file=file)
number = len(told("fresh")) - 1
def up(**more):
    os.write(job["pipe"], json.dumps({"up": True, **more}).encode() + b"\\n")
"""


@pytest.fixture(autouse=True)
def log_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service logs to its own files."""
    for name in ("handlers", "level", "propagate"):
        monkeypatch.setattr(LOG, name, getattr(LOG, name))
    monkeypatch.setattr(LOG, "handlers", [])


def lived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, *, fresh: bool = False) -> int:
    """The exit code of a service whose trader does that."""
    monkeypatch.setattr(service, "python", lambda module: [sys.executable, "-S", "-E", "-c", BEGINS + work])
    settings = Settings(var=tmp_path, service=ServiceSettings(restart_s=0.01, stop_s=600))
    return serve(settings, {}, fresh=fresh)


def texts(tmp_path: Path) -> list[str]:
    lines = (tmp_path / "logs" / "supervisor.jsonl").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines]


def test_a_fresh_account_is_begun_until_a_process_has_one_and_never_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = "if number == 1: up(run=7)\nsys.exit(0 if number == 3 else 1)"
    assert 0 == lived(tmp_path, monkeypatch, work, fresh=True)
    assert ["True", "True", "False", "False"] == (tmp_path / "fresh").read_text().split()


@pytest.mark.parametrize("code", [2, 3, 4, 5])
def test_what_no_start_can_mend_ends_the_service_with_that_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    work = f"print('the keys of binance are missing: set BINANCE_API_KEY', file=sys.stderr)\nsys.exit({code})"
    assert code == lived(tmp_path, monkeypatch, work)
    last = "trading cannot begin: the keys of binance are missing: set BINANCE_API_KEY"
    assert last == texts(tmp_path)[-2]
    assert last in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listens", "signals", "code"),
    [(True, [signal.SIGTERM], 0), (True, [signal.SIGHUP, signal.SIGINT], 0), (False, [signal.SIGINT] * 2, 130)],
)
def test_a_signal_asks_the_processes_to_end_and_a_second_one_ends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listens: bool, signals: list[signal.Signals], code: int
) -> None:
    ask = "\n".join(f"os.kill(os.getppid(), {number:d})\ntime.sleep(0.3)" for number in signals)
    deaf = "" if listens else "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    try:
        assert code == lived(tmp_path, monkeypatch, f"{deaf}up()\n{ask}\ntime.sleep(600)")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ("the trader did not end when it was asked to: it is ended by force" in texts(tmp_path)) is (not listens)
    assert 1 == len((tmp_path / "fresh").read_text().split())


def test_one_service_runs_on_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        single_instance(tmp_path, service.SERVICE_LOCK),
        pytest.raises(StateError, match="another bot is running"),
    ):
        lived(tmp_path, monkeypatch, "sys.exit(0)")


def test_a_service_does_not_begin_where_a_bot_trades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ORPHAN_S", 0.3)
    with single_instance(tmp_path), pytest.raises(StateError, match="another bot is running"):
        asyncio.run(Service(Settings(var=tmp_path), {}, fresh=False).run())
    assert not (tmp_path / "fresh").exists()
    assert os.getpid() == int((tmp_path / "bot.lock").read_text())
