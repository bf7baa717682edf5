"""The parts of `actions/restore.py`: what is given back, from where, and each file."""
