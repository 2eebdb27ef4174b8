"""Who trades next: the runtime asks the registry, and keeps whom it has where the new champion cannot be used."""

import asyncio
import logging
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pytest

from backtest.accounting import equity
from backtest.policies import CarryRule, Policy
from backtest.schema import Schema
from backtest.simulated_venue import FLAT, KEEP
from backtest.windows import Window, Windows
from bot.alerts import Kind
from bot.settings import Settings
from bot.succession import STAND_IN, Succession, follow_champion, stand_in
from data.errors import StateError
from data.types import HOUR_MS
from pbt_online.cycles import Cycle, cycles, effective_at, take_effect, write_cycle
from pbt_online.gate import Verdict
from pbt_online.manifest import Origin
from pbt_online.network import NetworkPolicy
from pbt_online.registry import Registry
from tests.unit.bot.test_trader import Desk
from tests.unit.pbt_online.networks import layers

PAIRS = Schema(3, 5, "pairs", 8)
SETTINGS = Settings()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    opened = Registry(tmp_path / "registry")
    opened.champion(Schema(3, 5))
    return opened


@pytest.fixture
def desk(tmp_path: Path, registry: Registry) -> Desk:
    """A trader of the registry's champion."""
    opened = Desk(tmp_path, [])
    opened.trader.champion = registry.champion(Schema(3, 5)).name
    return opened


def network(registry: Registry, schema: Schema = PAIRS) -> str:
    policy = NetworkPolicy("net", schema, layers(schema.size, 4, schema.actions))
    return registry.register_network(policy, Origin(), name=f"net-{schema.slots}").name


