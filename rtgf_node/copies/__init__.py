"""Copies of what a node holds: public files for others, backups for itself."""
