"""What was signed last, kept apart from the store, so that no old copy makes a node sign a fork."""
