"""The program as `pip install` puts it elsewhere: a wheel of this checkout, and a virtual environment that has it."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("data", "backtest", "pbt_online", "bot", "config")
FILES = ("pyproject.toml", "README.md", "LICENSE")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def wheel_of_the_checkout(folder: Path) -> Path:
    """Build it as pip would, from a copy: building leaves files in the folder that it builds from."""
    source, into = folder / "source", folder / "wheels"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    into.mkdir()
    subprocess.run([sys.executable, "-c", BUILD, into], cwd=source, check=True, capture_output=True)
    (wheel,) = into.glob("*.whl")
    return wheel


def installation(wheel: Path, folder: Path) -> Path:
    """Install the wheel into a fresh environment, which borrows the dependencies of this one; returns its folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = packages_of(folder)
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    return folder


def packages_of(folder: Path) -> Path:
    """The site-packages of an environment."""
    (packages,) = folder.glob("lib/python*/site-packages")
    return packages


def contents(folder: Path) -> dict[str, int]:
    """Every file below, with the time of its last change, ns."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
