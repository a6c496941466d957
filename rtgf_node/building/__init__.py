"""Builds in processes of their own: twice, in pieces, and again from a manifest."""
