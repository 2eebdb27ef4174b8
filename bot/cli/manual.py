"""What `bot --help` says below its commands, as a manual page does: examples, exit codes, environment, files."""

from data.errors import ExitCode

WIDTH = 20

EXAMPLES = {
    "bot run --paper --hours 240": "ten market days on simulated venues: no keys, no network",
    "bot init": "a configuration, every key explained",
    "bot doctor --config FILE": "everything that must hold before trading, and what to do",
    "bot backtest --yardsticks": "rule, flat, chance and hindsight side by side",
    "bot run --paper --config paper": "real venues by their public data, on paper",
    "bot kill --config FILE": "stop, and close everything",
}
ENVIRONMENT = {
    "*_API_KEY, ...": "keys and tokens; `bot secrets list` names them all. They win over the keyring",
    "BOT_LEDGER_URL": "where the ledger lies; wins over ledger.url",
    "HTTPS_PROXY, NO_PROXY": "heeded by Telegram",
    "NUMBA_CACHE_DIR": "where compiled kernels are kept",
    "XDG_CACHE_HOME": "the same, where the program is installed; ~/.cache by default",
}
FILES = {
    "--config FILE": "the configuration; `paper` is shipped; none: the sandbox",
    "var/": "everything written at run time; `--var` chooses another folder",
    "var/ledger.sqlite": "the ledger",
    "var/lake/": "collected data, parquet",
    "var/registry/": "who may trade, and who does",
    "var/logs/": "what the processes wrote; `bot logs` shows it",
}


def manual() -> str:
    """Text for the end of the help; lines stay as they are."""
    codes = {str(code.value): code.meaning.partition(";")[0] for code in ExitCode}
    parts = {"Examples": EXAMPLES, "Exit codes": codes, "Environment": ENVIRONMENT, "Files": FILES}
    return "\n\n".join("\b\n" + _part(title, rows) for title, rows in parts.items())


def _part(title: str, rows: dict[str, str]) -> str:
    width = max(WIDTH, *(len(name) + 2 for name in rows)) if title != "Exit codes" else 6
    return "\n".join([f"{title}:", *(f"  {name:{width}}{text}" for name, text in rows.items())])
