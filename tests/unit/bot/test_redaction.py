"""A secret that somebody put into a message never reaches a file."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts import LOG, start_logging
from bot.redaction import Redactor

SECRET = "s3cr3t-of-an-account"
PRIVATE = "0x" + "ab" * 32
RAISES = """\
import asyncio, os, sys
from bot.child_process import begin
begin()
async def fail():
    asyncio.create_task(lose())
    await asyncio.sleep(0)
async def lose():
    raise RuntimeError(f"lost {os.environ['BINANCE_API_SECRET']}")
asyncio.run(fail())
print("told", os.environ["BINANCE_API_SECRET"])
raise ValueError(f"refused https://someone:{os.environ['BINANCE_API_SECRET']}@host/path")
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"signed with {SECRET}", "signed with ***"),
        (f"key {PRIVATE}, or {PRIVATE[2:]}", "key ***, or ***"),
        ("postgresql://bot:hunter2@db/ledger", "postgresql://bot:***@db/ledger"),
        ("https://api.telegram.org/bot123456789:AAFakeFakeFakeFakeFakeFakeFakeFakeFak/getMe",
         "https://api.telegram.org/bot***/getMe"),
        ("GET /order?symbol=BTC&signature=abc123&x=1", "GET /order?symbol=BTC&signature=***&x=1"),
        ("equity 10,000.00 at http://127.0.0.1:8900/binance", "equity 10,000.00 at http://127.0.0.1:8900/binance"),
    ],
)  # fmt: skip
def test_what_is_secret_is_hidden_and_nothing_else(text: str, expected: str) -> None:
    redact = Redactor({"BYBIT_API_SECRET": SECRET, "HYPERLIQUID_PRIVATE_KEY": PRIVATE, "HOME": "/home/bot"})
    assert expected == redact(text)


def test_the_password_of_the_ledgers_address_is_hidden_by_itself_too() -> None:
    redact = Redactor({"BOT_LEDGER_URL": "postgresql://bot:hunter2hunter2@db/ledger"})
    assert 'user "bot", password "***"' == redact('user "bot", password "hunter2hunter2"')


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://bot:Hunter2%23hunter2@db/ledger",
        "postgres//bot:Hunter2%23hunter2@db/ledger",
        "postgresql:/bot:Hunter2%23hunter2@db/ledger",
        "bot:Hunter2%23hunter2@db/ledger",
        "postgresql://bot:left@Hunter2%23hunter2@db:5432/ledger",
        "postgresql://db/ledger?user=bot&password=Hunter2%23hunter2&sslmode=require",
    ],
)
def test_an_address_of_the_ledger_shows_no_password_however_it_is_written(address: str) -> None:
    redact = Redactor({"BOT_LEDGER_URL": address})
    for text in (address, f'missing "=" after "{address}" in connection info', "left@Hunter2%23hunter2"):
        assert "unter2" not in redact(text)
    if "left" not in address:
        assert "it is *** or ***" == redact("it is Hunter2%23hunter2 or Hunter2#hunter2")


@pytest.mark.parametrize("address", ["", "postgresql://bot@db:5432/ledger", "postgresql:///bot?host=/run/db", "bot"])
def test_an_address_of_the_ledger_without_a_password_hides_nothing(address: str) -> None:
    text = f"the ledger of bot at {address}, account bot"
    assert text == Redactor({"BOT_LEDGER_URL": address})(text)


def test_the_address_of_a_wallet_is_no_secret() -> None:
    wallet = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
    assert wallet == Redactor({"HYPERLIQUID_WALLET_ADDRESS": wallet})(wallet)


@given(st.text(alphabet="abcdefgh123.+?()[]\\", min_size=8, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_secret_is_made_of_it_is_hidden(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor({"OKX_API_SECRET": secret})(f"{before}{secret}{after}")


def test_a_logged_exception_tells_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKX_API_PASSPHRASE", SECRET)
    handlers, propagate = LOG.handlers[:], LOG.propagate
    try:
        start_logging(tmp_path, "trader")
        try:
            raise ValueError(f"wrong passphrase {SECRET}")
        except ValueError:
            LOG.exception("the venue refused %s", SECRET)
    finally:
        LOG.handlers[:], LOG.propagate = handlers, propagate
        LOG.setLevel(logging.NOTSET)
    (line,) = (tmp_path / "trader.jsonl").read_text().splitlines()
    assert SECRET not in line
    assert "the venue refused ***" == json.loads(line)["text"]
    assert "ValueError: wrong passphrase ***" in json.loads(line)["trace"]


def test_a_process_that_dies_of_an_exception_tells_no_secret() -> None:
    told = os.environ | {"BINANCE_API_SECRET": SECRET, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    process = subprocess.run(
        [sys.executable, "-c", RAISES], capture_output=True, text=True, env=told, check=False, timeout=60
    )
    assert 1 == process.returncode
    assert SECRET not in process.stdout + process.stderr
    assert "told ***\n" == process.stdout
    assert "RuntimeError: lost ***" in process.stderr
    assert "ValueError: refused https://someone:***@host/path" in process.stderr
