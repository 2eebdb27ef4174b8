"""The JSON schema of the configuration, by which editors complete and check it: for `bot schema` and its file."""

import json
from importlib.resources import files
from pathlib import Path

from bot.settings import Settings

DRAFT = "https://json-schema.org/draft/2020-12/schema"
"""What pydantic writes."""


def schema_text() -> str:
    """One JSON document. A section may be empty, which YAML reads as null."""
    schema = Settings.model_json_schema()
    for section in (schema, *schema["$defs"].values()):
        if section.get("type") == "object":
            section["type"] = ["object", "null"]
    return json.dumps({"$schema": DRAFT, **schema}, indent=1) + "\n"


def schema_address() -> str:
    """Where the schema that is shipped with this program lies, as a file's URI."""
    return Path(str(files("config") / "schema.json")).absolute().as_uri()
