"""What would have happened: books, simulated venue, observation, environment, policies, metrics, sandbox servers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backtest.environment import FundingArbitrageEnv

__all__ = ["FundingArbitrageEnv"]


def __getattr__(name: str) -> Any:
    # Imported on first use: the command line must not wait for gymnasium and numba to print its help.
    if name == "FundingArbitrageEnv":
        from backtest.environment import FundingArbitrageEnv

        return FundingArbitrageEnv
    raise AttributeError(name)
