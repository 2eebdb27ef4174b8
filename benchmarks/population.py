"""How fast a population learns: the whole reference workload, and what Population Based Training costs besides.

The peer of the bookkeeping is Ray Tune's PopulationBasedTraining with as many members and checkpoints as large.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from backtest.scaler import fit_scaler
from backtest.tape import Tape
from benchmarks.training import one_round, plain
from pbt_online.backend import Backend, open_backend
from pbt_online.checkpoint import weights_hash
from pbt_online.fitness import Score, examination
from pbt_online.memory import Memory
from pbt_online.population import Population, Round
from pbt_online.settings import BackendSettings, FitnessSettings, LearnerSettings, PopulationSettings
from pbt_online.training import Course, Slice, Trained, take_course, train_member
from pbt_online.vector_environment import FundingArbitrageVecEnv

MEMBERS = 8
LEARNER = LearnerSettings(formulation="ranked", decision_hours=1, start="random")
BOOKKEEPING_ROUNDS = 10
CHECKPOINT_BYTES = 3_100_000
"""Weights and Adam's moments of actor and critic of [256, 256, 128] behind 124 numbers."""


def show_population(console: Console, tape: Tape, week: Tape, timesteps: int, workers: int) -> None:
    """The reference workload from beginning to end, its ratio to plain Stable-Baselines3, and the bookkeeping."""
    begun = time.perf_counter()
    rounds = reference(tape, week, timesteps, workers)
    seconds = time.perf_counter() - begun
    steps = MEMBERS * timesteps
    peer = plain_seconds(tape, steps) / workers
    console.print(
        f"reference workload: {MEMBERS} members x {timesteps:,} steps, {len(rounds)} rounds, [256, 256, 128], with "
        f"evaluation, checkpoints and records, {workers} workers: {seconds:.0f} s; plain Stable-Baselines3 needs "
        f"{peer:.0f} s for the steps alone: ratio {peer / seconds:.2f}",
        soft_wrap=True,
    )
    a_round = float(np.median([done.seconds for done in rounds]))
    ours, tunes = bookkeeping(workers), ray_tune()
    console.print(
        f"bookkeeping of a round of {MEMBERS}: {1000 * ours:.0f} ms, {100 * ours / a_round:.2f} % of a round of "
        f"{a_round:.1f} s; Ray Tune's PBT: {1000 * tunes:.0f} ms, ratio {tunes / ours:.0f}",
        soft_wrap=True,
    )


def reference(tape: Tape, week: Tape, timesteps: int, workers: int) -> list[Round]:
    """Train as the reference does: one path of a week as validation, every 20,000 steps."""
    last = len(tape.panel.ticks) - 1
    fitness = FitnessSettings(universes=1, universe_share=1.0, measure="reward")
    course = Course(tape, examination(week, fitness, 0), fit_scaler(tape, tape.first, last), None, LEARNER, seed=0)
    settings = PopulationSettings(size=MEMBERS, timesteps=timesteps, perturbation_interval=20_000)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as folder, open_backend(pool(workers), take_course, course) as backend:
        Population(Memory(Path(folder)), settings, seed=0).train(1, backend, rounds.append)
    return rounds


def pool(workers: int) -> BackendSettings:
    """Worker processes."""
    return BackendSettings(kind="pool", workers=workers)


def plain_seconds(tape: Tape, steps: int) -> float:
    """Processor seconds of plain Stable-Baselines3 for so many steps, from the median of a few rollouts."""
    scaler = fit_scaler(tape, tape.first, len(tape.panel.ticks) - 1)
    agent = plain(FundingArbitrageVecEnv(tape, LEARNER.environments, scaler=scaler))
    one_round(agent)
    return float(np.median([one_round(agent)[0] for _ in range(7)])) * steps / LEARNER.rollout


class Echo:
    """A backend whose workers bring a checkpoint at once: what is left of a round is bookkeeping."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def submit(self, function: Callable[[Slice], Trained], work: Slice, /) -> "Future[Trained]":
        """What `echo` brings."""
        assert function is train_member
        return self._backend.submit(echo, work)


def echo(work: Slice) -> Trained:
    """What a slice would bring, without training."""
    random = np.random.default_rng([work.member, work.round])
    checkpoint = random.bytes(CHECKPOINT_BYTES)
    scores = random.normal(size=24)
    score = Score(float(scores.mean()), scores, (0.0,), 0.0, 0.0, None, 0, None, 0.0)
    return Trained(work.member, work.round, checkpoint, weights_hash(checkpoint), score, 0.0)


def bookkeeping(workers: int) -> float:
    """Seconds of a round in which nobody trains: moving, hashing and writing checkpoints, records, decisions."""
    settings = PopulationSettings(size=MEMBERS, timesteps=BOOKKEEPING_ROUNDS, perturbation_interval=1)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as folder, open_backend(pool(workers), _nothing, None) as backend:
        Population(Memory(Path(folder)), settings, seed=0).train(1, Echo(backend), rounds.append)
    making = float(np.median([_timed(lambda: echo(Slice(0, 1, 1, {}, None))) for _ in range(5)])) * MEMBERS / workers
    return float(np.median([done.seconds for done in rounds])) - making


def _nothing(_: None) -> None:
    """Nothing to prepare."""


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def ray_tune() -> float:
    """Seconds of a round of Ray Tune's PBT with the same members, intervals and checkpoint sizes, nobody training."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        import ray
        from ray import tune

        ray.init(num_cpus=MEMBERS, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            scheduler = tune.schedulers.PopulationBasedTraining(
                time_attr="training_iteration", metric="score", mode="max", perturbation_interval=1,
                hyperparam_mutations={"learning_rate": tune.loguniform(1e-5, 1e-3)},
            )  # fmt: skip
            tuner = tune.Tuner(
                tuned_member,
                param_space={"learning_rate": tune.loguniform(1e-5, 1e-3), "times": folder},
                tune_config=tune.TuneConfig(num_samples=MEMBERS, scheduler=scheduler, reuse_actors=True),
                run_config=tune.RunConfig(
                    storage_path=folder, stop={"training_iteration": BOOKKEEPING_ROUNDS}, verbose=0
                ),
            )
            tuner.fit()
        finally:
            ray.shutdown()
        stamps = [float(line) for path in Path(folder).glob("*.times") for line in path.read_text().split()]
    return (max(stamps) - min(stamps)) / (BOOKKEEPING_ROUNDS - 1)


def tuned_member(config: dict[str, Any]) -> None:
    """A trainable that brings a checkpoint at once, and notes when."""
    from ray import tune

    times = Path(config["times"]) / f"{os.getpid()}.times"
    number = 0
    while True:
        number += 1
        with times.open("a") as file:
            file.write(f"{time.time()}\n")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "checkpoint").write_bytes(np.random.default_rng(number).bytes(CHECKPOINT_BYTES))
            score = config["learning_rate"] + number
            tune.report({"score": score}, checkpoint=tune.Checkpoint.from_directory(folder))
