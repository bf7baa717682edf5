"""Destinations: one contract suite over all adapters, and what is special about each."""
