"""The keys of a node: where they live, which sign now, how they change, and whose are pinned."""
