"""A `bot` process that is forked from one which has loaded its modules: starting Python and importing takes longer than
most commands do, and the tests start hundreds. Used by `commands` and by the lives of `tests.faults`; run as a script,
this is the process forked from.

Everything else is as after `bot ...` in a shell: a process of its own, with its own arguments, folder, environment,
streams, signals and exit code.
"""

import gc
import importlib
import json
import multiprocessing
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

LOOK_S = 0.005
MOST_BYTES = 1 << 20


class WarmPopen(subprocess.Popen[str]):
    """`subprocess.Popen` of `bot` with these arguments, its clock `ahead_s`; `preexec_fn`, `shell` and the like are not
    for it. What still runs when the tests end is killed."""

    def __init__(self, *args: Any, ahead_s: float = 0.0, **more: Any) -> None:
        self._ahead_s = ahead_s
        super().__init__(*args, **more)

    def _execute_child(self, args: Any, executable: Any, *told: Any) -> None:
        preexec, _, _, cwd, env, _, _, shell, *pipes, _, _, _, _, _, session, _ = told
        assert preexec is None and not shell
        command = {
            "arguments": [str(one) for one in args[1:]],
            "cwd": str(Path.cwd() if cwd is None else cwd),
            "environment": dict(os.environ if env is None else env),
            "session": bool(session),
            "ahead_s": self._ahead_s,
        }
        into, out, err = pipes[0], pipes[3], pipes[5]
        with Path(os.devnull).open("r+b", buffering=0) as nowhere:
            streams = [nowhere.fileno() if one == -1 else one for one in (into, out, err)]
            self.pid = loaded().ask(command, streams)[0]
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid == self.pid:
                self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode

    def _try_wait(self, flags: int) -> tuple[int, int]:
        """The process is another one's child, which is asked for it."""
        while True:
            pid, status = loaded().ask({"wait": self.pid})
            if pid or flags & os.WNOHANG:
                return pid, status
            time.sleep(LOOK_S)


class _Loaded:
    """The process that others are forked from. It ends with this one."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", __file__, str(theirs.fileno())]
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._one_at_a_time = multiprocessing.get_context("fork").Lock()  # of who is forked from this one, too

    def ask(self, command: dict[str, Any], streams: list[int] | None = None) -> tuple[int, int]:
        with self._one_at_a_time:
            socket.send_fds(self._socket, [json.dumps(command).encode()], streams or [])
            pid, status = json.loads(self._socket.recv(MOST_BYTES))
        return pid, status


@cache
def loaded() -> _Loaded:
    """Started once; what is forked from this process afterwards shares it."""
    return _Loaded()


def _serve(commands: socket.socket) -> None:
    """Returns in every process that is forked, which is then as asked for."""
    living = set[int]()
    while True:
        told, streams, _, _ = socket.recv_fds(commands, MOST_BYTES, 3)
        if not told:
            _end(living)
        command = json.loads(told)
        if "wait" in command:
            answer = os.waitpid(command["wait"], os.WNOHANG)
            living.discard(answer[0])
        elif pid := os.fork():
            answer = (pid, 0)
            living.add(pid)
        else:
            commands.close()
            return _become(command, streams)
        for number in streams:
            os.close(number)
        commands.send(json.dumps(answer).encode())


def _end(living: set[int]) -> None:
    for pid in living:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _become(command: dict[str, Any], streams: list[int]) -> None:
    if command["session"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace", buffering=1)
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["environment"])
    sys.argv = ["bot", *command["arguments"]]
    if ahead_ns := round(command["ahead_s"] * 1e9):
        right = time.time_ns
        time.time_ns = lambda: right() + ahead_ns
        time.time = lambda: time.time_ns() / 1e9


def _load() -> Any:
    """The command, with whatever its subcommands import and compiled code brings along."""
    from backtest.accounting import equity, new_books

    cli = Path(importlib.import_module("bot.cli").__path__[0])
    for module in pkgutil.iter_modules([str(cli)], "bot.cli."):
        if module.name not in ("bot.cli.generated", "bot.cli.safety_tables"):
            importlib.import_module(module.name)
    for name in ("bot.runtime", "bot.walk_report", "bot.access", "bot.cycle_process"):
        importlib.import_module(name)
    equity(new_books(2, 3, 1.0))
    gc.freeze()
    return importlib.import_module("bot.cli.main").main


if __name__ == "__main__":
    main = _load()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(main())
