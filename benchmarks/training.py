"""How fast a member learns: `FastPPO` beside plain Stable-Baselines3 on the same environment, in one run."""

import statistics
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from stable_baselines3 import PPO

from backtest.scaler import fit_scaler
from backtest.tape import Tape
from pbt_online.fast_ppo import DEFAULTS, new_agent
from pbt_online.settings import LearnerSettings
from pbt_online.vector_environment import FundingArbitrageVecEnv

ROUNDS = 9
LEARNER = LearnerSettings()


@dataclass
class Times:
    """Processor seconds of one agent's rounds: collecting and updating, and updating alone."""

    loop: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)


def agents(tape: Tape) -> dict[str, PPO]:
    """Each with an environment of its own over one tape, the same hyperparameters and the same seed."""

    def env() -> FundingArbitrageVecEnv:
        scaler = fit_scaler(tape, tape.first, len(tape.panel.ticks) - 1)
        return FundingArbitrageVecEnv(tape, accounts(tape), scaler=scaler)

    clone = new_agent(env(), LEARNER, {}, seed=2).policy.state_dict()
    made: dict[str, PPO] = {"plain Stable-Baselines3": plain(env())}
    for precision in ("highest", "medium"):
        learner = LEARNER.model_copy(update={"precision": precision})
        made[f"FastPPO, {precision}"] = new_agent(env(), learner, {}, seed=1)
    made["FastPPO, medium, held to a clone"] = new_agent(env(), learner, {}, seed=1, reference=clone)
    return made


def accounts(tape: Tape) -> int:
    """As many as a member collects with."""
    pairs = len(tape.features.legs) if tape.schema.formulation == "pairs" else 1
    return max(1, LEARNER.environments // pairs)


def plain(env: FundingArbitrageVecEnv) -> PPO:
    """The learner's PPO as its makers wrote it."""
    hidden = list(LEARNER.hidden)
    chosen = {name: value for name, value in DEFAULTS.items() if name not in ("kl_coef", "epsilon")}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You have specified a mini-batch")
        return PPO(
            "MlpPolicy",
            env,
            n_steps=max(1, LEARNER.rollout // env.num_envs),
            batch_size=LEARNER.batch_size,
            n_epochs=LEARNER.epochs,
            vf_coef=LEARNER.vf_coef,
            max_grad_norm=LEARNER.max_grad_norm,
            policy_kwargs={"net_arch": {"pi": hidden, "vf": hidden}},
            seed=1,
            device="cpu",
            **chosen,  # type: ignore[arg-type]
        )


def measure(compared: Mapping[str, PPO]) -> dict[str, Times]:
    """Round by round, one agent after the other, so that a busy machine slows all of them."""
    torch.set_num_threads(1)
    times = {name: Times() for name in compared}
    for number in range(ROUNDS + 1):
        for name, agent in compared.items():
            looped, updated = one_round(agent)
            if number:  # The first compiles.
                times[name].loop.append(looped)
                times[name].update.append(updated)
    return times


def one_round(agent: PPO) -> tuple[float, float]:
    """Processor seconds of one rollout with its update, and of the update alone."""
    train, spent = agent.train, 0.0

    def timed() -> None:
        nonlocal spent
        before = time.process_time()
        train()
        spent += time.process_time() - before

    agent.train = timed  # type: ignore[method-assign]
    before = time.process_time()
    agent.learn(1, reset_num_timesteps=False)
    looped = time.process_time() - before
    agent.train = train  # type: ignore[method-assign]
    return looped, spent


def show_update(console: Console, tape: Tape, name: str) -> None:
    """One table: steps per second of processor time, and ratios to plain Stable-Baselines3."""
    compared = agents(tape)
    times = measure(compared)
    first = next(iter(times.values()))
    steps = int(np.prod(next(iter(compared.values())).rollout_buffer.rewards.shape))
    table = Table(title=f"training, {name}, {LEARNER.hidden}", title_justify="left", box=SIMPLE)
    for heading in ("who learns", "steps per CPU second", "whole loop", "update alone"):
        table.add_column(heading, justify="left" if heading.startswith("who") else "right")
    for who, took in times.items():
        loop, update = ratio(first.loop, took.loop), ratio(first.update, took.update)
        table.add_row(who, f"{steps / statistics.median(took.loop):,.0f}", f"{loop:.2f} x", f"{update:.2f} x")
    table.caption = (
        f"Medians of {ROUNDS} rounds of {steps:,} steps. Torch kernels: {torch.backends.cpu.get_cpu_capability()}."
    )
    table.caption_justify = "left"
    console.print(table)


def ratio(slow: list[float], fast: list[float]) -> float:
    """Median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def show_training(console: Console, ranked: Tape, by_pair: Tape) -> None:
    """Everything about learning that is measured. The whole workload and the population's bookkeeping belong here."""
    show_update(console, ranked, f"ranked, {ranked.schema.size} -> {ranked.schema.actions}")
    show_update(console, by_pair, f"by pair, {by_pair.schema.size} -> {by_pair.schema.actions}")
