"""The process in which a scheduled cycle trains: `python -m bot.cycle_process JOB`, started by `bot.retraining`.

It reads what the bot has collected and writes the population's folder and the registry; it promotes nobody. It ends
when its standard input does, as happens however the bot dies.
"""

import json
import os
import sys
import threading
from pathlib import Path

from bot.histories import collected_history
from bot.ledger.store import instruments_from_json
from bot.settings import Settings
from data.errors import FundingBotError
from data.lake import Lake
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.registry import Registry

NICENESS = 10
"""Trading comes first."""


def main(job: Path) -> None:
    """Train one cycle to its verdict. Raises FundingBotError."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
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


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the pipe is closed; nothing is ever written to it
    os._exit(1)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except FundingBotError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
