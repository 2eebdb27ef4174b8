"""Plans chains of positions with all prices known: the compiled half of the hindsight bound.

A chain is a row of positions that do not overlap. The best entry for every exit is looked up in a Li Chao tree, which
keeps the highest of many straight lines, so that a plan over T rows takes O(T log T).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Rows = NDArray[np.int64]

_SLOPE, _HEIGHT, _ROW = range(3)
"""Columns of a tree's nodes [2^(n + 1), 3]; the root is node 1, a row below zero is an empty node."""


class Lines(NamedTuple):
    """Both directions of P pairs as J = 2 P lines, those of pair p being p and p + P, over T rows.

    A unit entered at row s and left at row t > s earns exit[t] - entry[s].
    """

    quantity: Matrix
    """[J, T] units of a position entered at the row; 0 where none may be."""
    entry: Matrix
    """[J, T] what a unit costs to enter; NaN where none may be."""
    exit: Matrix
    """[J, T] what a unit fetches; NaN where it cannot be left."""
    ascending: Matrix
    """[J, 2^n >= T] `exit` in order, its largest in place of NaN and beyond."""
    rank: Rows
    """[J, T] place of `exit` among them."""

    def values(self, positions: Rows) -> Vector:
        """[M] what positions [M, 3] (line, row entered, row left) earn."""
        line, entered, left = positions.T
        return self.quantity[line, entered] * (self.exit[line, left] - self.entry[line, entered])


def make_lines(quantity: Matrix, entry: Matrix, leave: Matrix) -> Lines:
    """Lines of [J, T] each, every one of which can be left somewhere."""
    rows = leave.shape[1]
    # An order with NaN inside would lose lines, and with them the claim to be the best.
    known = np.where(np.isfinite(leave), leave, np.nanmax(leave, axis=1)[:, None])
    ascending = np.sort(known, axis=1)
    rank = np.stack([np.searchsorted(order, values) for order, values in zip(ascending, known, strict=True)])
    beyond = (1 << (rows - 1).bit_length()) - rows
    return Lines(quantity, entry, leave, np.pad(ascending, ((0, 0), (0, beyond)), mode="edge"), rank)


@compiled
def best_of_each_pair(lines: Lines, price: Vector) -> tuple[float, Rows]:
    """The best chain of every pair, each on its own, charged price[t] >= 0 for being held from row t to the next.

    Returns what they earn after the charge and their positions [M, 3].
    """
    pairs, rows = len(lines.exit) // 2, len(price)
    taken = np.zeros((pairs, rows), dtype=np.bool_)
    trees = np.empty((2, 2 * lines.ascending.shape[1], 3))
    found, count, total = np.empty((pairs * rows, 3), dtype=np.int64), 0, 0.0
    for pair in range(pairs):
        best, came = _best_chain(lines, np.array([pair, pair + pairs]), price, taken, trees)
        count = _trace(came, found, count)
        total += best[-1]
    return total, found[:count].copy()


@compiled
def best_of_one_slot(lines: Lines, taken: NDArray[np.bool_]) -> Rows:
    """The positions [M, 3] of the best chain over all pairs that keeps clear of the hours `taken` [P, T] of each."""
    members, rows = np.arange(len(lines.exit)), lines.exit.shape[1]
    trees = np.empty((len(members), 2 * lines.ascending.shape[1], 3))
    _, came = _best_chain(lines, members, np.zeros(rows), taken, trees)
    found = np.empty((rows, 3), dtype=np.int64)
    return found[: _trace(came, found, 0)].copy()


@compiled
def _best_chain(
    lines: Lines, members: Rows, price: Vector, taken: NDArray[np.bool_], trees: NDArray[np.float64]
) -> tuple[Vector, Rows]:
    """The best chain of non-overlapping positions on any of the lines `members`, for every row to end flat at.

    best(t) = max(best(t - 1), max over lines and s < t of best(s) + V(s, t) - price of the hours s..t - 1), by row;
    a Li Chao tree per line finds the best s in O(log T). Returns best [T] and, as [T, 2], line and s (-1: stayed flat).
    """
    best, came, cost = np.zeros(len(price)), np.full((len(price), 2), -1), 0.0
    trees[:, :, _ROW] = -1.0
    for t in range(len(price)):
        if t > 0:
            best[t], cost = best[t - 1], cost + price[t - 1]
        for tree, line in zip(trees, members):  # noqa: B905 - compiled code knows no `strict`
            if np.isfinite(lines.exit[line, t]):
                value, row = _highest(tree, lines.exit[line, t], lines.rank[line, t])
                if value - cost > best[t]:
                    best[t], came[t, 0], came[t, 1] = value - cost, line, row
        for tree, line in zip(trees, members):  # noqa: B905
            if taken[line % len(taken), t]:
                if tree[1, _ROW] >= 0.0:
                    tree[:, _ROW] = -1.0  # what was entered before had to be left by now
            elif np.isfinite(lines.entry[line, t]):
                quantity = lines.quantity[line, t]
                _insert(tree, quantity, best[t] + cost - quantity * lines.entry[line, t], t, lines.ascending[line])
    return best, came


@compiled
def _trace(came: Rows, found: Rows, count: int) -> int:
    """Write the positions of the chain that ends at the last row behind the first `count` of `found`; the new count."""
    t = len(came) - 1
    while t > 0:
        if came[t, 0] < 0:
            t -= 1
            continue
        found[count, 0], found[count, 1], found[count, 2] = came[t, 0], came[t, 1], t
        t, count = came[t, 1], count + 1
    return count


@compiled
def _insert(tree: Matrix, slope: float, height: float, row: int, ascending: Vector) -> None:
    """Add the line slope x + height to a Li Chao tree over the places of `ascending`."""
    low, high, node = 0, len(ascending), 1
    tag = float(row)
    while tree[node, _ROW] >= 0.0:
        middle = (low + high) // 2
        x = ascending[middle]
        if slope * x + height > tree[node, _SLOPE] * x + tree[node, _HEIGHT]:
            slope, tree[node, _SLOPE] = tree[node, _SLOPE], slope
            height, tree[node, _HEIGHT] = tree[node, _HEIGHT], height
            tag, tree[node, _ROW] = tree[node, _ROW], tag
        # The lower line at the middle can be the higher one only where its slope points; mostly it is nowhere.
        rises = slope > tree[node, _SLOPE]
        x = ascending[high - 1] if rises else ascending[low]
        if slope * x + height <= tree[node, _SLOPE] * x + tree[node, _HEIGHT]:
            return
        if rises:
            node, low = 2 * node + 1, middle
        else:
            node, high = 2 * node, middle
    tree[node, _SLOPE], tree[node, _HEIGHT], tree[node, _ROW] = slope, height, tag


@compiled
def _highest(tree: Matrix, x: float, place: int) -> tuple[float, int]:
    """The highest line at x, which is at `place` of the order: its value (-inf: no line) and row."""
    low, high, node = 0, len(tree) // 2, 1
    value, row = -np.inf, -1.0
    while node < len(tree) and tree[node, _ROW] >= 0.0:
        here = tree[node, _SLOPE] * x + tree[node, _HEIGHT]
        if here > value:
            value, row = here, tree[node, _ROW]
        middle = (low + high) // 2
        if place < middle:
            node, high = 2 * node, middle
        else:
            node, low = 2 * node + 1, middle
    return value, int(row)
