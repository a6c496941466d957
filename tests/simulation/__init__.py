"""A seeded simulation of a whole cluster: real replicators, stores and core; time, network and
faults from one number. `python -m tests.simulation SEED` shows what happened under a seed.
"""
