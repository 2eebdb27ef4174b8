"""Commands and alerts by Telegram, apart from the trader: it answers while that hangs, and loads nothing heavy."""
