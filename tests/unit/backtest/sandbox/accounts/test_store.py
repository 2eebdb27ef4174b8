"""Accounts on disk: they go on where they were, and belong to one world."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backtest.sandbox.accounts.files import accounts_file, forget_accounts
from backtest.sandbox.accounts.records import Force
from backtest.sandbox.accounts.store import AccountStore
from data.errors import StateError
from tests.fakes.account_worlds import Desk, hour_ms, small_world

ROOT = Path(__file__).resolve().parents[5]
TRADES_AND_DIES = """
import os, signal, sys
from pathlib import Path
from tests.fakes.account_worlds import Desk, Force, small_world
folder = Path(sys.argv[1])
desk = Desk(small_world(folder, {2: 95.0}), file=folder / "accounts.db")
desk.order("2", "101", client_id="first")
desk.order("1", "97", Force.GTC, client_id="second")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_account_outlives_a_killed_process_and_what_time_did_meanwhile_happens_to_it(tmp_path: Path) -> None:
    told = [sys.executable, "-c", TRADES_AND_DIES, str(tmp_path)]
    ended = subprocess.run(told, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert -signal.SIGKILL == ended.returncode

    desk = Desk(small_world(tmp_path, {2: 95.0}), file=tmp_path / "accounts.db")
    account = desk.go(3)

    assert ["first", "second"] == [fill.client_id for fill in account.fills()]
    assert 3 == account.positions[0].quantity


def test_time_that_passes_between_two_processes_pays_its_funding(tmp_path: Path) -> None:
    world = small_world(tmp_path)
    first = Desk(world, file=tmp_path / "accounts.db")
    first.order("1", "101")
    first.accounts.close()
    world.clock.advance_to(hour_ms(20))

    assert 2 == len(Desk(world, file=tmp_path / "accounts.db").account().payments())


def test_the_accounts_of_another_world_are_refused(tmp_path: Path) -> None:
    AccountStore(tmp_path / "accounts.db", "aa").close()

    with pytest.raises(StateError, match="another world"):
        AccountStore(tmp_path / "accounts.db", "bb")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "accounts.db").write_text("something else, and long enough to be looked at as a database header " * 30)

    with pytest.raises(StateError, match="delete it"):
        AccountStore(tmp_path / "accounts.db", "aa")


def test_a_world_that_begins_anew_has_no_accounts(tmp_path: Path) -> None:
    clock_file = tmp_path / "served.json"
    desk = Desk(small_world(tmp_path), file=accounts_file(clock_file))
    desk.order("1", "90", Force.GTC)
    desk.accounts.close()

    forget_accounts(clock_file)

    assert ["clock.json"] == [path.name for path in tmp_path.iterdir()]
