"""A program whose pool has more to do than it will ever finish: `python -m tests.fakes.busy_parent FOLDER`."""

import fcntl
import os
import sys
import time
from pathlib import Path

from pbt_online.backend import open_backend
from pbt_online.settings import BackendSettings
from tests.fakes.work import asleep


def sign(folder: Path) -> None:
    """Hold a locked file in the folder for as long as this worker lives."""
    global _held
    part = folder / f"{os.getpid()}.part"
    _held = part.open("w")
    fcntl.flock(_held, fcntl.LOCK_EX)
    part.rename(part.with_suffix(".worker"))


if __name__ == "__main__":
    try:
        with open_backend(BackendSettings(kind="pool", workers=2), sign, Path(sys.argv[1])) as backend:
            futures = [backend.submit(asleep, number) for number in range(4)]
            print("submitted", flush=True)
            while sum(future.running() for future in futures) < 2:
                time.sleep(0.01)
            print("busy", flush=True)
            futures[-1].result()
    except KeyboardInterrupt:
        print("interrupted", *sorted(future.cancelled() for future in futures), flush=True)
