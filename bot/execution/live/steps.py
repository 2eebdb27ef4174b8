"""Quantities and prices in a venue's whole steps, exactly, as the text that is sent. Used by `account`."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

_NOISE = Decimal("1e-6")
"""Of a step: how far arithmetic with floats may be off."""


def exact(number: float | str) -> Decimal:
    """The decimal number that a float or a venue's text shows; raises ValueError for what is not a number."""
    try:
        value = Decimal(number if isinstance(number, str) else repr(float(number)))
    except ArithmeticError as error:
        raise ValueError(f"{number!r} is not a number") from error
    if not value.is_finite():
        raise ValueError(f"{number!r} is not a finite number")
    return value


def whole(quantity: float, step: float) -> Decimal:
    """`quantity` as a whole number of `step`s; raises ValueError where it is none, or zero."""
    size, unit = exact(quantity), exact(step)
    rounded = (size / unit).to_integral_value() * unit
    if not rounded or abs(rounded - size) > unit * _NOISE:
        raise ValueError(f"a quantity of {quantity!r} is not a whole number of steps of {step!r}: round it first")
    return rounded


def inward(limit: float, step: Decimal, *, buys: bool) -> Decimal:
    """`limit` in whole `step`s, down for a buyer and up for a seller; raises ValueError where no price is left."""
    steps = exact(limit) / step
    near = steps.to_integral_value()
    if abs(near - steps) > _NOISE:
        near = steps.to_integral_value(ROUND_FLOOR if buys else ROUND_CEILING)
    if near <= 0:
        raise ValueError(f"a limit of {limit!r} is no price in steps of {step}: give one above zero")
    return near * step


def plain(number: Decimal) -> str:
    """Digits without exponent and without zeros at the end."""
    return format(number.normalize(), "f")
