"""Whose signature a request to the sandbox's Hyperliquid bears, held to stock ccxt and to the venue's own examples."""

import json
from typing import Any

import ccxt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.sandbox.hyperliquid_request import MalformedError
from backtest.sandbox.hyperliquid_signature import UnsignedError, address_of, signer_of

KEY = "0x" + "0123456789" * 6 + "0123"
OWNER = address_of(KEY)
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
NONCE = 1_700_000_000_000
DUMMY = {"type": "dummy", "num": 100_000_000_000}
NAMES = st.sampled_from(["order", "cancel", "p", "s", "a", "grouping", "ü"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=17) | st.dictionaries(st.text(max_size=8), inner, max_size=17),
    max_leaves=20,
)
ACTIONS = st.dictionaries(NAMES, VALUES, max_size=7)


@pytest.fixture(scope="module")
def client() -> Any:
    return ccxt.hyperliquid({"privateKey": KEY, "walletAddress": OWNER})


def received(request: dict[str, Any]) -> Any:
    """As it comes out of the bytes that were sent."""
    return json.loads(json.dumps(request))


def test_a_key_s_address_is_the_one_that_ccxt_derives(client: Any) -> None:
    assert client.eth_get_address_from_private_key(KEY) == OWNER == "0x14791697260e4c9a71f18484c9f997b308e59325"


@pytest.mark.parametrize(
    ("vault", "r", "s", "v"),
    [
        (
            None,
            "0x53749d5b30552aeb2fca34b530185976545bb22d0b3ce6f62e31be961a59298",
            "0x755c40ba9bf05223521753995abb2f73ab3229be8ec921f350cb447e384d8ed8",
            27,
        ),
        (
            VAULT,
            "0x3c548db75e479f8012acf3000ca3a6b05606bc2ec0c29c50c515066a326239",
            "0x4d402be7396ce74fbba3795769cda45aec00dc3125a984f2a9f23177b190da2c",
            28,
        ),
    ],
)
def test_signatures_that_the_venue_s_own_sdk_is_tested_with_bear_their_key(
    vault: str | None, r: str, s: str, v: int
) -> None:
    """hyperliquid-python-sdk, tests/signing_test.py: the same key and action, mainnet."""
    request = {"action": DUMMY, "nonce": 0, "vaultAddress": vault, "signature": {"r": r, "s": s, "v": v}}

    assert signer_of(request) == OWNER


@given(
    action=ACTIONS,
    nonce=st.integers(1_600_000_000_000, 1_900_000_000_000),
    vault=st.sampled_from([None, VAULT[2:]]),
    expires_after=st.none() | st.integers(1_600_000_000_000, 1_900_000_000_000),
)
@settings(max_examples=25, deadline=None)
def test_whatever_ccxt_signs_bears_its_key(
    client: Any, action: dict[str, Any], nonce: int, vault: str | None, expires_after: int | None
) -> None:
    signature = client.sign_l1_action(action, nonce, vault, expires_after)
    request = {"action": action, "nonce": nonce, "signature": signature, "vaultAddress": vault}

    assert signer_of(received(request | {"expiresAfter": expires_after})) == OWNER


def test_what_the_owner_signs_bears_its_key(client: Any) -> None:
    sent: list[Any] = []
    client.privatePostExchange = sent.append
    client.approve_builder_fee(VAULT, "0%")

    assert [signer_of(received(request)) for request in sent] == [OWNER]


@pytest.mark.parametrize(
    "changed",
    [
        {"action": DUMMY | {"num": 100_000_000_001}},
        {"action": dict(reversed(DUMMY.items()))},
        {"nonce": 1_700_000_000_001},
        {"vaultAddress": VAULT},
        {"expiresAfter": 1_700_000_000_000},
    ],
)
def test_whatever_is_changed_after_signing_bears_a_stranger_s_key(client: Any, changed: dict[str, Any]) -> None:
    request = {"action": DUMMY, "nonce": NONCE, "signature": client.sign_l1_action(DUMMY, NONCE)}

    assert signer_of(request) == OWNER
    assert signer_of(request | changed) != OWNER


def test_a_signature_for_testnet_bears_a_stranger_s_key(client: Any) -> None:
    testnet = ccxt.hyperliquid({"privateKey": KEY, "walletAddress": OWNER, "options": {"sandboxMode": True}})
    request = {"action": DUMMY, "nonce": NONCE, "signature": testnet.sign_l1_action(DUMMY, NONCE)}

    assert signer_of(request) != OWNER


@pytest.mark.parametrize("part", ["r", "s"])
def test_zeros_are_nobody_s_signature(part: str) -> None:
    signature = {"r": "0x1", "s": "0x1", "v": 27} | {part: "0x0"}

    with pytest.raises(UnsignedError):
        signer_of({"action": DUMMY, "nonce": 1, "signature": signature})


SIGNED = {"action": DUMMY, "nonce": 1, "signature": {"r": "0x1", "s": "0x1", "v": 27}}


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "dummy"},
        {"action": {"num": 2**64}},
        {"nonce": "1"},
        {"nonce": True},
        {"nonce": -1},
        {"signature": None},
        {"signature": {"r": "0x1", "s": "0x1", "v": 29}},
        {"signature": {"r": "one", "s": "0x1", "v": 27}},
        {"vaultAddress": "0x12"},
        {"expiresAfter": 1.5},
        {"action": {"type": "approveBuilderFee"}},
        {"action": {"type": "approveBuilderFee", "signatureChainId": "0x66eee", "hyperliquidChain": 3}},
    ],
)
def test_what_has_not_the_form_of_a_signed_request_is_not_read(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        signer_of(SIGNED | changed)
