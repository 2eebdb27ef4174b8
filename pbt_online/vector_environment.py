"""`FundingArbitrageVecEnv`: the environment as Stable-Baselines3 wants it, many accounts over one shared tape.

The kernel is that of `FundingArbitrageEnv`: with the same seeds and actions both give the same trajectories. By pair,
every pair of every account is an environment of its own: one shared network decides for all of them, each is paid what
its pair earned, and the accounts' allocator fills the slots.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from backtest.environment import random_window
from backtest.policies import legal_actions
from backtest.scaler import Scaler
from backtest.simulation import Simulation
from backtest.tape import Tape, whole


class FundingArbitrageVecEnv(VecEnv):
    """`accounts` accounts that begin a new episode as soon as one ends, with a truncated end marked as such."""

    render_mode = None

    def __init__(self, tape: Tape, accounts: int, *, seed: int = 0, scaler: Scaler | None = None) -> None:
        """`seed` is that of the first account's episodes; the next accounts count on from it. With a `scaler`, what is
        handed out has passed it, as it does in front of the trained network."""
        schema = tape.schema
        self.tape = tape
        self.simulation = Simulation(tape, accounts)
        self._each = len(tape.features.legs) if schema.formulation == "pairs" else 1
        super().__init__(
            accounts * self._each,
            spaces.Box(-np.inf, np.inf, (schema.size,), np.float32),
            spaces.Discrete(schema.actions),
        )
        self._actions = np.zeros(self.simulation.action_shape, dtype=np.int64)
        self._returns = np.zeros(self.num_envs)
        self._began = np.zeros(accounts, dtype=np.int64)
        self._scaler = scaler
        self._random = [seeding.np_random(seed + b)[0] for b in range(accounts)]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed every account's episodes anew, from the next reset on."""
        if seed is not None:
            self._random = [seeding.np_random(seed + b)[0] for b in range(self.simulation.count)]
        return [seed] * self.num_envs

    def reset(self) -> VecEnvObs:
        """Begin an episode of every account; returns observations [num_envs, O]."""
        for b in range(self.simulation.count):
            self._begin(b)
        self._returns[:] = 0.0
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return self._observations()

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Take note of actions [num_envs]."""
        self._actions[...] = actions.reshape(self.simulation.action_shape)

    def step_wait(self) -> VecEnvStepReturn:
        """Carry them out: observations, rewards, dones [num_envs] and infos, as SB3 defines them."""
        simulation = self.simulation
        simulation.step(self._actions)
        by_pair = self._each > 1
        rewards = (simulation.accounts.pair_reward.ravel() if by_pair else simulation.reward).astype(np.float32)
        dones = simulation.done.repeat(self._each) if by_pair else simulation.done.copy()
        self._returns += rewards
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if dones.any():
            self._end_episodes(infos)
        return self._observations(), rewards, dones, infos

    def _end_episodes(self, infos: list[dict[str, Any]]) -> None:
        simulation, capital = self.simulation, self.tape.settings.initial_capital
        last = self._observations()
        for b in np.flatnonzero(simulation.done).tolist():
            equity, hours = float(simulation.equity[b]), int(simulation.row[b] - self._began[b])
            for env in range(b * self._each, (b + 1) * self._each):
                infos[env] = {
                    "terminal_observation": last[env],
                    "TimeLimit.truncated": equity > 0,
                    "episode": {
                        "r": float(self._returns[env]),
                        "l": -(-hours // self.tape.settings.decision_hours),
                        "t": 0.0,
                    },
                    "pnl_pct": 100 * (equity / capital - 1),
                }
                self._returns[env] = 0.0
            self._begin(b)

    def _begin(self, b: int) -> None:
        full = self.tape.settings.full_range
        first, last = whole(self.tape) if full else random_window(self.tape, self._random[b])
        self.simulation.begin(b, first, last)
        self._began[b] = first

    def _observations(self) -> NDArray[np.float32]:
        seen = self.simulation.observations.reshape(self.num_envs, -1)
        return seen.copy() if self._scaler is None else self._scaler.apply(seen)

    def action_masks(self) -> NDArray[np.bool_]:
        """[num_envs, A] which actions can be carried out."""
        return legal_actions(self.tape.schema, self.simulation.observations).reshape(self.num_envs, -1)

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute of this object, once for every environment asked for."""
        return [getattr(self, attr_name) for _ in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: the environments are one object."""
        raise NotImplementedError("the environments share one tape: make another FundingArbitrageVecEnv instead")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """`action_masks` of the environments asked for."""
        if method_name != "action_masks":
            raise NotImplementedError(f"the environments have no method {method_name}, only action_masks")
        masks = self.action_masks()
        return [masks[index] for index in self._chosen(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Nothing wraps them; episodes are reported as SB3's Monitor does."""
        return [False for _ in self._chosen(indices)]

    def _chosen(self, indices: VecEnvIndices) -> Iterable[int]:
        return self._get_indices(indices)