class Judged:
    """Verdicts of cycles that a folder holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def at(self, tick: int) -> Cycle | None:
        return effective_at(self.folder, tick, LEAD * HOUR_MS)

    def acted(self, cycle: Cycle, tick: int) -> None:
        take_effect(self.folder, cycle, tick)

    def begin(self, tick: int, champion: str) -> None:
        raise AssertionError("nobody collects here")


LEAD = 6
DUE = 100


def judged(folder: Path, champion: str, heir: str | None) -> Judged:
    """One cycle of hour `DUE`, which has refused its challenger and found `heir` better than `champion`."""
    ends = (0, 1), (2, 3), (4, DUE)
    windows = Windows(*(Window(first * HOUR_MS, last * HOUR_MS) for first, last in ends))
    verdict = Verdict("ppo-x", False, 1, 0.01, 96, (), (), 8, None, ("it earns less",))
    write_cycle(folder, Cycle(1, "f", windows, champion, "ppo-x", verdict, heir))
    return Judged(folder)


def full(*_: object) -> None:
    """A disk that takes nothing."""
    raise OSError(ENOSPC, "No space left on device")


def told(desk: Desk) -> list[tuple[Kind, str]]:
    return desk.trader._news


def decides(desk: Desk) -> Policy:
    return desk.trader._policy


def test_a_champion_that_stays_is_not_opened_again(registry: Registry, desk: Desk) -> None:
    before = decides(desk)
    follow_champion(registry, desk.trader, SETTINGS, tick=1)
    assert before is decides(desk)


def test_a_new_champion_trades_with_its_reason(registry: Registry, desk: Desk) -> None:
    rule = desk.trader.champion
    registry.promote(network(registry), 0, "it won")
    follow_champion(registry, desk.trader, SETTINGS, tick=1)
    assert ("net-3", PAIRS) == (decides(desk).name, decides(desk).schema)
    (event,) = desk.tick().events
    assert f"champion net-3 takes over from {rule}: it won" == event.text
    registry.rollback(0, "it lost")
    follow_champion(registry, desk.trader, SETTINGS, tick=1)
    assert rule == desk.trader.champion
    assert "rule" == decides(desk).name


@pytest.mark.parametrize("wrong", ["weights", "manifest", "alias", "slots"])
def test_a_champion_that_cannot_be_used_is_logged_and_the_old_one_goes_on(
    registry: Registry, desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    name = network(registry, Schema(4, 5, "pairs", 8) if wrong == "slots" else PAIRS)
    registry.promote(name, 0, "it won")
    folder = tmp_path / "registry" / "versions" / name
    damaged = {
        "weights": folder / "policy.npz",
        "manifest": folder / "manifest.json",
        "alias": tmp_path / "registry" / "champion.json",
    }
    if wrong in damaged:
        damaged[wrong].write_bytes(b"?")
    before, rule = decides(desk), desk.trader.champion
    logger = logging.getLogger("bot")
    propagated, logger.propagate = logger.propagate, True
    with caplog.at_level(logging.WARNING, logger="bot"):
        follow_champion(registry, desk.trader, SETTINGS, tick=1)
    logger.propagate = propagated
    assert (before, rule) == (decides(desk), desk.trader.champion)
    assert f"{rule} goes on trading" in caplog.text
    assert [] == desk.tick().events


def test_a_registry_that_has_lost_whom_it_named_is_led_by_the_rule_again(
    registry: Registry, desk: Desk, tmp_path: Path
) -> None:
    registry.promote(network(registry), 0, "it won")
    follow_champion(registry, desk.trader, SETTINGS, tick=1)
    (tmp_path / "registry" / "champion.json").unlink()
    follow_champion(registry, desk.trader, SETTINGS, tick=2)
    assert (registry.champion(Schema(3, 5)).name, "rule") == (desk.trader.champion, decides(desk).name)


@pytest.mark.parametrize("schema", [Schema(3, 5), PAIRS], ids=["ranked", "pairs"])
def test_who_stands_in_leaves_as_the_rule_does_and_enters_nothing(schema: Schema) -> None:
    shape = (200, 10, schema.size) if schema.formulation == "pairs" else (200, schema.size)
    seen = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)
    rule, instead = CarryRule(schema).decide(seen), stand_in(schema).decide(seen)
    if schema.formulation == "pairs":
        assert {KEEP, FLAT} == set(instead.ravel().tolist())
        assert ((rule == FLAT) == (instead == FLAT)).all()
    else:
        exits = rule > schema.opportunities
        assert exits.any()
        assert (np.where(exits, rule, 0) == instead).all()


def test_while_somebody_stands_in_nothing_that_is_due_begins(registry: Registry, desk: Desk, tmp_path: Path) -> None:
    """A challenger would be compared with who enters nothing, and be promoted for little."""
    asked, begun = list[int](), list[tuple[int, str]]()

    class Cycles:
        async def at(self, tick: int) -> None:
            asked.append(tick)

        def begin(self, tick: int, champion: str) -> None:
            begun.append((tick, champion))

    name = registry.champion(Schema(3, 5)).name
    alias = tmp_path / "registry" / "champion.json"
    told = alias.read_text()
    alias.write_text("{")
    desk.trader.set_policy(stand_in(Schema(3, 5)), STAND_IN, "a test")
    succession = Succession(SETTINGS, Cycles(), registry, desk.trader, peak=0.0)
    asyncio.run(succession.at(1))
    succession.collected(1)
    assert ([], [], STAND_IN) == (asked, begun, desk.trader.champion)
    alias.write_text(told)
    asyncio.run(succession.at(2))
    succession.collected(2)
    assert ([], [(2, name)], name) == (asked, begun, desk.trader.champion)
    asyncio.run(succession.at(3))
    assert [3] == asked


def test_a_verdict_replaces_whom_it_compared_with(registry: Registry, desk: Desk, tmp_path: Path) -> None:
    rule, flat = desk.trader.champion, registry.register_plain("flat", Schema(3, 5)).name
    succession = Succession(SETTINGS, judged(tmp_path / "pop", rule, flat), registry, desk.trader, peak=0.0)
    for hour, champion in ((DUE + LEAD - 1, rule), (DUE + LEAD, flat)):
        asyncio.run(succession.at(hour * HOUR_MS))
        assert champion == desk.trader.champion


@pytest.mark.parametrize("how", ["promoted by hand", "rolled back by hand", "drawdown"])
def test_a_verdict_changes_nothing_where_another_champion_trades_than_it_compared_with(
    registry: Registry, desk: Desk, tmp_path: Path, how: str
) -> None:
    rule, flat = desk.trader.champion, registry.register_plain("flat", Schema(3, 5)).name
    net, compared = network(registry), rule
    if how != "promoted by hand":
        registry.promote(net, 0, "it won")
        follow_champion(registry, desk.trader, SETTINGS, tick=0)
        compared = net
    succession = Succession(SETTINGS, judged(tmp_path / "pop", compared, flat), registry, desk.trader, peak=0.0)
    asyncio.run(succession.at((DUE + 1) * HOUR_MS))
    assert compared == desk.trader.champion
    if how == "promoted by hand":
        registry.promote(net, (DUE + 1) * HOUR_MS, how)
    elif how == "rolled back by hand":
        registry.rollback((DUE + 1) * HOUR_MS, how)
    else:  # in the very hour in which the verdict takes effect
        succession._peak *= 2
    asyncio.run(succession.at((DUE + LEAD) * HOUR_MS))
    now = net if how == "promoted by hand" else rule
    assert now == desk.trader.champion
    assert (Kind.REFUSED, f"cycle 1: {flat} was compared with {compared}, and {now} trades now: it stays") in told(desk)


def test_a_promotion_that_the_disk_refuses_is_made_an_hour_later(
    registry: Registry, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, flat = desk.trader.champion, registry.register_plain("flat", Schema(3, 5)).name
    verdicts = judged(tmp_path / "pop", rule, flat)
    succession = Succession(SETTINGS, verdicts, registry, desk.trader, peak=0.0)
    with monkeypatch.context() as disk:
        disk.setattr(Registry, "_crown", full)
        with pytest.raises(StateError, match="No space left"):
            asyncio.run(succession.at((DUE + LEAD) * HOUR_MS))
    assert ([], rule, None) == (told(desk), desk.trader.champion, cycles(verdicts.folder)[0].effective_ms)
    later = (DUE + LEAD + 1) * HOUR_MS
    asyncio.run(succession.at(later))
    assert (flat, later) == (desk.trader.champion, cycles(verdicts.folder)[0].effective_ms)


def test_a_verdict_is_told_once_however_often_its_hour_is_repeated(
    registry: Registry, desk: Desk, tmp_path: Path
) -> None:
    """As it is while venues fail; the next process, which knows nothing of what this one meant to tell, tells it."""
    verdicts = judged(tmp_path / "pop", desk.trader.champion, None)
    succession = Succession(SETTINGS, verdicts, registry, desk.trader, peak=0.0)
    for _ in range(3):
        asyncio.run(succession.at((DUE + LEAD) * HOUR_MS))
    refused = (Kind.REFUSED, "cycle 1: ppo-x refused: it earns less")
    assert [refused] == told(desk)
    asyncio.run(Succession(SETTINGS, verdicts, registry, desk.trader, peak=0.0).at((DUE + LEAD) * HOUR_MS))
    assert [refused] * 2 == told(desk)
    asyncio.run(Succession(SETTINGS, verdicts, registry, desk.trader, peak=0.0).at((DUE + LEAD + 1) * HOUR_MS))
    assert [refused] * 2 == told(desk)


def test_a_promotion_that_could_not_be_noted_is_neither_repeated_nor_told_again(
    registry: Registry, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, flat = desk.trader.champion, registry.register_plain("flat", Schema(3, 5)).name
    verdicts = judged(tmp_path / "pop", rule, flat)
    succession = Succession(SETTINGS, verdicts, registry, desk.trader, peak=0.0)
    with monkeypatch.context() as disk:
        disk.setattr("pbt_online.cycles.write_whole", full)
        with pytest.raises(StateError, match="cannot be written"):
            asyncio.run(succession.at((DUE + LEAD) * HOUR_MS))
    assert flat == desk.trader.champion
    before = told(desk)[:]
    registry.rollback((DUE + LEAD) * HOUR_MS, "rolled back by hand")
    asyncio.run(succession.at((DUE + LEAD + 1) * HOUR_MS))
    assert rule == desk.trader.champion
    assert [kind for kind, _ in before] + [Kind.PROMOTED] == [kind for kind, _ in told(desk)]
    assert (DUE + LEAD + 1) * HOUR_MS == cycles(verdicts.folder)[0].effective_ms


@pytest.mark.parametrize("damage", ["damaged", "lost"])
def test_a_champion_with_a_damaged_manifest_is_demoted_for_drawdown_all_the_same(
    registry: Registry, desk: Desk, tmp_path: Path, damage: str
) -> None:
    rule, net = desk.trader.champion, network(registry)
    registry.promote(net, 0, "it won")
    follow_champion(registry, desk.trader, SETTINGS, tick=0)
    manifest = tmp_path / "registry" / "versions" / net / "manifest.json"
    manifest.write_bytes(b"{") if damage == "damaged" else manifest.unlink()
    worth = float(equity(desk.trader.books))
    asyncio.run(Succession(SETTINGS, None, registry, desk.trader, peak=2 * worth).at(HOUR_MS))
    assert rule == desk.trader.champion == registry.champion(Schema(3, 5)).name


@pytest.mark.parametrize("how", ["demoted in an hour that was broken off", "replaced by hand meanwhile"])
def test_only_who_has_traded_is_demoted_for_drawdown(registry: Registry, desk: Desk, how: str) -> None:
    """A process that was killed before its hour was recorded begins with whom the ledger knows."""
    rule, flat = desk.trader.champion, registry.register_plain("flat", Schema(3, 5)).name
    registry.promote(network(registry), 0, "it won")
    follow_champion(registry, desk.trader, SETTINGS, tick=0)
    if how == "replaced by hand meanwhile":
        registry.promote(flat, HOUR_MS, how, by_hand=True)
    else:
        registry.demote(HOUR_MS, "drawdown")
    known, peak = registry.history(), 2 * float(equity(desk.trader.books))
    asyncio.run(Succession(SETTINGS, None, registry, desk.trader, peak).at(HOUR_MS))
    assert known == registry.history()
    assert (flat if how == "replaced by hand meanwhile" else rule) == desk.trader.champion


def test_flat_is_not_demoted_for_drawdown(registry: Registry, desk: Desk) -> None:
    flat = registry.register_plain("flat", Schema(3, 5)).name
    registry.promote(flat, 0, "it won")
    follow_champion(registry, desk.trader, SETTINGS, tick=0)
    worth = float(equity(desk.trader.books))
    asyncio.run(Succession(SETTINGS, None, registry, desk.trader, peak=2 * worth).at(HOUR_MS))
    assert flat == desk.trader.champion
