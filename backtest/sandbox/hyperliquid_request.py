"""What a request to the sandbox's Hyperliquid says: the fields of its JSON, or why it cannot be read.

Used by everything of this venue. How it answers what it cannot read: hyperliquid.gitbook.io, and as observed on testnet
(riftresearch/hypercore-simulator, docs/observations.md).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

Request = Mapping[str, Any]
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
CLIENT_ID = re.compile(r"0x[0-9a-fA-F]{32}")


class MalformedError(Exception):
    """A request that the venue cannot parse; it answers 422."""


class UnknownCoinError(Exception):
    """A coin that the venue does not have; it answers 500 and null."""


def parsed(body: bytes) -> Request:
    """The request in a body; its keys keep their order."""
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise MalformedError from error
    if not isinstance(asked, dict):
        raise MalformedError
    return asked


def text(asked: Request, name: str) -> str:
    """A field of text."""
    if not isinstance(value := asked.get(name), str):
        raise MalformedError
    return value


def whole(asked: Request, name: str) -> int:
    """A field that is a whole number, not below zero."""
    # bool is an int in Python, but not in JSON.
    if type(value := asked.get(name)) is not int or not 0 <= value < 2**64:
        raise MalformedError
    return value


def time_of(asked: Request, name: str) -> int:
    """A field that is a time, ms since 1970."""
    if (value := whole(asked, name)) >= 2**63:
        raise MalformedError
    return value


def optional_time(asked: Request, name: str) -> int | None:
    """A field that is a time or is not there."""
    return None if asked.get(name) is None else time_of(asked, name)


def flag(asked: Request, name: str) -> bool:
    """A field that is true or false."""
    if not isinstance(value := asked.get(name), bool):
        raise MalformedError
    return value


def address(asked: Request, name: str) -> str:
    """A field that is an address, in lower case."""
    return _matching(ADDRESS, asked, name)


def client_id(asked: Request, name: str) -> str:
    """A field that is a client id, 0x and 32 digits, in lower case."""
    return _matching(CLIENT_ID, asked, name)


def fields(asked: Request, name: str) -> Request:
    """A field that has fields of its own."""
    if not isinstance(value := asked.get(name), dict):
        raise MalformedError
    return value


def rows(asked: Request, name: str) -> list[Request]:
    """A field that lists such."""
    value = asked.get(name)
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise MalformedError
    return value


def _matching(pattern: re.Pattern[str], asked: Request, name: str) -> str:
    if not pattern.fullmatch(value := text(asked, name)):
        raise MalformedError
    return value.lower()
