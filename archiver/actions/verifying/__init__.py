"""The parts of `actions/verify.py`: what is looked at, how, and what it is called."""
