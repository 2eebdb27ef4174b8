"""Installed elsewhere the program has all of its files, works in any folder, and writes nothing beside its code."""

import os
import re
import subprocess
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from tests.functional.commands import said, soak
from tests.functional.installed import FOLDERS, ROOT, contents, installation, packages_of, wheel_of_the_checkout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of_the_checkout(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installation(wheel, tmp_path_factory.mktemp("installed") / "environment")


def installed_bot(environment: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`bot` as installed, in `folder`, by a user of its own home, to its end."""
    with begun(environment, folder, *arguments) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def begun(environment: Path, folder: Path, *arguments: object) -> subprocess.Popen[str]:
    told = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HOME": str(folder / "home")}
    command = [str(environment / "bin/bot"), *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def asked_of_the_page(environment: Path, folder: Path) -> dict[str, int]:
    """What `bot web` answers to whoever opens the page there: status by path."""
    with begun(environment, folder, "web", "--port", 0) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("the web page is at http://127.0.0.1:"), line + process.communicate(timeout=60)[1]
            with httpx.Client(base_url=line.split()[5].removesuffix(";"), timeout=60) as client:
                page = client.get("/")
                paths = ["/login", "/api/openapi.json", "/metrics", *re.findall(r'(?:href|src)="(/[^"]+)"', page.text)]
                return {"/": page.status_code} | {path: client.get(path).status_code for path in paths}
        finally:
            process.terminate()


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    there = {
        str(path.relative_to(ROOT))
        for name in FOLDERS
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert there == packed, "list new packages, and what they need beside code, in pyproject.toml"


def test_the_installed_command_works_in_any_folder_and_changes_nothing_beside_its_code(
    environment: Path, tmp_path: Path
) -> None:
    before = contents(packages_of(environment))
    ended = installed_bot(environment, tmp_path, "init", "--yes", "--kind", "paper")
    schema = installed_bot(environment, tmp_path, "schema")
    version = installed_bot(environment, tmp_path, "--version")
    assert (0, 0, 0) == (ended.returncode, schema.returncode, version.returncode), ended.stderr + schema.stderr
    assert (ROOT / "config/schema.json").read_text() == schema.stdout
    assert {"bot.yaml"} == {path.name for path in tmp_path.iterdir()}
    assert before == contents(packages_of(environment))


def test_the_installed_page_has_all_of_its_files(environment: Path, tmp_path: Path) -> None:
    before = contents(packages_of(environment))
    answered = asked_of_the_page(environment, tmp_path)
    assert {"/", "/login", "/static/page.js", "/static/page.css", "/api/openapi.json"} <= set(answered)
    assert {} == {path: status for path, status in answered.items() if status != 200}
    assert before == contents(packages_of(environment))


@soak
def test_two_days_on_paper_leave_what_they_write_in_the_working_folder_and_are_shown(
    environment: Path, tmp_path: Path
) -> None:
    before = contents(packages_of(environment))
    run = said(installed_bot(environment, tmp_path, "run", "--paper", "--hours", 48, "--json"))
    status = said(installed_bot(environment, tmp_path, "status", "--json"))
    backup = installed_bot(environment, tmp_path, "db", "backup", tmp_path / "kept.tar")
    assert run["equity"] == status["equity"]
    assert {200} == set(asked_of_the_page(environment, tmp_path).values())
    assert 0 == backup.returncode, backup.stderr
    assert {"home", "kept.tar", "var"} == {path.name for path in tmp_path.iterdir()}
    assert list((tmp_path / "home/.cache/funding-bot").rglob("*.nbi"))
    assert before == contents(packages_of(environment))
