"""rtgf-node: signed rules in, signed and logged tokens out, verified answers for everyone."""

__version__ = "0.1.0"
