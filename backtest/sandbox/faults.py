"""The faults that can be scripted into the sandbox's venues: where, when and what. Part of the sandbox's settings.

`fault_script` decides which request meets one, `fault_answers` makes the client feel it.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data.settings import Frozen, utc_ms


class Scripted(Frozen):
    """Which venue meets a fault, and when. All conditions must hold together."""

    venue: str | None = Field(None, description="Which venue; empty: every one.")
    times: int | None = Field(None, ge=1, description="At most this many requests meet it; empty: no end.")
    every: int = Field(1, ge=1, description="Of the requests that fit, every so many-th.")
    probability: float = Field(1.0, gt=0, le=1, description="Chance of each of those, drawn by `seed`.")
    seed: int = Field(0, description="Of the chance: same seed and same order of requests, same faults.")
    begin: datetime | None = Field(None, description="From then, market time, UTC.")
    end: datetime | None = Field(None, description="Until then, market time, UTC.")
    from_s: float = Field(0.0, ge=0, description="From so many real seconds after it was told.")
    until_s: float | None = Field(None, gt=0, description="Until so many real seconds after it was told; empty: on.")

    @model_validator(mode="after")
    def _windows_last(self) -> Self:
        if self.begin is not None and self.end is not None and utc_ms(self.end) <= utc_ms(self.begin):
            raise ValueError("`end` must be later than `begin`")
        if self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError("`until_s` must be later than `from_s`")
        return self

    def lasts(self, market_ms: int, told_s_ago: float) -> bool:
        """Whether its windows of market time and of real seconds are open."""
        return (
            (self.begin is None or utc_ms(self.begin) <= market_ms)
            and (self.end is None or market_ms < utc_ms(self.end))
            and self.from_s <= told_s_ago
            and (self.until_s is None or told_s_ago < self.until_s)
        )


class ScriptedRequest(Scripted):
    """A fault of certain requests."""

    method: Literal["GET", "POST", "PUT", "DELETE"] | None = Field(None, description="Empty: any.")
    request: str = Field(
        "*",
        min_length=1,
        description="Path below the venue's, or its end, with wildcards: klines, ticker/*; on Hyperliquid a type.",
    )


class Losing(ScriptedRequest):
    """A fault that loses the answer: of a request that never took effect, or that did."""

    after: bool = Field(False, description="The request takes effect first, and only the answer is lost.")


class StatusFault(Losing):
    """Another status: 429 and 418 with Retry-After, 403, 5xx, in the venue's own words or a proxy's page."""

    kind: Literal["status"]
    status: int = Field(ge=400, le=599, description="HTTP status.")
    retry_after_s: int | None = Field(None, ge=0, description="Retry-After header, seconds; empty: none.")
    page: bool = Field(False, description="An HTML page instead of the venue's own words.")
    body: str | None = Field(None, description="This text instead of either.")

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.page and self.body is not None:
            raise ValueError("give `page` or `body`, not both")
        return self


class NoAnswerFault(Losing):
    """`timeout`: accepted, and never answered until the client gives up."""

    kind: Literal["timeout"]


class NoJsonFault(Losing):
    """Status 200 with nothing in it, or with an HTML page."""

    kind: Literal["empty", "html"]


class ResetFault(Losing):
    """The TCP connection is reset instead of an answer."""

    kind: Literal["reset"]


class DelayFault(Losing):
    """The request takes effect so much later, or with `after` at once, and its answer comes so much later."""

    kind: Literal["delay"]
    ms: float = Field(gt=0, le=600_000, description="How much later, milliseconds.")


class CutFault(ScriptedRequest):
    """The request takes effect, and half of the answer arrives: `cut` breaks the connection there, although more was
    promised; `cut_json` is complete HTTP around half of the JSON."""

    kind: Literal["cut", "cut_json"]


class TextFault(ScriptedRequest):
    """`answer`: status 200 and this text in place of the venue's own answer; the request never reaches the venue."""

    kind: Literal["answer"]
    text: str = Field(description="The whole body, JSON or not.")


class RowsFault(ScriptedRequest):
    """`doubled`: every row of the list that is answered is told twice, the last one first."""

    kind: Literal["doubled"]


class DownFault(Scripted):
    """The venue is down: every connection is accepted and reset, whatever it asks."""

    kind: Literal["down"]


Fault = Annotated[
    StatusFault | NoAnswerFault | NoJsonFault | ResetFault | DelayFault | CutFault | TextFault | RowsFault | DownFault,
    Field(discriminator="kind"),
]
"""One fault; `kind` says which."""
