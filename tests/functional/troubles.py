"""The symptoms of docs/troubleshooting.md, by their headings: each is brought about, and what the page quotes is said,
before the commands that help against it are typed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from bot.latch import HALT, LatchFile
from tests.functional.documented import Typist

CONFIGURATION, VENUE, DATA, STATE = 2, 3, 4, 5
"""Exit codes."""


def nothing(typist: Typist) -> None:
    """What helps costs time or money alone, and is not wrong without the trouble."""


def mistaken(typist: Typist) -> None:
    """A key that there is not."""
    Path("wrong.yaml").write_text("risk: {max_leg: 1}\n")
    assert "unknown key" in typist.type("bot doctor --config wrong.yaml", CONFIGURATION)


def too_rich(typist: Typist) -> None:
    """Capital was raised alone."""
    Path("rich.yaml").write_text("environment: {initial_capital: 50000}\n")
    assert "would deny every entry, as" in typist.type("bot doctor --config rich.yaml", CONFIGURATION)


def away(typist: Typist) -> None:
    """A venue that answers nothing."""
    typist.type("bot init --kind paper --venues binance,bybit,hyperliquid --output paper.yaml")
    typist.around.is_down("binance")
    assert "cannot be reached (" in typist.type("bot collect --config paper.yaml --days 1", VENUE)


def keyless(typist: Typist) -> None:
    """All keys but one."""
    typist.type("bot init --kind live --capital 1000 --output live.yaml")
    typist.type("export BINANCE_API_SECRET=... HYPERLIQUID_WALLET_ADDRESS=0x... HYPERLIQUID_PRIVATE_KEY=0x...")
    said = typist.type("bot doctor --config live.yaml", CONFIGURATION)
    assert "the keys of binance are missing: set BINANCE_API_KEY" in " ".join(said.split())


def unexamined(typist: Typist) -> None:
    """A setting was changed since the doctor looked."""
    path = Path("live.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"seed": 1}, sort_keys=False))
    said = typist.type("bot run --live --config live.yaml", STATE)
    assert "the configuration is not the one that the doctor looked at" in said


def busy(typist: Typist) -> None:
    """Another bot runs here."""
    typist.type("bot run --paper &")
    assert "another bot is running on" in typist.type("bot run --paper --hours 1", STATE)


def damaged(typist: Typist) -> None:
    """The champion's manifest was deleted."""
    typist.leave()
    typist.type("bot champion promote flat --yes")
    (named,) = Path("var/registry").glob("*/versions/flat-*")
    (named / "manifest.json").unlink()
    said = typist.type("bot evaluate champion --hours 24", STATE)
    assert f"no version {named.name}: no manifest" in said
    assert "can be read" in said


def misnamed(typist: Typist) -> None:
    """A folder without what was recorded."""
    said = typist.type("bot run --paper --replay nowhere --venues binance,hyperliquid", DATA)
    assert "no such f" in said, said


def young(typist: Typist) -> None:
    """A lake of three weeks."""
    typist.type("bot collect --config paper.yaml --days 20 --var young")
    said = typist.type("bot train --config paper.yaml --var young", DATA)
    assert "of them are missing: collect more, or lower least_days" in said


def paused(typist: Typist) -> None:
    """Somebody held entries back, and left."""
    typist.type("bot pause")
    assert "paused" in typist.type("bot status")


def halted(typist: Typist) -> None:
    """As the guard does it."""
    LatchFile(Path("var") / HALT).pause("the venues have a position that the books do not have")
    assert "the venues have a position that" in typist.type("bot status")


def open_position(typist: Typist) -> None:
    """Something is held at a venue."""
    typist.around.trade("binance", "XRP/USDT:USDT", "40")
    assert typist.around.held()


TROUBLES: Mapping[str, Callable[[Typist], None]] = {
    "It says nothing about my mistake but a file and a line": mistaken,
    "The limits do not fit the capital": too_rich,
    "A venue cannot be reached": away,
    "Keys are missing, or refused": keyless,
    "The doctor's word is asked for": unexamined,
    "The clock is off": nothing,
    "The folder or the disk": busy,
    "The champion is missing or damaged": damaged,
    "1. Training is very slow": nothing,
    "2. All members perform alike": nothing,
    "3. Evaluation does not match training": nothing,
    "4. Out of memory": nothing,
    "5. Files are not found": misnamed,
    "6. Too little history to learn from": young,
    "Nothing is entered": paused,
    "Entries stopped by themselves": halted,
    "It must stop, now": open_position,
}
