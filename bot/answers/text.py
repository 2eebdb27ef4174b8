"""How answers look on a phone: short lines, narrow tables, everything that comes from elsewhere escaped."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

WIDTH = 35
"""Columns of a table that a phone shows without breaking lines."""


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns side by side, the first one flush left and the others flush right, none wider than WIDTH in all: the
    first column gives way."""
    lines = [tuple(row) for row in rows]
    if not lines:
        return ""
    widths = [max(len(row[column]) for row in lines) for column in range(len(lines[0]))]
    first = min(widths[0], WIDTH - sum(width + 1 for width in widths[1:]))
    return f"<pre>{chr(10).join(_line(row, first, widths[1:]) for row in lines)}</pre>"


def _line(row: Sequence[str], first: int, widths: Sequence[int]) -> str:
    head = row[0] if len(row[0]) <= first else f"{row[0][: max(first - 1, 0)]}…"
    rest = "".join(f" {cell:>{width}}" for cell, width in zip(row[1:], widths, strict=True))
    return escape(f"{head:<{first}}{rest}".rstrip())


def bold(text: str) -> str:
    """A heading."""
    return f"<b>{escape(text)}</b>"


def money(amount: float) -> str:
    """A difference, with its sign."""
    return f"{amount + 0.0:+,.2f}"


def percent(share: float, digits: int = 2) -> str:
    """A difference, %, with its sign."""
    return f"{share + 0.0:+.{digits}f}%"


def short_time(ms: int) -> str:
    """UTC to the minute, without the year."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%m-%d %H:%M")


def ago(seconds: float) -> str:
    """How long ago, for people."""
    if seconds < 5400:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago" if seconds < 48 * 3600 else f"{seconds / 86_400:.0f} days ago"
