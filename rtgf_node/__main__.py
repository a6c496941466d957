"""`python -m rtgf_node` is `rtgf`."""

from rtgf_node.cli.main import main

main()
