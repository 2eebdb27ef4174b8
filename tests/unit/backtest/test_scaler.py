"""The scaler: what it is fitted on, what it does to a vector, and that it comes back from JSON to the bit."""

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.observation import OPPORTUNITY, Formulation
from backtest.policies import plain_policy
from backtest.scaler import CLIP, Scaler, fit_scaler
from backtest.settings import EnvironmentSettings
from backtest.simulation import Simulation
from backtest.tape import Tape, tape_of_market
from data.errors import ConfigurationError, CorruptData
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS

WINDOW = 336, 500


@cache
def tape(formulation: Formulation = "ranked", hours: int = 240, earlier: int = 0) -> Tape:
    data = DataSettings(assets=("BTC", "INJ", "XRP", "1000PEPE"), history_hours=336 + earlier)
    market = synthetic_market(SyntheticSettings(days=40, assets=data.assets))
    first = market.start_ms + 400 * HOUR_MS
    return tape_of_market(market, data, EnvironmentSettings(formulation=formulation), first, first + hours * HOUR_MS)


def observations(formulation: Formulation) -> np.ndarray:
    """What a random policy sees, [M, O]."""
    told = tape(formulation)
    simulation, policy = Simulation(told, 4), plain_policy("random", told.schema, seed=1)
    seen = []
    for _ in range(120):
        seen.append(simulation.observations.reshape(-1, told.schema.size).copy())
        simulation.step(policy.decide(simulation.observations))
    return np.concatenate(seen)


@pytest.mark.parametrize("formulation", ["ranked", "pairs"])
def test_what_is_seen_becomes_of_unit_size(formulation: Formulation) -> None:
    scaler = fit_scaler(tape(formulation), *WINDOW)
    scaled = scaler.apply(observations(formulation))
    assert np.isfinite(scaled).all()
    assert np.abs(scaled).max() <= CLIP
    by_feature = [scaled[:, index] for index, name in enumerate(scaler.schema.names) if name.endswith("spread_24h")]
    assert 0.3 < np.std(np.concatenate(by_feature)) < 5


@pytest.mark.parametrize("formulation", ["ranked", "pairs"])
def test_where_nothing_is_shown_everything_stays_zero(formulation: Formulation) -> None:
    scaler = fit_scaler(tape(formulation), *WINDOW)
    nothing = scaler.apply(np.zeros((2, scaler.schema.size), dtype=np.float32))
    market = [index for index, name in enumerate(scaler.schema.names) if name.startswith(("opportunity", "pair."))]
    assert {0.0} == set(nothing[:, market].ravel().tolist())


def test_every_rank_is_scaled_alike() -> None:
    scaler = fit_scaler(tape(), *WINDOW)
    block = len(OPPORTUNITY)
    centres, scales = (array[14:].reshape(-1, block) for array in (scaler.centre, scaler.scale))
    assert (centres == centres[0]).all()
    assert (scales == scales[0]).all()
    assert len(np.unique(scales[0])) > 5


def test_exchanging_two_ranks_exchanges_their_scaled_numbers() -> None:
    scaler, block = fit_scaler(tape(), *WINDOW), len(OPPORTUNITY)
    seen = observations("ranked")
    order = np.r_[0:14, 14 + block : 14 + 2 * block, 14 : 14 + block, 14 + 2 * block : seen.shape[1]]
    assert scaler.apply(seen)[:, order].tobytes() == scaler.apply(seen[:, order]).tobytes()


def test_it_is_fitted_on_its_window_and_nothing_else() -> None:
    """Neither what comes after the window nor more history before the tape changes a bit."""
    expected = fit_scaler(tape(), *WINDOW)
    shorter = fit_scaler(tape(hours=WINDOW[1] - 336), *WINDOW)
    longer_history = fit_scaler(tape(earlier=40), WINDOW[0] + 40, WINDOW[1] + 40)
    for other in (shorter, longer_history):
        assert expected.as_dict() == other.as_dict()
    assert expected.as_dict() != fit_scaler(tape(), WINDOW[0], WINDOW[1] + 30).as_dict(), "any window gives the same"


def test_it_comes_back_from_json_to_the_bit() -> None:
    scaler = fit_scaler(tape(), *WINDOW)
    back = Scaler.from_dict(json.loads(json.dumps(scaler.as_dict())), scaler.schema)
    assert (scaler.centre.tobytes(), scaler.scale.tobytes()) == (back.centre.tobytes(), back.scale.tobytes())
    assert (scaler.first_ms, scaler.last_ms) == (back.first_ms, back.last_ms)


def test_a_scaler_of_another_schema_is_refused() -> None:
    content = fit_scaler(tape(), *WINDOW).as_dict()
    with pytest.raises(ConfigurationError, match="fit it anew"):
        Scaler.from_dict(content, tape("pairs").schema)


@given(index=st.integers(0, 123), number=st.sampled_from([0.0, -1.0, float("nan"), float("inf")]))
def test_scales_that_no_fit_gives_are_refused(index: int, number: float) -> None:
    content = fit_scaler(tape(), *WINDOW).as_dict()
    content["scale"][index] = number
    with pytest.raises(CorruptData, match="not finite or not positive"):
        Scaler.from_dict(content, tape().schema)


def test_a_window_without_an_opportunity_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no opportunity"):
        fit_scaler(tape(), 0, 100)
