"""Captures one generation: its files, its sidecar, its row, in this order (promises 1 and 2)."""
