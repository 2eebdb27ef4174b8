"""Orders at real venues: signed accounts, two-leg execution, settlement by what the venues say."""
