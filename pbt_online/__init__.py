"""Who decides, and how that is learnt: the population, the gate, the registry of policies and its champion."""
