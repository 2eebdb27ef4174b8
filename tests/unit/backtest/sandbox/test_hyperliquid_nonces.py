"""Which nonces the sandbox's Hyperliquid accepts."""

import pytest

from backtest.sandbox.hyperliquid_nonces import DAY_MS, Nonces

NOW = 1_737_000_000_000


def test_a_nonce_is_used_up_by_its_first_request() -> None:
    nonces = Nonces()

    assert nonces.refusal("0xa", NOW, NOW) is None
    assert nonces.refusal("0xa", NOW, NOW + 5) == f"Invalid nonce: duplicate nonce {NOW}"


def test_every_signer_has_nonces_of_its_own() -> None:
    nonces = Nonces()

    assert [nonces.refusal(signer, NOW, NOW) for signer in ("0xa", "0xb")] == [None, None]


@pytest.mark.parametrize(
    ("nonce", "said"),
    [
        (NOW - 2 * DAY_MS + 1, None),
        (NOW + DAY_MS - 1, None),
        (NOW - 2 * DAY_MS, f"Invalid nonce: nonce too low {NOW - 2 * DAY_MS} < {NOW - 2 * DAY_MS}"),
        (NOW + DAY_MS, f"Invalid nonce: nonce too high {NOW + DAY_MS} > {NOW + DAY_MS}"),
    ],
)
def test_a_nonce_lies_within_two_days_and_one_of_the_venue_s_clock(nonce: int, said: str | None) -> None:
    assert Nonces().refusal("0xa", nonce, NOW) == said


def test_a_nonce_exceeds_the_least_of_the_hundred_highest() -> None:
    nonces = Nonces()
    accepted = [nonces.refusal("0xa", NOW + step, NOW) for step in range(0, 202, 2)]

    assert set(accepted) == {None}
    assert nonces.refusal("0xa", NOW + 1, NOW) == f"Invalid nonce: nonce too low {NOW + 1} < {NOW + 2}"
    assert nonces.refusal("0xa", NOW + 3, NOW) is None
