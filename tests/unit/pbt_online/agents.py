"""Small agents on a small market, with and without our code, for the tests of `FastPPO` and its parts."""

import warnings
from functools import cache

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from backtest.scaler import fit_scaler
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.fast_ppo import FastPPO, new_agent
from pbt_online.settings import LearnerSettings
from pbt_online.vector_environment import FundingArbitrageVecEnv

torch.set_num_threads(1)

LEARNER = LearnerSettings(
    hidden=(64, 32), environments=4, rollout=128, batch_size=48, epochs=3, precision="highest", max_grad_norm=0.5
)
"""Batches of 48, 48 and 32."""
CHOSEN = {"learning_rate": 3e-4, "gamma": 0.97, "gae_lambda": 0.9, "ent_coef": 0.02, "clip_range": 0.15}


@cache
def tape(formulation: str = "ranked") -> Tape:
    """Episodes of 20 hours: some end, truncated, in every rollout."""
    data = DataSettings(assets=("BTC", "INJ", "XRP", "1000PEPE"))
    market = synthetic_market(SyntheticSettings(days=30, assets=data.assets))
    first = market.start_ms + data.history_hours * HOUR_MS
    settings = EnvironmentSettings(episode_hours=20, formulation=formulation)  # type: ignore[arg-type]
    return tape_of_market(market, data, settings, first, first + 200 * HOUR_MS)


def environment(formulation: str = "ranked") -> FundingArbitrageVecEnv:
    """Scaled, as members learn: raw observations saturate tanh, where gradients are lost in rounding."""
    told = tape(formulation)
    return FundingArbitrageVecEnv(told, LEARNER.environments, scaler=fit_scaler(told, told.first, told.first + 150))


def agent(seed: int = 1, learner: LearnerSettings = LEARNER, formulation: str = "ranked", **changed: float) -> FastPPO:
    return new_agent(environment(formulation), learner, {**CHOSEN, **changed}, seed=seed)


def plain(seed: int = 1, env: VecEnv | None = None, **changed: float) -> PPO:
    """What `agent` is, without our code."""
    hidden = list(LEARNER.hidden)
    options = {
        "n_steps": 32,
        "batch_size": LEARNER.batch_size,
        "n_epochs": LEARNER.epochs,
        "vf_coef": LEARNER.vf_coef,
        "max_grad_norm": LEARNER.max_grad_norm,
    }
    with warnings.catch_warnings(action="ignore"):
        model = PPO(
            "MlpPolicy",
            env or environment(),
            policy_kwargs={"net_arch": {"pi": hidden, "vf": hidden}},
            seed=seed,
            device="cpu",
            **{**options, **CHOSEN, **changed},  # type: ignore[arg-type]
        )
    model.set_random_seed(seed)
    return model


def learn(model: PPO, timesteps: int = 1) -> None:
    """Both draw from the global generators of torch and numpy, so each begins where they begin."""
    model.set_random_seed(1)
    model.learn(timesteps)


def disturb(model: PPO, size: float = 0.02) -> None:
    """Move every weight a little, so that the policy is no longer the one that collected."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=draw))
