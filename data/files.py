"""Where the bytes of a lake lie: a folder on this machine, or any URL that fsspec opens (s3://..., gs://...).

Names are relative to the root, with slashes. A file is there whole or not at all on either: a folder by renaming, an
object store because an object appears when it is complete. Not thread-safe.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import fsspec
import pyarrow as pa

from data.durable import write_whole
from data.errors import ConfigurationError, StateError

Stamp = object
"""Differs whenever the file was written anew."""


class Files(Protocol):
    """Reads, lists and replaces files."""

    shown: str
    """The root, for people."""

    def listing(self, folder: str) -> Mapping[str, Stamp]:
        """Names of the files right in `folder`, in alphabetical order, with their stamps; none if it is not there."""

    def folders(self, folder: str) -> list[str]:
        """Names of the folders right in `folder`, in alphabetical order; hidden ones are left out."""

    def stamp(self, name: str) -> Stamp | None:
        """The stamp of a file; None if it is not there."""

    def read(self, name: str) -> pa.Buffer:
        """The bytes of a file; raises FileNotFoundError."""

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Put a file there, whole or not at all. Raises OSError and leaves what was there."""

    def delete(self, name: str) -> None:
        """Take a file away; nothing happens if it is not there."""

    def own(self) -> None:
        """From now on nobody else writes until `release`; raises StateError while somebody else does."""

    def release(self) -> None:
        """Let others write. Twice is once."""


def files_at(root: Path | str) -> Files:
    """The files under a local folder or a URL; raises ConfigurationError for a URL that fsspec cannot open."""
    if isinstance(root, Path) or "://" not in root:
        return LocalFiles(Path(root))
    try:
        return RemoteFiles(root)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{root} cannot be opened ({error}): install what it needs, or name a folder"
        ) from error


class LocalFiles:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self.shown = str(root)
        self._root = root
        self._lock: int | None = None

    def __del__(self) -> None:
        self.release()

    def listing(self, folder: str) -> Mapping[str, Stamp]:
        """Names of the files there, with their times and sizes."""
        try:
            entries = sorted(os.scandir(self._root / folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return {}
        there: dict[str, Stamp] = {}
        for entry in entries:
            with suppress(FileNotFoundError):  # it was moved or deleted meanwhile
                if entry.is_file():
                    there[entry.name] = _stamp(entry.stat())
        return there

    def folders(self, folder: str) -> list[str]:
        """Names of the folders there that are not hidden."""
        try:
            entries = os.scandir(self._root / folder)
        except FileNotFoundError:
            return []
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))

    def stamp(self, name: str) -> Stamp | None:
        """Time of the last change, size and number of the file."""
        try:
            return _stamp((self._root / name).stat())
        except FileNotFoundError:
            return None

    def read(self, name: str) -> pa.Buffer:
        """The file mapped into memory."""
        path = self._root / name
        return pa.memory_map(str(path)).read_buffer() if path.stat().st_size else pa.py_buffer(b"")

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Written beside, flushed to the device, renamed."""
        write_whole(self._root / name, content)

    def delete(self, name: str) -> None:
        """Unlinked."""
        (self._root / name).unlink(missing_ok=True)

    def own(self) -> None:
        """Lock the folder for this process."""
        if self._lock is not None:
            return
        self._root.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._root / ".writer", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise StateError(
                f"{self.shown} is being written by somebody else: stop that collector or bot first"
            ) from error
        self._lock = lock

    def release(self) -> None:
        """Give the lock back."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


class RemoteFiles:
    """An object store, or whatever else fsspec has a protocol for. It cannot lock: let one machine write."""

    def __init__(self, url: str) -> None:
        self.shown = url
        self._system: Any
        self._system, self._root = fsspec.core.url_to_fs(url)

    def listing(self, folder: str) -> Mapping[str, Stamp]:
        """Names of the objects there, with what the store says of them."""
        return {_last(entry): _remote_stamp(entry) for entry in self._entries(folder, "file")}

    def folders(self, folder: str) -> list[str]:
        """Names of the prefixes there that are not hidden."""
        names = (_last(entry) for entry in self._entries(folder, "directory"))
        return [name for name in names if not name.startswith(".")]

    def stamp(self, name: str) -> Stamp | None:
        """The object's tag, or time and size."""
        try:
            with self._told():
                return _remote_stamp(self._system.info(self._path(name)))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> pa.Buffer:
        """The whole object."""
        with self._told():
            return pa.py_buffer(self._system.cat_file(self._path(name)))

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Put as one object."""
        path = self._path(name)
        with self._told():
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._system.pipe_file(path, bytes(content))
            self._system.invalidate_cache()

    def delete(self, name: str) -> None:
        """Removed."""
        with self._told():
            if self._system.exists(self._path(name)):
                self._system.rm_file(self._path(name))
                self._system.invalidate_cache()

    def own(self) -> None:
        """Nothing: see the class."""

    def release(self) -> None:
        """Nothing."""

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Each store has exceptions of its own: they become OSError that names the place."""
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            raise OSError(f"{self.shown} cannot be used ({error})") from error

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _entries(self, folder: str, kind: str) -> list[dict[str, Any]]:
        try:
            with self._told():
                self._system.invalidate_cache()
                entries = self._system.ls(self._path(folder), detail=True)
        except FileNotFoundError:
            return []
        return sorted((entry for entry in entries if entry["type"] == kind), key=_last)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _last(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]


def _remote_stamp(entry: Mapping[str, Any]) -> Stamp:
    # Which of them a protocol has differs: S3 has an ETag, the memory one a time of creation.
    told = [entry.get(name) for name in ("ETag", "etag", "mtime", "LastModified", "updated", "created", "size")]
    return tuple(str(value.timestamp() if isinstance(value, datetime) else value) for value in told)
