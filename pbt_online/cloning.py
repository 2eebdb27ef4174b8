"""Behaviour cloning: weights that decide as a teacher does, for the first population and for the KL penalty.

The states are those that accounts meet on random episodes of the training window; three of four accounts do something
else than the teacher now and then, so that states off its path are there too, with what it would do in them. The critic
learns the teacher's discounted return, so that PPO does not begin with a wrong baseline. Used by the cycle.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy

from backtest.policies import legal_actions
from backtest.scaler import Scaler
from backtest.tape import Tape
from data.errors import MissingData
from pbt_online.settings import LearnerSettings
from pbt_online.teachers import Teacher, TeacherName, teacher_of
from pbt_online.vector_environment import FundingArbitrageVecEnv

if TYPE_CHECKING:
    from backtest.policies import Actions

GAMMA = 0.97
"""Discount of the returns that the critic learns: the middle of what the population tries."""
ACCOUNTS = 32
COLLECTED = 160_000
"""Decisions that are collected."""
LEARNED = 16_000
"""Of these, how many are learned from: all, or as many as there are, in which the teacher acts, up to half."""
BATCH = 256
LEARNING_RATE = 4e-3
_DEVIATIONS = (0.0, 0.1, 0.25, 0.5)
"""How often accounts do something else than the teacher: account b the b mod 4th."""
_HELD_OUT = ACCOUNTS // 8
"""The last accounts are not learned from."""
_MOST_WEIGHT = 10.0


@dataclass(frozen=True)
class Clone:
    """What was learned, and how well, measured on accounts that were not learned from."""

    weights: dict[str, torch.Tensor]
    """State of Stable-Baselines3's ActorCriticPolicy with tanh and `LearnerSettings.hidden`, on the CPU."""
    agreement: float
    """Share of decisions that are the teacher's, of those in which there is a choice."""
    agreement_acting: float
    """The same where the teacher enters or leaves; NaN where it never does."""
    explained: float
    """Share of the variance of the teacher's returns that the critic explains; NaN where there is none."""
    decisions: int
    """How many were learned from."""


@dataclass(frozen=True)
class _Lessons:
    """N decisions in which there was a choice."""

    seen: NDArray[np.float32]
    """[N, O], scaled."""
    label: NDArray[np.int64]
    """[N] what the teacher does."""
    returns: NDArray[np.float32]
    """[N] discounted return of the teacher; NaN off its path."""
    held_out: NDArray[np.bool_]
    """[N]."""

    def __getitem__(self, rows: NDArray[np.generic]) -> "_Lessons":
        return _Lessons(self.seen[rows], self.label[rows], self.returns[rows], self.held_out[rows])


def clone(tape: Tape, scaler: Scaler, teacher: TeacherName, learner: LearnerSettings, seed: int) -> Clone:
    """Weights that decide as the teacher does on `tape`, behind `scaler`. The same arguments give the same weights.

    Raises MissingData where there is nothing to decide on the tape.
    """
    lessons = _collect(tape, scaler, teacher_of(teacher, tape), seed)
    chosen = _chosen(lessons[~lessons.held_out], np.random.default_rng([seed, 1]))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            policy = _new_policy(tape, learner)
            _learn(policy, chosen, learner.clone_epochs, np.random.default_rng([seed, 2]))
            _soften(policy, learner.clone_certainty)
            return _examined(policy, lessons[lessons.held_out], len(chosen.label))
    finally:
        torch.set_num_threads(threads)


def _soften(policy: ActorCriticPolicy, certainty: float) -> None:
    """The same decisions, less surely: where a clone is left as sure as its lessons make it, PPO has nothing to learn
    from, since it never tries what the teacher would not do."""
    with torch.no_grad():
        for parameter in policy.action_net.parameters():
            parameter.mul_(certainty)


def _new_policy(tape: Tape, learner: LearnerSettings) -> ActorCriticPolicy:
    layers = list(learner.hidden)
    return ActorCriticPolicy(
        spaces.Box(-np.inf, np.inf, (tape.schema.size,), np.float32),
        spaces.Discrete(tape.schema.actions),
        lambda _: LEARNING_RATE,
        net_arch={"pi": layers, "vf": layers},
        activation_fn=torch.nn.Tanh,
    )


