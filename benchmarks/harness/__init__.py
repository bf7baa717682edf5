"""What every figure is measured with: processes, worlds, servers, rounds, and the report."""
