"""Tells systemd how the service stands, by sd_notify(3): a datagram to the socket that NOTIFY_SOCKET names."""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Says it to systemd, or to nobody where none asked."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """The socket and how often a sign of life is wanted are what the environment says."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.every_s = int(environment.get("WATCHDOG_USEC", "0")) / 1e6 / 2 or None
        """Half of what systemd's watchdog waits for; None where it does not."""

    def tell(self, *assignments: str) -> bool:
        """`READY=1`, `WATCHDOG=1`, `STATUS=...`, `STOPPING=1`; whether anybody was there to hear it."""
        if not self._address:
            return False
        # An address that begins with @ has no file: the kernel writes that as a zero byte.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
            datagram.setblocking(False)
            try:
                datagram.sendto("\n".join(assignments).encode(), address)
            except OSError:
                return False
        return True
