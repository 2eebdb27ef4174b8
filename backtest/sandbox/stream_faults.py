"""The faults that can be scripted into the sandbox's websockets, and the union of all that a script may hold.

Used by the sandbox's settings, `network` and `fault_script`; a refusal to connect is a fault of the request that opens
the stream, and so one of `faults`.
"""

from typing import Annotated, Literal

from pydantic import Field

from backtest.sandbox.faults import Fault, Scripted


class StreamFault(Scripted):
    """A fault of an open stream, met when it is about to tell prices: `stale` leaves the connection open and says
    nothing more on it, whatever it is asked; `drop` resets the TCP connection."""

    kind: Literal["stale", "drop"]


AnyFault = Annotated[Fault | StreamFault, Field(discriminator="kind")]
"""One fault of a request or of a stream; `kind` says which."""
