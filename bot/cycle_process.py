"""The process in which a scheduled cycle trains: `python -m bot.cycle_process JOB`, started by `bot.retraining`.

It reads what the bot has collected and writes the population's folder and the registry; it promotes nobody. It ends
when its standard input does, as happens however the bot dies.
"""

import json
import os
import sys
from pathlib import Path

from bot.child_process import begin, end_with_parent, exit_with
from bot.histories import collected_history
from bot.ledger.store import instruments_from_json
from bot.settings import Settings
from data.lake import Lake
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.registry import Registry

NICENESS = 10
"""Trading comes first."""


def main(job: Path) -> int:
    """Train one cycle to its verdict. Raises FundingBotError."""
    end_with_parent()
    os.nice(NICENESS)
    told = json.loads(job.read_text())
    settings = Settings.model_validate(told["settings"])
    learning = Learning(
        settings.learning.scheduled,
        settings.environment,
        settings.seed,
        Path(told["folder"]),
        Registry(Path(told["registry"])),
        told["champion"],
        supersedes=True,
    )
    history = collected_history(settings, Lake(told["lake"]), instruments_from_json(told["instruments"]), told["last"])
    cycle = run_cycle(learning, history, Watch(stage=lambda text: print(text, file=sys.stderr, flush=True)))
    print(json.dumps(cycle.verdict.as_dict() if cycle.verdict else None), file=sys.stderr)
    return 0


if __name__ == "__main__":
    begin()
    exit_with(lambda: main(Path(sys.argv[1])))
