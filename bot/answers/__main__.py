"""The process that answers: `python -m bot.answers`, started and asked by `bot.telegram.reader`.

The first line of its input holds the settings, each further one a question; each answer is a line. It ends with its
input, and by itself when nothing was asked for a while.
"""

import json
import os
import signal
import sys
import traceback

from bot.answers.answer import Part, answer
from bot.settings import Settings
from data.errors import FundingBotError

IDLE_S = 900
NICENESS = 5
"""Trading comes first."""


def main() -> None:
    """Answer until the input ends."""
    os.nice(NICENESS)
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    while question := _next():
        told = json.loads(question)
        parts = [part.as_json() for part in _answered(settings, told["command"], told["words"])]
        print(json.dumps(parts), flush=True)


def _next() -> bytes:
    """The next question. Where none comes for long the alarm ends the process: the next one starts another."""
    signal.alarm(IDLE_S)
    question = sys.stdin.buffer.readline()
    signal.alarm(0)
    return question


def _answered(settings: Settings, command: str, words: list[str]) -> list[Part]:
    """What there is to say; a failure is an answer, too."""
    try:
        return answer(settings, command, tuple(words))
    except FundingBotError as error:
        return [Part.plain(str(error))]
    except Exception as error:  # a defect in one answer must not end the others
        traceback.print_exc()
        return [Part.plain(f"/{command} failed by a defect of the bot: {error!r}; its log has the trace")]


if __name__ == "__main__":
    main()
