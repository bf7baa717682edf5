"""Tests that break things on purpose: a sample in each run, everything by `make torture`."""
