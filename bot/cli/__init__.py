"""The `bot` command."""
