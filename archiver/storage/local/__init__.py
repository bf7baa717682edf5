"""Destinations in a local directory."""
