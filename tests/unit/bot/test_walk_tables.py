"""What a walk forward says of its cycles."""

import pytest

from bot.cli.walk_tables import cycles_line


@pytest.mark.parametrize(
    ("promoted", "champions", "expected"),
    [
        ([], ["rule"], "0 cycles: the gate promoted 0 challengers"),
        ([True, False], ["rule", "ppo"], "2 cycles: the gate promoted 1 challengers"),
        ([False], ["rule"], "learning has added nothing here, and the rule went on trading"),
        ([False], ["rule", "flat"], "learning has added nothing here"),
    ],
)
def test_the_rule_is_said_to_trade_where_nobody_took_over(
    promoted: list[bool], champions: list[str], expected: str
) -> None:
    cycles = [{"verdict": {"promoted": one}} for one in [*promoted]] + [{"verdict": None}]
    assert cycles_line({"cycles": cycles, "champions": [{"version": one} for one in champions]}).endswith(expected)
