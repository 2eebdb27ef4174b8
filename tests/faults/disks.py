"""A disk that can be filled: a small tmpfs where this user may mount one, else a limit on how long files may be."""

import ctypes
import ctypes.util
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE_MB = 32
LONGEST_FILE = 16_384
"""Bytes, of a full disk where there is no tmpfs: room for the exits' journal, and not for the ledger's."""


class Disk:
    """Where a folder lies."""

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self._ballast = folder / "ballast"
        self._mounted = mounted
        self._limited: int | None = None

    def fill(self, pid: int) -> None:
        """No more room, for the process of that number at least."""
        if not self._mounted:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (LONGEST_FILE, resource.RLIM_INFINITY))
            self._limited = pid
            return
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass

    def free(self) -> None:
        """As much room as before."""
        if self._limited is not None:
            with suppress(ProcessLookupError):
                resource.prlimit(self._limited, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, *, mount: bool) -> Iterator[Disk]:
    """A disk of its own for a new folder, if that is wanted and can be."""
    folder.mkdir(parents=True)
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    told = f"size={SIZE_MB}m".encode()
    mounted = mount and os.geteuid() == 0 and libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, told) == 0
    try:
        yield Disk(folder, mounted=mounted)
    finally:
        if mounted:
            libc.umount2(bytes(folder), 2)  # MNT_DETACH: whoever still writes there may end in peace
