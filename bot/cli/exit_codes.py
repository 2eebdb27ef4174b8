"""docs/exit_codes.md, made of the codes and of the errors that end with them. Used by `bot.cli.generated`."""

from collections.abc import Iterator

from data.errors import ExitCode, FundingBotError

INTRODUCTION = """\
# Exit codes

Every command ends with one of these, and with one line on stderr for everything that is wrong: `bot: what happened:
what to do`. `bot --debug ...` shows the traceback too. Scripts may rely on the numbers. Made from `data/errors.py`.

| code | name | meaning | what to do | raised as |
|---|---|---|---|---|
"""
AFTER = """
Ctrl-C or SIGTERM ends `bot run` with 0 once the hour is done: the next start continues. Symptoms, causes and commands:
[troubleshooting.md](troubleshooting.md).
"""


def exit_code_page() -> str:
    """The page."""
    rows = "".join(
        f"| {code.value} | {code.name} | {code.meaning} | {code.remedy} | {', '.join(_raised(code)) or '-'} |\n"
        for code in ExitCode
    )
    return INTRODUCTION + rows + AFTER


def _raised(code: ExitCode) -> list[str]:
    return [f"`{kind.__name__}`" for kind in _kinds(FundingBotError) if kind.exit_code is code]


def _kinds(kind: type[FundingBotError]) -> Iterator[type[FundingBotError]]:
    """The tree of `data/errors.py`, which is all that users meet; errors of other modules are caught by those."""
    if kind.__module__ == FundingBotError.__module__ and kind is not FundingBotError:
        yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
