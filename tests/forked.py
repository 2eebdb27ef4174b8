"""`pytest -p tests.forked --workers 7`, for `make test`: collects once, then forks workers that take a file at a time.

Collecting imports all there is, which takes as long as hundreds of tests; workers that are forked share it. Where one
dies, the test that it was at has failed, and another one goes on with the file. So does one whose test hangs, where
pytest is told to end those (`-o faulthandler_exit_on_timeout=true`): it prints where every thread stood.
"""

import gc
import os
import signal
import traceback
from collections.abc import Iterator
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

import pytest

from tests.functional import warm

Numbers = list[int]
"""Of tests, in the order in which they were collected."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, default=0, help="processes that share the files of tests; 0: this one")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    wanted = session.config.option.workers
    if wanted == 0 or session.config.option.collectonly or session.testsfailed:
        return None
    if any({"functional", "faults"} & set(item.path.parts) for item in session.items):
        warm.loaded()  # one for all
    gc.collect()
    gc.freeze()
    try:
        Workers(session).run(wanted)
    finally:
        gc.unfreeze()
    return True


class Workers:
    """The processes, each beside the connection it is heard by."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        by_file = groupby(range(len(session.items)), lambda number: session.items[number].path)
        self._files = iter([list(numbers) for _, numbers in by_file])
        self._pids: dict[Connection, int] = {}
        self._at: dict[Connection, Numbers] = {}
        self._begun = 0

    def run(self, wanted: int) -> None:
        """All tests, by so many at a time."""
        try:
            for _ in range(wanted):
                self._begin([])
            while self._pids:
                for one in wait(list(self._pids)):
                    assert isinstance(one, Connection)
                    self._hear(one)
                if stopped := self._session.shouldfail or self._session.shouldstop:
                    raise self._session.Failed(stopped)
        finally:
            for pid in self._pids.values():
                os.kill(pid, signal.SIGKILL)

    def _begin(self, first: Numbers) -> None:
        ours, theirs = Pipe()
        self._begun += 1
        pid = os.fork()
        if pid == 0:
            for one in (ours, *self._pids):
                one.close()
            _work(self._session, theirs, first, f"worker-{self._begun}")
        theirs.close()
        self._pids[ours], self._at[ours] = pid, first

    def _hear(self, one: Connection) -> None:
        try:
            kind, *told = one.recv()
        except (EOFError, OSError):  # the latter where it died amid a message
            kind = "ended"
        hook = self._session.config.hook
        if kind == "free":
            self._at[one] = next(self._files, [])
            one.send(self._at[one])
        elif kind == "report":
            config = self._session.config
            hook.pytest_runtest_logreport(report=hook.pytest_report_from_serializable(config=config, data=told[0]))
        elif kind == "ended":
            self._ended(one)
        else:
            self._at[one] = self._at[one][1:]
            hook.pytest_runtest_logfinish(nodeid=told[0], location=told[1])

    def _ended(self, one: Connection) -> None:
        _, status = os.waitpid(self._pids.pop(one), 0)
        left = self._at.pop(one)
        one.close()
        code = os.waitstatus_to_exitcode(status)
        if left:
            lost, words = self._session.items[left[0]], f"the worker that ran this ended with {code}"
            report = pytest.TestReport(lost.nodeid, lost.location, {}, "failed", words, "call")
            self._session.config.hook.pytest_runtest_logreport(report=report)
            self._begin(left[1:])
        elif code:
            raise RuntimeError(f"a worker ended with {code} after its last test: what it said is above")


class Told:
    """In a worker: what happens, told to who has forked it."""

    def __init__(self, config: pytest.Config, parent: Connection) -> None:
        self._config, self._parent = config, parent

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._parent.send(("report", data))

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        self._parent.send(("finished", nodeid, location))


def _work(session: pytest.Session, parent: Connection, first: Numbers, name: str) -> NoReturn:
    code = 1
    try:
        _become_a_worker(session.config, parent, name)
        for numbers in _shares(parent, first):
            items = [session.items[number] for number in numbers]
            for item, following in zip(items, (*items[1:], session), strict=True):
                # What the session set up is kept: the next file may be anyone's.
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        session._setupstate.teardown_exact(None)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _shares(parent: Connection, first: Numbers) -> Iterator[Numbers]:
    if first:
        yield first
    parent.send(("free",))
    while numbers := parent.recv():
        yield numbers
        parent.send(("free",))


def _become_a_worker(config: pytest.Config, parent: Connection, name: str) -> None:
    """Nothing is printed, and captured words and temporary folders are its own."""
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(Told(config, parent))
    capturing: Any = plugins.getplugin("capturemanager")
    capturing.stop_global_capturing()
    capturing.start_global_capturing()
    capturing.suspend_global_capture()
    folders: Any = config.__dict__["_tmp_path_factory"]
    folders._basetemp = folders.getbasetemp() / name
    folders._basetemp.mkdir(mode=0o700)
