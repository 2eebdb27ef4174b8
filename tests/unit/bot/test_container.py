"""The image and its composition name what is there, run without rights, and pass their linters where those are."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.configuration import load_settings
from bot.settings import Settings
from data.secrets import SECRETS

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
INSTRUCTION = re.compile(r"^([A-Z]+) ((?:.*\\\n)*.*)$", re.MULTILINE)
HOME = "/var/lib/funding-bot"
CONFIG = "/etc/funding-bot/bot.yaml"


def instructions(name: str) -> list[str]:
    """What the Dockerfile says after each instruction of that name, lines put together."""
    return [text.replace("\\\n", " ") for kind, text in INSTRUCTION.findall(DOCKERFILE) if kind == name]


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The configuration that the image is built with, made by its own lines."""
    folder = tmp_path_factory.mktemp("image")
    (line,) = [run for run in instructions("RUN") if run.startswith("bot init")]
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    subprocess.run(
        ["bash", "-euc", line.replace(CONFIG, str(folder / "bot.yaml"))],
        env=dict(os.environ) | {"PATH": path}, cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return load_settings(folder / "bot.yaml")


def test_everything_that_is_copied_is_there_and_let_through() -> None:
    copied = [word for text in instructions("COPY") if not text.startswith("--from") for word in text.split()[:-1]]
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [] == [name for name in copied if not (ROOT / name).exists()]
    assert set(copied) == let
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "tests"}
    assert packages <= set(copied)


def test_the_image_runs_without_rights_and_is_asked_how_it_stands(configured: Settings) -> None:
    assert ["10001"] == instructions("USER")
    assert DOCKERFILE.index("\nUSER ") > DOCKERFILE.rindex("\nRUN ")
    (check,) = instructions("HEALTHCHECK")
    assert f"127.0.0.1:{configured.service.health_port}/health" in check
    assert ["bot"] == json.loads(instructions("ENTRYPOINT")[0])


def test_what_the_image_writes_lies_in_its_volume(configured: Settings) -> None:
    assert [HOME] == instructions("VOLUME") == instructions("WORKDIR")[1:]
    assert configured.var.is_relative_to(HOME)
    assert [f"var:{HOME}"] == COMPOSE["services"]["bot"]["volumes"]


def test_it_begins_on_paper(configured: Settings) -> None:
    (command,) = instructions("CMD")[-1:]
    assert ["run", "--paper", "--config", CONFIG] == json.loads(command) == COMPOSE["services"]["bot"]["command"]
    assert "paper" == configured.profile


def test_every_secret_is_handed_on_from_the_environment_and_none_is_written_down() -> None:
    handed = {name: value for name, value in COMPOSE["services"]["bot"]["environment"].items() if name in SECRETS}
    assert dict.fromkeys(SECRETS) == handed
    passwords = [service["environment"] for service in COMPOSE["services"].values()]
    assert {"${POSTGRES_PASSWORD:?choose one and export it}"} == {
        value for told in passwords for name, value in told.items() if "PASSWORD" in name
    }


def test_the_composition_holds_together(configured: Settings) -> None:
    services, bot = COMPOSE["services"], COMPOSE["services"]["bot"]
    assert bot["depends_on"].keys() <= services.keys()
    assert all("healthcheck" in services[name] for name in bot["depends_on"])
    named = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert set(COMPOSE["volumes"]) == named
    assert int(bot["stop_grace_period"].removesuffix("s")) > configured.service.stop_s
    assert (True, True, ["ALL"]) == (bot["init"], bot["read_only"], bot["cap_drop"])


@pytest.mark.parametrize(
    "command",
    [("hadolint", "Dockerfile"), ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")],
    ids=lambda command: command[0],
)
def test_a_linter_finds_nothing(command: tuple[str, ...]) -> None:
    if not (BIN / command[0]).exists():
        pytest.skip(f"{command[0]} is not installed: pip install --editable '.[container]'")
    told = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == told.returncode, told.stdout + told.stderr
