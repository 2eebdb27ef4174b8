"""Servers on loopback that speak like the venues, over one simulated market with an accelerated clock."""
