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

from backtest.sandbox.hyperliquid_request import ADDRESS, MalformedError

Fields = tuple[tuple[str, str], ...]
"""(name, Solidity type) of each field of an EIP-712 struct."""
DOMAIN: Fields = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
AGENT: Fields = (("source", "string"), ("connectionId", "bytes32"))
L1_CHAIN = 1337
MAINNET = "a"
"""The phantom agent's source; testnet's is another, so its signatures recover another address here."""
USER_SIGNED: Mapping[str, tuple[str, Fields]] = {
    "approveBuilderFee": (
        "HyperliquidTransaction:ApproveBuilderFee",
        (("hyperliquidChain", "string"), ("maxFeeRate", "string"), ("builder", "address"), ("nonce", "uint64")),
    ),
    "approveAgent": (
        "HyperliquidTransaction:ApproveAgent",
        (("hyperliquidChain", "string"), ("agentAddress", "address"), ("agentName", "string"), ("nonce", "uint64")),
    ),
}
"""Action -> its EIP-712 type, for those that the owner signs."""
HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")


class UnsignedError(Exception):
    """No address can be recovered; the venue answers "Unable to recover signer."."""


def signer_of(request: Mapping[str, Any]) -> str:
    """The address, in lower case, whose key signed this body of POST /exchange. Raises MalformedError for one that
    lacks a part or has it in another form, UnsignedError for a signature of nobody."""
    action, nonce = request.get("action"), request.get("nonce")
    if not isinstance(action, dict) or not _is_uint64(nonce):
        raise MalformedError
    signature = _signature(request.get("signature"))
    if action.get("type") in USER_SIGNED:
        return _recovered(signature, _user_signed_digest(action))
    vault, expires_after = request.get("vaultAddress"), request.get("expiresAfter")
    return _recovered(signature, _l1_digest(action, nonce, vault, expires_after))


def address_of(private_key: str) -> str:
    """The address, in lower case, of a private key in hexadecimal digits."""
    secret = bytes.fromhex(private_key.removeprefix("0x"))
    return _address(PublicKey.from_valid_secret(secret))


def _l1_digest(action: Mapping[str, Any], nonce: int, vault: Any, expires_after: Any) -> bytes:
    try:
        packed = msgpack.packb(action)
    except (ValueError, OverflowError) as error:
        raise MalformedError from error
    packed += nonce.to_bytes(8, "big")
    packed += b"\x00" if vault is None else b"\x01" + _address_bytes(vault)
    if expires_after is not None:
        if not _is_uint64(expires_after):
            raise MalformedError
        packed += b"\x00" + expires_after.to_bytes(8, "big")
    agent = {"source": MAINNET, "connectionId": _keccak(packed)}
    return _eip712("Exchange", L1_CHAIN, "Agent", AGENT, agent)


def _user_signed_digest(action: Mapping[str, Any]) -> bytes:
    name, fields = USER_SIGNED[action["type"]]
    chain = action.get("signatureChainId")
    if not isinstance(chain, str) or not HEX.fullmatch(chain):
        raise MalformedError
    return _eip712("HyperliquidSignTransaction", int(chain, 16), name, fields, action)


def _eip712(domain: str, chain: int, name: str, fields: Fields, message: Mapping[str, Any]) -> bytes:
    """The digest that EIP-712 has signed: eips.ethereum.org/EIPS/eip-712."""
    about = {"name": domain, "version": "1", "chainId": chain, "verifyingContract": "0x" + 40 * "0"}
    return _keccak(b"\x19\x01" + _struct("EIP712Domain", DOMAIN, about) + _struct(name, fields, message))


def _struct(name: str, fields: Fields, message: Mapping[str, Any]) -> bytes:
    declared = f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})"
    return _keccak(_keccak(declared.encode()) + b"".join(_word(kind, message.get(field)) for field, kind in fields))


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


def _signature(told: Any) -> bytes:
    """r, s and the recovery id, 65 bytes."""
    if not isinstance(told, dict):
        raise MalformedError
    parts = [told.get("r"), told.get("s")]
    if not all(isinstance(part, str) and HEX.fullmatch(part) for part in parts) or told.get("v") not in (27, 28):
        raise MalformedError
    return b"".join(int(part, 16).to_bytes(32, "big") for part in parts) + bytes([told["v"] - 27])


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


def _is_uint64(value: Any) -> bool:
    # bool is an int in Python, but not in JSON.
    return type(value) is int and 0 <= value < 2**64


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()