def _collect(tape: Tape, scaler: Scaler, teacher: Teacher, seed: int) -> _Lessons:
    """Play the teacher, more or less, and note what it would do at every decision with a choice."""
    env = FundingArbitrageVecEnv(tape, ACCOUNTS, seed=seed)
    random, each = np.random.default_rng([seed, 0]), env.num_envs // ACCOUNTS
    deviation = np.resize(_DEVIATIONS, ACCOUNTS).repeat(each)
    steps = -(-COLLECTED // env.num_envs)
    seen = np.zeros((steps, env.num_envs, tape.schema.size), dtype=np.float32)
    label = np.zeros((steps, env.num_envs), dtype=np.int64)
    choice, ends = np.zeros(label.shape, dtype=np.bool_), np.zeros(label.shape, dtype=np.bool_)
    rewards = np.zeros(label.shape)
    now = np.asarray(env.reset())
    for step in range(steps):
        seen[step], label[step] = now, teacher.decide(env.simulation).ravel()
        legal = legal_actions(tape.schema, env.simulation.observations).reshape(env.num_envs, -1)
        choice[step] = legal.sum(axis=1) > 1
        actions = np.where(random.random(env.num_envs) < deviation, _other(legal, random), label[step])
        now, rewards[step], ends[step], _ = env.step(actions)  # type: ignore[assignment]
    returns = _returns(rewards, ends)
    returns[:, deviation > 0] = np.nan
    held_out = np.broadcast_to(np.arange(env.num_envs) >= (ACCOUNTS - _HELD_OUT) * each, label.shape)
    if not choice.any():
        raise MissingData("nothing can be decided on the training window: choose a longer one, or more assets")
    return _Lessons(scaler.apply(seen[choice]), label[choice], returns[choice], held_out[choice])


def _other(legal: NDArray[np.bool_], random: np.random.Generator) -> "Actions":
    """[N] with even chances: do nothing, or something legal."""
    drawn = np.where(legal, random.random(legal.shape), -1.0).argmax(axis=1)
    return np.where(random.random(len(legal)) < 0.5, 0, drawn)


def _returns(rewards: NDArray[np.float64], ends: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[S, N] discounted returns; what comes after the end of an episode counts as the mean reward for ever."""
    returns, tail = np.zeros(rewards.shape), rewards.mean() / (1 - GAMMA)
    later = np.full(rewards.shape[1], tail)
    for step in reversed(range(len(rewards))):
        later = rewards[step] + GAMMA * np.where(ends[step], tail, later)
        returns[step] = later
    return returns.astype(np.float32)


def _chosen(lessons: _Lessons, random: np.random.Generator) -> _Lessons:
    """LEARNED of the lessons: those in which the teacher acts come first, but fill no more than half."""
    acts = lessons.label != 0
    acting, resting = random.permutation(np.flatnonzero(acts)), random.permutation(np.flatnonzero(~acts))
    acting = acting[: max(LEARNED // 2, LEARNED - len(resting))]
    return lessons[np.sort(np.concatenate([acting, resting[: LEARNED - len(acting)]]))]


def _learn(policy: ActorCriticPolicy, lessons: _Lessons, epochs: int, random: np.random.Generator) -> None:
    """Fit the actor to the labels by weighted cross entropy, the critic to the returns in units of their spread."""
    known = lessons.returns[np.isfinite(lessons.returns)]
    mean, spread = (float(known.mean()), float(known.std()) or 1.0) if len(known) else (0.0, 1.0)
    weights = torch.from_numpy(_weights(lessons.label, policy.action_space.n))  # type: ignore[attr-defined]
    cross_entropy = torch.nn.CrossEntropyLoss(weight=weights)
    batches = max(1, len(lessons.label) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(policy.optimizer, LEARNING_RATE, total_steps=epochs * batches)
    for rows in _batches(len(lessons.label), batches, epochs, random):
        batch = lessons[rows]
        logits, values = _outputs(policy, torch.from_numpy(batch.seen))
        goal = torch.from_numpy((batch.returns - mean) / spread)
        missed = torch.where(torch.isnan(goal), 0.0, values - torch.nan_to_num(goal))
        loss = cross_entropy(logits, torch.from_numpy(batch.label)) + missed.square().mean()
        policy.optimizer.zero_grad()
        loss.backward()
        policy.optimizer.step()
        schedule.step()
    with torch.no_grad():
        policy.value_net.weight.mul_(spread)
        policy.value_net.bias.mul_(spread).add_(mean)


def _weights(label: NDArray[np.int64], actions: int) -> NDArray[np.float32]:
    """[A] rare actions weigh more: the root of how much rarer they are than an even share."""
    counts = np.bincount(label, minlength=actions)
    rarer = len(label) / (actions * np.maximum(counts, 1))
    return np.clip(np.sqrt(rarer), 1 / _MOST_WEIGHT, _MOST_WEIGHT).astype(np.float32)


def _batches(rows: int, batches: int, epochs: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    for _ in range(epochs):
        yield from np.array_split(random.permutation(rows), batches)


def _outputs(policy: ActorCriticPolicy, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [N, A] and values [N]."""
    actor, critic = policy.mlp_extractor(seen)
    return policy.action_net(actor), policy.value_net(critic).squeeze(-1)


def _examined(policy: ActorCriticPolicy, lessons: _Lessons, decisions: int) -> Clone:
    with torch.no_grad():
        logits, values = _outputs(policy, torch.from_numpy(lessons.seen))
    right = logits.argmax(dim=1).numpy() == lessons.label
    known = np.isfinite(lessons.returns)
    missed, spread = (lessons.returns - values.numpy())[known], lessons.returns[known]
    return Clone(
        weights={name: value.detach().clone() for name, value in policy.state_dict().items()},
        agreement=_mean(right),
        agreement_acting=_mean(right[lessons.label != 0]),
        explained=1 - float(missed.var() / spread.var()) if len(spread) and spread.var() > 0 else float("nan"),
        decisions=decisions,
    )


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")
