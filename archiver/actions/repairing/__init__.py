"""The parts of `actions/repair.py`: one for each way of healing."""
