"""Where machine code is kept between two starts; used by `compiled` and `machine_code`.

In a checkout it lies beside the source, in `__pycache__`, as numba has it. Where the program is installed, nothing is
written among the packages: they may be another user's, and an update would leave it there.
"""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BESIDE_THE_SOURCE = ""
"""What numba takes for: in `__pycache__`."""


def kernel_cache(environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> str | None:
    """The folder for numba's `CACHE_DIR`: `NUMBA_CACHE_DIR`, or `funding-bot` below `XDG_CACHE_HOME` or `~/.cache`.

    None where no such folder can be written to: every start compiles anew then.
    """
    if said := environment.get("NUMBA_CACHE_DIR"):
        return said
    if (root / "pyproject.toml").exists():
        return BESIDE_THE_SOURCE
    try:
        folder = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "funding-bot"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that may not be written to
        return None
    return str(folder) if os.access(folder, os.W_OK | os.X_OK) else None
