"""What an account pays a venue for a fill: its own figure where the settings name one, else the venue's schedule."""

from data.errors import ConfigurationError
from data.settings import VenueSettings
from data.venues import FeeTier, venue_profile


def fees(venue: str, settings: VenueSettings) -> FeeTier:
    """Taker and maker fee on `venue`, bps of notional: `settings`' own figures win over those of its `fee_tier`.

    Raises ConfigurationError for an unknown venue, or a tier that the venue does not have.
    """
    tiers = venue_profile(venue).fee_tiers
    if not 0 <= settings.fee_tier < len(tiers):
        raise ConfigurationError(
            f"{venue} has no fee tier {settings.fee_tier}: "
            f"set data.venues.{venue}.fee_tier to one of 0..{len(tiers) - 1}"
        )
    tier, taker, maker = tiers[settings.fee_tier], settings.taker_fee_bps, settings.maker_fee_bps
    return FeeTier(tier.taker_bps if taker is None else taker, tier.maker_bps if maker is None else maker)
