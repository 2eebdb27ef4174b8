"""Every failure that a user can meet, as a type with an exit code; the CLI prints the message and no traceback.

    FundingBotError
    ├── ConfigurationError   2   a setting, an argument or a file the user wrote is wrong
    ├── VenueError           3   a venue cannot be used now
    │   ├── VenueUnreachable     no answer: network, DNS, timeout, maintenance
    │   │   └── VenueNonsense    an answer, time after time, that makes no sense
    │   ├── VenueThrottled       an answer that says: slow down
    │   ├── VenueRefused         an answer that says no: unknown or delisted symbol
    │   └── OutcomeUnknown       no answer to something that may have taken effect
    ├── DataError            4   market data cannot be trusted
    │   ├── MissingData          rows that are needed are not there
    │   ├── CorruptData          rows that are there contradict each other or are not numbers
    │   └── LookAhead            what is shown of a moment depends on what came after it
    ├── StateError           5   what is on disk does not fit what was asked (another process, another world)
    ├── LearningFailed       6   no member of a population came back from training
    └── WorkerLost           6   work was lost with its worker more often than it may be repeated

The message says what happened and what to do next, in that order.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process ends with; `meaning` and `remedy` are for people (docs/exit_codes.md is made of them)."""

    meaning: str
    remedy: str

    def __new__(cls, number: int, meaning: str, remedy: str) -> "ExitCode":
        """A number with its two texts."""
        code = int.__new__(cls, number)
        code._value_, code.meaning, code.remedy = number, meaning, remedy
        return code

    DONE = 0, "done; `bot kill`: the venues show nothing any more; `bot doctor`: nothing failed", "nothing"
    DEFECT = (
        1,
        "a defect of the bot: something happened that nobody expected",
        "report it, with the traceback that it shows",
    )
    CONFIGURATION = (
        2,
        "a setting, an argument, a key or a file that the user wrote is wrong; `bot doctor`: a check failed",
        "mend what the line names: file, line, key; each line is a mistake of its own",
    )
    VENUE = (
        3,
        "a venue cannot be used now: no answer, a refusal, a wrong key; `bot kill`: not proven flat",
        "`bot doctor` says which venue and why; after `bot kill`, run it again",
    )
    DATA = (
        4,
        "market data is missing or cannot be trusted; `bot data check`: rows that contradict each other",
        "`bot data check` and `bot data gaps --fix`, or another window",
    )
    STATE = (
        5,
        "what is on disk does not fit what was asked: another bot, another world, a damaged champion, a full disk",
        "do what the line says, or choose another folder by `--var`",
    )
    LEARNING = (
        6,
        "training: no member of the population came back, or work was lost with its worker too often",
        "fewer workers (`--workers`), or more memory; the next start goes on from the last round",
    )
    INTERRUPTED = 130, "Ctrl-C in a command that does not go on by itself", "nothing: what has arrived is kept"


class FundingBotError(Exception):
    """An expected failure. `exit_code` is what the process ends with."""

    exit_code: ExitCode = ExitCode.DEFECT


class ConfigurationError(FundingBotError):
    """A setting, an argument or a file that the user wrote is wrong."""

    exit_code = ExitCode.CONFIGURATION


class VenueError(FundingBotError):
    """A venue cannot be used now."""

    exit_code = ExitCode.VENUE


class VenueUnreachable(VenueError):
    """No answer: network, DNS, timeout, maintenance."""


class VenueNonsense(VenueUnreachable):
    """The venue answers, and what it says cannot be right: no JSON, no rows, prices of zero."""


class VenueThrottled(VenueError):
    """An answer that says: slow down."""


class VenueRefused(VenueError):
    """An answer that says no. `answer`: what it said, as parsed JSON, for those who know its codes; None if nothing."""

    def __init__(self, message: str, answer: object = None) -> None:
        super().__init__(message)
        self.answer = answer


class OutcomeUnknown(VenueError):
    """Something was sent that may have taken effect or not: ask the venue, and do not send it again."""


class DataError(FundingBotError):
    """Market data cannot be trusted."""

    exit_code = ExitCode.DATA


class MissingData(DataError):
    """Rows that are needed are not there."""


class CorruptData(DataError):
    """Rows that are there contradict each other or are not numbers."""


class LookAhead(DataError):
    """What is shown of a moment depends on what came after it."""


class StateError(FundingBotError):
    """What is on disk does not fit what was asked."""

    exit_code = ExitCode.STATE


class LearningFailed(FundingBotError):
    """No member of a population came back from training: what stops one of them stops all."""

    exit_code = ExitCode.LEARNING


class WorkerLost(FundingBotError):
    """Work was lost with its worker more often than it may be repeated."""

    exit_code = ExitCode.LEARNING
