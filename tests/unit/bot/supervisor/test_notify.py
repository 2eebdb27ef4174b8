"""What systemd hears, over a real datagram socket."""

import socket
from pathlib import Path

import pytest

from bot.supervisor.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_what_is_told(tmp_path: Path, abstract: bool) -> None:
    name = f"@{tmp_path.name}-notify" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name[1:]}" if abstract else name)
        systemd.settimeout(5)
        assert Notifier({"NOTIFY_SOCKET": name}).tell("WATCHDOG=1", "STATUS=trader up")
        assert b"WATCHDOG=1\nSTATUS=trader up" == systemd.recv(1000)


def test_where_nobody_listens_nothing_is_told_and_nothing_fails(tmp_path: Path) -> None:
    assert not Notifier({}).tell("READY=1")
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")


def test_a_sign_of_life_comes_twice_as_often_as_the_watchdog_wants_it() -> None:
    assert (15.0, None) == (Notifier({"WATCHDOG_USEC": "30000000"}).every_s, Notifier({}).every_s)
