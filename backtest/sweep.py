"""Evaluation sweeps: many policies over one tape, spread over processes, each result the same as from `replay`."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from backtest.policies import Policy
from backtest.replay import Result, replay
from backtest.tape import Tape

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def sweep(
    tape: Tape, policies: Sequence[Policy], *, workers: int, done: Callable[[Result], None] = lambda result: None
) -> list[Result]:
    """Replay every policy on `workers` processes of one thread each; `done` hears of each result, in order.

    Policies must be picklable. One after the other, because the weights of one network stay in a core's cache and those
    of many do not.
    """
    results = []
    with _replays(tape, policies, min(workers, len(policies))) as replays:
        for result in replays:
            done(result)
            results.append(result)
    return results


@contextmanager
def _replays(tape: Tape, policies: Sequence[Policy], workers: int) -> Iterator[Iterator[Result]]:
    if workers <= 1:
        yield (replay(tape, policy) for policy in policies)
        return
    with (
        _one_thread(),
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _take_tape, (tape,)) as pool,
    ):
        yield pool.map(_replay_there, policies)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Numerical libraries of processes started meanwhile use one thread each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_tape: Tape
"""The tape of this worker process."""


def _take_tape(tape: Tape) -> None:
    global _tape
    _tape = tape


def _replay_there(policy: Policy) -> Result:
    return replay(_tape, policy)
