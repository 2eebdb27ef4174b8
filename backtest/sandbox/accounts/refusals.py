"""Why an account refuses: the reasons that the dialects put into their venues' codes and words."""

from enum import StrEnum, auto


class Refusal(StrEnum):
    """A reason."""

    TOLD = auto()
    """Scripted: the code and the words are in the refusal itself."""
    MAY_NOT_TRADE = auto()
    UNKNOWN_SYMBOL = auto()
    QUANTITY_ZERO = auto()
    QUANTITY_STEP = auto()
    QUANTITY_SMALL = auto()
    PRICE_ZERO = auto()
    PRICE_STEP = auto()
    NOTIONAL_SMALL = auto()
    DUPLICATE_ID = auto()
    MARGIN_SHORT = auto()
    WOULD_NOT_REDUCE = auto()
    WOULD_TAKE = auto()
    WOULD_TRIGGER = auto()
    WRONG_SIDE = auto()
    """LONG or SHORT in one-way mode, or neither in hedge mode."""
    UNKNOWN_ORDER = auto()
    NO_LEVERAGE = auto()
    """Less than 1, or more than the venue gives."""
    MARGIN_MODE_SAME = auto()
    MODE_SAME = auto()
    HOLDS_POSITION = auto()
    HOLDS_ORDER = auto()


class OrderRefused(Exception):
    """The account says no, and nothing has changed."""

    def __init__(self, reason: Refusal, detail: str = "", code: str = "") -> None:
        """`detail` is the number or name that it is about, and with TOLD the venue's words; `code` belongs to TOLD."""
        super().__init__(f"{reason}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
        self.code = code
