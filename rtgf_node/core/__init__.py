"""The ground floor: the same input gives the same output, with no I/O, clock or randomness."""
