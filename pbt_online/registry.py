"""The registry: every policy that may trade, as immutable versions, and the one that does, the champion.

    registry/versions/<name>/manifest.json      what the version is, where it comes from, the hash of each of its files
    registry/versions/<name>/policy.npz, .json  a network: weights; schema and scaler
    registry/versions/<name>/model.zip          the same network for Stable-Baselines3, where it was kept
    registry/champion.json                      the name of the champion and of all before it, replaced atomically
    registry/registry.lock                      held by the one process that writes

The first champion is the plain carry rule. `docs/registry.md` describes all this for people.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backtest.policies import Policy, plain_policy
from backtest.schema import Schema, settings_for
from backtest.settings import EnvironmentSettings
from data.errors import ConfigurationError, CorruptData, FundingBotError, StateError
from pbt_online.ensemble import Ensemble
from pbt_online.manifest import MANIFEST, MODEL, REMEDY, WEIGHTS, Origin, Version, digest, file_hash, joint_hash
from pbt_online.network import NetworkPolicy

_FLAT = Schema(slots=3, opportunities=5)
"""Flat leaves hour by hour; slots and opportunities are the account's, as for every plain policy."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Tenure:
    """One champion's time."""

    name: str
    since_ms: int | None
    """Market time; None for the first champion."""
    why: str
    before: int | None
    """Its predecessor, to which a rollback returns: a place in the history."""
    by_hand: bool = False
    """Whether a person chose it."""


