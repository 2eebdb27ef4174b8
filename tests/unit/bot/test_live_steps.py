"""Whole steps of quantity and price, pages of a history, and the keys of an account."""

import asyncio
from decimal import Decimal

import pytest
from ccxt.static_dependencies.keccak import keccak as pure
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.live.account import LiveAccount
from bot.execution.live.dialects import DIALECTS
from bot.execution.live.hyperliquid import Hyperliquid
from bot.execution.live.pages import Row, chained, forward
from bot.execution.live.steps import exact, inward, plain, whole
from data import connection
from data.connection import Connection
from data.credentials import VARIABLES, Credentials, credentials
from data.errors import ConfigurationError, VenueRefused
from data.settings import VenueSettings
from data.types import Asset, Instrument
from data.venues import venue_profile

KEYS = {
    "BINANCE_API_KEY": "a-key", "BINANCE_API_SECRET": "a-secret", "BYBIT_API_KEY": "b-key",
    "BYBIT_API_SECRET": "b-secret", "OKX_API_KEY": "o-key", "OKX_API_SECRET": "o-secret",
    "OKX_API_PASSPHRASE": "o-phrase", "HYPERLIQUID_WALLET_ADDRESS": "0x" + 40 * "a",
    "HYPERLIQUID_PRIVATE_KEY": "0x" + 63 * "0" + "7",
}  # fmt: skip
STEPS = st.sampled_from([1e-5, 0.001, 0.1, 1.0, 10.0, 1000.0])


@given(st.integers(1, 10**7), STEPS, st.booleans())
def test_whole_steps_stay_what_they_are_whatever_noise_floats_make(count: int, step: float, sells: bool) -> None:
    quantity = (-1 if sells else 1) * (count * step)

    assert (-count if sells else count) * exact(step) == whole(quantity, step)


@pytest.mark.parametrize("quantity", [0.0015, 0.0, 0.0004, float("nan"), float("inf")])
def test_what_is_no_whole_number_of_steps_is_refused(quantity: float) -> None:
    with pytest.raises(ValueError, match="number"):
        whole(quantity, 0.001)


@given(st.floats(1e-3, 1e6), STEPS)
def test_a_limit_is_never_rounded_to_a_worse_price(limit: float, step: float) -> None:
    unit, noise = exact(step), exact(step) / 10**5
    if limit > 2 * step:
        buys, sells = inward(limit, unit, buys=True), inward(limit, unit, buys=False)
        assert exact(limit) - unit <= buys <= exact(limit) + noise
        assert exact(limit) - noise <= sells <= exact(limit) + unit
        assert 0 == buys % unit == sells % unit


@pytest.mark.parametrize("limit", [0.0, -1.0, 0.04, float("nan"), float("inf")])
def test_a_limit_that_is_no_price_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="price|number"):
        inward(limit, Decimal("0.1"), buys=True)


def test_numbers_are_written_without_exponents_and_ends_of_zeros() -> None:
    assert ["1000", "0.00001", "95000.1"] == [plain(Decimal(text)) for text in ("1E+3", "1E-5", "95000.10")]


def offline(name: str) -> Connection:
    settings = VenueSettings(base_url="http://127.0.0.1:1")
    keys = credentials(name, KEYS)
    return Connection(venue_profile(name), settings, timeout_s=1, concurrency=1, backoff_s=1, credentials=keys)


@pytest.mark.parametrize(
    ("lot_step", "limit", "buys", "sells"),
    [
        (1e-5, 95_000.7, "95000", "95001"),  # five digits
        (1e-5, 123_456.7, "123456", "123457"),  # whole numbers are always allowed
        (0.01, 190.1234, "190.12", "190.13"),
        (1.0, 0.331_234_5, "0.33123", "0.33124"),
        (1.0, 0.000_123_456_7, "0.000123", "0.000124"),  # six decimals
        (0.1, 0.012_345_6, "0.01234", "0.01235"),  # five less one
        (0.01, 9.99996, "9.9999", "10"),
    ],
)
def test_hyperliquids_prices_have_five_digits_and_few_decimals(
    lot_step: float, limit: float, buys: str, sells: str
) -> None:
    coin = Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", lot_step, 0.1, 10.0, 1)

    async def steps() -> list[str]:
        venue = offline("hyperliquid")
        step = Hyperliquid(venue, "USDC").price_step(coin, limit)
        await venue.close()
        return [plain(inward(limit, step, buys=side)) for side in (True, False)]

    assert [buys, sells] == asyncio.run(steps())


