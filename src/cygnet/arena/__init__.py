"""Which model is better: blind pairwise games between players, and Elo-scale ratings fitted to their outcomes."""
