"""What the market said: types, clock, the ccxt gateway, collector, lake, panel, simulated markets."""
