"""Keeps a bot running that nobody sits before: starts trader and collector, watches them, starts them again."""
