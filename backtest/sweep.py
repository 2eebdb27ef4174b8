"""Evaluation sweeps: many policies over one tape, spread over processes, each result the same as from `replay`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from backtest.policies import Policy
from backtest.replay import Result, replay
from backtest.tape import Tape
from backtest.worker_pool import WorkerPool
from backtest.worker_process import WorkerProcess, one_thread, pack

RETRIES = 2
"""How often a replay is repeated whose worker died."""


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
        with one_thread():
            yield (replay(tape, policy) for policy in policies)
        return
    with WorkerPool(partial(WorkerProcess, pack(_take_tape, tape)), workers, retries=RETRIES) as pool:
        yield pool.map(_replay_there, policies)


_tape: Tape
"""The tape of this worker process."""


def _take_tape(tape: Tape) -> None:
    global _tape
    _tape = tape


def _replay_there(policy: Policy) -> Result:
    return replay(_tape, policy)
