"""The composition root: makes archives, accounts and engines from the config.

The only place where adapters are chosen and joined; everything else is handed what it needs.
"""
