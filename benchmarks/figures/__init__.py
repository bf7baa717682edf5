"""The figures of the suite: one module each, and the order in which they are measured.

A figure is a module with `measure(folder)`, which yields what it measured; `folder` is empty, on
the disk of this tree, and removed at the end.
"""

FIGURES = (
    "capture_small",
    "latency",
    "capture_large",
    "capture_s3",
    "two_destinations",
    "memory",
    "poll",
    "verify",
    "verify_quick",
    "restore",
    "rebuild",
    "search",
    "start",
)