class Registry:
    """Versions and champion under one folder. One writer at a time, by a lock file; readers need no lock and see what
    was there before a change or after it. Every write raises StateError where the disk refuses it, and changes nothing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._versions = root / "versions"
        self._alias = root / "champion.json"

    def champion(self, schema: Schema) -> Version:
        """The version that trades; on first use the carry rule, under `schema`, becomes it."""
        if not self._alias.exists():
            with self._writing():
                if not self._alias.exists():
                    rule = self._plain("rule", schema)
                    self._crown((), Tenure(rule.name, None, "the first champion", None))
        return self.version(self.history()[-1].name)

    def champion_at(self, schema: Schema, market_ms: int) -> Version:
        """The champion that `market_ms` knew: a simulated run must not begin with what was learnt later."""
        self.champion(schema)
        return self.version(self.tenure_at(market_ms).name)

    def tenure_at(self, market_ms: int) -> Tenure:
        """Who had been made champion last by then."""
        return [tenure for tenure in self.history() if (tenure.since_ms or 0) <= market_ms][-1]

    def rewind(self, market_ms: int) -> None:
        """Forget every champion after `market_ms`, for a simulated run that lives that time anew; but whom a person
        chose last among them is the champion from then on."""
        with self._writing():
            history = self.history()
            later = next((i for i, tenure in enumerate(history) if (tenure.since_ms or 0) > market_ms), None)
            if later is not None:
                kept = list(history[:later])
                chosen = next((tenure for tenure in reversed(history[later:]) if tenure.by_hand), None)
                if chosen is not None and chosen.name != kept[-1].name:
                    kept.append(replace(chosen, since_ms=market_ms, before=len(kept) - 1))
                self._crown(kept[:-1], kept[-1])

    def history(self) -> tuple[Tenure, ...]:
        """Every champion, oldest first; the last one trades. Raises StateError where the file is damaged."""
        if not self._alias.exists():
            return ()
        try:
            content = json.loads(self._alias.read_bytes())
            told = tuple(Tenure(**entry) for entry in content["history"])
            if told[-1].name != content["name"]:
                raise ValueError("it contradicts itself")
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            raise StateError(
                f"{self._alias} names no champion ({error!r}): restore it from a backup, or delete it to start from "
                "the rule"
            ) from error
        return told

    def names(self) -> list[str]:
        """Every version's name, sorted."""
        return sorted(path.parent.name for path in self._versions.glob(f"[!.]*/{MANIFEST}"))

    def version(self, name: str) -> Version:
        """A version by name; raises StateError if it is not there, CorruptData if its manifest was changed."""
        path = self._folder(name) / MANIFEST
        try:
            text = path.read_bytes()
        except OSError as error:
            raise StateError(
                f"no version {name}: no manifest {path} can be read ({error.strerror}); `bot champion list` shows what "
                "there is"
            ) from error
        version = Version.from_json(text, path)
        if version.name != name:
            raise CorruptData(f"{path} is the manifest of {version.name}: {REMEDY}")
        return version

    def register_plain(self, policy: str, schema: Schema) -> Version:
        """Register a policy that needs no training; the same policy and schema give the same version."""
        with self._writing():
            return self._plain(policy, schema)

    def register_network(
        self, policy: NetworkPolicy, origin: Origin, *, model_zip: bytes | None = None, name: str | None = None
    ) -> Version:
        """Keep a network for good; `name` replaces the one made of market time and content.

        The same content gives the same version again; another content under a name that exists is a StateError.
        """
        with self._writing(), self._draft() as draft:
            policy.save(draft)
            if model_zip is not None:
                (draft / MODEL).write_bytes(model_zip)
            files = {path.name: file_hash(path) for path in sorted(draft.iterdir())}
            told = vars(origin) | {"weights_hash": origin.weights_hash or files[WEIGHTS]}
            scaler = None if policy.scaler is None else digest(policy.scaler.as_dict())
            version = Version(
                **told, name="", kind="network", schema=policy.schema, schema_hash=policy.schema.hash, files=files,
                scaler_hash=scaler,
            )  # fmt: skip
            return self._keep(draft, version.named(name, "ppo"))

    def register_ensemble(self, members: Sequence[str], origin: Origin, *, name: str | None = None) -> Version:
        """Keep the vote of existing versions of one schema as a version of its own, as `register_network` does."""
        with self._writing(), self._draft() as draft:
            voters = [self.version(member) for member in members]
            if not voters or any(one.schema != voters[0].schema or one.kind == "ensemble" for one in voters):
                listed = ", ".join(f"{one.name} ({one.kind}, {one.schema})" for one in voters) or "nobody"
                raise ConfigurationError(f"no ensemble of {listed}: choose versions of one schema, and no ensembles")
            told = vars(origin) | {"weights_hash": joint_hash(voters)}
            schema = voters[0].schema
            version = Version(
                **told, name="", kind="ensemble", schema=schema, schema_hash=schema.hash, members=tuple(members)
            )
            return self._keep(draft, version.named(name, "ensemble"))

    def promote(self, name: str, at_ms: int | None, why: str, *, by_hand: bool = False) -> Version:
        """Make an existing version the champion, atomically, after checking its files; one that is it already stays it
        as it was, and is a person's choice from now on where this is `by_hand`.

        `at_ms` is market time. Raises StateError if it is not there, CorruptData if it is damaged.
        """
        with self._writing():
            version, history = self._sound(name), self.history()
            if not history or history[-1].name != name:
                self._crown(history, Tenure(name, at_ms, why, len(history) - 1 if history else None, by_hand))
            elif by_hand and not history[-1].by_hand:
                self._crown(history[:-1], replace(history[-1], by_hand=True))
            return version

    def rollback(self, at_ms: int | None, why: str = "rolled back", *, by_hand: bool = False) -> Version:
        """Bring back the champion's predecessor; again, the one before that. The history keeps all of it.

        Raises StateError where nobody came before, CorruptData where the predecessor is damaged.
        """
        with self._writing():
            history = self.history()
            if not history or (before := history[-1].before) is None:
                raise StateError("no champion came before this one: promote a version by `bot champion promote NAME`")
            version = self._sound(history[before].name)
            self._crown(history, replace(history[before], since_ms=at_ms, why=why, by_hand=by_hand))
            return version

    def demote(self, at_ms: int | None, why: str, *, to_flat: bool = False) -> Version:
        """Depose the champion: its nearest sound predecessor trades on, or flat where there is none or on request.

        Flat closes what is open. It stands ready even where every other version is damaged.
        """
        with self._writing():
            history = self.history()
            if not history:
                raise StateError("there is no champion to demote: start with `bot run --paper`")
            before = None if to_flat else history[-1].before
            while before is not None:
                try:
                    version = self._sound(history[before].name)
                except FundingBotError:  # who is damaged cannot trade; the one before may
                    before = history[before].before
                    continue
                self._crown(history, replace(history[before], since_ms=at_ms, why=why, by_hand=False))
                return version
            flat = self._plain("flat", _FLAT)
            self._crown(history, Tenure(flat.name, at_ms, why, None))
            return flat

    def verify(self, version: Version) -> None:
        """Compare every file, and every member's, with its hash; raises CorruptData before anything is opened."""
        for name in version.files:
            self.file(version, name)
        members = [self._sound(member) for member in version.members]
        if members and joint_hash(members) != version.weights_hash:
            raise CorruptData(f"a member of {version.name} differs from its manifest: {REMEDY}")

    def file(self, version: Version, name: str) -> Path:
        """One file of a version, such as `model.zip`, after its hash was compared: raises CorruptData where it differs
        or is gone, StateError where the version has none."""
        path = self._folder(version.name) / name
        if name not in version.files:
            raise StateError(f"version {version.name} was registered without {name}: choose another version")
        try:
            found = file_hash(path)
        except OSError as error:
            raise CorruptData(f"{path} cannot be read ({error.strerror}): {REMEDY}") from error
        if found != version.files[name]:
            raise CorruptData(f"{path} differs from its manifest: {REMEDY}")
        return path

    def policy(self, version: Version, settings: EnvironmentSettings, seed: int) -> Policy:
        """The policy of a version, ready to decide, with the version's formulation and rhythm, not the settings'.

        A plain policy serves any number of slots and opportunities; for a network, others than the settings' are a
        ConfigurationError. Files are compared with their hashes before they are read: raises CorruptData.
        """
        if version.kind == "plain":
            slots, opportunities = settings.max_positions, settings.max_opportunities
            return plain_policy(version.policy, replace(version.schema, slots=slots, opportunities=opportunities), seed)
        try:
            settings_for(version.schema, settings)
        except ConfigurationError as error:
            raise ConfigurationError(f"version {version.name}: {error}") from error
        self.verify(version)
        if version.kind == "ensemble":
            members = [self.policy(self.version(member), settings, seed) for member in version.members]
            return Ensemble(version.name, members)
        policy = NetworkPolicy.load(self._folder(version.name))
        policy.name = version.name
        return policy

    def _plain(self, policy: str, schema: Schema) -> Version:
        plain_policy(policy, schema, 0)  # raises ConfigurationError for a name that nothing has
        version = Version(name="", kind="plain", policy=policy, schema=schema, schema_hash=schema.hash)
        with self._draft() as draft:
            return self._keep(draft, version.named(f"{policy}-{schema.hash[:6]}", policy))

    def _sound(self, name: str) -> Version:
        version = self.version(name)
        self.verify(version)
        return version

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise StateError(f"'{name}' is no version's name: letters, digits, '.', '_' and '-'")
        return self._versions / name

    def _crown(self, history: Sequence[Tenure], new: Tenure) -> None:
        content = {**asdict(new), "history": [asdict(tenure) for tenure in (*history, new)]}
        beside = self._alias.with_suffix(".tmp")
        beside.write_text(json.dumps(content, indent=2))
        _flush(beside)
        beside.replace(self._alias)
        _flush(self.root)

    def _keep(self, draft: Path, version: Version) -> Version:
        """Make the draft a version, unless it is one already."""
        folder = self._folder(version.name)
        if folder.exists():
            known = self.version(version.name)
            if known.fingerprint != version.fingerprint:
                raise StateError(f"version {version.name} exists with another content: versions never change")
            return known
        (draft / MANIFEST).write_text(version.as_json())
        for path in (*draft.iterdir(), draft):
            _flush(path)
        draft.rename(folder)
        _flush(self._versions)
        return self.version(version.name)

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """A folder that no reader sees, gone at the end unless it became a version."""
        draft = self._versions / ".draft"
        shutil.rmtree(draft, ignore_errors=True)  # of a process that died
        draft.mkdir()
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._versions.mkdir(parents=True, exist_ok=True)
            with (self.root / "registry.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise StateError(
                f"the registry {self.root} cannot be written ({error}): make room or mend the permissions; what was "
                "there before is kept"
            ) from error


def _flush(path: Path) -> None:
    """To the device: files, and folders for the names in them."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
