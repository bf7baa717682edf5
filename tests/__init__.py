"""The tests mirror the package; contract suites run over every adapter of a port."""
