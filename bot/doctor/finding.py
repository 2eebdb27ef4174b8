"""What one check found. Made by every check of the doctor, shown by `bot doctor`."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How grave it is."""

    OK = "ok"
    WARNING = "warning"
    """Trading may begin; a person should know."""
    FAILED = "failed"
    """Trading must not begin."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table."""

    check: str
    verdict: Verdict
    text: str
    """What was seen."""
    remedy: str = ""
    """What to do; empty where all is well."""
    venue: str = ""


def judged(check: str, ok: bool, text: str, remedy: str, venue: str = "", *, grave: bool = True) -> Finding:
    """OK with no remedy, or else FAILED (a WARNING where it is not `grave`) with one."""
    verdict = Verdict.OK if ok else Verdict.FAILED if grave else Verdict.WARNING
    return Finding(check, verdict, text, "" if ok else remedy, venue)
