"""Who decides: the registry of policies and its champion."""
