"""What a page takes for granted around whoever types its commands, served on this machine: the venues, Telegram, a
database, an object store, a cluster; and what a reader fills in. No command that is typed reaches anything real."""

import asyncio
import os
import re
import shutil
import socket
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from backtest.sandbox.account_client import happen, true_accounts
from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.fault_client import clear_faults, script_faults
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import WorldFile
from bot.settings import paper_settings
from data.settings import SyntheticSettings, VenueSettings
from tests.fakes.bot_api import TOKEN, BotApiServer, bot_api_server
from tests.fakes.live_accounts import keys
from tests.fakes.object_store import object_store

VENUES = ("binance", "bybit", "hyperliquid", "okx")
PAST_DAYS = 250
CAPITAL = 1_000.0
"""What the accounts come to that a page has one trade with."""
AGENT_KEY = "0x" + "2".zfill(64)
"""Of a wallet that may trade for the account and not withdraw, as one is to use."""
CHAT = 11111111
ENTER = "\n" * 20
"""Whatever is asked, its default is taken."""
SMALL_LEARNING: Mapping[str, Any] = {
    "learner": {"rollout": 256, "epochs": 1, "clone_epochs": 1},
    "population": {"size": 2},
    "fitness": {"universes": 2},
    "schedule": {"timesteps": 512, "perturbation_interval": 256},
}
"""On real venues pages tell of days of a processor."""
LEFT_OUT = (".git", ".venv", "var", "build", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")
"""Of a checkout that somebody works in."""
PORT = re.compile(r"\b(?:89\d\d|6379)\b")
DATABASE = "postgresql://bot@db.example/trading"


class Surroundings:
    """Everything is begun when it is first needed, and ends with the block."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self._root = folder, root
        self._stack = ExitStack()
        self._ports: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for installed in ("funding-bot", "opt"):  # gigabytes
            shutil.rmtree(self.folder / installed, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Of who types: a home and a keyring of their own. What pip has fetched before stays at hand."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        shutil.copy(self._root / "tests/fakes/keyring_file.py", home)
        fetched = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
        return {
            "HOME": str(home), "PIP_CACHE_DIR": fetched, "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHON_KEYRING_BACKEND": "keyring_file.FileKeyring", "KEYRING_FILE": str(self.folder / "keyring.json"),
            "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(home)])),
        }  # fmt: skip

    def checkout(self) -> Path:
        """A copy of this one."""
        copy = self.folder / "funding-bot"
        shutil.copytree(self._root, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        _nothing_else_installed()
        return copy

    def filled(self, text: str) -> str:
        """With what a reader fills in, and on ports that are free."""
        text = PORT.sub(lambda found: self._port(found[0]), text)
        if "<this repository>" in text:
            text = text.replace("<this repository>", str(self.repository))
            _nothing_else_installed()
        if text.startswith(".venv/bin/") and not Path(".venv").exists():
            text = text.removeprefix(".venv/bin/")
        if DATABASE in text:
            text = text.replace(DATABASE, self.database)
        if "s3://market" in text or "AWS_ACCESS_KEY_ID" in text:
            text = text.replace("s3://market", self.bucket)
        text = text.replace("HEAD:", "127.0.0.1:").replace("/opt/", f"{self.folder}/opt/")
        if "/data/recorded" in text:
            text = text.replace("/data/recorded", os.environ["RECORDED_MARKET"])
        return re.sub(r"([A-Z_]+)=(?:0x)?(?:\d+:AA)?\.\.\.", lambda found: f"{found[1]}={self._secret(found[1])}", text)

    def answer(self, command: str) -> str:
        """What is typed where the command asks: a secret, the phrase that begins live trading, or Enter."""
        words = command.split()
        if words[:3] == ["bot", "secrets", "set"]:
            return f"{self._secret(words[3])}\n"
        if words[:3] == ["bot", "run", "--live"]:
            told = yaml.safe_load(Path(words[words.index("--config") + 1]).read_text())
            if (told.get("sandbox") or {}).get("url"):
                return "rehearse live trading\n"
            return f"trade real money on {' and '.join(told['data']['venues'])}\n"
        return ENTER

    def stand_in(self, folder: Path) -> None:
        """Have every configuration of the folder name the servers here, where it means real ones."""
        for path in folder.glob("*.yaml"):
            told = yaml.safe_load(path.read_text())
            if not isinstance(told, dict):
                continue
            changed = self._on_venues(told) | self._on_telegram(told)
            if url := (told.get("sandbox") or {}).get("url"):
                changed |= {"sandbox": told["sandbox"] | {"url": self.filled(url)}}
            if changed and told | changed != told:
                path.write_text(yaml.safe_dump(told | changed, sort_keys=False))

    def _on_venues(self, told: dict[str, Any]) -> dict[str, Any]:
        if told.get("profile") not in ("paper", "live") or (told.get("sandbox") or {}).get("url"):
            return {}
        data = told.get("data") or {}
        venues = data.get("venues") or dict.fromkeys(("binance", "hyperliquid"))
        here = {name: (of or {}) | {"base_url": f"{self.venues}/{name}"} for name, of in venues.items()}
        return {"data": data | {"venues": here}, "learning": SMALL_LEARNING}

    def _on_telegram(self, told: dict[str, Any]) -> dict[str, Any]:
        telegram = told.get("telegram") or {}
        return {"telegram": telegram | {"api_url": self.telegram.url}} if telegram.get("chats") else {}

    @cached_property
    def venues(self) -> str:
        """Their address: a market whose time is the machine's, with a past."""
        now = datetime.now(UTC)
        start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=PAST_DAYS)
        world = WorldFile(
            settings=SandboxSettings(
                synthetic=SyntheticSettings(start=start, days=PAST_DAYS + 30, assets=paper_settings().data.assets),
                past_days=0, begin=now, speed=1.0,
                accounts=AccountSettings(balance=CAPITAL / 2, private_key=AGENT_KEY),
            ),
            venues={name: VenueSettings() for name in VENUES},
        )  # fmt: skip
        return self._stack.enter_context(SandboxProcess(world, self.folder / "venues" / "state.json")).url

    def is_down(self, venue: str | None) -> None:
        """From now on a venue answers nothing; None: all of them do."""
        if venue is None:
            asyncio.run(clear_faults(self.venues))
        else:
            asyncio.run(script_faults(self.venues, {"kind": "down", "venue": venue}))

    def trade(self, venue: str, symbol: str, quantity: str) -> None:
        """Somebody trades by hand."""
        asyncio.run(happen(self.venues, venue, "trade", symbol=symbol, quantity=quantity))

    def held(self) -> list[Any]:
        """Every position at the venues."""
        accounts = asyncio.run(true_accounts(self.venues))
        return [position for account in accounts.values() for position in account["positions"]]

    @cached_property
    def telegram(self) -> BotApiServer:
        """With a chat that pressed Start."""
        return self._stack.enter_context(bot_api_server(ann=CHAT))

    @cached_property
    def database(self) -> str:
        """The address of a database of its own, which is gone at the end."""
        import psycopg

        server, name = os.environ["LEDGER_POSTGRES"], f"docs_{uuid.uuid4().hex[:12]}"
        connection = self._stack.enter_context(psycopg.connect(server, autocommit=True))
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        self._stack.callback(connection.execute, f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]
        return urlsplit(server)._replace(path=f"/{name}").geturl()

    @cached_property
    def bucket(self) -> str:
        """An object store's, by the environment of who types."""
        return self._stack.enter_context(object_store())

    @cached_property
    def repository(self) -> Path:
        """This checkout under the name that pages have for it."""
        named = self.folder / "elsewhere" / "funding-bot"
        named.parent.mkdir()
        named.symlink_to(self._root)
        return named

    def _secret(self, name: str) -> str:
        known = keys() | {
            "HYPERLIQUID_PRIVATE_KEY": AGENT_KEY, "TELEGRAM_BOT_TOKEN": TOKEN, "BOT_WEB_TOKEN": "0123456789" * 4,
            "PGPASSWORD": "nobody-asks",
            "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
        }  # fmt: skip
        return known[name]

    def _port(self, number: str) -> str:
        if number not in self._ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._ports[number] = str(free.getsockname()[1])
        return self._ports[number]


def _nothing_else_installed() -> None:
    """What is typed from now on is not to find this process's packages."""
    for name in ("PYTHONPATH", "PYTHON_KEYRING_BACKEND"):
        os.environ.pop(name, None)
