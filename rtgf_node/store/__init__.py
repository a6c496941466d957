"""What a node keeps: SQLite and files, plain blocking functions, one transaction each."""

from rtgf_node.store.node_store import Store, create_store, follow_store, open_store

__all__ = ["Store", "create_store", "follow_store", "open_store"]
