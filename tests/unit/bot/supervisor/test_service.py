"""When trading is supervised, what the collector is told, and what the supervisor loads."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.settings import Settings, live_settings, paper_settings
from bot.supervisor.keeper import LASTING
from bot.supervisor.service import collector_settings, wants_supervision
from data.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[4]
HEAVY = ("torch", "ccxt", "numba", "pandas", "pyarrow", "sqlalchemy")


def supervised(settings: Settings, value: bool) -> Settings:
    return settings.model_copy(update={"service": settings.service.model_copy(update={"supervised": value})})


@pytest.mark.parametrize(
    ("settings", "hours", "asked", "expected"),
    [
        (Settings(), None, None, False),
        (Settings(), 5, True, True),
        (supervised(Settings(), True), None, None, True),
        (paper_settings(), None, None, True),
        (paper_settings(), 5, None, False),
        (paper_settings(), 5, False, False),
        (live_settings(), None, None, True),
        (live_settings(), None, False, False),
        (supervised(live_settings(), False), None, None, False),
    ],
)
def test_real_venues_without_a_bound_are_traded_supervised_unless_told_otherwise(
    settings: Settings, hours: int | None, asked: bool | None, expected: bool
) -> None:
    assert expected == wants_supervision(settings, hours, asked)


def test_a_service_on_real_venues_has_no_bound() -> None:
    with pytest.raises(ConfigurationError, match="leave out --hours"):
        wants_supervision(live_settings(), 5, True)


def test_the_collector_takes_all_that_there_is_into_a_lake_of_its_own_within_what_the_trader_leaves() -> None:
    settings = live_settings()
    data = collector_settings(settings).data
    assert ((), ("last", "mark", "index"), True, 90 * 24) == (
        data.assets, data.candles, data.snapshots, data.history_hours,
    )  # fmt: skip
    assert str(settings.var / "archive") == data.lake
    for name, venue in settings.data.venues.items():
        assert venue.budget_share + data.venues[name].budget_share == pytest.approx(1.0)


def test_the_supervisor_loads_nothing_that_is_heavy() -> None:
    code = (
        "import sys, bot.cli.main, bot.cli.live, bot.supervisor.service, bot.supervisor.health\n"
        f"print([one for one in {HEAVY!r} if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "[]\n" == done.stdout


def test_the_codes_that_end_a_service_are_those_that_its_page_and_its_unit_name() -> None:
    codes = sorted(LASTING)
    assert f"| {', '.join(map(str, codes))} |" in (ROOT / "docs/service.md").read_text()
    unit = (ROOT / "packaging/funding-bot.service").read_text()
    assert f"RestartPreventExitStatus={' '.join(map(str, codes))}\n" in unit


def test_the_example_of_a_unit_asks_for_what_the_supervisor_tells() -> None:
    told: dict[str, Any] = dict(
        line.split("=", 1) for line in (ROOT / "packaging/funding-bot.service").read_text().splitlines() if "=" in line
    )
    assert ("notify", True) == (told["Type"], 0 < int(told["WatchdogSec"]))
    assert float(told["TimeoutStopSec"]) > Settings().service.stop_s


def test_systemd_understands_the_unit_and_finds_it_shut(tmp_path: Path) -> None:
    """With a program that is there in place of the one to be installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze: the unit was not verified (apt install systemd)")
    unit = tmp_path / "funding-bot.service"
    text = (ROOT / "packaging/funding-bot.service").read_text()
    unit.write_text(text.replace("/opt/funding-bot/bin/bot", sys.executable))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (0, "") == (verified.returncode, verified.stderr)
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=40", unit]
    judged = subprocess.run(security, capture_output=True, text=True, check=False)
    assert 0 == judged.returncode, judged.stdout
