"""The first hour: questions, configuration, secrets, schema; all of it at once, and nothing heavy loaded for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import typer.main

from bot.cli.main import app
from tests.functional.commands import BOT, bot, said

HEAVY = ("torch", "ccxt", "pandas", "numba")
LOADED = """
import sys
from bot.cli.main import main
for arguments in {calls!r}:
    sys.argv = ["bot", *arguments]
    try:
        main()
    except SystemExit:
        pass
    print("loaded by", arguments, [name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


def commands() -> list[list[str]]:
    """Every command, by the words that one types."""
    found = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", {})
        found += [[name, inner] for inner in below] if below else [[name]]
    return found


def test_help_and_first_mistakes_load_nothing_heavy(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("risk: {max_leg: 1}\n")
    calls = [["--help"], ["--version"], *([*command, "--help"] for command in commands())]
    calls += [
        ["init", "--yes", "--kind", "paper", "--output", str(tmp_path / "bot.yaml")],
        ["schema"],
        ["secrets", "list"],
        ["run", "--paper", "--config", str(wrong)],
        ["status", "--config", str(wrong)],
    ]
    script = LOADED.format(calls=calls, heavy=HEAVY)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = [line for line in ended.stderr.splitlines() if line.startswith("loaded by")]
    assert [f"loaded by {arguments} []" for arguments in calls] == loaded


def test_init_asks_and_what_it_wrote_is_examined(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    answers = f"sandbx\nsandbox\nbinance\nbinance,okx\nmuch\n2500\n{tmp_path / 'var'}\nme\n\n"
    asked = bot("init", "--output", path, typed=answers)
    assert 0 == asked.returncode, asked.stderr
    assert "'sandbx' is no way to trade: choose from sandbox, paper, rehearsal, live" in asked.stderr
    assert "two different venues are needed" in asked.stderr
    assert "'much' is no amount" in asked.stderr
    assert f"bot run --paper --config {path}" in asked.stdout
    told = said(bot("doctor", "--config", path, "--json"))
    assert {"python", "folder", "disk", "venues"} <= {finding["check"] for finding in told["findings"]}


def test_secrets_go_into_the_keyring_and_are_never_shown(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BINANCE", "OKX"))} | {
        "PYTHONPATH": root, "PYTHON_KEYRING_BACKEND": "tests.fakes.keyring_file.FileKeyring",
        "KEYRING_FILE": str(tmp_path / "keyring.json"), "OKX_API_KEY": "from-the-environment",
    }  # fmt: skip

    def secrets(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BOT, "secrets", *arguments], input=typed, env=environment, capture_output=True, text=True, check=False
        )

    kept = secrets("set", "BINANCE_API_KEY", typed="s3cr3t\n")
    listed = secrets("list", "--json")
    wrong = secrets("set", "BINANCE_APIKEY", typed="s3cr3t\n")
    assert 0 == kept.returncode, kept.stderr
    origins = {row["name"]: row["from"] for row in json.loads(listed.stdout)}
    assert ("keyring", "environment", None) == tuple(
        origins[name] for name in ("BINANCE_API_KEY", "OKX_API_KEY", "BINANCE_API_SECRET")
    )
    assert (2, "did you mean BINANCE_API_KEY?" in wrong.stderr) == (wrong.returncode, True)
    shown = "".join(one.stdout + one.stderr for one in (kept, listed, wrong))
    assert "s3cr3t" not in shown and "from-the-environment" not in shown


def test_init_overwrites_nothing_unasked(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text("mine")
    ended = bot("init", "--yes", "--output", path)
    assert (2, "mine") == (ended.returncode, path.read_text())
    assert f"bot: {path} is there already: add --overwrite, or choose another --output\n" == ended.stderr
    declined = bot("init", "--output", path, typed="n\n")
    assert (2, "mine") == (declined.returncode, path.read_text())
