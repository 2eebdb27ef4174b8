"""The account at OKX, against the sandbox: the contract of every account."""

import pytest

from tests.contract.live_account_contract import *  # noqa: F403  the tests of every venue's account
from tests.contract.live_account_trouble import *  # noqa: F403


@pytest.fixture
def venue() -> str:
    return "okx"
