"""What comes between two runs: a generation that was named, followed and captured by itself."""
