"""Settings of how live orders are carried out. Composed into the configuration by `bot.settings`."""

from pydantic import Field

from data.settings import Frozen


class ExecutionSettings(Frozen):
    """How orders are carried out at real venues."""

    attempts: int = Field(3, ge=1, le=10, description="Orders sent for one leg before it is left as it is.")
    leg_deadline_s: float = Field(
        5.0, gt=0, le=60, description="The second leg has this long to match the first one, s; then that is taken back."
    )
    answer_s: float = Field(
        1.0, gt=0, le=60, description="An order whose answer takes longer than this is asked for meanwhile, s."
    )
    ask_s: float = Field(
        20.0, gt=0, le=300, description="An order without a known outcome is asked for this long before others wait, s."
    )
    absent_after_s: float = Field(
        6.0,
        ge=0,
        le=60,
        description="An order that the venue does not know counts as never received after this, s; venues take it 5 s "
        "long.",
    )
    max_book_age_s: float = Field(
        60.0, gt=0, description="Nothing is entered on an order book whose own time is further back, s."
    )
    start_patience_s: float = Field(
        120.0,
        ge=0,
        le=3600,
        description="A restart waits this long for a venue that does not answer, s; then it goes on without it.",
    )
    max_slow_downs: int = Field(
        3, ge=1, description="Nothing is entered where a venue asked to slow down so often within a minute."
    )
    exit_collar_bps: float = Field(
        100.0,
        gt=0,
        le=1000,
        description="Exits trade up to this far from the mid, bps; twice that at each new attempt.",
    )
