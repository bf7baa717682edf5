"""Tests of the index: what is known, in SQLite."""
