"""What ends one figure, and lets the others go on."""


class Unmeasurable(Exception):
    """Something that a figure needs is not there, or the work was not done as it should be."""
