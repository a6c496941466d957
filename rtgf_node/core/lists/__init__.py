"""Sanctions lists: readers of the publishers' real files, one record form, and screening."""
