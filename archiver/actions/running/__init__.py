"""One pass: made ready, its threads, its numbers. `actions/run.py` is the verb."""
