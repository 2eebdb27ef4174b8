"""What distortions do to what a world shows, and what they leave alone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from backtest.sandbox.distortions import Distortion
from backtest.sandbox.world import World
from data.errors import ConfigurationError
from tests.fakes.account_worlds import AAA, BBB, coin, hour_ms, small_world


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return small_world(tmp_path, symbols=(AAA, BBB))


def test_a_factor_on_the_price_moves_book_last_and_mark_of_one_contract(world: World) -> None:
    world.distortions.replace([Distortion(kind="price", symbol=AAA, factor=1.2)], world.now_ms())

    now, one, other = world.now_ms(), coin(AAA), coin(BBB)
    assert (120.0, 120.0, 120.0) == (world.traded(one, now), world.last(one, now), world.mark(one, now))
    assert 120.12 == world.book(one, now).asks[0][0]
    assert (100.0, 100.1) == (world.mark(other, now), world.book(other, now).asks[0][0])


def test_a_factor_on_the_mark_leaves_what_is_traded(world: World) -> None:
    world.distortions.replace([Distortion(kind="mark", factor=0.5)], world.now_ms())

    now, one = world.now_ms(), coin(AAA)
    assert (50.0, 100.0, 100.1) == (world.mark(one, now), world.last(one, now), world.book(one, now).asks[0][0])


def test_a_crossed_book_has_bids_above_its_asks(world: World) -> None:
    world.distortions.replace([Distortion(kind="crossed")], world.now_ms())

    book = world.book(coin(AAA), world.now_ms())
    assert (100.1, 99.9) == (book.bids[0][0], book.asks[0][0])


def test_an_empty_book_is_empty(world: World) -> None:
    world.distortions.replace([Distortion(kind="empty")], world.now_ms())

    assert ((), ()) == (world.book(coin(AAA), world.now_ms()).bids, world.book(coin(AAA), world.now_ms()).asks)


def test_frozen_timestamps_stand_where_they_froze(world: World) -> None:
    told = world.now_ms()
    world.distortions.replace([Distortion(kind="frozen")], told)
    world.clock.advance_to(hour_ms(2))

    assert told == world.stamp(coin(AAA), world.now_ms())


def test_a_window_of_market_time_opens_and_closes(world: World) -> None:
    window = {"begin": at(hour_ms(1)), "end": at(hour_ms(2))}
    world.distortions.replace([Distortion(kind="price", factor=2.0, **window)], world.now_ms())

    assert [100.0, 200.0, 100.0] == [world.mark(coin(AAA), hour_ms(hour)) for hour in range(3)]
    assert [hour_ms(1) - 1, hour_ms(1), hour_ms(2) - 1, hour_ms(2)] == list(world.distortions.edges())


def test_a_venue_that_is_not_served_is_refused_and_changes_nothing(world: World) -> None:
    world.distortions.replace([Distortion(kind="empty")], 0)

    with pytest.raises(ConfigurationError, match="kraken"):
        world.distortions.replace([Distortion(kind="empty", venue="kraken")], 0)
    assert [{"kind": "empty"}] == world.distortions.shown()


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "price"},
        {"kind": "empty", "factor": 2.0},
        {"kind": "empty", "begin": at(2000), "end": at(1000)},
        {"kind": "strange"},
    ],
)
def test_a_distortion_that_means_nothing_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Distortion.model_validate(told)
