"""Numbers as the venues write them."""

from hypothesis import given
from hypothesis import strategies as st

from backtest.sandbox.text import Rows, decimal, decimals, multiple


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimal_reads_back_as_the_same_double(value: float) -> None:
    text = decimal(value)

    assert float(text) == value
    assert "e" not in text.lower()


@given(st.floats(1e-9, 1e9))
def test_decimal_is_the_shortest_such_text(value: float) -> None:
    digits = decimal(value).replace(".", "").strip("0")

    assert len(digits) <= len(repr(value).split("e")[0].replace(".", "").strip("0"))


@given(st.integers(0, 10**9), st.integers(-9, 3))
def test_a_multiple_is_the_double_nearest_to_its_notation(count: int, exponent: int) -> None:
    assert multiple(count, 10.0**exponent) == float(f"{count}e{exponent}")


def test_decimals_of_a_unit() -> None:
    assert [decimals(unit) for unit in (10.0, 1.0, 0.1, 0.001, 1e-7)] == [0, 0, 1, 3, 7]


def test_rows_are_rendered_when_first_asked_for() -> None:
    rendered: list[int] = []

    def render(index: int) -> str:
        rendered.append(index)
        return str(index)

    rows = Rows(100, render)

    assert rows.page(3, 6) == ["3", "4", "5"]
    assert rows.page(4, 8) == ["4", "5", "6", "7"]
    assert rows.page(5, 5) == rows.page(9, 3) == []
    assert rendered == [3, 4, 5, 6, 7]
