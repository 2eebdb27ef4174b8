"""A keyring that is a JSON file, for tests: a backend like any other, so the library in between is the real one."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):
    """Keeps everything in the file that KEYRING_FILE names."""

    priority = -1  # type: ignore[assignment]
    """Below every other: it is chosen by name alone."""

    def get_password(self, service: str, username: str) -> str | None:
        """One secret."""
        return self._content().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store one."""
        self._write(self._content() | {f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        """Remove one."""
        content = self._content()
        if content.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("not there")
        self._write(content)

    def _content(self) -> dict[str, str]:
        path = Path(os.environ["KEYRING_FILE"])
        return json.loads(path.read_text()) if path.exists() else {}

    def _write(self, content: dict[str, str]) -> None:
        Path(os.environ["KEYRING_FILE"]).write_text(json.dumps(content))
