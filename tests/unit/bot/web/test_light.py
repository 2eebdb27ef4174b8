"""What is loaded with the web page, and that nobody else waits for it."""

import subprocess
import sys

import pytest

SERVERS, HEAVY = ("fastapi", "uvicorn", "prometheus_client"), ("torch", "ccxt", "stable_baselines3", "matplotlib")


@pytest.mark.parametrize(
    ("module", "absent"), [("bot.cli.main", SERVERS), ("bot.supervisor.service", SERVERS), ("bot.web.service", HEAVY)]
)
def test_nobody_loads_what_only_others_need(module: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([name for name in {absent} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == told.stdout.strip()
