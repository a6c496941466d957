"""etcd's Raft core as a library in C, and its calls for Python. It does no I/O."""
