"""`python -m archiver`: the same as the command `archiver`."""

from archiver.cli import main

main()
