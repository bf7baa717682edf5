"""The parts of `actions/export.py`: a bag as a directory, and as a tar stream."""
