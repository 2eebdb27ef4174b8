"""A pair is left alone until its time is over, either way round, and whoever restarts meanwhile."""

from pathlib import Path

import pytest

from bot.bans import BanList
from bot.risk import ApprovedOrder, Denial, Denied, RiskGate
from bot.risk_settings import RiskSettings
from data.errors import StateError
from tests.fakes.pair_entry import LEGS, TICK, account, market, proposal, rules_of, turned

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


def test_no_entry_into_a_banned_pair_is_approved_and_every_exit_is(tmp_path: Path) -> None:
    bans = BanList(tmp_path / "bans.json")
    gate = RiskGate(RiskSettings(), rules_of(), 7, bans=bans)
    assert isinstance(gate.review(proposal(), account(), market()), ApprovedOrder)
    bans.ban([leg.key for leg in LEGS], TICK + 1)
    for wanted in (proposal(), turned(proposal())):
        verdict = gate.review(wanted, account(), market())
        assert isinstance(verdict, Denied)
        assert Denial.BANNED == verdict.denial
    assert isinstance(gate.review(proposal(entry=False), account(), market()), ApprovedOrder)
