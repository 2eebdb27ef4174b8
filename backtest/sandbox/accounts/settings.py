"""Settings of the sandbox's accounts: their keys and what they begin with."""

from pydantic import Field

from data.settings import Frozen


class AccountSettings(Frozen):
    """One account at each venue, all with the same key; a wallet venue has its address and private key instead."""

    balance: float = Field(
        10_000.0, ge=0, allow_inf_nan=False, description="What each account begins with, quote currency."
    )
    key: str = Field("sandbox-key", min_length=1, description="API key.")
    secret: str = Field("sandbox-secret", min_length=1, description="What requests are signed with.")
    passphrase: str = Field("sandbox-passphrase", min_length=1, description="OKX's third credential.")
    wallet: str = Field(
        "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf",
        pattern="^0x[0-9a-f]{40}$",
        description="Hyperliquid's address: that of the private key, in lower case.",
    )
    private_key: str = Field(
        "0x0000000000000000000000000000000000000000000000000000000000000001",
        pattern="^0x[0-9a-f]{64}$",
        description="What Hyperliquid's actions are signed with; of this world alone.",
    )
    recv_window_ms: int = Field(
        5000, ge=1, le=60_000, description="How old a signed request may be that does not say so itself, real ms."
    )
