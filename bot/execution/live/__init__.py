"""Orders and accounts at real venues, or at the sandbox's: the only part of the bot that holds keys."""
