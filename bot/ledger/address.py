"""The address of a ledger in PostgreSQL, understood once for all who connect to it, and shown by nobody.

Used by `database` and `feed`: neither hands the address itself to a driver, whose errors would quote it, password
and all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from data.errors import ConfigurationError

_FORM = re.compile(
    r"postgresql(?:\+\w+)?://"
    r"(?:(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s/:?@\[\]]+))?(?::(?P<port>\d{1,5})?)?"
    r"(?:/(?P<database>[^?@]*))?(?:\?(?P<options>.*))?"
)
_HOST_AND_PORT = re.compile(r"([A-Za-z0-9.-]+):(\d+)")
_QUOTED = ("user", "password", "database")


@dataclass(frozen=True, repr=False)
class Address:
    """Where a database is, and who asks for it."""

    user: str | None
    password: str | None
    host: str | None
    port: int | None
    database: str | None
    options: Mapping[str, tuple[str, ...]]
    """Of libpq, by name: what follows the question mark."""

    def arguments(self) -> dict[str, str]:
        """The same by libpq's names, for a connection."""
        named = {"user": self.user, "password": self.password, "host": self.host, "dbname": self.database}
        told = {name: value for name, value in named.items() if value}
        if self.port is not None:
            told["port"] = str(self.port)
        told |= {name: ",".join(values) for name, values in self.options.items()}
        places = [_HOST_AND_PORT.fullmatch(host) for host in told.get("host", "").split(",")]
        if any(places):
            told["port"] = ",".join(place[2] if place else "" for place in places)
            told["host"] = ",".join(
                place[1] if place else host for place, host in zip(places, told["host"].split(","), strict=True)
            )
        return told


def read_address(url: str) -> Address:
    """What an address says; raises ConfigurationError, which does not show it, where that is not clear."""
    told = _FORM.fullmatch(url.strip())
    if told is None:
        raise ConfigurationError("the ledger's address is not of the form postgresql://user@host/database: mend it")
    options = {name: tuple(values) for name, values in parse_qs(told["options"] or "").items()}
    user, password, database = (None if told[name] is None else unquote(told[name]) for name in _QUOTED)
    port = int(told["port"]) if told["port"] else None
    return Address(user, password, told["v6"] or told["host"], port, database, options)
