"""A folder in one file that is whole or refused: a zip with the hash of every file in it. Used by `bot.backup`."""

import hashlib
import json
import os
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from data.errors import StateError

FORMAT = 1
_MANIFEST = "manifest.json"
_CHUNK = 1 << 20


def pack(folder: Path, to: Path, about: dict[str, Any]) -> None:
    """Write every file below `folder` into `to`, with `about` in its manifest; on the disk when it returns, and until
    then under another name. Raises OSError."""
    half = to.with_name(f".{to.name}.tmp")
    try:
        with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            hashes = {}
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = path.relative_to(folder).as_posix()
                archive.write(path, f"files/{name}")
                hashes[name] = _hash(path)
            manifest = {"format": FORMAT, **about, "files": hashes}
            archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
        with half.open("rb") as file:
            os.fsync(file.fileno())
        half.replace(to)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Write what `file` holds below `folder`, and give its manifest. Raises StateError for a file that is not whole, or
    that `pack` has not written, and for one of a newer version; what is in `folder` then is to be thrown away."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            if manifest["format"] > FORMAT:
                raise StateError(f"{file} was written by a newer version of the bot: restore it by that version")
            for name, expected in manifest["files"].items():
                _extract(archive, name, expected, folder)
            return dict(manifest)
    except FileNotFoundError:
        raise StateError(f"there is no file {file}: name one that `bot db backup` has written") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError, zlib.error) as error:
        raise StateError(
            f"{file} is no backup, or not a whole one ({error}): name one that `bot db backup` has written to its end"
        ) from error


def _extract(archive: zipfile.ZipFile, name: str, expected: str, folder: Path) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise ValueError(f"{name} would lie outside")
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(f"files/{name}") as source, path.open("wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    if _hash(path) != expected:
        raise ValueError(f"{name} differs from its hash")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
