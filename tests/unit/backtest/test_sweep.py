"""Sweeps: however many processes share the work, every result is the one that a replay by itself gives."""

import os

import pytest

from backtest.policies import Policy, plain_policy
from backtest.replay import replay
from backtest.sweep import sweep
from tests.unit.backtest.test_replay import tape


def policies() -> list[Policy]:
    schema = tape().schema
    return [plain_policy("rule", schema, 0), *(plain_policy("random", schema, seed) for seed in range(3))]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep_gives_what_replays_give_in_order(workers: int) -> None:
    heard: list[str] = []
    results = sweep(tape(), policies(), workers=workers, done=lambda result: heard.append(result.policy))
    expected = [replay(tape(), policy) for policy in policies()]
    assert [one.equity.tobytes() for one in expected] == [one.equity.tobytes() for one in results]
    assert [one.trades for one in expected] == [one.trades for one in results]
    assert [one.books.tobytes() for one in expected] == [one.books.tobytes() for one in results]
    assert ["rule", "random", "random", "random"] == heard


def test_the_environment_of_this_process_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    sweep(tape(), policies()[:2], workers=2)
    assert ("7", None) == (os.environ.get("OMP_NUM_THREADS"), os.environ.get("MKL_NUM_THREADS"))
