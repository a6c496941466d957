"""What an auditor does with what a node publishes: collect it, prove it anew, judge it."""
