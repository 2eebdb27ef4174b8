"""Many events as one message that a phone shows: the first ones in full, of the others how many. Used by the alerts."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from bot.ledger.feed import News

FULL, LONGEST = 12, 200
"""Events told in full, and characters of each."""
MARKS = {"entered": "▶️", "exited": "⏹", "liquidated": "🔴", "promoted": "👑", "trouble": "⚠️"}


def digest(news: Sequence[News], facts: Sequence[str] = ()) -> str:
    """HTML of what stands, then of what happened; the same event told more than once is one line."""
    lines = [escape(_short(fact)) for fact in facts]
    counts = Counter((one.kind, one.text) for one in news)
    first = {(one.kind, one.text): one for one in reversed(news)}
    distinct = [one for one in news if first[one.kind, one.text] is one]
    lines += [_line(one, counts[one.kind, one.text]) for one in distinct[:FULL]]
    shown = {(one.kind, one.text) for one in distinct[:FULL]}
    if rest := Counter(one.kind for one in news if (one.kind, one.text) not in shown):
        kinds = ", ".join(f"{count} {kind}" for kind, count in rest.most_common())
        lines.append(f"… and {rest.total()} more: {escape(kinds)}")
    return "\n".join(lines)


def _line(one: News, times: int) -> str:
    when = datetime.fromtimestamp(one.tick / 1000, UTC).strftime("%m-%d %H:%M")
    more = f" <b>×{times}</b>" if times > 1 else ""
    return f"{MARKS.get(one.kind, '•')} <i>{when}</i> {escape(_short(one.text))}{more}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
