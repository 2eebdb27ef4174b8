"""A pair is left alone until its time is over, either way round, and whoever restarts meanwhile."""

from pathlib import Path

import pytest

from bot.bans import BanList
from data.errors import StateError

PAIR = (("binance", "X/USDT:USDT"), ("hyperliquid", "X/USDC:USDC"))
OTHER = (("binance", "Y/USDT:USDT"), ("hyperliquid", "Y/USDC:USDC"))


def test_a_banned_pair_is_left_alone_until_its_time_is_over(tmp_path: Path) -> None:
    BanList(tmp_path / "bans.json").ban(PAIR, 100)
    bans = BanList(tmp_path / "bans.json")
    assert [True, True, False] == [bans.bans(PAIR, 99), bans.bans(PAIR[::-1], 99), bans.bans(PAIR, 100)]
    assert not bans.bans(OTHER, 99)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": "b"}'])
def test_a_file_that_is_not_understood_is_no_empty_list(tmp_path: Path, content: str) -> None:
    (tmp_path / "bans.json").write_text(content)
    with pytest.raises(StateError, match="delete it to lift all bans"):
        BanList(tmp_path / "bans.json")
