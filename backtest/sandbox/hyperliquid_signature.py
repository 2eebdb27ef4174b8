"""Who signed a request to Hyperliquid's POST /exchange: the address recovered from its action and r, s, v.

Used by the sandbox's Hyperliquid. Two schemes (hyperliquid.gitbook.io, API, signing; the official Python SDK's
`utils/signing.py`; ccxt 4.5.90 signs alike): an "L1 action" is hashed as MessagePack in the order of its keys, with
nonce, vault and expiry, and a phantom agent of that hash is signed as EIP-712; what concerns the owner of the account,
e.g. approving a builder's fee, is signed as EIP-712 itself. Whatever is signed recovers some address: a wrong key or a
changed byte is seen only in that the address is nobody's. The venue hashes the fields in an order of its own, this
takes the order in which they came.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgpack
from coincurve import PublicKey
from Crypto.Hash import keccak

from backtest.sandbox.hyperliquid_request import (
    ADDRESS,
    MalformedError,
    Request,
    fields,
    optional_time,
    text,
    whole,
)

Members = tuple[tuple[str, str], ...]
"""(name, Solidity type) of each member of an EIP-712 struct."""
DOMAIN: Members = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
AGENT: Members = (("source", "string"), ("connectionId", "bytes32"))
L1_CHAIN = 1337
MAINNET = "a"
"""The phantom agent's source; testnet's is another, so its signatures recover another address here."""
USER_SIGNED: Mapping[str, tuple[str, Members]] = {
    "approveBuilderFee": (
        "HyperliquidTransaction:ApproveBuilderFee",
        (("hyperliquidChain", "string"), ("maxFeeRate", "string"), ("builder", "address"), ("nonce", "uint64")),
    ),
}
"""Action -> its EIP-712 type, for those that the owner signs."""
HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")


class UnsignedError(Exception):
    """No address can be recovered; the venue answers "Unable to recover signer."."""


def signer_of(request: Request) -> str:
    """The address, in lower case, whose key signed this body of POST /exchange. Raises MalformedError for one that
    lacks a part or has it in another form, UnsignedError for a signature of nobody."""
    action, signature = fields(request, "action"), _signature(fields(request, "signature"))
    digest = _user_signed_digest(action) if action.get("type") in USER_SIGNED else _l1_digest(request)
    return _recovered(signature, digest)


def address_of(private_key: str) -> str:
    """The address, in lower case, of a private key in hexadecimal digits."""
    secret = bytes.fromhex(private_key.removeprefix("0x"))
    return _address(PublicKey.from_valid_secret(secret))


def _l1_digest(request: Request) -> bytes:
    vault, expires_after = request.get("vaultAddress"), optional_time(request, "expiresAfter")
    try:
        packed: bytes = msgpack.packb(request["action"])
    except (ValueError, OverflowError) as error:
        raise MalformedError from error
    packed += whole(request, "nonce").to_bytes(8, "big")
    packed += b"\x00" if vault is None else b"\x01" + _address_bytes(vault)
    packed += b"" if expires_after is None else b"\x00" + expires_after.to_bytes(8, "big")
    agent = {"source": MAINNET, "connectionId": _keccak(packed)}
    return _eip712("Exchange", L1_CHAIN, "Agent", AGENT, agent)


def _user_signed_digest(action: Request) -> bytes:
    name, members = USER_SIGNED[action["type"]]
    return _eip712("HyperliquidSignTransaction", _hexadecimal(action, "signatureChainId"), name, members, action)


def _eip712(domain: str, chain: int, name: str, members: Members, message: Request) -> bytes:
    """The digest that EIP-712 has signed: eips.ethereum.org/EIPS/eip-712."""
    about = {"name": domain, "version": "1", "chainId": chain, "verifyingContract": "0x" + 40 * "0"}
    return _keccak(b"\x19\x01" + _struct("EIP712Domain", DOMAIN, about) + _struct(name, members, message))


def _struct(name: str, members: Members, message: Request) -> bytes:
    declared = f"{name}({','.join(f'{kind} {member}' for member, kind in members)})"
    words = (_word(kind, message.get(member)) for member, kind in members)
    return _keccak(_keccak(declared.encode()) + b"".join(words))


def _word(kind: str, value: Any) -> bytes:
    """One value as the 32 bytes that EIP-712 hashes."""
    if kind == "string" and isinstance(value, str):
        return _keccak(value.encode())
    if kind == "bytes32":
        return bytes(value)
    if kind == "address":
        return _address_bytes(value).rjust(32, b"\x00")
    if kind.startswith("uint") and type(value) is int and 0 <= value < 2**256:
        return value.to_bytes(32, "big")
    raise MalformedError


def _signature(told: Request) -> bytes:
    """r, s and the recovery id, 65 bytes."""
    if (v := whole(told, "v")) not in (27, 28):
        raise MalformedError
    return b"".join(_hexadecimal(told, part).to_bytes(32, "big") for part in ("r", "s")) + bytes([v - 27])


def _hexadecimal(told: Request, name: str) -> int:
    if not HEX.fullmatch(value := text(told, name)):
        raise MalformedError
    return int(value, 16)


def _recovered(signature: bytes, digest: bytes) -> str:
    try:
        return _address(PublicKey.from_signature_and_message(signature, digest, hasher=None))
    except ValueError as error:
        raise UnsignedError from error


def _address(key: PublicKey) -> str:
    return "0x" + _keccak(key.format(compressed=False)[1:])[-20:].hex()


def _address_bytes(address: Any) -> bytes:
    """ccxt writes a vault's address without its 0x."""
    told = address if not isinstance(address, str) or address.startswith("0x") else "0x" + address
    if not isinstance(told, str) or not ADDRESS.fullmatch(told):
        raise MalformedError
    return bytes.fromhex(told[2:])


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()
