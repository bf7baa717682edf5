"""What `ingest`, `generate`, `wait` and `doctor --canary` are made of; no commands."""
