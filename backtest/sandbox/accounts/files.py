"""Where accounts lie on disk: beside the clock of their world. Used by `store`'s callers and `world`."""

from pathlib import Path


def accounts_file(clock_file: Path) -> Path:
    """Where the accounts of the world lie whose clock is in `clock_file`."""
    return clock_file.with_name(f"{clock_file.stem}.accounts.db")


def forget_accounts(clock_file: Path) -> None:
    """Delete them: a world that begins anew has no accounts yet."""
    file = accounts_file(clock_file)
    for path in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        path.unlink(missing_ok=True)
