"""Every failure that a user can meet, as a type with an exit code; the CLI prints the message and no traceback.

    FundingBotError
    ├── ConfigurationError   2   a setting, an argument or a file the user wrote is wrong
    ├── VenueError           3   a venue cannot be used now
    │   ├── VenueUnreachable     no answer: network, DNS, timeout, maintenance
    │   └── VenueRefused         an answer that says no: rate limit, ban, unknown symbol
    ├── DataError            4   market data cannot be trusted
    │   ├── MissingData          rows that are needed are not there
    │   └── CorruptData          rows that are there contradict each other or are not numbers
    └── StateError           5   what is on disk does not fit what was asked (another process, another world)

The message says what happened and what to do next, in that order.
"""


class FundingBotError(Exception):
    """An expected failure. `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigurationError(FundingBotError):
    exit_code = 2


class VenueError(FundingBotError):
    exit_code = 3


class VenueUnreachable(VenueError):
    pass


class VenueRefused(VenueError):
    pass


class DataError(FundingBotError):
    exit_code = 4


class MissingData(DataError):
    pass


class CorruptData(DataError):
    pass


class StateError(FundingBotError):
    exit_code = 5
