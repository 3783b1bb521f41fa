"""The rows of the benchmark: one module per measurement."""