@given(st.binary(max_size=400))
def test_the_compiled_keccak_is_ccxts(text: bytes) -> None:
    assert pure.SHA3(text) == connection._keccak(text)


@pytest.mark.parametrize("name", DIALECTS)
def test_client_ids_are_written_always_the_same_way_and_read_back(name: str) -> None:
    longest = {"binance": 36, "bybit": 36, "okx": 32, "hyperliquid": 34}[name]
    ours = ["a", "run1t5s0c3l1a0", 32 * "Z"]

    async def talk() -> None:
        venues = offline(name), offline(name)
        one, other = (DIALECTS[name](venue, "USDT") for venue in venues)
        for client_id in ours:
            written = one.client_id(client_id)
            assert written == other.client_id(client_id) and len(written) <= longest
            assert client_id == one.ours(written)
        assert len(ours) == len({one.client_id(client_id) for client_id in ours})
        assert "" == one.ours(None) == one.ours("")
        for venue in venues:
            await venue.close()

    asyncio.run(talk())


ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 10**6)), max_size=40, unique_by=lambda row: row[1]).map(
    lambda rows: [Row(time_ms, str(number), number) for time_ms, number in sorted(rows)]
)


@given(ROWS, st.integers(1, 50), st.integers(0, 4))
def test_pages_joined_by_time_are_the_whole_history_once_or_an_error(
    rows: list[Row[int]], page: int, since: int
) -> None:
    async def read(begin: int) -> list[Row[int]]:
        return [row for row in rows if row.time_ms >= begin][:page]

    wanted = [row for row in rows if row.time_ms >= since]
    crowded = any(sum(row.time_ms == instant for row in wanted) >= page for instant in range(5))
    try:
        assert wanted == asyncio.run(forward(read, since, page, "rows"))
    except VenueRefused:
        assert crowded


@given(ROWS, st.integers(1, 50), st.integers(0, 4))
def test_pages_joined_by_cursors_are_the_whole_history_once(rows: list[Row[int]], page: int, since: int) -> None:
    newest = rows[::-1]

    async def read(cursor: str) -> tuple[list[Row[int]], str]:
        first = int(cursor or 0)
        more = str(first + page) if first + page < len(newest) else ""
        return newest[first : first + page], more

    assert [row for row in rows if row.time_ms >= since] == asyncio.run(chained(read, since, "rows"))


def test_pages_that_go_in_a_circle_are_an_error() -> None:
    async def read(cursor: str) -> tuple[list[Row[int]], str]:
        return [Row(1, cursor or "a", 1)], "b" if cursor != "b" else "a"

    with pytest.raises(VenueRefused, match="circle"):
        asyncio.run(chained(read, 0, "rows"))


@pytest.mark.parametrize("name", VARIABLES)
def test_keys_come_from_the_environment_and_are_shown_to_nobody(name: str) -> None:
    keys = credentials(name, KEYS)
    assert {KEYS[variable] for variable in VARIABLES[name].values()} == set(keys.parts.values())
    for secret in keys.secrets:
        assert secret not in f"{keys} {keys!r}"


def test_missing_keys_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"okx are missing: set OKX_API_SECRET, OKX_API_PASSPHRASE in"):
        credentials("okx", {"OKX_API_KEY": "k", "OKX_API_SECRET": " "})
    with pytest.raises(ConfigurationError, match="no orders can be sent to gate"):
        credentials("gate", KEYS)


def test_a_malformed_private_key_is_named_and_not_shown() -> None:
    wrong = KEYS | {"HYPERLIQUID_PRIVATE_KEY": "my words of twelve"}
    with pytest.raises(ConfigurationError, match="HYPERLIQUID_PRIVATE_KEY is not of the form 0x and 64") as caught:
        credentials("hyperliquid", wrong)
    assert "twelve" not in str(caught.value)


@pytest.mark.parametrize("base_url", [None, "https://fapi.binance.com"])
def test_a_rehearsal_never_reaches_beyond_this_machine(base_url: str | None) -> None:
    with pytest.raises(ConfigurationError, match="not on this machine"):
        LiveAccount("binance", VenueSettings(base_url=base_url), Credentials({}), timeout_s=1, loopback=True)
