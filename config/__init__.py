"""The shipped configurations, generated from the settings models."""
