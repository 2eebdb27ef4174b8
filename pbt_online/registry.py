"""The registry: every policy that may trade, as immutable versions, and the one that does, the champion.

    registry/versions/<name>/manifest.json      what the version is and which observation schema it reads
    registry/champion.json                      the name of the champion and since when, replaced atomically

The first champion is the plain carry rule.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from backtest.policies import Policy, plain_policy
from backtest.schema import Schema
from data.errors import StateError


@dataclass(frozen=True)
class Version:
    """One immutable policy. `kind` is plain for policies without weights; `policy` is then their name."""

    name: str
    kind: str
    policy: str
    schema_hash: str


class Registry:
    """Versions and champion under one folder. One writer; readers see the champion from before or after a change."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def champion(self, schema: Schema) -> Version:
        """The version that trades; on first use the carry rule becomes it."""
        alias = self._root / "champion.json"
        if not alias.exists():
            rule = self.register_plain("rule", schema)
            self.promote(rule.name)
        try:
            return self.version(str(self._read(alias)["name"]))
        except (KeyError, TypeError) as error:
            raise StateError(f"{alias} names no champion: delete it to start from the rule") from error

    def register_plain(self, policy: str, schema: Schema) -> Version:
        """Register a policy that needs no training; the same policy and schema give the same version."""
        version = Version(f"{policy}-{schema.hash[:6]}", "plain", policy, schema.hash)
        self._write(self._root / "versions" / version.name / "manifest.json", asdict(version))
        return version

    def version(self, name: str) -> Version:
        """A version by name; raises StateError if it is not there or cannot be read."""
        path = self._root / "versions" / name / "manifest.json"
        try:
            return Version(**self._read(path))
        except TypeError as error:
            raise StateError(f"{path} is not a manifest: restore it from a backup, or delete the registry") from error

    def promote(self, name: str) -> None:
        """Make an existing version the champion, atomically."""
        self.version(name)
        self._write(self._root / "champion.json", {"name": name})

    def policy(self, version: Version, schema: Schema, seed: int) -> Policy:
        """The policy of a version, ready to decide. A plain policy reads whatever `schema` says stands where."""
        return plain_policy(version.policy, schema, seed)

    def _read(self, path: Path) -> dict[str, str]:
        try:
            content: dict[str, str] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise StateError(
                f"{path} cannot be read ({error}): restore it from a backup, or delete the registry"
            ) from error
        return content

    def _write(self, path: Path, content: dict[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp")
        with beside.open("w") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
