"""A clock that is off by seconds: what is signed by it is mended and sent once more, and no order is lost by it."""

from pathlib import Path

import pytest

from tests.faults.controls import control
from tests.faults.harness import staged
from tests.faults.oracle import check
from tests.functional.commands import soak


@control(11)
@pytest.mark.parametrize("off_s", [6.0, pytest.param(-6.0, marks=soak)])
def test_a_bot_whose_clock_is_off_trades_all_the_same_and_says_so(tmp_path: Path, off_s: float) -> None:
    with staged(tmp_path, by_hand=True) as stage:
        life = stage.begin(off_s=off_s)
        stage.hour(life, 0)
        stage.hour(life, 1)
        assert 4 == len(stage.held())
        check(stage)
        assert "this machine's clock is" in stage.log()
        assert {"filled"} == {row["state"] for row in stage.rows("select state from orders")}
        life.kill()
