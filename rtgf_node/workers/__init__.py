"""Further processes that answer reads and verifications: what they are, follow and say."""
