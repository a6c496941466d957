"""The dashboard: its own process, which talks to a node only through `rtgf_node.client`."""
