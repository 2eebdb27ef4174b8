"""The kill switch, loaded and waiting: `python -m bot.cli.standby`, which `bot.kill_switch` starts long beforehand.

What is to be done comes by its standard input, as JSON: settings, reason, grace_s, deadline_s. Input that ends before
that means that nobody needs it any more: it ends, and nothing was done. What came of it is printed as by `bot kill`.
"""

import json
import sys
from importlib import import_module

import typer

from bot.cli.kill import kill_bot
from bot.settings import Settings
from data.errors import FundingBotError

HEAVY = ("bot.access", "bot.killer")
"""What `bot kill` loads while it is at work."""


def main() -> None:
    """Wait for the word, then close everything."""
    for name in HEAVY:
        import_module(name)
    told = sys.stdin.buffer.read()
    if not told:
        return
    order = json.loads(told)
    settings = Settings.model_validate(order["settings"])
    kill_bot(settings, order["reason"], deadline_s=order["deadline_s"], grace_s=order["grace_s"], as_json=True)


if __name__ == "__main__":
    try:
        main()
    except typer.Exit as ended:
        raise SystemExit(ended.exit_code) from None
    except FundingBotError as error:
        print(f"bot: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
