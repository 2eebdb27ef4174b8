from rich.console import Console

from bot.cli.train import show_verdict
from pbt_online.gate import Comparison, Limit, Verdict


def test_a_window_that_is_too_short_for_a_bound_is_shown_as_such() -> None:
    comparison = Comparison("rule", -0.25, 0.1, lower=None, p_value=1.0, detectable=None, passed=False)
    limit = Limit("trades", value=None, bound=10.0, passed=False)
    verdict = Verdict("ppo", False, 1, 0.001, 240, (comparison,), (limit,), 4, None, ("the window is too short",))
    console = Console(record=True, width=120)
    show_verdict(verdict, console)

    shown = console.export_text()
    (row,) = [line.split() for line in shown.splitlines() if line.strip().startswith("rule")]
    assert ["rule", "-0.250", "-", "1.0000", "-", "not", "shown"] == row
    assert "the window is too short" in shown and "refused" in shown
