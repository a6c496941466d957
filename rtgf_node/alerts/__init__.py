"""What needs a human: which alerts there are, when one stands, and who is told."""
