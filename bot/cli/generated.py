"""Writes what is generated: `config/*.yaml` from the settings models, tables in `docs/` from the code (`make config`).

A test holds the files equal to this.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from backtest.schema import ACCOUNT, OPPORTUNITY, POSITION, Feature
from bot.cli.commands_page import commands_page
from bot.cli.exit_codes import exit_code_page
from bot.risk import Denial
from bot.risk_settings import RiskSettings
from bot.settings import Settings, live_settings, paper_settings
from bot.settings_schema import schema_text
from bot.settings_yaml import to_yaml
from bot.telegram.commands import MEANINGS
from bot.telegram_settings import LoudnessSettings, TelegramSettings
from bot.web_settings import WebSettings
from data.defects import defect_table

ROOT = Path(__file__).parents[2]
SCHEMA = "schema.json"
"""Beside the YAML files that name it."""
TABLE_ENDS = "<!-- end -->"
OBSERVATION_INTRODUCTION = """\
# The observation

What a policy sees at a tick, as 32-bit floats. In the formulation `ranked`, one vector: the account, every slot, every
ranked opportunity; with the default sizes it has 5 + 3 x 3 + 5 x 22 = 124 numbers, and the answer is one of 9 actions
(0 hold, 1..5 enter the opportunity of that rank, 6..8 exit that slot). In the formulation `pairs`, one vector of
22 + 3 numbers for every pair, the opportunity's and those of the position on it, and the answer is one of 3 actions for
each (0 keep, 1 in, 2 flat); an allocator enters by rank while slots are free. Generated from `backtest/schema.py`.

Everything is made of what was known at the tick: bars that had closed, funding that had settled. The long leg of an
opportunity is the one with the lower funding over the last 72 h; on a spot venue only the long leg can be. A window
counts only if 90 % of its hours have data; an opportunity with an unknown feature is not shown: its numbers are zero.
Before a network sees it, a vector passes the policy's scaler (`backtest/scaler.py`): centre and scale of each feature
below, fitted on the training window alone and stored with the policy.

`legal_actions` tells from a vector which actions can be carried out: entries where a slot is free and the pair is shown
and not held, exits where there is a position.


"""

RISK_INTRODUCTION = """\
# Why an entry is denied

Every order passes `RiskGate.review`, and executors take nothing that it has not made. Entries are checked in the order
of this table, up to the first limit that they break. Exits are never denied, whatever else holds. The day's first
equity, entries that had to be unwound and the number of orders are read from the ledger: a restart or another champion
changes nothing about them. `bot pause` holds entries back, the kill switch does so and closes positions; both last
until `bot resume`, in the file `kill.json` of the run-time folder. A file that is there and cannot be read counts as a
kill. Generated from `bot/risk/denial.py` and `bot/risk_settings.py`.

With the defaults paper trading does what the environment does, trade for trade: they bind where something is wrong. Of
90,285 recorded hours of one asset on Binance and Hyperliquid (2024-09..2025-04) a single one had the two prices further
apart than 5 %, and USDT and USDC were never further apart than 0.5 %.

| code | meaning |
|---|---|
"""


def generated() -> dict[str, str]:
    """Every generated file by its path in the repository."""
    return {
        "config/sandbox.yaml": to_yaml(
            Settings(), "The embedded sandbox: what `bot run --paper` does by itself.", SCHEMA
        ),
        "config/paper.yaml": to_yaml(
            paper_settings(), "Paper trading on the real venues by their public data: no keys.", SCHEMA
        ),
        "config/live.example.yaml": to_yaml(
            live_settings(),
            "Live trading, an example: copy it, and read docs/live.md before you send an order.",
            SCHEMA,
        ),
        f"config/{SCHEMA}": schema_text(),
        "docs/data_quality.md": _with_tables("docs/data_quality.md", {"data/defects.py": defect_table()}),
        "docs/exit_codes.md": exit_code_page(),
        "docs/observation.md": _observation(),
        "docs/reference/cli.md": commands_page(),
        "docs/risk.md": _risk(),
        "docs/telegram.md": _with_tables("docs/telegram.md", _telegram()),
        "docs/web.md": _with_tables("docs/web.md", {"bot/web_settings.py": _web()}),
    }


def main() -> None:
    """Write them into the working directory."""
    for path, text in generated().items():
        Path(path).write_text(text)


def _with_tables(path: str, tables: Mapping[str, str]) -> str:
    """A document that people write, with each table between its two marks; the first one names its source."""
    text = (ROOT / path).read_text()
    for source, table in tables.items():
        before, mark, rest = text.partition(f"<!-- generated from {source} -->\n")
        _, end, after = rest.partition(TABLE_ENDS)
        text = before + mark + table + end + after
    return text


def _telegram() -> dict[str, str]:
    commands = "".join(f"| `/{command.value}` | {text} |\n" for command, text in MEANINGS.items())
    loudness = "".join(
        f"| `{name}` | {field.default} | {field.description} |\n"
        for name, field in LoudnessSettings.model_fields.items()
    )
    settings = "".join(
        f"| `{name}` | {_shown(field.get_default(call_default_factory=True))} | {field.description} |\n"
        for name, field in TelegramSettings.model_fields.items()
        if name != "loudness"
    )
    head = "default | |\n|---|---|---|\n"
    return {
        "bot/telegram/commands.py": f"| command | |\n|---|---|\n{commands}",
        "bot/telegram_settings.py, LoudnessSettings": f"| `telegram.loudness.` | {head}{loudness}",
        "bot/telegram_settings.py": f"| `telegram.` | {head}{settings}",
    }


def _web() -> str:
    rows = "".join(
        f"| `{name}` | {_shown(field.default)} | {field.description} |\n"
        for name, field in WebSettings.model_fields.items()
    )
    return f"| `web.` | default | |\n|---|---|---|\n{rows}"


def _shown(value: object) -> str:
    return "none" if value == () else str(value).lower() if isinstance(value, bool) else str(value)


def _observation() -> str:
    return (
        OBSERVATION_INTRODUCTION
        + _features("The account", ACCOUNT)
        + _features("Each slot, or the position on a pair (zeros while there is none)", POSITION)
        + _features("Each opportunity, best first, or each pair", OPPORTUNITY)
    )


def _features(title: str, features: Iterable[Feature]) -> str:
    rows = "".join(f"| {f.name} | {f.unit} | {f.formula} | {_range(f)} |\n" for f in features)
    return f"## {title}\n| name | unit | formula | range |\n|---|---|---|---|\n{rows}\n"


def _range(feature: Feature) -> str:
    if feature.low == -math.inf:
        return "any" if feature.high == math.inf else f"at most {feature.high:g}"
    return f"at least {feature.low:g}" if feature.high == math.inf else f"{feature.low:g} .. {feature.high:g}"


def _risk() -> str:
    denials = "".join(f"| {denial.name} | {denial.value} |\n" for denial in Denial)
    limits = "".join(
        f"| {name} | {field.default:g} | {field.description} |\n" for name, field in RiskSettings.model_fields.items()
    )
    return f"{RISK_INTRODUCTION}{denials}\n## The limits\n| `risk.` | default | |\n|---|---|---|\n{limits}"


if __name__ == "__main__":
    main()
