"""Writes what is generated: `config/*.yaml` from the settings models, tables in `docs/` from the code (`make config`).

A test holds the files equal to this.
"""

from collections.abc import Iterable
from pathlib import Path

from backtest.observation import ACCOUNT, OPPORTUNITY, POSITION, Feature
from bot.risk import Denial
from bot.settings import Settings, paper_settings, to_yaml

OBSERVATION_INTRODUCTION = """\
# The observation

What a policy sees at a tick, one vector of 32-bit floats: the account, every slot, every ranked opportunity. With the
default sizes it has 5 + 3 x 3 + 5 x 22 = 124 numbers. Generated from `backtest/observation.py`.

The long leg of an opportunity is the one with the lower funding over the last 72 h. A window counts only if 90 % of its
hours have data; an opportunity with an unknown feature is not shown, and its numbers are zero.

"""


def generated() -> dict[str, str]:
    """Every generated file by its path in the repository."""
    return {
        "config/sandbox.yaml": to_yaml(Settings(), "The embedded sandbox: what `bot run --paper` does by itself."),
        "config/paper.yaml": to_yaml(
            paper_settings(), "Paper trading on the real venues by their public data: no keys."
        ),
        "docs/observation.md": _observation(),
        "docs/risk.md": _risk(),
    }


def main() -> None:
    """Write them into the working directory."""
    for path, text in generated().items():
        Path(path).write_text(text)


def _observation() -> str:
    return (
        OBSERVATION_INTRODUCTION
        + _features("The account", ACCOUNT)
        + _features("Each slot (zeros while it is free)", POSITION)
        + _features("Each opportunity, best first", OPPORTUNITY)
    )


def _features(title: str, features: Iterable[Feature]) -> str:
    rows = "".join(f"| {feature.name} | {feature.unit} | {feature.formula} |\n" for feature in features)
    return f"## {title}\n| name | unit | formula |\n|---|---|---|\n{rows}\n"


def _risk() -> str:
    rows = "".join(f"| {denial.name} | {denial.value} |\n" for denial in Denial)
    return (
        "# Why an entry is denied\n\nEvery order passes `RiskGate.review`. Exits are never denied. Generated from "
        f"`bot/risk.py`.\n\n| code | meaning |\n|---|---|\n{rows}"
    )


if __name__ == "__main__":
    main()
