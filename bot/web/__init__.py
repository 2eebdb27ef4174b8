"""The web page: what the bot does, in a browser and as JSON; it reads, pauses and kills, and never trades."""
