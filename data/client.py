"""How a ccxt client of a venue is made: its class, how fast it may ask, where it sends to. Used by `connection`."""

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from data.errors import ConfigurationError
from data.profile import VenueProfile
from data.settings import VenueSettings


def make_client(library: Any, profile: VenueProfile, settings: VenueSettings, timeout_s: float) -> Any:
    """A client of the venue's class in `library`, ccxt or ccxt.pro, that has sent nothing yet. Raises
    ConfigurationError for an address that cannot be redirected."""
    base = None if settings.base_url is None else settings.base_url.rstrip("/")
    client: Any = getattr(library, profile.ccxt_id)(
        {
            "timeout": round(timeout_s * 1000),
            # A server on this machine has no limits to respect.
            "enableRateLimit": not _on_loopback(base) if settings.throttle is None else settings.throttle,
            "has": {"fetchCurrencies": False},  # a request or two that no public data needs
        }
        | dict(profile.ccxt_config)
    )
    client.rateLimit /= settings.budget_share
    client.tokenBucket = None  # made anew from the rate
    client.init_rest_rate_limiter()
    if base is not None:
        client.urls["api"] = _moved(client.urls["api"], base)
        # Binance's class knows the errors of futures by the real address alone.
        client.exceptions["exact"].update(client.exceptions.get("linear", {}).get("exact", {}))
    return client


def _on_loopback(base: str | None) -> bool:
    host = urlsplit(base or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _moved(api: Any, base: str) -> Any:
    """The table of addresses with every host replaced by `base`, paths kept."""
    if isinstance(api, str):
        address = urlsplit(api)
        # http becomes ws, and https wss.
        return (base.replace("http", "ws", 1) if address.scheme in ("ws", "wss") else base) + address.path
    if isinstance(api, Mapping):
        return {name: _moved(entry, base) for name, entry in api.items()}
    raise ConfigurationError(f"cannot redirect the address {api!r}")
