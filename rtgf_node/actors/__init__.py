"""The actors: who owns which state, and who asks whom."""
