"""Commands in, applied in the same order on every node."""
