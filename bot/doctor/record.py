"""Remembers what the doctor said, so that live trading can refuse to begin without it. Used by both."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bot.doctor.finding import Finding, Verdict
from bot.settings import Settings
from data.durable import write_whole
from data.errors import StateError

VALID_S = 3600
"""A clean bill of health is good for an hour."""


def passed(findings: Sequence[Finding]) -> bool:
    """Whether nothing failed; warnings do not count."""
    return all(finding.verdict is not Verdict.FAILED for finding in findings)


def fingerprint(settings: Settings) -> str:
    """Names a configuration down to its last setting."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]


def remember(settings: Settings, findings: Sequence[Finding], now_s: float) -> None:
    """Keep the result, in place of the one before; raises OSError where the disk refuses it."""
    told = {"configuration": fingerprint(settings), "time_s": now_s, "passed": passed(findings)}
    content = told | {"findings": [asdict(finding) for finding in findings]}
    write_whole(_path(settings), json.dumps(content, indent=1).encode())


def require_passed(settings: Settings, now_s: float) -> None:
    """Raises StateError unless the doctor passed this very configuration within the last hour."""
    advice = "run `bot doctor` with the same configuration, then start again"
    try:
        told = json.loads(_path(settings).read_bytes())
        same, when, well = told["configuration"] == fingerprint(settings), float(told["time_s"]), told["passed"] is True
    except FileNotFoundError:
        raise StateError(f"the doctor has not looked at this folder yet: {advice}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{_path(settings)} cannot be understood ({error!r}): {advice}") from error
    date = datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if not same:
        raise StateError(f"the configuration is not the one that the doctor looked at ({date}): {advice}")
    if not well:
        raise StateError(f"the doctor found faults ({date}): mend them, {advice}")
    if not 0 <= now_s - when <= VALID_S:
        raise StateError(f"the doctor looked more than an hour ago ({date}): {advice}")


def _path(settings: Settings) -> Path:
    return settings.var / "doctor.json"
