"""What a worker does: one member trains for one slice and is examined. Runs on any backend, in any process.

`train_member` is a pure function of the slice and the course: the same bytes come back wherever and whenever it runs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from backtest.scaler import Scaler
from backtest.tape import Tape
from pbt_online.checkpoint import actor_layers, pack, unpack, weights_hash
from pbt_online.fast_ppo import new_agent
from pbt_online.fitness import Examination, Score, examine
from pbt_online.network import NetworkPolicy
from pbt_online.settings import LearnerSettings
from pbt_online.vector_environment import FundingArbitrageVecEnv

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Course:
    """What every member of a cycle learns from and is examined on; sent once to every worker."""

    train: Tape
    examination: Examination
    scaler: Scaler
    clone: "Mapping[str, Tensor] | None"
    """Weights that fresh members start from and that the KL penalty holds them near; None: random weights."""
    learner: LearnerSettings
    seed: int
    cycle: int = 1


@dataclass(frozen=True)
class Slice:
    """One member's work in one round."""

    member: int
    round: int
    timesteps: int
    hyperparameters: Mapping[str, float]
    checkpoint: bytes | None
    """Where it goes on from: its own, or its donor's; None: a fresh start."""


@dataclass(frozen=True)
class Trained:
    """What came of a slice."""

    member: int
    round: int
    checkpoint: bytes
    weights: str
    """SHA-256 of the checkpoint: equal hashes are equal weights, moments and steps."""
    score: Score
    seconds: float


_course: Course | None = None
"""The course of this process."""


def take_course(course: Course) -> None:
    """Make `course` this process's; torch computes on one thread from here on."""
    import torch

    global _course
    torch.set_num_threads(1)
    _course = course


def train_member(work: Slice) -> Trained:
    """Train for the slice, then examine. Raises CorruptData where the weights diverged."""
    if _course is None:
        raise RuntimeError("take_course comes first")
    begun = time.perf_counter()
    checkpoint = _train(work, _course)
    score = examine(_course.examination, policy_of(checkpoint, _course, f"member {work.member}"))
    return Trained(work.member, work.round, checkpoint, weights_hash(checkpoint), score, time.perf_counter() - begun)


def policy_of(checkpoint: bytes, course: Course, name: str) -> NetworkPolicy:
    """The policy that a checkpoint's actor and the course's scaler make."""
    return NetworkPolicy(name, course.train.schema, actor_layers(checkpoint), course.scaler)


def model_zip(checkpoint: bytes, hyperparameters: Mapping[str, float], course: Course) -> bytes:
    """The checkpoint as a file that plain `stable_baselines3.PPO.load` reads; it expects scaled observations."""
    agent = new_agent(_environment(course, 0), course.learner, hyperparameters, seed=0)
    unpack(checkpoint, agent)
    content = BytesIO()
    agent.save(content)
    return content.getvalue()


def rollout_steps(learner: LearnerSettings, pairs: int) -> int:
    """Steps of one rollout over all environments of a member, of a market of so many pairs; slices are whole ones."""
    environments = _accounts(learner, pairs) * (pairs if learner.formulation == "pairs" else 1)
    return max(1, learner.rollout // environments) * environments


def _accounts(learner: LearnerSettings, pairs: int) -> int:
    return max(1, learner.environments // (pairs if learner.formulation == "pairs" else 1))


def _environment(course: Course, seed: int) -> FundingArbitrageVecEnv:
    accounts = _accounts(course.learner, len(course.train.features.legs))
    return FundingArbitrageVecEnv(course.train, accounts, seed=seed, scaler=course.scaler)


def _train(work: Slice, course: Course) -> bytes:
    seed = slice_seed(course, work)
    env = _environment(course, seed)
    agent = new_agent(env, course.learner, work.hyperparameters, seed=seed, reference=course.clone)
    if work.checkpoint is not None:
        unpack(work.checkpoint, agent)
    elif course.clone is not None:
        agent.policy.load_state_dict(course.clone)
    agent.learn(work.timesteps, reset_num_timesteps=False)
    return pack(agent)


def slice_seed(course: Course, work: Slice) -> int:
    """Of everything random in the slice; no two slices of a population share it."""
    import numpy as np

    sequence = np.random.SeedSequence([course.seed, course.cycle, work.round, work.member])
    return int(sequence.generate_state(1)[0]) >> 1
