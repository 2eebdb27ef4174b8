"""Every failure that a user can meet, as a type with an exit code; the CLI prints the message and no traceback.

    FundingBotError
    ├── ConfigurationError   2   a setting, an argument or a file the user wrote is wrong
    ├── VenueError           3   a venue cannot be used now
    │   ├── VenueUnreachable     no answer: network, DNS, timeout, maintenance
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


class FundingBotError(Exception):
    """An expected failure. `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigurationError(FundingBotError):
    """A setting, an argument or a file that the user wrote is wrong."""

    exit_code = 2


class VenueError(FundingBotError):
    """A venue cannot be used now."""

    exit_code = 3


class VenueUnreachable(VenueError):
    """No answer: network, DNS, timeout, maintenance."""


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

    exit_code = 4


class MissingData(DataError):
    """Rows that are needed are not there."""


class CorruptData(DataError):
    """Rows that are there contradict each other or are not numbers."""


class LookAhead(DataError):
    """What is shown of a moment depends on what came after it."""


class StateError(FundingBotError):
    """What is on disk does not fit what was asked."""

    exit_code = 5


class LearningFailed(FundingBotError):
    """No member of a population came back from training: what stops one of them stops all."""

    exit_code = 6


class WorkerLost(FundingBotError):
    """Work was lost with its worker more often than it may be repeated."""

    exit_code = 6
