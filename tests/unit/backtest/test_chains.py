"""Planned chains against plans that try every entry for every exit."""

import numpy as np
import pytest

from backtest.chains import Lines, best_of_each_pair, best_of_one_slot, make_lines

Taken = np.ndarray


def random_lines(seed: int, rows: int, pairs: int = 3) -> Lines:
    """Prices that wander, with gaps, repeated values, and sizes that differ by row."""
    random = np.random.default_rng(seed)
    worth = np.round(np.cumsum(random.normal(0, 1, (2 * pairs, rows)), axis=1), 1)
    entry, leave = worth + 0.4, worth - 0.4
    entry[random.random(entry.shape) < 0.2] = np.nan
    leave[random.random(leave.shape) < 0.3] = np.nan
    entry[:, -1], leave[:, -1] = np.nan, worth[:, -1]
    return make_lines(random.choice([1.0, 1.5, 2.0, 7.0], entry.shape), entry, leave)


def slow_best(lines: Lines, members: list[int], price: np.ndarray, taken: Taken) -> float:
    """Every entry for every exit, one after the other."""
    rows, pairs = lines.exit.shape[1], len(taken)
    best = np.zeros(rows)
    for left in range(1, rows):
        values = [best[left - 1]]
        for line in members:
            for entered in range(left):
                if not taken[line % pairs, entered:left].any():
                    gain = lines.quantity[line, entered] * (lines.exit[line, left] - lines.entry[line, entered])
                    values.append(best[entered] + gain - price[entered:left].sum())
        best[left] = np.nanmax(values)
    return float(best[-1])


@pytest.mark.parametrize("rows", [2, 3, 16, 17, 60])
@pytest.mark.parametrize("seed", range(6))
def test_the_best_chain_of_each_pair_is_the_best_of_all(seed: int, rows: int) -> None:
    lines, price = random_lines(seed, rows), np.random.default_rng(seed).exponential(0.3, rows)
    nothing = np.zeros((3, rows), dtype=bool)
    value, positions = best_of_each_pair(lines, price)
    assert sum(slow_best(lines, [pair, pair + 3], price, nothing) for pair in range(3)) == pytest.approx(value)
    charged = sum(price[entered:left].sum() for _, entered, left in positions)
    assert value == pytest.approx(lines.values(positions).sum() - charged)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_chain_of_a_slot_keeps_clear_of_what_is_taken(seed: int) -> None:
    lines, rows = random_lines(seed, 60), 60
    taken = np.repeat(np.random.default_rng(seed).random((3, rows // 4)) < 0.3, 4, axis=1)
    positions = best_of_one_slot(lines, taken)
    expected = slow_best(lines, list(range(6)), np.zeros(rows), taken)
    assert expected == pytest.approx(lines.values(positions).sum())
    assert expected < slow_best(lines, list(range(6)), np.zeros(rows), np.zeros_like(taken)), "nothing was in the way"
    for line, entered, left in positions:
        assert not taken[line % 3, entered:left].any()


def test_positions_of_a_chain_do_not_overlap() -> None:
    lines = random_lines(1, 60)
    spans = sorted((entered, left) for _, entered, left in best_of_one_slot(lines, np.zeros((3, 60), dtype=bool)))
    assert len(spans) > 3
    assert all(left <= entered for (_, left), (entered, _) in zip(spans, spans[1:], strict=False))


def test_a_gap_in_the_exits_hides_no_entry() -> None:
    """The second entry is worth more only at the high exits, which the order of exits must still know beside gaps."""
    leave = np.array([[np.nan, np.nan, np.nan, np.nan, 10.0, 1.0], [0.0] * 6])
    entry = np.array([[0.0, 0.5, np.nan, np.nan, np.nan, np.nan], [np.nan] * 6])
    quantity = np.array([[1.0, 2.0, 0.0, 0.0, 0.0, 0.0], [0.0] * 6])
    value, positions = best_of_each_pair(make_lines(quantity, entry, leave), np.zeros(6))
    assert (19.0, [[0, 1, 4]]) == (value, positions.tolist())
