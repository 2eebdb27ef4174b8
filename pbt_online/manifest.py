"""What is known of a policy version: its manifest, as the registry writes and checks it."""

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Literal

from backtest.schema import Schema
from data.errors import CorruptData, StateError

Json = Mapping[str, Any]
MANIFEST, WEIGHTS, MODEL = "manifest.json", "policy.npz", "model.zip"
REMEDY = "restore it from a backup or remove the version"
_NOT_IDENTITY = ("name", "code_version", "fingerprint")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a version comes from. The mappings are free, but JSON: they come back as they went."""

    created_ms: int | None = None
    """Market time."""
    weights_hash: str | None = None
    """Of the checkpoint it was taken from; where none is given, the sha256 of its weights' file."""
    lineage: Json = field(default_factory=dict)
    """Run id, member, round, parents."""
    window: Json = field(default_factory=dict)
    """First and last tick (ms) of train, validation and gate."""
    configuration: Json = field(default_factory=dict)
    """The settings it was trained under."""
    verdict: Json | None = None
    """What the gate said, where it was asked."""
    fitness: Json | None = None
    """The score row of its last round: examining it again gives this row."""


@dataclass(frozen=True, kw_only=True)
class Version(Origin):
    """One immutable policy, as its manifest describes it."""

    name: str
    kind: Literal["plain", "network", "ensemble"]
    schema: Schema
    schema_hash: str
    policy: str = ""
    """The name of a plain policy."""
    members: tuple[str, ...] = ()
    """The versions that vote in an ensemble."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 by file name."""
    scaler_hash: str | None = None
    code_version: str = ""
    fingerprint: str = ""
    """sha256 of all that makes the version what it is: not its name, not the program's version, and not `model.zip`,
    which is the same network once more and bears the time of day."""

    @property
    def vouched_for(self) -> bool:
        """Whether the gate promoted it."""
        return bool(self.verdict and self.verdict.get("promoted"))

    def named(self, name: str | None, prefix: str) -> "Version":
        """Sealed: with its fingerprint, under `name`, or one of prefix, market time and fingerprint."""
        told = self._identity()
        made = "" if self.created_ms is None else f"{datetime.fromtimestamp(self.created_ms / 1000, UTC):%Y%m%dT%H}-"
        return replace(self, name=name or f"{prefix}-{made}{told[:6]}", fingerprint=told, code_version=code_version())

    def as_json(self) -> str:
        """The manifest."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: bytes, path: Path) -> "Version":
        """What `as_json` gave, read from `path`; raises StateError for what is no manifest, CorruptData for one that
        was changed."""
        try:
            content = json.loads(text)
            told = {"schema": Schema(**content["schema"]), "members": tuple(content["members"])}
            version = cls(**{**content, **told})
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{path} is no manifest of this program ({error!r}): {REMEDY}") from error
        if version._identity() != version.fingerprint:
            raise CorruptData(f"{path} differs from its own fingerprint: {REMEDY}")
        return version

    def _identity(self) -> str:
        content = {name: value for name, value in asdict(self).items() if name not in _NOT_IDENTITY}
        content["files"] = {name: told for name, told in self.files.items() if name != MODEL}
        return digest(content)


def joint_hash(members: Sequence[Version]) -> str:
    """Of an ensemble: changes with whatever changes in a member, or in their order."""
    return digest([member.fingerprint for member in members])


def digest(content: Any) -> str:
    """sha256 of plain data, whatever order its keys are in."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def code_version() -> str:
    """Version of the package, and the commit where it runs from a repository."""
    try:
        release = package_version("funding-bot")
    except PackageNotFoundError:
        release = "unpackaged"
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return release
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return release
    return f"{release}+{told}"
